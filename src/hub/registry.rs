//! The channels that have listeners on this core, and whether their owner core knows it.
//!
//! A subscription may be confirmed only after the owner knows that this core listens to the subscriber's feed;
//! publications in between would be lost. So each channel says what it asked of its owner (`asked`, and with which
//! wish each feed was asked for last), what the owner has answered, and who waits. One message carries the whole wish
//! (a set of feeds) and a serial number.
//!
//! Two ways to wait: for the answer to a wish, or for an answer of the owner to this subscriber alone (`ticket`: a
//! position, an entry in presence). Who waits holds its feed in all wishes from its own on, so from the answer on
//! nothing is missed, whatever other wishes are under way.
//!
//! A subscriber that has fallen behind steps out of its audience and holds its feed in the wish all the same, so that it can
//! step in again at any position that the owner names.
//!
//! States of one feed of one channel: absent → asked (subscribers wait) → confirmed → absent.
//! Invariants: a feed with an audience is confirmed; a channel with neither audience nor waiting subscribers nor those who
//! stepped out does not exist.

use super::audiences::{Audiences, Moved};
use super::tracked::Tracked;
use crate::channel::Position;
use crate::clock::Mono;
use crate::id::{ChannelKey, Seat, Slot, Ticket};
use crate::protocol::feeds::{ByFeed, FeedSet};
use crate::protocol::filter::Filter;
use crate::protocol::frame::Feed;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::sync::Arc;

/// Who waits for the owner's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The connection.
    pub slot: Slot,
    /// It waits for the answer to this question; `None`: for the answer to the wish.
    pub ticket: Option<Ticket>,
}

/// What a subscriber has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// Join at once.
    Ready(ChannelKey),
    /// Wait; `wish`, if any, goes to the owner first.
    Wait(Option<Wish>),
}

/// What the owner is told: the feeds that this core wants from now on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// The channel.
    pub channel: Arc<str>,
    /// A bit per [`Feed`]; none: nobody listens any more.
    pub feeds: FeedSet,
    /// Comes back with the answer.
    pub serial: u64,
}

struct Channel {
    name: Arc<str>,
    /// A connection knows its seat here.
    audiences: Audiences,
    asked: FeedSet,
    /// The wish with which each of them was asked for last.
    asked_by: ByFeed<u64>,
    /// The newest wish that the owner has answered.
    answered: u64,
    waiting: Vec<(Feed, Waiting)>,
    /// Where those with a position stand, if there are any.
    tracked: Option<Box<Tracked>>,
    /// Subscribers of each feed that have stepped out; few channels ever have any.
    outside: Option<Box<[u32; Feed::COUNT]>>,
}

/// The channels of one core.
pub struct Registry {
    by_name: HashMap<Arc<str>, ChannelKey, FixedState>,
    channels: Vec<Option<Box<Channel>>>,
    free: Vec<u32>,
    serials: u64,
    subscriptions: usize,
}

impl Registry {
    /// `seed` keys the hash of names, which strangers choose.
    pub fn new(seed: u64) -> Registry {
        Registry {
            by_name: HashMap::with_hasher(FixedState::with_seed(seed)),
            channels: Vec::new(),
            free: Vec::new(),
            serials: 0,
            subscriptions: 0,
        }
    }

    /// Channels with listeners or waiting subscribers.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// True when nobody listens.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Places in all audiences.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// Begins a subscription. One with a ticket always waits.
    pub fn listen(&mut self, name: &str, feed: Feed, waiting: Waiting) -> Listen {
        let key = match self.by_name.get(name) {
            Some(key) => *key,
            None => self.create(name),
        };
        let Some(channel) = self.channels[key.0 as usize].as_mut() else { unreachable!("named channels exist") };
        if waiting.ticket.is_none() && channel.is_confirmed(feed) {
            return Listen::Ready(key);
        }
        channel.waiting.push((feed, waiting));
        if channel.asked & feed.bit() != 0 {
            return Listen::Wait(None);
        }
        self.serials += 1;
        channel.asked |= feed.bit();
        *channel.asked_by.get_or_default(feed) = self.serials;
        Listen::Wait(Some(channel.wish(self.serials)))
    }

