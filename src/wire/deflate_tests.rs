use super::super::websocket::{Decoder, Event, Role, encode_deflated, encode_deflated_masked, encode_masked};
use super::*;
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn deflated(level: i64, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Deflater::new(level).deflate(message, &mut out));
    out
}

fn inflated(deflated: &[u8], bytes_max: usize) -> Result<Vec<u8>, Uninflatable> {
    let mut out = Vec::new();
    Inflater::default().inflate(Opcode::Binary, deflated, bytes_max, &mut out).map(|()| out)
}

/// All messages of a stream, inflated.
fn messages(stream: &[u8]) -> Result<Vec<Vec<u8>>, Violation> {
    let (mut decoder, mut input) = (Decoder::new(Role::Server).with_deflate(true), stream.to_vec());
    let (mut inflater, mut seen) = (Inflater::default(), Vec::new());
    loop {
        let step = decoder.decode(&mut input, 1 << 20)?;
        match step.event {
            Some(Event::Message { payload, .. }) => seen.push(payload.to_vec()),
            Some(Event::Deflated { opcode, payload }) => {
                let mut out = Vec::new();
                match inflater.inflate(opcode, payload, 1 << 20, &mut out) {
                    Ok(()) => seen.push(out),
                    Err(Uninflatable::Violation(violation)) => return Err(violation),
                    Err(Uninflatable::Broken) => panic!("{payload:?}"),
                }
            }
            _ => {}
        }
        match step.consumed {
            0 => return Ok(seen),
            used => drop(input.drain(..used)),
        }
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked(Opcode::Text, payload, KEY, &mut frame);
    frame[0] = first;
    frame
}

#[test]
fn the_examples_of_the_rfc_are_understood() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflated(&hello, 5), Ok(b"Hello".to_vec()));
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(inflated(&stored, 5), Ok(b"Hello".to_vec()));
    let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(inflated(&last_block, 5), Ok(b"Hello".to_vec()));
    let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflated(&two_blocks, 5), Ok(b"Hello".to_vec()));
    assert_eq!(inflated(&[0], 5), Ok(Vec::new()));
    assert_eq!(deflated(1, b"Hello"), hello);
    let fragments = [frame(0x41, &[0xf2, 0x48, 0xcd]), frame(0x80, &[0xc9, 0xc9, 0x07, 0x00])].concat();
    assert_eq!(messages(&fragments), Ok(vec![b"Hello".to_vec()]));
}

#[test]
fn a_stream_that_ends_within_the_message_may_be_followed_by_another() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflated(&last, 5), Ok(b"Hello".to_vec()), "without the byte that makes room for a flush");
    assert_eq!(inflated(&[&last[..], &last, &[0]].concat(), 10), Ok(b"HelloHello".to_vec()));
    assert_eq!(inflated(&[&last[..], &last, &[0]].concat(), 9), Err(TOO_BIG), "the limit counts all of it");
}

#[test]
fn what_is_not_whole_is_broken() {
    let message = br#"{"id":1,"publish":{"channel":"news","data":{"text":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}}"#;
    let whole = deflated(6, message);
    for end in 0..whole.len() {
        assert_ne!(inflated(&whole[..end], 1 << 16), Ok(message.to_vec()), "cut at {end}");
    }
    for broken in [&[][..], &[0x07], &[0xff; 20], &[0xf2, 0x48, 0xcd], &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48]] {
        assert_eq!(inflated(broken, 1 << 16), Err(Uninflatable::Broken), "{broken:?}");
    }
}

#[test]
fn a_bomb_is_given_up_at_the_limit() {
    let bomb = deflated(9, &vec![0; 16 << 20]);
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let (mut inflater, mut out) = (Inflater::default(), Vec::new());
    let result = inflater.inflate(Opcode::Binary, &bomb, 100_000, &mut out);
    assert_eq!(result, Err(TOO_BIG));
    assert!(out.capacity() <= 100_001, "{}", out.capacity());
    let violation = Violation { code: 1009, reason: "message too big after decompression" };
    assert_eq!(result, Err(Uninflatable::Violation(violation)));
    assert_eq!(inflater.inflate(Opcode::Text, &deflated(1, b"next"), 4, &mut out), Ok(()), "it goes on");
    assert_eq!(out, b"next");
}

#[test]
fn the_limit_is_the_longest_message() {
    for length in [1, 1023, 1024, 1025, 5000] {
        let message = vec![b'x'; length];
        let deflated = deflated(1, &message);
        assert_eq!(inflated(&deflated, length), Ok(message));
        assert_eq!(inflated(&deflated, length - 1), Err(TOO_BIG), "{length}");
    }
}

#[test]
fn a_text_is_looked_at_when_it_is_inflated() {
    let mut out = Vec::new();
    let result = Inflater::default().inflate(Opcode::Text, &deflated(1, &[0xff]), 10, &mut out);
    assert_eq!(result, Err(Uninflatable::Violation(Violation { code: 1007, reason: "invalid UTF-8" })));
    let bytes = [0x41, 0xc3]; // No UTF-8, and not what is judged.
    let stream = [frame(0x41, &bytes), frame(0x80, &[0xbc])].concat();
    let mut decoder = Decoder::new(Role::Server).with_deflate(true);
    let mut input = stream.clone();
    let used = decoder.decode(&mut input, 100).expect("a fragment").consumed;
    input.drain(..used);
    let step = decoder.decode(&mut input, 100).expect("the last one");
    assert_eq!(step.event, Some(Event::Deflated { opcode: Opcode::Text, payload: &[0x41, 0xc3, 0xbc] }));
}

