//! Sets of keys as issuers answer them. Nothing panics; a key allows its own family alone and never a shared secret; it
//! verifies nothing that it has not signed; a cache of them keeps to its bound.

use corecast::auth::{Key, KeyCache, KeyName, jwks};
use corecast::clock::Mono;
use std::sync::Arc;

const FAMILIES: [&[&str]; 5] = [&["RS256", "RS384", "RS512"], &["ES256"], &["ES384"], &["ES512"], &["EdDSA"]];
const OTHERS: [&str; 9] = ["none", "", "HS256", "HS384", "HS512", "PS256", "ES256K", "hs256", "RS1"];
const SIGNATURES: [&str; 4] =
    ["", "AA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "*"];

pub fn run(data: &[u8]) {
    // As the body of an answer, and as the texts of configured keys.
    let text = String::from_utf8_lossy(data);
    [Key::rsa_pem(&text), Key::ec_pem(&text)].into_iter().flatten().for_each(|key| check(&key));
    let Some(set) = jwks::decode(data) else { return };
    set.iter().take(8).for_each(|(_, key)| check(key));
    let (mut cache, url): (KeyCache, Arc<str>) = (KeyCache::default(), "https://keys.example".into());
    for at in 0..2 {
        cache.put(&url, &set, Mono(at));
        let mut kids: Vec<_> = set.iter().map(|(kid, _)| kid).collect();
        kids.sort();
        kids.dedup();
        assert_eq!(cache.len(), kids.len().min(corecast::limits::JWKS_KEYS_MAX));
    }
    for (kid, _) in &set {
        assert!(!kid.is_empty() && cache.get(&KeyName { url: url.clone(), kid: kid.clone() }, Mono(2)).is_some());
    }
}

fn check(key: &Key) {
    let allowed: Vec<&str> =
        FAMILIES.iter().flat_map(|family| *family).copied().filter(|alg| key.allows(alg)).collect();
    assert!(FAMILIES.iter().any(|family| allowed.iter().all(|alg| family.contains(alg))), "{allowed:?}");
    assert!(!OTHERS.iter().any(|alg| key.allows(alg)));
    for alg in allowed.iter().chain(&OTHERS[..3]) {
        for signature in SIGNATURES {
            assert!(!key.verify(alg, "e30.e30", signature), "{alg}");
        }
    }
}