    fn create(&mut self, name: &str) -> ChannelKey {
        let name: Arc<str> = name.into();
        let channel = Channel {
            name: name.clone(),
            audiences: Audiences::default(),
            asked: 0,
            asked_by: ByFeed::default(),
            answered: 0,
            waiting: Vec::new(),
            tracked: None,
            outside: None,
        };
        let key = match self.free.pop() {
            Some(place) => ChannelKey(place),
            None => {
                self.channels.push(None);
                ChannelKey(self.channels.len() as u32 - 1)
            }
        };
        self.channels[key.0 as usize] = Some(Box::new(channel));
        self.by_name.insert(name, key);
        key
    }

    /// The owner knows of `serial`. Returns the channel and those who may join now; every one of them must either
    /// [`Registry::join`] or be gone, then [`Registry::release`] is called.
    pub fn confirmed(&mut self, name: &str, serial: u64) -> Option<(ChannelKey, Vec<Waiting>)> {
        let key = *self.by_name.get(name)?;
        let channel = self.channels[key.0 as usize].as_mut()?;
        channel.answered = channel.answered.max(serial);
        let answered = channel.answered;
        let mut waiting = std::mem::take(&mut channel.waiting);
        let is_ready =
            |(feed, waiting): &mut (Feed, Waiting)| waiting.ticket.is_none() && channel.asked_by(*feed) <= answered;
        let ready: Vec<Waiting> = waiting.extract_if(.., is_ready).map(|(_, waiting)| waiting).collect();
        if !waiting.is_empty() {
            channel.waiting = waiting;
        }
        (!ready.is_empty()).then_some((key, ready))
    }

    /// The owner has answered the question of one subscriber, and so knows of its feed. It must either
    /// [`Registry::join`] or be gone, then [`Registry::release`] is called.
    pub fn entered(&mut self, name: &str, ticket: Ticket) -> Option<ChannelKey> {
        let key = *self.by_name.get(name)?;
        let channel = self.channels[key.0 as usize].as_mut()?;
        let place = channel.waiting.iter().position(|(_, waiting)| waiting.ticket == Some(ticket))?;
        let (feed, _) = channel.waiting.swap_remove(place);
        // The question went behind the wish.
        channel.answered = channel.answered.max(channel.asked_by(feed));
        Some(key)
    }

    /// Adds a connection to the audience; returns its seat.
    pub fn join(&mut self, key: ChannelKey, feed: Feed, filter: Option<&Arc<Filter>>, index: u32) -> Seat {
        let channel = self.channel_mut(key);
        debug_assert!(channel.is_confirmed(feed), "the owner knows first");
        let seat = channel.audiences.join(feed, filter, index);
        self.subscriptions += 1;
        seat
    }

    /// Adds a connection to the audience of a feed with deltas; returns its seat and who had to make room. `is_ready`:
    /// it has the publication that the next patch is made against.
    pub fn join_patched(&mut self, key: ChannelKey, feed: Feed, is_ready: bool, index: u32) -> (Seat, Moved) {
        let channel = self.channel_mut(key);
        debug_assert!(feed.delta && channel.is_confirmed(feed), "the owner knows first");
        let (seat, moved) = channel.audiences.join_patched(feed, is_ready, index);
        self.subscriptions += 1;
        (seat, moved)
    }

    /// Takes the connection on `seat` out of the audience. Returns the connections that sit somewhere else now.
    /// [`Registry::release`] follows.
    pub fn leave(&mut self, key: ChannelKey, feed: Feed, seat: Seat) -> Moved {
        self.subscriptions -= 1;
        self.channel_mut(key).audiences.leave(feed, seat)
    }

