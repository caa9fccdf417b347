//! `client.allowed_origins`: which pages may open a connection. Centrifugo matches the lower-cased origin against
//! patterns in the syntax of gobwas/glob without separators; they are translated to the linear-time `regex`, so that
//! no origin can be costly. Not here: the same-host rule, which Centrifugo does not have for clients.
//!
//! The syntax: `*` (or `**`) any run of characters, slashes and dots included; `?` any one; `[abc]` one of a list,
//! `[a-z]` one of a single range, `!` after the bracket negates; `{a,b}` alternatives, which nest; `\` makes the next
//! character literal. A brace left open reaches to the end. A pattern is not lower-cased: capitals match nothing.

use regex::{Regex, RegexBuilder};
use std::str::Chars;

/// The patterns of the operator, compiled.
#[derive(Debug)]
pub struct Origins {
    any: bool,
    patterns: Vec<Regex>,
}

impl Origins {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// A text for the operator that names the pattern.
    pub fn new(patterns: &[String]) -> Result<Origins, String> {
        let any = patterns.iter().any(|pattern| pattern == "*");
        let compiled = |pattern: &String| {
            compile(pattern).map_err(|reason| format!("pattern \"{pattern}\" cannot be used: {reason}"))
        };
        Ok(Origins { any, patterns: patterns.iter().map(compiled).collect::<Result<_, _>>()? })
    }

    /// A request without an origin comes from no page and is always allowed.
    pub fn allow(&self, origin: Option<&[u8]>) -> bool {
        let Some(origin) = origin.filter(|origin| !origin.is_empty()) else { return true };
        if self.any {
            return true;
        }
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let origin = origin.to_lowercase();
        self.patterns.iter().any(|pattern| pattern.is_match(&origin))
    }
}

/// Bound of one compiled pattern: only a mistake is larger.
const COMPILED_BYTES_MAX: usize = 1 << 20;

fn compile(pattern: &str) -> Result<Regex, &'static str> {
    let (mut text, mut depth, mut rest) = (String::from(r"\A(?s:"), 0_usize, pattern.chars());
    while let Some(c) = rest.next() {
        match c {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '[' => class(&mut rest, &mut text)?,
            '{' => {
                depth += 1;
                text.push_str("(?:");
            }
            ',' if depth > 0 => text.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                text.push(')');
            }
            '\\' => rest.next().into_iter().for_each(|c| literal(c, &mut text)),
            c => literal(c, &mut text),
        }
    }
    text.extend(std::iter::repeat_n(')', depth));
    text.push_str(r")\z");
    RegexBuilder::new(&text).size_limit(COMPILED_BYTES_MAX).build().map_err(|_| "it is too large or too deeply nested")
}

