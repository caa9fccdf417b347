//! Which cores listen to a channel, and to what.

use crate::id::Core;
use crate::limits::CORES_MAX;
use crate::protocol::frame::{Feed, Rendition};

/// The cores that listen to one channel, a bit set per feed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Interest {
    plain: [u64; Feed::PLAIN],
    /// Feeds with deltas, which few channels have.
    deltas: Option<Box<[u64; Feed::PLAIN]>>,
}

impl Interest {
    /// Replaces what `core` wants by `feeds` (a bit per [`Feed`]).
    pub fn set(&mut self, core: Core, feeds: u8) {
        assert!(core.index() < CORES_MAX);
        for feed in Feed::all() {
            let is_wanted = feeds & feed.bit() != 0;
            let words = match (feed.delta, &mut self.deltas) {
                (false, _) => &mut self.plain,
                (true, Some(deltas)) => &mut **deltas,
                (true, none) if is_wanted => none.insert(Box::default()),
                (true, None) => continue,
            };
            let word = &mut words[feed.plain_index()];
            *word &= !(1 << core.0);
            *word |= u64::from(is_wanted) << core.0;
        }
        self.deltas.take_if(|deltas| **deltas == [0; Feed::PLAIN]);
    }

    fn word(&self, feed: Feed) -> u64 {
        let of_deltas = || self.deltas.as_ref().map_or(0, |deltas| deltas[feed.plain_index()]);
        if feed.delta { of_deltas() } else { self.plain[feed.index()] }
    }

    /// True when somebody wants whole publications in `rendition`.
    pub fn wants(&self, rendition: Rendition) -> bool {
        [false, true].into_iter().any(|joins| self.word(Feed { rendition, joins, delta: false }) != 0)
    }

    /// True when somebody wants publications in `rendition` as patches.
    pub fn wants_deltas_in(&self, rendition: Rendition) -> bool {
        [false, true].into_iter().any(|joins| self.word(Feed { rendition, joins, delta: true }) != 0)
    }

    /// True when somebody wants patches.
    pub fn wants_deltas(&self) -> bool {
        self.deltas.is_some()
    }

    /// True when somebody wants joins and leaves in `rendition`.
    pub fn wants_joins(&self, rendition: Rendition) -> bool {
        [false, true].into_iter().any(|delta| self.word(Feed { rendition, joins: true, delta }) != 0)
    }

    /// The cores that listen to anything, ascending.
    pub fn cores(&self) -> impl Iterator<Item = Core> + use<> {
        let words = self.plain.iter().chain(self.deltas.iter().flat_map(|deltas| deltas.iter()));
        cores_of(words.fold(0, |all, word| all | word))
    }

    /// The cores that want joins and leaves, ascending.
    pub fn cores_with_joins(&self) -> impl Iterator<Item = Core> + use<> {
        let feeds = Feed::all().filter(|feed| feed.joins);
        cores_of(feeds.fold(0, |all, feed| all | self.word(feed)))
    }

    /// True when nobody listens.
    pub fn is_empty(&self) -> bool {
        self.plain.iter().all(|word| *word == 0) && self.deltas.is_none()
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
    fn feeds_with_deltas_stand_apart_and_leave_nothing_behind() {
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
