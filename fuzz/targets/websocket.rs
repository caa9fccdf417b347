//! WebSocket frames, plain and compressed, from both sides. Where the input is cut changes nothing; a second, naive reader
//! of RFC 6455 reads the same messages; a message keeps to its limit and a text is UTF-8; what is written again is read again.

use super::script::{Script, pieces};
use corecast::wire::websocket::{
    Decoder, Event, Opcode, Role, encode, encode_close, encode_deflated, encode_deflated_masked, encode_masked,
};

#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    Message(Opcode, Vec<u8>),
    Deflated(Opcode, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// How a stream is read.
#[derive(Clone, Copy)]
struct Reading {
    role: Role,
    has_deflate: bool,
    limit: usize,
}

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (cut, bits) = (script.byte(), script.byte());
    let reading = Reading {
        role: if bits & 1 == 0 { Role::Server } else { Role::Client },
        has_deflate: bits & 2 != 0,
        limit: [1 << 16, 200, 20, 0][usize::from(bits >> 2 & 3)],
    };
    let stream = script.rest();
    let whole = events(&[stream], reading);
    assert_eq!(events(&pieces(stream, cut), reading), whole, "cut by {cut}");
    let (expected, is_good) = naive(stream, reading);
    assert_eq!(whole.0, expected);
    assert_eq!(whole.1.is_none(), is_good, "{:?}", whole.1);
    let again: Vec<u8> = whole.0.iter().flat_map(|event| written(event, reading.role)).collect();
    assert_eq!(events(&[&again], reading), (expected, None));
}

/// All events of a stream, and the code that ends it.
fn events(pieces: &[&[u8]], reading: Reading) -> (Vec<Seen>, Option<u16>) {
    let mut decoder = Decoder::new(reading.role).with_deflate(reading.has_deflate);
    let (mut input, mut all) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let step = match decoder.decode(&mut input, reading.limit) {
                Ok(step) => step,
                Err(violation) => {
                    assert!(matches!(violation.code, 1002 | 1007 | 1009));
                    return (all, Some(violation.code));
                }
            };
            all.extend(step.event.map(|event| seen(event, reading.limit)));
            match step.consumed {
                0 => break,
                used => drop(input.drain(..used)),
            }
        }
        // A frame is kept until it is whole, and a frame that passes the limit is refused on its header.
        assert!(input.len() <= reading.limit.max(125) + 14);
    }
    (all, None)
}

fn seen(event: Event<'_>, limit: usize) -> Seen {
    match event {
        Event::Message { opcode, payload } => {
            assert!(payload.len() <= limit && (opcode != Opcode::Text || std::str::from_utf8(payload).is_ok()));
            Seen::Message(opcode, payload.to_vec())
        }
        Event::Deflated { opcode, payload } => {
            assert!(payload.len() <= limit);
            Seen::Deflated(opcode, payload.to_vec())
        }
        Event::Ping(payload) => Seen::Ping(payload.to_vec()),
        Event::Pong(payload) => Seen::Pong(payload.to_vec()),
        Event::Close { code, reason } => Seen::Close(code, reason.to_string()),
    }
}

fn written(event: &Seen, role: Role) -> Vec<u8> {
    let (mut out, mut close) = (Vec::new(), Vec::new());
    let (opcode, payload) = match event {
        Seen::Message(opcode, payload) => (*opcode, payload),
        Seen::Deflated(opcode, payload) => {
            match role {
                Role::Server => encode_deflated_masked(*opcode, payload, [1, 2, 3, 4], &mut out),
                Role::Client => encode_deflated(*opcode, payload, &mut out),
            }
            return out;
        }
        Seen::Ping(payload) => (Opcode::Ping, payload),
        Seen::Pong(payload) => (Opcode::Pong, payload),
        Seen::Close(None, _) => (Opcode::Close, &close),
        Seen::Close(Some(code), reason) => {
            assert!(encode_close(*code, reason, &mut close));
            close.drain(..2);
            (Opcode::Close, &close)
        }
    };
    match role {
        Role::Server => encode_masked(opcode, payload, [0xff, 0, 7, 0x80], &mut out),
        Role::Client => encode(opcode, payload, &mut out),
    }
    out
}