fn literal(c: char, text: &mut String) {
    text.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// A character class whose opening bracket was read.
fn class(rest: &mut Chars<'_>, text: &mut String) -> Result<(), &'static str> {
    let is_negated = rest.as_str().starts_with('!');
    if is_negated {
        rest.next();
    }
    let mut ahead = rest.clone();
    let members = match (ahead.next(), ahead.next()) {
        (Some(low), Some('-')) => {
            *rest = ahead;
            vec![(low, range_end(low, rest)?)]
        }
        _ => list(rest)?,
    };
    text.push_str(if is_negated { "[^" } else { "[" });
    for (low, high) in members {
        text.push_str(&format!(r"\u{{{:x}}}-\u{{{:x}}}", u32::from(low), u32::from(high)));
    }
    text.push(']');
    Ok(())
}

fn range_end(low: char, rest: &mut Chars<'_>) -> Result<char, &'static str> {
    match (rest.next(), rest.next()) {
        (Some(high), Some(']')) if low <= high => Ok(high),
        (Some(_), Some(']')) => Err("a range runs backwards"),
        _ => Err("a range is one pair of characters, as in [a-z]"),
    }
}

fn list(rest: &mut Chars<'_>) -> Result<Vec<(char, char)>, &'static str> {
    const OPEN: &str = "a [ has no ]";
    let mut members = Vec::new();
    loop {
        let member = match rest.next().ok_or(OPEN)? {
            ']' if members.is_empty() => return Err("[] holds no character"),
            ']' => return Ok(members),
            '\\' => rest.next().ok_or(OPEN)?,
            other => other,
        };
        members.push((member, member));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origins(patterns: &[&str]) -> Result<Origins, String> {
        Origins::new(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn allows(patterns: &[&str], origin: &str) -> bool {
        origins(patterns).expect("good patterns").allow(Some(origin.as_bytes()))
    }

    #[test]
    fn patterns_match_the_whole_lower_cased_origin() {
        let rows: &[(&[&str], &str, bool)] = &[
            (&[], "https://a.example", false),
            (&["*"], "https://a.example", true),
            (&["http://b", "*"], "https://a.example", true),
            (&["https://a.example"], "HTTPS://A.example", true),
            (&["https://A.example"], "https://a.example", false),
            (&["https://a.example"], "https://a.example.evil", false),
            (&["https://a.example"], "xhttps://a.example", false),
            (&["https://a.example"], "https://axexample", false),
            (&["https://*.example.com"], "https://x.y.example.com", true),
            (&["https://*.example.com"], "https://example.com", false),
            (&["*.example.com", "b.example"], "https://two.Example.com", true),
            (&["*.example.com"], "https://two.\u{435}xample.com", false),
            (&["http://localhost:*"], "http://localhost:3000", true),
            (&["http://localhost:*"], "http://localhost", false),
            (&["file://*"], "file://", true),
            (&["null"], "null", true),
            (&["http://b", "https://a.?"], "https://a.x", true),
            (&["https://a.?"], "https://a.", false),
        ];
        for (patterns, origin, allowed) in rows {
            assert_eq!(allows(patterns, origin), *allowed, "{patterns:?} {origin}");
        }
    }

    #[test]
    fn the_syntax_is_that_of_gobwas() {
        let rows = [
            ("http{,s}://{a,b.c}.x", "https://b.c.x", true),
            ("http{,s}://{a,b.c}.x", "http://a.x", true),
            ("http{,s}://{a,b.c}.x", "http://c.x", false),
            ("{a,{b,c}d}", "cd", true),
            ("{a,b", "b", true),
            ("a}", "a}", true),
            ("a,b", "a,b", true),
            ("[abc]", "b", true),
            ("[!abc]", "b", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "dx", true),
            ("[ab-]", "-", true),
            (r"[\]]", "]", true),
            ("[^a]", "^", true),
            (r"\*\{", "*{", true),
            (r"\*", "a", false),
            ("a**b", "a/x.y/b", true),
            ("a.b", "axb", false),
            ("(a|b)+$", "(a|b)+$", true),
        ];
        for (pattern, origin, allowed) in rows {
            assert_eq!(allows(&[pattern], origin), allowed, "{pattern} {origin}");
        }
    }

    #[test]
    fn a_bad_pattern_is_named() {
        for pattern in ["[", "[a", "[]", "[!]", "[a-", "[a-z", "[a-bc]", "[z-a]", r"[\"] {
            let error = origins(&["*", pattern]).expect_err(pattern);
            assert!(error.contains(&format!("\"{pattern}\"")), "{error}");
        }
        assert!(origins(&[&"{".repeat(10_000)]).is_err());
    }

    #[test]
    fn what_is_no_page_is_allowed_and_what_is_no_text_is_not() {
        let none = origins(&[]).expect("none");
        assert!(none.allow(None) && none.allow(Some(b"")));
        let some = origins(&["https://*"]).expect("good");
        assert!(!some.allow(Some(b"https://\xff")));
        assert!(origins(&["*"]).expect("good").allow(Some(b"https://\xff")));
    }

    proptest! {
        #[test]
        fn an_escaped_pattern_matches_itself_alone(text in "[ -@\\[-~]{1,20}", other in "[a-z]{1,20}") {
            let pattern: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(allows(&[&pattern], &text));
            prop_assert_eq!(allows(&[&pattern], &other), text == other);
        }

        #[test]
        fn arbitrary_patterns_never_panic(
            pattern in r"[\[\]{}!\\*?,a-c-]{0,24}",
            origin in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            if let Ok(origins) = origins(&[&pattern]) {
                origins.allow(Some(&origin));
            }
        }
    }
}
