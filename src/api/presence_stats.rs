//! `presence_stats`: how many clients and users are in a channel (server-api 2.8).

use super::{Method, OwnerQuestion, Plan, method, presence};
use crate::channel::Rules;
use crate::channel::presence::Presence;
use crate::proto::api::{PresenceStatsRequest, PresenceStatsResult};

pub(super) const METHOD: Method = method!(presence_stats, "PresenceStats", 5, plan);

fn plan(request: PresenceStatsRequest, rules: &Rules) -> Plan {
    presence::ask(request.channel, rules, OwnerQuestion::PresenceStats)
}

/// The result, as the owner makes it.
pub fn result(presence: Option<&Presence>) -> PresenceStatsResult {
    let count = |figure: fn(&Presence) -> usize| presence.map_or(0, |p| u32::try_from(figure(p)).unwrap_or(u32::MAX));
    PresenceStatsResult { num_clients: count(Presence::clients), num_users: count(Presence::users) }
}
