//! The server API over HTTP/1.1: the order of checks and the bodies of server-api 1.2–1.6.

use super::{Answer, Endpoint};
use crate::api::batch::Batch;
use crate::api::{ApiError, ErrorMode, METHODS, Method, Outcome, batch};
use crate::config::settings::HttpApi;
use crate::proto::api::Command;
use crate::proto::json;
use crate::wire::http1::{Head, Request};
use subtle::ConstantTimeEq;

/// A request that passed the checks.
pub struct Call {
    /// What to do.
    pub work: Work,
    /// How errors travel.
    pub mode: ErrorMode,
}

/// What a call asks for.
pub enum Work {
    /// One method.
    Method(&'static Method, Box<Command>),
    /// A batch.
    Batch(Batch),
}

/// True when the request carries the key, or none is asked for (server-api 1.3).
pub fn is_authorized(head: &Head<'_>, settings: &HttpApi) -> bool {
    if settings.insecure {
        return true;
    }
    if settings.key.is_empty() {
        return false;
    }
    let is_key = |given: &[u8]| bool::from(given.ct_eq(settings.key.as_bytes()));
    let by_field = match head.field("x-api-key").filter(|value| !value.is_empty()) {
        Some(value) => is_key(value),
        None => head.field("authorization").and_then(apikey).is_some_and(is_key),
    };
    by_field || head.query_value("api_key").is_some_and(|value| is_key(value.as_bytes()))
}

/// The key of `Authorization: apikey KEY`: exactly two words.
fn apikey(value: &[u8]) -> Option<&[u8]> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(key), None) if scheme.eq_ignore_ascii_case(b"apikey") => Some(key),
        _ => None,
    }
}

/// Method, key, body, in this order. Whether the key is there was found out by [`is_authorized`].
///
/// # Errors
/// The answer to a request that does not get as far as a method.
pub fn accept(
    endpoint: Endpoint,
    request: &Request<'_>,
    is_authorized: bool,
    settings: &HttpApi,
) -> Result<Call, Answer> {
    let head = &request.head;
    if head.method != "POST" {
        return Err(Answer::empty(405));
    }
    if !is_authorized {
        return Err(Answer::empty(401));
    }
    let bad_request = |_| Answer::text(400, "Bad Request");
    let work = match endpoint {
        Endpoint::Api(at) => {
            let method = METHODS.get(at).ok_or_else(Answer::not_found)?;
            Work::Method(method, Box::new((method.decode)(request.body).map_err(bad_request)?))
        }
        _ => Work::Batch(batch::decode(request.body).map_err(bad_request)?),
    };
    let asks_transport = head.field("x-centrifugo-error-mode") == Some(b"transport");
    let mode =
        if settings.error_mode == "transport" || asks_transport { ErrorMode::Transport } else { ErrorMode::Body };
    Ok(Call { work, mode })
}

/// The answer to one method.
pub fn answer(method: &Method, outcome: &Outcome, mode: ErrorMode) -> Answer {
    let mut body = Vec::with_capacity(64);
    let (status, encoded) = match (&outcome.error, mode) {
        (Some(error), ErrorMode::Transport) => (ApiError::status_of(error.code), json::encode(error, &mut body)),
        (Some(error), ErrorMode::Body) => {
            body.extend_from_slice(b"{\"error\":");
            (200, json::encode(error, &mut body))
        }
        (None, _) => {
            body.extend_from_slice(b"{\"result\":");
            (200, (method.encode_result)(outcome, &mut body))
        }
    };
    if body.starts_with(b"{\"error\":") || body.starts_with(b"{\"result\":") {
        body.push(b'}');
    }
    finish(status, encoded, body)
}

/// The answer to a batch.
pub fn answer_batch(replies: Vec<Outcome>) -> Answer {
    let mut body = Vec::with_capacity(64);
    let encoded = batch::encode(replies, &mut body);
    finish(200, encoded, body)
}

/// A response that cannot be JSON becomes 500 as a whole.
fn finish(status: u16, encoded: Result<(), json::NotJson>, body: Vec<u8>) -> Answer {
    match encoded {
        Ok(()) => Answer::json(status, body),
        Err(json::NotJson) => Answer::text(500, "Internal Server Error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorization_field_has_exactly_two_words() {
        assert_eq!(apikey(b"apikey secret"), Some(&b"secret"[..]));
        assert_eq!(apikey(b"ApiKey \t  secret"), Some(&b"secret"[..]));
        for bad in ["apikey secret x", "Bearer secret", "apikeysecret", "apikey", ""] {
            assert_eq!(apikey(bad.as_bytes()), None, "{bad}");
        }
    }
}
