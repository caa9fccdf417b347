//! Writing by Go's rules: members in the order of their declaration, zero values left out, `<`, `>`, `&` and line
//! separators escaped in strings, raw fields passed through.

use super::json::{NotJson, Object};
use bytes::Bytes;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// What happens to raw JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Raw {
    /// Newline bytes are removed, because they separate messages; nothing else changes.
    OneLine,
    /// White space is removed and characters that matter to HTML are escaped.
    Compact,
}

/// Appends JSON to a buffer.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    raw: Raw,
    is_good: bool,
}

impl Writer<'_> {
    /// Appends one message.
    ///
    /// # Errors
    /// A raw field holds no JSON.
    pub fn write<T: Object>(out: &mut Vec<u8>, raw: Raw, message: &T) -> Result<(), NotJson> {
        let mut writer = Writer { out, raw, is_good: true };
        message.value(&mut writer);
        if writer.is_good { Ok(()) } else { Err(NotJson) }
    }

    /// Writes a member unless its value is zero.
    pub fn member<T: Value>(&mut self, key: &str, value: &T) {
        if !value.is_zero() {
            self.member_always(key, value);
        }
    }

    /// Writes a member whatever its value.
    pub fn member_always<T: Value>(&mut self, key: &str, value: &T) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        value.value(self);
    }

    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }
}

/// A value that a member may have.
pub trait Value {
    /// True when the member is left out.
    fn is_zero(&self) -> bool;
    /// Writes the value.
    fn value(&self, to: &mut Writer<'_>);
}

impl<T: Object> Value for T {
    fn is_zero(&self) -> bool {
        false
    }

    fn value(&self, to: &mut Writer<'_>) {
        to.out.push(b'{');
        self.write(to);
        to.out.push(b'}');
    }
}

impl<T: Object> Value for Option<T> {
    fn is_zero(&self) -> bool {
        self.is_none()
    }

    fn value(&self, to: &mut Writer<'_>) {
        match self {
            Some(message) => message.value(to),
            None => to.out.extend_from_slice(b"null"),
        }
    }
}

impl Value for String {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn value(&self, to: &mut Writer<'_>) {
        string(self, to.out);
    }
}

impl Value for bool {
    fn is_zero(&self) -> bool {
        !self
    }

    fn value(&self, to: &mut Writer<'_>) {
        to.out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            fn is_zero(&self) -> bool {
                *self == 0
            }

            fn value(&self, to: &mut Writer<'_>) {
                to.out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )*};
}
integers!(u32 i32 u64 i64);

impl Value for f64 {
    fn is_zero(&self) -> bool {
        *self == 0.0
    }

    fn value(&self, to: &mut Writer<'_>) {
        if self.fract() == 0.0 && self.abs() < 1e15 {
            return (*self as i64).value(to);
        }
        // Numbers that JSON lacks do not come up; they would read as `null`.
        to.out.extend_from_slice(serde_json::Value::from(*self).to_string().as_bytes());
    }
}

impl Value for Bytes {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn value(&self, to: &mut Writer<'_>) {
        let text = simdutf8::basic::from_utf8(self);
        if !text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()) {
            to.is_good = false;
            return;
        }
        match to.raw {
            Raw::OneLine => one_line(self, to.out),
            Raw::Compact => compact(self, to.out),
        }
    }
}

fn list<'a, T: Value + 'a>(items: impl Iterator<Item = &'a T>, to: &mut Writer<'_>) {
    to.out.push(b'[');
    for item in items {
        to.comma();
        item.value(to);
    }
    to.out.push(b']');
}

fn map<T: Value>(items: &BTreeMap<String, T>, to: &mut Writer<'_>) {
    to.out.push(b'{');
    for (key, value) in items {
        to.comma();
        string(key, to.out);
        to.out.push(b':');
        value.value(to);
    }
    to.out.push(b'}');
}

impl Value for Vec<String> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn value(&self, to: &mut Writer<'_>) {
        list(self.iter(), to);
    }
}

impl<T: Object> Value for Vec<T> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn value(&self, to: &mut Writer<'_>) {
        list(self.iter(), to);
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn value(&self, to: &mut Writer<'_>) {
        map(self, to);
    }
}

/// Appends raw JSON without its newline bytes.
pub fn one_line(raw: &[u8], out: &mut Vec<u8>) {
    for part in raw.split(|b| *b == b'\n') {
        out.extend_from_slice(part);
    }
}

/// Appends raw JSON without white space, escaped for HTML.
fn compact(raw: &[u8], out: &mut Vec<u8>) {
    let (mut in_string, mut escaped) = (false, false);
    for (at, &byte) in raw.iter().enumerate() {
        if !in_string && matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            continue;
        }
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b'<' | b'>' | b'&' => {
                out.extend_from_slice(html(byte));
                escaped = false;
                continue;
            }
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
        // U+2028 and U+2029 are E2 80 A8 and E2 80 A9.
        match (byte, raw.get(at + 1), raw.get(at + 2)) {
            (0xe2, Some(0x80), Some(0xa8)) => out.extend_from_slice(b"\\u2028"),
            (0xe2, Some(0x80), Some(0xa9)) => out.extend_from_slice(b"\\u2029"),
            (0x80, Some(0xa8 | 0xa9), _) if at > 0 && raw[at - 1] == 0xe2 => {}
            (0xa8 | 0xa9, _, _) if at > 1 && raw[at - 2..at] == [0xe2, 0x80] => {}
            _ => out.push(byte),
        }
    }
}

fn html(byte: u8) -> &'static [u8] {
    match byte {
        b'<' => b"\\u003c",
        b'>' => b"\\u003e",
        _ => b"\\u0026",
    }
}

/// Appends a string with its quotes.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(needs_escape) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let mut chars = rest[at..].chars();
        match chars.next() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some('\u{8}') => out.extend_from_slice(b"\\b"),
            Some('\u{c}') => out.extend_from_slice(b"\\f"),
            Some(other) => out.extend_from_slice(format!("\\u{:04x}", u32::from(other)).as_bytes()),
            None => {}
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

fn needs_escape(c: char) -> bool {
    c < ' ' || matches!(c, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}
