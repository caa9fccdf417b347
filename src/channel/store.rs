//! What the owner core remembers of its channels: who listens, what was published, who is present.
//!
//! Every channel has one owner core (`shard::placement`); it alone orders the channel's publications.
//! Expiry costs nothing per publication: a channel has two deadlines (its publications, its position), of which the
//! earlier stands once in a heap; publishing moves the deadlines, not the heap entry, and an entry that comes too early
//! is put back.
//! Invariant: a channel without listeners, history and members is not in the table.

use super::dedup::Dedup;
use super::history::{Page, Retention, Stream};
use super::interest::Interest;
use super::presence::{Member, Presence};
use crate::channel::Position;
use crate::clock::Mono;
use crate::id::{ClientId, Core};
use crate::mutation::{self, Mutation};
use crate::proto::client::Publication;
use crate::protocol::feeds::FeedSet;
use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rand::rngs::StdRng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

/// One channel: 48 bytes when it only has listeners.
#[derive(Default)]
struct Channel {
    interest: Interest,
    state: Option<Box<State>>,
}

#[derive(Default)]
struct State {
    stream: Option<Stream>,
    presence: Presence,
    /// The earliest entry of this channel in the heap.
    armed: Option<Mono>,
}

/// Sums over all channels of one core.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Kept publications.
    pub publications: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
    /// Entries of presence.
    pub members: usize,
}

/// How a publication is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping<'a> {
    /// Size and time.
    pub retention: Retention,
    /// How long the position outlives the last use.
    pub meta_ttl: Duration,
    /// Versions are compared within this; "" within all.
    pub version_epoch: &'a str,
}

/// What became of a publication for the history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Appended {
    /// It is kept at this position.
    At(Position),
    /// A newer version is known: the top of the stream.
    Outdated(Position),
}

/// The channels that one core owns.
pub struct Store {
    channels: HashMap<Arc<str>, Channel, FixedState>,
    deadlines: BinaryHeap<Reverse<(Mono, Arc<str>)>>,
    totals: Totals,
    /// Channels with listeners.
    heard: usize,
    /// Idempotency keys of the channels.
    pub dedup: Dedup,
}

impl Store {
    /// `seed` keys the hash of names, which strangers choose.
    pub fn new(seed: u64) -> Store {
        Store {
            channels: HashMap::with_hasher(FixedState::with_seed(seed)),
            deadlines: BinaryHeap::new(),
            totals: Totals::default(),
            heard: 0,
            dedup: Dedup::new(seed),
        }
    }

    /// From now on `core` wants `feeds` of the channel; none: it has left.
    pub fn listen(&mut self, channel: &Arc<str>, core: Core, feeds: FeedSet) {
        let entry = self.channels.entry_ref(channel).or_default();
        let was_heard = !entry.interest.is_empty();
        entry.interest.set(core, feeds);
        let is_heard = !entry.interest.is_empty();
        let is_empty = !is_heard && entry.state.is_none();
        self.heard = self.heard + usize::from(is_heard) - usize::from(was_heard);
        if is_empty {
            self.channels.remove(channel);
        }
    }

    /// The channel's name as stored and who listens; `None` when nobody does.
    pub fn listeners(&self, channel: &str) -> Option<(&Arc<str>, &Interest)> {
        let (name, entry) = self.channels.get_key_value(channel)?;
        (!entry.interest.is_empty()).then_some((name, &entry.interest))
    }

    /// What `core` wants of the channel, as far as is known.
    pub fn feeds_of(&self, channel: &str, core: Core) -> FeedSet {
        self.channels.get(channel).map_or(0, |entry| entry.interest.feeds_of(core))
    }

