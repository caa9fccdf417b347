//! What tokens say (auth-and-proxies B.3, B.4). Decoded strictly by type: a claim of the wrong type makes the token invalid.

use crate::channel::features::Overrides;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Of a connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConnectionClaims {
    /// "" is the anonymous user.
    pub user: String,
    /// Unix seconds at which the session ends; 0: never.
    pub expire_at: i64,
    /// `conn_info`, raw JSON or the octets of `b64info`.
    pub info: Bytes,
    /// Raw JSON, kept on the server.
    pub meta: Bytes,
    /// Server-side subscriptions.
    pub subs: BTreeMap<String, SubscribeOptions>,
}

/// Of a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubscriptionClaims {
    /// Must be the connection's user.
    pub user: String,
    /// Must be the requested channel.
    pub channel: String,
    /// If not empty, must be the client's id.
    pub client: String,
    /// Unix seconds at which the subscription ends; 0: never.
    pub expire_at: i64,
    /// `chan_info`.
    pub info: Bytes,
    /// `data` of the subscribe result.
    pub data: Bytes,
    /// Exceptions from the options of the namespace.
    pub overrides: Overrides,
}

/// What a token grants with one server-side subscription.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubscribeOptions {
    /// `chan_info`.
    pub info: Bytes,
    /// `data` of the subscribe result.
    pub data: Bytes,
    /// Exceptions from the options of the namespace.
    pub overrides: Overrides,
}

/// A token's payload as it is written.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Raw<'a> {
    pub(super) sub: Option<String>,
    #[serde(deserialize_with = "number")]
    pub(super) exp: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub(super) nbf: Option<f64>,
    #[serde(deserialize_with = "number")]
    #[allow(dead_code)] // Only its type is checked.
    iat: Option<f64>,
    #[allow(dead_code)] // Only its type is checked.
    jti: Option<String>,
    pub(super) iss: Option<String>,
    #[serde(deserialize_with = "audience")]
    pub(super) aud: Vec<String>,
    pub(super) expire_at: Option<i64>,
    #[serde(borrow, deserialize_with = "raw")]
    info: Option<&'a RawValue>,
    b64info: Option<String>,
    #[serde(borrow, deserialize_with = "raw")]
    data: Option<&'a RawValue>,
    b64data: Option<String>,
    #[serde(borrow, deserialize_with = "raw")]
    meta: Option<&'a RawValue>,
    channels: Option<Vec<Option<String>>>,
    #[serde(borrow)]
    subs: Option<BTreeMap<String, Option<RawOptions<'a>>>>,
    pub(super) channel: Option<String>,
    pub(super) client: Option<String>,
    r#override: Option<RawOverride>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawOptions<'a> {
    #[serde(borrow, deserialize_with = "raw")]
    info: Option<&'a RawValue>,
    b64info: Option<String>,
    #[serde(borrow, deserialize_with = "raw")]
    data: Option<&'a RawValue>,
    b64data: Option<String>,
    r#override: Option<RawOverride>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawOverride {
    presence: Option<BoolValue>,
    join_leave: Option<BoolValue>,
    force_push_join_leave: Option<BoolValue>,
    force_positioning: Option<BoolValue>,
    force_recovery: Option<BoolValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BoolValue {
    value: Option<bool>,
}

/// Base64 in a claim that does not decode.
pub(super) struct BadBase64;

impl Raw<'_> {
    /// Top-level `b64info` wins over `info`.
    pub(super) fn info(&self) -> Result<Bytes, BadBase64> {
        octets(self.info, self.b64info.as_deref())
    }

    pub(super) fn data(&self) -> Result<Bytes, BadBase64> {
        octets(self.data, self.b64data.as_deref())
    }

    pub(super) fn overrides(&self) -> Overrides {
        self.r#override.as_ref().map(RawOverride::overrides).unwrap_or_default()
    }

    pub(super) fn meta(&self) -> Bytes {
        self.meta.map(bytes).unwrap_or_default()
    }

    /// `subs` unless it is empty, else `channels`; empty names are dropped from the latter.
    pub(super) fn subs(&self) -> Result<BTreeMap<String, SubscribeOptions>, BadBase64> {
        if let Some(subs) = self.subs.as_ref().filter(|subs| !subs.is_empty()) {
            return subs
                .iter()
                .map(|(channel, options)| Ok((channel.clone(), options_of(options.as_ref())?)))
                .collect();
        }
        let channels = self.channels.iter().flatten().flatten().filter(|channel| !channel.is_empty());
        Ok(channels.map(|channel| (channel.clone(), SubscribeOptions::default())).collect())
    }
}

impl RawOverride {
    /// A member without a value is `false`, as in Go.
    fn overrides(&self) -> Overrides {
        let value = |member: &Option<BoolValue>| member.as_ref().map(|v| v.value.unwrap_or_default());
        Overrides {
            presence: value(&self.presence),
            join_leave: value(&self.join_leave),
            force_push_join_leave: value(&self.force_push_join_leave),
            force_positioning: value(&self.force_positioning),
            force_recovery: value(&self.force_recovery),
        }
    }
}

fn options_of(options: Option<&RawOptions<'_>>) -> Result<SubscribeOptions, BadBase64> {
    let Some(options) = options else { return Ok(SubscribeOptions::default()) };
    Ok(SubscribeOptions {
        info: octets(options.info, options.b64info.as_deref())?,
        data: octets(options.data, options.b64data.as_deref())?,
        overrides: options.r#override.as_ref().map(RawOverride::overrides).unwrap_or_default(),
    })
}

fn octets(raw: Option<&RawValue>, base64: Option<&str>) -> Result<Bytes, BadBase64> {
    match base64 {
        Some(text) if !text.is_empty() => STANDARD.decode(text).map(Bytes::from).map_err(|_| BadBase64),
        _ => Ok(raw.map(bytes).unwrap_or_default()),
    }
}

fn bytes(raw: &RawValue) -> Bytes {
    Bytes::copy_from_slice(raw.get().as_bytes())
}

/// Any JSON value, `null` included.
fn raw<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// A number, its text, or `null`.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(f64),
        Text(String),
    }
    match Option::<Number>::deserialize(from)? {
        None => Ok(None),
        Some(Number::Plain(number)) => Ok(Some(number)),
        Some(Number::Text(text)) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

/// One text or a list of texts.
fn audience<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
        None(()),
    }
    Ok(match Audience::deserialize(from)? {
        Audience::One(text) => vec![text],
        Audience::Many(texts) => texts,
        Audience::None(_) => Vec::new(),
    })
}