#[test]
fn only_the_first_frame_of_a_message_is_marked_and_only_when_that_was_agreed_on() {
    let rows: &[(&str, Vec<u8>)] = &[
        ("a continuation", [frame(0x41, b"x"), frame(0xc0, b"y")].concat()),
        ("a continuation of a plain message", [frame(0x01, b"x"), frame(0xc0, b"y")].concat()),
        ("a ping", frame(0xc9, b"x")),
        ("a pong", frame(0xca, b"x")),
        ("a close frame", frame(0xc8, &[3, 232])),
        ("the second bit", frame(0xe1, b"x")),
        ("the third bit", frame(0xd1, b"x")),
    ];
    for (what, stream) in rows {
        assert_eq!(messages(stream).map_err(|v| v.code), Err(1002), "{what}");
    }
    let mut plain = Decoder::new(Role::Server);
    assert_eq!(plain.decode(&mut frame(0xc1, &[0xca, 0]), 100).map_err(|v| v.code), Err(1002), "not agreed on");
    let both = [frame(0x81, b"plain"), frame(0xc1, &deflated(1, b"small"))].concat();
    assert_eq!(messages(&both), Ok(vec![b"plain".to_vec(), b"small".to_vec()]), "each message for itself");
    let control = [frame(0x41, &[0xf2, 0x48, 0xcd]), frame(0x89, b"p"), frame(0x80, &[0xc9, 0xc9, 0x07, 0x00])];
    assert_eq!(messages(&control.concat()), Ok(vec![b"Hello".to_vec()]), "a ping between fragments");
}

#[test]
fn no_distance_is_longer_than_the_window() {
    // The second half repeats the first: with a larger window it would nearly vanish.
    let mut seed = 1_u32;
    let mut half = vec![0_u8; 6000];
    half.iter_mut().for_each(|byte| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (seed >> 24) as u8;
    });
    let message = [&half[..], &half].concat();
    for level in [-2, -1, 1, 6, 9] {
        let small = deflated(level, &message);
        let mut window = Decompress::new_with_window_bits(false, WINDOW_BITS);
        let mut out = vec![0; message.len()];
        let mut at = 0;
        // By pieces, so that only the window knows what came before.
        for piece in out.chunks_mut(512) {
            let before = window.total_in();
            window.decompress(&small[at..], piece, FlushDecompress::None).expect("within the window");
            at += (window.total_in() - before) as usize;
        }
        assert_eq!(out, message, "level {level}");
    }
}

#[test]
fn levels_are_those_of_go() {
    let text = "some words, and some other words, and some words again. ".repeat(40);
    let length = |level| deflated(level, text.as_bytes()).len();
    assert!(length(0) > text.len(), "stored");
    assert!(length(9) <= length(1) && length(1) < text.len());
    assert_eq!((length(-1), length(-2)), (length(6), length(1)));
}

proptest! {
    #[test]
    fn any_message_survives_at_any_level(message in prop::collection::vec(any::<u8>(), 0..40_000), level in -2_i64..=9) {
        prop_assert_eq!(inflated(&deflated(level, &message), message.len()), Ok(message));
    }

    #[test]
    fn any_fragmentation_survives(
        words in prop::collection::vec("[a-z\u{e4}\u{20ac}]{1,8}", 0..300),
        cuts in prop::collection::vec(0_usize..400, 0..6),
        plain: bool,
    ) {
        let text = words.concat();
        let payload = if plain { text.clone().into_bytes() } else { deflated(1, text.as_bytes()) };
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < payload.len()).collect();
        cuts.sort_unstable();
        let ends: Vec<usize> = cuts.into_iter().chain([payload.len()]).collect();
        let (mut stream, mut start) = (Vec::new(), 0);
        for (i, end) in ends.iter().copied().enumerate() {
            let marks = if i == 0 && !plain { 0x41 } else { u8::from(i == 0) };
            stream.extend(frame(marks | if i + 1 == ends.len() { 0x80 } else { 0 }, &payload[start..end]));
            start = end;
        }
        prop_assert_eq!(messages(&stream), Ok(vec![text.into_bytes()]));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_keep_to_the_limit(bytes in prop::collection::vec(any::<u8>(), 0..300), limit in 0_usize..3000) {
        if let Ok(message) = inflated(&bytes, limit) {
            prop_assert!(message.len() <= limit);
        }
    }
}

#[test]
fn frames_of_both_directions_carry_the_mark() {
    let payload = deflated(1, b"Hello");
    let (mut plain, mut masked) = (Vec::new(), Vec::new());
    encode_deflated(Opcode::Text, &payload, &mut plain);
    assert_eq!(plain[..2], [0xc1, payload.len() as u8]);
    encode_deflated_masked(Opcode::Binary, &payload, KEY, &mut masked);
    assert_eq!((masked[0], messages(&masked)), (0xc2, Ok(vec![b"Hello".to_vec()])));
}

#[test]
fn stored_and_compressed_pieces_make_one_message() {
    let (long, text) = (vec![b'x'; 70_000], b"{\"the\":\"same\",\"text\":\"the same text\"}".repeat(5));
    let mut deflater = Deflater::new(1);
    let (mut piece, mut message) = (Vec::new(), Vec::new());
    assert!(deflater.deflate_piece(&text, &mut piece) && piece.len() < text.len() / 2);
    store(&long, &mut message);
    message.extend_from_slice(&piece);
    message.extend_from_slice(&piece);
    store(b"}", &mut message);
    finish(&mut message);
    let mut out = Vec::new();
    Inflater::default().inflate(Opcode::Text, &message, 1 << 20, &mut out).expect("a message");
    assert!(out == [&long[..], &text, &text, b"}"].concat());
}
