//! Slow subscribers of namespaces with `corecast_slow_consumer: catch_up`: they lose nothing that history keeps, whatever is
//! done to them meanwhile. Whole cores in virtual time; the peers' room is what is varied.

mod common;

use common::pure::Pure;
use common::server::parse_answer;
use common::ws::{Arrival, Peer, upgrade};
use corecast::counters::Counters;
use corecast::wire::websocket::Opcode;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KINDS: [&str; 3] = ["plain:a", "tags:a", "delta:a"];

fn world(cores: usize) -> Pure {
    let namespace = |name: &str, extra: Value| {
        let mut namespace = json!({
            "name": name, "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
            "history_size": 10_000, "history_ttl": "300s", "force_recovery": true,
            "corecast_slow_consumer": "catch_up",
        });
        namespace.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        namespace
    };
    let config = json!({
        "client": {"allow_anonymous_connect_without_token": true, "queue_max_size": 3000},
        "websocket": {"write_timeout": "-1s"},
        "http_api": {"key": "k"},
        "channel": {"namespaces": [
            namespace("plain", json!({})),
            namespace("tags", json!({"allow_tags_filter": true})),
            namespace("delta", json!({"allowed_delta_types": ["fossil"], "delta_publish": true})),
            namespace("short", json!({"history_size": 5})),
            namespace("cut", json!({"corecast_slow_consumer": "disconnect"})),
        ]},
    });
    Pure::new(&common::load(&config.to_string()), cores)
}

fn api(pure: &mut Pure, method: &str, body: &Value) {
    let (wire, body) = (pure.open(), body.to_string());
    let length = body.len();
    let head = format!("POST /api/{method} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-API-Key: k\r\n");
    pure.send(wire, format!("{head}Content-Length: {length}\r\n\r\n{body}").into());
    let answer = parse_answer(&pure.take(wire));
    assert!(answer.0 == 200 && !answer.1.contains("\"error\""), "{method} {body}: {answer:?}");
    pure.hang_up(wire);
}

/// The payload with this number; those of neighbours have much in common.
fn payload(n: u64) -> Value {
    json!({ "text": "what all of them have in common, so that it can be copied", "n": n })
}

fn publish(pure: &mut Pure, channel: &str, n: u64) {
    let tags = json!({ "odd": if n % 2 == 1 { "yes" } else { "no" } });
    api(pure, "publish", &json!({"channel": channel, "data": payload(n), "tags": tags}));
}

fn sum(pure: &Pure, cell: fn(&Counters) -> u64) -> u64 {
    pure.shards.iter().map(|shard| cell(shard.counters())).sum()
}

/// What a client knows of one of its subscriptions.
#[derive(Clone, Default, Debug)]
struct Known {
    offset: u64,
    /// Only odd ones come.
    is_filtered: bool,
    /// The last payload, for patches.
    base: Option<String>,
}

struct Client {
    wire: usize,
    peer: Peer,
    id: String,
    subscriptions: BTreeMap<String, Known>,
    /// Channels of commands under way.
    asked: BTreeMap<u64, String>,
    commands: u64,
    unsubscribed: Vec<u64>,
    closed: Option<u16>,
}

impl Client {
    fn new(pure: &mut Pure) -> Client {
        let wire = pure.open();
        pure.send(wire, upgrade("", ""));
        let mut client = Client {
            wire,
            peer: Peer::default(),
            id: String::new(),
            subscriptions: BTreeMap::new(),
            asked: BTreeMap::new(),
            commands: 0,
            unsubscribed: Vec::new(),
            closed: None,
        };
        client.command(pure, &json!({"connect": {}}));
        client.hear(pure);
        client
    }

    fn command(&mut self, pure: &mut Pure, body: &Value) {
        self.commands += 1;
        let mut command = body.clone();
        command["id"] = self.commands.into();
        let frame = self.peer.frame(Opcode::Text, command.to_string().as_bytes());
        pure.send(self.wire, frame);
    }

    fn subscribe(&mut self, pure: &mut Pure, channel: &str) {
        let mut body = json!({ "channel": channel });
        if channel.starts_with("tags") {
            body["tf"] = json!({"key": "odd", "cmp": "eq", "val": "yes"});
        }
        if channel.starts_with("delta") {
            body["delta"] = "fossil".into();
        }
        self.asked.insert(self.commands + 1, channel.to_string());
        self.command(pure, &json!({ "subscribe": body }));
    }

    /// Takes in what has come; true when there was anything.
    fn hear(&mut self, pure: &mut Pure) -> bool {
        let bytes = pure.take(self.wire);
        for arrival in self.peer.take(&bytes) {
            match arrival {
                Arrival::Text(text) if text == b"{}" => {}
                Arrival::Text(text) => self.message(&serde_json::from_slice(&text).expect("JSON")),
                Arrival::Close(code, _) => self.closed = code,
                other => panic!("{other:?}"),
            }
        }
        !bytes.is_empty()
    }

