//! Clients come, and those that were cut come back: a connection, the upgrade, `connect` and `subscribe`, with a position or
//! without, the answer with what was missed, the cut. Each begins anew when its answer is whole.
//!
//! Meanwhile another channel has its traffic, whose latency is
//! what the figures show.

use crate::clients::{Clients, payload};
use crate::publishers::{message, upgrade};
use crate::requests::{ask, post};
use crate::scenarios::{Figures, Scale};
use crate::server::Server;
use corecast::wire::websocket::{Decoder, Event, Role};
use memchr::memmem;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Publications of the channel; the floor knows the number too.
pub const KEPT: usize = 100;

/// Between two publications of the other channel.
const LIVE_INTERVAL: Duration = Duration::from_millis(5);

/// One client on one of its connections.
struct Returning {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    is_upgraded: bool,
}

/// What all of them say.
struct Lines {
    upgrade: Vec<u8>,
    commands: Vec<u8>,
    /// Publications in an answer.
    missed: usize,
}

/// What the clients of a scenario ask for.
#[derive(Clone, Copy)]
pub enum Ask {
    /// A channel with history, of which so many publications were missed.
    Missed(usize),
    /// A channel without history, by a client that has no token.
    Anonymous,
    /// The same with a token of each user (HS256).
    Token,
}

impl Lines {
    fn new(server: &Server, ask: Ask, number: usize) -> Lines {
        let (missed, channel) = match ask {
            Ask::Missed(missed) => (missed, format!(r#""storm:0","recover":true,"offset":{}"#, KEPT - missed)),
            Ask::Anonymous | Ask::Token => (0, r#""bench:1""#.into()),
        };
        let token = if matches!(ask, Ask::Token) { token(number) } else { String::new() };
        let text = format!(r#"{{"id":1,"connect":{{{token}}}}}{}{{"id":2,"subscribe":{{"channel":{channel}}}}}"#, "\n");
        Lines { upgrade: upgrade(server), commands: message(&text), missed }
    }
}

/// `"token":"…"` of a user; the secret stands in config.json.
fn token(user: usize) -> String {
    let claims = serde_json::json!({"sub": user.to_string(), "exp": 4_000_000_000_u64});
    let key = jsonwebtoken::EncodingKey::from_secret(b"bench");
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a key");
    format!(r#""token":"{token}""#)
}

impl Returning {
    fn begin(address: SocketAddr, number: usize, lines: &Lines, poll: &OwnedFd) -> Returning {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("an option");
        // A cut leaves no port behind that waits for its peer.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("an option");
        stream.write_all(&lines.upgrade).expect("open");
        stream.set_nonblocking(true).expect("an option");
        epoll::add(poll, &stream, EventData::new_u64(number as u64), EventFlags::IN).expect("epoll");
        Returning { stream, decoder: Decoder::new(Role::Client), input: Vec::new(), is_upgraded: false }
    }

    /// Reads what has come; how many publications the answer had when it is whole.
    fn read(&mut self, lines: &Lines, buffer: &mut [u8]) -> Option<usize> {
        match self.stream.read(buffer) {
            Ok(n) => {
                assert!(n > 0, "the server keeps the connection");
                self.input.extend_from_slice(&buffer[..n]);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
            Err(e) => panic!("a client was cut off: {e}"),
        }
        if !self.is_upgraded {
            let end = memmem::find(&self.input, b"\r\n\r\n")? + 4;
            assert!(self.input.starts_with(b"HTTP/1.1 101"), "upgraded");
            self.input.drain(..end);
            self.is_upgraded = true;
            self.stream.write_all(&lines.commands).expect("open");
        }
        let mut at = 0;
        loop {
            let step = self.decoder.decode(&mut self.input[at..], 1 << 24).expect("frames");
            if let Some(Event::Message { payload, .. }) = step.event
                && let Some(answer) = memmem::find(payload, b"\"subscribe\":")
            {
                return Some(memmem::find_iter(&payload[answer..], b"\"data\":").count());
            }
            match step.consumed {
                0 => break,
                used => at += used,
            }
        }
        self.input.drain(..at);
        None
    }
}

/// Publications to the one who stays, at their times.
struct Live {
    subscriber: Clients,
    publisher: TcpStream,
    start: Instant,
    due: Instant,
    sent: u64,
}

impl Live {
    fn new(server: &Server) -> Live {
        let start = Instant::now();
        let subscriber = Clients::connect(server.address, 1, start, |_| Some("bench:0".into()));
        let publisher = TcpStream::connect(server.address).expect("the server listens");
        publisher.set_nodelay(true).expect("an option");
        publisher.set_nonblocking(true).expect("an option");
        Live { subscriber, publisher, start, due: start, sent: 0 }
    }

    fn go_on(&mut self, server: &Server, buffer: &mut [u8]) {
        while self.due <= Instant::now() {
            let intended = (self.due - self.start).as_nanos() as u64;
            let data = payload(intended, self.sent);
            let request = post(server, "publish", &format!(r#"{{"channel":"bench:0","data":{data}}}"#));
            assert_eq!(self.publisher.write(&request).expect("room"), request.len());
            (self.sent, self.due) = (self.sent + 1, self.due + LIVE_INTERVAL);
        }
        // Answers say nothing that the subscriber does not.
        _ = self.publisher.read(buffer);
        self.subscriber.read(Duration::ZERO);
    }
}

/// So many clients at a time.
pub fn returns(server: &Server, scale: Scale, clients: usize, what: Ask) -> Figures {
    for n in 0..KEPT {
        let body = format!(r#"{{"channel":"storm:0","data":{}}}"#, payload(0, n as u64));
        ask(server, post(server, "publish", &body));
    }
    let mut live = Live::new(server);
    let lines: Vec<Lines> = (0..clients).map(|n| Lines::new(server, what, n)).collect();
    let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let (mut back, mut lost, mut twice, mut buffer) = (0, 0, 0, vec![0; 1 << 16]);
    let (before, began) = (server.cpu(), Instant::now());
    live.due = began;
    let mut all: Vec<Returning> = (0..clients).map(|n| Returning::begin(server.address, n, &lines[n], &poll)).collect();
    while began.elapsed().as_secs_f64() < scale.seconds {
        let mut events = Vec::with_capacity(64);
        let wait = rustix::time::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)).expect("epoll");
        for event in events {
            let number = event.data.u64() as usize;
            let Some(got) = all[number].read(&lines[number], &mut buffer) else { continue };
            back += 1;
            lost += lines[number].missed.saturating_sub(got) as u64;
            twice += got.saturating_sub(lines[number].missed) as u64;
            // The former connection is cut here.
            all[number] = Returning::begin(server.address, number, &lines[number], &poll);
        }
        live.go_on(server, &mut buffer);
    }
    let (cpu, seconds) = (server.cpu().since(before), began.elapsed().as_secs_f64());
    live.subscriber.read_until(live.sent);
    let live = live.subscriber;
    let (lost, twice) = (lost + live.lost, twice + live.twice);
    Figures { units: back.max(1), seconds, cpu, latency: Some(live.latency), lost, twice, extra: 1.0 }
}
