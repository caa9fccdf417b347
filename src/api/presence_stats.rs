//! `presence_stats`: how many clients and users are in a channel (server-api 2.8).

use super::{Method, Plan, method, presence};
use crate::channel::Rules;
use crate::channel::inquiry::Inquiry;
use crate::proto::api::PresenceStatsRequest;

pub(super) const METHOD: Method = method!(presence_stats, "PresenceStats", 5, plan);

fn plan(request: PresenceStatsRequest, rules: &Rules) -> Plan {
    presence::ask(request.channel, rules, Inquiry::PresenceStats)
}
