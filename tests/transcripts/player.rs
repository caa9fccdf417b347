//! Plays a dialogue over a link.

use crate::common::pure::{Pure, START_UNIX};
use crate::common::server::Server;
use crate::common::ws::{Arrival, Peer, upgrade};
use corecast::config::settings::Settings;
use corecast::proto::client::{Command, Reply};
use corecast::proto::json;
use corecast::wire::websocket::Opcode;
use prost::Message;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    Json,
    Protobuf,
}

#[derive(Clone, Debug)]
enum Line {
    Send(usize, String),
    Binary(usize, Vec<u8>),
    Expect(usize, String),
    ExpectBytes(usize, String),
    Close(usize, u16, String),
    Nothing(usize),
    HangUp(usize),
    /// The server's WebSocket ping.
    Ping(usize),
    /// The client's WebSocket pong.
    Pong(usize),
    /// The client reads no more, or reads on.
    Reads(usize, bool),
    Advance(Duration),
    /// The server is told to stop.
    Stop,
    Api {
        method: String,
        body: String,
        answer: String,
    },
    Query(String),
    /// A field of the next connection's request.
    Field(String),
    /// The next connection speaks this, whatever the play does.
    Speak(Encoding),
    /// The request of the connection was answered with this status.
    Status(usize, u16),
}

#[derive(Clone, Debug)]
pub struct Dialogue {
    name: String,
    lines: Vec<Line>,
    only: Option<Encoding>,
    only_pure: bool,
    /// On top of the common configuration.
    options: Value,
}

impl Dialogue {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn encodings(&self) -> Vec<Encoding> {
        self.only.map_or(vec![Encoding::Json, Encoding::Protobuf], |only| vec![only])
    }

    /// The common configuration with what this dialogue says beside.
    pub fn config(&self, common: &str) -> String {
        let mut config: Value = serde_json::from_str(common).expect("JSON");
        merge(&mut config, &self.options);
        config.to_string()
    }

    pub fn is_pure(&self) -> bool {
        let is_virtual =
            |line: &Line| matches!(line, Line::Advance(_) | Line::Nothing(_) | Line::Reads(..) | Line::Stop);
        self.only_pure || self.lines.iter().any(is_virtual)
    }
}

/// The dialogues of one file.
pub fn parse(path: &Path) -> Vec<Dialogue> {
    let text = std::fs::read_to_string(path).expect("a dialogue file");
    let mut dialogues: Vec<Dialogue> = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())) {
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        if let Some(name) = line.strip_prefix("# ") {
            let name = format!("{}:{number} {name}", path.file_name().expect("a name").to_string_lossy());
            dialogues.push(Dialogue { name, lines: Vec::new(), only: None, only_pure: false, options: Value::Null });
            continue;
        }
        let dialogue = dialogues.last_mut().unwrap_or_else(|| panic!("{path:?}:{number}: no dialogue has begun"));
        match line {
            "only json" => dialogue.only = Some(Encoding::Json),
            "only protobuf" => dialogue.only = Some(Encoding::Protobuf),
            _ if line.starts_with('⚙') => {
                let options = serde_json::from_str(line.trim_start_matches('⚙'));
                dialogue.options = options.unwrap_or_else(|e| panic!("{path:?}:{number}: {e}"));
            }
            "only pure" => dialogue.only_pure = true,
            _ => dialogue.lines.push(parse_line(line).unwrap_or_else(|| panic!("{path:?}:{number}: {line}"))),
        }
    }
    dialogues
}

