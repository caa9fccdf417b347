//! `subscribe`: sessions of a user that are connected now are subscribed by the server (server-api 2.3).

use super::{
    Act, Action, Answer, ApiError, Filter, Method, Outcome, Plan, Question, Surroundings, acted, method, publish,
};
use crate::channel::features::Overrides;
use crate::channel::{Position, Rules};
use crate::proto::api::{BoolValue, SubscribeOptionOverride, SubscribeRequest, SubscribeResult};
use crate::session::grant::Grant;
use bytes::Bytes;
use std::sync::Arc;

pub(super) const METHOD: Method = method!(subscribe, "Subscribe", 11, plan);

fn plan(request: SubscribeRequest, rules: &Rules) -> Plan {
    match act(request, rules) {
        Ok(act) => Plan::Gather { question: Question::Act(Arc::new(act)), finish },
        Err(error) => Plan::Refused(error),
    }
}

fn act(request: SubscribeRequest, rules: &Rules) -> Result<Act, ApiError> {
    if request.channel.is_empty() {
        return Err(ApiError::BAD_REQUEST);
    }
    let info = octets(request.info, &request.b64info)?;
    let data = octets(request.data, &request.b64data)?;
    let namespace = rules.namespace(&request.channel).ok_or(ApiError::UNKNOWN_CHANNEL)?;
    let overrides = request.r#override.as_ref().map(overrides).unwrap_or_default();
    let since = request.recover_since;
    let grant = Grant {
        channel: request.channel.into(),
        features: namespace.features(&overrides),
        info,
        data,
        expire_at: request.expire_at,
        since: since.map(|since| Position { offset: since.offset, epoch: since.epoch.into() }),
    };
    let filter = Filter { user: request.user, client: request.client, session: request.session, ..Filter::default() };
    Ok(Act { filter, action: Action::Subscribe(grant) })
}

fn octets(raw: Bytes, base64: &str) -> Result<Bytes, ApiError> {
    publish::payload(raw, base64).map(|payload| payload.data)
}

fn overrides(request: &SubscribeOptionOverride) -> Overrides {
    let value = |member: &Option<BoolValue>| member.as_ref().map(|member| member.value);
    Overrides {
        presence: value(&request.presence),
        join_leave: value(&request.join_leave),
        force_push_join_leave: value(&request.force_push_join_leave),
        force_positioning: value(&request.force_positioning),
        force_recovery: value(&request.force_recovery),
    }
}

fn finish(_: &Surroundings<'_>, answers: Vec<Answer>) -> Outcome {
    acted(&answers, Outcome { subscribe: Some(SubscribeResult {}), ..Outcome::default() })
}
