//! How long things took: a fixed number of cells for one series of durations, from which `/metrics` makes a summary
//! and a histogram.
//!
//! The histogram counts into the fixed buckets of [`BOUNDS`] for good. The quantiles look at the last 5 to 10 minutes
//! (Prometheus' client libraries: 10): two windows of fine buckets, of which one is written ([`Window`]). Fine buckets are
//! logarithmic, 16 to a power of two, so a quantile is off by at most 1/32 of its value and 32 ns; what took longer than
//! [`LONGEST_NANOS`] counts as that. About 3.6 KB in all.

use crate::counters::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Upper bounds of the histogram's buckets in nanoseconds, and as the label `le` shows them; `+Inf` follows.
pub const BOUNDS: &[(u64, &str)] = &[
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// Buckets of the histogram, `+Inf` included.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// The quantiles of the summary, and as the label shows them.
pub const QUANTILES: [(f64, &str); 3] = [(0.5, "0.5"), (0.99, "0.99"), (0.999, "0.999")];

/// How long one window is written.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Fine buckets count units of 64 ns.
const UNIT_BITS: u32 = 6;
/// 16 fine buckets to a power of two.
const FINE_BITS: u32 = 4;
/// Durations of so many units and more count as the longest.
const TOP_BITS: u32 = 30;
const PLACES: usize = ((TOP_BITS - FINE_BITS + 1) << FINE_BITS) as usize;

/// 68.7 s.
pub const LONGEST_NANOS: u64 = (1 << (TOP_BITS + UNIT_BITS)) - 1;

/// Which of the two windows is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// The first.
    Even,
    /// The second.
    Odd,
}

/// The durations of one series on one core.
pub struct Timing {
    sum_nanos: Cell,
    buckets: [Cell; BUCKETS],
    /// 32 bits last: 5 minutes at 14 million a second.
    windows: [[AtomicU32; PLACES]; 2],
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            sum_nanos: Cell::default(),
            buckets: std::array::from_fn(|_| Cell::default()),
            windows: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU32::new(0))),
        }
    }
}

impl Timing {
    /// Counts one duration.
    pub fn add(&self, duration: Duration, window: Window) {
        let nanos = duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into());
        self.sum_nanos.add(nanos);
        self.buckets[bucket(nanos)].add(1);
        // One writer, as with `Cell`.
        let cell = &self.windows[window as usize][place(nanos)];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Forgets what a window has seen. Whoever reads meanwhile sees a part of it.
    pub fn clear(&self, window: Window) {
        self.windows[window as usize].iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
    }
}

/// The durations of one series on all cores.
#[derive(Clone, PartialEq, Debug)]
pub struct Durations {
    /// Since the start, by bucket of [`BOUNDS`]; not cumulative.
    pub buckets: [u64; BUCKETS],
    /// Since the start.
    pub sum_seconds: f64,
    /// Of [`QUANTILES`], in seconds; `None` when nothing was timed of late.
    pub quantiles: [Option<f64>; QUANTILES.len()],
}

impl Durations {
    /// Puts the cores' shares together.
    pub fn merge<'a>(timings: impl Iterator<Item = &'a Timing>) -> Durations {
        let (mut buckets, mut sum_nanos, mut fine) = ([0; BUCKETS], 0u64, [0u64; PLACES]);
        for timing in timings {
            sum_nanos = sum_nanos.wrapping_add(timing.sum_nanos.get());
            buckets.iter_mut().zip(&timing.buckets).for_each(|(sum, cell)| *sum += cell.get());
            for window in &timing.windows {
                fine.iter_mut().zip(window).for_each(|(sum, cell)| *sum += u64::from(cell.load(Ordering::Relaxed)));
            }
        }
        let quantiles = QUANTILES.map(|(quantile, _)| quantile_nanos(&fine, quantile).map(|nanos| nanos / 1e9));
        Durations { buckets, sum_seconds: sum_nanos as f64 / 1e9, quantiles }
    }

    /// How many since the start.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// How many bounds are below each power of two: no two lie between the same, so one comparison finds the bucket
/// (a call takes 4.5 ns; with 15 comparisons it took 6.6).
const BOUNDS_BELOW: [u8; 64] = {
    let mut below = [0; 64];
    let mut power = 0;
    while power < 64 {
        let mut at = 0;
        while at < BOUNDS.len() && BOUNDS[at].0 < 1 << power {
            at += 1;
        }
        below[power] = at as u8;
        assert!(power == 0 || below[power] <= below[power - 1] + 1, "one comparison is enough");
        power += 1;
    }
    below
};

