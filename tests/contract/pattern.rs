//! Expected JSON with holes. A string `"<name>"` stands for a non-empty string that is the same wherever the name
//! stands; `"<STRING>"`, `"<NUMBER>"`, `"<OBJECT>"` and `"<ANY>"` for anything of that kind. A member whose key ends
//! with `?` may be absent. Everything else is compared to the digit, so that 1.0 is not 1.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What the names stand for by now.
#[derive(Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(format!("<{name}>"), value.to_string());
    }

    /// Replaces the names that are known.
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_string(), |text, (name, value)| text.replace(name, value))
    }

    /// Compares, and remembers what new names stand for.
    ///
    /// # Errors
    /// It differs; the text says how.
    pub fn check(&mut self, want: &str, got: &str) -> Result<(), String> {
        let filled = self.fill(want);
        let parsed: Box<RawValue> =
            serde_json::from_str(&filled).unwrap_or_else(|e| panic!("{e} in the row: {filled}"));
        let is_same = match serde_json::from_str::<&RawValue>(got) {
            Ok(got) => self.fits(&parsed, got),
            Err(_) => false,
        };
        if is_same { Ok(()) } else { Err(format!("wanted {filled}\n         got {got}")) }
    }

    /// [`Names::check`] that ends the test.
    pub fn expect(&mut self, context: &str, want: &str, got: &str) {
        self.check(want, got).unwrap_or_else(|difference| panic!("{context}: {difference}"));
    }

    fn fits(&mut self, want: &RawValue, got: &RawValue) -> bool {
        match (kind(want), kind(got)) {
            (b'{', b'{') => self.fit_members(want, got),
            (b'[', b'[') => {
                let (want, got) = (list(want), list(got));
                want.len() == got.len() && want.iter().zip(&got).all(|(want, got)| self.fits(want, got))
            }
            (b'"', _) => self.fits_text(&string(want), got),
            _ => want.get() == got.get(),
        }
    }

    fn fit_members(&mut self, want: &RawValue, got: &RawValue) -> bool {
        let (want, got) = (members(want), members(got));
        let plain = |key: &str| key.strip_suffix('?').unwrap_or(key).to_string();
        let is_known = |key: &String| want.contains_key(key) || want.contains_key(&format!("{key}?"));
        got.keys().all(is_known)
            && want.iter().all(|(key, value)| match got.get(&plain(key)) {
                Some(got) => self.fits(value, got),
                None => key.ends_with('?'),
            })
    }

    fn fits_text(&mut self, want: &str, got: &RawValue) -> bool {
        match want {
            "<ANY>" => true,
            "<STRING>" => kind(got) == b'"',
            "<OBJECT>" => kind(got) == b'{',
            "<NUMBER>" => matches!(kind(got), b'0'..=b'9' | b'-'),
            _ if kind(got) != b'"' => false,
            _ if want.starts_with('<') && want.ends_with('>') => {
                let got = string(got);
                !got.is_empty() && *self.0.entry(want.to_string()).or_insert_with(|| got.clone()) == got
            }
            _ => want == string(got),
        }
    }
}

fn kind(value: &RawValue) -> u8 {
    value.get().as_bytes()[0]
}

fn members(value: &RawValue) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(value.get()).expect("an object")
}

fn list(value: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(value.get()).expect("an array")
}

fn string(value: &RawValue) -> String {
    serde_json::from_str(value.get()).expect("a string")
}

#[test]
fn a_pattern_tells_apart_what_differs() {
    let mut names = Names::default();
    let want = r#"{"a":[1,"<e>"],"up?":"<NUMBER>"}"#;
    assert_eq!(names.check(want, r#"{"a":[1,"x"]}"#), Ok(()));
    assert_eq!(names.check(want, r#"{ "up":7, "a":[1,"x"]}"#), Ok(()));
    for bad in [r#"{"a":[1,"y"]}"#, r#"{"a":[1.0,"x"]}"#, r#"{"a":[1,"x"],"b":1}"#, "{}", "{", "", r#"{"a":[1,"x",1]}"#]
    {
        assert!(names.check(want, bad).is_err(), "{bad}");
    }
    assert_eq!(names.fill("<e>"), "x");
}
