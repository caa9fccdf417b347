//! The server API over HTTP/1.1: the order of checks and the bodies of server-api 1.2–1.7.

use super::{Answer, Endpoint};
use crate::api::batch::Batch;
use crate::api::legacy::{self, Legacy, LegacyReply};
use crate::api::{ApiError, ErrorMode, METHODS, Method, Outcome, Plan, batch};
use crate::channel::Rules;
use crate::config::settings::HttpApi;
use crate::proto::api::Command;
use crate::proto::json;
use crate::wire::http1::{Head, Request};
use subtle::ConstantTimeEq;

/// A request that passed the checks.
pub struct Call {
    /// What to do.
    pub work: Work,
    /// How it is answered.
    pub form: Form,
}

/// One thing to do, or why that is refused.
pub type Task = Result<(&'static Method, Plan), ApiError>;

/// What a call asks for.
#[allow(clippy::large_enum_variant)] // It lives on the stack for one call.
pub enum Work {
    /// One method.
    One(&'static Method, Plan),
    /// Several, one after another or all at once.
    Many {
        /// In their order.
        tasks: Vec<Task>,
        /// All at once.
        is_parallel: bool,
    },
}

/// How the outcomes become an answer.
#[derive(Debug)]
pub enum Form {
    /// `POST /api/<name>`
    Method(&'static Method, ErrorMode),
    /// `POST /api/batch`
    Batch,
    /// `POST /api`: of each command its id and method; and whether a later one could not be read.
    Legacy(Vec<(u32, Option<&'static Method>)>, bool),
}

/// The outcomes of a call.
#[allow(clippy::large_enum_variant)] // It lives on the stack for one call.
pub enum Outcomes {
    /// Of one method.
    One(Outcome),
    /// Of several, in their order.
    Many(Vec<Outcome>),
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
    rules: &Rules,
) -> Result<Call, Answer> {
    let head = &request.head;
    if head.method != "POST" {
        return Err(Answer::empty(405));
    }
    if !is_authorized {
        return Err(Answer::empty(401));
    }
    let bad_request = |_| Answer::text(400, "Bad Request");
    match endpoint {
        Endpoint::Api(at) => {
            let method = METHODS.get(at).ok_or_else(Answer::not_found)?;
            let plan = (method.plan_body)(request.body, rules).map_err(bad_request)?;
            Ok(Call { work: Work::One(method, plan), form: Form::Method(method, error_mode(head, settings)) })
        }
        Endpoint::ApiLegacy => Ok(legacy_call(legacy::decode(request.body, rules))),
        _ => Ok(Call { work: batch_work(batch::decode(request.body).map_err(bad_request)?, rules), form: Form::Batch }),
    }
}

fn error_mode(head: &Head<'_>, settings: &HttpApi) -> ErrorMode {
    let asks_transport = head.field("x-centrifugo-error-mode") == Some(b"transport");
    if settings.error_mode == "transport" || asks_transport { ErrorMode::Transport } else { ErrorMode::Body }
}

/// The tasks of a batch; a `null` among the commands is a bad request.
pub fn batch_work(batch: Batch, rules: &Rules) -> Work {
    let task = |command: Option<Command>| {
        let mut command = command.ok_or(ApiError::BAD_REQUEST)?;
        let plan = |method: &'static Method| Some((method, (method.plan_command)(&mut command, rules)?));
        METHODS.iter().find_map(plan).ok_or(ApiError::NOT_FOUND)
    };
    Work::Many { tasks: batch.commands.into_iter().map(task).collect(), is_parallel: batch.is_parallel }
}

fn legacy_call(legacy: Legacy) -> Call {
    let (mut heads, mut tasks) = (Vec::new(), Vec::new());
    for command in legacy.commands {
        heads.push((command.id, command.request.as_ref().ok().map(|(method, _)| *method)));
        tasks.push(command.request);
    }
    Call { work: Work::Many { tasks, is_parallel: false }, form: Form::Legacy(heads, legacy.is_broken) }
}

impl Form {
    /// The answer for these outcomes. `body` is empty; its memory is used.
    pub fn answer(self, outcomes: Outcomes, mut body: Vec<u8>) -> Answer {
        match (self, outcomes) {
            (Form::Method(method, mode), Outcomes::One(outcome)) => answer(method, &outcome, mode, body),
            (Form::Batch, Outcomes::Many(replies)) => {
                let encoded = batch::encode(replies, &mut body);
                finish(200, encoded, body)
            }
            (Form::Legacy(_, true), _) => Answer::text(400, "Bad Request"),
            (Form::Legacy(heads, false), Outcomes::Many(outcomes)) => {
                let reply = |((id, method), outcome)| LegacyReply { id, method, outcome };
                let replies: Vec<LegacyReply> = heads.into_iter().zip(outcomes).map(reply).collect();
                let encoded = legacy::encode(&replies, &mut body);
                finish(200, encoded, body)
            }
            _ => unreachable!("one method has one outcome, a list of tasks has many"),
        }
    }
}

/// The answer to one method.
fn answer(method: &Method, outcome: &Outcome, mode: ErrorMode, mut body: Vec<u8>) -> Answer {
    if let (Some(error), ErrorMode::Transport) = (&outcome.error, mode) {
        let encoded = json::encode(error, &mut body);
        return finish(ApiError::status_of(error.code), encoded, body);
    }
    let encoded = match &outcome.error {
        Some(error) => {
            body.extend_from_slice(b"{\"error\":");
            json::encode(error, &mut body)
        }
        None => {
            body.extend_from_slice(b"{\"result\":");
            (method.encode_result)(outcome, &mut body)
        }
    };
    body.push(b'}');
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
