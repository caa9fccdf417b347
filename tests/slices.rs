//! What a core writes first: an answer, a pong and a publication for one client leave with the next slice while a publication
//! goes to a thousand, whether they stand in one audience or each behind a filter of its own.

mod common;

use common::pure::Pure;
use common::ws::{Peer, upgrade};
use corecast::hub::{Sent, Sink};
use corecast::id::Slot;
use corecast::limits::WRITES_PER_SLICE;
use corecast::proto::client::{Command, ConnectRequest, FilterNode, SubscribeRequest};
use corecast::proto::json;
use corecast::shard::Event;
use corecast::wire::websocket::Opcode;

const SUBSCRIBERS: usize = 300;

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true},
  "http_api": {"key": "k"},
  "channel": {"without_namespace":
    {"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true, "allow_tags_filter": true}}
}"#;

/// Who was written to, in order.
#[derive(Default)]
struct Order(Vec<u32>);

impl Sink for Order {
    fn send(&mut self, index: u32, bytes: &[u8]) -> Sent {
        self.0.push(index);
        Sent::Bytes(bytes.len())
    }

    fn watch(&mut self, _: u32) {}
}

fn frame(peer: &mut Peer, command: &Command) -> Vec<u8> {
    let mut line = Vec::new();
    json::encode_line(command, &mut line).expect("JSON");
    peer.frame(Opcode::Text, &line)
}

/// A client of the channel; returns its place.
fn subscriber(pure: &mut Pure, channel: &str, filter: Option<FilterNode>) -> (usize, Peer) {
    let (wire, mut peer) = (pure.open(), Peer::default());
    pure.send(wire, upgrade("", ""));
    let subscribe = SubscribeRequest { channel: channel.into(), tf: filter, ..SubscribeRequest::default() };
    let connect = Command { id: 1, connect: Some(ConnectRequest::default()), ..Command::default() };
    for command in [connect, Command { id: 2, subscribe: Some(subscribe), ..Command::default() }] {
        let bytes = frame(&mut peer, &command);
        pure.send(wire, bytes);
    }
    let replies = String::from_utf8_lossy(&pure.take(wire)).to_string();
    assert!(replies.contains(r#""subscribe":{"#), "{replies}");
    (wire, peer)
}

fn request(channel: &str, tag: &str) -> Vec<u8> {
    let body = format!(r#"{{"channel":"{channel}","data":1,"tags":{{"t":"{tag}"}}}}"#);
    let fields = format!("Host: t\r\nX-API-Key: k\r\nContent-Length: {}", body.len());
    format!("POST /api/publish HTTP/1.1\r\n{fields}\r\n\r\n{body}").into_bytes()
}

fn the_next_slice_serves_others(filter: impl Fn(usize) -> Option<FilterNode>) {
    let mut pure = Pure::new(&common::load(CONFIG), 1);
    let mut many: Vec<(usize, Peer)> = (0..SUBSCRIBERS).map(|n| subscriber(&mut pure, "many", filter(n))).collect();
    let (one, _) = subscriber(&mut pure, "one", None);
    let [first, second] = [pure.open(), pure.open()];
    let (now, mut order) = (pure.now, Order::default());
    let shard = &mut pure.shards[0];
    let receive = |shard: &mut corecast::shard::Shard, wire: usize, mut bytes: Vec<u8>| {
        shard.handle(now, Event::Received { slot: Slot { index: wire as u32, generation: 0 }, bytes: &mut bytes });
        assert!(shard.poll_effect().is_none(), "nothing waits for another core");
    };
    receive(shard, first, request("many", "a"));
    shard.flush(WRITES_PER_SLICE, &mut order);
    assert!(order.0.len() <= WRITES_PER_SLICE && order.0.contains(&(first as u32)), "the publisher has its answer");
    // Another publisher and channel, and the last of the many asks for a pong.
    let last = many.iter().rposition(|(wire, _)| !order.0.contains(&(*wire as u32))).expect("somebody waits");
    let ping = many[last].1.frame(Opcode::Ping, b"?");
    receive(shard, second, request("one", "a"));
    receive(shard, many[last].0, ping);
    order.0.clear();
    shard.flush(WRITES_PER_SLICE, &mut order);
    assert!(order.0.len() <= WRITES_PER_SLICE);
    for wire in [second, one, many[last].0] {
        assert!(order.0.contains(&(wire as u32)), "with the next slice: {:?}", order.0);
    }
}

#[test]
fn an_answer_does_not_stand_behind_one_audience() {
    the_next_slice_serves_others(|_| None);
}

#[test]
fn an_answer_does_not_stand_behind_many_filters() {
    // All of them let the publication pass, and no two are the same.
    the_next_slice_serves_others(|n| {
        let vals = vec!["a".to_string(), n.to_string()];
        Some(FilterNode { key: "t".into(), cmp: "in".into(), vals, ..FilterNode::default() })
    });
}
