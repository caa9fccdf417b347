//! Which cores listen to a channel, and to what.

use crate::id::Core;
use crate::limits::CORES_MAX;
use crate::protocol::feeds::{ByFeed, FeedSet};
use crate::protocol::frame::{Feed, Rendition};

/// The cores that listen to one channel, a bit set per feed that somebody wants.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Interest(ByFeed<u64, 2>);

impl Interest {
    /// Replaces what `core` wants by `feeds` (a bit per [`Feed`]).
    pub fn set(&mut self, core: Core, feeds: FeedSet) {
        assert!(core.index() < CORES_MAX);
        for feed in Feed::all() {
            if feeds & feed.bit() != 0 {
                *self.0.get_or_default(feed) |= 1 << core.0;
            } else if let Some(word) = self.0.get_mut(feed) {
                *word &= !(1 << core.0);
            }
        }
        self.0.retain(|_, word| *word != 0);
    }

    fn has(&self, feed: Feed) -> bool {
        self.0.get(feed).is_some()
    }

    /// What `core` wants.
    pub fn feeds_of(&self, core: Core) -> FeedSet {
        let wanted = self.0.iter().filter(|(_, word)| **word >> core.0 & 1 == 1);
        wanted.fold(0, |set, (feed, _)| set | feed.bit())
    }

    /// True when somebody wants whole publications in `rendition`.
    pub fn wants(&self, rendition: Rendition) -> bool {
        [false, true].into_iter().any(|joins| self.has(Feed { rendition, joins, delta: false }))
    }

    /// True when somebody wants publications in `rendition` as patches.
    pub fn wants_deltas_in(&self, rendition: Rendition) -> bool {
        [false, true].into_iter().any(|joins| self.has(Feed { rendition, joins, delta: true }))
    }

    /// True when somebody wants patches.
    pub fn wants_deltas(&self) -> bool {
        self.0.iter().any(|(feed, _)| feed.delta)
    }

    /// True when somebody wants joins and leaves in `rendition`.
    pub fn wants_joins(&self, rendition: Rendition) -> bool {
        [false, true].into_iter().any(|delta| self.has(Feed { rendition, joins: true, delta }))
    }

    /// The cores that listen to anything, ascending.
    pub fn cores(&self) -> impl Iterator<Item = Core> + use<> {
        cores_of(self.0.iter().fold(0, |all, (_, word)| all | word))
    }

    /// The cores that want joins and leaves, ascending.
    pub fn cores_with_joins(&self) -> impl Iterator<Item = Core> + use<> {
        let with_joins = self.0.iter().filter(|(feed, _)| feed.joins);
        cores_of(with_joins.fold(0, |all, (_, word)| all | word))
    }

    /// True when nobody listens.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn cores_of(mut rest: u64) -> impl Iterator<Item = Core> {
    std::iter::from_fn(move || {
        let core = (rest != 0).then(|| rest.trailing_zeros() as u16)?;
        rest &= rest - 1;
        Some(Core(core))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: false, delta: false };
    const PROTOBUF: Feed = Feed { rendition: Rendition::ProtobufWebSocket, joins: false, delta: false };
    const JOINS: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: true, delta: false };

    #[test]
    fn a_wish_replaces_the_former_one_of_its_core_only() {
        let mut interest = Interest::default();
        interest.set(Core(0), JSON.bit());
        interest.set(Core(63), JSON.bit() | PROTOBUF.bit());
        interest.set(Core(0), PROTOBUF.bit());
        assert_eq!(interest.cores().collect::<Vec<_>>(), [Core(0), Core(63)]);
        interest.set(Core(63), 0);
        assert_eq!((interest.wants(JSON.rendition), interest.wants(PROTOBUF.rendition)), (false, true));
        interest.set(Core(0), 0);
        assert!(interest.is_empty());
    }

    #[test]
    fn who_wants_joins_gets_publications_too() {
        let mut interest = Interest::default();
        interest.set(Core(1), JOINS.bit());
        interest.set(Core(2), JSON.bit());
        assert!(interest.wants(JSON.rendition) && interest.wants_joins(JSON.rendition));
        assert_eq!(interest.cores_with_joins().collect::<Vec<_>>(), [Core(1)]);
        assert_eq!(interest.cores().collect::<Vec<_>>(), [Core(1), Core(2)]);
    }

    #[test]
    fn feeds_with_deltas_leave_nothing_behind() {
        let mut interest = Interest::default();
        let with_deltas = Feed { delta: true, ..JOINS };
        interest.set(Core(1), JSON.bit() | with_deltas.bit());
        interest.set(Core(2), with_deltas.bit());
        assert!(interest.wants_deltas_in(JSON.rendition) && !interest.wants_deltas_in(PROTOBUF.rendition));
        assert!(interest.wants_joins(JSON.rendition) && interest.wants(JSON.rendition));
        assert_eq!(interest.cores().collect::<Vec<_>>(), [Core(1), Core(2)]);
        interest.set(Core(1), 0);
        assert!(!interest.wants(JSON.rendition) && !interest.is_empty());
        assert_eq!(interest.cores_with_joins().collect::<Vec<_>>(), [Core(2)]);
        interest.set(Core(2), 0);
        assert_eq!(interest, Interest::default());
    }
}
