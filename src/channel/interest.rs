//! Which cores listen to a channel, and to what.

use crate::id::Core;
use crate::limits::CORES_MAX;
use crate::protocol::frame::{Feed, Rendition};

/// The cores that listen to one channel, a bit set per feed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Interest([u64; Feed::COUNT]);

impl Interest {
    /// Replaces what `core` wants by `feeds` (a bit per [`Feed`]).
    pub fn set(&mut self, core: Core, feeds: u8) {
        assert!(core.index() < CORES_MAX);
        for feed in Feed::all() {
            let word = &mut self.0[feed.index()];
            *word &= !(1 << core.0);
            *word |= u64::from(feeds & feed.bit() != 0) << core.0;
        }
    }

    /// True when somebody wants publications in `rendition`.
    pub fn wants(&self, rendition: Rendition) -> bool {
        self.wants_joins(rendition) || self.0[Feed { rendition, joins: false }.index()] != 0
    }

    /// True when somebody wants joins and leaves in `rendition`.
    pub fn wants_joins(&self, rendition: Rendition) -> bool {
        self.0[Feed { rendition, joins: true }.index()] != 0
    }

    /// The cores that listen to anything, ascending.
    pub fn cores(&self) -> impl Iterator<Item = Core> + use<> {
        cores_of(self.0.iter().fold(0, |all, word| all | word))
    }

    /// The cores that want joins and leaves, ascending.
    pub fn cores_with_joins(&self) -> impl Iterator<Item = Core> + use<> {
        let words = Rendition::ALL.iter().map(|rendition| self.0[Feed { rendition: *rendition, joins: true }.index()]);
        cores_of(words.fold(0, |all, word| all | word))
    }

    /// True when nobody listens.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
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

    const JSON: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: false };
    const PROTOBUF: Feed = Feed { rendition: Rendition::ProtobufWebSocket, joins: false };
    const JOINS: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: true };

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
}
