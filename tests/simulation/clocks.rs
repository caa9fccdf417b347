//! The two clocks of a world: one that only goes on, and the time of day, which is set now and then.
//!
//! What ends at a time of day ends, for a core, so long after it was told as that time was away then. When exactly it was
//! told nobody outside knows, so an end is a span: of the settings of the clock that were in force from the question to
//! the answer, the one with the earliest end and the one with the latest.

use corecast::clock::{Mono, UnixMillis};
use std::time::Duration;

/// The time of day at which every world begins.
pub const START: UnixMillis = UnixMillis(1_790_000_000_000);

/// When something happened: after so many turns and acts of the world, at this time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    pub step: u64,
    pub at: Mono,
}

impl Moment {
    fn millis(self) -> i64 {
        (self.at.0 / 1_000_000) as i64
    }
}

/// When something ends, in milliseconds of the clock that only goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    early: i64,
    late: i64,
}

impl End {
    /// It may be over, and what is given so much more time with it.
    pub fn may_be_over(self, now: Moment, grace: Duration) -> bool {
        now.millis() >= self.early + grace.as_millis() as i64
    }

    /// The same, surely: a core counts a millisecond that was begun.
    pub fn is_over(self, now: Moment, grace: Duration) -> bool {
        now.millis() > self.late + grace.as_millis() as i64
    }
}

/// How the time of day was set.
#[derive(Default)]
pub struct Clocks {
    /// Milliseconds by which it is ahead of where it began, from a step on.
    settings: Vec<(u64, i64)>,
}

impl Clocks {
    /// From this step on the time of day is so far ahead.
    pub fn set(&mut self, step: u64, skew: i64) {
        self.settings.push((step, skew));
    }

    /// How far it is ahead now.
    pub fn skew(&self) -> i64 {
        self.settings.last().map_or(0, |(_, skew)| *skew)
    }

    /// The time of day.
    pub fn wall(&self, now: Moment) -> UnixMillis {
        UnixMillis((START.0 as i64 + self.skew() + now.millis()) as u64)
    }

    /// The least and the most by which it was ahead in a span.
    fn skews(&self, from: Moment, to: Moment) -> (i64, i64) {
        let before = self.settings.iter().rev().find(|(step, _)| *step < from.step).map_or(0, |(_, skew)| *skew);
        let within = self.settings.iter().filter(|(step, _)| (from.step..=to.step).contains(step));
        within.fold((before, before), |(least, most), (_, skew)| (least.min(*skew), most.max(*skew)))
    }

    /// When what ends at this second of the day ends, for a core that took it in between; `None`: never.
    pub fn end(&self, until: i64, from: Moment, to: Moment) -> Option<End> {
        let (least, most) = self.skews(from, to);
        let end = until * 1000 - START.0 as i64;
        (until != 0).then_some(End { early: end - most, late: end - least })
    }

    /// A core that looked in between may have found that this second of the day has come.
    pub fn may_have_come(&self, until: i64, from: Moment, to: Moment) -> bool {
        self.end(until, from, to).is_some_and(|end| end.may_be_over(to, Duration::ZERO))
    }

    /// The seconds that a core which looked in between may have found left.
    pub fn left(&self, until: i64, from: Moment, to: Moment) -> std::ops::RangeInclusive<i64> {
        let (least, most) = self.skews(from, to);
        let seconds = |at: Moment, skew: i64| (START.0 as i64 + skew + at.millis()).div_euclid(1000);
        (until - seconds(to, most)).max(0)..=(until - seconds(from, least)).max(0)
    }
}

#[test]
fn an_end_is_as_wide_as_the_clock_was_set_meanwhile() {
    let at = |step, seconds: u64| Moment { step, at: Mono(seconds * 1_000_000_000) };
    let (mut clocks, until) = (Clocks::default(), START.seconds() + 100);
    assert_eq!(clocks.end(0, at(0, 0), at(9, 9)), None);
    clocks.set(5, -30_000);
    let [before, across] = [at(4, 1), at(6, 1)].map(|to| clocks.end(until, at(3, 1), to).expect("an end"));
    assert_eq!((before, across), (End { early: 100_000, late: 100_000 }, End { early: 100_000, late: 130_000 }));
    assert!(across.may_be_over(at(7, 100), Duration::ZERO) && !across.is_over(at(7, 130), Duration::ZERO));
    assert_eq!(clocks.left(until, at(3, 1), at(6, 2)), 98..=129);
    assert_eq!(clocks.wall(at(6, 50)).seconds(), START.seconds() + 20);
}