fn parse_line(line: &str) -> Option<Line> {
    if let Some(rest) = line.strip_prefix("advance ") {
        let (number, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let number = number.parse().ok()?;
        return Some(Line::Advance(if unit == "ms" {
            Duration::from_millis(number)
        } else {
            Duration::from_secs(number)
        }));
    }
    if let Some(rest) = line.strip_prefix("api ") {
        let (call, answer) = rest.split_once(" ⇒ ")?;
        let (method, body) = call.split_once(' ')?;
        return Some(Line::Api { method: method.into(), body: body.replace('⏎', "\n"), answer: answer.into() });
    }
    if let Some(rest) = line.strip_prefix("query ") {
        return Some(Line::Query(rest.into()));
    }
    if let Some(rest) = line.strip_prefix("field ") {
        return Some(Line::Field(format!("{rest}\r\n")));
    }
    match line {
        "speak protobuf" => return Some(Line::Speak(Encoding::Protobuf)),
        "stop" => return Some(Line::Stop),
        "speak json" => return Some(Line::Speak(Encoding::Json)),
        _ => {}
    }
    let (who, line) = match line.chars().next()? {
        digit @ '1'..='9' => (digit as usize - '1' as usize, &line[1..]),
        _ => (0, line),
    };
    let (sign, rest) = line.split_at(line.chars().next()?.len_utf8());
    let rest = rest.trim();
    Some(match sign {
        "→" => Line::Send(who, rest.replace('⏎', "\n")),
        "⇢" => {
            let byte = |pair: &str| u8::from_str_radix(pair, 16).expect("hex");
            Line::Binary(who, rest.split(' ').filter(|pair| !pair.is_empty()).map(byte).collect())
        }
        "←" => Line::Expect(who, rest.into()),
        "⇠" => Line::ExpectBytes(who, rest.into()),
        "⊗" => {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            Line::Close(who, code.parse().ok()?, reason.into())
        }
        "⊘" => Line::Status(who, rest.parse().ok()?),
        "∅" => Line::Nothing(who),
        "✂" => Line::HangUp(who),
        "⇣" => Line::Ping(who),
        "⇡" => Line::Pong(who),
        "⏸" => Line::Reads(who, false),
        "▶" => Line::Reads(who, true),
        _ => return None,
    })
}

/// How bytes get to a server and back.
pub trait Link {
    fn open(&mut self) -> usize;
    fn send(&mut self, connection: usize, bytes: Vec<u8>);
    /// More bytes of the server; `None` when nothing more comes.
    fn receive(&mut self, connection: usize) -> Option<Vec<u8>>;
    fn hang_up(&mut self, connection: usize);
    fn read(&mut self, connection: usize, reads: bool);
    fn stop(&mut self);
    fn advance(&mut self, delay: Duration);
    fn api(&mut self, method: &str, body: &str) -> String;
    fn now_unix(&self) -> i64;
}

pub struct PureLink(Pure);

impl PureLink {
    pub fn new(settings: &Settings, cores: usize) -> PureLink {
        PureLink(Pure::new(settings, cores))
    }
}

impl Link for PureLink {
    fn open(&mut self) -> usize {
        self.0.open()
    }

    fn send(&mut self, connection: usize, bytes: Vec<u8>) {
        self.0.send(connection, bytes);
    }

    fn receive(&mut self, connection: usize) -> Option<Vec<u8>> {
        let bytes = self.0.take(connection);
        (!bytes.is_empty()).then_some(bytes)
    }

    fn hang_up(&mut self, connection: usize) {
        self.0.hang_up(connection);
    }

    fn read(&mut self, connection: usize, reads: bool) {
        self.0.limit(connection, if reads { None } else { Some(0) });
    }

    fn stop(&mut self) {
        self.0.stop();
    }

    fn advance(&mut self, delay: Duration) {
        self.0.advance(delay);
    }

    fn api(&mut self, method: &str, body: &str) -> String {
        let connection = self.0.open();
        self.0.send(connection, request(method, body));
        crate::common::server::parse_answer(&self.0.take(connection)).1
    }

    fn now_unix(&self) -> i64 {
        START_UNIX as i64 + self.0.now.mono.since(Default::default()).as_secs() as i64
    }
}

pub struct Live<'a> {
    server: &'a Server,
    streams: Vec<TcpStream>,
}

impl Live<'_> {
    pub fn new(server: &Server) -> Live<'_> {
        Live { server, streams: Vec::new() }
    }
}

