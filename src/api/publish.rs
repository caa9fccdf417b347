//! `publish`: one publication for one channel (server-api 2.1).

use super::{ApiError, Method, Outcome, Plan, Post, PostExtras, method};
use crate::channel::{Position, Rules};
use crate::proto::api::{PublishRequest, PublishResult};
use crate::proto::client::Publication;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use std::collections::BTreeMap;

pub(super) const METHOD: Method = method!(publish, "Publish", 0, plan);

/// Padding is required, bits after the last byte are not looked at: as Go's standard encoding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// A payload, and whether it came as a JSON value.
#[derive(Clone)]
pub(super) struct Payload {
    pub(super) data: Bytes,
    pub(super) is_json: bool,
}

/// `b64data` wins over `data` when it is not empty, even when it decodes to nothing.
pub(super) fn payload(data: Bytes, b64data: &str) -> Result<Payload, ApiError> {
    if b64data.is_empty() {
        return Ok(Payload { data, is_json: true });
    }
    let clean: Vec<u8> = b64data.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let data = BASE64.decode(clean).map_err(|_| ApiError::BAD_REQUEST)?;
    Ok(Payload { data: data.into(), is_json: false })
}

/// What goes along with a payload.
#[derive(Clone)]
pub(super) struct Extras {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) version: u64,
    pub(super) delta: bool,
    pub(super) rare: Option<Box<PostExtras>>,
}

/// Wishes that most publications do not have.
pub(super) fn rare(idempotency_key: String, skip_history: bool, version_epoch: String) -> Option<Box<PostExtras>> {
    let has_any = !idempotency_key.is_empty() || skip_history || !version_epoch.is_empty();
    has_any.then(|| Box::new(PostExtras { idempotency_key, skip_history, version_epoch }))
}

/// The checks of one channel: its name, then its namespace, then what the namespace says of payloads.
pub(super) fn post(channel: String, payload: Payload, extras: Extras, rules: &Rules) -> Result<Post, ApiError> {
    if channel.is_empty() {
        return Err(ApiError::BAD_REQUEST);
    }
    let Some(namespace) = rules.namespace(&channel) else {
        // An absent payload is judged before the namespace (v5).
        let is_absent = payload.data.is_empty();
        return Err(if is_absent { ApiError::BAD_REQUEST } else { ApiError::UNKNOWN_CHANNEL });
    };
    if !namespace.allows_payload(&payload.data) {
        return Err(ApiError::BAD_REQUEST);
    }
    let publication =
        Publication { data: payload.data, tags: extras.tags, version: extras.version, ..Publication::default() };
    Ok(Post { channel, publication, is_json: payload.is_json, delta: extras.delta, extras: extras.rare })
}

fn plan(request: PublishRequest, rules: &Rules) -> Plan {
    if request.channel.is_empty() {
        return Plan::Refused(ApiError::BAD_REQUEST);
    }
    let extras = Extras {
        tags: request.tags,
        version: request.version,
        delta: request.delta,
        rare: rare(request.idempotency_key, request.skip_history, request.version_epoch),
    };
    let post =
        payload(request.data, &request.b64data).and_then(|payload| post(request.channel, payload, extras, rules));
    match post {
        Ok(post) => Plan::Publish(post),
        Err(error) => Plan::Refused(error),
    }
}

/// The outcome of a publication: its position, if it is kept.
pub fn published(position: Option<Position>) -> Outcome {
    Outcome { publish: Some(result(position)), ..Outcome::default() }
}

/// What is said of one publication.
pub fn result(position: Option<Position>) -> PublishResult {
    position.map_or_else(PublishResult::default, |position| PublishResult {
        offset: position.offset,
        epoch: position.epoch.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b64data_is_read_as_go_reads_it() {
        let decoded = |text: &str| payload(Bytes::from("{}"), text).map(|p| p.data.to_vec());
        assert_eq!(decoded("AAEC"), Ok(vec![0, 1, 2]));
        assert_eq!(decoded("aGVs\nbG8="), Ok(b"hello".to_vec()));
        assert_eq!(decoded("aGVsbG9="), Ok(b"hello".to_vec()), "bits after the last byte");
        assert_eq!(decoded("\n"), Ok(vec![]), "nothing wins over data");
        for bad in ["***", "aGVsbG8", "_-8=", "aGVs bG8="] {
            assert_eq!(decoded(bad), Err(ApiError::BAD_REQUEST), "{bad}");
        }
    }
}
