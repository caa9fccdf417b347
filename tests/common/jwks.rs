//! Keys made for one test: their form in a key set, and tokens under them.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Everything that a key set may sign with, one algorithm per kind of key.
pub const ALGORITHMS: [&str; 5] = ["RS256", "ES256", "ES384", "ES512", "EdDSA"];

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

/// One key.
pub struct Signer {
    alg: &'static str,
    kid: String,
    pair: Pair,
}

impl Signer {
    pub fn new(alg: &'static str, kid: &str) -> Signer {
        let ec = |signing, curve| Pair::Ec(EcdsaKeyPair::generate(signing).expect("a key"), curve);
        let pair = match alg {
            "RS256" => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
            "ES256" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            "ES512" => ec(&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521"),
            _ => Pair::Ed(Ed25519KeyPair::generate().expect("a key")),
        };
        Signer { alg, kid: kid.to_string(), pair }
    }

    /// The key in a set.
    pub fn jwk(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let material = match &self.pair {
            Pair::Rsa(pair) => {
                let der = pair.public_key().as_der().expect("DER");
                // The modulus of 2048 bits: an INTEGER of 257 bytes that begins with 0.
                let head = [2, 0x82, 1, 1, 0];
                let at = der.as_ref().windows(5).position(|window| window == head).expect("a modulus") + 5;
                format!(r#""kty":"RSA","n":"{}","e":"AQAB""#, encode(&der.as_ref()[at..at + 256]))
            }
            Pair::Ec(pair, curve) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                format!(r#""kty":"EC","crv":"{curve}","x":"{}","y":"{}""#, encode(x), encode(y))
            }
            Pair::Ed(pair) => {
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, encode(pair.public_key().as_ref()))
            }
        };
        format!(r#"{{"kid":"{}","use":"sig",{material}}}"#, self.kid)
    }

    /// A token with these claims.
    pub fn token(&self, claims: &str) -> String {
        let header = format!(r#"{{"alg":"{}","kid":"{}"}}"#, self.alg, self.kid);
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("signed");
                signature
            }
            Pair::Ec(pair, _) => pair.sign(&random, signed.as_bytes()).expect("signed").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A set of keys as an issuer publishes it.
pub fn set(signers: &[&Signer]) -> String {
    let keys: Vec<String> = signers.iter().map(|signer| signer.jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}
