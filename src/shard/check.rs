//! What holds between the tables of one core. For tests and the simulation: everything here walks everything and panics
//! when something disagrees.

use super::Shard;
use super::acts::Errand;
use crate::clock::Mono;
use crate::conn::{Client, Conn};
use crate::id::{Core, Slot, Ticket};
use crate::protocol::feeds::FeedSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Timers are not taken out, so a connection whose deadline moves back and forth has some that fire in vain.
const TIMERS_PER_CONNECTION_MAX: usize = 16;

impl Shard {
    /// Panics when the tables disagree; between two events they do not.
    pub fn check_invariants(&self) {
        self.output.check_invariants();
        self.registry.check_invariants();
        self.store.check_invariants();
        self.ranges.check_invariants();
        self.check_places();
        self.check_waiting();
        self.check_queues();
        self.check_input();
    }

    /// What waits for a client is within its bound; a client beyond it is one no more.
    fn check_queues(&self) {
        let bytes_max = self.shared.settings.client.queue_max_size;
        for (conn, _) in self.clients() {
            let index = conn.slot.index;
            assert!(self.output.outbox_bytes(index) <= bytes_max, "too much waits for a client");
            assert!(self.output.held_bytes(index) <= bytes_max, "too much is held for a client");
        }
    }

    /// Every connection has a timer for its next deadline, and few others. It walks the wheel, so not with every event.
    pub fn check_timers(&self) {
        let mut timers: BTreeMap<Slot, Vec<Mono>> = BTreeMap::new();
        self.wheel.entries().for_each(|(at, slot)| timers.entry(*slot).or_default().push(at));
        for conn in self.conns.iter().flatten() {
            let of_conn = timers.get(&conn.slot).map_or(&[][..], Vec::as_slice);
            assert!(conn.armed <= conn.deadline(), "a deadline has no timer");
            assert!(conn.armed == Mono::NEVER || of_conn.contains(&conn.armed), "a timer is not in the wheel");
            assert!(of_conn.len() <= TIMERS_PER_CONNECTION_MAX, "a connection has {} timers", of_conn.len());
        }
    }

    /// What this core wants to hear of a channel.
    pub fn asked_of(&self, channel: &str) -> FeedSet {
        self.registry.find(channel).and_then(|key| self.registry.asked(key)).map_or(0, |(_, feeds)| feeds)
    }

    /// What this core, as the owner of a channel, knows that another one wants to hear of it.
    pub fn known_of(&self, channel: &str, core: Core) -> FeedSet {
        self.store.feeds_of(channel, core)
    }

    /// True when somebody is written to only after a while. For the simulation.
    pub fn has_waits(&self) -> bool {
        self.output.next_deadline().is_some()
    }

    /// Everybody who listens knows its place.
    fn check_places(&self) {
        let mut subscriptions = 0;
        let mut positioned: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for (conn, client) in self.clients() {
            for subscription in client.session.subscriptions() {
                let feed = subscription.feed(client.session.rendition());
                let listeners = self.registry.listeners(&subscription.channel);
                let seated = listeners.and_then(|listeners| listeners.seated(feed, subscription.seat));
                let follower = client.followers.iter().find(|follower| follower.key == subscription.key);
                let is_behind = follower.is_some_and(|follower| follower.hole.is_some());
                assert!(is_behind || seated == Some(conn.slot.index), "knows its seat");
                subscriptions += 1;
                if subscription.features.positioned {
                    *positioned.entry(subscription.channel.clone()).or_default() += 1;
                }
            }
            let pending = client.listening.iter().flat_map(|listening| &listening.channels);
            for pending in pending.filter(|pending| pending.joined.is_some()) {
                subscriptions += 1;
                if pending.wanted.features.positioned {
                    *positioned.entry(pending.wanted.channel.clone()).or_default() += 1;
                }
            }
        }
        assert_eq!(subscriptions, self.registry.subscriptions());
        for (channel, tracked) in self.registry.all_tracked() {
            assert_eq!(positioned.remove(channel), Some(tracked.count()), "positioned subscribers of {channel}");
            assert!(tracked.lost().is_empty() || self.checks.is_losing(), "who has missed something is told");
        }
        assert!(positioned.is_empty(), "{positioned:?} have no position");
    }

