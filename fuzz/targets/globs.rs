//! Patterns of channels and of origins, which are one syntax. A naive reader accepts the same patterns and matches the
//! same names, without a regular expression.

use super::script::Script;
use corecast::channel::glob::Glob;
use corecast::wire::handshake::Origins;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let pattern = String::from_utf8_lossy(script.until(b'\n')).into_owned();
    let names: Vec<String> =
        script.rest().split(|byte| *byte == b'\n').take(8).map(|name| String::from_utf8_lossy(name).into()).collect();
    let naive = parse(&pattern);
    let (glob, origins) = (Glob::new(&pattern), Origins::new(std::slice::from_ref(&pattern)));
    // Long ones may be too large for a regular expression.
    let is_small = pattern.len() < 500 && pattern.matches('{').count() < 50;
    match &naive {
        None => assert!(glob.is_err() && origins.is_err(), "{pattern:?}"),
        Some(_) if is_small => assert!(glob.is_ok() && origins.is_ok(), "{pattern:?}"),
        Some(_) => {}
    }
    let Some(naive) = naive else { return };
    for name in &names {
        if let Ok(glob) = &glob {
            assert_eq!(glob.is_match(name), pattern.is_empty() || matches(&naive, name), "{pattern:?} {name:?}");
        }
        if let Ok(origins) = &origins {
            let expected = name.is_empty() || matches(&naive, &name.to_lowercase());
            assert_eq!(origins.allow(Some(name.as_bytes())), expected, "{pattern:?} {name:?}");
        }
    }
}

/// One step of a pattern.
enum Step {
    Any,
    One,
    Literal(char),
    /// Within one of these ranges, or not.
    Class(bool, Vec<(char, char)>),
    OneOf(Vec<Vec<Step>>),
}

fn parse(pattern: &str) -> Option<Vec<Step>> {
    let mut rest = pattern.chars().peekable();
    let mut lists = list(&mut rest, false, 0)?;
    (lists.len() == 1).then(|| lists.remove(0))
}

/// Alternatives up to the brace that ends them, or to the end.
fn list(rest: &mut Peekable<Chars<'_>>, in_braces: bool, depth: usize) -> Option<Vec<Vec<Step>>> {
    let mut all = vec![Vec::new()];
    while let Some(c) = rest.next() {
        let step = match c {
            '}' if in_braces => return Some(all),
            ',' if in_braces => {
                all.push(Vec::new());
                continue;
            }
            '*' => Step::Any,
            '?' => Step::One,
            '[' => class(rest)?,
            // Nobody nests so deep; regular expressions cannot.
            '{' if depth == 150 => return None,
            '{' => Step::OneOf(list(rest, true, depth + 1)?),
            '\\' => match rest.next() {
                Some(c) => Step::Literal(c),
                None => continue,
            },
            c => Step::Literal(c),
        };
        all.last_mut()?.push(step);
    }
    Some(all)
}

fn class(rest: &mut Peekable<Chars<'_>>) -> Option<Step> {
    let is_negated = rest.next_if_eq(&'!').is_some();
    let mut ahead = rest.clone();
    let low = ahead.next()?;
    if ahead.next() == Some('-') {
        let (high, ']') = (ahead.next()?, ahead.next()?) else { return None };
        *rest = ahead;
        return (low <= high).then_some(Step::Class(is_negated, vec![(low, high)]));
    }
    let mut members = Vec::new();
    loop {
        match rest.next()? {
            ']' => return (!members.is_empty()).then_some(Step::Class(is_negated, members)),
            '\\' => {
                let c = rest.next()?;
                members.push((c, c));
            }
            c => members.push((c, c)),
        }
    }
}

fn matches(pattern: &[Step], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    reached(pattern, &name, BTreeSet::from([0])).contains(&name.len())
}

/// Where in the name a pattern can end that begins at one of these places.
fn reached(pattern: &[Step], name: &[char], from: BTreeSet<usize>) -> BTreeSet<usize> {
    pattern.iter().fold(from, |from, step| {
        let over = |holds: &dyn Fn(char) -> bool| -> BTreeSet<usize> {
            from.iter().filter(|at| name.get(**at).is_some_and(|c| holds(*c))).map(|at| at + 1).collect()
        };
        match step {
            Step::Any => from.first().map(|first| (*first..=name.len()).collect()).unwrap_or_default(),
            Step::One => over(&|_| true),
            Step::Literal(c) => over(&|other| other == *c),
            Step::Class(is_negated, ranges) => {
                over(&|c| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_negated)
            }
            Step::OneOf(lists) => lists.iter().flat_map(|list| reached(list, name, from.clone())).collect(),
        }
    })
}
