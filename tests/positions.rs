//! Nothing that is lost between cores stays unnoticed by those who follow a channel from a position (client-protocol 4.5,
//! 4.6, F130, F131). Whole cores in virtual time; messages between them are swallowed, doubled or held back.

mod common;

use common::pure::Pure;
use common::server::parse_answer;
use common::ws::{Arrival, Peer, upgrade};
use corecast::id::Core;
use corecast::limits::ACTS_PER_SLICE;
use corecast::session::Policy;
use corecast::shard::{Message, Placement};
use corecast::wire::websocket::Opcode;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const CORES: usize = 2;
/// Clients sit on core 0; the owner of the channels is core 1.
const OWNER: usize = 1;

const UNSUBSCRIBED: &str = "\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}";
const DISCONNECTED: &str = "3010 insufficient state";

/// The rules of all tests, without pings.
fn rules(client: &Value) -> Value {
    let mut config = json!({
        "client": {"allow_anonymous_connect_without_token": true, "ping_interval": "-1s", "pong_timeout": "-2s",
            "token": {"hmac_secret_key": "secret"}},
        "http_api": {"key": "k"},
        "channel": {"history_meta_ttl": "100s", "namespaces": [
            {"name": "hist", "history_size": 100, "history_ttl": "90s", "force_recovery": true},
            {"name": "may", "history_size": 100, "history_ttl": "90s", "allow_recovery": true},
            {"name": "seen", "history_size": 100, "history_ttl": "90s", "force_recovery": true, "presence": true,
             "join_leave": true, "force_push_join_leave": true},
            {"name": "delta", "history_size": 100, "history_ttl": "90s", "allow_recovery": true,
             "allowed_delta_types": ["fossil"], "delta_publish": true},
        ]},
    });
    for namespace in config["channel"]["namespaces"].as_array_mut().expect("a list") {
        namespace["allow_subscribe_for_client"] = true.into();
        namespace["allow_subscribe_for_anonymous"] = true.into();
    }
    for (key, value) in client.as_object().expect("an object") {
        config["client"][key] = value.clone();
    }
    config
}

/// Two cores, and a channel of the namespace whose owner is not the core of the clients.
fn world(namespace: &str, client: Value) -> (Pure, String) {
    let placement = Placement::new(1, CORES);
    let mut names = (0..).map(|n| format!("{namespace}:{n}"));
    let channel = names.find(|name| placement.owner(name) == Core(OWNER as u16)).expect("one of them");
    (Pure::new(&common::load(&rules(&client).to_string()), CORES), channel)
}

/// Connections take the cores in turn.
fn open_on(pure: &mut Pure, core: usize, query: &str) -> usize {
    let wire = (0..CORES).map(|_| pure.open()).find(|wire| wire % CORES == core).expect("every core has its turn");
    pure.send(wire, upgrade(query, ""));
    wire
}

/// A client, on core 0 mostly.
struct Client {
    wire: usize,
    peer: Peer,
}

impl Client {
    fn connect(pure: &mut Pure, body: Value) -> Client {
        Client::connect_on(pure, 0, body)
    }

    fn connect_on(pure: &mut Pure, core: usize, body: Value) -> Client {
        let wire = open_on(pure, core, "");
        let mut client = Client { wire, peer: Peer::default() };
        assert!(client.say(pure, json!({"id": 1, "connect": body})).contains("\"connect\":{"));
        client
    }

    /// One that has subscribed; further fields of the command in `more`.
    fn subscribed(pure: &mut Pure, channel: &str, more: Value) -> Client {
        let mut client = Client::connect(pure, json!({}));
        let reply = client.subscribe(pure, channel, more);
        assert!(reply.contains("\"subscribe\":"), "{reply}");
        client
    }

    fn subscribe(&mut self, pure: &mut Pure, channel: &str, more: Value) -> String {
        let mut body = more;
        body["channel"] = channel.into();
        self.say(pure, json!({"id": 2, "subscribe": body}))
    }

    fn say(&mut self, pure: &mut Pure, command: Value) -> String {
        let frame = self.peer.frame(Opcode::Text, command.to_string().as_bytes());
        pure.send(self.wire, frame);
        self.hear(pure)
    }

