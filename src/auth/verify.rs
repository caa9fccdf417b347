//! Checks tokens in Centrifugo's order (auth-and-proxies B.2): form, types, issuer and audience patterns, signature, exact
//! issuer and audience, kind, time, contents. There is no leeway.
//!
//! A check never waits. Where it lacks a key, or where the signature would take more than 0.1 ms of the core
//! (docs/decisions/0007), it says what it needs; the caller gets that elsewhere and checks the token again from the
//! start, with what was said.

use super::cache::KeyCache;
use super::claims::{ConnectionClaims, Raw, SubscriptionClaims};
use super::endpoint::{self, Endpoint, Groups};
use super::jwks::KeyName;
use super::key::Key;
use super::keyset::Keys;
use crate::clock::Mono;
use crate::config::settings::Token;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::Regex;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a token is not accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenError {
    /// Its time is over, or has not come.
    Expired,
    /// It proves nothing; the text is for logs and `checktoken`.
    Invalid(&'static str),
    /// Everything is right but the top-level `b64info`, which is no base64.
    BadInfo,
    /// Nothing is decided yet: get this, then check the token again.
    Needs(Box<Need>),
}

/// What a check needs from elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// This key.
    Key(KeyName),
    /// The verdict on a signature that takes long.
    Proof(Proof),
}

/// A signature to be verified away from the core.
#[derive(Clone, Debug)]
pub struct Proof {
    key: Arc<Key>,
    alg: Box<str>,
    token: Box<str>,
}

/// What was said about a token that is checked again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// It is the first time.
    Nothing,
    /// Keys were fetched, or could not be: one that is not known now is not there.
    Keys,
    /// Its signature is good, or is not.
    Signature(bool),
}

/// What a check goes by besides the configuration.
pub struct Lookup<'a> {
    /// Fetched keys.
    pub keys: &'a mut KeyCache,
    /// Now, for the time of those keys.
    pub now: Mono,
    /// What was said before.
    pub said: Said,
}

impl Proof {
    /// Verifies the signature; this takes 0.1 ms and more.
    pub fn holds(&self) -> bool {
        let parts = self.token.rsplit_once('.');
        parts.is_some_and(|(signed, signature)| self.key.verify(&self.alg, signed, signature))
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Proof) -> bool {
        Arc::ptr_eq(&self.key, &other.key) && self.alg == other.alg && self.token == other.token
    }
}

impl Eq for Proof {}

/// Checks tokens of one kind.
pub struct Verifier {
    keys: Keys,
    /// Where keys are fetched; then those of the configuration do not count.
    endpoint: Option<Endpoint>,
    skip_signature: bool,
    audience: String,
    audience_regex: Option<Regex>,
    issuer: String,
    issuer_regex: Option<Regex>,
    user_id_claim: String,
}

/// The header; anything else in it is not looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    /// A text where it matters.
    #[serde(default)]
    kid: serde_json::Value,
}

impl Verifier {
    /// Compiles the options.
    ///
    /// # Errors
    /// A text for the operator: the option, what is wrong, what is expected.
    pub fn new(token: &Token, skip_signature: bool) -> Result<Verifier, String> {
        for (name, exact, pattern) in
            [("audience", &token.audience, &token.audience_regex), ("issuer", &token.issuer, &token.issuer_regex)]
        {
            if !exact.is_empty() && !pattern.is_empty() {
                return Err(format!(
                    "client.token.{name} and client.token.{name}_regex are both set: keep one of them"
                ));
            }
        }
        let is_name = token.user_id_claim.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        if !is_name {
            let claim = &token.user_id_claim;
            return Err(format!("client.token.user_id_claim is \"{claim}\": letters and underscores are expected"));
        }
        Ok(Verifier {
            keys: Keys::new(token)?,
            endpoint: Endpoint::new(token)?,
            skip_signature,
            audience: token.audience.clone(),
            audience_regex: pattern("audience_regex", &token.audience_regex)?,
            issuer: token.issuer.clone(),
            issuer_regex: pattern("issuer_regex", &token.issuer_regex)?,
            user_id_claim: token.user_id_claim.clone(),
        })
    }