impl Link for Live<'_> {
    fn open(&mut self) -> usize {
        self.streams.push(self.server.connect());
        self.streams.len() - 1
    }

    fn send(&mut self, connection: usize, bytes: Vec<u8>) {
        // The server may have closed already: what it said then is what counts.
        _ = self.streams[connection].write_all(&bytes);
    }

    fn receive(&mut self, connection: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 65536];
        match self.streams[connection].read(&mut bytes) {
            Ok(0) | Err(_) => None,
            Ok(n) => Some(bytes[..n].to_vec()),
        }
    }

    fn hang_up(&mut self, connection: usize) {
        _ = self.streams[connection].shutdown(std::net::Shutdown::Both);
    }

    fn read(&mut self, _: usize, _: bool) {
        unreachable!("dialogues with slow readers are not played here")
    }

    fn stop(&mut self) {
        unreachable!("the server is needed for other dialogues")
    }

    fn advance(&mut self, _: Duration) {
        unreachable!("dialogues with time are not played here")
    }

    fn api(&mut self, method: &str, body: &str) -> String {
        self.server.api(method, body).1
    }

    fn now_unix(&self) -> i64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() as i64
    }
}

fn request(method: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /api/{method} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-API-Key: k\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (_, Value::Null) => {}
        (into, from) => *into = from.clone(),
    }
}

/// The settings of a configuration.
pub fn settings(config: &str) -> Settings {
    crate::common::load(config)
}

struct Connection {
    link: usize,
    encoding: Encoding,
    peer: Peer,
    arrived: VecDeque<Arrival>,
}

pub struct Player<L> {
    link: L,
    encoding: Encoding,
    connections: Vec<Connection>,
    /// Of the next connection.
    query: String,
    fields: String,
    speak: Option<Encoding>,
    names: BTreeMap<String, Value>,
    /// Stands for § in this play: what a server remembers of channels and users is not met again.
    number: String,
}

impl<L: Link> Player<L> {
    pub fn new(link: L, encoding: Encoding) -> Player<L> {
        static PLAYS: AtomicUsize = AtomicUsize::new(0);
        let number = PLAYS.fetch_add(1, Ordering::Relaxed).to_string();
        Player {
            link,
            encoding,
            connections: Vec::new(),
            query: String::new(),
            fields: String::new(),
            speak: None,
            names: BTreeMap::new(),
            number,
        }
    }

    pub fn play(&mut self, dialogue: &Dialogue) {
        for line in &dialogue.lines {
            let context = format!("{} ({:?}): {line:?}", dialogue.name, self.encoding);
            self.line(line, &context);
        }
    }

    fn line(&mut self, line: &Line, context: &str) {
        match line {
            Line::Query(query) => self.query = query.clone(),
            Line::Field(field) => self.fields += field,
            Line::Speak(encoding) => self.speak = Some(*encoding),
            Line::Status(who, status) => {
                self.next(*who);
                assert_eq!(self.connections[*who].peer.status, *status, "{context}");
            }
            Line::Advance(delay) => self.link.advance(*delay),
            Line::HangUp(who) => {
                let link = self.connection(*who).link;
                self.link.hang_up(link);
            }
            Line::Ping(who) => assert_eq!(self.next(*who), Some(Arrival::Ping(Vec::new())), "{context}"),
            Line::Pong(who) => self.send_frame(*who, Opcode::Pong, &[]),
            Line::Reads(who, reads) => {
                let link = self.connection(*who).link;
                self.link.read(link, *reads);
            }
            Line::Stop => self.link.stop(),
            Line::Api { method, body, answer } => {
                let body = self.fill_in(body);
                let got = self.link.api(method, &body);
                let got: Value = serde_json::from_str(&got).unwrap_or_else(|e| panic!("{context}: {e}: {got}"));
                self.compare(answer, &got, context);
            }
            Line::Send(who, text) => self.send(*who, text),
            Line::Binary(who, bytes) => self.send_frame(*who, Opcode::Binary, bytes),
            Line::Expect(who, text) => {
                let arrival = self.next(*who);
                let got = self.value(*who, arrival, context);
                self.compare(text, &got, context);
            }
            Line::ExpectBytes(who, text) => match self.next(*who) {
                Some(Arrival::Text(got)) => {
                    assert_eq!(String::from_utf8_lossy(&got), self.fill_in(text), "{context}");
                }
                Some(Arrival::Binary(got)) => assert!(are_bytes(text, &got), "{context}: {got:02x?}"),
                other => panic!("{context}: {other:?}"),
            },
            Line::Close(who, code, reason) => match self.next(*who) {
                Some(Arrival::Close(got, text)) => {
                    assert_eq!((got, text.as_str()), (Some(*code), reason.as_str()), "{context}");
                }
                other => panic!("{context}: {other:?}"),
            },
            Line::Nothing(who) => {
                let arrival = self.next(*who);
                assert_eq!(arrival, None, "{context}");
            }
        }
    }

