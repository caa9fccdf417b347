//! Options and what they change: each is given a value that is not its default, and the difference is seen on a
//! connection. Whole cores in virtual time; what needs a process is in `tests/server` and `tests/commands.rs`.

mod common;

use common::pure::{Pure, START_UNIX};
use common::server::parse_answer;
use common::ws::{Arrival, DEFLATE, Peer, upgrade};
use corecast::config::settings::Settings;
use corecast::shard::Shard;
use corecast::wire::websocket::Opcode;
use serde_json::{Value, json};
use std::time::Duration;

const OPEN: &str = r#"{"name": "open", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
    "allow_publish_for_client": true, "allow_publish_for_anonymous": true}"#;

/// A configuration: anonymous clients may connect, one open namespace, and on top of it what a test is about.
fn world(extra: Value) -> Pure {
    Pure::new(&settings(extra), 2)
}

fn settings(extra: Value) -> Settings {
    let mut config = json!({
        "client": {"allow_anonymous_connect_without_token": true, "token": {"hmac_secret_key": "secret"}},
        "http_api": {"key": "k"},
        "channel": {"namespaces": [serde_json::from_str::<Value>(OPEN).expect("JSON")]},
    });
    merge(&mut config, extra);
    common::load(&config.to_string())
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, from) => *into = from,
    }
}

/// A client on one of the cores.
struct Client {
    wire: usize,
    peer: Peer,
}

impl Client {
    fn open(pure: &mut Pure, path: &str, fields: &str) -> Client {
        let wire = pure.open();
        let request = String::from_utf8(upgrade("", fields)).expect("text").replacen("/connection/websocket", path, 1);
        pure.send(wire, request.into());
        Client { wire, peer: Peer::default() }
    }

    fn plain(pure: &mut Pure) -> Client {
        Client::open(pure, "/connection/websocket", "")
    }

    /// Sends commands and returns what the server says to them, a line each; a close frame as `code reason`.
    fn say(&mut self, pure: &mut Pure, text: &str) -> Vec<String> {
        let frame = self.peer.frame(Opcode::Text, text.as_bytes());
        pure.send(self.wire, frame);
        self.hear(pure)
    }

    fn hear(&mut self, pure: &mut Pure) -> Vec<String> {
        let bytes = pure.take(self.wire);
        let lines = self.peer.take(&bytes).into_iter().map(|arrival| match arrival {
            Arrival::Text(text) => String::from_utf8(text).expect("UTF-8"),
            Arrival::Close(code, reason) => format!("{} {reason}", code.unwrap_or(0)),
            other => format!("{other:?}"),
        });
        lines.collect()
    }

    /// The reply to a `connect` with this body.
    fn connect(&mut self, pure: &mut Pure, body: Value) -> String {
        self.say(pure, &json!({"id": 1, "connect": body}).to_string()).concat()
    }

    /// The reply to a `subscribe`.
    fn subscribe(&mut self, pure: &mut Pure, channel: &str) -> String {
        self.say(pure, &json!({"id": 2, "subscribe": {"channel": channel}}).to_string()).concat()
    }
}

fn token(claims: Value, secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).expect("a token")
}

fn api(pure: &mut Pure, path: &str, fields: &str, body: &str) -> (u16, String) {
    let wire = pure.open();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    );
    pure.send(wire, request.into());
    parse_answer(&pure.take(wire))
}

