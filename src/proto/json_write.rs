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
    pub fn write<T: Value>(out: &mut Vec<u8>, raw: Raw, message: &T) -> Result<(), NotJson> {
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
        self.key(key);
        value.value(self);
    }

    /// Writes an object.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        members(self);
        self.out.push(b'}');
    }

    /// Writes a member that is a list; `put` appends its items as they are.
    pub fn list_of(&mut self, key: &str, put: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        self.out.push(b'[');
        put(self.out);
        self.out.push(b']');
    }

    /// A raw field holds no JSON: what was written is of no use.
    pub fn refuse(&mut self) {
        self.is_good = false;
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
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
        to.object(|to| self.write(to));
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
            return to.refuse();
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
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Where [`compact`] looks closer, within strings and between them.
const IN_STRING: [bool; 256] = table(b"\"\\<>&\xe2");
const BETWEEN: [bool; 256] = table(b"\" \t\r\n");

const fn table(stops: &[u8]) -> [bool; 256] {
    let (mut table, mut at) = ([false; 256], 0);
    while at < stops.len() {
        table[stops[at] as usize] = true;
        at += 1;
    }
    table
}

/// Appends raw JSON, which was checked, without white space and escaped for HTML.
fn compact(raw: &[u8], out: &mut Vec<u8>) {
    let (mut rest, mut in_string) = (raw, false);
    loop {
        let stops = if in_string { &IN_STRING } else { &BETWEEN };
        let plain = rest.iter().position(|byte| stops[usize::from(*byte)]).unwrap_or(rest.len());
        let (run, stop) = rest.split_at(plain);
        out.extend_from_slice(run);
        let used = match stop {
            [] => return,
            // U+2028 and U+2029.
            [0xe2, 0x80, 0xa8, ..] => put(b"\\u2028", 3, out),
            [0xe2, 0x80, 0xa9, ..] => put(b"\\u2029", 3, out),
            [0xe2, ..] => put(b"\xe2", 1, out),
            [byte @ (b'<' | b'>' | b'&'), ..] => put(html(*byte), 1, out),
            [b'\\', escaped, ..] => put(&[b'\\', *escaped], 2, out),
            [b'"', ..] => {
                in_string = !in_string;
                put(b"\"", 1, out)
            }
            // White space.
            _ => 1,
        };
        rest = &stop[used..];
    }
}

/// Appends what stands for so many bytes of the input.
fn put(bytes: &[u8], used: usize, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(bytes);
    used
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
