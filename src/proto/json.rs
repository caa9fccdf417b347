//! JSON as Centrifugo's Go code reads and writes it (server-api 1.4 and 1.5, client-protocol 1.2).
//!
//! A message says what its members are ([`Object`], generated); this module says how documents are read and written.
//! Tokenizing is serde_json's; what is particular stands in `json_read` and `json_write`.

use super::json_read;
use super::json_write::{Raw, Value, Writer};
use serde::de::MapAccess;

/// A document that cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// A message holds octets in a raw-JSON field that are no JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotJson;

/// A message with a JSON form.
pub trait Object: Default {
    /// Reads the value of the member `key` (folded to lower case); false, and nothing read, when there is none.
    ///
    /// # Errors
    /// The value is of the wrong type.
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Writes the members in the order of their declaration.
    fn write(&self, out: &mut Writer<'_>);
}

/// Containers nested deeper than this are refused, as Go refuses them.
const DEPTH_MAX: usize = 10_000;

/// Decodes a whole document; `null` counts as an empty object.
///
/// # Errors
/// It is no JSON, something follows it, or a member is of the wrong type.
pub fn decode<T: Object>(document: &[u8]) -> Result<T, Malformed> {
    let text = json_read::text(document);
    if is_too_deep(&text) {
        return Err(Malformed);
    }
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let message = json_read::message(&mut deserializer).map_err(|_| Malformed)?;
    deserializer.end().map_err(|_| Malformed)?;
    Ok(message)
}

/// Decodes the first value of a line; the rest of the line is not looked at (client-protocol 1.2).
///
/// # Errors
/// There is no whole value, or a member is of the wrong type.
pub fn decode_first<T: Object>(line: &[u8]) -> Result<T, Malformed> {
    let text = json_read::text(line);
    if is_too_deep(&text) {
        return Err(Malformed);
    }
    json_read::message(&mut serde_json::Deserializer::from_str(&text)).map_err(|_| Malformed)
}

/// Decodes values one after another, with or without white space between them, and hands out each.
///
/// # Errors
/// A value cannot be decoded; those before it were handed out.
pub fn decode_each<T: Object>(document: &[u8], mut each: impl FnMut(T)) -> Result<(), Malformed> {
    let text = json_read::text(document);
    if is_too_deep(&text) {
        return Err(Malformed);
    }
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&serde_json::value::RawValue>();
        let value = values.next().and_then(Result::ok).ok_or(Malformed)?;
        each(json_read::message(&mut serde_json::Deserializer::from_str(value.get())).map_err(|_| Malformed)?);
        rest = rest[values.byte_offset()..].trim_start_matches(is_space);
    }
    Ok(())
}

/// Appends a message as the server API writes it: raw JSON compacted and escaped for HTML.
///
/// # Errors
/// A raw field holds no JSON; what was appended is of no use then.
pub fn encode<T: Object>(message: &T, out: &mut Vec<u8>) -> Result<(), NotJson> {
    Writer::write(out, Raw::Compact, message)
}

/// Appends a message as the client protocol writes it: raw JSON as it is, without its newlines.
///
/// # Errors
/// A raw field holds no JSON; what was appended is of no use then.
pub fn encode_line<T: Value>(message: &T, out: &mut Vec<u8>) -> Result<(), NotJson> {
    Writer::write(out, Raw::OneLine, message)
}

/// Only a document of more bytes than the limit can be nested so deep, so nearly none is walked.
fn is_too_deep(text: &str) -> bool {
    if text.len() <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
