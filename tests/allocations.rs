//! The fan-out allocates nothing per delivery: marking an audience and writing it takes as many allocations for a
//! thousand subscribers as for ten. A publication over HTTP takes four: channel, payload, frame and answer.

#![allow(unsafe_code)] // An allocator is unsafe by its interface.

mod common;

use common::pure::Pure;
use common::ws::{self, Peer};
use corecast::counters::Counters;
use corecast::hub::lists::Source;
use corecast::hub::{Output, Sent, Sink, Way};
use corecast::id::Slot;
use corecast::proto::client::{Command, ConnectRequest, SubscribeRequest};
use corecast::proto::json;
use corecast::protocol::frame::Block;
use corecast::shard::Event;
use corecast::wire::websocket::Opcode;
use prost::Message;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Null(usize);

impl Sink for Null {
    fn send(&mut self, _: u32, bytes: &[u8]) -> Sent {
        self.0 += 1;
        Sent::Bytes(bytes.len())
    }

    fn watch(&mut self, _: u32) {}
}

/// Allocations of one burst of `k` publications to `subscribers`, in the steady state, and the writes it took.
fn burst(subscribers: u32, k: usize) -> (usize, usize) {
    let (mut output, mut sink, counters) = (Output::new(1 << 20), Null(0), Counters::default());
    let audience: Vec<u32> = (0..subscribers).collect();
    audience.iter().for_each(|index| output.open(*index));
    let blocks: Vec<Block> = (0..k).map(|n| Block::from(vec![n as u8; 150])).collect();
    let mut measured = (0, 0);
    // The first rounds grow the lists to their size.
    for _ in 0..5 {
        let (allocations, writes) = (ALLOCATIONS.get(), sink.0);
        blocks.iter().for_each(|block| {
            let frame = output.frame_id();
            output.broadcast(&audience, frame, Source::NONE, block, Way::Bulk);
        });
        while output.flush(64, &mut sink, &counters) {}
        measured = (ALLOCATIONS.get() - allocations, sink.0 - writes);
    }
    measured
}

#[test]
fn a_delivery_allocates_nothing() {
    for k in [1, 4, 16] {
        let (few, _) = burst(10, k);
        let (many, writes) = burst(1_000, k);
        assert_eq!(writes, 1_000, "one write per socket and burst");
        assert_eq!(many, few, "bursts of {k}: the joined buffer is made once, whoever gets it");
    }
    assert_eq!(burst(1_000, 1).0, 0, "a single publication is written from its block");
}

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true},
  "http_api": {"key": "k"},
  "channel": {"without_namespace": {"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}}
}"#;

/// Allocations of a publication over HTTP in the steady state, to a channel with so many subscribers that came with this query.
fn publish(subscribers: usize, query: &str) -> usize {
    let mut pure = Pure::new(&common::load(CONFIG), 1);
    for _ in 0..subscribers {
        let (wire, mut peer) = (pure.open(), Peer::default());
        pure.send(wire, ws::upgrade(query, ""));
        let connect = Command { id: 1, connect: Some(ConnectRequest::default()), ..Command::default() };
        let subscribe = SubscribeRequest { channel: "news".into(), ..SubscribeRequest::default() };
        for command in [connect, Command { id: 2, subscribe: Some(subscribe), ..Command::default() }] {
            let frame = if query.is_empty() {
                let mut line = Vec::new();
                json::encode_line(&command, &mut line).expect("JSON");
                peer.frame(Opcode::Text, &line)
            } else {
                peer.frame(Opcode::Binary, &command.encode_length_delimited_to_vec())
            };
            pure.send(wire, frame);
        }
    }
    let body = r#"{"channel":"news","data":{"text":"as long as a message is, and not much longer than that"}}"#;
    let fields = format!("Host: t\r\nX-API-Key: k\r\nContent-Length: {}", body.len());
    let request = format!("POST /api/publish HTTP/1.1\r\n{fields}\r\n\r\n{body}");
    let slot = Slot { index: pure.open() as u32, generation: 0 };
    let (mut sink, mut allocations, now) = (Null(0), 0, pure.now);
    let shard = &mut pure.shards[0];
    // The first rounds grow tables and buffers.
    for _ in 0..5 {
        let (mut bytes, before, writes) = (request.clone().into_bytes(), ALLOCATIONS.get(), sink.0);
        shard.handle(now, Event::Received { slot, bytes: &mut bytes });
        assert!(shard.poll_effect().is_none(), "nothing waits for another core");
        while shard.flush(64, &mut sink) {}
        allocations = ALLOCATIONS.get() - before;
        assert_eq!(sink.0 - writes, subscribers + 1, "the subscribers and the answer");
    }
    allocations
}

#[test]
fn a_publication_over_http_takes_four_allocations_whoever_listens() {
    for query in ["", "?cf_protocol=protobuf"] {
        assert_eq!(publish(0, query), 3, "channel, payload, answer");
        assert_eq!(publish(1, query), 4, "and the frame");
        assert_eq!(publish(500, query), 4);
    }
}