    fn connection(&mut self, who: usize) -> &mut Connection {
        while self.connections.len() <= who {
            let link = self.link.open();
            let mut query = std::mem::take(&mut self.query);
            let encoding = self.speak.take().unwrap_or(self.encoding);
            let fields = std::mem::take(&mut self.fields);
            if encoding == Encoding::Protobuf && !fields.contains("centrifuge-protobuf") {
                query = format!("{}{}cf_protocol=protobuf", query, if query.is_empty() { "?" } else { "&" });
            }
            self.link.send(link, upgrade(&query, &fields));
            self.connections.push(Connection { link, encoding, peer: Peer::default(), arrived: VecDeque::new() });
        }
        &mut self.connections[who]
    }

    fn send(&mut self, who: usize, text: &str) {
        let text = self.fill_in(text);
        match self.connection(who).encoding {
            Encoding::Json => self.send_frame(who, Opcode::Text, text.as_bytes()),
            Encoding::Protobuf => {
                let mut bytes = Vec::new();
                for line in text.lines() {
                    let command: Command = json::decode(line.as_bytes()).expect("a command that both encodings have");
                    command.encode_length_delimited(&mut bytes).expect("room");
                }
                self.send_frame(who, Opcode::Binary, &bytes);
            }
        }
    }

    fn send_frame(&mut self, who: usize, opcode: Opcode, payload: &[u8]) {
        let connection = self.connection(who);
        let (link, frame) = (connection.link, connection.peer.frame(opcode, payload));
        self.link.send(link, frame);
    }

    /// Tokens, times and remembered names in a line that is sent.
    fn fill_in(&self, text: &str) -> String {
        let mut out = repeat(text.replace('§', &self.number));
        for (name, value) in &self.names {
            out = out.replace(name.as_str(), value.as_str().unwrap_or_default());
        }
        while let Some(at) = out.find("\"<now") {
            let end = at + out[at..].find('>').expect("the end of the time") + 2;
            let offset: i64 = out[at + 5..end - 2].parse().expect("an offset");
            out.replace_range(at..end, &(self.link.now_unix() + offset).to_string());
        }
        while let Some(at) = out.find("<jwt ") {
            let end = at + out[at..].find("}>").expect("the end of the claims") + 2;
            let claims = &out[at + 5..end - 1];
            let token = sign(claims, self.link.now_unix());
            out.replace_range(at..end, &token);
        }
        out
    }

    fn next(&mut self, who: usize) -> Option<Arrival> {
        self.connection(who);
        loop {
            let connection = &mut self.connections[who];
            if let Some(arrival) = connection.arrived.pop_front() {
                return Some(arrival);
            }
            let bytes = self.link.receive(connection.link)?;
            let messages = connection.peer.take(&bytes).into_iter().flat_map(split);
            connection.arrived.extend(messages);
        }
    }

