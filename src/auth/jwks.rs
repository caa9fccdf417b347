//! Key sets (RFC 7517): the bytes of an answer to the keys that can be used, and which key a token needs.
//!
//! A key counts when it has a `kid`, `use` is `sig`, and its type is RSA, EC or OKP with Ed25519; others are passed
//! over, so that a set may hold keys for other purposes.

use super::key::Key;
use serde::Deserialize;
use std::sync::Arc;

/// Names one key: where its set is and what it is called there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyName {
    /// The resolved address of the set.
    pub url: Arc<str>,
    /// `kid` of the token.
    pub kid: Box<str>,
}

/// The usable keys of one answer, by `kid`.
pub type KeySet = Vec<(Box<str>, Arc<Key>)>;

/// A key as it is written; anything else in it is not looked at.
#[derive(Deserialize)]
struct Raw {
    kty: String,
    kid: String,
    r#use: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

/// The usable keys of a set. `None`: it is no key set.
pub fn decode(bytes: &[u8]) -> Option<KeySet> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(bytes).ok()?;
    let raws = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Raw>(key).ok());
    Some(raws.filter_map(|raw| Some((raw.kid.as_str().into(), Arc::new(raw.key()?)))).collect())
}

impl Raw {
    fn key(&self) -> Option<Key> {
        if self.r#use != "sig" || self.kid.is_empty() {
            return None;
        }
        let key = match self.kty.as_str() {
            "RSA" => Key::rsa(&self.n, &self.e)?,
            "EC" => Key::ec(&self.crv, &self.x, &self.y)?,
            "OKP" if self.crv == "Ed25519" => Key::ed25519(&self.x)?,
            _ => return None,
        };
        match self.alg.as_deref() {
            None | Some("") => Some(key),
            Some(alg) => key.only(alg),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn kids(keys: &str) -> Vec<String> {
        let set = decode(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).expect("a set");
        set.into_iter().map(|(kid, _)| kid.to_string()).collect()
    }

    #[test]
    fn keys_of_all_types_are_taken() {
        let point = "AQ";
        let keys = format!(
            r#"{{"kty":"RSA","kid":"r","use":"sig","n":"wQ","e":"AQAB"}},
               {{"kty":"EC","kid":"p256","use":"sig","crv":"P-256","x":"{point}","y":"{point}"}},
               {{"kty":"EC","kid":"p384","use":"sig","crv":"P-384","x":"{point}","y":"{point}","alg":"ES384"}},
               {{"kty":"EC","kid":"p521","use":"sig","crv":"P-521","x":"{point}","y":"{point}"}},
               {{"kty":"OKP","kid":"ed","use":"sig","crv":"Ed25519","x":"{ED}"}}"#
        );
        assert_eq!(kids(&keys), ["r", "p256", "p384", "p521", "ed"]);
    }

    #[test]
    fn what_cannot_serve_is_passed_over() {
        for (what, key) in [
            ("no use", format!(r#"{{"kty":"OKP","kid":"a","crv":"Ed25519","x":"{ED}"}}"#)),
            ("for encryption", format!(r#"{{"kty":"OKP","kid":"a","use":"enc","crv":"Ed25519","x":"{ED}"}}"#)),
            ("no kid", format!(r#"{{"kty":"OKP","use":"sig","crv":"Ed25519","x":"{ED}"}}"#)),
            ("another curve", format!(r#"{{"kty":"OKP","kid":"a","use":"sig","crv":"Ed448","x":"{ED}"}}"#)),
            ("a shared secret", r#"{"kty":"oct","kid":"a","use":"sig","k":"c2VjcmV0"}"#.into()),
            (
                "an algorithm of another family",
                format!(r#"{{"kty":"OKP","kid":"a","use":"sig","crv":"Ed25519","x":"{ED}","alg":"HS256"}}"#),
            ),
            ("no key at all", "17".into()),
        ] {
            assert_eq!(
                kids(&format!(r#"{key},{{"kty":"RSA","kid":"good","use":"sig","n":"wQ","e":"AQAB"}}"#)),
                ["good"],
                "{what}"
            );
        }
    }

    #[test]
    fn what_is_no_set_is_none() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert!(decode(text.as_bytes()).is_none(), "{text}");
        }
        assert!(decode(br#"{"keys":[]}"#).is_some_and(|set| set.is_empty()));
    }

    #[test]
    fn an_algorithm_in_the_set_rules() {
        let with = |alg: &str| {
            let text = format!(r#"{{"keys":[{{"kty":"RSA","kid":"r","use":"sig","n":"wQ","e":"AQAB"{alg}}}]}}"#);
            decode(text.as_bytes()).expect("a set").remove(0).1
        };
        let (open, fixed) = (with(""), with(r#","alg":"RS256""#));
        assert!(open.allows("RS256") && open.allows("RS512") && !open.allows("ES256") && !open.allows("HS256"));
        assert!(fixed.allows("RS256") && !fixed.allows("RS512"));
    }
}
