//! HTTP/2 of the GRPC port, alone and after a good preface: nothing panics, also not within h2; output has its bound; a call
//! is told of once and answered at most once; what is called can be planned.

use super::script::Script;
use corecast::channel::Rules;
use corecast::clock::Mono;
use corecast::config::settings::Settings;
use corecast::http2::{Answer, Event, Http2, Options};
use corecast::limits;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::new(&Default::default(), &Default::default()).expect("defaults"));
static OPTIONS: LazyLock<Arc<Options>> = LazyLock::new(|| {
    let options = Options::new(&Settings::default().grpc_api);
    Arc::new(Options { reflection: true, message_bytes_max: 4096, ..options })
});

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (has_preface, piece, slow) = (script.flag(), 1 + script.below(200), script.flag());
    let mut server = Http2::new(OPTIONS.clone(), Mono(0));
    let (mut now, mut calls, mut waiting) = (Mono(0), BTreeSet::new(), Vec::new());
    if has_preface {
        server.receive(PREFACE, now);
    }
    while !script.is_over() {
        server.receive(script.bytes(piece), now);
        turn(&mut server, &mut calls, &mut waiting, now);
        if slow {
            now.0 += 3_000_000_000;
            server.expire(now);
        } else {
            answer(&mut server, &mut waiting, now);
        }
    }
    turn(&mut server, &mut calls, &mut waiting, now);
    answer(&mut server, &mut waiting, now);
    server.shutdown(now);
    server.receive_end(now);
    turn(&mut server, &mut calls, &mut waiting, now);
    assert!(server.is_done() && !server.has_panicked());
}

type Waiting = Vec<(corecast::http2::StreamKey, Answer)>;

fn turn(server: &mut Http2, calls: &mut BTreeSet<corecast::http2::StreamKey>, waiting: &mut Waiting, now: Mono) {
    while let Some(event) = server.poll_event() {
        match event {
            Event::Call { stream, call } => {
                assert!(calls.insert(stream), "a stream is one call");
                assert!(call.message.len() <= 4096);
                let answer = call.decode(&RULES).map_or_else(|answer| answer, |_| Answer::Message(vec![0; 50]));
                waiting.push((stream, answer));
            }
            Event::Cancelled { stream } => {
                assert!(calls.contains(&stream));
                waiting.retain(|(other, _)| *other != stream);
            }
        }
    }
    // One frame may be begun below the bound.
    assert!(server.take_output().len() <= limits::HTTP2_OUTPUT_BYTES_MAX + (64 << 10));
    assert!(server.in_flight() <= limits::HTTP2_STREAMS_MAX as usize && server.deadline() >= now);
}

fn answer(server: &mut Http2, waiting: &mut Waiting, now: Mono) {
    for (stream, answer) in waiting.drain(..) {
        server.answer(stream, answer, now);
    }
}
