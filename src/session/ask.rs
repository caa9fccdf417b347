//! `presence`, `presence_stats` and `history`: the checks of client-protocol 3.5 and 3.6 in their order, then the wait for
//! the owner core.

use super::{Context, Flow, Session, Waiting, reply_to};
use crate::channel::history::Page;
use crate::channel::inquiry::{Finding, Inquiry};
use crate::channel::rules::Feature;
use crate::channel::{Member, Position};
use crate::proto::client::{
    ClientInfo, HistoryRequest, HistoryResult, PresenceResult, PresenceStatsResult, Publication,
};
use crate::protocol::code::{Disconnect, Error};

impl Session {
    pub(super) fn presence(&mut self, id: u32, channel: &str, cx: &Context<'_>) -> Flow {
        self.ask(id, channel, Feature::Presence, Inquiry::Presence, cx)
    }

    pub(super) fn presence_stats(&mut self, id: u32, channel: &str, cx: &Context<'_>) -> Flow {
        self.ask(id, channel, Feature::Presence, Inquiry::PresenceStats, cx)
    }

    pub(super) fn history(&mut self, id: u32, request: &HistoryRequest, cx: &Context<'_>) -> Flow {
        let limit_max = cx.policy.client.history_max_publication_limit;
        let limit = usize::try_from(request.limit).map_or(limit_max, |limit| limit.min(limit_max));
        let since = request.since.as_ref();
        let page = Page { limit: Some(limit), since: since.map(|since| since.offset), reverse: request.reverse };
        let epoch = since.map_or("", |since| since.epoch.as_str()).into();
        let has_no_start = request.reverse && page.since == Some(0);
        let flow = self.ask(id, &request.channel, Feature::History, Inquiry::History(page, epoch), cx);
        if has_no_start && matches!(flow, Flow::Ask(..)) {
            self.waiting = None;
            return self.error(id, Error::BAD_REQUEST);
        }
        flow
    }

    fn ask(&mut self, id: u32, channel: &str, feature: Feature, inquiry: Inquiry, cx: &Context<'_>) -> Flow {
        if channel.is_empty() {
            return Flow::Disconnect(Disconnect::BAD_REQUEST);
        }
        let is_subscribed = self.find(channel).is_some();
        if let Err(refusal) = cx.policy.rules.ask(channel, &self.user, is_subscribed, feature) {
            return self.error(id, refusal.into());
        }
        self.waiting = Some(Waiting::Ask { id });
        Flow::Ask(channel.into(), inquiry)
    }

    /// The owner has answered.
    pub fn found(&mut self, finding: Finding) -> Flow {
        let Some(Waiting::Ask { id }) = self.waiting.take() else { unreachable!("only questions wait for findings") };
        let mut reply = reply_to(id);
        match finding {
            Finding::Presence(members) => {
                let presence = members.into_iter().map(|member| (member.client.to_string(), info(member))).collect();
                reply.presence = Some(PresenceResult { presence });
            }
            Finding::PresenceStats { clients, users } => {
                reply.presence_stats = Some(PresenceStatsResult { num_clients: clients, num_users: users });
            }
            Finding::History(publications, top) => reply.history = Some(page(publications, &top)),
            Finding::OtherEpoch => return self.error(id, Error::UNRECOVERABLE_POSITION),
            Finding::Removed => unreachable!("clients remove nothing"),
        }
        Flow::Reply(Box::new(reply))
    }
}

fn info(member: Member) -> ClientInfo {
    ClientInfo {
        user: member.user.to_string(),
        client: member.client.to_string(),
        conn_info: member.conn_info,
        chan_info: member.chan_info,
    }
}

fn page(publications: Vec<Publication>, top: &Position) -> HistoryResult {
    HistoryResult { publications, epoch: top.epoch.to_string(), offset: top.offset }
}