/// One frame, as far as it is there.
struct Frame {
    first: u8,
    payload: Vec<u8>,
    used: usize,
}

/// What is known of the frame at the beginning.
enum Look {
    Frame(Frame),
    More,
    Bad,
}

/// All events as RFC 6455 and 7692 say, one frame after the other; false when one breaks them.
fn naive(stream: &[u8], reading: Reading) -> (Vec<Seen>, bool) {
    let (mut all, mut rest) = (Vec::new(), stream);
    let mut open: Option<(Opcode, bool, Vec<u8>)> = None;
    loop {
        let room = reading.limit - open.as_ref().map_or(0, |open| open.2.len());
        let frame = match look(rest, reading, open.is_some(), room) {
            Look::Frame(frame) => frame,
            Look::More => return (all, true),
            Look::Bad => return (all, false),
        };
        rest = &rest[frame.used..];
        let (is_final, payload) = (frame.first & 0x80 != 0, frame.payload);
        match frame.first & 15 {
            9 => all.push(Seen::Ping(payload)),
            10 => all.push(Seen::Pong(payload)),
            8 => match close(&payload) {
                Some(close) => all.push(close),
                None => return (all, false),
            },
            opcode => {
                let kind = if opcode == 1 { Opcode::Text } else { Opcode::Binary };
                let message = open.get_or_insert((kind, frame.first & 0x40 != 0, Vec::new()));
                message.2.extend_from_slice(&payload);
                if message.0 == Opcode::Text && !message.1 && !is_text(&message.2, is_final) {
                    return (all, false);
                }
                if is_final {
                    all.extend(open.take().map(|(kind, is_deflated, payload)| match is_deflated {
                        true => Seen::Deflated(kind, payload),
                        false => Seen::Message(kind, payload),
                    }));
                }
            }
        }
    }
}

/// True when it is UTF-8, or can become that.
fn is_text(text: &[u8], is_final: bool) -> bool {
    match std::str::from_utf8(text) {
        Ok(_) => true,
        Err(error) => !is_final && error.error_len().is_none(),
    }
}

fn look(input: &[u8], reading: Reading, is_open: bool, room: usize) -> Look {
    let [first, second, rest @ ..] = input else { return Look::More };
    let (opcode, is_masked) = (first & 15, second & 0x80 != 0);
    let is_control = opcode >= 8;
    let may_be_deflated = reading.has_deflate && matches!(opcode, 1 | 2);
    let is_good = matches!(opcode, 0..=2 | 8..=10)
        && first & 0x30 == 0
        && (first & 0x40 == 0 || may_be_deflated)
        && is_masked == (reading.role == Role::Server)
        && (is_control || (opcode == 0) == is_open)
        && (!is_control || (first & 0x80 != 0 && second & 127 < 126));
    if !is_good {
        return Look::Bad;
    }
    let wide = match second & 127 {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(number) = rest.get(..wide) else { return Look::More };
    let length = match wide {
        0 => u64::from(second & 127),
        _ => number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let is_shortest = match wide {
        2 => length > 125,
        8 => length > 0xffff && length >> 63 == 0,
        _ => true,
    };
    if !is_shortest || (!is_control && length > room as u64) {
        return Look::Bad;
    }
    let (mask_bytes, length) = (if is_masked { 4 } else { 0 }, length as usize);
    let Some(frame) = rest.get(wide..wide + mask_bytes + length) else { return Look::More };
    let (mask, payload) = frame.split_at(mask_bytes);
    let unmasked = |(at, byte): (usize, &u8)| byte ^ mask.get(at % 4).copied().unwrap_or(0);
    let payload = payload.iter().enumerate().map(unmasked).collect();
    Look::Frame(Frame { first: *first, payload, used: 2 + wide + mask_bytes + length })
}

fn close(payload: &[u8]) -> Option<Seen> {
    match payload {
        [] => Some(Seen::Close(None, String::new())),
        [_] => None,
        [high, low, reason @ ..] => {
            let code = u16::from(*high) << 8 | u16::from(*low);
            let is_good =
                (1000..5000).contains(&code) && !(1015..3000).contains(&code) && !(1004..=1006).contains(&code);
            let reason = String::from_utf8(reason.to_vec()).ok()?;
            is_good.then_some(Seen::Close(Some(code), reason))
        }
    }
}
