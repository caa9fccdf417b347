//! What a socket waits to send, as one number.
//!
//! A list is a node of a tree in which every path from the root is a sequence of frames. Sockets that got the same
//! frames since their last write stand on the same node, so marking a socket stores four bytes and the joined
//! bytes of a burst are built once per node, whatever its length and however many sockets wait for it.
//!
//! Invariant: numbers are handed out in ascending order (modulo `u32::MAX`, 0 is the empty list) and retired from the
//! oldest on, so a node stands at its number less the number of the first live one.

use super::outbox::Part;
use crate::id::ChannelKey;
use crate::protocol::frame::Block;
use std::collections::VecDeque;

/// A sequence of frames; [`EMPTY`] has none.
pub type List = u32;

/// Nothing to send.
pub const EMPTY: List = 0;

/// Longer sequences are not joined for all who get them: they wait, and each socket gets them in several calls.
const JOINED_BYTES_MAX: usize = 128 << 10;

/// Where a block can be read again, so that it may be taken out of what waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// The channel on this core.
    pub channel: ChannelKey,
    /// Its offset in the history; 0: it is not kept.
    pub offset: u64,
}

impl Source {
    /// Of what exists only once.
    pub const NONE: Source = Source { channel: ChannelKey(0), offset: 0 };

    /// True when the block can be read again.
    pub fn is_kept(self) -> bool {
        self.offset > 0
    }
}

struct Node {
    parent: List,
    block: Block,
    frame: u64,
    source: Source,
    /// Some block of the sequence can be read again: it is kept apart from the others where it has to wait.
    is_apart: bool,
    /// Bytes of the whole sequence.
    bytes: usize,
    joined: Option<Block>,
    /// The frame that was appended last and the node it led to.
    last_child: (u64, List),
    /// The first node with this frame: its block counts here.
    is_first: bool,
}

/// All sequences of one core that somebody waits for.
#[derive(Default)]
pub struct Lists {
    nodes: VecDeque<Node>,
    /// Number of the first live node less one.
    retired: u32,
    /// How many nodes were retired ever.
    retired_ever: u64,
    root_child: (u64, List),
    newest_frame: u64,
    /// Bytes of blocks and of what was joined of them.
    held: usize,
}

impl Lists {
    fn place(&self, list: List) -> usize {
        let number = list - 1;
        let place = if number >= self.retired { number - self.retired } else { number + (u32::MAX - self.retired) };
        place as usize
    }

    fn at(&self, list: List) -> &Node {
        &self.nodes[self.place(list)]
    }

    /// The number that the next node gets.
    fn next(&self) -> List {
        let number = self.retired as u64 + self.nodes.len() as u64;
        (number % u64::from(u32::MAX)) as u32 + 1
    }

    /// Bytes of the whole sequence.
    pub fn bytes(&self, list: List) -> usize {
        if list == EMPTY { 0 } else { self.at(list).bytes }
    }

    /// How many nodes there have been.
    pub fn count(&self) -> u64 {
        self.retired_ever + self.nodes.len() as u64
    }

    /// Forgets the nodes before this one, counted from the first of all; nobody may stand on them.
    pub fn retire_before(&mut self, floor: u64) {
        self.retire(floor.saturating_sub(self.retired_ever) as usize);
    }

    /// How many nodes live.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes that the sequences hold; a block that stands in several counts once.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// True when there is such a list. For tests and the simulation.
    pub fn is_live(&self, list: List) -> bool {
        list == EMPTY || self.place(list) < self.nodes.len()
    }

    /// True when nobody waits for anything.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The sequence `list` followed by `block`. `frame` identifies the block, so that equal sequences share a node.
    #[inline]
    pub fn append(&mut self, list: List, frame: u64, source: Source, block: &Block) -> List {
        let known = if list == EMPTY { self.root_child } else { self.at(list).last_child };
        if known.0 == frame && known.1 != EMPTY { known.1 } else { self.grow(list, frame, source, block) }
    }

    fn grow(&mut self, list: List, frame: u64, source: Source, block: &Block) -> List {
        let bytes = block.len() + self.bytes(list);
        let is_apart = source.is_kept() || self.is_apart(list);
        let (parent, block, last_child) = (list, block.clone(), (0, EMPTY));
        let child = self.next();
        let is_first = frame > self.newest_frame;
        self.newest_frame = self.newest_frame.max(frame);
        self.held += if is_first { block.len() } else { 0 };
        self.nodes.push_back(Node {
            parent,
            block,
            frame,
            source,
            is_apart,
            bytes,
            joined: None,
            last_child,
            is_first,
        });
        if list == EMPTY {
            self.root_child = (frame, child);
        } else {
            let place = self.place(list);
            self.nodes[place].last_child = (frame, child);
        }
        child
    }