    /// The algorithms that are accepted.
    pub fn algorithms(&self) -> Vec<&'static str> {
        match &self.endpoint {
            Some(_) => vec!["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"],
            None => self.keys.algorithms(),
        }
    }

    /// Checks a connection token.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn connection(&self, token: &str, now_unix: i64, lookup: Lookup<'_>) -> Result<ConnectionClaims, TokenError> {
        let payload = self.payload(token)?;
        let raw = self.check(token, &payload, now_unix, lookup, |raw| {
            let is_empty = raw.channel.as_deref().unwrap_or_default().is_empty();
            is_empty.then_some(()).ok_or("connection JWT can not contain channel claim, only subscription JWT can")
        })?;
        let user = self.user(&raw, &payload)?;
        let subs = raw.subs().map_err(|_| TokenError::Invalid("base64 of a subscription option"))?;
        let info = raw.info().map_err(|_| TokenError::BadInfo)?;
        Ok(ConnectionClaims { user, expire_at: expire_at(&raw), info, meta: raw.meta(), subs })
    }

    /// Checks a subscription token. That it is for this user, client and channel is the caller's to check.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn subscription(
        &self,
        token: &str,
        now_unix: i64,
        lookup: Lookup<'_>,
    ) -> Result<SubscriptionClaims, TokenError> {
        let payload = self.payload(token)?;
        let raw = self.check(token, &payload, now_unix, lookup, |_| Ok(()))?;
        let channel = raw.channel.clone().unwrap_or_default();
        if channel.is_empty() {
            return Err(TokenError::Invalid("channel claim is required for subscription JWT"));
        }
        let user = self.user(&raw, &payload)?;
        let info = raw.info().map_err(|_| TokenError::BadInfo)?;
        let data = raw.data().map_err(|_| TokenError::BadInfo)?;
        let client = raw.client.clone().unwrap_or_default();
        Ok(SubscriptionClaims {
            user,
            channel,
            client,
            expire_at: expire_at(&raw),
            info,
            data,
            overrides: raw.overrides(),
        })
    }

    /// The payload's bytes; three parts, none padded.
    fn payload(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Invalid("token format is not valid"));
        };
        URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Invalid("token format is not valid"))
    }

    fn check<'a>(
        &self,
        token: &str,
        payload: &'a [u8],
        now_unix: i64,
        lookup: Lookup<'_>,
        kind: impl FnOnce(&Raw<'a>) -> Result<(), &'static str>,
    ) -> Result<Raw<'a>, TokenError> {
        let invalid = TokenError::Invalid;
        let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let header: Header =
            header.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or(invalid("token format is not valid"))?;
        // A payload of `null` is an anonymous token; serde would take an array for an object.
        if !matches!(payload.trim_ascii_start().first(), Some(b'{' | b'n')) {
            return Err(invalid("claims cannot be decoded"));
        }
        let raw: Option<Raw<'a>> = serde_json::from_slice(payload).map_err(|_| invalid("claims cannot be decoded"))?;
        let raw = raw.unwrap_or_default();
        let issuer = raw.iss.as_deref().unwrap_or_default();
        let groups = self.groups(issuer, &raw.aud)?;
        if !self.skip_signature && !self.is_signed(&header, token, &groups, now_unix, lookup)? {
            return Err(invalid("signature is not valid"));
        }
        if !self.audience.is_empty() && !raw.aud.contains(&self.audience) {
            return Err(invalid("invalid audience"));
        }
        if !self.issuer.is_empty() && issuer != self.issuer {
            return Err(invalid("invalid issuer"));
        }
        kind(&raw).map_err(invalid)?;
        let now = now_unix as f64;
        if raw.exp.is_some_and(|exp| exp.floor() <= now) || raw.nbf.is_some_and(|nbf| nbf.floor() > now) {
            return Err(TokenError::Expired);
        }
        Ok(raw)
    }

    /// Checks the patterns and returns what their named groups matched, if somebody wants to know.
    fn groups(&self, issuer: &str, audiences: &[String]) -> Result<Groups, TokenError> {
        let mut groups = Groups::new();
        let wants_groups = self.endpoint.as_ref().is_some_and(Endpoint::is_template);
        let mut matches = |pattern: &Regex, text: &str| match wants_groups {
            false => pattern.is_match(text),
            true => match pattern.captures(text) {
                Some(captures) => {
                    endpoint::remember(pattern, &captures, &mut groups);
                    true
                }
                None => false,
            },
        };
        if self.issuer_regex.as_ref().is_some_and(|pattern| !matches(pattern, issuer)) {
            return Err(TokenError::Invalid("issuer does not match"));
        }
        if self.audience_regex.as_ref().is_some_and(|pattern| !audiences.iter().any(|aud| matches(pattern, aud))) {
            return Err(TokenError::Invalid("audience does not match"));
        }
        Ok(groups)
    }

    /// Is the signature good?
    fn is_signed(
        &self,
        header: &Header,
        token: &str,
        groups: &Groups,
        now_unix: i64,
        lookup: Lookup<'_>,
    ) -> Result<bool, TokenError> {
        if let Said::Signature(is_good) = lookup.said {
            return Ok(is_good);
        }
        let Some((signed, signature)) = token.rsplit_once('.') else { return Ok(false) };
        let alg = header.alg.as_str();
        let key = match &self.endpoint {
            Some(endpoint) => Some(fetched(endpoint, header, groups, lookup)?),
            None => self.keys.public(alg).cloned(),
        };
        match key {
            Some(key) if !key.allows(alg) => Ok(false),
            Some(key) if key.is_slow() => {
                let proof = Proof { key, alg: alg.into(), token: token.into() };
                Err(TokenError::Needs(Box::new(Need::Proof(proof))))
            }
            Some(key) => Ok(key.verify(alg, signed, signature)),
            None => Ok(self.keys.verify_secret(alg, signed, signature, now_unix)),
        }
    }

    fn user(&self, raw: &Raw<'_>, payload: &[u8]) -> Result<String, TokenError> {
        if self.user_id_claim.is_empty() {
            return Ok(raw.sub.clone().unwrap_or_default());
        }
        let claims: BTreeMap<String, &RawValue> =
            serde_json::from_slice(payload).map_err(|_| TokenError::Invalid("claims cannot be decoded"))?;
        let Some(value) = claims.get(&self.user_id_claim) else { return Ok(String::new()) };
        Ok(match value.get() {
            "null" => String::new(),
            text if text.starts_with('"') => {
                serde_json::from_str(text).map_err(|_| TokenError::Invalid("claims cannot be decoded"))?
            }
            other => other.to_string(),
        })
    }
}

