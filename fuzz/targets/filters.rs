//! Filters over tags. A tree is accepted when a naive reader of the rules accepts it, and lets the same publications pass
//! as a naive interpreter of the tree as it is written.

use super::script::Script;
use corecast::proto::client::FilterNode;
use corecast::proto::json;
use corecast::protocol::filter::{Filter, Tags};
use std::cmp::Ordering;

const OPS: [&str; 5] = ["", "and", "or", "not", "xor"];
const COMPARISONS: [&str; 16] =
    ["eq", "neq", "in", "nin", "ex", "nex", "sw", "ew", "ct", "lt", "lte", "gt", "gte", "", "EQ", "is"];
const WORDS: [&str; 24] = [
    "",
    "a",
    "b",
    "ab",
    "aba",
    "ä",
    "0",
    "-0",
    "+0",
    "00",
    "1",
    "1.",
    ".5",
    "1.50",
    "1.5",
    "-1.5",
    "-1.49",
    "10",
    "9",
    "99999999999999999999999999",
    "0.00000000000000000001",
    "0.0000000000000000001",
    "1e3",
    " 1",
];
const KEYS: [&str; 4] = ["k", "l", "", "kk"];

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let node = if script.flag() { written(&mut script) } else { tree(&mut script, 4) };
    let compiled = Filter::compile(&node);
    assert_eq!(compiled.is_ok(), is_valid(&node), "{node:?}");
    let Ok(filter) = compiled else { return };
    assert_eq!(Filter::compile(&shuffled(&node)).as_ref(), Ok(&filter), "lists know no order");
    for _ in 0..8 {
        let mut tags = Tags::new();
        for key in KEYS {
            if script.flag() {
                tags.insert(key.to_string(), word(&mut script));
            }
        }
        assert_eq!(filter.matches(&tags), passes(&node, &tags), "{node:?} {tags:?}");
    }
}

/// A tree as JSON of the client protocol, up to a newline.
fn written(script: &mut Script<'_>) -> FilterNode {
    json::decode(script.until(b'\n')).unwrap_or_default()
}

fn word(script: &mut Script<'_>) -> String {
    match script.byte() {
        at @ 0..192 => WORDS[usize::from(at) % WORDS.len()].to_string(),
        _ => script.text(6),
    }
}

fn tree(script: &mut Script<'_>, depth: usize) -> FilterNode {
    let op = if depth == 0 { "" } else { script.choose(&OPS) };
    let mut node = FilterNode { op: op.to_string(), ..FilterNode::default() };
    if op.is_empty() {
        (node.key, node.cmp) = (script.choose(&KEYS).to_string(), script.choose(&COMPARISONS).to_string());
        let is_list = matches!(node.cmp.as_str(), "in" | "nin");
        // Mostly what the comparison needs.
        if script.below(8) != 0 && !is_list && !matches!(node.cmp.as_str(), "ex" | "nex") {
            node.val = word(script);
        }
        if is_list || script.below(16) == 1 {
            node.vals = (0..script.below(4)).map(|_| word(script)).collect();
        }
    }
    if !op.is_empty() || script.below(32) == 1 {
        node.nodes = (0..script.below(4)).map(|_| tree(script, depth.saturating_sub(1))).collect();
    }
    node
}

fn shuffled(node: &FilterNode) -> FilterNode {
    let mut other = node.clone();
    other.vals.reverse();
    other.vals.extend(node.vals.first().cloned());
    other.nodes = node.nodes.iter().map(shuffled).collect();
    other
}

/// Operators have children (`not` one), comparisons a key and what they compare with.
fn is_valid(node: &FilterNode) -> bool {
    let (has_val, has_vals, has_key) = (!node.val.is_empty(), !node.vals.is_empty(), !node.key.is_empty());
    match (node.op.as_str(), node.cmp.as_str()) {
        ("", "ex" | "nex") => !has_val && !has_vals,
        ("", "in" | "nin") => has_key && has_vals && !has_val,
        ("", "eq" | "neq" | "sw" | "ew" | "ct" | "lt" | "lte" | "gt" | "gte") => has_key && has_val && !has_vals,
        ("and" | "or", _) => !node.nodes.is_empty() && node.nodes.iter().all(is_valid),
        ("not", _) => node.nodes.len() == 1 && node.nodes.iter().all(is_valid),
        _ => false,
    }
}

fn passes(node: &FilterNode, tags: &Tags) -> bool {
    let mut children = node.nodes.iter().map(|child| passes(child, tags));
    match node.op.as_str() {
        "and" => children.all(|passed| passed),
        "or" => children.any(|passed| passed),
        "not" => !children.next().expect("one"),
        _ => compares(node, tags.get(&node.key)),
    }
}

fn compares(node: &FilterNode, tag: Option<&String>) -> bool {
    let has = |holds: fn(&str, &str) -> bool| tag.is_some_and(|tag| holds(tag, &node.val));
    let text = tag.cloned().unwrap_or_default();
    let ordered = |wanted: &[Ordering]| {
        let order = tag.and_then(|tag| order(tag, &node.val));
        order.is_some_and(|order| wanted.contains(&order))
    };
    match node.cmp.as_str() {
        "eq" => has(|tag, val| tag == val),
        "neq" => !has(|tag, val| tag == val),
        "in" => node.vals.contains(&text),
        "nin" => !node.vals.contains(&text),
        "ex" => tag.is_some(),
        "nex" => tag.is_none(),
        "sw" => has(|tag, val| tag.starts_with(val)),
        "ew" => has(|tag, val| tag.ends_with(val)),
        "ct" => has(|tag, val| tag.contains(val)),
        "lt" => ordered(&[Ordering::Less]),
        "lte" => ordered(&[Ordering::Less, Ordering::Equal]),
        "gt" => ordered(&[Ordering::Greater]),
        _ => ordered(&[Ordering::Greater, Ordering::Equal]),
    }
}

/// Both as whole numbers of the same scale, digit by digit; `None`: one of them is no number.
fn order(a: &str, b: &str) -> Option<Ordering> {
    let ((a_negative, a), (b_negative, b)) = (scaled(a)?, scaled(b)?);
    let width = a.len().max(b.len());
    let wide = |digits: Vec<u8>| [vec![0; width - digits.len()], digits].concat();
    let (a, b) = (wide(a), wide(b));
    let is_zero = |digits: &[u8]| digits.iter().all(|digit| *digit == 0);
    let sign = |is_negative: bool, digits: &[u8]| match (is_zero(digits), is_negative) {
        (true, _) => 0,
        (_, true) => -1,
        _ => 1,
    };
    let (a_sign, b_sign) = (sign(a_negative, &a), sign(b_negative, &b));
    Some(a_sign.cmp(&b_sign).then_with(|| if a_sign < 0 { b.cmp(&a) } else { a.cmp(&b) }))
}

/// Sign, and digits with nineteen of them behind the point.
fn scaled(text: &str) -> Option<(bool, Vec<u8>)> {
    let is_negative = text.starts_with('-');
    let text = text.strip_prefix('-').or_else(|| text.strip_prefix('+')).unwrap_or(text);
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) | Some(("", _)) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let mut digits = format!("{whole}{fraction}").into_bytes();
    if whole.is_empty() || fraction.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.resize(whole.len() + 19, b'0');
    Some((is_negative, digits.into_iter().map(|digit| digit - b'0').collect()))
}