    /// The block to send for `list`, when it is one and made.
    #[inline]
    pub fn ready(&self, list: List) -> Option<&Block> {
        let node = self.at(list);
        if node.parent == EMPTY { Some(&node.block) } else { node.joined.as_ref() }
    }

    /// Makes the one block to send for `list`; false when it would be too long.
    pub fn join(&mut self, list: List) -> bool {
        if self.ready(list).is_some() {
            return true;
        }
        if self.at(list).bytes > JOINED_BYTES_MAX {
            return false;
        }
        let parts = self.path(list);
        let pieces: Vec<&[u8]> = parts.iter().map(|part| &part.block[..]).collect();
        let place = self.place(list);
        let joined = Block::joined(&pieces);
        self.held += joined.len();
        self.nodes[place].joined = Some(joined);
        true
    }

    /// What waits where `list` cannot be sent: the one block that all such sockets share, unless some of it can be read again.
    pub fn parts(&mut self, list: List) -> Vec<Part> {
        if !self.is_apart(list)
            && self.join(list)
            && let Some(block) = self.ready(list)
        {
            return vec![Part { block: block.clone(), frame: 0, source: Source::NONE }];
        }
        self.path(list)
    }

    /// True when what has to wait of the sequence waits in its parts.
    fn is_apart(&self, list: List) -> bool {
        list != EMPTY && self.at(list).is_apart
    }

    /// The blocks of a sequence, one by one.
    pub fn path(&self, list: List) -> Vec<Part> {
        let (mut parts, mut at) = (Vec::new(), list);
        while at != EMPTY {
            let node = self.at(at);
            parts.push(Part { block: node.block.clone(), frame: node.frame, source: node.source });
            at = node.parent;
        }
        parts.reverse();
        parts
    }

    /// Forgets the `count` oldest nodes; nobody may stand on them. Also forgets the way in: a block that is sent
    /// again and again keeps its frame number, and its old node dies here.
    pub fn retire(&mut self, count: usize) {
        self.root_child = (0, EMPTY);
        for node in self.nodes.drain(..count) {
            self.held -= if node.is_first { node.block.len() } else { 0 };
            self.held -= node.joined.map_or(0, |joined| joined.len());
        }
        self.retired_ever += count as u64;
        self.retired = ((u64::from(self.retired) + count as u64) % u64::from(u32::MAX)) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(lists: &mut Lists, list: List) -> Vec<u8> {
        assert!(lists.join(list));
        lists.ready(list).expect("joined").to_vec()
    }

    fn block(text: &str) -> Block {
        Block::from(text.as_bytes().to_vec())
    }

    #[test]
    fn equal_sequences_share_a_node_and_its_joined_bytes() {
        let (mut lists, a, b) = (Lists::default(), block("a"), block("b"));
        let first = lists.append(EMPTY, 1, Source::NONE, &a);
        assert_eq!(lists.append(EMPTY, 1, Source::NONE, &a), first);
        let both = lists.append(first, 2, Source::NONE, &b);
        assert_eq!(lists.append(first, 2, Source::NONE, &b), both);
        assert_eq!((lists.len(), bytes(&mut lists, both)), (2, b"ab".to_vec()));
        assert_eq!(lists.held_bytes(), 4, "two blocks and what was joined of them");
        lists.retire(2);
        assert_eq!(lists.held_bytes(), 0);
    }

    #[test]
    fn a_block_that_is_sent_again_gets_a_live_node_after_its_old_one_was_retired() {
        let (mut lists, ping) = (Lists::default(), block("p"));
        lists.append(EMPTY, 9, Source::NONE, &ping);
        lists.retire(1);
        let again = lists.append(EMPTY, 9, Source::NONE, &ping);
        assert_eq!(bytes(&mut lists, again), b"p");
    }

    #[test]
    fn numbers_wrap_around_without_meeting_the_empty_list() {
        let mut lists = Lists { retired: u32::MAX - 2, ..Lists::default() };
        let mut at = EMPTY;
        for (frame, text) in ["a", "b", "c", "d"].into_iter().enumerate() {
            at = lists.append(at, frame as u64 + 1, Source::NONE, &block(text));
            assert_ne!(at, EMPTY);
        }
        assert_eq!(bytes(&mut lists, at), b"abcd");
        lists.retire(3);
        let next = lists.append(EMPTY, 7, Source::NONE, &block("e"));
        assert_eq!(bytes(&mut lists, next), b"e");
    }

    #[test]
    fn a_long_sequence_is_not_joined() {
        let (mut lists, big) = (Lists::default(), Block::from(vec![0; JOINED_BYTES_MAX]));
        let first = lists.append(EMPTY, 1, Source::NONE, &big);
        let both = lists.append(first, 2, Source::NONE, &big);
        assert!(lists.join(first) && !lists.join(both));
        let lengths: Vec<usize> = lists.parts(both).iter().map(|part| part.block.len()).collect();
        assert_eq!(lengths, [JOINED_BYTES_MAX; 2]);
    }
}
