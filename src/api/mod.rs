//! The server API: one file per method, listed once in [`METHODS`]. Routes, batch, the legacy form, the GRPC service and
//! the contract tests derive from the list. Contract: `server-api` of Centrifugo v5 with the additions named in
//! `docs/compatibility.md`.
//!
//! A method does nothing by itself: it checks its request and returns a [`Plan`], which the shard carries out over as
//! many cores as it takes. What comes back is an [`Outcome`]: the method's result or one error. Not here: HTTP
//! (`transport::api`), the order of checks before a method is reached, waiting.

pub mod batch;
pub mod broadcast;
pub mod channels;
pub mod disconnect;
pub mod error;
pub mod figures;
pub mod history;
pub mod history_remove;
pub mod info;
pub mod legacy;
pub mod manual;
pub mod openapi;
pub mod presence;
pub mod presence_stats;
pub mod publish;
pub mod refresh;
pub mod rpc;
pub mod series;
pub mod subscribe;
pub mod unsubscribe;

use crate::channel::Rules;
use crate::channel::glob::Glob;
use crate::channel::inquiry::{Finding, Inquiry};
use crate::counters::Counters;
use crate::proto::api::{Command, HistoryRemoveResult, PresenceStatsResult, Reply};
use crate::proto::client::Publication;
use crate::proto::json;
use crate::protocol::Malformed;
use crate::protocol::code::Disconnect;
use crate::session::grant::{Grant, Renewal};
pub use error::{ApiError, ErrorMode};
use std::sync::Arc;

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
    /// Decodes a body of `POST /api/<name>` and checks it: what is to be done.
    pub plan_body: fn(&[u8], &Rules) -> Result<Plan, Malformed>,
    /// The same for a GRPC message. Payloads are copied out of it, so that a kept publication does not keep its whole
    /// request.
    pub plan_message: fn(&[u8], &Rules) -> Result<Plan, Malformed>,
    /// The same for a command of a batch; `None` when it does not ask for this method.
    pub plan_command: fn(&mut Command, &Rules) -> Option<Plan>,
    /// Appends the method's result as JSON.
    pub encode_result: fn(&Outcome, &mut Vec<u8>) -> Result<(), json::NotJson>,
    /// The method's result as a Protobuf message.
    pub encode_message: fn(&Outcome) -> Vec<u8>,
}

