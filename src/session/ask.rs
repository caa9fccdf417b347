//! What commands that read a channel have in common: their checks in order, then the wait for the owner core.

use super::{Context, Flow, Session, Waiting, presence, reply_to};
use crate::channel::Position;
use crate::channel::inquiry::{Finding, Inquiry};
use crate::channel::rules::Feature;
use crate::proto::client::{HistoryResult, PresenceStatsResult, Publication};
use crate::protocol::code::{Disconnect, Error};

impl Session {
    pub(super) fn ask(&mut self, id: u32, channel: &str, feature: Feature, inquiry: Inquiry, cx: &Context<'_>) -> Flow {
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
            Finding::Presence(members) => reply.presence = Some(presence::result(members)),
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

fn page(publications: Vec<Publication>, top: &Position) -> HistoryResult {
    HistoryResult { publications, epoch: top.epoch.to_string(), offset: top.offset }
}