    /// One more subscriber with a position joins at `top`. True when it is the channel's first one here; then the channel
    /// counts as looked at until `seen`.
    pub fn track(&mut self, key: ChannelKey, top: &Position, seen: Mono) -> bool {
        let tracked = &mut self.channel_mut(key).tracked;
        let is_first = tracked.is_none();
        tracked.get_or_insert_with(|| Box::new(Tracked::new(top.clone(), seen))).count += 1;
        is_first
    }

    /// The subscriber on this seat has a position and is about to [`Registry::leave`].
    pub fn untrack(&mut self, key: ChannelKey, feed: Feed, seat: Seat) {
        let channel = self.channel_mut(key);
        let Some(tracked) = &mut channel.tracked else { unreachable!("it was tracked when it joined") };
        tracked.count -= 1;
        if let Some(index) = channel.audiences.seated(feed, seat) {
            tracked.lost.remove(&index);
        }
        channel.tracked.take_if(|tracked| tracked.count == 0);
    }

    /// Those of a channel with a position on this core have missed something: the ones that `is_positioned` tells get no
    /// publications from now on, until [`Registry::take_lost`] has named all of them.
    pub fn lose(&mut self, key: ChannelKey, is_positioned: impl Fn(u32) -> bool) {
        let channel = self.channel_mut(key);
        channel.audiences.make_unready();
        if let Some(tracked) = &mut channel.tracked {
            tracked.lost.extend(channel.audiences.everyone().filter(|index| is_positioned(*index)));
        }
    }

    /// One of those who have missed something.
    pub fn take_lost(&mut self, key: ChannelKey) -> Option<u32> {
        self.tracked(key)?.lost.pop_first()
    }

    /// Where those with a position stand; `None` without any.
    pub fn tracked(&mut self, key: ChannelKey) -> Option<&mut Tracked> {
        self.channels.get_mut(key.0 as usize)?.as_mut()?.tracked.as_deref_mut()
    }

    /// The connection on `seat`, one with a position, stays subscribed without being heard: publications pass it by until it
    /// steps in, and whatever it has missed it will read. Returns its filter, and the connections that sit somewhere else now.
    pub fn step_out(&mut self, key: ChannelKey, feed: Feed, seat: Seat) -> (Option<Arc<Filter>>, Moved) {
        let channel = self.channel_mut(key);
        if let (Some(tracked), Some(index)) = (&mut channel.tracked, channel.audiences.seated(feed, seat)) {
            tracked.lost.remove(&index);
        }
        channel.outside.get_or_insert_default()[feed.index()] += 1;
        let filter = channel.audiences.filter(seat).cloned();
        (filter, channel.audiences.leave(feed, seat))
    }

    /// It goes on with the next publication; returns its seat. With deltas that publication is whole.
    pub fn step_in(&mut self, key: ChannelKey, feed: Feed, filter: Option<&Arc<Filter>>, index: u32) -> Seat {
        self.vacate(key, feed);
        if feed.delta {
            let (seat, moved) = self.join_patched(key, feed, false, index);
            debug_assert!(moved.is_empty(), "it stands behind the others");
            return seat;
        }
        self.join(key, feed, filter, index)
    }

    /// One that has stepped out has left. [`Registry::release`] follows.
    pub fn leave_outside(&mut self, key: ChannelKey, feed: Feed) {
        self.vacate(key, feed);
        let channel = self.channel_mut(key);
        if let Some(tracked) = &mut channel.tracked {
            tracked.count -= 1;
        }
        channel.tracked.take_if(|tracked| tracked.count == 0);
    }

    fn vacate(&mut self, key: ChannelKey, feed: Feed) {
        self.subscriptions -= 1;
        let channel = self.channel_mut(key);
        let Some(outside) = &mut channel.outside else { unreachable!("it has stepped out") };
        outside[feed.index()] -= 1;
        if outside.iter().all(|count| *count == 0) {
            channel.outside = None;
        }
    }

