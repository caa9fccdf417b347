//! Idempotency keys of publications: a repeat within five minutes publishes nothing (server-api 2.1).
//!
//! Kept by the owner core of the channel. All entries live equally long, so their deadlines are a queue.
//! Bound: [`limits::IDEMPOTENCY_KEYS_MAX`] keys of one core; the oldest is forgotten early, never a publication lost.

use crate::clock::Mono;
use crate::limits;
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The keys of one core's channels.
pub struct Dedup {
    seen: HashSet<Arc<str>, FixedState>,
    deadlines: VecDeque<(Mono, Arc<str>)>,
}

impl Dedup {
    /// `seed` keys the hash of what strangers choose.
    pub fn new(seed: u64) -> Dedup {
        Dedup { seen: HashSet::with_hasher(FixedState::with_seed(seed)), deadlines: VecDeque::new() }
    }

    /// True when the channel's key was not used within the time; it is from now on. Keys of different channels have
    /// nothing to do with each other.
    pub fn is_first(&mut self, channel: &str, key: &str, now: Mono) -> bool {
        self.forget(now);
        // A channel and a key that are cut differently make another text.
        let entry = format!("{}:{channel}{key}", channel.len());
        if self.seen.contains(entry.as_str()) {
            return false;
        }
        let entry: Arc<str> = entry.into();
        let until = now + Duration::from_secs(limits::IDEMPOTENCY_SECONDS);
        self.deadlines.push_back((until, entry.clone()));
        self.seen.insert(entry);
        true
    }

    fn forget(&mut self, now: Mono) {
        while let Some((until, _)) = self.deadlines.front()
            && (*until <= now || self.deadlines.len() >= limits::IDEMPOTENCY_KEYS_MAX)
        {
            if let Some((_, entry)) = self.deadlines.pop_front() {
                self.seen.remove(&entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_key_counts_for_five_minutes_and_for_its_channel_only() {
        let mut dedup = Dedup::new(1);
        assert!(dedup.is_first("a", "k", Mono(0)));
        assert!(!dedup.is_first("a", "k", Mono(0) + 299 * SECOND));
        assert!(dedup.is_first("b", "k", Mono(0)) && dedup.is_first("a", "k2", Mono(0)));
        assert!(dedup.is_first("ak", "", Mono(0)), "not the key k of channel a");
        assert!(dedup.is_first("a", "k", Mono(0) + 301 * SECOND));
    }

    #[test]
    fn the_oldest_key_makes_room_at_the_bound() {
        let mut dedup = Dedup::new(1);
        assert!((0..=limits::IDEMPOTENCY_KEYS_MAX).all(|n| dedup.is_first("c", &n.to_string(), Mono(0))));
        assert_eq!(dedup.seen.len(), limits::IDEMPOTENCY_KEYS_MAX);
        assert!(dedup.is_first("c", "0", Mono(0)) && !dedup.is_first("c", "5", Mono(0)));
    }
}
