//! The channels that have listeners on this core, and whether their owner core knows it.
//!
//! A subscription may be confirmed only after the owner knows that this core listens in the subscriber's rendition;
//! publications in between would be lost. So each channel says what it asked of its owner (`asked`), what the owner
//! has confirmed (`confirmed`), and who waits. One message carries the whole wish (a set of renditions) and a serial
//! number; an answer to an older wish confirms nothing that was added later.
//!
//! States of one rendition of one channel: absent → asked (subscribers wait) → confirmed → absent.
//! Invariants: `confirmed ⊆ asked`; a rendition with an audience is confirmed; a channel with neither audience nor
//! waiting subscribers does not exist.

use crate::id::{ChannelKey, Slot};
use crate::protocol::frame::Rendition;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::sync::Arc;

/// Who waits for the owner's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The connection.
    pub slot: Slot,
}

/// What a subscriber has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// Join at once.
    Ready(ChannelKey),
    /// Wait; `wish`, if any, goes to the owner first.
    Wait(Option<Wish>),
}

/// What the owner is told: the renditions that this core wants from now on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// The channel.
    pub channel: Arc<str>,
    /// A bit per [`Rendition`]; none: nobody listens any more.
    pub renditions: u8,
    /// Comes back with the answer.
    pub serial: u32,
}

struct Channel {
    name: Arc<str>,
    /// Connections by rendition; a connection knows its place here.
    audiences: [Vec<u32>; Rendition::COUNT],
    asked: u8,
    confirmed: u8,
    serial: u32,
    waiting: Vec<(Rendition, Waiting)>,
}

/// The channels of one core.
pub struct Registry {
    by_name: HashMap<Arc<str>, ChannelKey, FixedState>,
    channels: Vec<Option<Channel>>,
    free: Vec<u32>,
    serials: u32,
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

    /// Begins a subscription.
    pub fn listen(&mut self, name: &str, rendition: Rendition, waiting: Waiting) -> Listen {
        let key = match self.by_name.get(name) {
            Some(key) => *key,
            None => self.create(name),
        };
        let Some(channel) = self.channels[key.0 as usize].as_mut() else { unreachable!("named channels exist") };
        if channel.confirmed & rendition.bit() != 0 {
            return Listen::Ready(key);
        }
        channel.waiting.push((rendition, waiting));
        if channel.asked & rendition.bit() != 0 {
            return Listen::Wait(None);
        }
        channel.asked |= rendition.bit();
        self.serials = self.serials.wrapping_add(1);
        channel.serial = self.serials;
        Listen::Wait(Some(channel.wish()))
    }

    fn create(&mut self, name: &str) -> ChannelKey {
        let name: Arc<str> = name.into();
        let channel = Channel {
            name: name.clone(),
            audiences: Default::default(),
            asked: 0,
            confirmed: 0,
            serial: 0,
            waiting: Vec::new(),
        };
        let key = match self.free.pop() {
            Some(place) => ChannelKey(place),
            None => {
                self.channels.push(None);
                ChannelKey(self.channels.len() as u32 - 1)
            }
        };
        self.channels[key.0 as usize] = Some(channel);
        self.by_name.insert(name, key);
        key
    }

    /// The owner knows of `serial`. Returns the channel and those who may join now; every one of them must either
    /// [`Registry::join`] or be gone, then [`Registry::release`] is called.
    pub fn confirmed(&mut self, name: &str, serial: u32) -> Option<(ChannelKey, Vec<Waiting>)> {
        let key = *self.by_name.get(name)?;
        let channel = self.channels[key.0 as usize].as_mut()?;
        if channel.serial != serial {
            return None;
        }
        channel.confirmed = channel.asked;
        Some((key, std::mem::take(&mut channel.waiting).into_iter().map(|(_, waiting)| waiting).collect()))
    }

    /// Adds a connection to the audience; returns its place.
    pub fn join(&mut self, key: ChannelKey, rendition: Rendition, index: u32) -> u32 {
        let channel = self.channel_mut(key);
        debug_assert!(channel.confirmed & rendition.bit() != 0, "the owner knows first");
        let audience = &mut channel.audiences[rendition.index()];
        audience.push(index);
        let place = audience.len() as u32 - 1;
        self.subscriptions += 1;
        place
    }

    /// Takes the connection at `place` out of the audience. Returns the connection that stands at `place` now, if one
    /// was moved there. [`Registry::release`] follows.
    pub fn leave(&mut self, key: ChannelKey, rendition: Rendition, place: u32) -> Option<u32> {
        self.subscriptions -= 1;
        let audience = &mut self.channel_mut(key).audiences[rendition.index()];
        audience.swap_remove(place as usize);
        // A busy channel that became quiet gives its room back.
        if audience.capacity() > 64 && audience.len() < audience.capacity() / 4 {
            audience.shrink_to(audience.len() * 2);
        }
        audience.get(place as usize).copied()
    }

