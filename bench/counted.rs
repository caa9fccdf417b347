//! What is counted: work of the pure half in a steady state, over and over. No scenario depends on another, on the clock or
//! on chance, so a count is the same each time.

use crate::lone_core::{Drain, LoneCore};
use corecast::auth::verify::{Lookup, Said};
use corecast::auth::{KeyCache, Verifier};
use corecast::clock::Mono;
use corecast::config::settings::Token;
use corecast::counters::Counters;
use corecast::hub::lists::Source;
use corecast::hub::{Output, Way};
use corecast::id::Slot;
use corecast::limits::WRITES_PER_SLICE;
use corecast::proto::client::{Command, Publication, PublishRequest};
use corecast::protocol::command::{Commands, Protocol};
use corecast::protocol::frame::{Block, Rendition};
use corecast::protocol::framer::Framer;
use corecast::protocol::push;
use corecast::wire::websocket::{Opcode, encode_masked};
use prost::Message;
use std::hint::black_box;
use std::time::Duration;

/// One round of a scenario.
type Work = Box<dyn FnMut()>;

/// One row of the record.
pub struct Scenario {
    /// Its key in the record.
    pub name: &'static str,
    /// What one unit is.
    pub unit: &'static str,
    /// Units of one round.
    pub units: u64,
    /// Makes everything ready.
    prepare: fn() -> Work,
}

const SUBSCRIBERS: u32 = 1000;

/// Operations of a round, where the scenario does not say otherwise.
const OPERATIONS: u64 = 50;

/// A payload of 150 bytes.
const DATA: &str = r#"{"id":4711,"price":101.25,"symbol":"ABC","text":"a quick note, \"quoted\"","flags":[true,false,null],"at":"2026-11-26T09:30:00Z","note":"abcdefghijk"}"#;
const _: () = assert!(DATA.len() == 150, "as the payloads of the other bench");

/// All of them, in the order in which they are shown.
pub const SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "fan-out to 1000, 1 per burst",
        unit: "delivery",
        units: 10 * SUBSCRIBERS as u64,
        prepare: || fan_out(1, 10),
    },
    Scenario {
        name: "fan-out to 1000, 16 per burst",
        unit: "delivery",
        units: 16 * SUBSCRIBERS as u64,
        prepare: || fan_out(16, 1),
    },
    Scenario {
        name: "publish over HTTP to 1000 subscribers",
        unit: "delivery",
        units: 10 * SUBSCRIBERS as u64,
        prepare: publish_to_many,
    },
    Scenario {
        name: "publish over HTTP",
        unit: "request",
        units: OPERATIONS,
        prepare: || publish_over_http("bench:0"),
    },
    Scenario {
        name: "publish with history over HTTP",
        unit: "request",
        units: OPERATIONS,
        prepare: || publish_over_http("kept:0"),
    },
    Scenario { name: "publish over WebSocket", unit: "command", units: OPERATIONS, prepare: publish_over_websocket },
    Scenario {
        name: "decode a publish command, JSON",
        unit: "command",
        units: OPERATIONS,
        prepare: || decode(Protocol::Json),
    },
    Scenario {
        name: "decode a publish command, Protobuf",
        unit: "command",
        units: OPERATIONS,
        prepare: || decode(Protocol::Protobuf),
    },
    Scenario {
        name: "encode and frame a push, JSON",
        unit: "push",
        units: OPERATIONS,
        prepare: || frame(Rendition::JsonWebSocket),
    },
    Scenario {
        name: "encode and frame a push, Protobuf",
        unit: "push",
        units: OPERATIONS,
        prepare: || frame(Rendition::ProtobufWebSocket),
    },
    Scenario { name: "check a connection token, HS256", unit: "token", units: OPERATIONS, prepare: check_token },
    Scenario { name: "connect, subscribe, leave", unit: "client", units: OPERATIONS, prepare: come_and_go },
];

impl Scenario {
    /// Plays rounds that do not count and then those that do.
    pub fn play(&self, warm_up: u64, rounds: u64) {
        let mut work = (self.prepare)();
        for _ in 0..warm_up {
            work();
        }
        counted_region(&mut work, rounds);
    }
}

