//! How far the publications of one channel have come to this core, for those of its listeners here who have a position.
//!
//! A core gets a channel's publications in the order of their offsets, so one position serves all of its positioned
//! subscribers, and a publication costs one comparison however many they are. Who misses something stands in `lost` until
//! the session is told, and gets no publication meanwhile.

use crate::channel::Position;
use crate::clock::Mono;
use crate::mutation::{self, Mutation};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a publication is for those who follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The next one.
    Next,
    /// It was handed out before.
    Known,
    /// Others should have come before it, or the stream is another one.
    Gap,
}

/// The position of one channel on one core.
#[derive(Debug)]
pub struct Tracked {
    position: Position,
    /// The last publication or good check. Of a channel that is new here it may lie ahead, so that checks are spread.
    seen: Mono,
    /// Positioned subscribers.
    pub(super) count: u32,
    /// Connections whose subscription has missed something.
    pub(super) lost: BTreeSet<u32>,
}

impl Tracked {
    pub(super) fn new(position: Position, seen: Mono) -> Tracked {
        Tracked { position, seen, count: 0, lost: BTreeSet::new() }
    }

    /// A publication has come; from now on it is the newest one unless it is known.
    pub fn advance(&mut self, position: &Position, now: Mono) -> Step {
        if !self.is_same_stream(position) {
            self.set(position, now);
            return Step::Gap;
        }
        if position.offset <= self.position.offset {
            return Step::Known;
        }
        let is_next = position.offset == self.position.offset + 1;
        let step = if is_next && !(mutation::is(Mutation::NinthIsAGap) && position.offset == 9) {
            Step::Next
        } else {
            Step::Gap
        };
        (self.position.offset, self.seen) = (position.offset, now);
        step
    }

    /// The owner says where the channel stands; false when that is somewhere else than here.
    pub fn settle(&mut self, top: &Position, now: Mono) -> bool {
        let agrees = self.is_same_stream(top) && self.position.offset == top.offset;
        self.set(top, now);
        agrees
    }

    /// When something was last known to be in order.
    pub fn seen(&self) -> Mono {
        self.seen
    }

    /// Connections that are to be told that they have missed something.
    pub fn lost(&self) -> &BTreeSet<u32> {
        &self.lost
    }

    /// Positioned subscribers.
    pub fn count(&self) -> u32 {
        self.count
    }

    fn is_same_stream(&self, other: &Position) -> bool {
        // Mostly the owner's own text.
        Arc::ptr_eq(&self.position.epoch, &other.epoch) || self.position.epoch == other.epoch
    }

    fn set(&mut self, position: &Position, now: Mono) {
        self.position.clone_from(position);
        self.seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64, epoch: &str) -> Position {
        Position { offset, epoch: epoch.into() }
    }

    #[test]
    fn only_the_next_offset_of_the_same_epoch_follows() {
        let mut tracked = Tracked::new(at(3, "a"), Mono(0));
        let steps: Vec<Step> = [(4, "a"), (4, "a"), (2, "a"), (6, "a"), (5, "a"), (7, "a"), (8, "b"), (9, "b")]
            .map(|(offset, epoch)| tracked.advance(&at(offset, epoch), Mono(1)))
            .into();
        let expected =
            [Step::Next, Step::Known, Step::Known, Step::Gap, Step::Known, Step::Next, Step::Gap, Step::Next];
        assert_eq!(steps, expected);
    }

    #[test]
    fn what_the_owner_says_counts_from_then_on() {
        let mut tracked = Tracked::new(at(3, "a"), Mono(0));
        assert!(tracked.settle(&at(3, "a"), Mono(5)));
        assert_eq!(tracked.seen(), Mono(5));
        assert!(!tracked.settle(&at(4, "a"), Mono(6)) && tracked.settle(&at(4, "a"), Mono(6)));
        assert!(!tracked.settle(&at(4, "b"), Mono(7)) && !tracked.settle(&at(3, "b"), Mono(7)));
    }
}