    /// Drops what nobody needs any more. The wish, if any, goes to the owner.
    pub fn release(&mut self, key: ChannelKey) -> Option<Wish> {
        let serial = self.serials.wrapping_add(1);
        let channel = self.channels.get_mut(key.0 as usize)?.as_mut()?;
        let waited = channel.waiting.iter().fold(0, |set, (rendition, _)| set | rendition.bit());
        let heard = Rendition::ALL.iter().filter(|r| !channel.audiences[r.index()].is_empty());
        let needed = heard.fold(waited, |set, rendition| set | rendition.bit());
        if needed == channel.asked {
            return None;
        }
        channel.asked = needed;
        channel.confirmed &= needed;
        // While somebody waits, the answer to the earlier wish must not count for this one.
        channel.serial = serial;
        let wish = channel.wish();
        self.serials = serial;
        if needed == 0 {
            self.by_name.remove(&*wish.channel);
            self.channels[key.0 as usize] = None;
            self.free.push(key.0);
        }
        Some(wish)
    }

    /// The connections that listen to `name` in `rendition`.
    pub fn audience(&self, name: &str, rendition: Rendition) -> &[u32] {
        let channel = self.by_name.get(name).and_then(|key| self.channels[key.0 as usize].as_ref());
        channel.map_or(&[], |channel| &channel.audiences[rendition.index()])
    }

    /// The channel's name.
    pub fn name(&self, key: ChannelKey) -> Option<&Arc<str>> {
        self.channels.get(key.0 as usize)?.as_ref().map(|channel| &channel.name)
    }

    fn channel_mut(&mut self, key: ChannelKey) -> &mut Channel {
        match self.channels[key.0 as usize].as_mut() {
            Some(channel) => channel,
            None => unreachable!("a subscription keeps its channel alive"),
        }
    }

    /// Panics when the tables disagree. For tests and the simulation: it walks everything.
    pub fn check_invariants(&self) {
        let mut places = 0;
        for (place, channel) in self.channels.iter().enumerate() {
            let Some(channel) = channel else { continue };
            assert_eq!(self.by_name.get(&*channel.name), Some(&ChannelKey(place as u32)), "named");
            assert_eq!(channel.confirmed & !channel.asked, 0, "what is confirmed was asked for");
            for rendition in Rendition::ALL {
                let audience = &channel.audiences[rendition.index()];
                places += audience.len();
                assert!(audience.is_empty() || channel.confirmed & rendition.bit() != 0, "{}", channel.name);
            }
            let heard = channel.audiences.iter().any(|a| !a.is_empty());
            assert!(heard || !channel.waiting.is_empty(), "{} has neither listeners nor waiting", channel.name);
        }
        assert_eq!(places, self.subscriptions);
    }
}

impl Channel {
    fn wish(&self) -> Wish {
        Wish { channel: self.name.clone(), renditions: self.asked, serial: self.serial }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Rendition = Rendition::JsonWebSocket;
    const PROTOBUF: Rendition = Rendition::ProtobufWebSocket;

    fn waiting(index: u32) -> Waiting {
        Waiting { slot: Slot { index, generation: 0 } }
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
        list.iter().for_each(|w| _ = registry.join(key, JSON, w.slot.index));
        assert_eq!(registry.release(key), None);
        assert_eq!(registry.listen("c", JSON, waiting(3)), Listen::Ready(key));
        registry.check_invariants();
    }

    #[test]
    fn an_answer_to_an_older_wish_confirms_nothing() {
        let mut registry = Registry::new(1);
        let first = wish(registry.listen("c", JSON, waiting(1)));
        let second = wish(registry.listen("c", PROTOBUF, waiting(2)));
        assert_eq!(registry.confirmed("c", first.serial), None);
        assert_eq!(second.renditions, JSON.bit() | PROTOBUF.bit());
        assert_eq!(registry.confirmed("c", second.serial).expect("the newest").1.len(), 2);
    }

    #[test]
    fn the_last_one_to_leave_tells_the_owner_and_the_channel_is_forgotten() {
        let mut registry = Registry::new(1);
        let asked = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", asked.serial).expect("asked");
        let place = registry.join(key, JSON, 1);
        assert_eq!(registry.leave(key, JSON, place), None);
        assert_eq!(registry.release(key).map(|w| w.renditions), Some(0));
        assert_eq!((registry.len(), registry.subscriptions()), (0, 0));
    }

    #[test]
    fn a_subscriber_that_is_gone_when_the_owner_answers_leaves_no_channel_behind() {
        let mut registry = Registry::new(1);
        let asked = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", asked.serial).expect("asked");
        assert_eq!(registry.release(key).map(|w| w.renditions), Some(0));
        assert!(registry.is_empty());
        // The place is taken again; an answer to the first owner of the name confirms nothing.
        let again = wish(registry.listen("c", JSON, waiting(2)));
        assert_eq!(registry.confirmed("c", asked.serial), None);
        assert!(registry.confirmed("c", again.serial).is_some());
    }

    #[test]
    fn leaving_names_the_connection_that_was_moved() {
        let mut registry = Registry::new(1);
        let asked = wish(registry.listen("c", JSON, waiting(1)));
        let (key, _) = registry.confirmed("c", asked.serial).expect("asked");
        let places: Vec<u32> = [10, 11, 12].into_iter().map(|index| registry.join(key, JSON, index)).collect();
        assert_eq!(registry.leave(key, JSON, places[0]), Some(12));
        assert_eq!(registry.audience("c", JSON), [12, 11]);
        assert_eq!(registry.leave(key, JSON, places[1]), None);
        assert_eq!(registry.audience("c", JSON), [12]);
    }
}
