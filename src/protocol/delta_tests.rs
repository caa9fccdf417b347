use super::*;
use crate::proto::client::{Reply, SubscribeResult};
use crate::protocol::missed::{Missed, Range};
use crate::protocol::told::{Recovered, Told};
use proptest::prelude::*;
use prost::Message;
use std::sync::Arc;

/// Applies a patch as the sheet describes it; `None` when it is not one for this base.
fn apply(base: &[u8], patch: &[u8]) -> Option<Vec<u8>> {
    let mut rest = patch;
    let next_number = |rest: &mut &[u8]| -> Option<(usize, u8)> {
        let mut n = 0usize;
        loop {
            let (byte, tail) = rest.split_first()?;
            *rest = tail;
            match DIGITS.iter().position(|digit| digit == byte) {
                Some(digit) => n = n * 64 + digit,
                None => return Some((n, *byte)),
            }
        }
    };
    let (length, b'\n') = next_number(&mut rest)? else { return None };
    let mut target = Vec::new();
    loop {
        match next_number(&mut rest)? {
            (count, b'@') => {
                let (from, b',') = next_number(&mut rest)? else { return None };
                target.extend_from_slice(base.get(from..from + count)?);
            }
            (count, b':') => {
                target.extend_from_slice(rest.get(..count)?);
                rest = &rest[count..];
            }
            (sum, b';') => {
                let padded: Vec<u8> = target.iter().copied().chain([0; 3]).collect();
                let words = padded.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]));
                let expected = words.fold(0u32, u32::wrapping_add) as usize;
                return (rest.is_empty() && sum == expected && target.len() == length).then_some(target);
            }
            _ => return None,
        }
    }
}

const BEFORE: &str =
    r#"{"event":"match","score":[0,0],"teams":["Red Stars","Blue Comets"],"minute":1,"status":"live"}"#;
const AFTER: &str = r#"{"event":"match","score":[1,0],"teams":["Red Stars","Blue Comets"],"minute":2,"status":"live"}"#;

#[test]
fn the_patch_of_a_changed_document_is_small_and_applies() {
    let made = patch(BEFORE.as_bytes(), AFTER.as_bytes()).expect("smaller");
    assert_eq!(apply(BEFORE.as_bytes(), &made).as_deref(), Some(AFTER.as_bytes()));
    assert!(made.len() <= 50, "{}", String::from_utf8_lossy(&made));
    let example = b"1U\nQ@0,1:1m@R,I:2,\"status\":\"live\"}3JZfKz;";
    assert_eq!(apply(BEFORE.as_bytes(), example).as_deref(), Some(AFTER.as_bytes()), "the one of the sheet");
}

#[test]
fn the_same_payload_again_is_one_copy() {
    let made = patch(BEFORE.as_bytes(), BEFORE.as_bytes()).expect("smaller");
    assert!(made.starts_with(b"1U\n1U@0,"), "{}", String::from_utf8_lossy(&made));
}

#[test]
fn what_would_not_be_smaller_is_no_patch() {
    for (base, target) in [("", ""), ("{}", "{}"), (BEFORE, "[1]"), ("[1]", BEFORE), (BEFORE, "\"another text, long\"")]
    {
        assert_eq!(patch(base.as_bytes(), target.as_bytes()), None, "{base} {target}");
    }
}

#[test]
fn a_json_subscriber_gets_texts_in_strings() {
    let mut publication = Publication { data: "{\"a\":\n1}".into(), epoch: "e".into(), ..Publication::default() };
    let mut patched = publication.clone();
    shape(Protocol::Json, &mut publication, None);
    assert_eq!(
        (&publication.data[..], publication.delta, publication.epoch.as_str()),
        (&br#""{\"a\":\n1}""#[..], false, "")
    );
    shape(Protocol::Json, &mut patched, Some(b"1\n\xff"));
    assert_eq!(patched, publication, "a patch that is no text is not sent");
    shape(Protocol::Json, &mut patched, Some(b"1\n;"));
    assert_eq!((&patched.data[..], patched.delta), (&br#""1\n;""#[..], true));
}

#[test]
fn a_recovered_list_is_a_chain_of_patches() {
    let payloads = [BEFORE, AFTER, "[1]", BEFORE];
    let list = payloads.map(|data| Publication { data: data.into(), ..Publication::default() });
    let range = Arc::new(Range::new(list.to_vec()));
    for skip in 0..payloads.len() {
        let (told, mut base) = (told(&Missed::new(range.clone(), skip)), Vec::new());
        let deltas: Vec<bool> = told.iter().map(|publication| publication.delta).collect();
        assert_eq!(deltas, [&[false], &[false, true, false, false][skip + 1..]].concat(), "the first one is whole");
        for (publication, expected) in told.iter().zip(&payloads[skip..]) {
            base = if publication.delta {
                apply(&base, &publication.data).expect("a patch")
            } else {
                publication.data.to_vec()
            };
            assert_eq!(base, expected.as_bytes());
        }
    }
}

/// The list as a Protobuf client with deltas reads it.
fn told(missed: &Missed) -> Vec<Publication> {
    let result = SubscribeResult { delta: true, ..SubscribeResult::default() };
    let told = Told::Subscribed(1, Recovered::new(result, missed.clone()));
    let mut out = Vec::new();
    told.encode(Protocol::Protobuf, &mut out).expect("octets");
    let reply = Reply::decode_length_delimited(&out[..]).expect("a reply");
    reply.subscribe.expect("a result").publications
}

#[test]
fn repetitive_payloads_take_no_longer_than_others() {
    let (blanks, ones) = (vec![b' '; 1 << 20], vec![b'1'; 1 << 20]);
    let mixed: Vec<u8> = blanks[..1000].iter().chain(&ones[..1000]).cycle().take(1 << 20).copied().collect();
    for (base, target) in [(&blanks, &mixed), (&mixed, &blanks), (&mixed, &ones)] {
        if let Some(made) = patch(base, target) {
            assert_eq!(apply(base, &made).as_ref(), Some(target));
        }
    }
}

/// A text that is an edited copy of another one.
fn edited() -> impl Strategy<Value = (String, String)> {
    let edit = (0usize..400, 0usize..30, "[a-zäж€😀]{0,12}");
    ("[a-f0-9äж€😀{}\",:]{0,400}", prop::collection::vec(edit, 0..6)).prop_map(|(base, edits)| {
        let mut target: Vec<char> = base.chars().collect();
        for (at, count, text) in edits {
            let at = at.min(target.len());
            target.splice(at..(at + count).min(target.len()), text.chars());
        }
        (base, target.into_iter().collect())
    })
}

proptest! {
    #[test]
    fn patches_between_texts_are_texts_and_apply((base, target) in edited()) {
        if let Some(made) = patch(base.as_bytes(), target.as_bytes()) {
            prop_assert!(made.len() < target.len() && std::str::from_utf8(&made).is_ok());
            prop_assert_eq!(apply(base.as_bytes(), &made), Some(target.into_bytes()));
        }
    }

    #[test]
    fn patches_between_octets_apply(
        base in prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x80, 0xbf, 0xff]), 0..300),
        target in prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x80, 0xbf, 0xff]), 0..300),
    ) {
        let joined: Vec<u8> = base.iter().chain(&target).chain(&base).copied().collect();
        for target in [target, joined] {
            if let Some(made) = patch(&base, &target) {
                prop_assert_eq!(apply(&base, &made), Some(target));
            }
        }
    }
}