    /// What has come, a line per message; a close frame as `code reason`.
    fn hear(&mut self, pure: &mut Pure) -> String {
        let lines = self.peer.take(&pure.take(self.wire)).into_iter().map(|arrival| match arrival {
            Arrival::Text(text) => String::from_utf8(text).expect("UTF-8"),
            Arrival::Close(code, reason) => format!("{} {reason}", code.unwrap_or(0)),
            other => format!("{other:?}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn api(pure: &mut Pure, method: &str, body: &Value) -> String {
    let (wire, body) = (pure.open(), body.to_string());
    let length = body.len();
    let request = format!(
        "POST /api/{method} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-API-Key: k\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    pure.send(wire, request.into());
    parse_answer(&pure.take(wire)).1
}

/// Publishes number `n` and returns its epoch.
fn publish(pure: &mut Pure, channel: &str, n: u64) -> String {
    let answer = api(pure, "publish", &json!({"channel": channel, "data": {"n": n}}));
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["result"]["offset"], n, "{answer}");
    answer["result"]["epoch"].as_str().expect("an epoch").into()
}

/// The next message that `is_it` is true for is lost; it can be had back.
fn lose(pure: &mut Pure, is_it: fn(&Message) -> bool) -> Rc<RefCell<Option<Message>>> {
    let lost = Rc::new(RefCell::new(None));
    let place = lost.clone();
    pure.loses = Box::new(move |message| {
        let is_lost = place.borrow().is_none() && is_it(message);
        if is_lost {
            *place.borrow_mut() = Some(message.clone());
        }
        is_lost
    });
    lost
}

fn is_delivery(message: &Message) -> bool {
    matches!(message, Message::Deliver { .. })
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_publication_behind_a_lost_one_ends_subscriptions_with_a_position_only() {
    let (mut pure, channel) = world("may", json!({}));
    let mut follower = Client::subscribed(&mut pure, &channel, json!({"recoverable": true}));
    let mut other = Client::subscribed(&mut pure, &channel, json!({}));
    let epoch = publish(&mut pure, &channel, 1);
    assert!(follower.hear(&mut pure).contains("\"offset\":1") && other.hear(&mut pure).contains("\"n\":1"));
    lose(&mut pure, is_delivery);
    publish(&mut pure, &channel, 2);
    assert_eq!((follower.hear(&mut pure), other.hear(&mut pure)), (String::new(), String::new()));
    publish(&mut pure, &channel, 3);
    assert_eq!(follower.hear(&mut pure), format!("{{\"push\":{{\"channel\":\"{channel}\",{UNSUBSCRIBED}}}}}"));
    assert!(other.hear(&mut pure).contains("\"n\":3"), "who has no position goes on");
    let since = json!({"recoverable": true, "recover": true, "offset": 1, "epoch": epoch});
    let reply = follower.subscribe(&mut pure, &channel, since);
    assert!(reply.contains("\"offset\":2") && reply.contains("\"offset\":3") && reply.contains("\"recovered\":true"));
    publish(&mut pure, &channel, 4);
    assert!(follower.hear(&mut pure).contains("\"offset\":4") && other.hear(&mut pure).contains("\"n\":4"));
}

#[test]
fn a_subscription_of_the_server_ends_with_its_connection() {
    let (mut pure, channel) = world("hist", json!({}));
    let mut client = Client::connect(&mut pure, json!({"token": token(&channel)}));
    publish(&mut pure, &channel, 1);
    lose(&mut pure, is_delivery);
    publish(&mut pure, &channel, 2);
    client.hear(&mut pure);
    publish(&mut pure, &channel, 3);
    assert_eq!(client.hear(&mut pure), DISCONNECTED);
}

fn token(channel: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
    let claims = json!({"sub": "42", "channels": [channel]});
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).expect("a token")
}

#[test]
fn a_doubled_message_is_dropped() {
    let (mut pure, channel) = world("hist", json!({}));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    let held = lose(&mut pure, is_delivery);
    publish(&mut pure, &channel, 1);
    let message = held.borrow().clone().expect("a delivery");
    pure.tell(0, message.clone());
    assert!(client.hear(&mut pure).contains("\"offset\":1"));
    pure.tell(0, message);
    assert_eq!(client.hear(&mut pure), "");
    publish(&mut pure, &channel, 2);
    assert!(client.hear(&mut pure).contains("\"offset\":2"));
}

#[test]
fn a_subscriber_that_comes_later_reveals_the_loss() {
    let (mut pure, channel) = world("hist", json!({}));
    let mut first = Client::subscribed(&mut pure, &channel, json!({}));
    lose(&mut pure, is_delivery);
    publish(&mut pure, &channel, 1);
    assert_eq!(first.hear(&mut pure), "");
    let mut second = Client::subscribed(&mut pure, &channel, json!({}));
    assert!(first.hear(&mut pure).contains(UNSUBSCRIBED));
    publish(&mut pure, &channel, 2);
    assert!(second.hear(&mut pure).contains("\"offset\":2"), "it began behind the loss");
    assert_eq!(first.hear(&mut pure), "");
}

#[test]
fn a_silent_channel_is_checked_and_one_in_order_is_left_alone() {
    let (mut pure, channel) = world("hist", json!({"channel_position_check_delay": "40s"}));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    publish(&mut pure, &channel, 1);
    client.hear(&mut pure);
    api(&mut pure, "history_remove", &json!({"channel": channel}));
    pure.advance(seconds(500));
    assert_eq!(client.hear(&mut pure), "", "removed history keeps its position");
    lose(&mut pure, is_delivery);
    publish(&mut pure, &channel, 2);
    pure.advance(seconds(61));
    assert!(client.hear(&mut pure).contains(UNSUBSCRIBED));
}

#[test]
fn a_check_that_is_lost_itself_is_made_again() {
    for is_lost in [|m: &Message| matches!(m, Message::AskTop { .. }), |m: &Message| matches!(m, Message::Top { .. })] {
        let (mut pure, channel) = world("hist", json!({"channel_position_check_delay": "10s"}));
        let mut client = Client::subscribed(&mut pure, &channel, json!({}));
        lose(&mut pure, is_delivery);
        publish(&mut pure, &channel, 1);
        lose(&mut pure, is_lost);
        pure.advance(seconds(9));
        assert_eq!(client.hear(&mut pure), "");
        pure.advance(seconds(17));
        assert!(client.hear(&mut pure).contains(UNSUBSCRIBED));
    }
}

#[test]
fn a_stream_that_the_owner_has_lost_ends_subscriptions() {
    let (mut pure, channel) = world("hist", json!({"channel_position_check_delay": "40s"}));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    let mut of_server = Client::connect(&mut pure, json!({"token": token(&channel)}));
    publish(&mut pure, &channel, 1);
    assert!(client.hear(&mut pure).contains("\"offset\":1") && of_server.hear(&mut pure).contains("\"offset\":1"));
    // The owner forgets who listens; then nothing keeps the stream, and no answer of the periodic check comes before.
    pure.loses = Box::new(|message| matches!(message, Message::AskTop { .. }));
    pure.tell(OWNER, Message::Listen { channel: channel.as_str().into(), from: Core(0), feeds: 0, serial: 0 });
    pure.advance(seconds(101));
    pure.loses = Box::new(|_| false);
    pure.advance(seconds(61));
    assert!(client.hear(&mut pure).contains(UNSUBSCRIBED));
    assert_eq!(of_server.hear(&mut pure), DISCONNECTED);
    assert!(client.subscribe(&mut pure, &channel, json!({})).contains("\"positioned\":true"));
    publish(&mut pure, &channel, 1);
    assert!(client.hear(&mut pure).contains("\"offset\":1"), "in the new stream");
}

/// Other rules on all cores; with or without history in the first namespace.
fn reload(pure: &mut Pure, history_size: usize) {
    let mut config = rules(&json!({}));
    let hist = &mut config["channel"]["namespaces"][0];
    hist["history_size"] = history_size.into();
    hist["history_ttl"] = if history_size > 0 { "90s" } else { "0s" }.into();
    hist["force_recovery"] = (history_size > 0).into();
    let policy = Arc::new(Policy::new(&common::load(&config.to_string())).expect("good settings"));
    (0..CORES).for_each(|core| pure.tell(core, Message::Reload(policy.clone())));
}

#[test]
fn a_reload_that_drops_history_ends_its_positions() {
    let (mut pure, channel) = world("hist", json!({}));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    let epoch = publish(&mut pure, &channel, 1);
    client.hear(&mut pure);
    reload(&mut pure, 0);
    pure.advance(seconds(61));
    assert!(client.hear(&mut pure).contains(UNSUBSCRIBED));
    assert_eq!(client.subscribe(&mut pure, &channel, json!({})), r#"{"id":2,"subscribe":{}}"#);
    client.say(&mut pure, json!({"id": 3, "unsubscribe": {"channel": channel}}));
    // What nobody could recover must not look recovered when the rules change back.
    api(&mut pure, "publish", &json!({"channel": channel, "data": {}}));
    reload(&mut pure, 100);
    let reply = client.subscribe(&mut pure, &channel, json!({"recover": true, "offset": 1, "epoch": epoch}));
    assert!(reply.contains("\"was_recovering\":true") && !reply.contains("\"recovered\""), "{reply}");
}

#[test]
fn history_that_was_dropped_for_a_moment_begins_anew() {
    let (mut pure, channel) = world("hist", json!({}));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    publish(&mut pure, &channel, 1);
    client.hear(&mut pure);
    reload(&mut pure, 0);
    api(&mut pure, "publish", &json!({"channel": channel, "data": {"n": 7}}));
    assert!(client.hear(&mut pure).contains("\"n\":7"), "without history it is still delivered");
    reload(&mut pure, 100);
    publish(&mut pure, &channel, 1);
    let heard = client.hear(&mut pure);
    assert!(heard.contains(UNSUBSCRIBED) && !heard.contains("\"pub\""), "{heard}");
}

#[test]
fn a_wish_that_never_reached_the_owner_is_noticed_and_made_good() {
    let (mut pure, channel) = world("hist", json!({"channel_position_check_delay": "40s"}));
    lose(&mut pure, |message| matches!(message, Message::Listen { .. }));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    let epoch = publish(&mut pure, &channel, 1);
    pure.advance(seconds(61));
    assert!(client.hear(&mut pure).contains(UNSUBSCRIBED));
    let reply = client.subscribe(&mut pure, &channel, json!({"recover": true, "epoch": epoch}));
    assert!(reply.contains("\"recovered\":true") && reply.contains("\"offset\":1"), "{reply}");
    publish(&mut pure, &channel, 2);
    assert!(client.hear(&mut pure).contains("\"offset\":2"));
}

#[test]
fn a_wish_for_one_more_encoding_that_was_lost_is_noticed_though_offsets_fit() {
    let (mut pure, channel) = world("hist", json!({"channel_position_check_delay": "40s"}));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    lose(&mut pure, |message| matches!(message, Message::Listen { .. }));
    let wire = open_on(&mut pure, 0, "?cf_protocol=protobuf");
    let mut protobuf = Peer::default();
    let mut command = Vec::new();
    for text in [json!({"id": 1, "connect": {}}), json!({"id": 2, "subscribe": {"channel": channel}})] {
        let decoded: corecast::proto::client::Command =
            corecast::proto::json::decode(text.to_string().as_bytes()).expect("a command");
        prost::Message::encode_length_delimited(&decoded, &mut command).expect("room");
    }
    let frame = protobuf.frame(Opcode::Binary, &command);
    pure.send(wire, frame);
    assert_eq!(protobuf.take(&pure.take(wire)).len(), 2, "both are answered");
    publish(&mut pure, &channel, 1);
    assert!(client.hear(&mut pure).contains("\"offset\":1"));
    assert!(protobuf.take(&pure.take(wire)).is_empty(), "the owner does not know of it");
    pure.advance(seconds(61));
    let arrivals = protobuf.take(&pure.take(wire));
    assert!(matches!(&arrivals[..], [Arrival::Binary(push)] if push.windows(18).any(|w| w == b"insufficient state")));
}

#[test]
fn a_publication_that_is_older_than_allowed_is_a_missed_one() {
    for (option, is_missed) in [("0s", false), ("10s", false), ("2s", true)] {
        let (mut pure, channel) = world("hist", json!({"channel_position_max_time_lag": option}));
        let mut client = Client::subscribed(&mut pure, &channel, json!({}));
        let held = lose(&mut pure, is_delivery);
        publish(&mut pure, &channel, 1);
        pure.advance(seconds(3));
        let message = held.borrow().clone().expect("a delivery");
        pure.tell(0, message);
        let heard = client.hear(&mut pure);
        assert_eq!((heard.contains(UNSUBSCRIBED), heard.contains("\"pub\"")), (is_missed, !is_missed), "{option}");
    }
}

#[test]
fn many_subscribers_are_told_in_slices_and_get_nothing_out_of_order_meanwhile() {
    let (mut pure, channel) = world("may", json!({}));
    let count = ACTS_PER_SLICE * 2 + 10;
    let follow = |pure: &mut Pure| Client::subscribed(pure, &channel, json!({"recoverable": true}));
    let mut followers: Vec<Client> = (0..count).map(|_| follow(&mut pure)).collect();
    let mut other = Client::subscribed(&mut pure, &channel, json!({}));
    lose(&mut pure, is_delivery);
    publish(&mut pure, &channel, 1);
    publish(&mut pure, &channel, 2);
    let mut told = vec![String::new(); count];
    let mut listen = |pure: &mut Pure| {
        followers.iter_mut().zip(&mut told).for_each(|(client, told)| told.push_str(&client.hear(pure)));
        told.iter().filter(|told| told.contains(UNSUBSCRIBED)).count()
    };
    assert_eq!(listen(&mut pure), ACTS_PER_SLICE);
    let mut late = follow(&mut pure);
    publish(&mut pure, &channel, 3);
    assert!(late.hear(&mut pure).contains("\"offset\":3"), "it began behind the loss");
    pure.advance(Duration::ZERO);
    assert_eq!(listen(&mut pure), 2 * ACTS_PER_SLICE);
    pure.advance(Duration::ZERO);
    assert_eq!(listen(&mut pure), count);
    publish(&mut pure, &channel, 4);
    assert_eq!(listen(&mut pure), count);
    assert!(told.iter().all(|told| !told.contains("\"pub\"") && told.matches("2500").count() == 1));
    assert_eq!(other.hear(&mut pure).matches("\"pub\"").count(), 3);
    assert!(late.hear(&mut pure).contains("\"offset\":4"));
}

#[test]
fn who_leaves_or_comes_back_before_it_is_told_is_not_told() {
    let (mut pure, channel) = world("hist", json!({}));
    let mut followers: Vec<Client> =
        (0..=ACTS_PER_SLICE).map(|_| Client::subscribed(&mut pure, &channel, json!({}))).collect();
    lose(&mut pure, is_delivery);
    publish(&mut pure, &channel, 1);
    publish(&mut pure, &channel, 2);
    let mut last = followers.pop().expect("one more than a slice");
    assert_eq!(last.hear(&mut pure), "");
    last.say(&mut pure, json!({"id": 3, "unsubscribe": {"channel": channel}}));
    last.subscribe(&mut pure, &channel, json!({}));
    pure.advance(Duration::ZERO);
    publish(&mut pure, &channel, 3);
    let heard = last.hear(&mut pure);
    assert!(heard.contains("\"offset\":3") && !heard.contains("2500"), "{heard}");
}

#[test]
fn a_gap_breaks_the_chain_of_patches_for_those_without_a_position_too() {
    let (mut pure, channel) = world("delta", json!({}));
    let mut plain = Client::subscribed(&mut pure, &channel, json!({"delta": "fossil"}));
    let _follower = Client::subscribed(&mut pure, &channel, json!({"recoverable": true}));
    let text = |n: u64| json!({"n": n, "text": "long enough to be worth a patch, whatever the number before it says"});
    let send = |pure: &mut Pure, n| api(pure, "publish", &json!({"channel": channel, "data": text(n)}));
    send(&mut pure, 1);
    send(&mut pure, 2);
    assert!(plain.hear(&mut pure).contains("\"delta\":true"));
    lose(&mut pure, is_delivery);
    send(&mut pure, 3);
    send(&mut pure, 4);
    assert!(!plain.hear(&mut pure).contains("\"delta\":true"), "it has nothing to patch");
    send(&mut pure, 5);
    assert!(plain.hear(&mut pure).contains("\"delta\":true"));
}

#[test]
fn a_refused_recovery_leaves_no_presence_and_tells_nobody() {
    let (mut pure, channel) = world("seen", json!({}));
    let mut other = Client::subscribed(&mut pure, &channel, json!({}));
    other.hear(&mut pure);
    // On both sides of the mesh.
    let mut clients = [0, OWNER].map(|core| Client::connect_on(&mut pure, core, json!({})));
    for client in &mut clients {
        let reply = client.subscribe(&mut pure, &channel, json!({"recover": true, "epoch": "zzzz", "flag": 2}));
        assert_eq!(reply, r#"{"id":2,"error":{"code":112,"message":"unrecoverable position"}}"#);
        assert_eq!(other.hear(&mut pure), "", "nobody has come");
        let stats = api(&mut pure, "presence_stats", &json!({"channel": channel}));
        assert!(stats.contains("\"num_clients\":1"), "{stats}");
    }
    publish(&mut pure, &channel, 1);
    assert!(clients.iter_mut().all(|client| client.hear(&mut pure).is_empty()));
}

#[test]
fn publications_without_history_do_not_count() {
    let (mut pure, channel) = world("hist", json!({}));
    let mut client = Client::subscribed(&mut pure, &channel, json!({}));
    publish(&mut pure, &channel, 1);
    api(&mut pure, "publish", &json!({"channel": channel, "data": {}, "skip_history": true}));
    publish(&mut pure, &channel, 2);
    let heard = client.hear(&mut pure);
    assert_eq!((heard.matches("\"pub\"").count(), heard.contains("2500")), (3, false));
}
