//! Requests over HTTP/1.1 from many connections: each sends its next one when the answer has come.

use crate::scenarios::{Figures, Scale};
use crate::server::Server;
use hdrhistogram::Histogram;
use memchr::memmem;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// `POST /api/<method>`.
pub fn post(server: &Server, method: &str, body: &str) -> Vec<u8> {
    let (address, key, length) = (server.address, &server.key, body.len());
    format!(
        "POST /api/{method} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One connection with its request.
struct Asker {
    stream: TcpStream,
    request: Vec<u8>,
    sent: Instant,
    /// What of the answer is still to come; `None` before its head.
    missing: Option<Missing>,
}

#[derive(Clone, Copy, PartialEq)]
enum Missing {
    Bytes(usize),
    /// All up to an empty chunk: a server that does not know the length beforehand. No data of the bench looks like one.
    LastChunk,
}

impl Asker {
    fn connect(server: &Server, request: Vec<u8>) -> Asker {
        let stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_nodelay(true).expect("an option");
        Asker { stream, request, sent: Instant::now(), missing: None }
    }

    fn ask(&mut self) {
        self.sent = Instant::now();
        self.stream.write_all(&self.request).expect("open");
    }

    /// Reads what has come; true when the answer is whole. A head comes in one piece, since it goes in one `send`.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        let n = self.stream.read(buffer).expect("an answer");
        assert!(n > 0, "the server keeps the connection");
        let missing = match self.missing.take().unwrap_or_else(|| length(&buffer[..n])) {
            Missing::Bytes(missing) => Missing::Bytes(missing - n),
            Missing::LastChunk if buffer[..n].ends_with(b"\r\n0\r\n\r\n") => Missing::Bytes(0),
            Missing::LastChunk => Missing::LastChunk,
        };
        let is_whole = missing == Missing::Bytes(0);
        self.missing = (!is_whole).then_some(missing);
        is_whole
    }
}

/// How long an answer is that begins like this. Error bodies would be cheap: they end the run.
fn length(answer: &[u8]) -> Missing {
    let end = memmem::find(answer, b"\r\n\r\n").expect("a head") + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200") && memmem::find(&answer[end..], b"{\"error\"").is_none(), "an answer");
    if memmem::find(&answer[..end], b"Transfer-Encoding: chunked\r\n").is_some() {
        return Missing::LastChunk;
    }
    let at = memmem::find(&answer[..end], b"Content-Length: ").expect("a length") + 16;
    let digits = answer[at..].iter().take_while(|b| b.is_ascii_digit());
    Missing::Bytes(end + digits.fold(0, |n, b| n * 10 + usize::from(b - b'0')))
}

/// One request that is not measured.
pub fn ask(server: &Server, request: Vec<u8>) {
    let mut asker = Asker::connect(server, request);
    asker.ask();
    while !asker.read(&mut vec![0; 65536]) {}
}

/// Closed loop: connection n goes on sending the request that `request` makes for it, which counts as `units`.
pub fn requests(
    server: &Server,
    scale: Scale,
    connections: usize,
    units: usize,
    request: impl Fn(usize) -> Vec<u8>,
) -> Figures {
    let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let mut askers: Vec<Asker> = (0..connections).map(|n| Asker::connect(server, request(n))).collect();
    let mut latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("bounds");
    let (mut answered, mut buffer) = (0, vec![0; 65536]);
    let (before, began) = (server.cpu(), Instant::now());
    for (n, asker) in askers.iter_mut().enumerate() {
        epoll::add(&poll, &asker.stream, EventData::new_u64(n as u64), EventFlags::IN).expect("epoll");
        asker.ask();
    }
    while began.elapsed().as_secs_f64() < scale.seconds {
        let mut events = Vec::with_capacity(connections.max(16));
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).expect("epoll");
        for event in events {
            let asker = &mut askers[event.data.u64() as usize];
            if asker.read(&mut buffer) {
                _ = latency.record((asker.sent.elapsed().as_nanos() as u64).max(1_000));
                answered += units as u64;
                asker.ask();
            }
        }
    }
    let (cpu, seconds) = (server.cpu().since(before), began.elapsed().as_secs_f64());
    Figures { units: answered.max(1), seconds, cpu, latency: Some(latency), lost: 0, twice: 0, extra: 0.0 }
}
