//! Filters over the tags of publications (client-protocol 4.8): checked and compiled once, then shared by everybody who
//! asked for the same.
//!
//! Two filters are equal when they say the same in the same order; `in` and `nin` know no order. Recursion is bounded by
//! the decoders of requests, which refuse deeper trees.

use super::Malformed;
use crate::proto::client::FilterNode;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The tags of a publication.
pub type Tags = BTreeMap<String, String>;

/// A tree of conditions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Filter {
    /// Every one holds.
    All(Box<[Filter]>),
    /// At least one holds.
    Any(Box<[Filter]>),
    /// It does not hold.
    Not(Box<Filter>),
    /// Of one tag.
    Tag(Box<str>, Test),
}

/// A condition for the value of a tag.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Test {
    /// The same text.
    Equals(Box<str>),
    /// Another text, or none.
    Differs(Box<str>),
    /// One of these; ascending. A missing tag counts as the empty text.
    OneOf(Box<[Box<str>]>),
    /// None of these; ascending. A missing tag counts as the empty text.
    NoneOf(Box<[Box<str>]>),
    /// The tag is there.
    Exists,
    /// The tag is not there.
    Missing,
    /// A text that starts so.
    StartsWith(Box<str>),
    /// A text that ends so.
    EndsWith(Box<str>),
    /// A text with this in it.
    Contains(Box<str>),
    /// A number with this relation to another one.
    Number(Relation, Decimal),
    /// A comparison with what is no number.
    Never,
}

/// How a number relates to that of the filter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Relation {
    /// `lt`
    Less,
    /// `lte`
    LessOrEqual,
    /// `gt`
    Greater,
    /// `gte`
    GreaterOrEqual,
}

impl Relation {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
            Relation::Greater => order.is_gt(),
            Relation::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Filter {
    /// Checks and compiles what a client asks for.
    ///
    /// # Errors
    /// A node does not say what its kind needs, or says what it must not.
    pub fn compile(node: &FilterNode) -> Result<Filter, Malformed> {
        let nodes = || node.nodes.iter().map(Filter::compile).collect::<Result<Box<[Filter]>, Malformed>>();
        match (node.op.as_str(), node.nodes.as_slice()) {
            ("", _) => Ok(Filter::Tag(node.key.as_str().into(), Test::compile(node)?)),
            ("and", [_, ..]) => Ok(Filter::All(nodes()?)),
            ("or", [_, ..]) => Ok(Filter::Any(nodes()?)),
            ("not", [only]) => Ok(Filter::Not(Box::new(Filter::compile(only)?))),
            _ => Err(Malformed),
        }
    }

    /// True when a publication with these tags passes.
    pub fn matches(&self, tags: &Tags) -> bool {
        match self {
            Filter::All(filters) => filters.iter().all(|filter| filter.matches(tags)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.matches(tags)),
            Filter::Not(filter) => !filter.matches(tags),
            Filter::Tag(key, test) => test.holds(tags.get(&**key).map(String::as_str)),
        }
    }
}

impl Test {
    fn compile(node: &FilterNode) -> Result<Test, Malformed> {
        let (is_single, is_list) = (!node.val.is_empty(), !node.vals.is_empty());
        // A comparison has a value, a list of values, or neither, and never what another one needs.
        let (needs_single, needs_list) = match node.cmp.as_str() {
            "ex" | "nex" => (false, false),
            "in" | "nin" => (false, true),
            _ => (true, false),
        };
        let has_key = !node.key.is_empty() || !(needs_single || needs_list);
        if (is_single, is_list, has_key) != (needs_single, needs_list, true) {
            return Err(Malformed);
        }
        let value = || node.val.as_str().into();
        Ok(match node.cmp.as_str() {
            "eq" => Test::Equals(value()),
            "neq" => Test::Differs(value()),
            "in" => Test::OneOf(ascending(&node.vals)),
            "nin" => Test::NoneOf(ascending(&node.vals)),
            "ex" => Test::Exists,
            "nex" => Test::Missing,
            "sw" => Test::StartsWith(value()),
            "ew" => Test::EndsWith(value()),
            "ct" => Test::Contains(value()),
            "lt" => number(Relation::Less, &node.val),
            "lte" => number(Relation::LessOrEqual, &node.val),
            "gt" => number(Relation::Greater, &node.val),
            "gte" => number(Relation::GreaterOrEqual, &node.val),
            _ => return Err(Malformed),
        })
    }

    fn holds(&self, tag: Option<&str>) -> bool {
        let is_one_of = |values: &[Box<str>]| {
            let tag = tag.unwrap_or("");
            values.binary_search_by(|value| (**value).cmp(tag)).is_ok()
        };
        match self {
            Test::Equals(value) => tag == Some(&**value),
            Test::Differs(value) => tag != Some(&**value),
            Test::OneOf(values) => is_one_of(values),
            Test::NoneOf(values) => !is_one_of(values),
            Test::Exists => tag.is_some(),
            Test::Missing => tag.is_none(),
            Test::StartsWith(value) => tag.is_some_and(|tag| tag.starts_with(&**value)),
            Test::EndsWith(value) => tag.is_some_and(|tag| tag.ends_with(&**value)),
            Test::Contains(value) => tag.is_some_and(|tag| tag.contains(&**value)),
            Test::Number(relation, other) => {
                let number = tag.and_then(Digits::of);
                number.is_some_and(|number| relation.holds(number.cmp(&other.digits())))
            }
            Test::Never => false,
        }
    }
}

fn ascending(values: &[String]) -> Box<[Box<str>]> {
    let mut values: Vec<Box<str>> = values.iter().map(|value| value.as_str().into()).collect();
    values.sort();
    values.dedup();
    values.into()
}

/// What is no number is never in any relation; that is no mistake of the client.
fn number(relation: Relation, text: &str) -> Test {
    Digits::of(text).map_or(Test::Never, |digits| Test::Number(relation, digits.into()))
}

/// A decimal number of any size, exact, kept as its digits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Decimal {
    is_negative: bool,
    whole: Box<str>,
    fraction: Box<str>,
}

impl Decimal {
    fn digits(&self) -> Digits<'_> {
        Digits { is_negative: self.is_negative, whole: &self.whole, fraction: &self.fraction }
    }
}

impl From<Digits<'_>> for Decimal {
    fn from(digits: Digits<'_>) -> Decimal {
        let Digits { is_negative, whole, fraction } = digits;
        Decimal { is_negative, whole: whole.into(), fraction: fraction.into() }
    }
}

/// The digits of a number where they stand: no zeros before the whole part and behind the fraction, no negative zero.
/// So the longer whole part is the greater one, and of equal ones the text decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Digits<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

/// More digits behind the point are no number.
const FRACTION_DIGITS_MAX: usize = 19;

impl Digits<'_> {
    /// `+` or `-` or nothing, digits, and perhaps a point and digits.
    fn of(text: &str) -> Option<Digits<'_>> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        if !are_digits(whole) || !are_digits(fraction) || fraction.len() > FRACTION_DIGITS_MAX {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Digits { is_negative: text.starts_with('-') && !is_zero, whole, fraction })
    }

    fn cmp(&self, other: &Digits<'_>) -> Ordering {
        let size = |d: &Digits<'_>| d.whole.len();
        let magnitude = size(self)
            .cmp(&size(other))
            .then_with(|| self.whole.cmp(other.whole))
            .then_with(|| self.fraction.cmp(other.fraction));
        match (self.is_negative, other.is_negative) {
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
