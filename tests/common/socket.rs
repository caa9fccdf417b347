//! A blocking client over a real socket, encrypted or not.

use super::server::{PATIENCE, Server};
use super::ws::{Arrival, Peer, upgrade};
use corecast::wire::websocket::Opcode;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;

pub struct Socket<S = TcpStream> {
    pub stream: S,
    peer: Peer,
    arrived: VecDeque<Arrival>,
}

impl Socket {
    /// A WebSocket whose upgrade is on its way.
    pub fn open(server: &Server) -> Socket {
        Socket::over(server.connect())
    }

    /// A connected client that is subscribed to these channels.
    pub fn subscribed(server: &Server, channels: &[&str]) -> Socket {
        let mut socket = Socket::open(server);
        socket.subscribe(channels);
        socket
    }
}

impl<S: Read + Write> Socket<S> {
    /// A WebSocket over a connection, whose upgrade is on its way.
    pub fn over(stream: S) -> Socket<S> {
        Socket::over_with(stream, "", "")
    }

    /// The same with a query and fields of the request.
    pub fn over_with(mut stream: S, query: &str, fields: &str) -> Socket<S> {
        stream.write_all(&upgrade(query, fields)).expect("open");
        Socket { stream, peer: Peer::default(), arrived: VecDeque::new() }
    }

    /// Waits for the answer to the upgrade; true when the server has agreed to compression.
    pub fn has_deflate(&mut self) -> bool {
        let mut bytes = [0; 65536];
        while self.peer.status == 0 {
            let n = self.stream.read(&mut bytes).expect("an answer");
            assert!(n > 0, "the server keeps the connection");
            self.arrived.extend(self.peer.take(&bytes[..n]));
        }
        self.peer.has_deflate()
    }

    /// Messages that came compressed.
    pub fn deflated(&self) -> usize {
        self.peer.deflated
    }

    /// Connects and subscribes.
    pub fn subscribe(&mut self, channels: &[&str]) {
        let mut commands = vec![r#"{"id":1,"connect":{}}"#.to_string()];
        for (n, channel) in channels.iter().enumerate() {
            commands.push(format!(r#"{{"id":{},"subscribe":{{"channel":"{channel}"}}}}"#, n + 2));
        }
        self.send(&commands.join("\n"));
        for _ in 0..commands.len() {
            let reply = self.text().expect("a reply");
            assert!(!reply.contains("error"), "{reply}");
        }
    }

    pub fn send(&mut self, text: &str) {
        let frame = self.peer.frame(Opcode::Text, text.as_bytes());
        self.stream.write_all(&frame).expect("open");
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        // The server may have closed already: what it said then is what counts.
        _ = self.stream.write_all(bytes);
    }

    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.peer.frame(opcode, payload)
    }

    /// What comes next; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Arrival> {
        let mut bytes = [0; 65536];
        loop {
            if let Some(arrival) = self.arrived.pop_front() {
                return Some(arrival);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(n) => self.arrived.extend(self.peer.take(&bytes[..n])),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("nothing came within {PATIENCE:?}: {e}"),
            }
        }
    }

    /// The next text message; pings are passed over.
    pub fn text(&mut self) -> Option<String> {
        loop {
            match self.next()? {
                Arrival::Text(text) if text == b"{}" => self.send("{}"),
                Arrival::Text(text) => return Some(String::from_utf8(text).expect("UTF-8")),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The close frame that comes next, as code and reason.
    pub fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.next()? {
                Arrival::Close(code, reason) => return Some((code.unwrap_or(1005), reason)),
                Arrival::Text(_) | Arrival::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Answers a close frame.
    pub fn close(&mut self, code: u16) {
        let frame = self.peer.close(code);
        self.send_raw(&frame);
    }
}
