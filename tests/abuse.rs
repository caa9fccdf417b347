//! Clients that only make work, in virtual time: each kind has a limit with an answer and a counter. Floods that need a real
//! kernel are in `tests/server/limits.rs`, those of HTTP/2 in `src/http2/limits_tests.rs`, slow requests in
//! `tests/http_time.rs`.

mod common;

use common::pure::Pure;
use common::ws::{Arrival, Peer, upgrade};
use corecast::counters::Counters;
use corecast::limits;
use corecast::wire::websocket::Opcode;
use std::sync::Arc;
use std::time::Duration;

const CONFIG: &str = r#"{"client": {"allow_anonymous_connect_without_token": true,
    "ping_interval": "-1s", "pong_timeout": "-2s"}, "http_api": {"key": "k"},
    "corecast": {"limits": {"commands_per_second": 20}, "echo": {"enabled": true}},
    "rpc": {"ping": {"enabled": true}},
    "channel": {"without_namespace": {"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}}}"#;

/// A client over one core of several.
struct Client {
    wire: usize,
    peer: Peer,
    arrived: Vec<Arrival>,
}

impl Client {
    fn open(pure: &mut Pure) -> Client {
        let wire = pure.open();
        pure.send(wire, upgrade("", ""));
        Client { wire, peer: Peer::default(), arrived: Vec::new() }
    }

    fn connected(pure: &mut Pure) -> Client {
        let mut client = Client::open(pure);
        client.say(pure, r#"{"id":1,"connect":{}}"#);
        client.listen(pure);
        assert!(matches!(client.arrived.pop(), Some(Arrival::Text(_))), "it is connected");
        client
    }

    fn say(&mut self, pure: &mut Pure, text: &str) {
        let frame = self.peer.frame(Opcode::Text, text.as_bytes());
        pure.send(self.wire, frame);
    }

    fn listen(&mut self, pure: &mut Pure) {
        let bytes = pure.take(self.wire);
        self.arrived.extend(self.peer.take(&bytes));
    }

    /// The code with which the server has closed the connection.
    fn closed(&mut self, pure: &mut Pure) -> Option<u16> {
        self.listen(pure);
        self.arrived.iter().find_map(|arrival| match arrival {
            Arrival::Close(code, _) => *code,
            _ => None,
        })
    }
}

fn total(pure: &Pure, cell: fn(&Arc<Counters>) -> u64) -> u64 {
    pure.shards.iter().map(|shard| cell(shard.counters())).sum()
}

/// Does it with one core and with two, with a bystander who notices nothing.
fn with_bystander(test: impl Fn(&mut Pure)) {
    for cores in [1, 2] {
        let mut pure = Pure::new(&common::load(CONFIG), cores);
        let mut bystander = Client::connected(&mut pure);
        test(&mut pure);
        bystander.say(&mut pure, r#"{"id":2,"rpc":{"method":"ping"}}"#);
        assert_eq!(bystander.closed(&mut pure), None);
        let expected = br#"{"id":2,"rpc":{}}"#.to_vec();
        assert!(bystander.arrived.contains(&Arrival::Text(expected)), "{:?}", bystander.arrived);
    }
}

#[test]
fn pings_and_empty_fragments_that_never_end_cost_the_connection() {
    for frames in [&[Opcode::Ping][..], &[Opcode::Pong], &[Opcode::Text, Opcode::Continuation]] {
        with_bystander(|pure| {
            let mut client = Client::connected(pure);
            let mut sent = 0;
            while client.closed(pure).is_none() {
                let opcode = frames[sent.min(frames.len() - 1)];
                let mut frame = client.peer.frame(opcode, b"");
                if frames.len() > 1 {
                    frame[0] &= 0x7f; // More fragments follow.
                }
                pure.send(client.wire, frame);
                sent += 1;
                assert!(sent <= limits::IDLE_FRAMES_BURST as usize + 2, "there is no end to it");
            }
            assert_eq!(client.closed(pure), Some(3013));
            assert!(sent > limits::IDLE_FRAMES_BURST as usize, "{sent} are still allowed");
            assert_eq!(total(pure, |cells| cells.rate_limited.get()), 1);
        });
    }
}

#[test]
fn pings_at_a_moderate_rate_are_answered_for_ever() {
    with_bystander(|pure| {
        let mut client = Client::connected(pure);
        for _ in 0..2 {
            for _ in 0..limits::IDLE_FRAMES_BURST {
                let frame = client.peer.frame(Opcode::Ping, b"p");
                pure.send(client.wire, frame);
            }
            pure.advance(Duration::from_secs(10));
        }
        assert_eq!(client.closed(pure), None);
        let pongs = client.arrived.iter().filter(|arrival| **arrival == Arrival::Pong(b"p".to_vec())).count();
        assert_eq!(pongs, 2 * limits::IDLE_FRAMES_BURST as usize);
    });
}

#[test]
fn more_commands_than_allowed_cost_the_connection() {
    with_bystander(|pure| {
        let mut client = Client::connected(pure);
        let commands = |count: usize| vec![r#"{"id":5,"rpc":{"method":"ping"}}"#; count].join("\n");
        // A second's worth at once, and again when a second is over; nobody is cut for that.
        pure.advance(Duration::from_secs(1));
        client.say(pure, &commands(20));
        pure.advance(Duration::from_secs(1));
        client.say(pure, &commands(20));
        assert_eq!(client.closed(pure), None);
        assert_eq!(client.arrived.len(), 40, "each has its reply");
        client.say(pure, &commands(1));
        assert_eq!(client.closed(pure), Some(3013));
        assert_eq!(total(pure, |cells| cells.rate_limited.get()), 1);
    });
}

#[test]
fn a_message_that_drips_is_refused_after_half_a_minute() {
    let fragments = |client: &mut Client| {
        let mut first = client.peer.frame(Opcode::Text, b"{");
        first[0] &= 0x7f;
        let mut next = client.peer.frame(Opcode::Continuation, b" ");
        next[0] &= 0x7f;
        (first, next)
    };
    with_bystander(|pure| {
        let (mut by_fragments, mut by_bytes) = (Client::connected(pure), Client::connected(pure));
        let (first, next) = fragments(&mut by_fragments);
        let frame = by_bytes.peer.frame(Opcode::Text, &[b' '; 100]);
        pure.send(by_fragments.wire, first);
        for byte in &frame[..28] {
            pure.send(by_fragments.wire, next.clone());
            pure.send(by_bytes.wire, vec![*byte]);
            pure.advance(Duration::from_secs(1));
            assert_eq!([by_fragments.closed(pure), by_bytes.closed(pure)], [None, None]);
        }
        pure.advance(Duration::from_secs(3));
        assert_eq!(by_fragments.closed(pure), Some(1008));
        assert_eq!(by_bytes.closed(pure), Some(1008));
        assert_eq!(total(pure, |cells| cells.slow_messages.get()), 2);
    });
}

#[test]
fn messages_without_a_pause_between_them_are_no_slow_message() {
    let mut pure = Pure::new(&common::load(CONFIG), 1);
    let wire = pure.open();
    let request = String::from_utf8(upgrade("", "")).expect("text").replace("/websocket ", "/echo ");
    pure.send(wire, request.into_bytes());
    let mut client = Client { wire, peer: Peer::default(), arrived: Vec::new() };
    // There is always a part of a message: each piece ends in the midst of one.
    let frame = client.peer.frame(Opcode::Text, &[b'x'; 50]);
    let stream = frame.repeat(60);
    for piece in stream.chunks(frame.len() + 1) {
        pure.send(wire, piece.to_vec());
        pure.advance(Duration::from_secs(2));
    }
    assert_eq!(client.closed(&mut pure), None);
    assert_eq!(client.arrived.len(), 60);
}

#[test]
fn a_crowd_that_never_says_who_it_is_is_gone_after_ten_seconds() {
    with_bystander(|pure| {
        let mut crowd: Vec<Client> = (0..2_000).map(|_| Client::open(pure)).collect();
        pure.advance(Duration::from_secs(9));
        assert!(crowd.iter_mut().all(|client| client.closed(pure).is_none()));
        pure.advance(Duration::from_secs(2));
        assert!(crowd.iter_mut().all(|client| client.closed(pure) == Some(3502)));
        pure.advance(Duration::from_millis(limits::CLOSE_TIMEOUT_MS + 100));
        assert!(crowd.iter().all(|client| pure.is_over(client.wire)));
        assert_eq!(total(pure, |cells| cells.connections.get()), 1, "only the bystander is there");
    });
}

#[test]
fn a_caller_that_never_reads_its_answer_is_cut_after_half_a_minute() {
    with_bystander(|pure| {
        let wire = pure.open();
        pure.limit(wire, Some(10));
        pure.send(wire, b"GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n".to_vec());
        pure.advance(Duration::from_millis(limits::HTTP_WRITE_TIMEOUT_MS - 1_000));
        assert!(!pure.is_over(wire));
        pure.advance(Duration::from_secs(2));
        assert!(pure.is_over(wire));
        assert_eq!(total(pure, |cells| cells.slow_callers.get()), 1);
    });
}
