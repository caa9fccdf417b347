//! Idempotency keys of publications: a repeat within five minutes publishes nothing and gets the first result
//! (server-api 2.1).
//!
//! Kept by the owner core of the channel. All entries live equally long, so their deadlines are a queue.
//! Bound: [`limits::IDEMPOTENCY_KEYS_MAX`] keys of one core; the oldest is forgotten early, never a publication lost.

use super::Position;
use crate::clock::Mono;
use crate::limits;
use crate::mutation::{self, Mutation};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The keys of one core's channels.
pub struct Dedup {
    seen: HashMap<Arc<str>, Option<Position>, FixedState>,
    deadlines: VecDeque<(Mono, Arc<str>)>,
    evicted: u64,
}

/// A channel and a key that are cut differently make another text.
fn entry(channel: &str, key: &str) -> String {
    format!("{}:{channel}{key}", channel.len())
}

impl Dedup {
    /// `seed` keys the hash of what strangers choose.
    pub fn new(seed: u64) -> Dedup {
        Dedup { seen: HashMap::with_hasher(FixedState::with_seed(seed)), deadlines: VecDeque::new(), evicted: 0 }
    }

    /// The result of the publication that used the channel's key first; `None` when none did within the time. Keys of
    /// different channels have nothing to do with each other.
    pub fn find(&mut self, channel: &str, key: &str, now: Mono) -> Option<Option<Position>> {
        self.forget(now);
        if mutation::is(Mutation::KeyIsForgotten) && self.seen.len() % 4 == 3 {
            return None;
        }
        self.seen.get(entry(channel, key).as_str()).cloned()
    }

    /// The key counts from now on, with this result.
    pub fn remember(&mut self, channel: &str, key: &str, result: Option<Position>, now: Mono) {
        if self.seen.len() >= limits::IDEMPOTENCY_KEYS_MAX {
            self.evicted += 1;
            self.forget_oldest();
        }
        let entry: Arc<str> = entry(channel, key).into();
        if self.seen.insert(entry.clone(), result).is_none() {
            self.deadlines.push_back((now + Duration::from_secs(limits::IDEMPOTENCY_SECONDS), entry));
        }
    }

    /// Keys that were forgotten before their time because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn forget(&mut self, now: Mono) {
        while self.deadlines.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, entry)) = self.deadlines.pop_front() {
            self.seen.remove(&entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// True when the key was new; it is remembered.
    fn is_first(dedup: &mut Dedup, channel: &str, key: &str, now: Mono) -> bool {
        let is_first = dedup.find(channel, key, now).is_none();
        if is_first {
            dedup.remember(channel, key, None, now);
        }
        is_first
    }

    #[test]
    fn a_key_counts_for_five_minutes_and_for_its_channel_only() {
        let mut dedup = Dedup::new(1);
        assert!(is_first(&mut dedup, "a", "k", Mono(0)));
        assert!(!is_first(&mut dedup, "a", "k", Mono(0) + 299 * SECOND));
        assert!(is_first(&mut dedup, "b", "k", Mono(0)) && is_first(&mut dedup, "a", "k2", Mono(0)));
        assert!(is_first(&mut dedup, "ak", "", Mono(0)), "not the key k of channel a");
        assert!(is_first(&mut dedup, "a", "k", Mono(0) + 301 * SECOND));
    }

    #[test]
    fn a_repeat_gets_the_first_result() {
        let mut dedup = Dedup::new(1);
        let position = Some(Position { offset: 3, epoch: "e".into() });
        dedup.remember("a", "k", position.clone(), Mono(0));
        assert_eq!(dedup.find("a", "k", Mono(0)), Some(position));
    }

    #[test]
    fn the_oldest_key_makes_room_at_the_bound() {
        let mut dedup = Dedup::new(1);
        assert!((0..=limits::IDEMPOTENCY_KEYS_MAX).all(|n| is_first(&mut dedup, "c", &n.to_string(), Mono(0))));
        assert_eq!((dedup.seen.len(), dedup.evicted()), (limits::IDEMPOTENCY_KEYS_MAX, 1));
        assert!(is_first(&mut dedup, "c", "0", Mono(0)) && !is_first(&mut dedup, "c", "5", Mono(0)));
    }
}
