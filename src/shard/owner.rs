//! What this core does as the owner of a channel: members come and go, positions and pages are read.

use super::message::{Departure, Entry, Frames};
use super::{Message, Shard};
use crate::channel::features::RecoveryMode;
use crate::channel::history::{Page, Stream};
use crate::channel::inquiry::{Finding, Inquiry};
use crate::channel::presence::Presence;
use crate::channel::{Member, Ranges, Rules};
use crate::clock::Mono;
use crate::id::Core;
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::proto::client::{ClientInfo, Join, Leave, Publication, Push, Reply};
use crate::protocol::command::Protocol;
use crate::protocol::feeds::FeedSet;
use crate::protocol::filter::Filter;
use crate::protocol::frame::Rendition;
use crate::protocol::missed::{Missed, Range};
use crate::protocol::reply;
use crate::session::{Entered, Since};
use crate::tally::Action;
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// How long a position of the channel outlives its last use. The namespace may have gone with a reload.
fn meta_ttl(rules: &Rules, channel: &str) -> Duration {
    rules.namespace(channel).map_or(Duration::from_secs(60), |namespace| namespace.meta_ttl())
}

impl Shard {
    pub(super) fn meta_ttl(&self, channel: &str) -> Duration {
        meta_ttl(&self.policy.rules, channel)
    }

    /// Forgets what the channels of this core have kept long enough.
    pub(super) fn expire_channels(&mut self) {
        let rules = &self.policy.rules;
        self.store.expire(self.now.mono, limits::EXPIRED_CHANNELS_PER_TURN, |channel| meta_ttl(rules, channel));
        self.ranges.expire(self.now.mono);
        self.store_gauges();
    }

    /// The gauges of what this core owns.
    pub(super) fn store_gauges(&self) {
        let totals = self.store.totals();
        self.counters.channels_with_state.set(self.store.len() as u64);
        self.counters.history_publications.set(totals.publications as u64);
        self.counters.history_bytes.set(totals.bytes as u64);
        self.counters.presence_entries.set(totals.members as u64);
    }

    /// A core wants these feeds of the channel from now on.
    pub(super) fn listen_owned(&mut self, channel: &Arc<str>, from: Core, feeds: FeedSet) {
        let before = self.store.heard();
        self.store.listen(channel, from, feeds);
        match self.store.heard().cmp(&before) {
            Ordering::Greater => self.counters.actions.add(Action::BrokerSubscribe),
            Ordering::Less => {
                self.counters.actions.add(Action::BrokerUnsubscribe);
                let until = self.now.mono + self.meta_ttl(channel);
                self.store.keep_position(channel, until);
            }
            Ordering::Equal => {}
        }
        self.gauges();
        self.store_gauges();
    }

    /// A subscriber comes: into presence, and it is told where it stands.
    pub(super) fn enter_owned(&mut self, channel: &Arc<str>, entry: Entry) -> Entered {
        let mut entered = Entered::default();
        if entry.is_positioned {
            let meta_ttl = self.meta_ttl(channel);
            let stream = self.store.stream(channel, meta_ttl, self.now.mono, &mut self.random);
            entered.top = Some(stream.top());
            if mutation::is(Mutation::TopIsOneTooLow) {
                entered.top.iter_mut().for_each(|top| top.offset = top.offset.saturating_sub(1));
            }
            if let Some(since) = entry.since {
                recover(&mut self.ranges, channel, stream, &since, self.now.mono, &mut entered);
            }
        }
        if let Some(member) = entry.member.filter(|_| !entered.is_refused) {
            self.counters.actions.add(Action::AddPresence);
            self.store.enter(channel, member);
            self.store_gauges();
        }
        entered
    }

    /// Something that presence tells of a client has changed.
    pub(super) fn renew_owned(&mut self, channel: &str, member: Member) {
        self.counters.actions.add(Action::AddPresence);
        self.store.renew(channel, member);
    }

    /// A subscriber has left.
    pub(super) fn depart_owned(&mut self, channel: &Arc<str>, departure: Departure) {
        if departure.presence {
            self.counters.actions.add(Action::RemovePresence);
            self.store.leave(channel, departure.client);
            self.store_gauges();
        }
        if let Some(info) = departure.info {
            self.announce_owned(channel, info, false);
        }
    }