    /// Channels with listeners.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Channels with listeners, history or members.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// True when nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Sums over all channels.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn channel(&mut self, name: &str) -> &mut Channel {
        if !self.channels.contains_key(name) {
            self.channels.insert(name.into(), Channel::default());
        }
        match self.channels.get_mut(name) {
            Some(channel) => channel,
            None => unreachable!("made above"),
        }
    }

    /// Keeps a publication unless a newer version is known.
    pub fn append(
        &mut self,
        channel: &str,
        publication: &Publication,
        keeping: Keeping<'_>,
        now: Mono,
        random: &mut StdRng,
    ) -> Appended {
        let state = self.channel(channel).state.get_or_insert_default();
        let stream = state.stream.get_or_insert_with(|| Stream::new(random));
        stream.meta_until = now + keeping.meta_ttl;
        let appended = if stream.has_newer(publication.version, keeping.version_epoch) {
            Appended::Outdated(stream.top())
        } else {
            let (publications, bytes) = (stream.len(), stream.bytes());
            let position = stream.append(publication, keeping.version_epoch, keeping.retention.size);
            let lives = 1 + u32::from(mutation::is(Mutation::HistoryLivesTwice));
            stream.items_until = now + keeping.retention.ttl * lives;
            let (now_publications, now_bytes) = (stream.len(), stream.bytes());
            self.totals.publications = self.totals.publications + now_publications - publications;
            self.totals.bytes = self.totals.bytes + now_bytes - bytes;
            Appended::At(position)
        };
        self.arm(channel);
        appended
    }

    /// What a patch of the channel's next publication is made against: its newest one, when somebody listens with
    /// deltas and that one was handed out last.
    pub fn base(&self, channel: &str) -> Option<Bytes> {
        let entry = self.channels.get(channel).filter(|entry| entry.interest.wants_deltas())?;
        entry.state.as_ref()?.stream.as_ref()?.base().cloned()
    }

    /// A publication that is not kept was handed out: what listeners got last is not the newest kept one any more.
    pub fn interrupt(&mut self, channel: &str) {
        let stream = self.channels.get_mut(channel).and_then(|entry| entry.state.as_mut()?.stream.as_mut());
        stream.into_iter().for_each(Stream::interrupt);
    }

    /// The stream of a channel; reading begins one, and keeps it for `meta_ttl`.
    pub fn stream(&mut self, channel: &str, meta_ttl: Duration, now: Mono, random: &mut StdRng) -> &Stream {
        let state = self.channel(channel).state.get_or_insert_default();
        let stream = state.stream.get_or_insert_with(|| Stream::new(random));
        stream.meta_until = now + meta_ttl;
        self.arm(channel);
        match self.channels.get(channel).and_then(|entry| entry.state.as_ref()?.stream.as_ref()) {
            Some(stream) => stream,
            None => unreachable!("made above"),
        }
    }

    /// Where the stream of a channel stands, if there is one; looking neither begins nor prolongs it.
    pub fn top(&self, channel: &str) -> Option<Position> {
        Some(self.channels.get(channel)?.state.as_ref()?.stream.as_ref()?.top())
    }

    /// Forgets the stream of a channel if anything was kept in it: the next use begins another.
    pub fn end_stream(&mut self, channel: &str) {
        let Some(state) = self.channels.get_mut(channel).and_then(|entry| entry.state.as_mut()) else { return };
        let Some(stream) = state.stream.take_if(|stream| stream.top().offset > 0) else { return };
        self.totals.publications -= stream.len();
        self.totals.bytes -= stream.bytes();
        self.tidy(channel);
    }

    /// A page of the channel's history, with the position of its top.
    pub fn read(
        &mut self,
        channel: &str,
        page: &Page,
        meta_ttl: Duration,
        now: Mono,
        random: &mut StdRng,
    ) -> (Vec<Publication>, Position) {
        let stream = self.stream(channel, meta_ttl, now, random);
        (stream.read(page), stream.top())
    }

    /// Forgets the channel's publications, not its position.
    pub fn remove_history(&mut self, channel: &str) {
        let stream = self.channels.get_mut(channel).and_then(|entry| entry.state.as_mut()?.stream.as_mut());
        if let Some(stream) = stream {
            self.totals.publications -= stream.len();
            self.totals.bytes -= stream.bytes();
            stream.clear();
        }
    }

    /// Adds a member, or replaces what is known of it.
    pub fn enter(&mut self, channel: &str, member: Member) {
        let state = self.channel(channel).state.get_or_insert_default();
        self.totals.members += usize::from(state.presence.enter(member));
    }

    /// Replaces what is known of a member; one that is not there stays away.
    pub fn renew(&mut self, channel: &str, member: Member) {
        if let Some(state) = self.channels.get_mut(channel).and_then(|entry| entry.state.as_mut()) {
            state.presence.renew(member);
        }
    }

    /// Takes a member out; false when it is not there.
    pub fn leave(&mut self, channel: &str, client: ClientId) -> bool {
        let state = self.channels.get_mut(channel).and_then(|entry| entry.state.as_mut());
        let has_left = state.is_some_and(|state| state.presence.leave(client));
        self.totals.members -= usize::from(has_left);
        if has_left {
            self.tidy(channel);
        }
        has_left
    }

    /// The members of a channel; `None` when it has none.
    pub fn presence(&self, channel: &str) -> Option<&Presence> {
        Some(&self.channels.get(channel)?.state.as_ref()?.presence)
    }

    /// Puts the channel's earliest deadline into the heap unless an earlier entry stands there.
    fn arm(&mut self, channel: &str) {
        let Some((name, entry)) = self.channels.get_key_value_mut(channel) else { return };
        let Some(state) = entry.state.as_mut() else { return };
        let Some(deadline) = state.deadline() else { return };
        if state.armed.is_none_or(|armed| deadline < armed) {
            state.armed = Some(deadline);
            self.deadlines.push(Reverse((deadline, name.clone())));
        }
    }

    /// When [`Store::expire`] may have something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// The stream of the channel, if there is one, was used until now: its position lives at least until `until`.
    pub fn keep_position(&mut self, channel: &str, until: Mono) {
        let stream = self.channels.get_mut(channel).and_then(|entry| entry.state.as_mut()?.stream.as_mut());
        if let Some(stream) = stream {
            stream.meta_until = stream.meta_until.max(until);
        }
    }

    /// Forgets what is over at `now`; at most `budget` entries are looked at in one call. `meta_ttl` says how long the
    /// position of a channel outlives its last use.
    pub fn expire(&mut self, now: Mono, budget: usize, meta_ttl: impl Fn(&str) -> Duration) {
        for _ in 0..budget {
            let Some(Reverse((at, _))) = self.deadlines.peek() else { return };
            if *at > now {
                return;
            }
            let Some(Reverse((at, name))) = self.deadlines.pop() else { return };
            self.expire_channel(&name, at, now, &meta_ttl);
        }
    }

    fn expire_channel(&mut self, name: &Arc<str>, at: Mono, now: Mono, meta_ttl: impl Fn(&str) -> Duration) {
        let Some(entry) = self.channels.get_mut(name) else { return };
        let is_heard = !entry.interest.is_empty();
        let Some(state) = entry.state.as_mut() else { return };
        // An entry that was overtaken by an earlier one.
        if state.armed != Some(at) {
            return;
        }
        state.armed = None;
        if let Some(stream) = state.stream.as_mut() {
            if is_heard && stream.meta_until <= now && !mutation::is(Mutation::ListenersDoNotCount) {
                // Its listeners use it: a new epoch would take their positions from them without a word.
                stream.meta_until = now + meta_ttl(name).max(Duration::from_secs(1));
            }
            let is_gone = stream.meta_until <= now;
            if is_gone || stream.items_until <= now {
                self.totals.publications -= stream.len();
                self.totals.bytes -= stream.bytes();
                stream.clear();
            }
            if is_gone {
                state.stream = None;
            }
        }
        self.arm(name);
        self.tidy(name);
    }

    /// Drops what holds nothing.
    fn tidy(&mut self, channel: &str) {
        let Some(entry) = self.channels.get_mut(channel) else { return };
        if entry.state.as_ref().is_some_and(|state| state.stream.is_none() && state.presence.clients() == 0) {
            entry.state = None;
        }
        if entry.state.is_none() && entry.interest.is_empty() {
            self.channels.remove(channel);
        }
        // A table that has become nearly empty gives its room back.
        if self.channels.capacity() > 4096 && self.channels.len() < self.channels.capacity() / 8 {
            self.channels.shrink_to(self.channels.len() * 2);
            self.deadlines.shrink_to(self.deadlines.len() * 2);
        }
    }

    /// Panics when the sums disagree with the channels. For tests and the simulation: it walks everything.
    pub fn check_invariants(&self) {
        let (mut totals, mut heard) = (Totals::default(), 0);
        for (name, entry) in &self.channels {
            heard += usize::from(!entry.interest.is_empty());
            assert!(!entry.interest.is_empty() || entry.state.is_some(), "{name} holds nothing");
            let Some(state) = &entry.state else { continue };
            totals.members += state.presence.clients();
            let Some(stream) = &state.stream else { continue };
            totals.publications += stream.len();
            totals.bytes += stream.bytes();
            assert!(state.armed.is_some(), "{name} will expire");
        }
        assert_eq!((totals, heard), (self.totals, self.heard));
    }
}

impl State {
    fn deadline(&self) -> Option<Mono> {
        self.stream.as_ref().map(|stream| stream.items_until.min(stream.meta_until))
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
