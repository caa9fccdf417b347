//! The keys that an operator configured, and which algorithms they allow. The header's `alg` chooses among the
//! configured kinds; it can never turn a public key into a shared secret.

use super::key::{self, Key};
use crate::config::settings::Token;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use std::sync::Arc;

/// All static keys.
#[derive(Default)]
pub struct Keys {
    hmac: Option<DecodingKey>,
    previous_hmac: Option<DecodingKey>,
    /// Unix seconds; 0: the previous key counts for ever.
    previous_valid_until: i64,
    public: Vec<Arc<Key>>,
}

impl Keys {
    /// Reads the keys.
    ///
    /// # Errors
    /// A text that names the option.
    pub fn new(token: &Token) -> Result<Keys, String> {
        let secret = |text: &str| (!text.is_empty()).then(|| DecodingKey::from_secret(text.as_bytes()));
        let mut public = Vec::new();
        if !token.rsa_public_key.is_empty() {
            public.push(Key::rsa_pem(&token.rsa_public_key).map_err(|e| bad("rsa_public_key", "an RSA", &e))?);
        }
        if !token.ecdsa_public_key.is_empty() {
            public.push(Key::ec_pem(&token.ecdsa_public_key).map_err(|e| bad("ecdsa_public_key", "an EC", &e))?);
        }
        Ok(Keys {
            hmac: secret(&token.hmac_secret_key),
            previous_hmac: secret(&token.hmac_previous_secret_key),
            previous_valid_until: token.hmac_previous_secret_key_valid_until,
            public: public.into_iter().map(Arc::new).collect(),
        })
    }

    /// The algorithms that the keys allow.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let hmac: &[&str] = if self.hmac.is_some() { &["HS256", "HS384", "HS512"] } else { &[] };
        hmac.iter().chain(self.public.iter().flat_map(|key| key.algorithms())).copied().collect()
    }

    /// The public key for an algorithm.
    pub fn public(&self, alg: &str) -> Option<&Arc<Key>> {
        self.public.iter().find(|key| key.allows(alg))
    }

    /// True when `signature` (base64url) over `signed` is good under a shared secret.
    pub fn verify_secret(&self, alg: &str, signed: &str, signature: &str, now_unix: i64) -> bool {
        let algorithm = key::algorithm(alg);
        let Some(algorithm @ (Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)) = algorithm else {
            return false;
        };
        let is_good = |key: &DecodingKey| {
            crypto::verify(signature, signed.as_bytes(), key, algorithm).is_ok_and(|is_good| is_good)
        };
        let is_in_force = self.previous_valid_until == 0 || now_unix < self.previous_valid_until;
        let previous = self.previous_hmac.as_ref().filter(|_| is_in_force);
        self.hmac.as_ref().is_some_and(is_good) || (self.hmac.is_some() && previous.is_some_and(is_good))
    }
}

fn bad(option: &str, kind: &str, error: &str) -> String {
    format!("client.token.{option} is not {kind} public key in PEM ({error}): give the text of the PEM file")
}