/// Callgrind counts from its entry to its exit, by its name: no closure may stand in it, it would have the name too.
#[inline(never)]
fn counted_region(work: &mut Work, rounds: u64) {
    for _ in 0..rounds {
        work();
    }
}

/// Marks and writes of the hub alone.
fn fan_out(burst: usize, bursts: usize) -> Work {
    let (mut output, mut drain, counters) = (Output::new(1 << 20), Drain::default(), Counters::default());
    let audience: Vec<u32> = (0..SUBSCRIBERS).collect();
    audience.iter().for_each(|index| output.open(*index));
    let blocks: Vec<Block> = (0..burst).map(|n| Block::from(vec![n as u8; DATA.len()])).collect();
    Box::new(move || {
        let before = drain.writes;
        for _ in 0..bursts {
            for block in &blocks {
                let frame = output.frame_id();
                output.broadcast(&audience, frame, Source::NONE, block, Way::Bulk);
            }
            while output.flush(WRITES_PER_SLICE, &mut drain, &counters) {}
        }
        assert_eq!(drain.writes - before, bursts as u64 * u64::from(SUBSCRIBERS), "one write per socket and burst");
    })
}

/// The whole way of a publication on the core that owns the channel and has all its subscribers.
fn publish_to_many() -> Work {
    let mut core = LoneCore::new();
    for _ in 0..SUBSCRIBERS {
        let slot = core.open();
        join(&mut core, slot, "bench:0");
    }
    let (mut requests, writes) = (Requests::new(core, "bench:0"), u64::from(SUBSCRIBERS) + 1);
    Box::new(move || (0..10).for_each(|_| requests.send(writes)))
}

/// The bytes of a request in, those of its answer out; nobody listens.
fn publish_over_http(channel: &str) -> Work {
    let mut requests = Requests::new(LoneCore::new(), channel);
    Box::new(move || (0..OPERATIONS).for_each(|_| requests.send(1)))
}

/// One connection that goes on sending the same request.
struct Requests {
    core: LoneCore,
    slot: Slot,
    request: Vec<u8>,
}