/// The fetched key that a token names.
fn fetched(endpoint: &Endpoint, header: &Header, groups: &Groups, lookup: Lookup<'_>) -> Result<Arc<Key>, TokenError> {
    let kid = header.kid.as_str().filter(|kid| !kid.is_empty());
    let kid = kid.ok_or(TokenError::Invalid("kid is required for a key set"))?;
    let url = endpoint.resolve(groups).ok_or(TokenError::Invalid("issuer and audience name no key set"))?;
    let name = KeyName { url, kid: kid.into() };
    match lookup.keys.get(&name, lookup.now) {
        Some(key) => Ok(key),
        None if lookup.said == Said::Nothing => Err(TokenError::Needs(Box::new(Need::Key(name)))),
        None => Err(TokenError::Invalid("no such key in the key set")),
    }
}

/// `expire_at` replaces `exp` for the session; anything but a positive number means that it never ends.
fn expire_at(raw: &Raw<'_>) -> i64 {
    match raw.expire_at {
        Some(expire_at) => expire_at.max(0),
        None => raw.exp.map_or(0, |exp| exp as i64),
    }
}

fn pattern(option: &str, text: &str) -> Result<Option<Regex>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let error = |e| format!("client.token.{option} is \"{text}\": a regular expression is expected ({e})");
    Regex::new(text).map(Some).map_err(error)
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
