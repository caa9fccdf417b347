//! Tokens. None is accepted without the key: for shared secrets the signature is made again, for public keys the signed text
//! must be one of those that the owner of the private key has signed. Of what is accepted a second reader knows the same
//! user and expiry, and the kinds of tokens never stand in for each other.

use super::script::Script;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corecast::auth::{KeyCache, Lookup, Need, Said, TokenError, Verifier};
use corecast::clock::Mono;
use corecast::config::settings::Token;
use serde_json::Value;
use std::sync::LazyLock;

const NOW: i64 = 1_790_000_000;
const RSA: &str = include_str!("../../tests/data/rsa.pub");
const P256: &str = include_str!("../../tests/data/p256.pub");
const P384: &str = include_str!("../../tests/data/p384.pub");
const P521: &str = include_str!("../../tests/data/p521.pub");

/// What was signed with the private keys of the tests: payloads, by algorithm. The corpus has the tokens.
const SIGNED: [&str; 2] = [r#"{"sub":"42"}"#, r#"{"sub":"42","channel":"c"}"#];

/// Configurations: none has a key in common with another, but for the last, which has several.
static VERIFIERS: LazyLock<Vec<Verifier>> = LazyLock::new(|| {
    let text = |text: &str| text.to_string();
    let tokens = [
        Token { hmac_secret_key: text("secret"), ..Token::default() },
        Token { hmac_secret_key: text("new"), hmac_previous_secret_key: text("secret"), ..Token::default() },
        Token { rsa_public_key: text(RSA), ..Token::default() },
        Token { ecdsa_public_key: text(P256), ..Token::default() },
        Token { ecdsa_public_key: text(P384), ..Token::default() },
        Token { ecdsa_public_key: text(P521), ..Token::default() },
        Token::default(),
        Token { jwks_public_endpoint: text("https://keys.example/set"), ..Token::default() },
        Token {
            hmac_secret_key: text("secret"),
            rsa_public_key: text(RSA),
            ecdsa_public_key: text(P256),
            user_id_claim: text("uid"),
            issuer: text("i"),
            audience_regex: text("^a"),
            ..Token::default()
        },
    ];
    tokens.iter().map(|token| Verifier::new(token, false).expect("good settings")).collect()
});

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (at, how) = (script.below(VERIFIERS.len()), script.below(7));
    let (verifier, rest) = (&VERIFIERS[at], script.rest());
    if how == 0 {
        let token = String::from_utf8_lossy(rest);
        return check(at, verifier, &token, false);
    }
    let mut parts = Script::new(rest);
    let (header, payload, signature) = (parts.until(b'\n'), parts.until(b'\n'), parts.rest());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = match how {
        1 => signature.to_vec(),
        2 => hmac(header, b"wrong", &signed),
        3 => hmac(header, RSA.as_bytes(), &signed),
        4 => hmac(header, P256.as_bytes(), &signed),
        5 => hmac(header, b"", &signed),
        _ => hmac(header, b"secret", &signed),
    };
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    check(at, verifier, &token, how == 6);
}

fn check(at: usize, verifier: &Verifier, token: &str, has_key: bool) {
    let connection = settled(|lookup| verifier.connection(token, NOW, lookup));
    let subscription = settled(|lookup| verifier.subscription(token, NOW, lookup));
    assert!(connection.is_err() || subscription.is_err(), "one kind or the other");
    if connection.is_ok() || subscription.is_ok() {
        assert!(proves(at, token), "nobody with a key has signed {token}");
        assert!(!matches!(at, 6 | 7), "there is no key");
    }
    match (&connection, &subscription) {
        (Ok(claims), _) => second_reader(at, token, &claims.user, claims.expire_at),
        (_, Ok(claims)) => second_reader(at, token, &claims.user, claims.expire_at),
        (Err(TokenError::Expired), _) => assert!(proves(at, token), "its time is told to owners of keys alone"),
        _ => {}
    }
    // With the key and nothing in it, a token is a good one.
    let plain = "eyJhbGciOiJIUzI1NiJ9.e30.";
    assert!(!(at == 0 && has_key && token.starts_with(plain)) || connection.is_ok());
}

/// A second opinion: was the token signed by somebody who has a key of this configuration?
fn proves(at: usize, token: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let Some((header, payload)) = signed.split_once('.') else { return false };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let header = decoded(header);
    let alg = serde_json::from_slice::<Value>(&header).ok().and_then(|tree| Some(tree["alg"].as_str()?.to_string()));
    let is_signed = SIGNED.iter().any(|text| decoded(payload) == text.as_bytes());
    let public: &[&str] = match at {
        2 => &["RS256"],
        3 => &["ES256"],
        4 => &["ES384"],
        5 => &["ES512"],
        8 => &["RS256", "ES256"],
        _ => &[],
    };
    match alg.as_deref() {
        Some("HS256" | "HS384" | "HS512") => {
            let has_secret = matches!(at, 0 | 1 | 8);
            has_secret && decoded(signature) == hmac(&header, b"secret", signed)
        }
        // The header that was signed says nothing else.
        Some(alg) => is_signed && public.contains(&alg) && header == format!(r#"{{"alg":"{alg}"}}"#).as_bytes(),
        None => false,
    }
}

fn second_reader(at: usize, token: &str, user: &str, expire_at: i64) {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
    // Go passes over bytes that are no UTF-8 and numbers of any size; a tree cannot.
    let claims = match serde_json::from_slice(&payload) {
        Ok(Value::Object(claims)) => claims,
        Ok(other) => return assert_eq!((other, user, expire_at), (Value::Null, "", 0), "no claims"),
        Err(_) => return,
    };
    let claim = claims.get(if at == 8 { "uid" } else { "sub" });
    if let Some(Value::String(text)) = claim {
        assert_eq!(user, text);
    }
    assert!(claim.is_some_and(|claim| !claim.is_null()) || user.is_empty(), "nobody has become {user}");
    assert!(expire_at >= 0);
    match (claims.get("expire_at"), claims.get("exp")) {
        (Some(Value::Number(number)), _) => assert_eq!(expire_at, number.as_i64().unwrap_or(0).max(0)),
        (None | Some(Value::Null), Some(Value::Number(exp))) => {
            assert!(expire_at > NOW && exp.as_f64().is_some_and(|exp| exp > NOW as f64));
        }
        (None | Some(Value::Null), None | Some(Value::Null)) => assert_eq!(expire_at, 0),
        _ => {}
    }
}

/// By the size that the header names, whatever else it says.
fn hmac(header: &[u8], key: &[u8], signed: &str) -> Vec<u8> {
    let alg = serde_json::from_slice::<Value>(header).ok().map(|tree| tree["alg"].as_str().unwrap_or("").to_string());
    let algorithm = match alg.as_deref() {
        Some("HS384") => hmac::HMAC_SHA384,
        Some("HS512") => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(algorithm, key), signed.as_bytes()).as_ref().to_vec()
}

/// The outcome when slow signatures are verified at once and no key can be fetched.
fn settled<T>(mut check: impl FnMut(Lookup<'_>) -> Result<T, TokenError>) -> Result<T, TokenError> {
    let (mut keys, mut said) = (KeyCache::default(), Said::Nothing);
    for _ in 0..3 {
        match check(Lookup { keys: &mut keys, now: Mono(0), said }) {
            Err(TokenError::Needs(need)) => match *need {
                Need::Proof(proof) => said = Said::Signature(proof.holds()),
                Need::Key(_) => said = Said::Keys,
            },
            decided => return decided,
        }
    }
    panic!("what was asked for is asked for again");
}
