//! The yardstick: a server that does the least that any server must do, on one thread with epoll.
//!
//! One `recv` per readiness, one canned reply per request; for a publication one `send` of a prepared frame per
//! subscriber and burst. No routing, no parsing beyond the end of a request and the place of its data, no tables, no
//! limits, no errors: what a real server adds is what the bench shows. Calls over HTTP/2 are found by their frame heads and
//! answered together, one `send` per `recv`. Never expose it.

#[allow(dead_code)] // The caller uses the rest.
mod frames;

use corecast::wire::handshake::accept;
use corecast::wire::websocket::{Opcode, encode};
use frames::{ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS};
use memchr::memmem;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

/// What stands before the offset that a client goes on from.
const POSITION: &[u8] = b"\"recover\":true,\"offset\":";

/// A client publishes.
const PUBLISH: &[u8] = b"\"publish\":";

/// Subscribers of this channel are not published to.
const SILENT: &[u8] = b"\"channel\":\"bench:1\"";

/// Publications of the channel that clients come back to.
const KEPT: usize = 100;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nContent-Length: 13\r\n\r\n{\"result\":{}}";

struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    is_websocket: bool,
    is_http2: bool,
}

fn main() -> std::io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    // All clients may come back at once.
    rustix::net::listen(&listener, 4096)?;
    listener.set_nonblocking(true)?;
    println!("floor on {}", listener.local_addr()?);
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(0), EventFlags::IN)?;
    let (mut peers, mut subscribers, mut events) = (HashMap::new(), Vec::new(), Vec::with_capacity(1024));
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let number = event.data.u64();
            if number == 0 {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    let number = stream.as_raw_fd() as u64;
                    epoll::add(&poll, &stream, EventData::new_u64(number), EventFlags::IN)?;
                    peers.insert(number, Peer { stream, input: Vec::new(), is_websocket: false, is_http2: false });
                }
            } else if !read(number, &mut peers, &mut subscribers) {
                peers.remove(&number);
                subscribers.retain(|subscriber| *subscriber != number);
            }
        }
    }
}

/// One `recv` and what follows from it; false when the peer is gone.
fn read(number: u64, peers: &mut HashMap<u64, Peer>, subscribers: &mut Vec<u64>) -> bool {
    let mut buffer = [0; 16384];
    let Some(peer) = peers.get_mut(&number) else { return false };
    let n = match recv(&peer.stream, &mut buffer, RecvFlags::DONTWAIT) {
        Ok((0, _)) => return false,
        Ok((n, _)) => n,
        Err(rustix::io::Errno::AGAIN) => return true,
        Err(_) => return false,
    };
    if peer.is_websocket {
        return websocket(peer, &mut buffer[..n], number, subscribers);
    }
    peer.input.extend_from_slice(&buffer[..n]);
    let input = std::mem::take(&mut peer.input);
    let mut rest = input.as_slice();
    if peer.is_http2 || rest.starts_with(PREFACE) {
        http2(peer, &mut rest);
        peer.input = rest.to_vec();
        return true;
    }
    while let Some((request, length)) = request(rest) {
        if let Some(at) = memmem::find(request, b"Sec-WebSocket-Key: ") {
            let key = &request[at + 19..at + 43];
            let reply = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                accept(key)
            );
            let Some(peer) = peers.get_mut(&number) else { return false };
            peer.is_websocket = true;
            _ = send(&peer.stream, reply.as_bytes(), SendFlags::DONTWAIT);
        } else {
            publish(request, peers, subscribers);
            _ = send(&peers[&number].stream, OK, SendFlags::DONTWAIT);
        }
        rest = &rest[length..];
    }
    if let Some(peer) = peers.get_mut(&number) {
        peer.input = rest.to_vec();
    }
    true
}

/// The answer to a call: `:status: 200`, `content-type: application/grpc`; a message with an empty result;
/// `grpc-status: 0`.
const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";
const MESSAGE: &[u8] = &[0, 0, 0, 0, 2, 0x12, 0];
const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";

/// All calls that have come whole, answered with one `send`.
fn http2(peer: &mut Peer, input: &mut &[u8]) {
    let mut out = Vec::new();
    if !peer.is_http2 {
        peer.is_http2 = true;
        *input = &input[PREFACE.len()..];
        frames::put(SETTINGS, 0, 0, &[], &mut out);
    }
    while let Some(frame) = frames::take(input) {
        match (frame.kind, frame.flags & END_STREAM != 0) {
            (SETTINGS, false) => frames::put(SETTINGS, ACK, 0, &[], &mut out),
            (DATA, true) => {
                frames::put(HEADERS, END_HEADERS, frame.stream, HEAD, &mut out);
                frames::put(DATA, 0, frame.stream, MESSAGE, &mut out);
                frames::put(HEADERS, END_HEADERS | END_STREAM, frame.stream, TRAILERS, &mut out);
            }
            _ => {}
        }
    }
    if !out.is_empty() {
        _ = send(&peer.stream, &out, SendFlags::DONTWAIT);
    }
}

