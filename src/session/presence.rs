//! `presence`: who is subscribed (client-protocol 3.5).

use super::{Context, Flow, Session};
use crate::channel::Member;
use crate::channel::inquiry::Inquiry;
use crate::channel::rules::Feature;
use crate::proto::client::{ClientInfo, PresenceResult};

impl Session {
    pub(super) fn presence(&mut self, id: u32, channel: &str, cx: &Context<'_>) -> Flow {
        self.ask(id, channel, Feature::Presence, Inquiry::Presence, cx)
    }
}

/// What the owner has found, for the reply.
pub(super) fn result(members: Vec<Member>) -> PresenceResult {
    let presence = members.into_iter().map(|member| (member.client.to_string(), info(member))).collect();
    PresenceResult { presence }
}

fn info(member: Member) -> ClientInfo {
    ClientInfo {
        user: member.user.to_string(),
        client: member.client.to_string(),
        conn_info: member.conn_info,
        chan_info: member.chan_info,
    }
}
