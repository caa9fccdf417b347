//! `refresh`: sessions of a user get another expiry, or end (server-api 2.6).

use super::{Act, Action, Answer, Filter, Method, Outcome, Plan, Question, Surroundings, acted, method};
use crate::channel::Rules;
use crate::proto::api::{RefreshRequest, RefreshResult};
use crate::session::grant::Renewal;
use std::sync::Arc;

pub(super) const METHOD: Method = method!(refresh, "Refresh", 12, plan);

fn plan(request: RefreshRequest, _: &Rules) -> Plan {
    let renewal = Renewal { expired: request.expired, expire_at: request.expire_at, info: request.info };
    let filter = Filter { user: request.user, client: request.client, session: request.session, ..Filter::default() };
    let act = Act { filter, action: Action::Refresh(renewal) };
    Plan::Gather { question: Question::Act(Arc::new(act)), finish }
}

fn finish(_: &Surroundings<'_>, answers: Vec<Answer>) -> Outcome {
    acted(&answers, Outcome { refresh: Some(RefreshResult {}), ..Outcome::default() })
}