/// A whole request at the beginning of `input` and its length.
fn request(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = memmem::find(input, b"\r\n\r\n")? + 4;
    let digits = memmem::find(&input[..end], b"Content-Length: ").map_or(&b"0"[..], |at| &input[at + 16..end]);
    let body = digits.iter().take_while(|b| b.is_ascii_digit()).fold(0, |n, b| n * 10 + usize::from(b - b'0'));
    (input.len() >= end + body).then(|| (&input[..end + body], end + body))
}

/// All publications of the request, framed and joined once, one `send` per subscriber.
fn publish(request: &[u8], peers: &HashMap<u64, Peer>, subscribers: &[u64]) {
    if subscribers.is_empty() {
        return;
    }
    let mut frames = Vec::new();
    for at in memmem::find_iter(request, b"\"data\":\"") {
        let data = &request[at + 7..];
        let end = memchr::memchr(b'"', &data[1..]).map_or(data.len(), |end| end + 2);
        let push = [b"{\"push\":{\"channel\":\"bench:0\",\"pub\":{\"data\":", &data[..end], b"}}}"].concat();
        encode(Opcode::Text, &push, &mut frames);
    }
    for subscriber in subscribers {
        send_all(&peers[subscriber].stream, &frames);
    }
}

/// One `send` unless the reader is slow: then it waits, because a floor that drops would be none.
fn send_all(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::AGAIN) => std::thread::yield_now(),
            Err(_) => return,
        }
    }
}

/// The answer to a client that comes back, made when the first one asks: as long as the real one, and on the wire in one
/// piece.
fn recovered(peer: &Peer, offset: &[u8]) {
    static READY: [OnceLock<Vec<u8>>; KEPT + 1] = [const { OnceLock::new() }; KEPT + 1];
    let offset = offset.iter().take_while(|b| b.is_ascii_digit()).fold(0, |n, b| n * 10 + usize::from(b - b'0'));
    let reply = READY[offset.min(KEPT)].get_or_init(|| {
        let data = "x".repeat(148);
        let each = |n: usize| format!(r#"{{"data":"{data}","offset":{n}}}"#);
        let list: Vec<String> = (offset + 1..=KEPT).map(each).collect();
        let list = if list.is_empty() { String::new() } else { format!(r#""publications":[{}],"#, list.join(",")) };
        let connected = r#"{"id":1,"connect":{"client":"11111111-1111-4111-8111-111111111111","version":"0.1.0","ping":25,"pong":true}}"#;
        let result = format!(r#""recoverable":true,"epoch":"abcdefgh",{list}"recovered":true,"offset":{offset},"positioned":true"#);
        let mut frames = Vec::new();
        encode(Opcode::Text, connected.as_bytes(), &mut frames);
        let subscribed = format!(r#"{{"id":2,"subscribe":{{{result},"was_recovering":true}}}}"#);
        encode(Opcode::Text, subscribed.as_bytes(), &mut frames);
        frames
    });
    send_all(&peer.stream, reply);
}

/// Connect, subscribe and publish are answered by what they are expected to ask; everything else is a pong.
fn websocket(peer: &Peer, bytes: &mut [u8], number: u64, subscribers: &mut Vec<u64>) -> bool {
    if bytes.len() < 20 {
        return bytes[0] & 15 != 8;
    }
    if let Some(at) = memmem::find(bytes, POSITION) {
        recovered(peer, &bytes[at + POSITION.len()..]);
        return true;
    }
    let mut reply = Vec::new();
    if memmem::find(bytes, PUBLISH).is_some() {
        encode(Opcode::Text, b"{\"id\":2,\"publish\":{}}", &mut reply);
        _ = send(&peer.stream, &reply, SendFlags::DONTWAIT);
        return true;
    }
    encode(
        Opcode::Text,
        b"{\"id\":1,\"connect\":{\"client\":\"c\",\"version\":\"0\",\"ping\":25,\"pong\":true}}",
        &mut reply,
    );
    // A message of more than 60 bytes subscribes too.
    if bytes.len() > 60 {
        encode(Opcode::Text, b"{\"id\":2,\"subscribe\":{}}", &mut reply);
        if memmem::find(bytes, SILENT).is_none() {
            subscribers.push(number);
        }
    }
    _ = send(&peer.stream, &reply, SendFlags::DONTWAIT);
    true
}
