//! One public key and the algorithms that it may verify. A key fixes its family, an EC key its one algorithm, and a key
//! of a key set may name its algorithm (RFC 7517 4.4): the header of a token only chooses among what is left.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};

/// Bytes of an RSA modulus above which a check takes more than 0.1 ms (docs/decisions/0007).
const RSA_BYTES_FAST_MAX: usize = 384;

/// A public key.
pub struct Key {
    kind: Kind,
    /// The only algorithm that its key set allows.
    only: Option<Box<str>>,
}

enum Kind {
    Rsa {
        key: DecodingKey,
        /// Of the modulus, about.
        bytes: usize,
    },
    P256(DecodingKey),
    P384(DecodingKey),
    /// For ES512, which jsonwebtoken lacks: the uncompressed point.
    P521(Vec<u8>),
    Ed25519(DecodingKey),
}

impl Key {
    /// An RSA key of the configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn rsa_pem(pem: &str) -> Result<Key, String> {
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|e| e.to_string())?;
        let bytes = der(pem).map_or(0, |der| der.len());
        Ok(Key::of(Kind::Rsa { key, bytes: bytes.saturating_sub(RSA_DER_BYTES) }))
    }

    /// An EC key of the configuration. The curve is told by the object identifier within the key (RFC 5480).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn ec_pem(pem: &str) -> Result<Key, String> {
        let der = der(pem).ok_or("it is no PEM block")?;
        let has = |oid: &[u8]| der.windows(oid.len()).any(|window| window == oid);
        let key = || DecodingKey::from_ec_pem(pem.as_bytes()).map_err(|e| e.to_string());
        if has(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]) {
            return Ok(Key::of(Kind::P256(key()?)));
        }
        if has(&[0x2b, 0x81, 0x04, 0x00, 0x22]) {
            return Ok(Key::of(Kind::P384(key()?)));
        }
        // An uncompressed point of P-521 is the last part of the key: 04 and two numbers of 66 bytes.
        let point = der.len().checked_sub(133).map(|start| &der[start..]);
        match point {
            Some(point) if has(&[0x2b, 0x81, 0x04, 0x00, 0x23]) && point.first() == Some(&4) => {
                Ok(Key::of(Kind::P521(point.to_vec())))
            }
            _ => Err("its curve is none of P-256, P-384 and P-521".into()),
        }
    }

    /// An RSA key by modulus and exponent (RFC 7518 6.3.1). `None`: they are no numbers.
    pub(super) fn rsa(modulus: &str, exponent: &str) -> Option<Key> {
        let bytes = URL_SAFE_NO_PAD.decode(modulus).ok()?.len();
        let key = DecodingKey::from_rsa_components(modulus, exponent).ok()?;
        Some(Key::of(Kind::Rsa { key, bytes }))
    }

    /// An EC key by curve and point (RFC 7518 6.2.1). `None`: it is no point of a known curve.
    pub(super) fn ec(curve: &str, x: &str, y: &str) -> Option<Key> {
        let small = |len| {
            let coordinate = |text| Some(URL_SAFE_NO_PAD.encode(padded(text, len)?));
            DecodingKey::from_ec_components(&coordinate(x)?, &coordinate(y)?).ok()
        };
        Some(Key::of(match curve {
            "P-256" => Kind::P256(small(32)?),
            "P-384" => Kind::P384(small(48)?),
            "P-521" => Kind::P521([vec![4], padded(x, 66)?, padded(y, 66)?].concat()),
            _ => return None,
        }))
    }

    /// An Ed25519 key (RFC 8037). `None`: it does not have 32 bytes.
    pub(super) fn ed25519(x: &str) -> Option<Key> {
        URL_SAFE_NO_PAD.decode(x).ok().filter(|bytes| bytes.len() == 32)?;
        Some(Key::of(Kind::Ed25519(DecodingKey::from_ed_components(x).ok()?)))
    }

    fn of(kind: Kind) -> Key {
        Key { kind, only: None }
    }

    /// The same key, for this algorithm alone. `None`: it is not of the key's family.
    pub(super) fn only(mut self, alg: &str) -> Option<Key> {
        let is_ours = self.algorithms().contains(&alg);
        self.only = Some(alg.into());
        is_ours.then_some(self)
    }

    /// What the kind of the key allows.
    pub fn algorithms(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Rsa { .. } => &["RS256", "RS384", "RS512"],
            Kind::P256(_) => &["ES256"],
            Kind::P384(_) => &["ES384"],
            Kind::P521(_) => &["ES512"],
            Kind::Ed25519(_) => &["EdDSA"],
        }
    }

    /// May a token with this header be verified with the key?
    pub fn allows(&self, alg: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == alg) && self.algorithms().contains(&alg)
    }

    /// A check takes more than 0.1 ms, which would be felt on a core (docs/decisions/0007).
    pub fn is_slow(&self) -> bool {
        match self.kind {
            Kind::P384(_) | Kind::P521(_) => true,
            Kind::Rsa { bytes, .. } => bytes > RSA_BYTES_FAST_MAX,
            Kind::P256(_) | Kind::Ed25519(_) => false,
        }
    }

    /// True when `signature` (base64url) over `signed` is good.
    pub fn verify(&self, alg: &str, signed: &str, signature: &str) -> bool {
        if !self.allows(alg) {
            return false;
        }
        let key = match &self.kind {
            Kind::P521(point) => {
                let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
                let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
                return key.verify(signed.as_bytes(), &signature).is_ok();
            }
            Kind::Rsa { key, .. } | Kind::P256(key) | Kind::P384(key) | Kind::Ed25519(key) => key,
        };
        let Some(algorithm) = algorithm(alg) else { return false };
        crypto::verify(signature, signed.as_bytes(), key, algorithm).is_ok_and(|is_good| is_good)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.algorithms()[0])
    }
}

/// What surrounds the modulus in the DER of a public key: 38 bytes for keys of the usual sizes.
const RSA_DER_BYTES: usize = 38;

/// The names that jsonwebtoken knows and that a configured or fetched key can have.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "HS256" => Algorithm::HS256,
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// A coordinate with the zeros that some issuers leave out in front.
fn padded(text: &str, len: usize) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let missing = len.checked_sub(bytes.len())?;
    Some([vec![0; missing], bytes].concat())
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_whose_checks_take_long_are_known() {
        let ec = |pem| Key::ec_pem(pem).expect("a key");
        assert!(!ec(include_str!("../../tests/data/p256.pub")).is_slow());
        assert!(ec(include_str!("../../tests/data/p384.pub")).is_slow());
        assert!(ec(include_str!("../../tests/data/p521.pub")).is_slow());
        assert!(!Key::rsa_pem(include_str!("../../tests/data/rsa.pub")).expect("a key").is_slow());
        let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xc1; bytes]);
        assert!(!Key::rsa(&modulus(384), "AQAB").expect("a key").is_slow());
        assert!(Key::rsa(&modulus(512), "AQAB").expect("a key").is_slow());
    }

    #[test]
    fn a_short_coordinate_is_filled_up_in_front() {
        assert_eq!(padded("AQ", 3), Some(vec![0, 0, 1]));
        assert_eq!(padded("AQID", 2), None);
    }
}