impl Requests {
    fn new(mut core: LoneCore, channel: &str) -> Requests {
        let body = format!(r#"{{"channel":"{channel}","data":{DATA}}}"#);
        let request = format!(
            "POST /api/publish HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nX-API-Key: k\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes();
        let slot = core.open();
        let answer = core.ask(slot, &request);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("HTTP/1.1 200 OK\r\n") && text.contains(r#"{"result":{"#), "{text}");
        Requests { core, slot, request }
    }

    /// One request and its answer, so many writes in all.
    fn send(&mut self, writes: u64) {
        let before = self.core.drain.writes;
        self.core.receive(self.slot, &mut self.request);
        assert_eq!(self.core.drain.writes - before, writes);
    }
}

/// A command of a client in, its reply out; nobody listens.
fn publish_over_websocket() -> Work {
    let mut core = LoneCore::new();
    let slot = core.open();
    join(&mut core, slot, "bench:1");
    let command = masked(&format!(r#"{{"id":3,"publish":{{"channel":"bench:0","data":{DATA}}}}}"#));
    let reply = core.ask(slot, &command);
    assert!(reply.ends_with(br#"{"id":3,"publish":{}}"#), "{}", String::from_utf8_lossy(&reply));
    let mut room = Vec::new();
    Box::new(move || {
        let before = core.drain.writes;
        for _ in 0..OPERATIONS {
            // The mask is taken off in place.
            room.clone_from(&command);
            core.receive(slot, &mut room);
        }
        assert_eq!(core.drain.writes - before, OPERATIONS, "a reply each");
    })
}

fn decode(protocol: Protocol) -> Work {
    let message = match protocol {
        Protocol::Json => format!(r#"{{"id":3,"publish":{{"channel":"bench:0","data":{DATA}}}}}"#).into_bytes(),
        Protocol::Protobuf => {
            let publish = PublishRequest { channel: "bench:0".into(), data: DATA.into(), ..PublishRequest::default() };
            Command { id: 3, publish: Some(publish), ..Command::default() }.encode_length_delimited_to_vec()
        }
    };
    Box::new(move || {
        for _ in 0..OPERATIONS {
            let command = Commands::new(protocol, black_box(&message)).next();
            let publish = command.and_then(Result::ok).and_then(|command| command.publish);
            assert!(publish.is_some_and(|publish| black_box(publish).data.len() == DATA.len()));
        }
    })
}

fn frame(rendition: Rendition) -> Work {
    let publication = Publication { data: DATA.into(), offset: 4711, ..Publication::default() };
    let (mut framer, mut scratch) = (Framer::new(Default::default()), Vec::new());
    Box::new(move || {
        for _ in 0..OPERATIONS {
            scratch.clear();
            push::encode_publication(rendition.protocol(), black_box("bench:0"), black_box(&publication), &mut scratch);
            let blocks = black_box(framer.frames(&[rendition], &scratch));
            assert!(blocks.len() == 1 && blocks[0].1.len() > DATA.len());
        }
    })
}

/// Nothing of a token with a shared secret is remembered: each check is the first one.
fn check_token() -> Work {
    let settings = Token { hmac_secret_key: "bench".into(), ..Token::default() };
    let verifier = Verifier::new(&settings, false).expect("good settings");
    let claims = serde_json::json!({"sub": "4711", "exp": 4_000_000_000_u64, "iat": 1_790_000_000});
    let key = jsonwebtoken::EncodingKey::from_secret(b"bench");
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a key");
    let mut keys = KeyCache::default();
    Box::new(move || {
        for _ in 0..OPERATIONS {
            let lookup = Lookup { keys: &mut keys, now: Mono(0), said: Said::Nothing };
            let claims = verifier.connection(black_box(&token), 1_790_000_000, lookup);
            assert!(black_box(claims).is_ok_and(|claims| claims.user == "4711"));
        }
    })
}

/// Clients without a token, all of a round at a time; a round takes a second, so the timers are swept too.
fn come_and_go() -> Work {
    let mut core = LoneCore::new();
    let first = core.open();
    let replies = join(&mut core, first, "bench:0");
    core.hang_up(first);
    let (upgrade, command, mut room) = (upgrade(), commands("bench:0"), Vec::new());
    assert!(replies.windows(14).any(|part| part == br#""subscribe":{}"#), "{}", String::from_utf8_lossy(&replies));
    let mut slots: Vec<Slot> = Vec::new();
    Box::new(move || {
        let before = core.drain.writes;
        for _ in 0..OPERATIONS {
            let slot = core.open();
            for bytes in [&upgrade, &command] {
                room.clone_from(bytes);
                core.receive(slot, &mut room);
            }
            slots.push(slot);
            core.pass(Duration::from_millis(1000 / OPERATIONS));
        }
        slots.drain(..).for_each(|slot| core.hang_up(slot));
        assert!(core.drain.writes - before >= 2 * OPERATIONS, "the upgrade and the replies");
    })
}

/// Connects and subscribes a client; returns the replies.
fn join(core: &mut LoneCore, slot: Slot, channel: &str) -> Vec<u8> {
    let answer = core.ask(slot, &upgrade());
    assert!(answer.starts_with(b"HTTP/1.1 101"), "upgraded");
    core.ask(slot, &commands(channel))
}

/// `connect` and `subscribe` in one message.
fn commands(channel: &str) -> Vec<u8> {
    let (connect, subscribe) = (r#"{"id":1,"connect":{}}"#, r#"{"id":2,"subscribe":{"channel":"#);
    masked(&format!("{connect}\n{subscribe}\"{channel}\"}}}}"))
}

fn masked(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked(Opcode::Text, text.as_bytes(), [0x37, 0xfa, 0x21, 0x3d], &mut frame);
    frame
}

fn upgrade() -> Vec<u8> {
    b"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec()
}
