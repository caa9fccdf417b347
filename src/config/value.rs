//! One value of an option, and the rules by which a file, a variable or a flag turns into it.
//!
//! A file is typed weakly, as Centrifugo types it: `"true"` and 1 are booleans, `"7"` and 1.7 integers, a text alone
//! is a list of one. A variable and a flag are text. options.md 0.1 and 0.2 has every rule.

use super::{duration, table::Dialect};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// Text.
    Text,
    /// PEM, base64 of PEM, or a path to it.
    Pem,
    /// Nanoseconds.
    Duration,
    /// Texts.
    List,
    /// Text to text.
    Map,
    /// Objects of a struct of their own.
    Objects,
}

/// A value as meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `Kind::Bool`
    Bool(bool),
    /// `Kind::Int`
    Int(i64),
    /// `Kind::Text` and `Kind::Pem`
    Text(String),
    /// `Kind::Duration`, in nanoseconds
    Duration(i64),
    /// `Kind::List`
    List(Vec<String>),
    /// `Kind::Map`
    Map(BTreeMap<String, String>),
    /// `Kind::Objects`: how many. The objects themselves are `items::Item`.
    Objects(usize),
}

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bad {
    /// Noun phrase, after "expected".
    pub expected: &'static str,
    /// What to write instead.
    pub remedy: &'static str,
}

/// Where a value of a file stands: the rules differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub dialect: Dialect,
    pub in_list: bool,
}

const BOOL: Bad = Bad { expected: "true or false", remedy: "write true or false" };
const INT: Bad = Bad { expected: "a whole number", remedy: "write digits only" };
const TEXT: Bad = Bad { expected: "a text", remedy: "write one text in quotes" };
const LIST: Bad = Bad { expected: "a list of texts", remedy: "write [\"…\", \"…\"]" };
const MAP: Bad =
    Bad { expected: "an object of texts", remedy: "write {\"name\": \"value\"} with every value in quotes" };
const OBJECTS: Bad = Bad { expected: "a list of objects", remedy: "write [{…}, {…}]" };
const DURATION: Bad =
    Bad { expected: "a duration such as 25s, 1m30s or 300ms", remedy: "write a number with its unit" };
const SHORT: Bad = Bad { expected: "a duration of 1ms or more", remedy: "write 0 or at least 1ms" };

impl Kind {
    /// The kind of a type name of the option tables.
    pub(super) fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "bool" => Kind::Bool,
            "int" | "int64" | "int32" | "uint32" => Kind::Int,
            "string" => Kind::Text,
            "pem" => Kind::Pem,
            "duration" => Kind::Duration,
            "string_list" => Kind::List,
            "string_map" => Kind::Map,
            "object_list" => Kind::Objects,
            _ => return None,
        })
    }

    /// Word for it in the documentation.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Text => "string",
            Kind::Pem => "pem",
            Kind::Duration => "duration",
            Kind::List => "string_list",
            Kind::Map => "string_map",
            Kind::Objects => "object_list",
        }
    }

    /// The value that means nothing was said.
    pub(super) fn zero(self) -> Value {
        match self {
            Kind::Bool => Value::Bool(false),
            Kind::Int => Value::Int(0),
            Kind::Text | Kind::Pem => Value::Text(String::new()),
            Kind::Duration => Value::Duration(0),
            Kind::List => Value::List(Vec::new()),
            Kind::Map => Value::Map(BTreeMap::new()),
            Kind::Objects => Value::Objects(0),
        }
    }
}

impl Value {
    /// Zero, empty, false.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Value::Bool(on) => !on,
            Value::Int(n) | Value::Duration(n) => *n == 0,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            Value::Objects(count) => *count == 0,
        }
    }

    /// The same thing as another kind: a v5 option and its v6 name are typed differently now and then.
    pub(super) fn into_kind(self, kind: Kind) -> Result<Value, Bad> {
        match (self, kind) {
            (Value::Text(text), Kind::Int) => integer(&text).map(Value::Int).ok_or(INT),
            (Value::Text(text), Kind::List) => {
                Ok(Value::List(text.split([',', ' ']).filter(|s| !s.is_empty()).map(str::to_owned).collect()))
            }
            (value, _) => Ok(value),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(on) => write!(f, "{on}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Duration(nanos) => write!(f, "{}", duration::format(*nanos)),
            Value::List(list) => write!(f, "{list:?}"),
            Value::Map(map) => write!(f, "{map:?}"),
            Value::Objects(0) => write!(f, "[]"),
            Value::Objects(count) => write!(f, "[{count} objects]"),
        }
    }
}

