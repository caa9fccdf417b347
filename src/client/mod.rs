//! The protocol seen from the other side, without I/O: for `watch`, and for load that is made of many of them.
//!
//! Contract: write [`Link::take_outgoing`], feed what arrives to [`Link::receive`], look at the events. Pings are answered
//! by themselves. It subscribes to its channels as soon as it is connected and reconnects never: its owner does.

pub mod url;

use crate::proto::client::{Command, ConnectRequest, Publication, Reply, SubscribeRequest};
use crate::proto::json;
use crate::protocol::command::Protocol;
use crate::wire::deflate::Inflater;
use crate::wire::websocket::{self, Decoder, Event as Frame, Opcode, Role};
use prost::Message;
pub use url::Url;

/// Bytes of one message of the server; a batch of publications may be large.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The server knows this client by this id.
    Connected(String),
    /// The subscription is in force.
    Subscribed(String),
    /// Something was published.
    Publication(String, Box<Publication>),
    /// The subscription is over.
    Unsubscribed(String, u32, String),
    /// A command was refused: the channel, or "" for `connect`.
    Refused(String, u32, String),
    /// The server closes.
    Closed(u16, String),
}

/// Why a connection is of no use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Broken {
    /// The upgrade was answered by this status.
    Refused(u16),
    /// The server sent what nobody can read.
    Garbage,
}

/// One connection.
pub struct Link {
    protocol: Protocol,
    token: String,
    channels: Vec<String>,
    decoder: Decoder,
    input: Vec<u8>,
    outgoing: Vec<u8>,
    is_upgraded: bool,
    offers_deflate: bool,
    /// State of the generator of frame masks; masks protect proxies, not secrets (RFC 6455 10.3).
    masks: u64,
}

impl Link {
    /// Begins a connection; `seed` feeds the handshake key and the masks.
    pub fn new(url: &Url, protocol: Protocol, token: &str, channels: &[String], seed: u64) -> Link {
        let mut link = Link {
            protocol,
            token: token.into(),
            channels: channels.to_vec(),
            decoder: Decoder::new(Role::Client),
            input: Vec::new(),
            outgoing: Vec::new(),
            is_upgraded: false,
            offers_deflate: false,
            masks: seed,
        };
        let key: Vec<u8> = (0..4).flat_map(|_| link.mask()).collect();
        let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
        let subprotocol = match protocol {
            Protocol::Json => "",
            Protocol::Protobuf => "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
        };
        let (path, host) = (&url.path, url.authority());
        link.outgoing = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{subprotocol}\r\n"
        )
        .into_bytes();
        link
    }

    /// The server may compress what it sends; what the client sends is short.
    pub fn with_deflate(mut self) -> Link {
        self.offers_deflate = true;
        self.outgoing.truncate(self.outgoing.len() - 2);
        self.outgoing
            .extend_from_slice(b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n");
        self
    }

    /// What is to be written.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Takes in what the server wrote.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Broken> {
        self.input.extend_from_slice(bytes);
        if !self.is_upgraded && !self.read_upgrade()? {
            return Ok(Vec::new());
        }
        let (mut events, mut input) = (Vec::new(), std::mem::take(&mut self.input));
        let (mut at, mut inflater, mut inflated) = (0, None::<Inflater>, Vec::new());
        loop {
            let step = self.decoder.decode(&mut input[at..], MESSAGE_BYTES_MAX).map_err(|_| Broken::Garbage)?;
            let (consumed, mut replies, mut pong) = (step.consumed, Vec::new(), None);
            match step.event {
                Some(Frame::Message { payload, .. }) => {
                    replies = self::replies(self.protocol, payload).ok_or(Broken::Garbage)?;
                }
                Some(Frame::Ping(payload)) => pong = Some(payload.to_vec()),
                Some(Frame::Close { code, reason }) => events.push(Event::Closed(code.unwrap_or(1005), reason.into())),
                Some(Frame::Deflated { opcode, payload }) => {
                    let inflater = inflater.get_or_insert_default();
                    let is_good = inflater.inflate(opcode, payload, MESSAGE_BYTES_MAX, &mut inflated).is_ok();
                    let found = if is_good { self::replies(self.protocol, &inflated) } else { None };
                    replies = found.ok_or(Broken::Garbage)?;
                }
                Some(Frame::Pong(_)) | None => {}
            }
            pong.into_iter().for_each(|payload| self.frame(Opcode::Pong, &payload));
            replies.into_iter().for_each(|reply| self.reply(reply, &mut events));
            if consumed == 0 {
                break;
            }
            at += consumed;
        }
        self.input = input.split_off(at);
        Ok(events)
    }

    /// Reads the answer to the upgrade; false while it is not whole.
    fn read_upgrade(&mut self) -> Result<bool, Broken> {
        let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        if status != 101 {
            return Err(Broken::Refused(status));
        }
        let is_agreed = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or_default();
            name.eq_ignore_ascii_case("sec-websocket-extensions")
                && value.trim_start().starts_with("permessage-deflate")
        };
        let has_deflate = self.offers_deflate && head.lines().any(is_agreed);
        self.decoder = Decoder::new(Role::Client).with_deflate(has_deflate);
        self.input.drain(..end + 4);
        self.is_upgraded = true;
        let connect = ConnectRequest { token: self.token.clone(), name: "corecast".into(), ..Default::default() };
        let mut commands = vec![Command { id: 1, connect: Some(connect), ..Command::default() }];
        for (id, channel) in (2..).zip(&self.channels) {
            let subscribe = Some(SubscribeRequest { channel: channel.clone(), ..Default::default() });
            commands.push(Command { id, subscribe, ..Command::default() });
        }
        self.send(&commands);
        Ok(true)
    }

    fn send(&mut self, commands: &[Command]) {
        let mut payload = Vec::new();
        for command in commands {
            match self.protocol {
                Protocol::Json => {
                    if !payload.is_empty() {
                        payload.push(b'\n');
                    }
                    // Commands of our own hold no raw JSON that could be broken.
                    _ = json::encode_line(command, &mut payload);
                }
                Protocol::Protobuf => payload.extend(command.encode_length_delimited_to_vec()),
            }
        }
        let opcode = if self.protocol == Protocol::Json { Opcode::Text } else { Opcode::Binary };
        self.frame(opcode, &payload);
    }

    fn reply(&mut self, reply: Reply, events: &mut Vec<Event>) {
        if reply == Reply::default() {
            let pong: &[u8] = if self.protocol == Protocol::Json { b"{}" } else { &[0] };
            let opcode = if self.protocol == Protocol::Json { Opcode::Text } else { Opcode::Binary };
            return self.frame(opcode, pong);
        }
        let channel = (reply.id as usize).checked_sub(2).and_then(|at| self.channels.get(at)).cloned();
        let channel = channel.unwrap_or_default();
        if let Some(error) = reply.error {
            events.push(Event::Refused(channel, error.code, error.message));
        } else if let Some(result) = reply.connect {
            events.push(Event::Connected(result.client));
        } else if reply.subscribe.is_some() {
            events.push(Event::Subscribed(channel));
        } else if let Some(push) = reply.push {
            if let Some(publication) = push.r#pub {
                events.push(Event::Publication(push.channel, Box::new(publication)));
            } else if let Some(end) = push.unsubscribe {
                events.push(Event::Unsubscribed(push.channel, end.code, end.reason));
            }
        }
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let mask = self.mask();
        websocket::encode_masked(opcode, payload, mask, &mut self.outgoing);
    }

    fn mask(&mut self) -> [u8; 4] {
        self.masks = self.masks.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.masks >> 32) as u32).to_be_bytes()
    }
}

