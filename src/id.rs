//! Identities that could be swapped by mistake, each with a type of its own.

use std::fmt;

/// A core of this process, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Core(pub u16);

impl Core {
    /// As an index of per-core tables.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A connection of one core. `generation` counts the owners of a place, so that a late event never reaches the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot {
    /// Place in the per-core tables.
    pub index: u32,
    /// Which owner of the place; 24 bits travel through the ring.
    pub generation: u32,
}

/// A channel that has listeners on this core, valid while it has listeners or waiting subscribers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelKey(pub u32);

/// Where a connection sits among the listeners of a channel with its feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Those with the same filter, counted from 1; 0: those without.
    pub group: u32,
    /// Place among them.
    pub place: u32,
}

/// A question that waits for its answer; unique within the core that asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// A client of the client protocol: 128 random bits, shown as a UUID of version 4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId([u8; 16]);

impl ClientId {
    /// Makes one of 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> ClientId {
        ClientId(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
    }

    /// True when this is its text form.
    pub fn is(&self, text: &str) -> bool {
        let mut own = [0; 36];
        uuid::Uuid::from_bytes(self.0).hyphenated().encode_lower(&mut own) == text
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 36];
        f.write_str(uuid::Uuid::from_bytes(self.0).hyphenated().encode_lower(&mut text))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_a_version_4_uuid() {
        assert_eq!(ClientId::from_random([0xff; 16]).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
