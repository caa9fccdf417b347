//! `presence`: who is in a channel (server-api 2.7).

use super::{ApiError, Method, Plan, method};
use crate::channel::inquiry::Inquiry;
use crate::channel::{Member, Rules};
use crate::proto::api::{ClientInfo, PresenceRequest, PresenceResult};

pub(super) const METHOD: Method = method!(presence, "Presence", 4, plan);

fn plan(request: PresenceRequest, rules: &Rules) -> Plan {
    ask(request.channel, rules, Inquiry::Presence)
}

/// The checks that `presence` and `presence_stats` share: name, namespace, option.
pub(super) fn ask(channel: String, rules: &Rules, question: Inquiry) -> Plan {
    if channel.is_empty() {
        return Plan::Refused(ApiError::BAD_REQUEST);
    }
    match rules.namespace(&channel) {
        None => Plan::Refused(ApiError::UNKNOWN_CHANNEL),
        Some(namespace) if !namespace.has_presence() => Plan::Refused(ApiError::NOT_AVAILABLE),
        Some(_) => Plan::Owner(channel.into(), question),
    }
}

/// The result.
pub(super) fn result(members: Vec<Member>) -> PresenceResult {
    PresenceResult { presence: members.into_iter().map(|member| (member.client.to_string(), entry(member))).collect() }
}

fn entry(member: Member) -> ClientInfo {
    ClientInfo {
        user: member.user.to_string(),
        client: member.client.to_string(),
        conn_info: member.conn_info,
        chan_info: member.chan_info,
    }
}