    /// Drops what nobody needs any more. The wish, if any, goes to the owner.
    pub fn release(&mut self, key: ChannelKey) -> Option<Wish> {
        let serial = self.serials + 1;
        let channel = self.channels.get_mut(key.0 as usize)?.as_mut()?;
        let waited = channel.waiting.iter().fold(0, |set, (feed, _)| set | feed.bit());
        let heard = Feed::all().filter(|feed| channel.count(*feed) > 0);
        let needed = heard.fold(waited, |set, feed| set | feed.bit());
        if needed == channel.asked {
            return None;
        }
        channel.asked = needed;
        channel.asked_by.retain(|feed, _| needed & feed.bit() != 0);
        let wish = channel.wish(serial);
        self.serials = serial;
        if needed == 0 {
            self.by_name.remove(&*wish.channel);
            self.channels[key.0 as usize] = None;
            self.free.push(key.0);
        }
        Some(wish)
    }

    /// Who listens to `name`; `None`: nobody, or all of them still wait.
    pub fn listeners(&self, name: &str) -> Option<&Audiences> {
        let key = self.by_name.get(name)?;
        self.channels[key.0 as usize].as_ref().map(|channel| &channel.audiences)
    }

    /// The channel, if somebody listens to it or waits.
    pub fn find(&self, name: &str) -> Option<ChannelKey> {
        self.by_name.get(name).copied()
    }

    /// Who listens, and where those with a position stand.
    pub fn audiences(&self, key: ChannelKey) -> Option<(&Audiences, Option<&Tracked>)> {
        let channel = self.channels.get(key.0 as usize)?.as_ref()?;
        Some((&channel.audiences, channel.tracked.as_deref()))
    }

    /// Those with deltas have all got a publication.
    pub fn make_ready(&mut self, key: ChannelKey) {
        self.channel_mut(key).audiences.make_ready();
    }

    /// The channel's name, and the feeds that the owner was asked for.
    pub fn asked(&self, key: ChannelKey) -> Option<(&Arc<str>, FeedSet)> {
        self.channels.get(key.0 as usize)?.as_ref().map(|channel| (&channel.name, channel.asked))
    }

    /// The channel's name.
    pub fn name(&self, key: ChannelKey) -> Option<&Arc<str>> {
        self.channels.get(key.0 as usize)?.as_ref().map(|channel| &channel.name)
    }

    /// Channels with listeners from `place` on, at most `count` places, each with how many listen. The place to go on
    /// from; `None` behind the last one.
    pub fn scan(&self, place: usize, count: usize, mut each: impl FnMut(&Arc<str>, usize)) -> Option<usize> {
        let end = self.channels.len().min(place.saturating_add(count));
        for channel in self.channels[place.min(end)..end].iter().flatten() {
            let listeners = Feed::all().map(|feed| channel.count(feed)).sum();
            if listeners > 0 {
                each(&channel.name, listeners);
            }
        }
        (end < self.channels.len()).then_some(end)
    }

    fn channel_mut(&mut self, key: ChannelKey) -> &mut Channel {
        match self.channels[key.0 as usize].as_mut() {
            Some(channel) => channel,
            None => unreachable!("a subscription keeps its channel alive"),
        }
    }

    /// True when the connection waits for this channel, for the answer to this question or to the wish.
    pub fn is_waiting(&self, name: &str, slot: Slot, ticket: Option<Ticket>) -> bool {
        let channel = self.by_name.get(name).and_then(|key| self.channels[key.0 as usize].as_ref());
        channel.is_some_and(|channel| channel.waiting.iter().any(|(_, w)| *w == Waiting { slot, ticket }))
    }

    /// True when anybody waits for anything.
    pub fn has_waiting(&self) -> bool {
        self.channels.iter().flatten().any(|channel| !channel.waiting.is_empty())
    }

    /// Channels with positioned subscribers, for tests and the simulation.
    pub fn all_tracked(&self) -> impl Iterator<Item = (&Arc<str>, &Tracked)> {
        let channels = self.channels.iter().flatten();
        channels.filter_map(|channel| Some((&channel.name, channel.tracked.as_deref()?)))
    }

