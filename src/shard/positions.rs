//! Positions are checked, so that nothing that is lost on the way to this core stays unnoticed (client-protocol 4.5, 4.6).
//!
//! Three things are compared with the position that this core has reached in a channel: every kept publication, the top
//! that a new positioned subscriber is told, and, when neither has come for a while, the owner's answer to a question. All
//! three come from the owner in its order, so at each of them both sides must agree exactly. If they do not, the channel's
//! positioned subscribers on this core get nothing more of it: they are told 2500, or 3010 where the server made the
//! subscription, and recover. Others go on.
//!
//! The owner also compares what it sends to this core with what this core believes to have asked for. A channel that keeps
//! history no more since a reload has no positions either: its stream ends.

use super::message::Kept;
use super::{Message, Shard};
use crate::channel::Position;
use crate::clock::Mono;
use crate::hub::tracked::Step;
use crate::id::{ChannelKey, Core};
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::protocol::code::Disconnect;
use crate::protocol::feeds::FeedSet;
use crate::session::Flow;
use crate::wheel::Wheel;
use rand::Rng;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What this core has to look after in its channels with positioned subscribers.
#[derive(Default)]
pub(super) struct Checks {
    wheel: Wheel<(Mono, ChannelKey)>,
    /// By place of the channel: its entry in the wheel; others are dead.
    armed: Vec<Mono>,
    /// Their time has come.
    due: VecDeque<(Mono, ChannelKey)>,
    /// Channels some of whose subscribers have to be told that they have missed something.
    losses: VecDeque<ChannelKey>,
    /// The next slice of them is to be told now.
    is_telling: bool,
}

impl Checks {
    /// Looks at the channel at `at` or before.
    fn arm(&mut self, key: ChannelKey, at: Mono) {
        let place = key.0 as usize;
        if place >= self.armed.len() {
            self.armed.resize(place + 1, Mono::NEVER);
        }
        if at < self.armed[place] {
            self.armed[place] = at;
            self.wheel.arm(at, (at, key));
        }
    }

    /// The next channel whose entry has fired.
    fn pop_due(&mut self) -> Option<ChannelKey> {
        while let Some((at, key)) = self.due.pop_front() {
            let armed = &mut self.armed[key.0 as usize];
            if *armed == at {
                *armed = Mono::NEVER;
                return Some(key);
            }
        }
        None
    }

    fn expire(&mut self, now: Mono) {
        let mut due = Vec::new();
        self.wheel.expire(now, &mut due);
        self.due.extend(due);
    }

    /// When there is something to do.
    pub(super) fn next_deadline(&self, now: Mono) -> Option<Mono> {
        if self.due.is_empty() && self.losses.is_empty() { self.wheel.next_deadline() } else { Some(now) }
    }

    /// True while subscribers have to be told.
    pub(super) fn is_losing(&self) -> bool {
        !self.losses.is_empty()
    }
}

impl Shard {
    /// Notes that a kept publication has come; false when it was handed out before.
    pub(super) fn follows(&mut self, key: ChannelKey, kept: &Kept) -> bool {
        let Some(tracked) = self.registry.tracked(key) else { return true };
        let step = tracked.advance(&kept.position, self.now.mono);
        let lag_max = self.policy.client.channel_position_max_time_lag;
        let is_late = !lag_max.is_zero() && self.now.mono.since(kept.at) > lag_max;
        match step {
            Step::Known => return false,
            Step::Next if !is_late => {}
            Step::Gap if mutation::is(Mutation::GapIsNotTold) => {}
            Step::Next | Step::Gap => self.lose(key),
        }
        true
    }

    /// A positioned subscriber begins at the owner's top; those who are here already must stand there too.
    pub(super) fn begin_position(&mut self, key: ChannelKey, top: &Position) {
        self.compare(key, top);
        let delay = self.check_delay();
        // Channels that became busy together are not looked at together.
        let seen = self.now.mono + self.random.random_range(Duration::ZERO..delay / 2);
        if self.registry.track(key, top, seen) {
            self.checks.arm(key, seen + delay);
        }
    }

