//! A WebSocket client without I/O of its own: bytes out, bytes in, what arrived.

use corecast::wire::deflate::{Deflater, Inflater};
use corecast::wire::websocket::{Decoder, Event, Opcode, Role, encode_close, encode_deflated_masked, encode_masked};

/// What the server sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// Field of an upgrade by which a client offers compression.
pub const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// The client's side of one connection. It compresses what it sends when the server has agreed to that.
pub struct Peer {
    decoder: Decoder,
    deflate: Option<Box<(Deflater, Inflater)>>,
    input: Vec<u8>,
    head_is_read: bool,
    /// Status of the answer to the upgrade.
    pub status: u16,
    /// Messages that came compressed.
    pub deflated: usize,
    masks: u32,
}

impl Default for Peer {
    fn default() -> Peer {
        Peer {
            decoder: Decoder::new(Role::Client),
            deflate: None,
            input: Vec::new(),
            head_is_read: false,
            status: 0,
            deflated: 0,
            masks: 7,
        }
    }
}

/// The request that begins a connection; `query` with its question mark or empty.
pub fn upgrade(query: &str, fields: &str) -> Vec<u8> {
    format!(
        "GET /connection/websocket{query} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
    .into_bytes()
}

impl Peer {
    /// A masked frame.
    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.masks = self.masks.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (mut out, mut deflated, key) = (Vec::new(), Vec::new(), self.masks.to_be_bytes());
        match &mut self.deflate {
            Some(deflate) if matches!(opcode, Opcode::Text | Opcode::Binary) => {
                assert!(deflate.0.deflate(payload, &mut deflated));
                encode_deflated_masked(opcode, &deflated, key, &mut out);
            }
            _ => encode_masked(opcode, payload, key, &mut out),
        }
        out
    }

    /// True when the server has agreed to compression.
    pub fn has_deflate(&self) -> bool {
        self.deflate.is_some()
    }

    /// A close frame.
    pub fn close(&mut self, code: u16) -> Vec<u8> {
        let mut plain = Vec::new();
        encode_close(code, "", &mut plain);
        self.frame(Opcode::Close, &plain[2..])
    }

    /// Takes bytes of the server in and returns what is complete.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Arrival> {
        self.input.extend_from_slice(bytes);
        let mut arrivals = Vec::new();
        if !self.head_is_read {
            let Some(end) = self.input.windows(4).position(|w| w == b"\r\n\r\n") else { return arrivals };
            let head = String::from_utf8_lossy(&self.input[..end]).to_string();
            self.status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
            self.head_is_read = true;
            if head.contains("\r\nSec-WebSocket-Extensions: permessage-deflate;") {
                self.deflate = Some(Box::new((Deflater::new(6), Inflater::default())));
                self.decoder = Decoder::new(Role::Client).with_deflate(true);
            }
            self.input.drain(..end + 4);
        }
        if self.status != 101 {
            return arrivals;
        }
        loop {
            let step = self.decoder.decode(&mut self.input, 1 << 26);
            let step = step.unwrap_or_else(|v| panic!("the server broke RFC 6455: {} {}", v.code, v.reason));
            arrivals.extend(step.event.map(|event| match event {
                Event::Message { opcode: Opcode::Text, payload } => Arrival::Text(payload.to_vec()),
                Event::Message { payload, .. } => Arrival::Binary(payload.to_vec()),
                Event::Deflated { opcode, payload } => {
                    let (deflate, mut message) = (self.deflate.as_mut().expect("agreed to"), Vec::new());
                    let inflated = deflate.1.inflate(opcode, payload, 1 << 26, &mut message);
                    inflated.unwrap_or_else(|e| panic!("the server broke RFC 7692: {e:?}"));
                    self.deflated += 1;
                    if opcode == Opcode::Text { Arrival::Text(message) } else { Arrival::Binary(message) }
                }
                Event::Ping(payload) => Arrival::Ping(payload.to_vec()),
                Event::Pong(payload) => Arrival::Pong(payload.to_vec()),
                Event::Close { code, reason } => Arrival::Close(code, reason.to_string()),
            }));
            match step.consumed {
                0 => return arrivals,
                used => drop(self.input.drain(..used)),
            }
        }
    }
}
