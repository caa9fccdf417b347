//! What fan-out touches of a connection, 8 bytes: 10,000 subscribers are 80 KB.

use super::lists::{EMPTY, List};

/// A connection's mark and how it stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Hot {
    /// What it still gets.
    pub(super) list: List,
    flags: u8,
}

/// It is written to.
pub(super) const OPEN: u8 = 1;
/// Broadcasts wait outside its list.
pub(super) const HELD: u8 = 2;
/// Its socket is full.
pub(super) const BLOCKED: u8 = 4;
/// Its owner is told when nothing is left.
pub(super) const NOTIFY: u8 = 8;
/// It waits for more before it is written to. Its group may also hold it when it does not wait any more.
pub(super) const WAITS: u8 = 16;
/// It stands in the bulk that is written or comes next.
pub(super) const BULK: u8 = 32;
/// It stands among those who go first.
pub(super) const EXPRESS: u8 = 64;

impl Hot {
    /// True when all of these flags are set.
    pub(super) fn is(self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// True when it gets what comes for it with the next slices.
    pub(super) fn is_ready(self) -> bool {
        self.flags & (OPEN | HELD | WAITS) == OPEN
    }

    /// True when one of these flags is set.
    pub(super) fn is_any(self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    pub(super) fn set(&mut self, flags: u8) {
        self.flags |= flags;
    }

    pub(super) fn clear(&mut self, flags: u8) {
        self.flags &= !flags;
    }

    /// Another connection begins here, or none: what is left is where the place stands.
    pub(super) fn renew(&mut self, flags: u8) {
        *self = Hot { list: EMPTY, flags: self.flags & (BULK | EXPRESS) | flags };
    }
}