    /// Those who want to know are told who has come or gone.
    pub(super) fn announce_owned(&mut self, channel: &Arc<str>, info: ClientInfo, has_come: bool) {
        let Some((name, interest)) = self.store.listeners(channel) else { return };
        let (sent, received) = match has_come {
            true => (&self.counters.joins_sent, &self.counters.joins_received),
            false => (&self.counters.leaves_sent, &self.counters.leaves_received),
        };
        sent.add(1);
        received.add(1);
        if interest.cores_with_joins().next().is_none() {
            return;
        }
        let (name, interest) = (name.clone(), interest.clone());
        let mut push = Push { channel: name.to_string(), ..Push::default() };
        match has_come {
            true => push.join = Some(Join { info: Some(info) }),
            false => push.leave = Some(Leave { info: Some(info) }),
        }
        let message = Reply { push: Some(push), ..Reply::default() };
        let mut frames = Frames::default();
        frames.delay = self.write_delay(&name);
        for protocol in Protocol::ALL {
            let renditions = Rendition::of(protocol, |rendition| interest.wants_joins(rendition));
            self.scratch.clear();
            // Information that is no JSON cannot be told to JSON subscribers; they go without.
            if !renditions.is_empty() && reply::encode_reply(protocol, &message, &mut self.scratch).is_ok() {
                self.framed(&renditions).for_each(|(rendition, rendered)| frames.set(rendition, rendered));
            }
        }
        for core in interest.cores_with_joins() {
            if core == self.core {
                self.deliver_joins(&name, &frames);
            } else {
                self.send(core, Message::DeliverJoins { channel: name.clone(), frames: frames.clone() });
            }
        }
    }

    /// Answers a question about a channel of this core.
    pub(super) fn ask_owned(&mut self, channel: &Arc<str>, question: Inquiry) -> Finding {
        self.counters.actions.add(match question {
            Inquiry::Presence => Action::Presence,
            Inquiry::PresenceStats => Action::PresenceStats,
            Inquiry::History(..) => Action::History,
            Inquiry::HistoryRemove => Action::HistoryRemove,
        });
        match question {
            Inquiry::Presence => {
                let members = self.store.presence(channel).into_iter().flat_map(Presence::members);
                Finding::Presence(members.cloned().collect())
            }
            Inquiry::PresenceStats => {
                let presence = self.store.presence(channel);
                let count = |figure: fn(&Presence) -> usize| presence.map_or(0, figure) as u32;
                Finding::PresenceStats { clients: count(Presence::clients), users: count(Presence::users) }
            }
            Inquiry::History(page, epoch) => self.history_owned(channel, &page, &epoch),
            Inquiry::HistoryRemove => {
                self.store.remove_history(channel);
                self.store_gauges();
                Finding::Removed
            }
        }
    }

    fn history_owned(&mut self, channel: &Arc<str>, page: &Page, epoch: &str) -> Finding {
        let meta_ttl = self.meta_ttl(channel);
        let (publications, top) = self.store.read(channel, page, meta_ttl, self.now.mono, &mut self.random);
        if !epoch.is_empty() && *epoch != *top.epoch {
            return Finding::OtherEpoch;
        }
        Finding::History(publications, top)
    }
}

/// What a subscriber that goes on from a position is told (client-protocol 4.4). Who has a filter gets a list of its own.
fn recover(ranges: &mut Ranges, channel: &Arc<str>, stream: &Stream, since: &Since, now: Mono, entered: &mut Entered) {
    let wants_any = since.publications_max > 0;
    match since.mode {
        RecoveryMode::Stream => {
            // Who does not want the publications is told about them however many they are.
            let limit = if wants_any { since.publications_max } else { usize::MAX };
            entered.is_recovered = stream.recovers(&since.position, limit);
            entered.is_refused = since.is_strict && !entered.is_recovered;
            if !entered.is_recovered || !wants_any {
                return;
            }
            let offset = since.position.offset;
            entered.missed = match &since.filter {
                None => ranges.missed(channel, stream, offset, now),
                Some(filter) => passing(filter, stream, &Page { since: Some(offset), ..Page::default() }, usize::MAX),
            };
        }
        RecoveryMode::Cache => {
            let is_current = since.position.offset > 0 && since.position == stream.top();
            entered.is_recovered = is_current || !stream.is_empty();
            if is_current || !wants_any || stream.is_empty() {
                return;
            }
            let newest = Page { limit: Some(since.publications_max), reverse: true, ..Page::default() };
            entered.missed = match &since.filter {
                None => ranges.missed(channel, stream, stream.top().offset - 1, now),
                Some(filter) => passing(filter, stream, &newest, 1),
            };
        }
    }
}

/// The first `count` publications of a page that pass.
fn passing(filter: &Filter, stream: &Stream, page: &Page, count: usize) -> Missed {
    let passes = |publication: &Publication| filter.matches(&publication.tags);
    let list = stream.read(page).into_iter().filter(passes).take(count).collect();
    Missed::new(Arc::new(Range::new(list)), 0)
}