    /// `client.channel_position_check_delay`; less than a second would only make noise.
    fn check_delay(&self) -> Duration {
        self.policy.client.channel_position_check_delay.max(Duration::from_secs(1))
    }

    fn compare(&mut self, key: ChannelKey, top: &Position) {
        let now = self.now.mono;
        if self.registry.tracked(key).is_some_and(|tracked| !tracked.settle(top, now)) {
            self.lose(key);
        }
    }

    /// Looks after channels that were silent for long; at most a slice of them.
    pub(super) fn expire_checks(&mut self) {
        self.checks.expire(self.now.mono);
        for _ in 0..limits::POSITION_CHECKS_PER_TURN {
            let Some(key) = self.checks.pop_due() else { break };
            self.check_position(key);
        }
        self.checks.is_telling = self.checks.is_losing();
    }

    fn check_position(&mut self, key: ChannelKey) {
        if mutation::is(Mutation::NoPositionIsChecked) {
            return;
        }
        let delay = self.check_delay();
        let Some(at) = self.registry.tracked(key).map(|tracked| tracked.seen() + delay) else { return };
        if at > self.now.mono {
            return self.checks.arm(key, at);
        }
        // Without an answer the question is asked again.
        self.checks.arm(key, self.now.mono + delay);
        let Some((channel, feeds)) = self.registry.asked(key) else { return };
        let (channel, from) = (channel.clone(), self.core);
        let owner = self.shared.placement.owner(&channel);
        if owner == self.core {
            let top = self.top_owned(&channel, from, feeds);
            return self.learn_top(&channel, top.as_ref());
        }
        self.send(owner, Message::AskTop { channel, from, feeds });
    }

    /// As the owner: where the channel stands; `None` when the asking core has missed what it wanted, or there is nothing
    /// any more.
    pub(super) fn top_owned(&mut self, channel: &Arc<str>, from: Core, feeds: FeedSet) -> Option<Position> {
        if self.store.feeds_of(channel, from) != feeds {
            self.listen_owned(channel, from, feeds);
            return None;
        }
        let keeps = |shard: &Shard| shard.policy.rules.namespace(channel).is_some_and(|n| n.retention().is_some());
        if self.has_reloaded && !keeps(self) {
            self.store.end_stream(channel);
        }
        self.store.top(channel)
    }

    /// The owner has said where the channel stands, behind all that it has published before.
    pub(super) fn learn_top(&mut self, channel: &str, top: Option<&Position>) {
        let Some(key) = self.registry.find(channel) else { return };
        match top {
            Some(top) => self.compare(key, top),
            None if self.registry.tracked(key).is_some() => self.lose(key),
            None => {}
        }
    }

    /// Positioned subscribers of the channel have missed something: from now on they get nothing of it.
    fn lose(&mut self, key: ChannelKey) {
        // A connection that is being handled is not in its place: it is asked when it is told.
        let is_positioned = |index: u32| {
            let conn = self.conns.get(index as usize).and_then(Option::as_ref);
            conn.is_none_or(|conn| conn.client_ref().is_some_and(|client| client.is_positioned(key)))
        };
        self.registry.lose(key, is_positioned);
        self.checks.losses.push_back(key);
        self.checks.is_telling = true;
    }

    /// Tells a slice of those who have missed something, while no connection is being handled.
    pub(super) fn tell_of_losses(&mut self) {
        if !std::mem::take(&mut self.checks.is_telling) {
            return;
        }
        let mut left = limits::ACTS_PER_SLICE;
        while left > 0
            && let Some(key) = self.checks.losses.front()
        {
            match self.registry.take_lost(*key) {
                Some(index) => {
                    self.tell_of_loss(index, *key);
                    left -= 1;
                }
                None => _ = self.checks.losses.pop_front(),
            }
        }
    }

    fn tell_of_loss(&mut self, index: u32, key: ChannelKey) {
        let Some(mut conn) = self.take_at(index) else { return };
        match conn.client() {
            Some(client) if client.is_positioned(key) => {
                let flow = client.session.lose(key).unwrap_or(Flow::Disconnect(Disconnect::INSUFFICIENT_STATE));
                self.finish_flow(conn, flow);
            }
            _ => self.put(conn),
        }
    }
}
