//! Calls over GRPC from a few connections with several in flight on each: prepared frames with the stream's number patched
//! in, answers counted by their frame heads, so that the server is what is measured.
//!
//! The header block is what a client's library sends: fields stand in the compression table after the first call.

use crate::frames::{self, ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE};
use crate::scenarios::{Figures, Scale};
use crate::server::Server;
use hdrhistogram::Histogram;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

const PATH: &str = "/centrifugal.centrifugo.api.CentrifugoApi/";

/// One connection.
struct Caller {
    stream: TcpStream,
    /// Input that is no whole frame yet.
    input: Vec<u8>,
    output: Vec<u8>,
    /// Header block of all calls but the first, and their body.
    block: Vec<u8>,
    body: Vec<u8>,
    next: u32,
    /// When each call in flight was sent, and whether a message of its answer has come.
    sent: HashMap<u32, (Instant, bool)>,
}

/// A text with its length, for a header block.
fn text(value: &str, out: &mut Vec<u8>) {
    out.push(u8::try_from(value.len()).ok().filter(|n| *n < 127).expect("a short text"));
    out.extend_from_slice(value.as_bytes());
}

/// The header block of the first call: POST and http from the static table, everything else kept in the dynamic one.
fn first_block(server: &Server, method: &str) -> Vec<u8> {
    let mut out = vec![0x83, 0x86];
    let (path, key) = (format!("{PATH}{method}"), format!("apikey {}", server.key));
    let authority = server.grpc.to_string();
    for (name, value) in [(0x44, path.as_str()), (0x41, &authority), (0x5f, "application/grpc"), (0x40, "trailers")] {
        out.push(name);
        if name == 0x40 {
            text("te", &mut out);
        }
        text(value, &mut out);
    }
    for (name, value) in [(0x7a, "bench"), (0x57, key.as_str())] {
        out.push(name);
        text(value, &mut out);
    }
    out
}

/// The same by the places in the dynamic table.
const LATER_BLOCK: [u8; 8] = [0x83, 0x86, 0xc3, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe];

impl Caller {
    fn connect(server: &Server, method: &str, message: &[u8]) -> Caller {
        let stream = TcpStream::connect(server.grpc).expect("the server listens for GRPC");
        stream.set_nodelay(true).expect("an option");
        let mut body = vec![0];
        body.extend_from_slice(&(message.len() as u32).to_be_bytes());
        body.extend_from_slice(message);
        let mut output = PREFACE.to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE of 1 GiB, and as much for the connection: answers never wait for us.
        frames::put(SETTINGS, 0, 0, &[0, 4, 0x40, 0, 0, 0], &mut output);
        frames::put(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes(), &mut output);
        let block = first_block(server, method);
        Caller { stream, input: Vec::new(), output, block, body, next: 1, sent: HashMap::new() }
    }

    /// Queues a call.
    fn call(&mut self) {
        frames::put(HEADERS, END_HEADERS, self.next, &self.block, &mut self.output);
        frames::put(DATA, END_STREAM, self.next, &self.body, &mut self.output);
        if self.next == 1 {
            self.block = LATER_BLOCK.to_vec();
        }
        self.sent.insert(self.next, (Instant::now(), false));
        self.next += 2;
    }

    fn flush(&mut self) {
        self.stream.write_all(&self.output).expect("open");
        self.output.clear();
    }

    /// Reads what has come and follows every answered call by another; returns how many were answered.
    fn read(&mut self, buffer: &mut [u8], latency: &mut Histogram<u64>) -> u64 {
        let n = self.stream.read(buffer).expect("an answer");
        assert!(n > 0, "the server keeps the connection");
        self.input.extend_from_slice(&buffer[..n]);
        let input = std::mem::take(&mut self.input);
        let (mut rest, mut answered) = (input.as_slice(), 0);
        while let Some(frame) = frames::take(&mut rest) {
            match frame.kind {
                DATA | HEADERS => {
                    let (sent, has_message) = self.sent.get_mut(&frame.stream).expect("a call of ours");
                    *has_message |= frame.kind == DATA;
                    if frame.flags & END_STREAM != 0 {
                        assert!(*has_message, "the call was refused");
                        _ = latency.record((sent.elapsed().as_nanos() as u64).max(1_000));
                        self.sent.remove(&frame.stream);
                        answered += 1;
                        self.call();
                    }
                }
                SETTINGS | PING if frame.flags & ACK == 0 => {
                    let echo = if frame.kind == PING { frame.payload } else { &[] };
                    frames::put(frame.kind, ACK, 0, echo, &mut self.output);
                }
                SETTINGS | PING | WINDOW_UPDATE => {}
                other => panic!("a frame of kind {other}"),
            }
        }
        self.input = rest.to_vec();
        self.flush();
        answered
    }
}

/// Closed loop: every answered call is followed by another.
pub fn calls(
    server: &Server,
    scale: Scale,
    connections: usize,
    in_flight: usize,
    method: &str,
    message: &[u8],
) -> Figures {
    let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let mut callers: Vec<Caller> = (0..connections).map(|_| Caller::connect(server, method, message)).collect();
    let mut latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("bounds");
    let (before, began) = (server.cpu(), Instant::now());
    for (n, caller) in callers.iter_mut().enumerate() {
        epoll::add(&poll, &caller.stream, EventData::new_u64(n as u64), EventFlags::IN).expect("epoll");
        (0..in_flight).for_each(|_| caller.call());
        caller.flush();
    }
    let (mut answered, mut reads, mut buffer) = (0, 0, vec![0; 65536]);
    while began.elapsed().as_secs_f64() < scale.seconds {
        let mut events = Vec::with_capacity(16);
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).expect("epoll");
        for event in events {
            answered += callers[event.data.u64() as usize].read(&mut buffer, &mut latency);
            reads += 1;
        }
    }
    let (cpu, seconds) = (server.cpu().since(before), began.elapsed().as_secs_f64());
    let extra = answered as f64 / f64::from(reads.max(1));
    Figures { units: answered.max(1), seconds, cpu, latency: Some(latency), lost: 0, twice: 0, extra }
}
