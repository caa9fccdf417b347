//! Payloads that came as octets (Protobuf clients, `b64data`): are they JSON, so that JSON subscribers can have them?

use serde::de::IgnoredAny;

/// True when `payload` is one JSON value. `scratch` is reused between calls: simd-json changes its input.
pub fn is_json(payload: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    scratch.extend_from_slice(payload);
    // What simd-json refuses may still be JSON: it knows no numbers beyond 64 bits.
    let second_look = || simdutf8::basic::from_utf8(payload).map(serde_json::from_str::<IgnoredAny>);
    let is_good = simd_json::to_tape(scratch).is_ok() || second_look().is_ok_and(|read| read.is_ok());
    if scratch.capacity() > 1 << 20 {
        *scratch = Vec::new();
    }
    is_good
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn octets_are_judged_as_json() {
        let mut scratch = Vec::new();
        for good in ["1", "null", " {\"a\":[1,2.5e3]}\n", "\"\\u00e9\"", "123456789012345678901234567890", "1e400"] {
            assert!(is_json(good.as_bytes(), &mut scratch), "{good}");
        }
        for bad in ["", "{", "[1,]", "{}{}", "\u{feff}1", "NaN", "'a'"] {
            assert!(!is_json(bad.as_bytes(), &mut scratch), "{bad}");
        }
        assert!(!is_json(&[0, 1, 2], &mut scratch) && !is_json(b"\"\xff\"", &mut scratch));
    }

    proptest! {
        #[test]
        fn both_judges_agree(payload in r#"[{}\[\]":,0-9a-z\\u .eE+-]{0,40}"#) {
            let ours = is_json(payload.as_bytes(), &mut Vec::new());
            prop_assert_eq!(ours, serde_json::from_str::<IgnoredAny>(&payload).is_ok());
        }

        #[test]
        fn arbitrary_octets_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            is_json(&payload, &mut Vec::new());
        }
    }
}
