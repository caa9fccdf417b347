//! The keys that an operator configured, and which algorithms they allow. The header's `alg` chooses among the
//! configured kinds; it can never turn a public key into a shared secret.

use crate::config::settings::Token;
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};

/// The curve of the configured EC key: it enables exactly one algorithm.
enum Ec {
    Small(Algorithm, DecodingKey),
    /// ES512, which jsonwebtoken lacks: the uncompressed point.
    P521(Vec<u8>),
}

/// All static keys.
#[derive(Default)]
pub struct Keys {
    hmac: Option<DecodingKey>,
    previous_hmac: Option<DecodingKey>,
    /// Unix seconds; 0: the previous key counts for ever.
    previous_valid_until: i64,
    rsa: Option<DecodingKey>,
    ec: Option<Ec>,
}

impl Keys {
    /// Reads the keys.
    ///
    /// # Errors
    /// A text that names the option.
    pub fn new(token: &Token) -> Result<Keys, String> {
        let secret = |text: &str| (!text.is_empty()).then(|| DecodingKey::from_secret(text.as_bytes()));
        let rsa = match token.rsa_public_key.as_str() {
            "" => None,
            pem => Some(DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|e| bad("rsa_public_key", "an RSA", &e))?),
        };
        Ok(Keys {
            hmac: secret(&token.hmac_secret_key),
            previous_hmac: secret(&token.hmac_previous_secret_key),
            previous_valid_until: token.hmac_previous_secret_key_valid_until,
            rsa,
            ec: if token.ecdsa_public_key.is_empty() { None } else { Some(ec(&token.ecdsa_public_key)?) },
        })
    }

    /// The algorithms that the keys allow.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        if self.hmac.is_some() {
            names.extend(["HS256", "HS384", "HS512"]);
        }
        if self.rsa.is_some() {
            names.extend(["RS256", "RS384", "RS512"]);
        }
        match &self.ec {
            Some(Ec::Small(Algorithm::ES256, _)) => names.push("ES256"),
            Some(Ec::Small(..)) => names.push("ES384"),
            Some(Ec::P521(_)) => names.push("ES512"),
            None => {}
        }
        names
    }

    /// True when `signature` (base64url) over `signed` is good under a configured key of the kind of `alg`.
    pub fn verify(&self, alg: &str, signed: &str, signature: &str, now_unix: i64) -> bool {
        if let (Some(Ec::P521(point)), "ES512") = (&self.ec, alg) {
            let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
            let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
            return key.verify(signed.as_bytes(), &signature).is_ok();
        }
        let Some(algorithm) = algorithm(alg) else { return false };
        let is_good = |key: &DecodingKey| {
            crypto::verify(signature, signed.as_bytes(), key, algorithm).is_ok_and(|is_good| is_good)
        };
        match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                let is_in_force = self.previous_valid_until == 0 || now_unix < self.previous_valid_until;
                let previous = self.previous_hmac.as_ref().filter(|_| is_in_force);
                self.hmac.as_ref().is_some_and(is_good) || (self.hmac.is_some() && previous.is_some_and(is_good))
            }
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => self.rsa.as_ref().is_some_and(is_good),
            _ => matches!(&self.ec, Some(Ec::Small(own, key)) if *own == algorithm && is_good(key)),
        }
    }
}

fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "HS256" => Algorithm::HS256,
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        _ => return None,
    })
}

/// The curve is told by the object identifier within the key (RFC 5480).
fn ec(pem: &str) -> Result<Ec, String> {
    let der = der(pem).ok_or_else(|| bad("ecdsa_public_key", "an EC", &"it is no PEM block"))?;
    let has = |oid: &[u8]| der.windows(oid.len()).any(|window| window == oid);
    let key = || DecodingKey::from_ec_pem(pem.as_bytes()).map_err(|e| bad("ecdsa_public_key", "an EC", &e));
    if has(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]) {
        return Ok(Ec::Small(Algorithm::ES256, key()?));
    }
    if has(&[0x2b, 0x81, 0x04, 0x00, 0x22]) {
        return Ok(Ec::Small(Algorithm::ES384, key()?));
    }
    // An uncompressed point of P-521 is the last part of the key: 04 and two numbers of 66 bytes.
    let point = der.len().checked_sub(133).map(|start| &der[start..]);
    match point {
        Some(point) if has(&[0x2b, 0x81, 0x04, 0x00, 0x23]) && point.first() == Some(&4) => {
            Ok(Ec::P521(point.to_vec()))
        }
        _ => Err(bad("ecdsa_public_key", "an EC", &"its curve is none of P-256, P-384 and P-521")),
    }
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

fn bad(option: &str, kind: &str, error: &dyn std::fmt::Display) -> String {
    format!("client.token.{option} is not {kind} public key in PEM ({error}): give the text of the PEM file")
}
