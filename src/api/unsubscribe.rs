//! `unsubscribe`: sessions of a user lose a channel (server-api 2.4). An empty channel unsubscribes from nothing; the
//! sessions get their push all the same.

use super::{Act, Action, Answer, ApiError, Filter, Method, Outcome, Plan, Question, Surroundings, acted, method};
use crate::channel::Rules;
use crate::proto::api::{UnsubscribeRequest, UnsubscribeResult};
use std::sync::Arc;

pub(super) const METHOD: Method = method!(unsubscribe, "Unsubscribe", 2, plan);

fn plan(request: UnsubscribeRequest, rules: &Rules) -> Plan {
    if !request.channel.is_empty() && rules.namespace(&request.channel).is_none() {
        return Plan::Refused(ApiError::UNKNOWN_CHANNEL);
    }
    let filter = Filter { user: request.user, client: request.client, session: request.session, ..Filter::default() };
    let act = Act { filter, action: Action::Unsubscribe(request.channel) };
    Plan::Gather { question: Question::Act(Arc::new(act)), finish }
}

fn finish(_: &Surroundings<'_>, answers: Vec<Answer>) -> Outcome {
    acted(&answers, Outcome { unsubscribe: Some(UnsubscribeResult {}), ..Outcome::default() })
}
