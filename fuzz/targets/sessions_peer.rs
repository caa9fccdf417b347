//! One connection of the target `sessions`, seen from its peer: what it says and what it may hear.

use super::pure::Pure;
use super::script::Script;
use super::ws::{Arrival, DEFLATE, Peer, upgrade};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corecast::proto::client::{
    Command, ConnectRequest, FilterNode, HistoryRequest, PresenceRequest, PresenceStatsRequest, PublishRequest,
    RefreshRequest, Reply, RpcRequest, SendRequest, StreamPosition, SubRefreshRequest, SubscribeRequest,
    UnsubscribeRequest,
};
use corecast::proto::json;
use corecast::wire::websocket::Opcode;
use prost::Message;
use std::collections::VecDeque;

const CHANNELS: [&str; 14] = [
    "a", "all:a", "all:b", "rec:a", "auto:a", "pos:a", "all:#u", "usr:#u,v", "$all:x", "pos:A", "none:a", "", "rec:é",
    "b",
];
const PAYLOADS: [&str; 7] = [
    "{}",
    "null",
    "1",
    r#"{"n": 1, "text": "something that is long enough for a patch of it"}"#,
    r#"{"n": 2, "text": "something that is long enough for a patch of it"}"#,
    "[",
    "",
];
const USERS: [&str; 3] = ["u", "v", ""];
/// Of a token, from now on in seconds; the last ones are no times.
const EXPIRIES: [i64; 6] = [0, 2, 5, 60, -5, i64::MAX - 2_000_000_000];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speech {
    Json,
    Protobuf,
    Http,
}

pub struct Client {
    wire: usize,
    speech: Speech,
    peer: Peer,
    /// Commands without a reply, in order, and whether they are `connect`.
    waiting: VecDeque<(u32, bool)>,
    ids: u32,
    is_connected: bool,
    /// Its `connect` was answered by an error: nothing that follows is answered.
    is_refused: bool,
    /// It has said what no client says: only the form of what it hears is looked at.
    is_wild: bool,
    has_heard_close: bool,
    /// It answers pings.
    is_polite: bool,
    /// The positions that it was told last.
    known: StreamPosition,
    /// Requests without an answer, and what was read of the next one.
    calls: usize,
    answer: Vec<u8>,
}

impl Client {
    pub fn open(pure: &mut Pure, speech: Speech, bits: u8) -> Client {
        let wire = pure.open();
        let native = if bits & 2 != 0 { "cf_ws_frame_ping_pong=true" } else { "" };
        let fields = if bits & 4 != 0 { DEFLATE } else { "" };
        let query = match speech {
            Speech::Protobuf => format!("?cf_protocol=protobuf&{native}"),
            _ => format!("?{native}"),
        };
        if speech != Speech::Http {
            pure.send(wire, upgrade(&query, fields));
        }
        Client {
            wire,
            speech,
            peer: Peer::default(),
            waiting: VecDeque::new(),
            ids: 0,
            is_connected: false,
            is_refused: false,
            is_wild: false,
            has_heard_close: false,
            is_polite: bits & 1 != 0,
            known: StreamPosition::default(),
            calls: 0,
            answer: Vec::new(),
        }
    }

    pub fn speech(&self) -> Speech {
        self.speech
    }

    pub fn connect(&mut self, pure: &mut Pure, script: &mut Script<'_>) {
        let mut request = ConnectRequest::default();
        if script.flag() {
            request.token = token(pure, script, "");
        }
        for _ in 0..script.below(3) {
            let sub = SubscribeRequest { channel: String::new(), ..self.subscribe(pure, script) };
            request.subs.insert(script.choose(&CHANNELS).into(), sub);
        }
        let command = Command { connect: Some(request), ..Command::default() };
        self.say(pure, vec![command]);
    }

    /// One or more commands in one message.
    pub fn command(&mut self, pure: &mut Pure, script: &mut Script<'_>) {
        let count = 1 + script.below(8) / 6 * 2;
        let commands = (0..count).map(|_| self.any(pure, script)).collect();
        self.say(pure, commands);
    }

