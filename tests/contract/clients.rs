//! Real WebSocket clients of the server under test.

use super::config;
use super::pattern::Names;
use crate::common::server::{PATIENCE, Server};
use crate::common::ws::{Arrival, Peer, upgrade};
use corecast::wire::websocket::Opcode;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A connected client that speaks JSON.
pub struct Client {
    stream: TcpStream,
    peer: Peer,
    arrived: VecDeque<Arrival>,
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
        let mut client = Client::open(server, user, "");
        let token = if user.is_empty() { String::new() } else { format!(r#""token":"{}""#, config::token(user)) };
        client.send(&format!(r#"{{"id":1,"connect":{{{token}}}}}"#));
        let reply = client.line("connect");
        let value: serde_json::Value = serde_json::from_str(&reply).expect("JSON");
        client.id = value["connect"]["client"].as_str().unwrap_or_else(|| panic!("not connected: {reply}")).to_string();
        client
    }

    /// A client that has said nothing yet; `query` with its question mark.
    pub fn open(server: &Server, user: &str, query: &str) -> Client {
        let mut stream = server.connect();
        stream.write_all(&upgrade(query, "")).expect("open");
        Client { stream, peer: Peer::default(), arrived: VecDeque::new(), id: String::new(), user: user.into() }
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

/// Clients `0..count` of users `u0`, `u1` and so on: so many that each core has some.
pub fn many(server: &Server, count: usize) -> Vec<Client> {
    (0..count).map(|n| Client::connect(server, &format!("u{n}"))).collect()
}
