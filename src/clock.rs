//! Time as values: the pure half never asks for it.
//!
//! [`Mono`] orders deadlines, [`Now`] carries one reading of both clocks per turn (`Instant::now` costs 22 ns).
//! Not here: reading the clocks (`runtime`), waiting (`wheel`).

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since the process began. Never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// Later than every deadline: 584 years.
    pub const NEVER: Mono = Mono(u64::MAX);

    /// The time from `earlier` to here, zero when `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;

    /// Saturates at [`Mono::NEVER`].
    fn add(self, delay: Duration) -> Mono {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        Mono(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Mono {
    type Output = Mono;

    /// Saturates at the process start.
    fn sub(self, delay: Duration) -> Mono {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        Mono(self.0.saturating_sub(nanos))
    }
}

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds, as token claims count them.
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0 / 1000).unwrap_or(i64::MAX)
    }
}

/// One reading of both clocks, taken once per turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// For token expiry and the `Date` header.
    pub wall: UnixMillis,
}

/// A bucket that leaks evenly (GCRA): so many events per second, and a burst of so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket {
    /// When it would have let everything out.
    empty_at: Mono,
}

impl Bucket {
    /// Takes one event in; false when there have been too many.
    pub fn take(&mut self, now: Mono, per_second: u32, burst: u32) -> bool {
        let step = 1_000_000_000 / u64::from(per_second.max(1));
        let next = self.empty_at.max(now).0.saturating_add(step);
        let fits = next <= now.0.saturating_add(step.saturating_mul(u64::from(burst.max(1))));
        if fits {
            self.empty_at = Mono(next);
        }
        fits
    }

    /// True when a whole burst has room again.
    pub fn is_full(&self, now: Mono, per_second: u32) -> bool {
        per_second == 0 || self.empty_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let (mut bucket, second) = (Bucket::default(), Duration::from_secs(1));
        let mut now = Mono(0) + second * 5;
        assert_eq!((0..100).filter(|_| bucket.take(now, 10, 30)).count(), 30);
        for _ in 0..30 {
            now = now + second / 10;
            assert_eq!((0..3).filter(|_| bucket.take(now, 10, 30)).count(), 1);
        }
        now = now + second * 60;
        assert!(bucket.is_full(now, 10));
        assert_eq!((0..100).filter(|_| bucket.take(now, 10, 30)).count(), 30, "no more than a burst is saved up");
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Mono(5) + Duration::MAX, Mono::NEVER);
        assert_eq!(Mono(5) - Duration::from_secs(1), Mono(0));
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
    }

    #[test]
    fn seconds_are_cut_not_rounded() {
        assert_eq!(UnixMillis(1_999).seconds(), 1);
    }
}
