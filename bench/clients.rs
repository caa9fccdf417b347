//! Many subscribers on one thread: they count what arrives and when it was meant to leave.
//!
//! A payload is a JSON string of fixed length: 20 digits of nanoseconds (the intended time), a dot, 10 digits of a
//! sequence number, padding. So a delivery is checked by its place, without parsing JSON.

use corecast::wire::websocket::{Decoder, Event, Opcode, Role, encode_masked};
use hdrhistogram::Histogram;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const PAYLOAD: usize = 150;

struct Client {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    next: u64,
}

/// Subscribers and what they saw.
pub struct Clients {
    poll: OwnedFd,
    clients: Vec<Client>,
    start: Instant,
    pub delivered: u64,
    pub lost: u64,
    pub twice: u64,
    pub frames: u64,
    pub latency: Histogram<u64>,
    buffer: Vec<u8>,
}

/// The data of one publication, with its quotes.
pub fn payload(intended: u64, number: u64) -> String {
    let mut text = format!("\"{intended:020}.{number:010}.");
    text.extend(std::iter::repeat_n('x', PAYLOAD - 1 - text.len()));
    text.push('"');
    text
}

impl Clients {
    /// Connects `count` clients; client n subscribes to what `channel` says, if anything.
    pub fn connect(
        address: SocketAddr,
        count: usize,
        start: Instant,
        channel: impl Fn(usize) -> Option<String>,
    ) -> Clients {
        let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
        let mut clients = Clients {
            poll,
            clients: Vec::with_capacity(count),
            start,
            delivered: 0,
            lost: 0,
            twice: 0,
            frames: 0,
            latency: Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("bounds"),
            buffer: vec![0; 1 << 18],
        };
        // In groups, so that the backlog is never full.
        for group in (0..count).collect::<Vec<_>>().chunks(500) {
            let streams: Vec<TcpStream> = group.iter().map(|n| open(address, channel(*n))).collect();
            for (n, mut stream) in group.iter().zip(streams) {
                let input = greet(&mut stream, channel(*n).is_some());
                stream.set_nonblocking(true).expect("an option");
                epoll::add(&clients.poll, &stream, EventData::new_u64(*n as u64), EventFlags::IN).expect("epoll");
                clients.clients.push(Client { stream, decoder: Decoder::new(Role::Client), input, next: 0 });
            }
        }
        clients
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Reads what has come, waiting at most so long for it.
    pub fn read(&mut self, wait: Duration) {
        let mut events = Vec::with_capacity(1024);
        let wait = rustix::time::Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        if epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)).is_err() {
            return;
        }
        for event in events {
            self.read_one(event.data.u64() as usize);
        }
    }

    /// Reads until so many publications have arrived in all, or nothing comes any more.
    pub fn read_until(&mut self, expected: u64) {
        let mut quiet = Instant::now();
        while self.delivered < expected && quiet.elapsed() < Duration::from_secs(3) {
            let before = self.delivered;
            self.read(Duration::from_millis(20));
            if self.delivered > before {
                quiet = Instant::now();
            }
        }
        self.lost += expected.saturating_sub(self.delivered);
    }

    fn read_one(&mut self, at: usize) {
        let client = &mut self.clients[at];
        match client.stream.read(&mut self.buffer) {
            Ok(n) if n > 0 => client.input.extend_from_slice(&self.buffer[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            _ => {
                _ = epoll::delete(&self.poll, &client.stream);
                return;
            }
        }
        let now = self.start.elapsed().as_nanos() as u64;
        let mut input = std::mem::take(&mut client.input);
        let (mut used, mut pongs) = (0, 0);
        loop {
            let Ok(step) = client.decoder.decode(&mut input[used..], 1 << 26) else { panic!("a broken frame") };
            if let Some(Event::Message { payload, .. }) = step.event {
                self.frames += 1;
                for line in payload.split(|b| *b == b'\n') {
                    if line.len() < PAYLOAD {
                        pongs += usize::from(line == b"{}");
                        continue;
                    }
                    let Some((intended, number)) = stamp(line) else { continue };
                    self.delivered += 1;
                    self.lost += number.saturating_sub(client.next);
                    self.twice += u64::from(number < client.next);
                    client.next = number + 1;
                    _ = self.latency.record(now.saturating_sub(intended).max(1_000));
                }
            }
            match step.consumed {
                0 => break,
                n => used += n,
            }
        }
        client.input = input.split_off(used);
        for _ in 0..pongs {
            let mut pong = Vec::new();
            encode_masked(Opcode::Text, b"{}", [1, 2, 3, 4], &mut pong);
            _ = client.stream.write(&pong);
        }
    }
}

/// Intended time and sequence number of a publication.
fn stamp(line: &[u8]) -> Option<(u64, u64)> {
    let at = memchr::memmem::find(line, b"\"data\":\"")? + 8;
    let digits = |range: std::ops::Range<usize>| std::str::from_utf8(line.get(range)?).ok()?.parse().ok();
    Some((digits(at..at + 20)?, digits(at + 21..at + 31)?))
}

fn open(address: SocketAddr, channel: Option<String>) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
    let upgrade = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).expect("open");
    read_past(&mut stream, b"\r\n\r\n");
    let mut commands = String::from(r#"{"id":1,"connect":{}}"#);
    if let Some(channel) = channel {
        commands.push_str(&format!("\n{{\"id\":2,\"subscribe\":{{\"channel\":\"{channel}\"}}}}"));
    }
    let mut frame = Vec::new();
    encode_masked(Opcode::Text, commands.as_bytes(), [1, 2, 3, 4], &mut frame);
    stream.write_all(&frame).expect("open");
    stream
}

/// Waits for the replies; returns what came behind them.
fn greet(stream: &mut TcpStream, subscribes: bool) -> Vec<u8> {
    let last: &[u8] = if subscribes { b"\"subscribe\":{}}" } else { b"\"pong\":true}}" };
    read_past(stream, last)
}

fn read_past(stream: &mut TcpStream, mark: &[u8]) -> Vec<u8> {
    let (mut seen, mut byte) = (Vec::new(), [0; 1]);
    while !seen.ends_with(mark) {
        assert_eq!(stream.read(&mut byte).expect("a reply"), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    Vec::new()
}
