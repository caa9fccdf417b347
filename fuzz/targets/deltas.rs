//! Fossil deltas. A patch that is made can be applied and gives the target; it is smaller; between two texts it is a text.

use super::script::Script;
use corecast::proto::client::Publication;
use corecast::protocol::command::Protocol;
use corecast::protocol::delta::{patch, shape};
use corecast::protocol::payload::is_json;

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (base, target) = if script.flag() { edited(&mut script) } else { two(&mut script) };
    check(&base, &target);
    check(&target, &base);
    check(&base, &[&base[..], &target, &base].concat());
}

fn two(script: &mut Script<'_>) -> (Vec<u8>, Vec<u8>) {
    let repeats = 1 + script.below(4);
    let base = script.until(0xff).repeat(repeats);
    (base, script.rest().to_vec())
}

/// A target that is made of pieces of the base and of others.
fn edited(script: &mut Script<'_>) -> (Vec<u8>, Vec<u8>) {
    let base = script.until(0xff).to_vec();
    let mut target = Vec::new();
    while !script.is_over() {
        let (at, count) = (script.below(base.len() + 1), script.below(80));
        target.extend_from_slice(&base[at..(at + count).min(base.len())]);
        let count = script.below(5);
        target.extend_from_slice(script.bytes(count));
    }
    (base, target)
}

fn check(base: &[u8], target: &[u8]) {
    let made = patch(base, target);
    if let Some(made) = &made {
        assert!(made.len() < target.len());
        assert_eq!(apply(base, made).as_deref(), Some(target));
        let are_texts = std::str::from_utf8(base).is_ok() && std::str::from_utf8(target).is_ok();
        assert!(!are_texts || std::str::from_utf8(made).is_ok(), "{}", String::from_utf8_lossy(made));
    }
    for protocol in Protocol::ALL {
        if protocol == Protocol::Json && !is_json(target, &mut Vec::new()) {
            continue;
        }
        let mut publication = Publication { data: target.to_vec().into(), ..Publication::default() };
        shape(protocol, &mut publication, made.as_deref());
        let got = match protocol {
            Protocol::Protobuf => publication.data.to_vec(),
            Protocol::Json => serde_json::from_slice::<String>(&publication.data).expect("a string").into_bytes(),
        };
        let whole = if publication.delta { apply(base, &got) } else { Some(got) };
        assert_eq!(whole.as_deref(), Some(target), "{protocol:?}");
    }
}

/// A reader of patches (client-protocol 4.7): `length⏎`, pieces, `checksum;`.
fn apply(base: &[u8], patch: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Script::new(patch);
    let (length, b'\n') = number(&mut rest) else { return None };
    let mut target = Vec::new();
    loop {
        match number(&mut rest) {
            (count, b'@') => {
                let (from, b',') = number(&mut rest) else { return None };
                target.extend_from_slice(base.get(from..from.checked_add(count)?)?);
            }
            (count, b':') => {
                let piece = rest.bytes(count);
                target.extend_from_slice((piece.len() == count).then_some(piece)?);
            }
            (sum, b';') => {
                let is_whole = rest.is_over() && target.len() == length && sum == checksum(&target) as usize;
                return is_whole.then_some(target);
            }
            _ => return None,
        }
    }
}

fn number(rest: &mut Script<'_>) -> (usize, u8) {
    let mut n = 0usize;
    loop {
        let byte = rest.byte();
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'_' => 36,
            b'a'..=b'z' => byte - b'a' + 37,
            b'~' => 63,
            other => return (n, other),
        };
        n = n << 6 | usize::from(digit);
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let shift = |at: usize| 24 - 8 * (at % 4);
    bytes.iter().enumerate().fold(0u32, |sum, (at, byte)| sum.wrapping_add(u32::from(*byte) << shift(at)))
}
