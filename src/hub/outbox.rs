//! What the kernel did not take from one connection yet: references to shared blocks, and how much of the first is gone.

use super::lists::Source;
use crate::mutation::{self, Mutation};
use crate::protocol::frame::Block;
use std::collections::VecDeque;

/// Blocks are joined for a call of the kernel up to so many bytes.
const JOINED_BYTES: usize = 64 << 10;

/// A block that waits.
#[derive(Clone, Debug)]
pub struct Part {
    /// The bytes.
    pub block: Block,
    /// The frame under which it was marked.
    pub frame: u64,
    /// Where it can be read again.
    pub source: Source,
}

/// The rest of one connection. Exists while its socket is full, and no longer.
#[derive(Default, Debug)]
pub struct Outbox {
    parts: VecDeque<Part>,
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
    pub fn push(&mut self, part: Part, sent: usize) {
        debug_assert!(sent == 0 || self.parts.is_empty());
        debug_assert!(sent <= part.block.len());
        self.bytes += part.block.len() - sent;
        self.sent += sent;
        self.parts.push_back(part);
    }

    /// Appends the blocks of a sequence of which the first `sent` bytes are gone.
    pub fn extend(&mut self, parts: Vec<Part>, mut sent: usize) {
        for part in parts {
            let len = part.block.len();
            if sent < len {
                self.push(part, sent);
            }
            sent = sent.saturating_sub(len);
        }
    }

    /// What to send next: the rest of the first block, or several blocks joined in `scratch`.
    pub fn front<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let Some(first) = self.parts.front() else { return &[] };
        let rest = &first.block[self.sent..];
        let second = self.parts.get(1).map_or(usize::MAX, |part| part.block.len());
        if rest.len().saturating_add(second) > JOINED_BYTES {
            return rest;
        }
        scratch.clear();
        scratch.extend_from_slice(rest);
        for part in self.parts.iter().skip(1) {
            if scratch.len() + part.block.len() > JOINED_BYTES {
                break;
            }
            scratch.extend_from_slice(&part.block);
        }
        scratch
    }

    /// Takes note that the next `n` bytes are sent.
    pub fn advance(&mut self, n: usize) {
        self.bytes -= n;
        self.sent += n;
        while let Some(first) = self.parts.front()
            && self.sent >= first.block.len()
        {
            self.sent -= first.block.len();
            self.parts.pop_front();
        }
    }

    /// Drops everything but the block that was begun: the peer must be able to read what follows it.
    pub fn keep_begun(&mut self) {
        let last =
            self.parts.back().filter(|_| mutation::is(Mutation::CutLosesTheMiddle) && self.parts.len() > 1).cloned();
        self.parts.truncate(usize::from(self.sent > 0));
        self.bytes = self.parts.front().map_or(0, |part| part.block.len() - self.sent);
        last.into_iter().for_each(|part| self.push(part, 0));
    }

    /// Takes out the blocks that can be read again and that `is_taken`, except one that was begun.
    pub fn withdraw(&mut self, mut is_taken: impl FnMut(&Part) -> bool) {
        let (mut begun, mut left) = (self.sent > 0, 0);
        self.parts.retain(|part| {
            let stays = std::mem::take(&mut begun) || !part.source.is_kept() || !is_taken(part);
            left += if stays { part.block.len() } else { 0 };
            stays
        });
        self.bytes = left - self.sent;
        self.parts.shrink_to(self.parts.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChannelKey;

    fn part(text: &str) -> Part {
        Part { block: Block::from(text.as_bytes().to_vec()), frame: 1, source: Source::NONE }
    }

    fn kept(text: &str, channel: u32, offset: u64) -> Part {
        Part { source: Source { channel: ChannelKey(channel), offset }, ..part(text) }
    }

    fn front(outbox: &Outbox) -> String {
        String::from_utf8(outbox.front(&mut Vec::new()).to_vec()).expect("text")
    }

    #[test]
    fn short_writes_are_resumed_where_they_ended() {
        let mut outbox = Outbox::default();
        outbox.push(part("abc"), 1);
        outbox.push(part("de"), 0);
        assert_eq!((outbox.bytes(), front(&outbox)), (4, "bcde".into()), "small blocks leave together");
        outbox.advance(1);
        assert_eq!(front(&outbox), "cde");
        outbox.advance(2);
        assert_eq!((outbox.bytes(), front(&outbox)), (1, "e".into()));
        outbox.advance(1);
        assert_eq!((outbox.bytes(), front(&outbox)), (0, String::new()));
        let big = "x".repeat(JOINED_BYTES);
        outbox.extend(vec![part("gone"), part(&big), part("f")], 5);
        assert_eq!((outbox.bytes(), front(&outbox).len()), (JOINED_BYTES, JOINED_BYTES), "a byte of it is gone");
        outbox.push(part("g"), 0);
        assert_eq!(front(&outbox).len(), JOINED_BYTES, "as many as there is room for");
    }

    #[test]
    fn a_begun_block_survives_the_slow_client_verdict_and_others_do_not() {
        let mut outbox = Outbox::default();
        outbox.push(part("abc"), 1);
        outbox.push(part("de"), 0);
        outbox.keep_begun();
        assert_eq!((outbox.bytes(), front(&outbox)), (2, "bc".into()));
        outbox.advance(2);
        outbox.push(part("fg"), 0);
        outbox.keep_begun();
        assert_eq!((outbox.bytes(), front(&outbox)), (0, String::new()));
    }

    #[test]
    fn what_can_be_read_again_is_taken_out_behind_what_was_begun() {
        let mut outbox = Outbox::default();
        outbox.extend(vec![kept("abc", 1, 7), part("reply"), kept("de", 1, 8), kept("x", 2, 3), kept("fg", 1, 9)], 1);
        let mut taken = Vec::new();
        outbox.withdraw(|part| {
            let is_taken = part.source.channel == ChannelKey(1);
            taken.extend(is_taken.then_some(part.source.offset));
            is_taken
        });
        assert_eq!((taken, outbox.bytes(), front(&outbox)), (vec![8, 9], 8, "bcreplyx".into()));
    }
}