/// A value of a file, or of the JSON text in a variable.
pub(super) fn from_tree(kind: Kind, rules: Rules, node: &Json) -> Result<Value, Bad> {
    match kind {
        Kind::Bool => weak_bool(node).map(Value::Bool).ok_or(BOOL),
        Kind::Int => weak_int(node).map(Value::Int).ok_or(INT),
        Kind::Text | Kind::Pem => scalar(node).map(Value::Text).ok_or(TEXT),
        Kind::Duration => weak_duration(rules, node).map(Value::Duration),
        Kind::List => weak_list(rules, node).map(Value::List).ok_or(LIST),
        Kind::Map => texts(node).map(Value::Map).ok_or(MAP),
        Kind::Objects => match node {
            Json::Array(list) if list.iter().all(Json::is_object) => Ok(Value::Objects(list.len())),
            Json::Object(_) => Ok(Value::Objects(1)),
            _ => Err(OBJECTS),
        },
    }
}

/// A value of a variable or a flag. `Kind::Objects` is read by `environ`.
pub(super) fn from_text(kind: Kind, dialect: Dialect, text: &str) -> Result<Value, Bad> {
    match kind {
        Kind::Bool => boolean(text).map(Value::Bool).ok_or(BOOL),
        Kind::Int => integer(text).map(Value::Int).ok_or(INT),
        Kind::Text | Kind::Pem => Ok(Value::Text(text.to_owned())),
        Kind::Duration => duration::parse(text).map(Value::Duration).ok_or(DURATION),
        Kind::List => Ok(Value::List(match dialect {
            Dialect::V6 => text.split(' ').map(str::to_owned).collect(),
            Dialect::V5 => text.split_whitespace().map(str::to_owned).collect(),
        })),
        Kind::Map => match serde_json::from_str(text) {
            Ok(node @ Json::Object(_)) => texts(&node).map(Value::Map).ok_or(MAP),
            _ => Err(MAP),
        },
        Kind::Objects => Err(OBJECTS),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Some(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Go's base 0: decimal, `0x`, `0o`, `0b`, and a leading zero for octal.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

fn scalar(node: &Json) -> Option<String> {
    match node {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(on) => Some(if *on { "1" } else { "0" }.to_owned()),
        _ => None,
    }
}

fn weak_bool(node: &Json) -> Option<bool> {
    match node {
        Json::Bool(on) => Some(*on),
        Json::Number(number) => number.as_f64().map(|n| n != 0.0),
        Json::String(text) if text.is_empty() => Some(false),
        Json::String(text) => boolean(text),
        _ => None,
    }
}

fn weak_int(node: &Json) -> Option<i64> {
    match node {
        Json::Number(number) => number.as_i64().or_else(|| truncated(number.as_f64()?)),
        Json::Bool(on) => Some(i64::from(*on)),
        Json::String(text) if text.is_empty() => Some(0),
        Json::String(text) => integer(text),
        _ => None,
    }
}

fn truncated(number: f64) -> Option<i64> {
    // 2^63 itself does not fit; below it the cast is exact.
    (number.abs() < 9_223_372_036_854_775_808.0).then_some(number as i64)
}

fn weak_duration(rules: Rules, node: &Json) -> Result<i64, Bad> {
    let nanos = match node {
        Json::String(text) => duration::parse(text).ok_or(DURATION)?,
        Json::Number(_) => {
            let nanos = weak_int(node).ok_or(DURATION)?;
            if rules.dialect == Dialect::V5 && !rules.in_list && nanos != 0 {
                return Err(DURATION);
            }
            nanos
        }
        _ => return Err(DURATION),
    };
    if rules.dialect == Dialect::V5 && (1..1_000_000).contains(&nanos) {
        return Err(SHORT);
    }
    Ok(nanos)
}

fn weak_list(rules: Rules, node: &Json) -> Option<Vec<String>> {
    match node {
        Json::Array(list) => list.iter().map(scalar).collect(),
        Json::String(text) if rules.dialect == Dialect::V5 && !rules.in_list => {
            Some(text.split_whitespace().map(str::to_owned).collect())
        }
        Json::String(text) if text.is_empty() => Some(Vec::new()),
        _ => scalar(node).map(|text| vec![text]),
    }
}

/// An object of texts, or a list of `{key, value}`: there the case of the key survives and a duplicate is refused.
fn texts(node: &Json) -> Option<BTreeMap<String, String>> {
    match node {
        Json::Object(map) => map.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        Json::Array(pairs) => {
            let mut map = BTreeMap::new();
            for pair in pairs {
                let (key, value) = (pair.get("key")?.as_str()?, pair.get("value")?.as_str()?);
                if map.insert(key.to_owned(), value.to_owned()).is_some() {
                    return None;
                }
            }
            Some(map)
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
