//! Fossil deltas as a client applies them: written against the format (client-protocol 4.7), not against the server's
//! encoder.

/// What `patch` makes of `base`.
pub fn apply(base: &[u8], patch: &[u8]) -> Vec<u8> {
    let mut rest = patch;
    let length = number(&mut rest);
    assert_eq!(take(&mut rest), b'\n', "a patch begins with a line");
    let mut target = Vec::with_capacity(length);
    loop {
        let n = number(&mut rest);
        match take(&mut rest) {
            b'@' => {
                let from = number(&mut rest);
                assert_eq!(take(&mut rest), b',', "a copy ends");
                target.extend_from_slice(&base[from..from + n]);
            }
            b':' => {
                let (literal, behind) = rest.split_at(n);
                target.extend_from_slice(literal);
                rest = behind;
            }
            b';' => {
                assert_eq!(n, checksum(&target), "the base of the patch is another one");
                assert!(rest.is_empty() && target.len() == length, "a patch ends with its checksum");
                return target;
            }
            other => panic!("no part of a patch: {other}"),
        }
    }
}

fn take(rest: &mut &[u8]) -> u8 {
    let (first, behind) = rest.split_first().expect("more of the patch");
    *rest = behind;
    *first
}

/// Digits of base 64, the most significant first.
fn number(rest: &mut &[u8]) -> usize {
    let mut sum = 0;
    while let Some(digit) = rest.first().and_then(|byte| digit(*byte)) {
        sum = sum * 64 + digit;
        *rest = &rest[1..];
    }
    sum
}

fn digit(byte: u8) -> Option<usize> {
    let value = match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A' + 10,
        b'_' => 36,
        b'a'..=b'z' => byte - b'a' + 37,
        b'~' => 63,
        _ => return None,
    };
    Some(usize::from(value))
}

/// The sum of the target as big-endian words of 32 bits, filled up with zeros.
fn checksum(target: &[u8]) -> usize {
    let mut sum = 0u32;
    for (at, byte) in target.iter().enumerate() {
        sum = sum.wrapping_add(u32::from(*byte) << (24 - 8 * (at % 4)));
    }
    sum as usize
}

#[test]
fn the_example_of_the_format_is_applied() {
    let base = br#"{"event":"match","score":[0,0],"teams":["Red Stars","Blue Comets"],"minute":1,"status":"live"}"#;
    let target = br#"{"event":"match","score":[1,0],"teams":["Red Stars","Blue Comets"],"minute":2,"status":"live"}"#;
    assert_eq!(apply(base, b"1U\nQ@0,1:1m@R,I:2,\"status\":\"live\"}3JZfKz;"), target);
}
