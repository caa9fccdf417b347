//! `disconnect`: sessions of a user are closed (server-api 2.5). Code and reason are the caller's affair; code 0, which no
//! close frame can carry, becomes the default.

use super::{Act, Action, Answer, Filter, Method, Outcome, Plan, Question, Surroundings, acted, method};
use crate::channel::Rules;
use crate::proto::api::{DisconnectRequest, DisconnectResult};
use crate::protocol::code::Disconnect;
use std::sync::Arc;

pub(super) const METHOD: Method = method!(disconnect, "Disconnect", 3, plan);

fn plan(request: DisconnectRequest, _: &Rules) -> Plan {
    let disconnect = match request.disconnect {
        Some(given) if given.code != 0 => Disconnect { code: given.code, reason: given.reason.into() },
        _ => Disconnect::FORCED,
    };
    let DisconnectRequest { user, client, session, whitelist: except, .. } = request;
    let act = Act { filter: Filter { user, client, session, except }, action: Action::Disconnect(disconnect) };
    Plan::Gather { question: Question::Act(Arc::new(act)), finish }
}

fn finish(_: &Surroundings<'_>, answers: Vec<Answer>) -> Outcome {
    acted(&answers, Outcome { disconnect: Some(DisconnectResult {}), ..Outcome::default() })
}
