//! What the kernel did not take from one connection yet: references to shared blocks, and how much of the first is gone.

use crate::protocol::frame::Block;
use std::collections::VecDeque;

/// The rest of one connection. Exists while its socket is full, and no longer.
#[derive(Default, Debug)]
pub struct Outbox {
    blocks: VecDeque<Block>,
    /// Bytes of the first block that are already sent.
    sent: usize,
    /// Bytes that wait.
    bytes: usize,
    /// The socket has had room since the last look.
    pub(super) has_moved: bool,
    /// What the peer had not taken of the kernel at that look.
    pub(super) unsent: usize,
}

impl Outbox {
    /// Of a socket that has just become full; `unsent`: bytes that its peer has not taken of the kernel.
    pub fn new(unsent: usize) -> Outbox {
        Outbox { unsent, ..Outbox::default() }
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a block of which the first `sent` bytes are gone; only the first block may be begun.
    pub fn push(&mut self, block: Block, sent: usize) {
        debug_assert!(sent == 0 || self.blocks.is_empty());
        debug_assert!(sent <= block.len());
        self.bytes += block.len() - sent;
        self.sent += sent;
        self.blocks.push_back(block);
    }

    /// What to send next.
    pub fn front(&self) -> Option<&[u8]> {
        self.blocks.front().map(|block| &block[self.sent..])
    }

    /// Takes note that `n` bytes of the front are sent.
    pub fn advance(&mut self, n: usize) {
        self.bytes -= n;
        self.sent += n;
        if self.blocks.front().is_some_and(|block| self.sent >= block.len()) {
            self.blocks.pop_front();
            self.sent = 0;
        }
    }

    /// Drops everything but the block that was begun: the peer must be able to read what follows it.
    pub fn keep_begun(&mut self) {
        self.blocks.truncate(usize::from(self.sent > 0));
        self.bytes = self.blocks.front().map_or(0, |block| block.len() - self.sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block::from(text.as_bytes().to_vec())
    }

    #[test]
    fn short_writes_are_resumed_where_they_ended() {
        let mut outbox = Outbox::default();
        outbox.push(block("abc"), 1);
        outbox.push(block("de"), 0);
        assert_eq!((outbox.bytes(), outbox.front()), (4, Some(&b"bc"[..])));
        outbox.advance(1);
        assert_eq!(outbox.front(), Some(&b"c"[..]));
        outbox.advance(1);
        assert_eq!((outbox.bytes(), outbox.front()), (2, Some(&b"de"[..])));
        outbox.advance(2);
        assert_eq!((outbox.bytes(), outbox.front()), (0, None));
    }

    #[test]
    fn a_begun_block_survives_the_slow_client_verdict_and_others_do_not() {
        let mut outbox = Outbox::default();
        outbox.push(block("abc"), 1);
        outbox.push(block("de"), 0);
        outbox.keep_begun();
        assert_eq!((outbox.bytes(), outbox.front()), (2, Some(&b"bc"[..])));
        outbox.advance(2);
        outbox.push(block("fg"), 0);
        outbox.keep_begun();
        assert_eq!((outbox.bytes(), outbox.front()), (0, None));
    }
}