impl Method {
    /// Its place in [`METHODS`].
    pub fn place(&self) -> usize {
        METHODS.iter().position(|method| method.number == self.number).unwrap_or_default()
    }
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A method whose request and result stand in the fields of its name in `Command` and `Reply`.
macro_rules! method {
    ($field:ident, $rpc:literal, $number:literal, $plan:expr) => {
        $crate::api::Method {
            name: stringify!($field),
            rpc: $rpc,
            number: $number,
            ignores_params: false,
            plan_body: |body, rules| Ok($plan($crate::proto::json::decode(body)?, rules)),
            plan_message: |message, rules| {
                let request = prost::Message::decode(message).map_err(|_| $crate::protocol::Malformed)?;
                Ok($plan(request, rules))
            },
            plan_command: |command, rules| command.$field.take().map(|request| $plan(request, rules)),
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
pub const METHODS: &[Method] = &[
    publish::METHOD,
    broadcast::METHOD,
    subscribe::METHOD,
    unsubscribe::METHOD,
    disconnect::METHOD,
    history::METHOD,
    history_remove::METHOD,
    presence::METHOD,
    presence_stats::METHOD,
    info::METHOD,
    rpc::METHOD,
    refresh::METHOD,
    channels::METHOD,
];

/// What a method needs done.
#[allow(clippy::large_enum_variant)] // It lives on the stack for one call, except in batches.
pub enum Plan {
    /// Nothing: the request is refused.
    Refused(ApiError),
    /// Hand the post to the owner of its channel; its position is the outcome.
    Publish(Post),
    /// Hand each post to the owner of its channel, or say why not; the positions come back in the same order.
    Broadcast(Vec<Result<Post, ApiError>>),
    /// Ask the owner of a channel; its answer is the outcome.
    Owner(Arc<str>, Inquiry),
    /// Ask every core.
    Gather {
        /// What.
        question: Question,
        /// Makes the outcome of all answers.
        finish: fn(&Surroundings<'_>, Vec<Answer>) -> Outcome,
    },
}

/// What an outcome may need besides the answers of cores.
pub struct Surroundings<'a> {
    /// What the node says of itself.
    pub node: &'a info::Node,
    /// How long it has been up.
    pub uptime_seconds: u64,
    /// What its counters grew.
    pub figures: &'a figures::Figures,
    /// The cells of all cores.
    pub counters: &'a [Arc<Counters>],
}

/// One publication for one channel.
#[derive(Clone, Debug)]
pub struct Post {
    /// The channel, not empty, its namespace known.
    pub channel: String,
    /// What subscribers get.
    pub publication: Publication,
    /// The payload came as a JSON value; otherwise it is looked at before JSON subscribers see it.
    pub is_json: bool,
    /// It may go out as a patch of the one before.
    pub delta: bool,
    /// What else matters to the owner; most publications have nothing.
    pub extras: Option<Box<PostExtras>>,
}

/// Rarer wishes for a publication.
#[derive(Clone, Default, Debug)]
pub struct PostExtras {
    /// A repeat of this key publishes nothing; "" has no repeats.
    pub idempotency_key: String,
    /// It is delivered, not kept.
    pub skip_history: bool,
    /// Versions are compared within this; "" within all.
    pub version_epoch: String,
}

/// What every core is asked, or told to do.
#[derive(Clone, Debug)]
pub enum Question {
    /// The core's share of `info`.
    Info,
    /// Channels with listeners there that match.
    Channels(Glob),
    /// Do something to sessions.
    Act(Arc<Act>),
}

/// What is done to the sessions of one user.
#[derive(Clone, Debug)]
pub struct Act {
    /// Whose.
    pub filter: Filter,
    /// What.
    pub action: Action,
}

/// Which sessions; all conditions hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// "" is the anonymous user.
    pub user: String,
    /// Only this client; "" all.
    pub client: String,
    /// Only this session; "" all.
    pub session: String,
    /// Not these clients.
    pub except: Vec<String>,
}

/// What is done to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// It is subscribed.
    Subscribe(Grant),
    /// It is unsubscribed from the channel, and told so in any case.
    Unsubscribe(String),
    /// It is closed.
    Disconnect(Disconnect),
    /// It gets another expiry.
    Refresh(Renewal),
}

/// A core's answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Its share of `info`.
    Info(info::Share),
    /// Its channels with their listeners.
    Channels(Vec<(Arc<str>, u32)>),
    /// It has acted; true when something failed.
    Acted(bool),
    /// What the owner of a channel found.
    Found(Box<Finding>),
}

/// What a method that asked the owner of a channel answers.
pub fn found(finding: Finding) -> Outcome {
    match finding {
        Finding::Presence(members) => Outcome { presence: Some(presence::result(members)), ..Outcome::default() },
        Finding::PresenceStats { clients, users } => {
            let result = PresenceStatsResult { num_clients: clients, num_users: users };
            Outcome { presence_stats: Some(result), ..Outcome::default() }
        }
        Finding::History(publications, top) => {
            Outcome { history: Some(history::result(publications, &top)), ..Outcome::default() }
        }
        Finding::OtherEpoch => ApiError::UNRECOVERABLE_POSITION.outcome(),
        Finding::Removed => Outcome { history_remove: Some(HistoryRemoveResult {}), ..Outcome::default() },
    }
}

/// What a method that acts on sessions answers: error 100 if any core failed.
fn acted(answers: &[Answer], success: Outcome) -> Outcome {
    let has_failed = answers.iter().any(|answer| matches!(answer, Answer::Acted(true)));
    if has_failed { ApiError::INTERNAL.outcome() } else { success }
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
    fn legacy_numbers_are_unique() {
        for (at, method) in METHODS.iter().enumerate() {
            assert!(METHODS[..at].iter().all(|m| m.number != method.number), "{}", method.name);
        }
    }
}
