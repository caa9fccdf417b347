//! What the owner core remembers of its channels: for now, which cores listen and in which renditions.
//!
//! Every channel has one owner core (`shard::placement`); it alone orders the channel's publications.
//! Invariant: a channel without listeners is not in the table.

use crate::id::Core;
use crate::limits::CORES_MAX;
use crate::protocol::frame::Rendition;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::sync::Arc;

/// The cores that listen to one channel, a bit set per rendition.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Interest([u64; Rendition::COUNT]);

impl Interest {
    /// Replaces what `core` wants by `renditions` (a bit per [`Rendition`]).
    pub fn set(&mut self, core: Core, renditions: u8) {
        assert!(core.index() < CORES_MAX);
        for rendition in Rendition::ALL {
            let word = &mut self.0[rendition.index()];
            *word &= !(1 << core.0);
            *word |= u64::from(renditions & rendition.bit() != 0) << core.0;
        }
    }

    /// True when somebody listens in `rendition`.
    pub fn wants(&self, rendition: Rendition) -> bool {
        self.0[rendition.index()] != 0
    }

    /// The cores that listen in any rendition, ascending.
    pub fn cores(&self) -> impl Iterator<Item = Core> + use<> {
        let mut rest = self.0.iter().fold(0, |all, word| all | word);
        std::iter::from_fn(move || {
            let core = (rest != 0).then(|| rest.trailing_zeros() as u16)?;
            rest &= rest - 1;
            Some(Core(core))
        })
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// The channels that one core owns.
pub struct Table {
    channels: HashMap<Arc<str>, Interest, FixedState>,
}

impl Table {
    /// `seed` keys the hash of names, which strangers choose.
    pub fn new(seed: u64) -> Table {
        Table { channels: HashMap::with_hasher(FixedState::with_seed(seed)) }
    }

    /// From now on `core` wants `renditions` of the channel; none: it has left.
    pub fn listen(&mut self, channel: &Arc<str>, core: Core, renditions: u8) {
        let interest = self.channels.entry_ref(channel).or_default();
        interest.set(core, renditions);
        if interest.is_empty() {
            self.channels.remove(channel);
        }
    }

    /// The channel's name as stored and who listens; `None` when nobody does.
    pub fn listeners(&self, channel: &str) -> Option<(&Arc<str>, Interest)> {
        self.channels.get_key_value(channel).map(|(name, interest)| (name, *interest))
    }

    /// Channels with listeners.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// True when no owned channel has listeners.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Rendition = Rendition::JsonWebSocket;
    const PROTOBUF: Rendition = Rendition::ProtobufWebSocket;

    #[test]
    fn a_wish_replaces_the_former_one_of_its_core_only() {
        let (mut table, name) = (Table::new(1), Arc::<str>::from("c"));
        table.listen(&name, Core(0), JSON.bit());
        table.listen(&name, Core(63), JSON.bit() | PROTOBUF.bit());
        table.listen(&name, Core(0), PROTOBUF.bit());
        let (_, interest) = table.listeners("c").expect("two cores");
        assert_eq!(interest.cores().collect::<Vec<_>>(), [Core(0), Core(63)]);
        table.listen(&name, Core(63), 0);
        let (_, interest) = table.listeners("c").expect("one core");
        assert_eq!((interest.wants(JSON), interest.wants(PROTOBUF)), (false, true));
    }

    #[test]
    fn a_channel_without_listeners_is_forgotten() {
        let (mut table, name) = (Table::new(1), Arc::<str>::from("c"));
        table.listen(&name, Core(1), JSON.bit());
        table.listen(&name, Core(1), 0);
        assert!(table.listeners("c").is_none() && table.is_empty());
        table.listen(&name, Core(1), 0);
        assert!(table.is_empty(), "leaving twice changes nothing");
    }
}
