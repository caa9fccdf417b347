//! `presence_stats`: how many are subscribed (client-protocol 3.5).

use super::{Context, Flow, Session};
use crate::channel::inquiry::Inquiry;
use crate::channel::rules::Feature;

impl Session {
    pub(super) fn presence_stats(&mut self, id: u32, channel: &str, cx: &Context<'_>) -> Flow {
        self.ask(id, channel, Feature::Presence, Inquiry::PresenceStats, cx)
    }
}
