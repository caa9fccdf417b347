//! Which core owns a channel: it alone orders the channel's publications.

use crate::id::Core;
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// Channel to core, the same on all cores of the process.
#[derive(Clone)]
pub struct Placement {
    hasher: FixedState,
    cores: u64,
}

impl Placement {
    /// `seed` is random for each process: strangers choose channel names.
    pub fn new(seed: u64, cores: usize) -> Placement {
        Placement { hasher: FixedState::with_seed(seed), cores: cores as u64 }
    }

    /// The owner of a channel.
    pub fn owner(&self, channel: &str) -> Core {
        Core((self.hash(channel) % self.cores) as u16)
    }

    /// A keyed hash of a text, the same on all cores.
    pub fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.cores as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_spread_evenly_over_the_cores() {
        let placement = Placement::new(7, 3);
        let mut owned = [0; 3];
        (0..30_000).for_each(|n| owned[placement.owner(&format!("chat:{n}")).index()] += 1);
        assert!(owned.iter().all(|n| (9_500..10_500).contains(n)), "{owned:?}");
    }
}