    fn message(&mut self, message: &Value) {
        let (push, reply) = (&message["push"], &message["subscribe"]);
        let channel = push["channel"].as_str().unwrap_or_default().to_string();
        if let Some(id) = message["connect"]["client"].as_str() {
            self.id = id.to_string();
        }
        if reply.is_object() {
            let channel = self.asked.remove(&message["id"].as_u64().expect("an id")).expect("asked for");
            self.begin(channel.clone(), reply, channel.starts_with("tags"));
        }
        if push["subscribe"].is_object() {
            self.begin(channel, &push["subscribe"], false);
        } else if let Some(code) = push["unsubscribe"]["code"].as_u64() {
            self.subscriptions.remove(&channel);
            self.unsubscribed.push(code);
        } else if push["pub"].is_object() {
            let known = self.subscriptions.get_mut(&channel).unwrap_or_else(|| panic!("not subscribed: {push}"));
            known.take(&channel, &push["pub"]);
        }
    }

    fn begin(&mut self, channel: String, body: &Value, is_filtered: bool) {
        let offset = body["offset"].as_u64().unwrap_or(0);
        self.subscriptions.insert(channel, Known { offset, is_filtered, base: None });
    }

    /// Reads everything, with so much room at a time.
    fn catch_up(&mut self, pure: &mut Pure, room: usize) {
        loop {
            pure.limit(self.wire, Some(room));
            if !self.hear(pure) {
                break;
            }
        }
        pure.limit(self.wire, None);
        while self.hear(pure) {}
    }
}

impl Known {
    /// The next publication of a channel whose payloads are numbered as its offsets.
    fn take(&mut self, channel: &str, publication: &Value) {
        let offset = publication["offset"].as_u64().expect("an offset");
        let next = self.offset + 1 + if self.is_filtered { self.offset % 2 } else { 0 };
        assert_eq!(offset, next, "{channel}: {self:?}");
        self.offset = offset;
        let data = match publication["data"].as_str() {
            Some(text) if publication["delta"] == true => apply(self.base.as_ref().expect("a base"), text),
            Some(text) => text.to_string(),
            None => publication["data"].to_string(),
        };
        assert_eq!(serde_json::from_str::<Value>(&data).expect("JSON"), payload(offset), "{channel}");
        self.base = Some(data);
    }
}

/// What a fossil patch makes of its base.
fn apply(base: &str, patch: &str) -> String {
    const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    fn number(rest: &mut &str) -> usize {
        let end = rest.find(|c| !DIGITS.contains(c)).expect("a sign behind a number");
        let value = rest[..end].chars().fold(0, |n, c| n * 64 + DIGITS.find(c).expect("a digit"));
        *rest = &rest[end..];
        value
    }
    let (mut rest, mut out) = (patch, String::new());
    number(&mut rest);
    rest = rest.strip_prefix('\n').expect("the end of the length");
    loop {
        let count = number(&mut rest);
        let sign = rest.chars().next().expect("a sign");
        rest = &rest[1..];
        match sign {
            '@' => {
                let from = number(&mut rest);
                out.push_str(&base[from..from + count]);
                rest = rest.strip_prefix(',').expect("the end of a copy");
            }
            ':' => {
                out.push_str(&rest[..count]);
                rest = &rest[count..];
            }
            ';' => return out,
            other => panic!("{other} in {patch}"),
        }
    }
}

#[test]
fn a_slow_subscriber_ends_with_everything_in_order() {
    for (cores, channel) in [1, 2].into_iter().flat_map(|cores| KINDS.map(|channel| (cores, channel))) {
        let mut pure = world(cores);
        let mut slow = Client::new(&mut pure);
        let mut fast = Client::new(&mut pure);
        [&mut slow, &mut fast].into_iter().for_each(|client| {
            client.subscribe(&mut pure, channel);
            client.hear(&mut pure);
        });
        pure.limit(slow.wire, Some(100));
        (1..=599).for_each(|n| publish(&mut pure, channel, n));
        assert!(sum(&pure, |c| c.catch_up_dropped.get()) > 10);
        assert_eq!(sum(&pure, |c| c.subscriptions.get()), 2, "both are subscribed all the time");
        slow.catch_up(&mut pure, 5_000);
        fast.hear(&mut pure);
        (600..=601).for_each(|n| publish(&mut pure, channel, n));
        for client in [&mut slow, &mut fast] {
            client.hear(&mut pure);
            assert_eq!((client.subscriptions[channel].offset, client.closed), (601, None), "{cores} {channel}");
        }
        assert_eq!(sum(&pure, |c| c.slow_clients.get()), 0);
        assert_eq!(sum(&pure, |c| c.catch_ups_begun.get()), 1);
        assert_eq!(sum(&pure, |c| c.catch_ups_completed.get()), 1);
    }
}

