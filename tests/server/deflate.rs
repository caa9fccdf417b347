//! permessage-deflate over real sockets: who gets what, how often it is compressed, what ends a connection.

use super::CONFIG;
use super::common::server::{Server, parse_answer};
use super::common::socket::Socket;
use super::common::ws::{Arrival, DEFLATE};
use corecast::proto::client::{Command, ConnectRequest, Reply, SubscribeRequest};
use corecast::wire::websocket::Opcode;
use prost::Message;
use serde_json::{Value, json};
use std::io::{Read, Write};

fn server(cores: usize, websocket: Value) -> Server {
    let mut config: Value = serde_json::from_str(CONFIG).expect("JSON");
    config["websocket"] = websocket;
    Server::start(&config.to_string(), cores)
}

fn answer(server: &Server, request: String) -> String {
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).expect("open");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let (status, body) = parse_answer(&bytes);
    assert_eq!(status, 200, "{body}");
    body
}

fn publish(server: &Server, data: &Value) {
    let body = json!({"channel": "open:a", "data": data}).to_string();
    let length = body.len();
    let head = "POST /api/publish HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-API-Key: k\r\n";
    let body = answer(server, format!("{head}Content-Length: {length}\r\n\r\n{body}"));
    assert_eq!(body, r#"{"result":{}}"#);
}

/// The sum over all cores.
fn metric(server: &Server, name: &str) -> u64 {
    let text = answer(server, "GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".into());
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
}

/// A subscriber of `open:a` in one of the four ways.
struct Subscriber {
    socket: Socket,
    is_json: bool,
    is_deflated: bool,
}

impl Subscriber {
    fn new(server: &Server, is_json: bool, is_deflated: bool) -> Subscriber {
        let query = if is_json { "" } else { "?format=protobuf" };
        let mut socket = Socket::over_with(server.connect(), query, if is_deflated { DEFLATE } else { "" });
        assert_eq!(socket.has_deflate(), is_deflated);
        if is_json {
            socket.subscribe(&["open:a"]);
        } else {
            let connect = Some(ConnectRequest::default());
            let subscribe = Some(SubscribeRequest { channel: "open:a".into(), ..Default::default() });
            let connect = Command { id: 1, connect, ..Command::default() }.encode_length_delimited_to_vec();
            let subscribe = Command { id: 2, subscribe, ..Command::default() }.encode_length_delimited_to_vec();
            let frame = socket.frame(Opcode::Binary, &[connect, subscribe].concat());
            socket.send_raw(&frame);
        }
        let mut subscriber = Subscriber { socket, is_json, is_deflated };
        while !is_json && subscriber.reply().subscribe.is_none() {}
        subscriber
    }

    fn reply(&mut self) -> Reply {
        match self.socket.next() {
            Some(Arrival::Binary(bytes)) => Reply::decode_length_delimited(&bytes[..]).expect("a reply"),
            other => panic!("{other:?}"),
        }
    }

    /// The payload of the next publication.
    fn publication(&mut self) -> Value {
        if self.is_json {
            let text = self.socket.text().expect("kept");
            serde_json::from_str::<Value>(&text).expect("JSON")["push"]["pub"]["data"].take()
        } else {
            let push = self.reply().push.expect("a push");
            serde_json::from_slice(&push.r#pub.expect("a publication").data).expect("JSON")
        }
    }
}

/// `each` of each of the four ways; on two cores there are some of each way on both, nearly always.
fn subscribers(server: &Server, each: usize) -> Vec<Subscriber> {
    let ways = [(true, true), (true, false), (false, true), (false, false)];
    let new = |n: usize| Subscriber::new(server, ways[n % 4].0, ways[n % 4].1);
    (0..each * 4).map(new).collect()
}

fn everyone_gets_the_same(cores: usize) {
    let server = server(cores, json!({"compression": true, "compression_min_size": 300}));
    let mut subscribers = subscribers(&server, 8);
    let sent: Vec<Value> = [1, 100, 1000, 10_000, 200].map(|n| json!({"n": n, "text": "word ".repeat(n)})).into();
    sent.iter().for_each(|data| publish(&server, data));
    for subscriber in &mut subscribers {
        let before = subscriber.socket.deflated();
        for data in &sent {
            assert_eq!(&subscriber.publication(), data);
        }
        let deflated = subscriber.socket.deflated() - before;
        assert_eq!(deflated, if subscriber.is_deflated { 4 } else { 0 }, "the first one is short");
    }
    let compressed = metric(&server, "corecast_deflated_messages_total");
    assert_eq!(compressed, 4 * 2, "the long ones, in JSON and in Protobuf; replies are short");
}

#[test]
fn compressed_and_plain_subscribers_of_a_channel_get_the_same_on_one_core() {
    everyone_gets_the_same(1);
}

#[test]
fn compressed_and_plain_subscribers_of_a_channel_get_the_same_on_two_cores() {
    everyone_gets_the_same(2);
}

#[test]
fn a_publication_to_a_hundred_compressed_subscribers_is_compressed_once() {
    let server = server(2, json!({"compression": true}));
    let mut subscribers: Vec<Subscriber> = (0..100).map(|_| Subscriber::new(&server, true, true)).collect();
    let [messages, bytes_in, bytes_out] =
        ["messages", "input_bytes", "output_bytes"].map(|what| format!("corecast_deflated_{what}_total"));
    let figures = || [&messages, &bytes_in, &bytes_out].map(|name| metric(&server, name));
    let before = figures();
    let data = json!("word ".repeat(100));
    (0..20).for_each(|_| publish(&server, &data));
    for subscriber in &mut subscribers {
        (0..20).for_each(|_| assert_eq!(subscriber.publication(), data));
    }
    let after = figures();
    let [messages, bytes_in, bytes_out] = [0, 1, 2].map(|i| after[i] - before[i]);
    assert_eq!(messages, 20);
    assert!((20 * 500..20 * 600).contains(&bytes_in) && bytes_out < bytes_in / 5, "{bytes_in} {bytes_out}");
    assert!(metric(&server, "corecast_inflated_messages_total") >= 100, "the commands of the subscribers");
}

#[test]
fn commands_come_compressed_and_in_fragments() {
    let server = server(2, json!({"compression": true}));
    let mut socket = Socket::over_with(server.connect(), "", DEFLATE);
    assert!(socket.has_deflate());
    socket.subscribe(&["open:a"]);
    let text = "word ".repeat(50);
    let command = json!({"id": 9, "publish": {"channel": "open:a", "data": text}}).to_string();
    let whole = socket.frame(Opcode::Text, command.as_bytes());
    assert_eq!((whole[0], whole[1] & 0x80), (0xc1, 0x80));
    // The payload is unmasked, cut and masked with zeros.
    let (key, payload) = whole[2..].split_at(4);
    let payload: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    for (n, piece) in payload.chunks(10).enumerate() {
        let is_last = (n + 1) * 10 >= payload.len();
        let first = if n == 0 { 0x41 } else { 0 } | if is_last { 0x80 } else { 0 };
        socket.send_raw(&[&[first, 0x80 | piece.len() as u8, 0, 0, 0, 0][..], piece].concat());
    }
    let heard = [socket.text().expect("a push"), socket.text().expect("a reply")];
    assert!(heard[0].contains(&text) && heard[1] == r#"{"id":9,"publish":{}}"#, "{heard:?}");
}

#[test]
fn what_a_compressed_client_does_wrong_has_its_code() {
    let server = server(1, json!({"compression": true}));
    let masked = |first: u8, payload: &[u8]| {
        let length = payload.len() as u16;
        let mut frame = vec![first, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    };
    let closed = |fields: &str, bytes: &[u8]| {
        let mut socket = Socket::over_with(server.connect(), "", fields);
        assert_eq!(socket.has_deflate(), !fields.is_empty());
        socket.send_raw(bytes);
        socket.closed().expect("a close frame")
    };
    let mut peer = Socket::over_with(server.connect(), "", DEFLATE);
    assert!(peer.has_deflate());
    let bomb = peer.frame(Opcode::Text, &vec![b' '; 700_000]);
    assert!(bomb.len() < 2000);
    assert_eq!(closed(DEFLATE, &bomb), (1009, "message too big after decompression".into()));
    let no_text = peer.frame(Opcode::Text, &[0xff; 50]);
    assert_eq!(closed(DEFLATE, &no_text), (1007, "invalid UTF-8".into()));
    assert_eq!(closed(DEFLATE, &masked(0xc1, &[0xff; 200])), (3501, "bad request".into()), "not what DEFLATE makes");
    assert_eq!(closed(DEFLATE, &masked(0xc1, &[0; 200])).0, 3501, "nor this");
    assert_eq!(closed("", &masked(0xc1, &[0xaa; 200])).0, 1002, "not agreed to");
    assert_eq!(closed(DEFLATE, &[masked(0x41, &[0xaa; 200]), masked(0xc0, &[0; 200])].concat()).0, 1002);
    let before = metric(&server, "corecast_websocket_violations_total");
    assert_eq!(before, 4, "broken data is an answer of the client protocol");
}
