//! What the node gives up, in which order, when memory gets scarce: a ladder of steps, each with its own way back.
//!
//! Each core has an equal share of the budget and counts what it holds by purpose. A step is taken as soon as its mark is
//! reached, and given up when use has stayed below it by a margin for a while, one step after another: so the ladder
//! does not flutter, and after the last load it is empty within [`limits::OVERLOAD_CALM_MS`] times five.

use crate::clock::Mono;
use crate::id::Core;
use crate::limits;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

/// What is given up; each step includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// Nothing.
    #[default]
    Normal,
    /// Messages are not compressed any more.
    NoCompression,
    /// A connection that publishes is read with pauses, so that its sender slows down.
    SlowPublishers,
    /// New clients are refused (503), and the node is not ready.
    NoNewClients,
    /// Those for whom most waits are disconnected (3008), some at a time.
    CutSlowest,
    /// Publications are refused (error 111).
    NoPublications,
}

/// The steps with their marks, in percent of a core's budget.
const STEPS: [(Level, usize); 5] = [
    (Level::NoCompression, 60),
    (Level::SlowPublishers, 70),
    (Level::NoNewClients, 80),
    (Level::CutSlowest, 90),
    (Level::NoPublications, 95),
];

/// A step ends when use is so many percent of the budget below its mark.
const MARGIN: usize = 10;

impl Level {
    /// What is given up at this use.
    fn of(used: usize, budget: usize, margin: usize) -> Level {
        let reached = |mark: usize| used as u128 * 100 >= budget as u128 * (mark - margin) as u128;
        STEPS.iter().rev().find(|(_, mark)| reached(*mark)).map_or(Level::Normal, |(level, _)| *level)
    }

    fn below(self) -> Level {
        STEPS.iter().rev().map(|(level, _)| *level).find(|level| *level < self).unwrap_or(Level::Normal)
    }

    fn from_number(number: u8) -> Level {
        STEPS.iter().map(|(level, _)| *level).find(|level| *level as u8 == number).unwrap_or(Level::Normal)
    }

    /// What it means, for the log.
    pub fn meaning(self) -> &'static str {
        match self {
            Level::Normal => "nothing is given up",
            Level::NoCompression => "messages are not compressed",
            Level::SlowPublishers => "connections that publish are read with pauses",
            Level::NoNewClients => "new clients are refused",
            Level::CutSlowest => "the slowest clients are disconnected",
            Level::NoPublications => "publications are refused",
        }
    }
}

/// One core's place on the ladder.
#[derive(Default, Debug)]
pub struct Ladder {
    level: Level,
    /// Since when use is below the present step by the margin.
    calm_since: Option<Mono>,
}

impl Ladder {
    /// Where it stands.
    #[inline]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Takes note of the bytes held now, of those that may be held; true when the core takes another step.
    pub fn look(&mut self, used: usize, budget: usize, now: Mono) -> bool {
        let reached = Level::of(used, budget, 0);
        if reached > self.level {
            (self.level, self.calm_since) = (reached, None);
            return true;
        }
        if Level::of(used, budget, MARGIN) >= self.level {
            self.calm_since = None;
            return false;
        }
        let since = *self.calm_since.get_or_insert(now);
        let is_over = now.since(since) >= Duration::from_millis(limits::OVERLOAD_CALM_MS);
        if is_over {
            (self.level, self.calm_since) = (self.level.below(), Some(now));
        }
        is_over
    }
}

/// What all cores know of each other.
#[derive(Debug)]
pub struct Overload {
    /// Bytes that one core may hold.
    budget: AtomicUsize,
    levels: Box<[AtomicU8]>,
    /// The highest of them.
    node: AtomicU8,
}

impl Overload {
    /// For so many cores, which share `budget` bytes.
    pub fn new(budget: usize, cores: usize) -> Overload {
        let levels = (0..cores).map(|_| AtomicU8::new(0)).collect();
        Overload { budget: AtomicUsize::new(budget / cores.max(1)), levels, node: AtomicU8::new(0) }
    }

    /// Bytes that one core may hold.
    pub fn budget(&self) -> usize {
        self.budget.load(Ordering::Relaxed)
    }

    /// From now on a core may hold so many.
    pub fn set_budget(&self, bytes: usize) {
        self.budget.store(bytes, Ordering::Relaxed);
    }

    /// The core has taken a step.
    pub fn set(&self, core: Core, level: Level) {
        if let Some(cell) = self.levels.get(core.index()) {
            cell.store(level as u8, Ordering::SeqCst);
        }
        let highest = self.levels.iter().map(|level| level.load(Ordering::SeqCst)).max().unwrap_or(0);
        self.node.store(highest, Ordering::SeqCst);
    }

    /// What the node gives up: what any of its cores does.
    pub fn node(&self) -> Level {
        Level::from_number(self.node.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn steps_are_taken_at_once_and_given_up_one_by_one_when_it_has_been_calm() {
        let mut ladder = Ladder::default();
        let mut now = Mono(0);
        let mut look = |ladder: &mut Ladder, used, ms: u32| {
            now = now + MS * ms;
            (ladder.look(used, 1000, now), ladder.level())
        };
        assert_eq!(look(&mut ladder, 599, 1), (false, Level::Normal));
        assert_eq!(look(&mut ladder, 600, 1), (true, Level::NoCompression));
        assert_eq!(look(&mut ladder, 960, 1), (true, Level::NoPublications));
        assert_eq!(look(&mut ladder, 860, 5000), (false, Level::NoPublications), "within the margin");
        assert_eq!(look(&mut ladder, 100, 1), (false, Level::NoPublications));
        assert_eq!(look(&mut ladder, 100, 999), (false, Level::NoPublications));
        assert_eq!(look(&mut ladder, 860, 10), (false, Level::NoPublications), "it was not calm for long enough");
        assert_eq!(look(&mut ladder, 100, 1), (false, Level::NoPublications));
        let expected =
            [Level::CutSlowest, Level::NoNewClients, Level::SlowPublishers, Level::NoCompression, Level::Normal];
        for level in expected {
            assert_eq!(look(&mut ladder, 100, 1000), (true, level));
        }
        assert_eq!(look(&mut ladder, 100, 1000), (false, Level::Normal));
    }

    #[test]
    fn the_node_stands_where_its_highest_core_stands() {
        let overload = Overload::new(1000, 2);
        assert_eq!((overload.budget(), overload.node()), (500, Level::Normal));
        overload.set(Core(0), Level::CutSlowest);
        overload.set(Core(1), Level::NoCompression);
        assert_eq!(overload.node(), Level::CutSlowest);
        overload.set(Core(0), Level::Normal);
        assert_eq!(overload.node(), Level::NoCompression);
    }

    #[test]
    fn a_budget_without_an_end_is_never_reached() {
        assert!(!Ladder::default().look(1 << 40, usize::MAX, Mono(0)));
    }
}