#[test]
fn what_history_does_not_keep_ends_the_subscription_of_a_client_and_the_connection_of_a_backend() {
    for cores in [1, 2] {
        let mut pure = world(cores);
        let (mut client, mut session) = (Client::new(&mut pure), Client::new(&mut pure));
        client.subscribe(&mut pure, "short:a");
        client.subscribe(&mut pure, "plain:a");
        api(&mut pure, "subscribe", &json!({"channel": "short:a", "user": "", "client": session.id}));
        for client in [&mut client, &mut session] {
            client.hear(&mut pure);
            pure.limit(client.wire, Some(0));
        }
        (1..=100).for_each(|n| publish(&mut pure, "short:a", n));
        client.catch_up(&mut pure, 1_000);
        session.catch_up(&mut pure, 1_000);
        assert_eq!((client.unsubscribed.clone(), client.closed, session.closed), (vec![2500], None, Some(3010)));
        client.subscribe(&mut pure, "short:a");
        client.hear(&mut pure);
        publish(&mut pure, "short:a", 101);
        client.hear(&mut pure);
        assert_eq!((client.subscriptions["short:a"].offset, client.subscriptions["plain:a"].offset), (101, 0));
        assert_eq!(sum(&pure, |c| c.catch_ups_failed.get()), 2);
    }
}

#[test]
fn what_cannot_be_read_again_is_bounded_as_ever() {
    for cores in [1, 2] {
        let mut pure = world(cores);
        let mut client = Client::new(&mut pure);
        client.subscribe(&mut pure, "plain:a");
        client.subscribe(&mut pure, "cut:a");
        client.hear(&mut pure);
        pure.limit(client.wire, Some(0));
        for n in 1..=100 {
            publish(&mut pure, "plain:a", n);
        }
        assert_eq!(sum(&pure, |c| c.slow_clients.get()), 0);
        for n in 1..=100 {
            publish(&mut pure, "cut:a", n);
        }
        pure.limit(client.wire, None);
        client.hear(&mut pure);
        assert_eq!((client.closed, sum(&pure, |c| c.slow_clients.get())), (Some(3008), 1));
        assert_eq!(sum(&pure, |c| c.subscriptions.get()), 0);
    }
}

/// Publications, room, ends and beginnings of subscriptions by turns.
fn play(seed: u64, cores: usize) -> u64 {
    let (mut random, mut pure) = (StdRng::seed_from_u64(seed), world(cores));
    let mut published: BTreeMap<&str, u64> = KINDS.iter().map(|channel| (*channel, 0)).collect();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::new(&mut pure)).collect();
    for _ in 0..300 {
        let channel = KINDS[random.random_range(0..KINDS.len())];
        let at = random.random_range(0..clients.len());
        let client = &mut clients[at];
        let is_subscribed = client.subscriptions.contains_key(channel);
        match random.random_range(0..20) {
            0..=9 => {
                let count = published.get_mut(channel).expect("a channel");
                for _ in 0..random.random_range(1..12) {
                    *count += 1;
                    publish(&mut pure, channel, *count);
                }
            }
            10..=12 => pure.limit(client.wire, Some(random.random_range(0..6_000))),
            13 => pure.limit(client.wire, None),
            14..=16 if !is_subscribed && client.asked.is_empty() => client.subscribe(&mut pure, channel),
            17 if is_subscribed => {
                client.command(&mut pure, &json!({"unsubscribe": {"channel": channel}}));
                // What is still on its way is read first.
                client.catch_up(&mut pure, 5_000);
                client.subscriptions.remove(channel);
            }
            18 if is_subscribed => {
                let method = if random.random_range(0..2) == 0 { "subscribe" } else { "unsubscribe" };
                api(&mut pure, method, &json!({"channel": channel, "user": "", "client": client.id}));
            }
            19 if random.random_range(0..4) == 0 => {
                pure.hang_up(client.wire);
                clients[at] = Client::new(&mut pure);
            }
            _ => {}
        }
        clients[at].hear(&mut pure);
    }
    for client in &mut clients {
        client.catch_up(&mut pure, 2_000);
        assert_eq!(client.closed, None, "seed {seed}");
        for (channel, known) in &client.subscriptions {
            let top = published[channel.as_str()];
            let is_complete =
                known.offset == top || (known.is_filtered && known.offset + 1 == top && top.is_multiple_of(2));
            assert!(is_complete, "seed {seed}, {channel}: {known:?} of {top}");
        }
    }
    pure.shards.iter().for_each(|shard| shard.check_at_rest());
    sum(&pure, |c| c.catch_ups_completed.get())
}

#[test]
fn nothing_is_lost_whatever_is_done_to_a_subscription_meanwhile() {
    let mut completed = 0;
    for seed in 0..24 {
        completed += play(seed, 1 + seed as usize % 3);
    }
    assert!(completed > 50, "it has come to that: {completed}");
}
