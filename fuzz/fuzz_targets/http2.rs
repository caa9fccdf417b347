//! Arbitrary bytes on the GRPC port, alone and after a good preface, never panic.
#![no_main]

use corecast::channel::Rules;
use corecast::clock::Mono;
use corecast::config::settings::Settings;
use corecast::http2::{Answer, Event, Http2, Options};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let rules = Rules::new(&Default::default(), &Default::default()).expect("defaults");
    let options = Options { reflection: true, ..Options::new(&Settings::default().grpc_api) };
    let mut server = Http2::new(Arc::new(options), Mono(0));
    if bytes.first().is_some_and(|first| first & 1 == 0) {
        server.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", Mono(0));
    }
    for piece in bytes.chunks(100) {
        server.receive(piece, Mono(0));
        while let Some(event) = server.poll_event() {
            if let Event::Call { stream, call } = event {
                let answer = call.decode(&rules).map_or_else(|answer| answer, |_| Answer::Message(Vec::new()));
                server.answer(stream, answer, Mono(0));
            }
        }
        server.take_output();
    }
    assert!(!server.has_panicked());
});
