//! Arbitrary frames with compression agreed to: nothing panics, no message is longer than its limit, a text is UTF-8, and
//! what came survives another round.
#![no_main]

use corecast::wire::deflate::{Deflater, Inflater};
use corecast::wire::websocket::{Decoder, Event, Opcode, Role};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 16;

fuzz_target!(|stream: &[u8]| {
    let (mut decoder, mut input) = (Decoder::new(Role::Server).with_deflate(true), stream.to_vec());
    let (mut inflater, mut message, mut again) = (Inflater::default(), Vec::new(), Vec::new());
    while let Ok(step) = decoder.decode(&mut input, LIMIT) {
        if let Some(Event::Deflated { opcode, payload }) = step.event
            && inflater.inflate(opcode, payload, LIMIT, &mut message).is_ok()
        {
            assert!(message.len() <= LIMIT);
            assert!(opcode != Opcode::Text || std::str::from_utf8(&message).is_ok());
            let mut deflated = Vec::new();
            assert!(Deflater::new(1).deflate(&message, &mut deflated));
            assert!(inflater.inflate(opcode, &deflated, LIMIT, &mut again).is_ok() && again == message);
        }
        match step.consumed {
            0 => break,
            used => drop(input.drain(..used)),
        }
    }
});
