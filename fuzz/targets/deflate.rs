//! permessage-deflate. Nothing is longer than its limit and a text is UTF-8; what came before never changes what is read;
//! what is compressed, at any level, whole or in pieces, a second reader inflates to the same.

use super::script::Script;
use corecast::wire::deflate::{Deflater, Inflater, Uninflatable, finish, store};
use corecast::wire::websocket::Opcode;
use flate2::{Decompress, FlushDecompress};
use std::cell::RefCell;

const LIMIT: usize = 1 << 14;

thread_local! {
    /// One for all inputs, as a core has one for all connections: whatever broke it before, it must read on.
    static USED: RefCell<Inflater> = RefCell::default();
}

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    match script.below(3) {
        0 => inflate_anything(script.flag(), script.rest()),
        1 => {
            let level = i64::from(script.byte() % 12) - 2;
            compress(level, script.rest());
        }
        _ => splice(&mut script),
    }
}

fn inflated(inflater: &mut Inflater, opcode: Opcode, deflated: &[u8], limit: usize) -> Result<Vec<u8>, Uninflatable> {
    let mut out = Vec::new();
    let result = inflater.inflate(opcode, deflated, limit, &mut out);
    assert!(out.capacity() <= limit + 1025, "{} bytes of room for {limit}", out.capacity());
    result.map(|()| out)
}

fn inflate_anything(is_text: bool, deflated: &[u8]) {
    let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
    let result = inflated(&mut Inflater::default(), opcode, deflated, LIMIT);
    let again = USED.with_borrow_mut(|used| inflated(used, opcode, deflated, LIMIT));
    assert_eq!(again, result, "what came before plays no part");
    let Ok(message) = result else { return };
    assert!(message.len() <= LIMIT && (!is_text || std::str::from_utf8(&message).is_ok()));
    let exactly = inflated(&mut Inflater::default(), opcode, deflated, message.len());
    assert_eq!(exactly.as_ref(), Ok(&message), "the limit itself is allowed");
    if let Some(less) = message.len().checked_sub(1) {
        assert!(inflated(&mut Inflater::default(), opcode, deflated, less).is_err(), "one more is not");
    }
    compress(1, &message);
}

fn compress(level: i64, message: &[u8]) {
    let mut deflated = Vec::new();
    let mut deflater = Deflater::new(level);
    for _ in 0..2 {
        assert!(deflater.deflate(message, &mut deflated));
        assert_eq!(second_reader(&deflated, message.len()), message);
    }
    let again = USED.with_borrow_mut(|used| inflated(used, Opcode::Binary, &deflated, message.len()));
    assert_eq!(again.as_deref(), Ok(message));
}

/// Pieces that were compressed for themselves, and others that were not, in one message.
fn splice(script: &mut Script<'_>) {
    let (mut deflater, mut piece) = (Deflater::new(i64::from(script.byte() % 12) - 2), Vec::new());
    let (mut message, mut deflated) = (Vec::new(), Vec::new());
    while !script.is_over() {
        let (is_stored, count) = (script.flag(), script.below(40));
        let repeated = script.bytes(count).repeat(1 + script.below(3));
        message.extend_from_slice(&repeated);
        if is_stored {
            store(&repeated, &mut deflated);
        } else {
            assert!(deflater.deflate_piece(&repeated, &mut piece));
            deflated.extend_from_slice(&piece);
        }
    }
    finish(&mut deflated);
    assert_eq!(second_reader(&deflated, message.len()), message);
    let again = USED.with_borrow_mut(|used| inflated(used, Opcode::Binary, &deflated, message.len()));
    assert_eq!(again.as_deref(), Ok(&message[..]));
}

/// flate2 alone, as RFC 7692 7.2.2 describes it.
fn second_reader(deflated: &[u8], expected_bytes: usize) -> Vec<u8> {
    let input = [deflated, &[0, 0, 0xff, 0xff]].concat();
    let mut out = Vec::with_capacity(expected_bytes + 64);
    let mut state = Decompress::new(false);
    state.decompress_vec(&input, &mut out, FlushDecompress::Sync).expect("DEFLATE");
    assert_eq!(state.total_in() as usize, input.len(), "all of it");
    out
}
