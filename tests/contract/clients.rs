//! Real WebSocket clients of the server under test.

use super::config;
use super::http::Api;
use super::pattern::Names;
use crate::common::server::{PATIENCE, Server};
use crate::common::ws::{Arrival, Peer, upgrade};
use corecast::proto::client::{Command, ConnectRequest, Reply};
use corecast::wire::websocket::Opcode;
use prost::Message;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A connected client.
pub struct Client {
    stream: TcpStream,
    peer: Peer,
    arrived: VecDeque<Arrival>,
    octets: Vec<u8>,
    pub id: String,
    pub user: String,
}

/// What a client gets next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// One line of JSON.
    Line(String),
    /// A message of octets.
    Octets(Vec<u8>),
    /// The close frame.
    Close(u16, String),
    /// The end of the stream, without a close frame.
    End,
}

impl Client {
    /// A client of this user; "" has no token.
    pub fn connect(server: &Server, user: &str) -> Client {
        Client::connect_with(server, user, json!({"sub": user}))
    }

    /// A client of this user whose token has these claims.
    pub fn connect_with(server: &Server, user: &str, claims: Value) -> Client {
        let mut client = Client::open(server, user, "");
        let token = if user.is_empty() { String::new() } else { format!(r#""token":"{}""#, config::token(&claims)) };
        client.send(&format!(r#"{{"id":1,"connect":{{{token}}}}}"#));
        let reply = client.line("connect");
        let value: Value = serde_json::from_str(&reply).expect("JSON");
        client.id = value["connect"]["client"].as_str().unwrap_or_else(|| panic!("not connected: {reply}")).to_string();
        client
    }

    /// A client of this user that speaks Protobuf; it is for [`Client::reply`].
    pub fn connect_protobuf(server: &Server, user: &str) -> Client {
        let mut client = Client::open(server, user, "?cf_protocol=protobuf");
        let connect = ConnectRequest { token: config::token(&json!({"sub": user})), ..ConnectRequest::default() };
        let command = Command { id: 1, connect: Some(connect), ..Command::default() };
        client.send_frame(Opcode::Binary, &command.encode_length_delimited_to_vec());
        client.id = client.reply("connect").connect.expect("connected").client;
        client
    }

    /// The next reply or push in Protobuf.
    pub fn reply(&mut self, context: &str) -> Reply {
        loop {
            if !self.octets.is_empty() {
                let mut rest = self.octets.as_slice();
                let reply = Reply::decode_length_delimited(&mut rest).unwrap_or_else(|e| panic!("{context}: {e}"));
                self.octets = rest.to_vec();
                // An empty one is a ping.
                if reply != Reply::default() {
                    return reply;
                }
            }
            match self.next() {
                Next::Octets(octets) => self.octets.extend(octets),
                other => panic!("{context}: octets were expected, not {other:?}"),
            }
        }
    }

    /// A client that has said nothing yet; `query` with its question mark.
    fn open(server: &Server, user: &str, query: &str) -> Client {
        let mut stream = server.connect();
        stream.write_all(&upgrade(query, "")).expect("open");
        let (peer, user) = (Peer::default(), user.to_string());
        Client { stream, peer, arrived: VecDeque::new(), octets: Vec::new(), id: String::new(), user }
    }

    pub fn send(&mut self, text: &str) {
        self.send_frame(Opcode::Text, text.as_bytes());
    }

    pub fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = self.peer.frame(opcode, payload);
        // The server may have closed already: what it said then is what counts.
        _ = self.stream.write_all(&frame);
    }

    /// What comes next; pings of the server are answered and passed over.
    pub fn next(&mut self) -> Next {
        loop {
            match self.arrival() {
                None => return Next::End,
                Some(Arrival::Text(text)) if text == b"{}" => self.send("{}"),
                Some(Arrival::Text(text)) => return Next::Line(String::from_utf8(text).expect("UTF-8")),
                Some(Arrival::Binary(bytes)) => return Next::Octets(bytes),
                Some(Arrival::Close(code, reason)) => return Next::Close(code.unwrap_or(1005), reason),
                Some(Arrival::Ping(_) | Arrival::Pong(_)) => {}
            }
        }
    }

    /// The next arrival; messages of several lines are taken apart.
    fn arrival(&mut self) -> Option<Arrival> {
        let mut bytes = vec![0; 65536];
        loop {
            if let Some(arrival) = self.arrived.pop_front() {
                return Some(arrival);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(n) => {
                    let arrivals = self.peer.take(&bytes[..n]);
                    self.arrived.extend(arrivals.into_iter().flat_map(lines));
                }
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("nothing came to {} within {PATIENCE:?}: {e}", self.user),
            }
        }
    }

    /// The next line.
    pub fn line(&mut self, context: &str) -> String {
        match self.next() {
            Next::Line(line) => line,
            other => panic!("{context}: a line was expected, not {other:?}"),
        }
    }

    /// The next line fits this pattern.
    pub fn expect(&mut self, context: &str, names: &mut Names, want: &str) {
        let got = self.line(context);
        names.expect(&format!("{context} ({})", self.user), want, &got);
    }

    /// The close frame comes next.
    pub fn expect_close(&mut self, context: &str, code: u16, reason: &str) {
        assert_eq!(self.next(), Next::Close(code, reason.into()), "{context} ({})", self.user);
    }

    /// What comes next as the bytes of an unmasked frame say it: first byte and payload. The codes of a close frame may
    /// be ones that RFC 6455 forbids.
    pub fn raw_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        assert!(self.arrived.is_empty(), "all that came was looked at");
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        assert!(head[1] < 126, "a short frame");
        let mut payload = vec![0; usize::from(head[1])];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[0], payload))
    }

    /// Subscribes from the client's side and returns the reply.
    pub fn subscribe(&mut self, channel: &str) -> String {
        self.send(&format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#));
        self.line("subscribe")
    }
}

fn lines(arrival: Arrival) -> Vec<Arrival> {
    match arrival {
        Arrival::Text(text) => text.split(|b| *b == b'\n').map(|line| Arrival::Text(line.to_vec())).collect(),
        other => vec![other],
    }
}

/// So many clients of one user that each core has some.
pub fn many(server: &Server, user: &str) -> Vec<Client> {
    (0..16).map(|_| Client::connect(server, user)).collect()
}

/// Each of them gets this next.
pub fn each_gets(context: &str, clients: &mut [Client], names: &mut Names, want: &str) {
    clients.iter_mut().for_each(|client| client.expect(context, names, want));
}

/// None of them has got anything else by the time that a push arrives which the API asks for now. All of them are of
/// this user.
pub fn each_got_nothing(context: &str, clients: &mut [Client], api: &mut Api, user: &str) {
    api.ok("unsubscribe", &json!({"user": user, "channel": "chat:marker"}).to_string());
    let want = r#"{"push":{"channel":"chat:marker","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;
    clients.iter_mut().for_each(|client| assert_eq!(client.line(context), want, "{context} ({user})"));
}
