use super::*;
use jsonwebtoken::{EncodingKey, encode};

const NOW: i64 = 1_790_000_000;

fn token(claims: &str) -> String {
    signed(claims, "secret", jsonwebtoken::Algorithm::HS256)
}

fn signed(claims: &str, secret: &str, algorithm: jsonwebtoken::Algorithm) -> String {
    let claims: serde_json::Value = serde_json::from_str(claims).expect("claims");
    encode(&jsonwebtoken::Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("a token")
}

fn settings() -> Token {
    Token { hmac_secret_key: "secret".into(), ..Token::default() }
}

fn connect(settings: &Token, token: &str) -> Result<ConnectionClaims, TokenError> {
    let verifier = Verifier::new(settings, false).expect("good settings");
    settled(|lookup| verifier.connection(token, NOW, lookup))
}

/// The outcome when signatures that take long are verified at once and no key is fetched.
fn settled<T>(mut check: impl FnMut(Lookup<'_>) -> Result<T, TokenError>) -> Result<T, TokenError> {
    let (mut keys, mut said) = (KeyCache::default(), Said::Nothing);
    loop {
        match check(Lookup { keys: &mut keys, now: Mono(0), said }) {
            Err(TokenError::Needs(need)) => match *need {
                Need::Proof(proof) => said = Said::Signature(proof.holds()),
                Need::Key(_) => said = Said::Keys,
            },
            decided => return decided,
        }
    }
}

fn is_invalid(result: Result<ConnectionClaims, TokenError>) -> bool {
    matches!(result, Err(TokenError::Invalid(_)))
}

#[test]
fn claims_are_taken_over() {
    let claims =
        connect(&settings(), &token(r#"{"sub":"42","exp":1790000100,"info":{"a": 1},"meta":[1]}"#)).expect("good");
    assert_eq!((claims.user.as_str(), claims.expire_at), ("42", NOW + 100));
    assert_eq!((&claims.info[..], &claims.meta[..]), (&br#"{"a":1}"#[..], &b"[1]"[..]));
}

#[test]
fn there_is_no_leeway() {
    for (claims, is_good) in [
        (r#"{"exp":1790000001}"#, true),
        (r#"{"exp":1790000000}"#, false),
        (r#"{"exp":1789999999}"#, false),
        (r#"{"exp":0}"#, false),
        (r#"{"exp":-5}"#, false),
        (r#"{"exp":null}"#, true),
        (r#"{"exp":"1790000100"}"#, true),
        (r#"{"exp":1790000100.5}"#, true),
        (r#"{"nbf":1790000002}"#, false),
        (r#"{"nbf":1790000000}"#, true),
    ] {
        let result = connect(&settings(), &token(claims)).map(|_| ());
        assert_eq!(result, if is_good { Ok(()) } else { Err(TokenError::Expired) }, "{claims}");
    }
}

#[test]
fn expire_at_replaces_exp_for_the_session() {
    for (claims, expected) in [
        (r#"{"exp":1790000100}"#, NOW + 100),
        (r#"{"exp":1790000100,"expire_at":1790000500}"#, NOW + 500),
        (r#"{"exp":1790000100,"expire_at":0}"#, 0),
        (r#"{"exp":1790000100,"expire_at":-1}"#, 0),
        (r#"{"exp":1790000100,"expire_at":null}"#, NOW + 100),
    ] {
        assert_eq!(connect(&settings(), &token(claims)).map(|c| c.expire_at), Ok(expected), "{claims}");
    }
}

#[test]
fn a_claim_of_the_wrong_type_makes_the_token_invalid() {
    for claims in [
        r#"{"sub":1}"#,
        r#"{"channels":"a"}"#,
        r#"{"expire_at":1.5}"#,
        r#"{"expire_at":"1790000100"}"#,
        r#"{"exp":"soon"}"#,
        r#"{"aud":1}"#,
        r#"{"subs":{"a":{"override":{"presence":true}}}}"#,
        r#"{"subs":{"a":{"b64data":"*"}}}"#,
        r#"[]"#,
    ] {
        assert!(is_invalid(connect(&settings(), &token(claims))), "{claims}");
    }
    for claims in ["null", "{}", r#"{"aud":["a","b"],"subs":{"ch":null}}"#, r#"{"sub":null}"#] {
        assert_eq!(connect(&settings(), &token(claims)).map(|c| c.user), Ok(String::new()), "{claims}");
    }
}

#[test]
fn what_is_no_token_is_invalid() {
    let good = token("{}");
    let (header, rest) = good.split_once('.').expect("parts");
    let lower = URL_SAFE_NO_PAD.encode(r#"{"alg":"hs256"}"#);
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    for bad in [
        String::new(),
        "xxx".into(),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}.x"),
        format!("{lower}.{rest}"),
        format!("{none}.{}.", rest.split('.').next().expect("a payload")),
        format!("{header}.{}", rest.replacen('.', "x.", 1)),
        signed("{}", "other", jsonwebtoken::Algorithm::HS256),
    ] {
        assert!(is_invalid(connect(&settings(), &bad)), "{bad}");
    }
    assert!(is_invalid(connect(&Token::default(), &good)), "no key, no token");
}

#[test]
fn every_hmac_size_is_accepted() {
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
    for algorithm in [HS256, HS384, HS512] {
        assert!(connect(&settings(), &signed("{}", "secret", algorithm)).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn the_previous_key_counts_until_its_time() {
    let old = signed(r#"{"sub":"1"}"#, "old", jsonwebtoken::Algorithm::HS256);
    let with = |until| Token {
        hmac_previous_secret_key: "old".into(),
        hmac_previous_secret_key_valid_until: until,
        ..settings()
    };
    assert!(connect(&with(0), &old).is_ok() && connect(&with(NOW + 1), &old).is_ok());
    assert!(is_invalid(connect(&with(NOW - 1), &old)));
    let expired = signed(r#"{"exp":1}"#, "old", jsonwebtoken::Algorithm::HS256);
    assert_eq!(connect(&with(0), &expired), Err(TokenError::Expired));
}

#[test]
fn audience_and_issuer_are_checked_before_time() {
    let exact = Token { audience: "a".into(), issuer: "i".into(), ..settings() };
    assert!(connect(&exact, &token(r#"{"aud":["b","a"],"iss":"i"}"#)).is_ok());
    assert!(is_invalid(connect(&exact, &token(r#"{"aud":"b","iss":"i","exp":1}"#))));
    let pattern = Token { audience_regex: "^a+$".into(), issuer_regex: "^i".into(), ..settings() };
    assert!(connect(&pattern, &token(r#"{"aud":"aa","iss":"ix"}"#)).is_ok());
    assert!(is_invalid(connect(&pattern, &token(r#"{"aud":"b","iss":"ix"}"#))));
    assert!(is_invalid(connect(&pattern, &token(r#"{"aud":"aa"}"#))));
}

#[test]
fn another_claim_may_name_the_user() {
    let settings = Token { user_id_claim: "uid".into(), ..settings() };
    for (claims, user) in [
        (r#"{"uid":"x"}"#, "x"),
        (r#"{"uid":9}"#, "9"),
        (r#"{"uid":9.5}"#, "9.5"),
        (r#"{"uid":true}"#, "true"),
        (r#"{"uid":{"a":1}}"#, r#"{"a":1}"#),
        (r#"{"uid":null,"sub":"1"}"#, ""),
        (r#"{"sub":"1"}"#, ""),
    ] {
        assert_eq!(connect(&settings, &token(claims)).map(|c| c.user), Ok(user.to_string()), "{claims}");
    }
    assert!(is_invalid(connect(&settings, &token(r#"{"uid":"x","sub":1}"#))));
}

#[test]
fn subs_hide_channels_unless_they_are_empty() {
    let names = |claims: &str| connect(&settings(), &token(claims)).map(|c| c.subs.into_keys().collect::<Vec<_>>());
    assert_eq!(names(r#"{"channels":["a","","b"]}"#), Ok(vec!["a".into(), "b".into()]));
    assert_eq!(names(r#"{"channels":["a"],"subs":{}}"#), Ok(vec!["a".into()]));
    assert_eq!(names(r#"{"channels":["a"],"subs":{"c":{}}}"#), Ok(vec!["c".into()]));
    let claims = connect(&settings(), &token(r#"{"subs":{"c":{"info":1,"b64data":"AAE="}}}"#)).expect("good");
    assert_eq!((&claims.subs["c"].info[..], &claims.subs["c"].data[..]), (&b"1"[..], &[0u8, 1][..]));
}

#[test]
fn base64_wins_over_json_and_must_decode() {
    let claims = connect(&settings(), &token(r#"{"info":1,"b64info":"AAE="}"#)).expect("good");
    assert_eq!(&claims.info[..], [0, 1]);
    assert_eq!(connect(&settings(), &token(r#"{"b64info":"*"}"#)), Err(TokenError::BadInfo));
}

#[test]
fn kinds_of_tokens_do_not_stand_in_for_each_other() {
    let verifier = Verifier::new(&settings(), false).expect("good settings");
    assert!(is_invalid(settled(|lookup| verifier.connection(&token(r#"{"channel":"a"}"#), NOW, lookup))));
    assert!(matches!(settled(|lookup| verifier.subscription(&token("{}"), NOW, lookup)), Err(TokenError::Invalid(_))));
    let claims = settled(|lookup| {
        verifier.subscription(&token(r#"{"sub":"1","channel":"a","client":"c","data":{"x":1}}"#), NOW, lookup)
    });
    let claims = claims.expect("good");
    assert_eq!((claims.channel.as_str(), claims.client.as_str(), &claims.data[..]), ("a", "c", &br#"{"x":1}"#[..]));
    let expired = settled(|lookup| verifier.subscription(&token(r#"{"exp":1}"#), NOW, lookup));
    assert_eq!(expired.map(|_| ()), Err(TokenError::Expired), "time is looked at before the channel");
}

#[test]
fn options_that_cannot_hold_are_named() {
    let error = |token: Token| Verifier::new(&token, false).map(|_| ()).expect_err("refused");
    assert!(error(Token { audience: "a".into(), audience_regex: "a".into(), ..settings() }).contains("audience_regex"));
    assert!(error(Token { issuer_regex: "(".into(), ..settings() }).contains("issuer_regex"));
    assert!(error(Token { user_id_claim: "a-b".into(), ..settings() }).contains("user_id_claim"));
    assert!(error(Token { rsa_public_key: "x".into(), ..settings() }).contains("rsa_public_key"));
    assert!(error(Token { ecdsa_public_key: "x".into(), ..settings() }).contains("ecdsa_public_key"));
}

#[test]
fn a_skipped_signature_leaves_every_other_check() {
    let verifier = Verifier::new(&settings(), true).expect("good settings");
    let foreign = |claims| signed(claims, "other", jsonwebtoken::Algorithm::HS256);
    assert!(settled(|lookup| verifier.connection(&foreign("{}"), NOW, lookup)).is_ok());
    assert_eq!(
        settled(|lookup| verifier.connection(&foreign(r#"{"exp":1}"#), NOW, lookup)).map(|_| ()),
        Err(TokenError::Expired)
    );
}

#[test]
fn public_keys_verify_their_own_algorithm_only() {
    for (algorithm, private, public) in [
        ("RS256", include_str!("../../tests/data/rsa.key"), include_str!("../../tests/data/rsa.pub")),
        ("ES256", include_str!("../../tests/data/p256.key"), include_str!("../../tests/data/p256.pub")),
        ("ES384", include_str!("../../tests/data/p384.key"), include_str!("../../tests/data/p384.pub")),
    ] {
        let is_rsa = algorithm.starts_with('R');
        let settings = if is_rsa {
            Token { rsa_public_key: public.into(), ..Token::default() }
        } else {
            Token { ecdsa_public_key: public.into(), ..Token::default() }
        };
        let pem = private.as_bytes();
        let key = if is_rsa { EncodingKey::from_rsa_pem(pem) } else { EncodingKey::from_ec_pem(pem) }.expect("a key");
        let header = jsonwebtoken::Header::new(algorithm.parse().expect("known"));
        let good = encode(&header, &serde_json::json!({ "sub": "42" }), &key).expect("a token");
        assert_eq!(connect(&settings, &good).map(|c| c.user), Ok("42".into()), "{algorithm}");
        // A public key must not serve as a shared secret.
        assert!(is_invalid(connect(&settings, &signed("{}", public, jsonwebtoken::Algorithm::HS256))), "{algorithm}");
        // Nor may another algorithm of any family be named over it.
        let (_, rest) = good.split_once('.').expect("parts");
        for other in ["none", "HS256", "PS256", "RS384", "ES256", "ES384", "ES512", "EdDSA"] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{other}"}}"#));
            assert!(is_invalid(connect(&settings, &format!("{header}.{rest}"))), "{algorithm} as {other}");
        }
        assert!(Verifier::new(&settings, false).expect("good").algorithms().contains(&algorithm));
    }
}

#[test]
fn es512_is_verified() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair};
    let body = include_str!("../../tests/data/p521.key").lines().filter(|l| !l.starts_with('-')).collect::<String>();
    let der = base64::engine::general_purpose::STANDARD.decode(body).expect("base64");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P521_SHA512_FIXED_SIGNING, &der).expect("a key");
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES512"}"#), URL_SAFE_NO_PAD.encode(r#"{"sub":"42"}"#));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
    let good = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    let settings = Token { ecdsa_public_key: include_str!("../../tests/data/p521.pub").into(), ..Token::default() };
    assert_eq!(connect(&settings, &good).map(|c| c.user), Ok("42".into()));
    assert!(is_invalid(connect(&settings, &format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 132])))));
}
