use super::*;
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Everything in `stream`, fed in pieces that end at `cuts`; stops at a violation.
fn events(role: Role, stream: &[u8], cuts: &[usize], limit: usize) -> Result<Vec<String>, Violation> {
    let (mut decoder, mut input, mut seen, mut fed) = (Decoder::new(role), Vec::new(), Vec::new(), 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let cut = cut.clamp(fed, stream.len());
        input.extend_from_slice(&stream[fed..cut]);
        fed = cut;
        loop {
            let step = decoder.decode(&mut input, limit)?;
            seen.extend(step.event.map(|event| format!("{event:?}")));
            match step.consumed {
                0 => break,
                used => drop(input.drain(..used)),
            }
        }
    }
    Ok(seen)
}

fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked(Opcode::Text, payload, KEY, &mut frame);
    frame[0] = first;
    frame
}

fn one(role: Role, stream: &[u8]) -> Result<Vec<String>, Violation> {
    events(role, stream, &[], 1 << 16)
}

#[test]
fn the_examples_of_the_rfc_are_understood() {
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(
        one(Role::Server, &masked),
        Ok(vec![r#"Message { opcode: Text, payload: [72, 101, 108, 108, 111] }"#.into()])
    );
    let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(
        one(Role::Client, &fragments),
        Ok(vec![r#"Message { opcode: Text, payload: [72, 101, 108, 108, 111] }"#.into()])
    );
    let mut own = Vec::new();
    encode_masked(Opcode::Text, b"Hello", KEY, &mut own);
    assert_eq!(own, masked);
    let mut plain = Vec::new();
    encode(Opcode::Text, b"Hello", &mut plain);
    assert_eq!(plain, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(one(Role::Server, &pong), Ok(vec!["Pong([72, 101, 108, 108, 111])".into()]));
}

#[test]
fn the_length_takes_the_fewest_bytes() {
    let rows: &[(usize, &[u8])] = &[
        (0, &[0x82, 0]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xff, 0xff]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ];
    for (bytes, header) in rows {
        let mut out = Vec::new();
        encode_header(Opcode::Binary, *bytes, &mut out);
        assert_eq!(out, *header, "{bytes}");
    }
}

#[test]
fn a_ping_between_fragments_is_delivered_first() {
    let mut stream = client_frame(0x01, b"ab");
    stream.extend(client_frame(0x89, b"p"));
    stream.extend(client_frame(0x80, b"cd"));
    let seen = one(Role::Server, &stream).expect("legal");
    assert_eq!(seen, ["Ping([112])", "Message { opcode: Text, payload: [97, 98, 99, 100] }"]);
}

#[test]
fn every_violation_has_its_code() {
    let rows: &[(u16, Vec<u8>)] = &[
        (1002, vec![0x81, 0x05, 1, 2, 3, 4, 5]), // unmasked
        (1002, client_frame(0xc1, b"x")),        // RSV1
        (1002, client_frame(0xa1, b"x")),        // RSV2
        (1002, client_frame(0x91, b"x")),        // RSV3
        (1002, client_frame(0xc9, b"x")),        // RSV1 on a ping
        (1002, client_frame(0x83, b"x")),        // unknown data opcode
        (1002, client_frame(0x8b, b"x")),        // unknown control opcode
        (1002, client_frame(0x09, b"x")),        // fragmented ping
        (1002, client_frame(0x89, &[0; 126])),   // long ping
        (1002, client_frame(0x80, b"x")),        // continuation of nothing
        (1002, [client_frame(0x01, b"a"), client_frame(0x81, b"b")].concat()),
        (1002, client_frame(0x88, &[3])),                // close of one byte
        (1007, client_frame(0x88, &[0x03, 0xe8, 0xff])), // reason is no UTF-8
        (1007, client_frame(0x81, &[0xff])),
        (1007, client_frame(0x81, &[0xe2, 0x82])),              // cut character
        (1002, vec![0x81, 0xfe, 0, 125, 0, 0, 0, 0]),           // length not minimal
        (1002, vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), // length not minimal
        (1002, vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]),    // top bit of the length
        (1009, vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1]),       // announced above the limit
    ];
    for (code, stream) in rows {
        assert_eq!(one(Role::Server, stream).map_err(|v| v.code), Err(*code), "{stream:?}");
    }
    assert_eq!(one(Role::Client, &client_frame(0x81, b"x")).map_err(|v| v.code), Err(1002), "a masked server");
}

#[test]
fn the_message_limit_counts_all_fragments() {
    assert_eq!(events(Role::Server, &client_frame(0x82, &[0; 10]), &[], 10).map(|e| e.len()), Ok(1));
    assert_eq!(events(Role::Server, &client_frame(0x82, &[0; 11]), &[], 10), Err(TOO_BIG));
    let fragments = |last: &[u8]| [client_frame(0x02, &[0; 6]), client_frame(0x89, &[1; 125]), last.to_vec()].concat();
    let seen = events(Role::Server, &fragments(&client_frame(0x80, &[0; 4])), &[], 10);
    assert_eq!(seen.map(|e| e.len()), Ok(2), "a control frame does not count");
    let header_alone = [0x80, 0x85];
    assert_eq!(events(Role::Server, &fragments(&header_alone), &[], 10), Err(TOO_BIG), "its bytes are not awaited");
    let next = [client_frame(0x02, &[0; 6]), client_frame(0x80, &[0; 4]), client_frame(0x82, &[0; 10])].concat();
    assert_eq!(events(Role::Server, &next, &[], 10).map(|e| e.len()), Ok(2), "each message has the whole limit");
    assert_eq!(TOO_BIG, Violation { code: 1009, reason: "" });
}

#[test]
fn a_text_that_cannot_become_valid_is_refused_at_its_fragment() {
    let stream = [client_frame(0x01, b"ok"), client_frame(0x00, &[0xc3]), client_frame(0x00, &[0x28])].concat();
    assert_eq!(one(Role::Server, &stream), Err(NOT_UTF8));
    let stream = [client_frame(0x01, &[0xe2]), client_frame(0x00, &[0x82]), client_frame(0x80, &[0xac])].concat();
    assert_eq!(one(Role::Server, &stream).map(|e| e.len()), Ok(1), "a character over three fragments");
}

/// How many bytes of the stream it takes, one by one, until it is refused.
fn refused_after(stream: &[u8]) -> Option<usize> {
    let (mut decoder, mut input) = (Decoder::new(Role::Server), Vec::new());
    for (at, byte) in stream.iter().enumerate() {
        input.push(*byte);
        match decoder.decode(&mut input, 1 << 16).map(|step| step.consumed) {
            Err(violation) => {
                assert_eq!(violation, NOT_UTF8);
                return Some(at + 1);
            }
            Ok(consumed) => drop(input.drain(..consumed)),
        }
    }
    None
}

#[test]
fn a_text_that_cannot_become_valid_is_refused_before_its_frame_is_whole() {
    let header = 6;
    // U+10FFFF is the last character: f4 8f is one that may go on, f4 90 is none.
    let single = client_frame(0x81, b"ab\xce\xba\xf4\x90\x80\x80cdefghij");
    assert_eq!(refused_after(&single), Some(header + 6));
    let first = client_frame(0x01, b"ok\xf4");
    let rest = [&first[..], &client_frame(0x80, b"\x90\x80\x80 and more")].concat();
    assert_eq!(refused_after(&rest), Some(first.len() + header + 1), "a character that the fragment before has begun");
    let good = [&first[..], &client_frame(0x00, b"\x8f\xbf"), &client_frame(0x80, b"\xbf\xe2\x82\xac")].concat();
    assert_eq!(refused_after(&good), None);
    let binary = client_frame(0x82, b"\xff\xff\xff");
    assert_eq!(refused_after(&binary), None);
    let after_ping = [client_frame(0x89, b"\xff\xff"), client_frame(0x81, b"\xff1234")].concat();
    assert_eq!(refused_after(&after_ping), Some(header + 2 + header + 1));
}

#[test]
fn a_close_code_is_legal_or_a_violation() {
    let legal = [1000, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999];
    let illegal = [0, 42, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, u16::MAX];
    let judged = |code: u16| one(Role::Server, &client_frame(0x88, &code.to_be_bytes()));
    for code in legal {
        assert_eq!(judged(code), Ok(vec![format!("Close {{ code: Some({code}), reason: \"\" }}")]));
    }
    for code in illegal {
        assert_eq!(judged(code).map_err(|v| v.code), Err(1002), "{code}");
    }
}

#[test]
fn the_server_may_send_any_code() {
    for code in [0_u16, 42, 1005, u16::MAX] {
        let mut frame = Vec::new();
        assert!(encode_close(code, "", &mut frame));
        assert_eq!(frame, [&[0x88, 2], &code.to_be_bytes()[..]].concat());
    }
}

#[test]
fn close_frames_carry_code_and_reason() {
    assert_eq!(one(Role::Server, &client_frame(0x88, b"")), Ok(vec!["Close { code: None, reason: \"\" }".into()]));
    let mut frame = Vec::new();
    assert!(encode_close(4500, "bye", &mut frame));
    assert_eq!(one(Role::Client, &frame), Ok(vec!["Close { code: Some(4500), reason: \"bye\" }".into()]));
    assert!(encode_close(3501, &"x".repeat(123), &mut frame));
    let len = frame.len();
    assert!(!encode_close(3501, &"x".repeat(124), &mut frame) && frame.len() == len);
}

#[test]
fn every_cut_of_a_stream_yields_the_same_events() {
    let stream = [
        client_frame(0x81, b"hello"),
        client_frame(0x01, "gr\u{fc}\u{df}".as_bytes()),
        client_frame(0x89, b"ping"),
        client_frame(0x80, &[b'x'; 200]),
        client_frame(0x82, &[7; 300]),
        client_frame(0x8a, b""),
        client_frame(0x88, &1000u16.to_be_bytes()),
    ]
    .concat();
    let whole = one(Role::Server, &stream).expect("legal");
    assert_eq!(whole.len(), 6);
    for cut in 0..stream.len() {
        assert_eq!(events(Role::Server, &stream, &[cut], 1 << 16).as_ref(), Ok(&whole), "cut at {cut}");
    }
    let each: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(events(Role::Server, &stream, &each, 1 << 16), Ok(whole));
}

#[test]
fn an_idle_decoder_owns_no_memory() {
    assert!(size_of::<Decoder>() <= 40);
    let mut decoder = Decoder::new(Role::Server);
    let mut stream = [client_frame(0x01, b"ab"), client_frame(0x80, b"cd"), client_frame(0x89, b"")].concat();
    for _ in 0..3 {
        let used = decoder.decode(&mut stream, 1 << 16).expect("legal").consumed;
        stream.drain(..used);
    }
    assert_eq!(decoder.message.capacity(), 0);
}

proptest! {
    #[test]
    fn what_one_side_encodes_the_other_decodes(payload in prop::collection::vec(any::<u8>(), 0..70_000), key: [u8; 4]) {
        let (mut masked, mut plain) = (Vec::new(), Vec::new());
        encode_masked(Opcode::Binary, &payload, key, &mut masked);
        encode(Opcode::Binary, &payload, &mut plain);
        for (role, mut stream) in [(Role::Server, masked), (Role::Client, plain)] {
            let (mut decoder, len) = (Decoder::new(role), stream.len());
            let step = decoder.decode(&mut stream, 1 << 20).expect("legal");
            prop_assert_eq!(step.consumed, len);
            prop_assert_eq!(step.event, Some(Event::Message { opcode: Opcode::Binary, payload: &payload }));
        }
    }

    #[test]
    fn a_text_in_fragments_arrives_whole(text: String, cuts in prop::collection::vec(0usize..64, 0..6), key: [u8; 4]) {
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
        cuts.sort_unstable();
        let ends: Vec<usize> = cuts.into_iter().chain([text.len()]).collect();
        let (mut stream, mut start) = (Vec::new(), 0);
        for (i, end) in ends.iter().copied().enumerate() {
            let at = stream.len();
            encode_masked(Opcode::Text, &text.as_bytes()[start..end], key, &mut stream);
            stream[at] = u8::from(i == 0) | if i + 1 == ends.len() { 0x80 } else { 0 };
            start = end;
        }
        let whole = format!("{:?}", Event::Message { opcode: Opcode::Text, payload: text.as_bytes() });
        prop_assert_eq!(one(Role::Server, &stream), Ok(vec![whole]));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_cuts_do_not_matter(stream in noise(), cut in 0usize..400) {
        for role in [Role::Server, Role::Client] {
            prop_assert_eq!(events(role, &stream, &[cut], 300), events(role, &stream, &[], 300));
        }
    }
}

/// Bytes of which some resemble frames, and well-formed frames with arbitrary first bytes.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![any::<u8>(), prop::sample::select(vec![0x00, 0x01, 0x02, 0x7e, 0x80, 0x81, 0x82, 0x88, 0x89])];
    let frame = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..140))
        .prop_map(|(first, payload)| client_frame(first & 0x8f, &payload));
    prop_oneof![
        prop::collection::vec(byte, 0..400),
        prop::collection::vec(frame, 0..4).prop_map(|frames| frames.concat()),
    ]
}
