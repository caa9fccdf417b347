//! Arbitrary frames never panic, and a text that is handed out is UTF-8.
#![no_main]

use corecast::wire::websocket::{Decoder, Event, Opcode, Role};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    for role in [Role::Server, Role::Client] {
        let (mut decoder, mut input) = (Decoder::new(role), stream.to_vec());
        while let Ok(step) = decoder.decode(&mut input, 1 << 16) {
            if let Some(Event::Message { opcode: Opcode::Text, payload }) = step.event {
                assert!(std::str::from_utf8(payload).is_ok());
            }
            match step.consumed {
                0 => break,
                used => drop(input.drain(..used)),
            }
        }
    }
});
