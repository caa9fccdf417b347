//! Patterns of channel names as `channels` takes them: gobwas globs without separators (server-api 2.11), translated to
//! a regular expression, so that matching takes linear time whatever the pattern.
//!
//! What is particular: `**` is `*`; a class is one range `[a-z]` or one list `[abc]`, `!` negates it, and it is never
//! empty; `,` separates only within braces; an unclosed `{` and a stray `}` are fine.

use regex::{Regex, RegexBuilder};
use std::iter::Peekable;
use std::str::Chars;

/// Compiled patterns stay below this many bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Braces nested deeper are refused: the regular expression would be.
const DEPTH_MAX: usize = 200;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Glob(Option<Regex>);

/// The pattern means nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadPattern;

impl Glob {
    /// Compiles a pattern; the empty one matches everything.
    ///
    /// # Errors
    /// A class is empty, not closed or out of order, or the pattern is too large.
    pub fn new(pattern: &str) -> Result<Glob, BadPattern> {
        if pattern.is_empty() {
            return Ok(Glob(None));
        }
        let expression = translate(pattern)?;
        let compiled = RegexBuilder::new(&expression).size_limit(COMPILED_BYTES_MAX).build();
        compiled.map(|regex| Glob(Some(regex))).map_err(|_| BadPattern)
    }

    /// True when the whole name matches.
    pub fn is_match(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(name))
    }
}

fn translate(pattern: &str) -> Result<String, BadPattern> {
    let mut out = String::with_capacity(pattern.len() * 2 + 8);
    out.push_str(r"\A(?s:");
    let (mut depth, mut rest) = (0usize, pattern.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '*' => {
                while rest.next_if_eq(&'*').is_some() {}
                out.push_str(".*");
            }
            '?' => out.push('.'),
            '[' => class(&mut rest, &mut out)?,
            '{' if depth == DEPTH_MAX => return Err(BadPattern),
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            ',' if depth > 0 => out.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            '\\' => rest.next().into_iter().for_each(|c| literal(c, &mut out)),
            c => literal(c, &mut out),
        }
    }
    out.extend(std::iter::repeat_n(')', depth));
    out.push_str(r")\z");
    Ok(out)
}

fn literal(c: char, out: &mut String) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// The rest of a class behind its `[`.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), BadPattern> {
    let is_negated = rest.next_if_eq(&'!').is_some();
    let set = match range(rest)? {
        Some(range) => vec![range],
        None => list(rest)?,
    };
    out.push_str(if is_negated { "[^" } else { "[" });
    for (low, high) in set {
        out.push_str(&format!("\\u{{{:x}}}-\\u{{{:x}}}", low as u32, high as u32));
    }
    out.push(']');
    Ok(())
}

/// `a-z]`; `None` when it is a list.
fn range(rest: &mut Peekable<Chars<'_>>) -> Result<Option<(char, char)>, BadPattern> {
    let mut ahead = rest.clone();
    let low = ahead.next().ok_or(BadPattern)?;
    if ahead.next() != Some('-') {
        return Ok(None);
    }
    let high = ahead.next().ok_or(BadPattern)?;
    if ahead.next() != Some(']') || high < low {
        return Err(BadPattern);
    }
    *rest = ahead;
    Ok(Some((low, high)))
}

/// `abc]`
fn list(rest: &mut Peekable<Chars<'_>>) -> Result<Vec<(char, char)>, BadPattern> {
    let mut set = Vec::new();
    loop {
        let c = match rest.next().ok_or(BadPattern)? {
            ']' if set.is_empty() => return Err(BadPattern),
            ']' => return Ok(set),
            '\\' => rest.next().ok_or(BadPattern)?,
            c => c,
        };
        set.push((c, c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_mean_what_they_mean_to_gobwas() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("", &["", "anything"], &[]),
            ("chat:*", &["chat:", "chat:a:b", "chat:a\nb"], &["chat", "xchat:1"]),
            ("a*b", &["ab", "a:/b"], &["abc"]),
            ("**", &["", "a"], &[]),
            ("chat:?", &["chat:1"], &["chat:", "chat:10"]),
            ("?", &["é"], &["", "ab"]),
            ("[a,b]", &[",", "a"], &["c"]),
            ("[*]", &["*"], &["a"]),
            ("[-a]", &["-", "a"], &["b"]),
            ("[^a]", &["^", "a"], &["b"]),
            ("user#[0-9]*", &["user#42"], &["user#x"]),
            ("[а-я]", &["ж"], &["a"]),
            ("[!abc]", &["d"], &["a"]),
            ("[!a-c]", &["d"], &["b"]),
            ("[!!]", &["a"], &["!"]),
            ("chat:{1,2,room-*}", &["chat:room-7", "chat:2"], &["chat:3"]),
            ("{,x}y", &["y", "xy"], &["x"]),
            ("{a,{b,c}}", &["c"], &["d"]),
            ("\\*", &["*"], &["a"]),
            ("{a\\,b}", &["a,b"], &["a"]),
            ("[\\]]", &["]"], &["a"]),
            ("[a\\-z]", &["a", "-", "z"], &["b"]),
            ("a\\", &["a"], &["a\\"]),
            ("$*", &["$x"], &["x"]),
            ("a}", &["a}"], &["a"]),
            ("a]", &["a]"], &["a"]),
            ("{a", &["a"], &["{a"]),
            ("a,b", &["a,b"], &["a"]),
            ("CHAT:*", &[], &["chat:1"]),
        ];
        for (pattern, good, bad) in rows {
            let glob = Glob::new(pattern).expect(pattern);
            good.iter().for_each(|name| assert!(glob.is_match(name), "{pattern} {name}"));
            bad.iter().for_each(|name| assert!(!glob.is_match(name), "{pattern} {name}"));
        }
    }

    #[test]
    fn bad_classes_are_refused() {
        for pattern in ["[", "[]", "[a", "[!]", "[]a]", "[a-]", "[a-c-e]", "[a-zA-Z]", "[z-a]", "[a-zA-Z]*"] {
            assert_eq!(Glob::new(pattern).err(), Some(BadPattern), "{pattern}");
        }
        assert_eq!(Glob::new(&"{".repeat(5000)).err(), Some(BadPattern));
    }

    proptest! {
        #[test]
        fn arbitrary_patterns_never_panic(pattern in r"[*?{}\[\]!,\\a-c\-]{0,40}", name in "[a-c,:]{0,20}") {
            _ = Glob::new(&pattern).map(|glob| glob.is_match(&name));
        }
    }
}
