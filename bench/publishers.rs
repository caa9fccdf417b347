//! Clients that publish over their own connections: each sends its next publication when the reply to the last has come.

use crate::clients::payload;
use crate::scenarios::{Figures, Scale};
use crate::server::Server;
use corecast::wire::websocket::{Decoder, Event, Opcode, Role, encode_masked};
use hdrhistogram::Histogram;
use memchr::memmem;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// The upgrade that all raw clients of the bench ask for.
pub fn upgrade(server: &Server) -> Vec<u8> {
    let address = server.address;
    format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A text message whose mask is zero, so that the floor can read it.
pub fn message(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked(Opcode::Text, text.as_bytes(), [0; 4], &mut frame);
    frame
}

struct Publisher {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    command: Vec<u8>,
    sent: Instant,
}

impl Publisher {
    fn connect(server: &Server, number: usize) -> Publisher {
        let mut stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_nodelay(true).expect("an option");
        stream.write_all(&upgrade(server)).expect("open");
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).expect("an answer");
        assert!(buffer[..n].starts_with(b"HTTP/1.1 101") && buffer[..n].ends_with(b"\r\n\r\n"), "upgraded");
        let data = payload(0, 0);
        let command = message(&format!(r#"{{"id":2,"publish":{{"channel":"bench:{number}","data":{data}}}}}"#));
        let decoder = Decoder::new(Role::Client);
        let mut publisher = Publisher { stream, decoder, input: Vec::new(), command, sent: Instant::now() };
        publisher.stream.write_all(&message(r#"{"id":1,"connect":{}}"#)).expect("open");
        while !publisher.read(b"\"connect\":", &mut buffer) {}
        publisher
    }

    fn publish(&mut self) {
        self.sent = Instant::now();
        self.stream.write_all(&self.command).expect("open");
    }

    /// Reads what has come; true when the reply is whole.
    fn read(&mut self, reply: &[u8], buffer: &mut [u8]) -> bool {
        let n = self.stream.read(buffer).expect("a reply");
        assert!(n > 0, "the server keeps the connection");
        self.input.extend_from_slice(&buffer[..n]);
        let (mut at, mut has_come) = (0, false);
        while at < self.input.len() {
            let step = self.decoder.decode(&mut self.input[at..], 1 << 20).expect("frames");
            if let Some(Event::Message { payload, .. }) = step.event
                && payload != b"{}"
            {
                assert!(memmem::find(payload, reply).is_some(), "a reply");
                has_come = true;
            }
            match step.consumed {
                0 => break,
                used => at += used,
            }
        }
        self.input.drain(..at);
        has_come
    }
}

/// Closed loop, one publication of each client under way, to a channel of its own that nobody listens to.
pub fn publishers(server: &Server, scale: Scale, clients: usize) -> Figures {
    let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let mut publishers: Vec<Publisher> = (0..clients).map(|n| Publisher::connect(server, n)).collect();
    let mut latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("bounds");
    let (mut answered, mut buffer) = (0, vec![0; 4096]);
    let (before, began) = (server.cpu(), Instant::now());
    for (n, publisher) in publishers.iter_mut().enumerate() {
        epoll::add(&poll, &publisher.stream, EventData::new_u64(n as u64), EventFlags::IN).expect("epoll");
        publisher.publish();
    }
    while began.elapsed().as_secs_f64() < scale.seconds {
        let mut events = Vec::with_capacity(clients.max(16));
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).expect("epoll");
        for event in events {
            let publisher = &mut publishers[event.data.u64() as usize];
            if publisher.read(b"\"publish\":", &mut buffer) {
                _ = latency.record((publisher.sent.elapsed().as_nanos() as u64).max(1_000));
                answered += 1;
                publisher.publish();
            }
        }
    }
    let (cpu, seconds) = (server.cpu().since(before), began.elapsed().as_secs_f64());
    Figures { units: answered.max(1), seconds, cpu, latency: Some(latency), lost: 0, twice: 0, extra: 1.0 }
}
