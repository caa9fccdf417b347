//! Calls of the server API on one core: how long each method took over each protocol, and which errors it gave.
//!
//! Methods are places in `api::METHODS`, whose names this module does not know. A series takes its memory (3.6 KB) with
//! its first call. Invariant: only the core that owns the cells calls anything but the readers at the end.

use crate::clock::Mono;
use crate::counters::Cell;
use crate::tally::{ApiErrorCode, ApiProtocol, Set};
use crate::timing::{Timing, WINDOW, Window};
use std::sync::OnceLock;
use std::time::Duration;

/// Methods that can be counted.
pub const METHODS_MAX: usize = 16;

/// The calls of one method over one protocol.
#[derive(Default)]
struct Series {
    timing: OnceLock<Box<Timing>>,
    errors: [Cell; ApiErrorCode::PLACES],
}

/// The calls of one core.
#[derive(Default)]
pub struct Calls {
    series: [[Series; ApiProtocol::PLACES]; METHODS_MAX],
    windows: Cell,
    window_ends: Cell,
}

impl Calls {
    /// A call of the method at this place of `api::METHODS` is answered. Commands of a batch and of the legacy form
    /// count as calls of their method.
    pub fn add(&self, method: usize, protocol: ApiProtocol, duration: Duration, error: Option<u32>) {
        let series = &self.series[method][protocol as usize];
        series.timing.get_or_init(Box::default).add(duration, self.window());
        if let Some(code) = error {
            series.errors[ApiErrorCode::place(code)].add(1);
        }
    }

    /// Lets the quantiles forget what is too old; does nothing most of the time. To be called now and then.
    pub fn age(&self, now: Mono) {
        if now.0 < self.window_ends.get() {
            return;
        }
        self.window_ends.set((now + WINDOW).0);
        self.windows.add(1);
        let timings = self.series.iter().flatten().filter_map(|series| series.timing.get());
        timings.for_each(|timing| timing.clear(self.window()));
    }

    fn window(&self) -> Window {
        if self.windows.get().is_multiple_of(2) { Window::Even } else { Window::Odd }
    }

    /// The durations of a method over a protocol, if it was called.
    pub fn timing(&self, method: usize, protocol: ApiProtocol) -> Option<&Timing> {
        self.series[method][protocol as usize].timing.get().map(Box::as_ref)
    }

    /// The errors of a method over a protocol, by place of [`ApiErrorCode`].
    pub fn errors(&self, method: usize, protocol: ApiProtocol) -> &[Cell] {
        &self.series[method][protocol as usize].errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;
    use crate::timing::Durations;

    const SECOND: Duration = Duration::from_secs(1);

    fn last(calls: &Calls) -> Option<f64> {
        Durations::merge(calls.timing(2, ApiProtocol::Grpc).into_iter()).quantiles[2]
    }

    #[test]
    fn quantiles_see_five_to_ten_minutes() {
        let (calls, start) = (Calls::default(), Mono(7));
        calls.age(start);
        calls.add(2, ApiProtocol::Grpc, SECOND, None);
        calls.age(start + 299 * SECOND);
        calls.age(start + 301 * SECOND);
        assert!(last(&calls).is_some_and(|seconds| (0.9..1.1).contains(&seconds)));
        calls.add(2, ApiProtocol::Grpc, Duration::ZERO, None);
        calls.age(start + 602 * SECOND);
        assert!(last(&calls).is_some_and(|seconds| seconds < 0.001));
        calls.age(start + 903 * SECOND);
        assert_eq!(last(&calls), None);
    }

    #[test]
    fn errors_are_counted_by_code_and_nothing_is_kept_for_what_nobody_calls() {
        let calls = Calls::default();
        calls.add(0, ApiProtocol::Http, SECOND, Some(102));
        calls.add(0, ApiProtocol::Http, SECOND, None);
        assert_eq!(calls.errors(0, ApiProtocol::Http)[ApiErrorCode::place(102)].get(), 1);
        assert!(calls.timing(0, ApiProtocol::Grpc).is_none() && calls.timing(1, ApiProtocol::Http).is_none());
    }

    #[test]
    fn a_core_takes_less_than_200_kib_when_all_is_called() {
        let all = METHODS_MAX * ApiProtocol::PLACES * size_of::<Timing>() + size_of::<Counters>();
        assert!(all < 200 << 10 && size_of::<Counters>() < 16 << 10, "{all} of it {}", size_of::<Counters>());
    }
}