    /// Whoever waits is waited for: a subscriber stands in the registry and, for an answer of its own, among those who
    /// enter; an act waits for as many grants as there are; an answer belongs to a job.
    fn check_waiting(&self) {
        let mut grants: BTreeMap<Ticket, usize> = BTreeMap::new();
        for (conn, client) in self.clients() {
            let pending = client.listening.iter().flat_map(|listening| &listening.channels);
            let asked = pending.filter(|p| p.joined.is_none()).map(|p| (p.ticket, &p.wanted));
            let granted = client.grants.iter().map(|grant| (Some(grant.ticket), &grant.wanted));
            for (ticket, wanted) in asked.chain(granted) {
                assert!(self.registry.is_waiting(&wanted.channel, conn.slot, ticket), "{} is awaited", wanted.channel);
                let entering = ticket.map(|ticket| self.entering.get(&ticket).map(|(slot, _)| *slot));
                assert!(entering.is_none_or(|slot| slot == Some(conn.slot)), "{} is entering", wanted.channel);
            }
            client.grants.iter().for_each(|grant| *grants.entry(grant.act).or_default() += 1);
            assert!(client.listening.is_none() || client.session.is_waiting(), "a command listens");
        }
        for (ticket, errand) in &self.errands {
            if let Errand::Act { waiting, .. } = errand {
                assert_eq!(grants.remove(ticket).unwrap_or(0), *waiting, "an act waits for its grants");
            }
        }
        assert!(grants.is_empty(), "grants without an act");
        self.check_followers();
        self.jobs.check_invariants();
    }

    /// Whoever may fall behind is subscribed, and an open question for a page is known.
    fn check_followers(&self) {
        for (conn, client) in self.clients() {
            let pending = client.listening.iter().flat_map(|listening| &listening.channels);
            let keys = pending.filter_map(|pending| pending.joined.as_ref().map(|joined| joined.key));
            let keys: Vec<_> = client.session.subscriptions().iter().map(|s| s.key).chain(keys).collect();
            for follower in &client.followers {
                assert!(keys.contains(&follower.key), "{} is subscribed", follower.channel);
                let question = follower.hole.as_ref().and_then(|hole| hole.question);
                let asked = question.map(|ticket| self.reading.get(&ticket).copied());
                assert!(asked.is_none_or(|slot| slot == Some(conn.slot)), "{} is read", follower.channel);
            }
        }
    }

    /// Panics when something still waits although nothing is under way between the cores and nobody speaks.
    pub fn check_at_rest(&self) {
        self.check_invariants();
        assert!(self.jobs.is_empty() && self.publishing.is_empty() && self.asking.is_empty(), "a call waits");
        assert!(self.entering.is_empty() && self.errands.is_empty(), "a subscriber or an errand waits");
        assert!(self.reading.is_empty(), "a page is on its way");
        assert!(self.effects.is_empty() && self.verdicts.is_empty(), "something is still to be done");
        assert!(!self.registry.has_waiting() && !self.checks.is_losing(), "a subscriber waits");
        for (_, client) in self.clients() {
            assert!(client.listening.is_none() && client.grants.is_empty() && client.backlog.is_empty());
            assert!(!client.session.is_waiting(), "a command waits");
            assert!(!client.is_claiming, "a claim was not heard");
            assert!(client.followers.iter().all(|follower| follower.hole.is_none()), "a subscription is behind");
        }
    }

    /// Panics when something is remembered although all clients are gone and the times of all channels are over.
    pub fn check_empty(&self) {
        self.check_at_rest();
        assert_eq!(self.connections(), 0);
        assert!(self.registry.is_empty(), "a channel without listeners");
        assert!(self.users.is_empty(), "a user without connections");
        assert!(self.store.is_empty(), "a channel without listeners, history and members");
        assert!(self.ranges.is_empty(), "a recovered list");
        assert!(self.wheel.entries().next().is_none(), "a timer of nobody");
        self.output.check_empty();
    }

    fn clients(&self) -> impl Iterator<Item = (&Conn, &Client)> {
        self.conns.iter().flatten().filter_map(|conn| conn.client_ref().map(|client| (&**conn, client)))
    }
}
