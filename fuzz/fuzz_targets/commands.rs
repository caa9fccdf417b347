//! Arbitrary messages of clients never panic.
#![no_main]

use corecast::protocol::command::{Commands, Kind, Protocol};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    for protocol in [Protocol::Json, Protocol::Protobuf] {
        Commands::new(protocol, message).map_while(Result::ok).for_each(|command| drop(Kind::of(command)));
    }
});