    /// Panics when the tables disagree. For tests and the simulation: it walks everything.
    pub fn check_invariants(&self) {
        let mut places = 0;
        for (place, channel) in self.channels.iter().enumerate() {
            let Some(channel) = channel else { continue };
            assert_eq!(self.by_name.get(&*channel.name), Some(&ChannelKey(place as u32)), "named");
            for feed in Feed::all() {
                let count = channel.count(feed);
                places += count;
                assert!(count == 0 || channel.is_confirmed(feed), "{}", channel.name);
            }
            let heard = Feed::all().any(|feed| channel.count(feed) > 0);
            assert!(heard || !channel.waiting.is_empty(), "{} has neither listeners nor waiting", channel.name);
        }
        assert_eq!(places, self.subscriptions);
    }
}

impl Channel {
    fn wish(&self, serial: u64) -> Wish {
        Wish { channel: self.name.clone(), feeds: self.asked, serial }
    }

    /// Subscribers of the feed, in the audience and outside.
    fn count(&self, feed: Feed) -> usize {
        self.audiences.count(feed) + self.outside.as_ref().map_or(0, |outside| outside[feed.index()]) as usize
    }

    /// The wish with which the feed was asked for last.
    fn asked_by(&self, feed: Feed) -> u64 {
        self.asked_by.get(feed).copied().unwrap_or(0)
    }

    fn is_confirmed(&self, feed: Feed) -> bool {
        self.asked & feed.bit() != 0 && self.asked_by(feed) <= self.answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::Rendition;

    const JSON: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: false, delta: false };
    const PROTOBUF: Feed = Feed { rendition: Rendition::ProtobufWebSocket, joins: false, delta: false };

    fn waiting(index: u32) -> Waiting {
        Waiting { slot: Slot { index, generation: 0 }, ticket: None }
    }

    fn audience(registry: &Registry) -> &[u32] {
        registry.listeners("c").expect("a channel").audience(JSON)
    }

    fn wish(listen: Listen) -> Wish {
        let Listen::Wait(Some(wish)) = listen else { panic!("a wish: {listen:?}") };
        wish
    }

    #[test]
    fn the_first_subscriber_asks_the_owner_and_the_next_ones_wait_with_it() {
        let mut registry = Registry::new(1);
        let wish = wish(registry.listen("c", JSON, waiting(1)));
        assert_eq!(registry.listen("c", JSON, waiting(2)), Listen::Wait(None));
        let (key, list) = registry.confirmed("c", wish.serial).expect("asked");
        assert_eq!(list, [waiting(1), waiting(2)]);
        list.iter().for_each(|w| _ = registry.join(key, JSON, None, w.slot.index));
        assert_eq!(registry.release(key), None);
        assert_eq!(registry.listen("c", JSON, waiting(3)), Listen::Ready(key));
        registry.check_invariants();
    }

    #[test]
    fn an_answer_confirms_what_was_asked_until_then() {
        let mut registry = Registry::new(1);
        let first = wish(registry.listen("c", JSON, waiting(1)));
        let second = wish(registry.listen("c", PROTOBUF, waiting(2)));
        assert_eq!(second.feeds, JSON.bit() | PROTOBUF.bit());
        let (key, ready) = registry.confirmed("c", first.serial).expect("the first");
        assert_eq!(ready, [waiting(1)]);
        registry.join(key, JSON, None, 1);
        assert_eq!(registry.confirmed("c", second.serial).expect("the second").1, [waiting(2)]);
    }

    #[test]
    fn a_feed_that_was_given_up_meanwhile_is_not_confirmed_by_an_older_answer() {
        let mut registry = Registry::new(1);
        let first = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", first.serial).expect("asked");
        let place = registry.join(key, JSON, None, 1);
        let second = wish(registry.listen("c", PROTOBUF, waiting(2)));
        registry.leave(key, JSON, place);
        assert_eq!(registry.release(key).map(|w| w.feeds), Some(PROTOBUF.bit()));
        let third = wish(registry.listen("c", JSON, waiting(3)));
        assert_eq!(registry.confirmed("c", second.serial).expect("the second").1, [waiting(2)]);
        registry.join(key, PROTOBUF, None, 2);
        assert_eq!(registry.confirmed("c", third.serial).expect("the third").1, [waiting(3)]);
    }