    fn any(&mut self, pure: &Pure, script: &mut Script<'_>) -> Command {
        let mut command = Command::default();
        match script.below(16) {
            0..=4 => command.subscribe = Some(self.subscribe(pure, script)),
            5 => command.unsubscribe = Some(UnsubscribeRequest { channel: any_channel(script) }),
            6..=8 => {
                let (channel, data) = (any_channel(script), script.choose(&PAYLOADS).into());
                command.publish = Some(PublishRequest { channel, data, ..PublishRequest::default() });
            }
            9 => command.history = Some(self.history(script)),
            10 => command.presence = Some(PresenceRequest { channel: any_channel(script) }),
            11 => command.presence_stats = Some(PresenceStatsRequest { channel: any_channel(script) }),
            12 => {
                let (method, data) = (script.choose(&["ping", "x"]).into(), script.choose(&PAYLOADS).into());
                command.rpc = Some(RpcRequest { data, method });
            }
            13 => command.send = Some(SendRequest { data: script.choose(&PAYLOADS).into() }),
            14 => command.refresh = Some(RefreshRequest { token: token(pure, script, "") }),
            _ => {
                let channel = any_channel(script);
                let token = token(pure, script, &channel);
                command.sub_refresh = Some(SubRefreshRequest { channel, token, ..SubRefreshRequest::default() });
            }
        }
        command
    }

    fn subscribe(&self, pure: &Pure, script: &mut Script<'_>) -> SubscribeRequest {
        let channel = any_channel(script);
        let bits = script.byte();
        let mut request = SubscribeRequest {
            positioned: bits & 1 != 0,
            recoverable: bits & 2 != 0,
            recover: bits & 4 != 0,
            join_leave: bits & 8 != 0,
            delta: if bits & 16 != 0 { "fossil".into() } else { String::new() },
            flag: i64::from(bits >> 7),
            ..SubscribeRequest::default()
        };
        if request.recover {
            request.epoch = self.known.epoch.clone();
            request.offset = if bits & 32 != 0 { self.known.offset } else { script.number() };
        }
        if bits & 64 != 0 {
            let (cmp, val) = (script.choose(&["eq", "gt", "zz"]).into(), script.choose(&["1", "2"]).into());
            request.tf = Some(FilterNode { key: "t".into(), cmp, val, ..FilterNode::default() });
        }
        if script.below(5) == 1 {
            request.token = token(pure, script, &channel);
        }
        SubscribeRequest { channel, ..request }
    }

    fn history(&self, script: &mut Script<'_>) -> HistoryRequest {
        let (channel, bits) = (any_channel(script), script.byte());
        let offset = if bits & 4 != 0 { self.known.offset } else { script.number() };
        let epoch = if bits & 8 != 0 { self.known.epoch.clone() } else { String::new() };
        HistoryRequest {
            channel,
            limit: script.number() as i32,
            since: (bits & 1 != 0).then_some(StreamPosition { offset, epoch }),
            reverse: bits & 2 != 0,
        }
    }

    /// Gives commands their ids and sends them.
    fn say(&mut self, pure: &mut Pure, commands: Vec<Command>) {
        if self.speech == Speech::Http {
            return;
        }
        let (mut message, mut ids) = (Vec::new(), Vec::new());
        for mut command in commands {
            self.ids += 1;
            if command.send.is_none() {
                command.id = self.ids;
                ids.push((self.ids, command.connect.is_some()));
            }
            if self.speech == Speech::Protobuf {
                message.extend(command.encode_length_delimited_to_vec());
                continue;
            }
            let mut line = Vec::new();
            if json::encode_line(&command, &mut line).is_err() {
                ids.retain(|(id, _)| *id != command.id);
                continue;
            }
            message.extend(if message.is_empty() { &b""[..] } else { b"\n" });
            message.extend(line);
        }
        if message.is_empty() {
            return;
        }
        self.waiting.extend(ids);
        let opcode = if self.speech == Speech::Protobuf { Opcode::Binary } else { Opcode::Text };
        let frame = self.peer.frame(opcode, &message);
        pure.send(self.wire, frame);
    }