    fn value(&self, who: usize, arrival: Option<Arrival>, context: &str) -> Value {
        match (arrival, self.connections[who].encoding) {
            (Some(Arrival::Text(text)), Encoding::Json) => {
                serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{context}: {e}"))
            }
            (Some(Arrival::Binary(bytes)), Encoding::Protobuf) => {
                let reply =
                    Reply::decode_length_delimited(bytes.as_slice()).unwrap_or_else(|e| panic!("{context}: {e}"));
                let mut text = Vec::new();
                corecast::protocol::reply::encode_reply(corecast::protocol::command::Protocol::Json, &reply, &mut text)
                    .unwrap_or_else(|_| panic!("{context}: not JSON"));
                serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{context}: {e}"))
            }
            (other, _) => panic!("{context}: {other:?}"),
        }
    }

    fn compare(&mut self, expected: &str, got: &Value, context: &str) {
        let expected = repeat(expected.replace('§', &self.number));
        let expected: Value = serde_json::from_str(&expected).unwrap_or_else(|e| panic!("{context}: {e}"));
        if !self.fits(&expected, got) {
            panic!("{context}\n expected {expected}\n      got {got}");
        }
    }

    fn fits(&mut self, expected: &Value, got: &Value) -> bool {
        match (expected, got) {
            (Value::String(name), _) if name.starts_with('<') && name.ends_with('>') => self.fits_name(name, got),
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| {
                        let name = self.names.get(key).and_then(Value::as_str).unwrap_or(key).to_string();
                        b.get(&name).is_some_and(|other| self.fits(value, other))
                    })
            }
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.fits(a, b)),
            _ => expected == got,
        }
    }

    /// `<T 60>` is a number near 60; any other name is remembered at its first use.
    fn fits_name(&mut self, name: &str, got: &Value) -> bool {
        if let Some(number) = name.strip_prefix("<T ").and_then(|rest| rest.strip_suffix('>')) {
            let number: i64 = number.parse().expect("a number");
            return got.as_i64().is_some_and(|got| (got - number).abs() <= 1);
        }
        self.names.entry(name.to_string()).or_insert_with(|| got.clone()) == got
    }
}

/// One message may hold several replies.
fn split(arrival: Arrival) -> Vec<Arrival> {
    match arrival {
        Arrival::Text(text) => text.split(|b| *b == b'\n').map(|line| Arrival::Text(line.to_vec())).collect(),
        Arrival::Binary(bytes) => {
            let (mut rest, mut all) = (bytes.as_slice(), Vec::new());
            while !rest.is_empty() {
                let len = prost::decode_length_delimiter(rest).expect("a length");
                let (message, others) = rest.split_at(prost::length_delimiter_len(len) + len);
                all.push(Arrival::Binary(message.to_vec()));
                rest = others;
            }
            all
        }
        other => vec![other],
    }
}

/// `«x 3»` becomes `xxx`.
fn repeat(mut text: String) -> String {
    while let Some(at) = text.find('«') {
        let end = at + text[at..].find('»').expect("the end of the repetition");
        let (what, times) = text[at + '«'.len_utf8()..end].split_once(' ').expect("what, how often");
        let repeated = what.repeat(times.parse().expect("a number"));
        text.replace_range(at..end + '»'.len_utf8(), &repeated);
    }
    text
}

/// True when the bytes are these: pairs of hexadecimal digits, `__` for any byte, `…` for any rest.
fn are_bytes(pattern: &str, got: &[u8]) -> bool {
    let is_open = pattern.ends_with('…');
    let pairs: Vec<&str> = pattern.trim_end_matches('…').split_whitespace().collect();
    let fits = |(pair, byte): (&&str, &u8)| *pair == "__" || u8::from_str_radix(pair, 16).expect("hex") == *byte;
    (pairs.len() == got.len() || (is_open && pairs.len() < got.len())) && pairs.iter().zip(got).all(fits)
}

/// A token; `"now+60"` in the claims is a time.
fn sign(claims: &str, now: i64) -> String {
    let mut claims: Value = serde_json::from_str(claims).expect("claims");
    for value in claims.as_object_mut().expect("an object").values_mut() {
        if let Some(offset) = value.as_str().and_then(|text| text.strip_prefix("now")) {
            *value = Value::from(now + offset.parse::<i64>().expect("an offset"));
        }
    }
    let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).expect("a token")
}
