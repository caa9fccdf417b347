//! `broadcast`: one publication for many channels; each channel has an answer of its own (server-api 2.2).

use super::{ApiError, Method, Outcome, Plan, method, publish};
use crate::channel::Rules;
use crate::proto::api::{BroadcastRequest, BroadcastResult, PublishResponse};

pub(super) const METHOD: Method = method!(broadcast, "Broadcast", 1, plan);

fn plan(request: BroadcastRequest, rules: &Rules) -> Plan {
    let payload = match publish::payload(request.data, &request.b64data) {
        Ok(payload) if !request.channels.is_empty() => payload,
        _ => return Plan::Refused(ApiError::BAD_REQUEST),
    };
    // No payload is refused as a whole (v5), unless some channel's namespace takes empty ones.
    let takes_empty = |channel: &String| rules.namespace(channel).is_some_and(|n| n.allows_payload(&[]));
    if payload.data.is_empty() && !request.channels.iter().any(takes_empty) {
        return Plan::Refused(ApiError::BAD_REQUEST);
    }
    let posts = request.channels.into_iter();
    let extras = publish::Extras {
        tags: request.tags,
        version: request.version,
        delta: request.delta,
        rare: publish::rare(request.idempotency_key, request.skip_history, request.version_epoch),
    };
    let post = |channel| publish::post(channel, payload.clone(), extras.clone(), rules);
    Plan::Broadcast(posts.map(post).collect())
}

/// The outcome of a broadcast: a response for each channel.
pub fn broadcasted(responses: Vec<PublishResponse>) -> Outcome {
    Outcome { broadcast: Some(BroadcastResult { responses }), ..Outcome::default() }
}