    pub fn raw_message(&mut self, pure: &mut Pure, script: &mut Script<'_>) {
        self.is_wild = true;
        let (opcode, count) = (script.choose(&[Opcode::Text, Opcode::Binary, Opcode::Ping]), script.below(90));
        let frame = self.peer.frame(opcode, script.bytes(count));
        pure.send(self.wire, frame);
    }

    pub fn raw_bytes(&mut self, pure: &mut Pure, script: &mut Script<'_>) {
        self.is_wild = true;
        let count = script.byte();
        pure.send(self.wire, script.bytes(count.into()).to_vec());
    }

    pub fn take_only(&mut self, pure: &mut Pure, script: &mut Script<'_>) {
        let room = script.choose(&[None, Some(0), Some(1), Some(30), Some(700)]);
        pure.limit(self.wire, room);
    }

    pub fn leave(&mut self, pure: &mut Pure, script: &mut Script<'_>) {
        match script.below(6) {
            0 => pure.hang_up(self.wire),
            1 => pure.break_off(self.wire),
            2 => {
                let frame = self.peer.close(1000);
                pure.send(self.wire, frame);
                self.is_wild = true;
            }
            // A pong that nobody has asked for, or somebody has.
            _ => self.pong(pure),
        }
    }

    /// The end of the world: the peer is gone, in one way or the other.
    pub fn go(&mut self, pure: &mut Pure) {
        if self.is_polite { pure.hang_up(self.wire) } else { pure.break_off(self.wire) }
    }

    fn pong(&mut self, pure: &mut Pure) {
        let frame = match self.speech {
            Speech::Http => return,
            Speech::Json => self.peer.frame(Opcode::Text, b"{}"),
            Speech::Protobuf => self.peer.frame(Opcode::Binary, &[0]),
        };
        pure.send(self.wire, frame);
    }