/// The bucket of the histogram.
fn bucket(nanos: u64) -> usize {
    let below = usize::from(BOUNDS_BELOW[nanos.max(1).ilog2() as usize]);
    below + usize::from(BOUNDS.get(below).is_some_and(|(bound, _)| nanos > *bound))
}

/// The fine bucket of a duration.
fn place(nanos: u64) -> usize {
    let units = nanos.min(LONGEST_NANOS) >> UNIT_BITS;
    let shift = (u64::BITS - units.leading_zeros()).saturating_sub(FINE_BITS + 1);
    ((shift as usize) << FINE_BITS) + (units >> shift) as usize
}

/// The middle of a fine bucket in nanoseconds.
fn middle(place: usize) -> f64 {
    let shift = (place >> FINE_BITS).saturating_sub(1);
    let lowest = (place - (shift << FINE_BITS)) as u64;
    ((2 * lowest + 1) << shift) as f64 * f64::from(1 << (UNIT_BITS - 1))
}

/// The value of the nearest rank.
fn quantile_nanos(fine: &[u64], quantile: f64) -> Option<f64> {
    let count: u64 = fine.iter().sum();
    let rank = ((quantile * count as f64).ceil() as u64).max(1);
    let mut seen = 0;
    let place = fine.iter().position(|n| {
        seen += n;
        seen >= rank
    })?;
    Some(middle(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fine_buckets_follow_one_another_without_gap() {
        let mut last = 0;
        for units in (0..100_000).chain([(1 << TOP_BITS) - 1, u64::MAX >> UNIT_BITS]) {
            let place = place(units << UNIT_BITS);
            assert!(place == last || place == last + 1 || units > 100_000, "{units}");
            last = place;
        }
        assert_eq!(last, PLACES - 1);
    }

    #[test]
    fn nothing_timed_has_no_quantiles() {
        let none = Durations::merge([Timing::default()].iter());
        assert_eq!((none.count(), none.sum_seconds, none.quantiles), (0, 0.0, [None; 3]));
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let timing = Timing::default();
        timing.add(Duration::from_micros(100), Window::Even);
        timing.add(Duration::from_nanos(100_001), Window::Odd);
        timing.add(Duration::from_secs(11), Window::Odd);
        let merged = Durations::merge([&timing, &timing].into_iter());
        assert_eq!((merged.buckets[0], merged.buckets[1], merged.buckets[BUCKETS - 1]), (2, 2, 2));
        assert!((merged.sum_seconds - 22.000_400_002).abs() < 1e-9);
    }

    #[test]
    fn quantiles_forget_what_is_older_than_both_windows() {
        let timing = Timing::default();
        timing.add(Duration::from_secs(5), Window::Even);
        timing.add(Duration::from_millis(1), Window::Odd);
        timing.clear(Window::Even);
        let merged = Durations::merge([&timing].into_iter());
        assert!(merged.quantiles[2].expect("one is left") < 0.002);
        assert_eq!(merged.count(), 2, "the histogram forgets nothing");
    }

    proptest! {
        #[test]
        fn the_bucket_is_the_first_whose_bound_is_not_exceeded(bits in 0u32..63, nanos in any::<u64>()) {
            for nanos in [nanos & ((2 << bits) - 1), BOUNDS[bits as usize % BOUNDS.len()].0 + (nanos & 3) - 1] {
                let first = BOUNDS.iter().position(|(bound, _)| nanos <= *bound).unwrap_or(BOUNDS.len());
                prop_assert_eq!(bucket(nanos), first);
            }
        }

        #[test]
        fn quantiles_are_off_by_at_most_a_thirty_second(
            mut nanos in prop::collection::vec((0u32..36, any::<u64>()), 1..400),
            split in any::<usize>(),
        ) {
            let mut nanos: Vec<u64> = nanos.drain(..).map(|(bits, n)| n & ((2 << bits) - 1)).map(|n| n.min(LONGEST_NANOS)).collect();
            let cores = [Timing::default(), Timing::default()];
            for (at, n) in nanos.iter().enumerate() {
                let window = if at % 3 == 0 { Window::Even } else { Window::Odd };
                cores[usize::from(at > split % nanos.len())].add(Duration::from_nanos(*n), window);
            }
            nanos.sort_unstable();
            let merged = Durations::merge(cores.iter());
            for ((quantile, _), found) in QUANTILES.iter().zip(merged.quantiles) {
                let rank = (quantile * nanos.len() as f64).ceil() as usize;
                let exact = nanos[rank.max(1) - 1] as f64;
                let found = found.expect("something was timed") * 1e9;
                prop_assert!((found - exact).abs() <= exact / 32.0 + 32.001, "{found} for {exact}");
            }
        }
    }
}