/// The replies of one message; `None` when it cannot be read.
fn replies(protocol: Protocol, mut payload: &[u8]) -> Option<Vec<Reply>> {
    if protocol == Protocol::Json {
        return payload.split(|b| *b == b'\n').map(|line| json::decode(line).ok()).collect();
    }
    let mut replies = Vec::new();
    while !payload.is_empty() {
        replies.push(Reply::decode_length_delimited(&mut payload).ok()?);
    }
    Some(replies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::deflate::Deflater;

    fn link(protocol: Protocol) -> Link {
        let url = Url::parse("ws://localhost:8000/connection/websocket").expect("a URL");
        let mut link = Link::new(&url, protocol, "", &["a".into(), "b".into()], 1);
        assert!(link.take_outgoing().starts_with(b"GET /connection/websocket HTTP/1.1\r\nHost: localhost:8000\r\n"));
        link
    }

    fn text(payload: &str) -> Vec<u8> {
        let mut frame = Vec::new();
        websocket::encode(Opcode::Text, payload.as_bytes(), &mut frame);
        frame
    }

    #[test]
    fn it_connects_subscribes_and_hands_out_what_comes() {
        let mut link = link(Protocol::Json);
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        assert_eq!(link.receive(&stream), Ok(vec![]));
        assert!(!link.take_outgoing().is_empty(), "connect and subscribe leave at once");
        stream = [
            text("{\"id\":1,\"connect\":{\"client\":\"c\"}}\n{\"id\":2,\"subscribe\":{}}"),
            text("{\"id\":3,\"error\":{\"code\":103,\"message\":\"permission denied\"}}"),
            text("{}"),
            text("{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1}}}"),
        ]
        .concat();
        let mut events = Vec::new();
        for byte in stream {
            events.extend(link.receive(&[byte]).expect("readable"));
        }
        let publication = Publication { data: "1".into(), ..Publication::default() };
        let expected = [
            Event::Connected("c".into()),
            Event::Subscribed("a".into()),
            Event::Refused("b".into(), 103, "permission denied".into()),
            Event::Publication("a".into(), Box::new(publication)),
        ];
        assert_eq!(events, expected);
        assert_eq!(link.take_outgoing().len(), 8, "one pong: a masked frame of two bytes");
    }

    #[test]
    fn compressed_messages_are_read_where_that_was_offered_and_agreed_to() {
        let upgraded = |link: &mut Link, field: &str| {
            link.take_outgoing();
            link.receive(format!("HTTP/1.1 101 Switching Protocols\r\n{field}\r\n").as_bytes())
        };
        let field = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n";
        let (mut deflated, mut frame) = (Vec::new(), Vec::new());
        assert!(Deflater::new(1).deflate(b"{\"id\":1,\"connect\":{\"client\":\"c\"}}", &mut deflated));
        websocket::encode_deflated(Opcode::Text, &deflated, &mut frame);
        let mut offering =
            Link::new(&Url::parse("ws://h:1/").expect("a URL"), Protocol::Json, "", &[], 1).with_deflate();
        assert!(
            offering
                .outgoing
                .ends_with(b"\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n")
        );
        assert_eq!(upgraded(&mut offering, field), Ok(vec![]));
        assert_eq!(offering.receive(&frame), Ok(vec![Event::Connected("c".into())]));
        let mut other = link(Protocol::Json);
        assert_eq!(upgraded(&mut other, field), Ok(vec![]));
        assert_eq!(other.receive(&frame), Err(Broken::Garbage), "not offered");
    }

    #[test]
    fn a_refused_upgrade_has_its_status() {
        let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(link(Protocol::Protobuf).receive(answer), Err(Broken::Refused(403)));
    }
}