    #[test]
    fn a_subscriber_with_a_question_joins_at_its_own_answer() {
        let mut registry = Registry::new(1);
        let asking = Waiting { ticket: Some(Ticket(7)), ..waiting(1) };
        let asked = wish(registry.listen("c", JSON, asking));
        assert_eq!(registry.confirmed("c", asked.serial), None, "nobody waits for the wish alone");
        let second = Waiting { ticket: Some(Ticket(8)), ..waiting(2) };
        assert_eq!(
            registry.listen("c", JSON, second),
            Listen::Wait(None),
            "its question goes to the owner all the same"
        );
        let key = registry.entered("c", Ticket(7)).expect("it waited");
        registry.join(key, JSON, None, 1);
        assert_eq!(registry.entered("c", Ticket(7)), None);
        registry.check_invariants();
        assert_eq!(registry.release(key), None, "the second one still waits");
    }

    #[test]
    fn the_last_one_to_leave_tells_the_owner_and_the_channel_is_forgotten() {
        let mut registry = Registry::new(1);
        let asked = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", asked.serial).expect("asked");
        let place = registry.join(key, JSON, None, 1);
        assert!(registry.leave(key, JSON, place).is_empty());
        assert_eq!(registry.release(key).map(|w| w.feeds), Some(0));
        assert_eq!((registry.len(), registry.subscriptions()), (0, 0));
    }

    #[test]
    fn one_that_has_stepped_out_hears_nothing_and_keeps_its_channel() {
        let mut registry = Registry::new(1);
        let asked = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", asked.serial).expect("asked");
        let places = [10, 11].map(|index| registry.join(key, JSON, None, index));
        assert_eq!(registry.step_out(key, JSON, places[0]).1[..], [(11, places[0])]);
        assert_eq!((audience(&registry), registry.subscriptions()), (&[11][..], 2));
        registry.leave(key, JSON, places[0]);
        assert_eq!(registry.release(key), None, "the wish stays in force");
        registry.check_invariants();
        registry.step_in(key, JSON, None, 10);
        assert_eq!((audience(&registry), registry.subscriptions()), (&[10][..], 1));
        registry.step_out(key, JSON, places[0]);
        registry.leave_outside(key, JSON);
        assert_eq!(registry.release(key).map(|w| w.feeds), Some(0));
        assert_eq!((registry.len(), registry.subscriptions()), (0, 0));
    }

    #[test]
    fn a_subscriber_that_is_gone_when_the_owner_answers_leaves_no_channel_behind() {
        let mut registry = Registry::new(1);
        let asked = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", asked.serial).expect("asked");
        assert_eq!(registry.release(key).map(|w| w.feeds), Some(0));
        assert!(registry.is_empty());
        // The place is taken again; an answer to the first owner of the name confirms nothing.
        let again = wish(registry.listen("c", JSON, waiting(2)));
        assert_eq!(registry.confirmed("c", asked.serial), None);
        assert!(registry.confirmed("c", again.serial).is_some());
        assert_eq!(registry.scan(0, 10, |_, _| panic!("nobody has joined")), None);
    }

    #[test]
    fn leaving_names_the_connection_that_was_moved() {
        let mut registry = Registry::new(1);
        let asked = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", asked.serial).expect("asked");
        let places: Vec<Seat> = [10, 11, 12].into_iter().map(|index| registry.join(key, JSON, None, index)).collect();
        assert_eq!(registry.leave(key, JSON, places[0])[..], [(12, places[0])]);
        assert_eq!(audience(&registry), [12, 11]);
        assert!(registry.leave(key, JSON, places[1]).is_empty());
        assert_eq!(audience(&registry), [12]);
    }
}
