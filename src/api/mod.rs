//! The server API: one file per method, listed once in [`METHODS`]. Routes, batch, and later the GRPC service and the
//! docs derive from the list. Contract: `server-api` of Centrifugo v5 with the additions named in
//! `docs/compatibility.md`.
//!
//! A method does nothing by itself: it checks its request and returns a [`Plan`], which the shard carries out over as
//! many cores as it takes. What comes back is an [`Outcome`]: the method's result or one error. Not here: HTTP
//! (`transport::api`), the order of checks before a method is reached, waiting.

pub mod batch;
pub mod broadcast;
pub mod error;
pub mod info;
pub mod manual;
pub mod openapi;
pub mod publish;

use crate::channel::Rules;
use crate::proto::api::{Command, PublishResponse, Reply};
use crate::proto::client::Publication;
use crate::proto::json;
use crate::protocol::Malformed;
use bytes::Bytes;
pub use error::{ApiError, ErrorMode};

/// A method's result (in the field of its name) or its error.
pub type Outcome = Reply;

/// One method of the API.
pub struct Method {
    /// Name in paths, batches and metrics.
    pub name: &'static str,
    /// Name of the GRPC call.
    pub rpc: &'static str,
    /// Number in the legacy form (server-api 1.7).
    pub number: i64,
    /// The legacy form does not look at `params`.
    pub ignores_params: bool,
    /// The request of a body of `POST /api/<name>`.
    pub decode: fn(&[u8]) -> Result<Command, Malformed>,
    /// The request of a GRPC message.
    pub decode_message: fn(Bytes) -> Result<Command, Malformed>,
    /// True when a command of a batch asks for this method.
    pub is_asked: fn(&Command) -> bool,
    /// The checks, and what is to be done.
    pub plan: fn(Command, &Rules) -> Plan,
    /// Appends the method's result as JSON.
    pub encode_result: fn(&Outcome, &mut Vec<u8>) -> Result<(), json::NotJson>,
    /// The method's result as a Protobuf message.
    pub encode_message: fn(&Outcome) -> Vec<u8>,
}

/// A method whose request and result stand in the fields of its name in `Command` and `Reply`.
macro_rules! method {
    ($field:ident, $rpc:literal, $number:literal, $plan:expr) => {
        $crate::api::Method {
            name: stringify!($field),
            rpc: $rpc,
            number: $number,
            ignores_params: false,
            decode: |body| {
                let request = $crate::proto::json::decode(body)?;
                Ok($crate::proto::api::Command { $field: Some(request), ..Default::default() })
            },
            decode_message: |message| {
                let request = prost::Message::decode(message).map_err(|_| $crate::protocol::Malformed)?;
                Ok($crate::proto::api::Command { $field: Some(request), ..Default::default() })
            },
            is_asked: |command| command.$field.is_some(),
            plan: |command, rules| $plan(command.$field.unwrap_or_default(), rules),
            encode_result: |outcome, out| match &outcome.$field {
                Some(result) => $crate::proto::json::encode(result, out),
                None => {
                    out.extend_from_slice(b"{}");
                    Ok(())
                }
            },
            encode_message: |outcome| outcome.$field.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default(),
        }
    };
}
use method;

/// A `<Rpc>Response` as a Protobuf message: the error in field 1, or the result in field 2, which is there even when it
/// is empty.
pub fn encode_response(method: &Method, outcome: &Outcome) -> Vec<u8> {
    let (tag, body) = match &outcome.error {
        Some(error) => (1, prost::Message::encode_to_vec(error)),
        None => (2, (method.encode_message)(outcome)),
    };
    let mut out = Vec::with_capacity(body.len() + 8);
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(body.len() as u64, &mut out);
    out.extend_from_slice(&body);
    out
}

/// All methods, in the order in which a batch command that sets several is read.
pub const METHODS: &[Method] = &[publish::METHOD, broadcast::METHOD, info::METHOD];

/// What a method needs done.
#[allow(clippy::large_enum_variant)] // It lives on the stack for one call.
pub enum Plan {
    /// Nothing: this is the outcome.
    Done(Outcome),
    /// Hand each post to the owner of its channel; the positions come back in the same order.
    Publish {
        /// What to publish, or why not.
        posts: Vec<Result<Post, ApiError>>,
        /// Makes the outcome of the responses.
        finish: fn(Vec<PublishResponse>) -> Outcome,
    },
    /// Ask every core.
    Gather(Question),
}

/// One publication for one channel.
#[derive(Clone, Debug)]
pub struct Post {
    /// The channel, not empty, its namespace known.
    pub channel: String,
    /// What subscribers get.
    pub publication: Publication,
    /// A repeat of this key publishes nothing; "" has no repeats.
    pub idempotency_key: String,
    /// The payload came as a JSON value; otherwise it is looked at before JSON subscribers see it.
    pub is_json: bool,
}

/// What every core is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// The core's share of `info`.
    Info,
}

/// A core's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Its share of `info`.
    Info(info::Share),
}

/// Picks the method that a command of a batch asks for and plans it.
pub fn plan_command(command: Command, rules: &Rules) -> Plan {
    match METHODS.iter().find(|method| (method.is_asked)(&command)) {
        Some(method) => (method.plan)(command, rules),
        None => Plan::Done(ApiError::NOT_FOUND.outcome()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_names_are_unique_and_lower_case() {
        for (at, method) in METHODS.iter().enumerate() {
            assert!(METHODS[..at].iter().all(|m| m.name != method.name));
            assert!(method.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
    }

    #[test]
    fn a_command_without_a_known_method_is_not_found() {
        let rules = Rules::new(&Default::default(), &Default::default()).expect("defaults");
        let Plan::Done(outcome) = plan_command(Command::default(), &rules) else { panic!("nothing to do") };
        assert_eq!(outcome.error.expect("an error").code, 104);
    }
}
