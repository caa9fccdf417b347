//! A hashed timer wheel: arming and firing cost the same for ten timers and for ten thousand.
//!
//! Entries are never taken out: whoever armed one looks at firing whether it still matters (a connection keeps its
//! true deadlines itself). Times are values, so the wheel runs in virtual time as well.
//! Invariant: no entry fires before its deadline; it fires at the latest one tick after it.

use crate::clock::Mono;

const TICK_NANOS: u64 = 1 << 24; // 16.8 ms
const BUCKETS: usize = 1024; // 17 s a turn; later deadlines stay in their bucket for several turns

/// Timers that carry a `T`.
pub struct Wheel<T> {
    buckets: Vec<Vec<(Mono, T)>>,
    /// First tick that was not yet swept.
    tick: u64,
    len: usize,
    /// No entry is due earlier. May be too early, never too late.
    earliest: Mono,
}

impl<T> Default for Wheel<T> {
    fn default() -> Wheel<T> {
        Wheel::new()
    }
}

impl<T> Wheel<T> {
    /// Without timers.
    pub fn new() -> Wheel<T> {
        Wheel { buckets: (0..BUCKETS).map(|_| Vec::new()).collect(), tick: 0, len: 0, earliest: Mono::NEVER }
    }

    /// Fires `entry` at `at` or within a tick after it; at once when `at` has passed.
    pub fn arm(&mut self, at: Mono, entry: T) {
        // Rounded up, so that the bucket is swept when the deadline has passed.
        let tick = at.0.div_ceil(TICK_NANOS).max(self.tick);
        self.buckets[tick as usize % BUCKETS].push((at, entry));
        self.earliest = self.earliest.min(Mono(tick.saturating_mul(TICK_NANOS)));
        self.len += 1;
    }

    /// All timers, in no order. For tests and the simulation.
    pub fn entries(&self) -> impl Iterator<Item = (Mono, &T)> {
        self.buckets.iter().flatten().map(|(at, entry)| (*at, entry))
    }

    /// When [`Wheel::expire`] may have something to do; `None` without timers.
    pub fn next_deadline(&self) -> Option<Mono> {
        (self.len > 0).then_some(self.earliest)
    }

    /// Moves what is due at `now` to `due`, in the order of buckets.
    pub fn expire(&mut self, now: Mono, due: &mut Vec<T>) {
        if self.len == 0 || now < self.earliest {
            return;
        }
        let last = now.0 / TICK_NANOS;
        let turns = (last + 1).saturating_sub(self.tick).min(BUCKETS as u64);
        for tick in last + 1 - turns..=last {
            let bucket = &mut self.buckets[tick as usize % BUCKETS];
            let mut at = 0;
            while at < bucket.len() {
                if bucket[at].0 <= now {
                    due.push(bucket.swap_remove(at).1);
                    self.len -= 1;
                } else {
                    at += 1;
                }
            }
            // A burst of timers must not keep its room for ever.
            if bucket.is_empty() && bucket.capacity() > 64 {
                *bucket = Vec::new();
            }
        }
        self.tick = self.tick.max(last + 1);
        self.earliest = self.find_earliest();
    }

    /// Walks the buckets in the order of their next sweep; the first with an entry of this turn decides.
    fn find_earliest(&self) -> Mono {
        if self.len == 0 {
            return Mono::NEVER;
        }
        for tick in self.tick..self.tick + BUCKETS as u64 {
            let end = Mono(tick.saturating_mul(TICK_NANOS));
            if self.buckets[tick as usize % BUCKETS].iter().any(|(at, _)| *at <= end) {
                return end;
            }
        }
        // Only later turns: look again after one.
        Mono((self.tick + BUCKETS as u64).saturating_mul(TICK_NANOS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn fired(wheel: &mut Wheel<u32>, now: Mono) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.expire(now, &mut due);
        due.sort_unstable();
        due
    }

    #[test]
    fn a_timer_fires_within_one_tick_after_its_deadline() {
        let mut wheel = Wheel::new();
        let at = Mono(0) + Duration::from_secs(25);
        wheel.arm(at, 7);
        assert!(fired(&mut wheel, at - Duration::from_nanos(1)).is_empty());
        assert_eq!(fired(&mut wheel, at + Duration::from_nanos(TICK_NANOS)), [7]);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_the_next_look() {
        let mut wheel = Wheel::new();
        wheel.expire(Mono(0) + Duration::from_secs(100), &mut Vec::new());
        wheel.arm(Mono(0) + Duration::from_secs(100), 0);
        assert_eq!(fired(&mut wheel, Mono(0) + Duration::from_secs(101)), [0]);
        wheel.arm(Mono(5), 1);
        let next = wheel.next_deadline().expect("armed");
        assert_eq!(fired(&mut wheel, next), [1]);
    }

    #[test]
    fn a_burst_gives_its_room_back() {
        let mut wheel = Wheel::new();
        (0..10_000).for_each(|n| wheel.arm(Mono(1), n));
        assert_eq!(fired(&mut wheel, Mono(2 * TICK_NANOS)).len(), 10_000);
        assert!(wheel.buckets.iter().all(|b| b.capacity() <= 64));
    }

    proptest! {
        #[test]
        fn every_timer_fires_once_and_never_early(
            deadlines in prop::collection::vec(0u64..200_000_000_000, 1..60),
            steps in prop::collection::vec(1u64..9_000_000_000, 1..80),
        ) {
            let mut wheel = Wheel::new();
            for (n, at) in deadlines.iter().enumerate() {
                wheel.arm(Mono(*at), n);
            }
            let (mut now, mut seen) = (Mono(0), vec![false; deadlines.len()]);
            for step in steps.into_iter().chain([300_000_000_000]) {
                now = Mono(now.0 + step);
                let mut due = Vec::new();
                wheel.expire(now, &mut due);
                for n in due {
                    prop_assert!(deadlines[n] <= now.0, "early");
                    prop_assert!(!std::mem::replace(&mut seen[n], true), "twice");
                }
                for (n, at) in deadlines.iter().enumerate() {
                    prop_assert!(seen[n] || at + TICK_NANOS > now.0, "late");
                }
                prop_assert!(wheel.next_deadline().is_none_or(|next| next > now));
            }
            prop_assert!(seen.into_iter().all(|s| s));
        }
    }
}