    /// A request to the server API; tags and the like come from the script.
    pub fn call(&mut self, pure: &mut Pure, script: &mut Script<'_>) {
        let (channel, user) = (script.choose(&CHANNELS), script.choose(&USERS));
        let data = script.choose(&["1", r#"{"n": 3, "text": "something that is long enough for a patch of it"}"#]);
        let (n, tag) = (script.number(), script.choose(&["1", "2", "x"]));
        let body = match script.below(16) {
            0..=5 => format!(
                r#"publish {{"channel":"{channel}","data":{data},"tags":{{"t":"{tag}"}},"delta":true,"version":{}}}"#,
                n / 64
            ),
            6 => format!(r#"broadcast {{"channels":["{channel}","rec:a","all:a"],"data":{data}}}"#),
            7 => {
                format!(r#"subscribe {{"user":"{user}","channel":"{channel}","data":{data},"expire_at":{}}}"#, n as i64)
            }
            8 => format!(r#"unsubscribe {{"user":"{user}","channel":"{channel}"}}"#),
            9 => {
                // Other codes are passed on as they are, and a peer would be right to complain.
                let code = script.choose(&[0, 3000, 3501, 4999]);
                format!(r#"disconnect {{"user":"{user}","disconnect":{{"code":{code},"reason":"r"}}}}"#)
            }
            10 => format!(r#"history {{"channel":"{channel}","limit":{},"since":{{"offset":{n}}}}}"#, n as i32),
            11 => format!(r#"history_remove {{"channel":"{channel}"}}"#),
            12 => format!(r#"presence {{"channel":"{channel}"}}"#),
            13 => r#"info {}"#.to_string(),
            14 => format!(r#"refresh {{"user":"{user}","expired":{},"expire_at":{}}}"#, n % 2 == 0, n as i64),
            _ => r#"channels {"pattern":"*a"}"#.to_string(),
        };
        let (method, body) = body.split_once(' ').expect("two words");
        self.calls += 1;
        let head = format!("POST /api/{method} HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: {}", body.len());
        pure.send(self.wire, format!("{head}\r\n\r\n{body}").into_bytes());
    }

    /// Takes in what the server wrote.
    pub fn look(&mut self, pure: &mut Pure) {
        let bytes = pure.take(self.wire);
        if self.speech == Speech::Http {
            self.answer.extend(bytes);
            return self.count_answers();
        }
        for arrival in self.peer.take(&bytes) {
            assert!(!self.has_heard_close, "nothing follows a close frame: {arrival:?}");
            match arrival {
                Arrival::Text(text) if text == b"{}" => self.pinged(pure),
                Arrival::Binary(bytes) if bytes == [0] => self.pinged(pure),
                Arrival::Text(text) => {
                    assert_eq!(self.speech, Speech::Json);
                    self.hear(&json::decode(&text).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&text))));
                }
                Arrival::Binary(bytes) => {
                    assert_eq!(self.speech, Speech::Protobuf);
                    self.hear(&Reply::decode_length_delimited(&bytes[..]).expect("Protobuf of the server"));
                }
                Arrival::Close(..) => self.has_heard_close = true,
                Arrival::Ping(payload) => {
                    let frame = self.peer.frame(Opcode::Pong, &payload);
                    pure.send(self.wire, frame);
                }
                Arrival::Pong(_) => {}
            }
        }
    }

    fn pinged(&mut self, pure: &mut Pure) {
        if self.is_polite {
            self.pong(pure);
        }
    }

    fn hear(&mut self, reply: &Reply) {
        if let Some(push) = &reply.push {
            assert!(reply.id == 0 && (self.is_connected || self.is_wild), "ahead of the reply to connect: {push:?}");
        } else if !self.is_wild {
            let (expected, is_connect) = self.waiting.pop_front().unwrap_or_default();
            assert_eq!(expected, reply.id, "one reply for each command, in their order: {reply:?}");
            assert!(!self.is_refused, "nothing follows a refusal: {reply:?}");
            self.is_refused = is_connect && reply.error.is_some();
        }
        self.is_connected |= reply.connect.is_some();
        let subscribed = reply.connect.iter().flat_map(|connect| connect.subs.values()).chain(&reply.subscribe);
        for result in subscribed.filter(|result| !result.epoch.is_empty()) {
            let offset = result.publications.last().map_or(result.offset, |publication| publication.offset);
            self.known = StreamPosition { offset, epoch: result.epoch.clone() };
        }
    }

    fn count_answers(&mut self) {
        while let Some(end) = self.answer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(self.answer[..end].to_vec()).expect("a head is text");
            assert!(head.starts_with("HTTP/1.1 "), "{head}");
            let length = head.split("\r\nContent-Length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let length: usize = length.map_or(0, |text| text.parse().expect("a number"));
            if self.answer.len() < end + 4 + length {
                return;
            }
            self.answer.drain(..end + 4 + length);
            if !self.is_wild {
                self.calls = self.calls.checked_sub(1).expect("one answer for each request");
            }
        }
    }

    /// Everything has been said and heard.
    pub fn is_answered(&mut self, pure: &Pure) {
        let is_over = pure.is_over(self.wire) || self.has_heard_close || self.is_refused || self.is_wild;
        assert!(is_over || (self.waiting.is_empty() && self.calls == 0), "{:?} are not answered", self.waiting);
    }
}

fn any_channel(script: &mut Script<'_>) -> String {
    script.choose(&CHANNELS).into()
}

/// A token that nobody has signed; signatures are not looked at here.
fn token(pure: &Pure, script: &mut Script<'_>, channel: &str) -> String {
    let (user, left) = (script.choose(&USERS), script.choose(&EXPIRIES));
    let now = pure.now.wall.seconds();
    let exp = if left == 0 { String::new() } else { format!(r#","exp":{}"#, now + left) };
    let more = match channel {
        "" if script.below(4) == 1 => format!(r#","channels":["{}","all:a"]"#, script.choose(&CHANNELS)),
        "" => String::new(),
        channel => format!(r#","channel":"{channel}""#),
    };
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.x", part(r#"{"alg":"HS256"}"#.into()), part(format!(r#"{{"sub":"{user}"{exp}{more}}}"#)))
}
