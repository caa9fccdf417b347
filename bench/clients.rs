//! Many subscribers on one thread: they count what arrives and when it was meant to leave.
//!
//! The client is the one of `corecast watch`. A payload is a JSON string of fixed length: 20 digits of nanoseconds (the intended time), a dot, 10 digits of a
//! sequence number, padding.

use crate::scenarios::Figures;
use crate::server::Cpu;
use corecast::client::{Event, Link, Url};
use corecast::protocol::command::Protocol;
use hdrhistogram::Histogram;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const PAYLOAD: usize = 150;

struct Client {
    stream: TcpStream,
    link: Link,
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
    /// Reads that brought something: few of them per publication show how much was coalesced.
    pub reads: u64,
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
        Clients::connect_with(address, count, start, false, channel)
    }

    /// The same; they may offer compression.
    pub fn connect_with(
        address: SocketAddr,
        count: usize,
        start: Instant,
        deflate: bool,
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
            reads: 0,
            latency: Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("bounds"),
            buffer: vec![0; 1 << 18],
        };
        // In groups, so that the backlog is never full.
        for group in (0..count).collect::<Vec<_>>().chunks(500) {
            let opened: Vec<(TcpStream, Link)> =
                group.iter().map(|n| open(address, *n, channel(*n), deflate)).collect();
            for (n, (mut stream, mut link)) in group.iter().zip(opened) {
                greet(&mut stream, &mut link, channel(*n).is_some());
                stream.set_nonblocking(true).expect("an option");
                epoll::add(&clients.poll, &stream, EventData::new_u64(*n as u64), EventFlags::IN).expect("epoll");
                clients.clients.push(Client { stream, link, next: 0 });
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

    /// What they saw; `extra` is how many publications a read brought.
    pub fn figures(self, cpu: Cpu, elapsed: Duration) -> Figures {
        let extra = self.delivered as f64 / self.reads.max(1) as f64;
        let (units, seconds) = (self.delivered.max(1), elapsed.as_secs_f64());
        Figures { units, seconds, cpu, lost: self.lost, twice: self.twice, extra, latency: Some(self.latency) }
    }

    fn read_one(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let n = match client.stream.read(&mut self.buffer) {
            Ok(n) if n > 0 => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            _ => {
                _ = epoll::delete(&self.poll, &client.stream);
                return;
            }
        };
        let now = self.start.elapsed().as_nanos() as u64;
        self.reads += 1;
        for event in client.link.receive(&self.buffer[..n]).expect("a server of the protocol") {
            let Event::Publication(_, publication) = event else { continue };
            let Some((intended, number)) = stamp(&publication.data) else { continue };
            self.delivered += 1;
            self.lost += number.saturating_sub(client.next);
            self.twice += u64::from(number < client.next);
            client.next = number + 1;
            _ = self.latency.record(now.saturating_sub(intended).max(1_000));
        }
        // Pongs; a socket that is full of them has other troubles.
        let pongs = client.link.take_outgoing();
        if !pongs.is_empty() {
            _ = client.stream.write(&pongs);
        }
    }
}

/// Intended time and sequence number of a publication.
fn stamp(data: &[u8]) -> Option<(u64, u64)> {
    let digits = |range: std::ops::Range<usize>| std::str::from_utf8(data.get(range)?).ok()?.parse().ok();
    Some((digits(1..21)?, digits(22..32)?))
}

fn open(address: SocketAddr, number: usize, channel: Option<String>, deflate: bool) -> (TcpStream, Link) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
    let url = Url { host: address.ip().to_string(), port: address.port(), path: "/connection/websocket".into() };
    let channels: Vec<String> = channel.into_iter().collect();
    let link = Link::new(&url, Protocol::Json, "", &channels, number as u64 + 1);
    let mut link = if deflate { link.with_deflate() } else { link };
    stream.write_all(&link.take_outgoing()).expect("open");
    (stream, link)
}

/// Goes on until the client is connected and subscribed.
fn greet(stream: &mut TcpStream, link: &mut Link, subscribes: bool) {
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).expect("a reply");
        assert!(n > 0, "the server keeps the connection");
        let events = link.receive(&buffer[..n]).expect("a server of the protocol");
        stream.write_all(&link.take_outgoing()).expect("open");
        for event in events {
            match event {
                Event::Subscribed(_) => return,
                Event::Connected(_) if !subscribes => return,
                Event::Connected(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
