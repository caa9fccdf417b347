//! What a connection bears: floods, silence, peers that do not read, the end of the server, bytes that mean nothing.

use super::peer::{PREFACE, PUBLISH, Peer, frame, goaways, options, request};
use super::{Answer, Event, Http2};
use crate::clock::Mono;
use crate::limits;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const CALM: u32 = 11;

fn server() -> Http2 {
    let mut server = Http2::new(Arc::new(options()), Mono(0));
    server.receive(&[PREFACE, &frame(4, 0, 0, &[])].concat(), Mono(0));
    server
}

/// Fields of a call of `Publish` without Huffman coding or indexing; the first byte of each name is its length.
fn head() -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in
        [(":method", "POST"), (":scheme", "http"), (":path", PUBLISH), ("content-type", "application/grpc")]
    {
        block.extend_from_slice(&[0, name.len() as u8]);
        block.extend_from_slice(name.as_bytes());
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

#[test]
fn a_stop_answers_what_is_in_flight_and_then_ends() {
    let mut peer = Peer::new(options());
    let exchange = peer.call(request(PUBLISH, &[]), b"");
    peer.server.shutdown(peer.now);
    peer.turn();
    assert!(!peer.server.is_done());
    peer.answer(Answer::Message(Vec::new()));
    assert_eq!(peer.read(exchange).status().0, 0);
    assert!(peer.server.is_done());
    assert!(matches!(peer.end, Some(Ok(()))));
}

#[test]
fn a_stop_ends_an_idle_connection_with_a_goaway() {
    let mut peer = Peer::new(options());
    peer.turn();
    peer.server.shutdown(peer.now);
    peer.server.shutdown(peer.now);
    peer.turn();
    assert!(peer.server.is_done() && matches!(peer.end, Some(Ok(()))));
    let mut unopened = Http2::new(Arc::new(options()), Mono(0));
    unopened.shutdown(Mono(0));
    assert!(unopened.is_done());
}

#[test]
fn streams_behind_the_last_goaway_are_not_carried_out() {
    let mut server = server();
    server.receive(&[frame(1, 4, 1, &head()), frame(0, 1, 1, &[0; 5])].concat(), Mono(0));
    server.shutdown(Mono(0));
    assert!(server.poll_event().is_some());
    assert_eq!(goaways(&server.take_output()), [0]);
    // h2 tells its last stream when the peer has seen that it should open no more.
    let pong = frame(6, 1, 0, &[0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54]);
    server.receive(&pong, Mono(0));
    assert_eq!(goaways(&server.take_output()), [0]);
    server.receive(&[frame(1, 4, 3, &head()), frame(0, 1, 3, &[0; 5])].concat(), Mono(0));
    assert!(server.poll_event().is_none());
    assert_eq!(server.in_flight(), 1);
}

#[test]
fn streams_over_the_bound_are_refused() {
    let mut server = server();
    for at in 0..limits::HTTP2_STREAMS_MAX + 10 {
        let id = at * 2 + 1;
        server.receive(&[frame(1, 4, id, &head()), frame(0, 1, id, &[0; 5])].concat(), Mono(0));
    }
    assert_eq!(std::iter::from_fn(|| server.poll_event()).count(), limits::HTTP2_STREAMS_MAX as usize);
    assert!(!server.is_done());
}

#[test]
fn a_flood_of_resets_is_cut() {
    let mut server = server();
    let flood = (0..1000).flat_map(|at| [frame(1, 5, at * 2 + 1, &head()), frame(3, 0, at * 2 + 1, &[0, 0, 0, 8])]);
    server.receive(&flood.flatten().collect::<Vec<u8>>(), Mono(0));
    assert!(server.is_done());
    assert_eq!(goaways(&server.take_output()), [CALM]);
}

#[test]
fn a_peer_that_only_cancels_is_cut() {
    let mut server = server();
    let mut cut_after = 0;
    for at in 0..limits::HTTP2_CANCELS_MAX + 10 {
        let id = at * 2 + 1;
        server.receive(&[frame(1, 4, id, &head()), frame(0, 1, id, &[0; 5])].concat(), Mono(0));
        server.receive(&frame(3, 0, id, &[0, 0, 0, 8]), Mono(0));
        cut_after += u32::from(!server.is_done());
    }
    assert_eq!(cut_after + 1, limits::HTTP2_CANCELS_MAX);
    assert_eq!(goaways(&server.take_output()), [CALM]);
}

#[test]
fn a_peer_that_only_makes_errors_is_cut() {
    let mut server = server();
    // No request may carry this field (RFC 9113 8.2.2).
    let malformed = [&head()[..], b"\0\x0aconnection\x05close"].concat();
    let mut bad = 0;
    while !server.is_done() && bad < 2 * limits::HTTP2_ERRORS_MAX {
        server.receive(&frame(1, 5, bad as u32 * 2 + 1, &malformed), Mono(0));
        bad += 1;
    }
    assert!(bad > limits::HTTP2_ERRORS_MAX && server.is_done());
    assert_eq!(goaways(&server.take_output()), [CALM]);
}

#[test]
fn a_panic_ends_its_connection_and_cancels_its_calls() {
    let mut server = server();
    server.receive(&[frame(1, 4, 1, &head()), frame(0, 1, 1, &[0; 5])].concat(), Mono(0));
    assert!(matches!(server.poll_event(), Some(Event::Call { .. })));
    server.contained(|_| panic!("as a fault in h2 would"));
    assert!(server.is_done() && server.has_panicked());
    assert!(matches!(server.poll_event(), Some(Event::Cancelled { .. })));
    server.receive(&[0; 100], Mono(0));
    assert_eq!((server.in_flight(), server.deadline()), (0, Mono::NEVER));
}

#[test]
fn a_flood_of_continuations_is_cut() {
    let mut server = server();
    let mut flood = frame(1, 0, 1, &head());
    flood.extend((0..1000).flat_map(|_| frame(9, 0, 1, &[])));
    server.receive(&flood, Mono(0));
    assert!(server.is_done());
    assert_eq!(goaways(&server.take_output()), [CALM]);
}

#[test]
fn a_header_block_over_the_bound_is_refused_and_a_huge_one_cut() {
    let mut peer = Peer::new(options());
    let long = "x".repeat(limits::HTTP2_HEAD_BYTES_MAX as usize);
    assert_eq!(peer.reply(request(PUBLISH, &[("x-long", &long)]), b"").http, 431);

    let mut server = server();
    // Fields of 15 KB each: a literal of a length in three bytes.
    let field = [&[0, 1, b'a', 0x7f, 0x99, 0x74][..], &[b'v'; 127 + 0x19 + (0x74 << 7)]].concat();
    let mut flood = frame(1, 0, 1, &head());
    flood.extend((0..50).flat_map(|_| frame(9, 0, 1, &field)));
    server.receive(&flood, Mono(0));
    assert!(server.is_done());
    assert_eq!(goaways(&server.take_output()), [CALM]);
}

#[test]
fn a_peer_that_pings_and_never_reads_is_bounded_in_memory() {
    let pings = frame(6, 0, 0, &[7; 8]).repeat(1000);
    for is_blocked in [true, false] {
        let mut server = server();
        server.set_blocked(is_blocked, Mono(0));
        let mut sent = 0;
        // 170 MB, were they all taken.
        for _ in 0..10_000 {
            if server.wants_input() {
                sent += pings.len();
                server.receive(&pings, Mono(0));
            }
        }
        assert!(!server.wants_input() && !server.is_done());
        assert!(sent < limits::HTTP2_OUTPUT_BYTES_MAX + limits::INPUT_BYTES_PAUSE + (64 << 10), "{sent}");
        // When it reads again, every ping is answered.
        server.set_blocked(false, Mono(0));
        let mut output = Vec::new();
        loop {
            let more = server.take_output();
            assert!(more.len() < limits::HTTP2_OUTPUT_BYTES_MAX + (32 << 10));
            if more.is_empty() {
                break;
            }
            output.extend(more);
        }
        assert!(server.wants_input() && output.len() >= sent);
    }
}

#[test]
fn a_silent_peer_is_asked_and_then_cut() {
    let mut peer = Peer::new(options());
    peer.turn();
    let silence = Duration::from_millis(limits::HTTP2_SILENCE_MS);
    for round in 1..4 {
        peer.now = Mono(0) + silence * round;
        assert_eq!(peer.server.deadline(), peer.now);
        peer.server.expire(peer.now);
        peer.turn();
    }
    // From here on its bytes do not arrive.
    let asked = peer.server.deadline();
    peer.server.expire(asked);
    assert!(!peer.server.take_output().is_empty());
    let cut = asked + Duration::from_millis(limits::HTTP2_PING_TIMEOUT_MS);
    assert_eq!(peer.server.deadline(), cut);
    peer.server.expire(cut);
    assert!(peer.server.is_done());
    assert_eq!(peer.server.deadline(), Mono::NEVER);
}

#[test]
fn a_peer_without_a_preface_is_cut() {
    let mut server = Http2::new(Arc::new(options()), Mono(0));
    server.receive(&PREFACE[..10], Mono(5));
    let at = Mono(0) + Duration::from_millis(limits::HTTP2_PREFACE_TIMEOUT_MS);
    assert_eq!(server.deadline(), at);
    server.expire(at);
    assert!(server.is_done());
    let mut other = Http2::new(Arc::new(options()), Mono(0));
    other.receive(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n", Mono(0));
    assert!(other.is_done());
}

#[test]
fn the_end_of_the_peer_cancels_its_calls() {
    let mut peer = Peer::new(options());
    let _exchange = peer.call(request(PUBLISH, &[]), b"");
    let _half = peer.begin(request(PUBLISH, &[]), Bytes::new(), false);
    peer.server.receive_end(peer.now);
    peer.turn();
    assert!(peer.server.is_done());
    assert_eq!(peer.cancelled, [peer.calls[0].0]);
    peer.answer(Answer::Message(Vec::new()));
    assert_eq!(peer.server.in_flight(), 0);
}

/// A frame of any kind, often one that h2 knows.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(head()),
        Just(vec![0; 5]),
        Just(vec![0, 0, 0, 8]),
        Just(vec![0; 8])
    ];
    (0u8..11, any::<u8>(), 0u32..8, payload)
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, after_preface: bool) {
        let mut server = if after_preface { server() } else { Http2::new(Arc::new(options()), Mono(0)) };
        for piece in bytes.chunks(7) {
            server.receive(piece, Mono(0));
        }
        server.receive_end(Mono(0));
        prop_assert!(server.is_done() && !server.has_panicked());
    }

    #[test]
    fn arbitrary_frames_never_panic(frames in proptest::collection::vec(any_frame(), 0..60), stop_at: usize) {
        let mut server = server();
        for (at, frame) in frames.iter().enumerate() {
            if at == stop_at % 60 {
                server.shutdown(Mono(at as u64));
            }
            server.receive(frame, Mono(at as u64));
            while let Some(event) = server.poll_event() {
                if let Event::Call { stream, .. } = event {
                    server.answer(stream, Answer::Message(vec![1; 100]), Mono(at as u64));
                }
            }
            server.take_output();
        }
        server.receive_end(Mono(100));
        while !server.take_output().is_empty() {}
        prop_assert!(server.is_done() && !server.has_panicked());
    }
}