#[test]
fn options_of_the_server_api() {
    let key = "X-API-Key: k\r\n";
    assert_eq!(api(&mut world(json!({})), "/api/info", key, "{}").0, 200);
    assert_eq!(api(&mut world(json!({"http_api": {"disabled": true}})), "/api/info", key, "{}").0, 404);
    assert_eq!(api(&mut world(json!({"http_api": {"handler_prefix": "/x"}})), "/x/info", key, "{}").0, 200);
    assert_eq!(api(&mut world(json!({"http_api": {"key": "other"}})), "/api/info", key, "{}").0, 401);
    assert_eq!(api(&mut world(json!({"http_api": {"insecure": true}})), "/api/info", "", "{}").0, 200);
    let transport = json!({"http_api": {"error_mode": "transport"}});
    assert_eq!(api(&mut world(transport), "/api/publish", key, "{}").0, 400);
    let small = json!({"corecast": {"http_api": {"max_body_size": 10}}});
    assert_eq!(api(&mut world(small), "/api/publish", key, r#"{"channel":"a","data":1}"#).0, 413);
}

#[test]
fn options_of_the_websocket_endpoint() {
    let status = |extra: Value, path: &str, fields: &str| {
        let mut pure = world(extra);
        let mut client = Client::open(&mut pure, path, fields);
        client.hear(&mut pure);
        client.peer.status
    };
    assert_eq!(status(json!({}), "/connection/websocket", ""), 101);
    assert_eq!(status(json!({"websocket": {"disabled": true}}), "/connection/websocket", ""), 404);
    assert_eq!(status(json!({"websocket": {"handler_prefix": "/ws"}}), "/ws", ""), 101);
    let origin = "Origin: https://a.example\r\n";
    assert_eq!(status(json!({}), "/connection/websocket", origin), 403);
    assert_eq!(
        status(json!({"client": {"allowed_origins": ["https://*.example"]}}), "/connection/websocket", origin),
        101
    );
    let mut pure = world(json!({"websocket": {"write_timeout": "3s"}}));
    let mut client = Client::plain(&mut pure);
    client.connect(&mut pure, json!({}));
    pure.limit(client.wire, Some(0));
    client.subscribe(&mut pure, "open:a");
    for (taken, is_over) in [(1, false), (0, true)] {
        pure.advance(Duration::from_secs(2));
        pure.limit(client.wire, Some(taken));
        pure.advance(Duration::from_secs(2));
        assert_eq!(pure.is_over(client.wire), is_over, "{taken} bytes taken");
    }
    let mut pure = world(json!({"websocket": {"message_size_limit": 30}}));
    let mut client = Client::plain(&mut pure);
    assert_eq!(client.say(&mut pure, &format!("{}{{}}", " ".repeat(29))), ["1009 "]);
}

#[test]
fn options_of_compression() {
    let open = |websocket: Value, fields: &str| {
        let mut pure = world(json!({"websocket": websocket}));
        let mut client = Client::open(&mut pure, "/connection/websocket", fields);
        client.hear(&mut pure);
        (pure, client)
    };
    // Whether it is agreed to, messages of a connect reply that came compressed, bytes of a publication.
    let seen = |websocket: Value, fields: &str| {
        let (mut pure, mut client) = open(websocket, fields);
        assert!(client.connect(&mut pure, json!({})).contains("\"connect\""));
        client.subscribe(&mut pure, "open:a");
        let body = json!({"channel": "open:a", "data": "words ".repeat(200)}).to_string();
        api(&mut pure, "/api/publish", "X-API-Key: k\r\n", &body);
        let bytes = pure.take(client.wire);
        assert!(matches!(&client.peer.take(&bytes)[..], [Arrival::Text(text)] if text.len() > 1200));
        (client.peer.has_deflate(), client.peer.deflated, bytes.len())
    };
    let (agreed, deflated, plain_bytes) = seen(json!({}), DEFLATE);
    assert_eq!((agreed, deflated), (false, 0), "off by default");
    assert!(!seen(json!({"compression": true}), "").0, "not offered");
    let (agreed, deflated, bytes) = seen(json!({"compression": true}), DEFLATE);
    assert_eq!((agreed, deflated), (true, 3), "replies and publications");
    assert!(bytes < plain_bytes / 10, "{bytes} of {plain_bytes}");
    assert_eq!(seen(json!({"compression": true, "compression_min_size": 1000}), DEFLATE).1, 1, "the publication");
    assert_eq!(seen(json!({"compression": true, "compression_min_size": 5000}), DEFLATE), (true, 0, plain_bytes));
    let best = seen(json!({"compression": true, "compression_level": 9}), DEFLATE).2;
    assert!(best < bytes, "{best} {bytes}");

    let too_big = ["1009 message too big after decompression"];
    let limits = json!({"compression": true, "message_size_limit": 500, "decompressed_message_size_limit": 2000});
    let (mut pure, mut client) = open(limits, DEFLATE);
    client.connect(&mut pure, json!({}));
    let command = |bytes: usize| format!("{}{{\"id\":9,\"rpc\":{{}}}}", " ".repeat(bytes - 17));
    assert!(client.say(&mut pure, &command(2000)).concat().contains("\"id\":9"));
    assert_eq!(client.say(&mut pure, &command(2001)), too_big);
    let (mut pure, mut client) = open(json!({"compression": true, "message_size_limit": 500}), DEFLATE);
    client.connect(&mut pure, json!({}));
    assert!(client.say(&mut pure, &command(5000)).concat().contains("\"id\":9"));
    assert_eq!(client.say(&mut pure, &command(5001)), too_big, "ten times the other limit");
}

#[test]
fn options_of_connecting() {
    let mut pure = world(json!({"client": {"allow_anonymous_connect_without_token": false}}));
    assert_eq!(Client::plain(&mut pure).connect(&mut pure, json!({})), "3501 bad request");
    let mut pure = world(json!({"client": {"allow_anonymous_connect_without_token": false, "insecure": true}}));
    let mut client = Client::plain(&mut pure);
    assert!(client.connect(&mut pure, json!({})).contains("\"connect\""));
    assert!(client.subscribe(&mut pure, "any").contains("\"subscribe\":{}"), "insecure permits everything");
    let mut pure = world(json!({"client": {"disallow_anonymous_connection_tokens": true}}));
    let anonymous = json!({"token": token(json!({}), "secret")});
    assert_eq!(Client::plain(&mut pure).connect(&mut pure, anonymous), "3507 permission denied");
    let mut pure = world(json!({"client": {"connect_include_server_time": true}}));
    let reply = Client::plain(&mut pure).connect(&mut pure, json!({}));
    assert!(reply.contains(&format!("\"time\":{}", START_UNIX * 1000)), "{reply}");
    let mut pure = world(json!({"client": {"insecure_skip_token_signature_verify": true}}));
    let foreign = json!({"token": token(json!({"sub": "1"}), "other")});
    assert!(Client::plain(&mut pure).connect(&mut pure, foreign).contains("\"connect\""));
}

#[test]
fn a_trusted_header_names_the_user() {
    let header = json!({"client": {"allow_anonymous_connect_without_token": false, "user_id_http_header": "X-User"}});
    let mut pure = world(header);
    let mut client = Client::open(&mut pure, "/connection/websocket", "X-User: 42\r\n");
    assert!(client.connect(&mut pure, json!({})).contains("\"connect\""));
    client.subscribe(&mut pure, "open:a");
    let push = client.say(&mut pure, r#"{"id":3,"publish":{"channel":"open:a","data":1}}"#).concat();
    assert!(push.contains(r#""info":{"user":"42""#), "{push}");
    assert_eq!(Client::plain(&mut pure).connect(&mut pure, json!({})), "3501 bad request", "no header, no user");
}

#[test]
fn subscription_tokens_may_have_keys_of_their_own() {
    let mut pure = world(json!({"client": {"subscription_token": {"enabled": true, "hmac_secret_key": "own"}}}));
    let mut client = Client::plain(&mut pure);
    client.connect(&mut pure, json!({}));
    for (secret, expected) in [("secret", "permission denied"), ("own", "\"subscribe\":{}")] {
        let token = token(json!({"channel": "$open:a"}), secret);
        let command = json!({"id": 2, "subscribe": {"channel": "$open:a", "token": token}}).to_string();
        let reply = client.say(&mut pure, &command).concat();
        assert!(reply.contains(expected), "{reply}");
    }
}

#[test]
fn limits_of_connections() {
    let mut pure = world(json!({"client": {"connection_limit": 1}}));
    let mut first = Client::plain(&mut pure);
    first.hear(&mut pure);
    let mut second = Client::plain(&mut pure);
    second.hear(&mut pure);
    assert_eq!((first.peer.status, second.peer.status), (101, 503));
    pure.hang_up(first.wire);
    let mut third = Client::plain(&mut pure);
    third.hear(&mut pure);
    assert_eq!(third.peer.status, 101, "there is room again");

    let mut pure = world(json!({"client": {"connection_rate_limit": 1}}));
    let statuses: Vec<u16> = (0..2)
        .map(|_| {
            let mut client = Client::plain(&mut pure);
            client.hear(&mut pure);
            client.peer.status
        })
        .collect();
    assert_eq!(statuses, [101, 503]);

    let mut pure = world(json!({"client": {"user_connection_limit": 1}}));
    let body = json!({"token": token(json!({"sub": "42"}), "secret")});
    let mut first = Client::plain(&mut pure);
    assert!(first.connect(&mut pure, body.clone()).contains("\"connect\""));
    assert_eq!(Client::plain(&mut pure).connect(&mut pure, body.clone()), "3504 connection limit");
    assert!(Client::plain(&mut pure).connect(&mut pure, json!({})).contains("\"connect\""), "not the anonymous user");
    pure.hang_up(first.wire);
    assert!(Client::plain(&mut pure).connect(&mut pure, body).contains("\"connect\""));
}

/// What waits for the owner of its channel holds its place, whether the client asked for it or the backend.
#[test]
fn of_subscriptions_under_way_no_more_are_made_than_the_limit_says() {
    use rand::{Rng, SeedableRng};
    for seed in 0..200 {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut pure = world(json!({"client": {"channel_limit": 2}}));
        let mut client = Client::plain(&mut pure);
        client.connect(&mut pure, json!({"token": token(json!({"sub": "42"}), "secret")}));
        pure.hold_messages();
        let mut heard = Vec::new();
        for n in 0..4 {
            if n % 2 == 0 {
                let command = json!({"id": n + 2, "subscribe": {"channel": format!("open:{seed}-{n}")}});
                heard.extend(client.say(&mut pure, &command.to_string()));
            } else {
                let body = json!({"user": "42", "channel": format!("open:{seed}-{n}")}).to_string();
                let head = "POST /api/subscribe HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: ";
                let wire = pure.open();
                pure.send(wire, format!("{head}{}\r\n\r\n{body}", body.len()).into());
            }
            while random.random_range(0..3) > 0 && pure.let_go(random.random::<u32>() as usize) {}
        }
        while pure.let_go(random.random::<u32>() as usize) {}
        heard.extend(client.hear(&mut pure));
        let made = heard.iter().filter(|line| line.contains("\"subscribe\":{")).count();
        assert!(made <= 2, "seed {seed}: {heard:?}");
        pure.shards.iter().for_each(Shard::check_at_rest);
    }
}

#[test]
fn limits_and_syntax_of_channels() {
    let mut pure = world(json!({"client": {"channel_limit": 1}, "channel": {"max_length": 8}}));
    let mut client = Client::plain(&mut pure);
    client.connect(&mut pure, json!({}));
    assert!(client.subscribe(&mut pure, "open:12345").contains("107"));
    assert!(client.subscribe(&mut pure, "open:1").contains("\"subscribe\":{}"));
    assert!(client.subscribe(&mut pure, "open:2").contains("106"));
    let syntax = json!({"private_prefix": "%", "namespace_boundary": "/", "user_boundary": "@", "user_separator": "+",
        "without_namespace": {"allow_user_limited_channels": true}});
    let mut pure = world(json!({"channel": syntax}));
    let mut client = Client::plain(&mut pure);
    client.connect(&mut pure, json!({"token": token(json!({"sub": "42"}), "secret")}));
    for (channel, expected) in
        [("open/a", "{}"), ("%open/a", "103"), ("$open/a", "102"), ("room@41+42", "{}"), ("room@41,42", "103")]
    {
        assert!(client.subscribe(&mut pure, channel).contains(expected), "{channel}");
    }
    let mut pure = world(json!({"channel": {"publication_data_format": "json_object"}}));
    let answer = api(&mut pure, "/api/publish", "X-API-Key: k\r\n", r#"{"channel":"open:a","data":[]}"#).1;
    assert!(answer.contains("107"), "{answer}");
}

#[test]
fn times_of_a_connection() {
    let seconds = Duration::from_secs;
    let times =
        json!({"ping_interval": "60s", "pong_timeout": "5s", "stale_close_delay": "3s", "expired_close_delay": "2s"});
    let mut pure = world(json!({"client": times}));
    let (mut silent, mut client) = (Client::plain(&mut pure), Client::plain(&mut pure));
    let claims = json!({"sub": "1", "exp": START_UNIX + 10});
    let reply = client.connect(&mut pure, json!({"token": token(claims, "secret")}));
    assert!(reply.contains("\"ttl\":10,\"ping\":60,\"pong\":true"), "{reply}");
    pure.advance(seconds(4));
    assert_eq!(silent.hear(&mut pure), ["3502 stale"]);
    pure.advance(seconds(7));
    assert!(client.hear(&mut pure).is_empty());
    pure.advance(seconds(2));
    assert_eq!(client.hear(&mut pure), ["3005 connection expired"]);
    let mut client = Client::plain(&mut pure);
    client.connect(&mut pure, json!({}));
    pure.advance(seconds(60));
    let heard = client.hear(&mut pure);
    assert_eq!(heard.first().map(String::as_str), Some("{}"));
    pure.advance(seconds(6));
    assert!([heard, client.hear(&mut pure)].concat().contains(&"3012 no pong".to_string()));
    let mut pure = world(json!({"client": {"expired_sub_close_delay": "1s"}}));
    let mut client = Client::plain(&mut pure);
    client.connect(&mut pure, json!({}));
    let token = token(json!({"channel": "open:a", "exp": START_UNIX + 5}), "secret");
    client.say(&mut pure, &json!({"id": 2, "subscribe": {"channel": "open:a", "token": token}}).to_string());
    pure.advance(seconds(7));
    assert!(client.hear(&mut pure).concat().contains("\"code\":2501"));
}

#[test]
fn the_ping_method_of_rpc() {
    let mut pure = world(json!({"rpc": {"ping": {"enabled": true, "method": "are-you-there"}}}));
    let mut client = Client::plain(&mut pure);
    client.connect(&mut pure, json!({}));
    let reply = client
        .say(&mut pure, "{\"id\":2,\"rpc\":{\"method\":\"are-you-there\"}}\n{\"id\":3,\"rpc\":{\"method\":\"x\"}}");
    assert_eq!(reply, [r#"{"id":2,"rpc":{}}"#, r#"{"id":3,"error":{"code":104,"message":"method not found"}}"#]);
}

fn personal(options: Value) -> Value {
    let listed = json!([serde_json::from_str::<Value>(OPEN).expect("JSON"), {"name": "listed", "presence": true}]);
    json!({"client": {"subscribe_to_user_personal_channel": options}, "channel": {"namespaces": listed}})
}

fn token_of(user: &str) -> Value {
    json!({"token": token(json!({"sub": user}), "secret")})
}

#[test]
fn personal_channels_are_subscribed_to_where_the_options_say_so() {
    let mut pure = world(personal(json!({"enabled": true})));
    let reply = Client::plain(&mut pure).connect(&mut pure, token_of("42"));
    assert!(reply.contains(r##""subs":{"#42":{}}"##), "{reply}");
    let mut pure = world(personal(json!({"enabled": true, "personal_channel_namespace": "open"})));
    let reply = Client::plain(&mut pure).connect(&mut pure, token_of("42"));
    assert!(reply.contains(r##""subs":{"open:#42":{}}"##), "{reply}");
    let header = json!({"client": {"allow_anonymous_connect_without_token": false, "user_id_http_header": "X-User",
        "subscribe_to_user_personal_channel": {"enabled": true}}});
    let mut pure = world(header);
    let mut client = Client::open(&mut pure, "/connection/websocket", "X-User: 42\r\n");
    let reply = client.connect(&mut pure, json!({}));
    assert!(reply.contains("\"connect\"") && !reply.contains("subs"), "a trusted header brings none: {reply}");
    let mut pure = world(personal(json!({"enabled": true, "personal_channel_namespace": "open"})));
    let mut client = Client::plain(&mut pure);
    let claims = json!({"sub": "42", "channels": (0..128).map(|n| format!("open:{n}")).collect::<Vec<_>>()});
    let reply = client.connect(&mut pure, json!({"token": token(claims, "secret")}));
    assert_eq!(reply, "3505 channel limit", "it counts among the channels");
}

#[test]
fn one_connection_of_a_user_replaces_another_where_users_are_listed() {
    let sole = json!({"enabled": true, "personal_channel_namespace": "listed", "single_connection": true});
    let mut pure = world(personal(sole));
    let mut clients: Vec<Client> = (0..4).map(|_| Client::plain(&mut pure)).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        let reply = client.connect(&mut pure, token_of("42"));
        assert!(reply.contains("\"connect\""), "{at}: {reply}");
    }
    let ends: Vec<Vec<String>> = clients.iter_mut().map(|client| client.hear(&mut pure)).collect();
    assert!(ends[..3].iter().all(|heard| heard == &["3504 connection limit"]) && ends[3].is_empty(), "{ends:?}");
    for presence in [true, false] {
        let v5 = json!({"user_subscribe_to_personal": true, "user_personal_single_connection": true,
            "presence": presence, "token_hmac_secret_key": "secret"});
        let mut pure = Pure::new(&common::load(&v5.to_string()), 2);
        let mut clients = [Client::plain(&mut pure), Client::plain(&mut pure)];
        for client in &mut clients {
            assert!(client.connect(&mut pure, token_of("42")).contains("\"connect\""));
        }
        let heard = clients.map(|mut client| client.hear(&mut pure));
        let end = if presence { "3504 connection limit" } else { "" };
        assert_eq!(heard.map(|lines| lines.concat()), [end, ""], "with presence: {presence}");
    }
}

#[test]
fn a_reload_begins_and_ends_personal_channels() {
    let mut pure = world(json!({}));
    let mut before = Client::plain(&mut pure);
    assert!(!before.connect(&mut pure, token_of("42")).contains("subs"));
    let sole = json!({"enabled": true, "personal_channel_namespace": "listed", "single_connection": true});
    pure.reload(&settings(personal(sole)));
    let mut after = Client::plain(&mut pure);
    assert!(after.connect(&mut pure, token_of("42")).contains(r##""subs":{"listed:#42":{}}"##));
    assert_eq!(before.hear(&mut pure), ["3504 connection limit"], "whatever it is subscribed to");
    pure.reload(&settings(json!({})));
    let mut last = Client::plain(&mut pure);
    assert!(!last.connect(&mut pure, token_of("42")).contains("subs"));
    assert!(after.hear(&mut pure).is_empty() && last.hear(&mut pure).is_empty());
}

#[test]
fn of_connections_that_come_at_the_same_moment_exactly_one_stays() {
    use rand::{Rng, SeedableRng};
    let sole = json!({"enabled": true, "personal_channel_namespace": "listed", "single_connection": true});
    for seed in 0..400 {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut config = json!({"client": {"token": {"hmac_secret_key": "secret"}}, "http_api": {"key": "k"}});
        merge(&mut config, personal(sole.clone()));
        let mut pure = Pure::new(&common::load(&config.to_string()), random.random_range(1..=3));
        let mut clients: Vec<Client> = (0..random.random_range(2..=5)).map(|_| Client::plain(&mut pure)).collect();
        let user = format!("u{seed}"); // So that another core puts the claims in their order.
        pure.hold_messages();
        for client in &mut clients {
            client.connect(&mut pure, token_of(&user));
            while random.random_range(0..3) > 0 && pure.let_go(random.random::<u32>() as usize) {}
        }
        while pure.let_go(random.random::<u32>() as usize) {}
        let said: Vec<String> = clients.iter_mut().map(|client| client.hear(&mut pure).concat()).collect();
        let ended = said.iter().filter(|heard| heard.ends_with("3504 connection limit")).count();
        assert_eq!(ended, clients.len() - 1, "seed {seed}: {said:?}");
        pure.shards.iter().for_each(Shard::check_at_rest);
    }
}

#[test]
fn how_often_presence_is_told() {
    for (interval, shown) in [("4s", "Bo"), ("60s", "Al")] {
        let open = json!({"name": "open", "presence": true, "allow_subscribe_for_client": true});
        let namespaces = json!({"channel": {"namespaces": [open]}, "client": {"presence_update_interval": interval}});
        let mut pure = world(namespaces);
        let mut client = Client::plain(&mut pure);
        let named = |name: &str| token(json!({"sub": "42", "info": {"name": name}}), "secret");
        client.connect(&mut pure, json!({"token": named("Al")}));
        client.subscribe(&mut pure, "open:a");
        client.say(&mut pure, &json!({"id": 3, "refresh": {"token": named("Bo")}}).to_string());
        pure.advance(Duration::from_secs(5));
        let presence = api(&mut pure, "/api/presence", "X-API-Key: k\r\n", r#"{"channel":"open:a"}"#).1;
        assert!(presence.contains(shown), "{interval}: {presence}");
    }
}

/// What is lost between cores is found out; `tests/positions.rs` has the rest.
#[test]
fn when_silent_channels_are_checked_and_late_publications_count_as_missed() {
    let placement = corecast::shard::Placement::new(1, 2);
    let mut names = (0..).map(|n| format!("hist:{n}"));
    let channel = names.find(|name| placement.owner(name) == corecast::id::Core(1)).expect("one of them");
    let heard = |client: Value| {
        let hist = json!({"name": "hist", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
            "history_size": 10, "history_ttl": "60s", "force_recovery": true});
        let mut pure = world(json!({"channel": {"namespaces": [hist]}, "client": client}));
        let mut client = Client::plain(&mut pure);
        client.connect(&mut pure, json!({}));
        client.subscribe(&mut pure, &channel);
        let held = std::rc::Rc::new(std::cell::RefCell::new(None));
        let place = held.clone();
        pure.loses = Box::new(move |message| {
            let is_delivery = matches!(message, corecast::shard::Message::Deliver { .. });
            is_delivery.then(|| place.borrow_mut().replace(message.clone())).is_some()
        });
        let body = json!({"channel": channel, "data": 1}).to_string();
        api(&mut pure, "/api/publish", "X-API-Key: k\r\n", &body);
        pure.advance(Duration::from_secs(4));
        let message = held.borrow_mut().take().expect("a delivery");
        pure.tell(0, message);
        client.hear(&mut pure).concat()
    };
    assert!(heard(json!({})).contains("\"pub\""));
    let is_missed = |heard: String| heard.contains("2500") && !heard.contains("\"pub\"");
    assert!(is_missed(heard(json!({"channel_position_check_delay": "2s"}))));
    assert!(is_missed(heard(json!({"channel_position_max_time_lag": "3s"}))));
}
