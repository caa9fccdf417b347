//! Fossil deltas (client-protocol 4.7): a payload as a patch of the one before it.
//!
//! A patch is `length⏎`, then copies of the base (`count@offset,`) and inserts (`count:bytes`), then `checksum;`, with
//! numbers in base 64. The encoder is ours: it ends copies where characters of UTF-8 end, so that a patch between two
//! texts is a text and a JSON subscriber can have it. It takes time in proportion to both payloads, whatever they hold.

use super::command::Protocol;
use crate::proto::client::Publication;
use crate::proto::json_write;
use bytes::Bytes;

/// What is looked for in the base. Shorter repetitions are not worth their copy.
const BLOCK: usize = 16;

/// Equal blocks of the base that are looked at for one place of the target: all of a text of blanks would be equal.
const CANDIDATES_MAX: usize = 16;

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// The patch that makes `target` of `base`; `None` when it would not be smaller.
pub fn patch(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if base.len() < BLOCK || target.len() < BLOCK {
        return None;
    }
    let blocks = Blocks::new(base);
    let mut out = Vec::with_capacity(target.len().min(1024));
    number(target.len(), &mut out);
    out.push(b'\n');
    let (mut at, mut literal) = (0, 0);
    while at + BLOCK <= target.len() && out.len() < target.len() {
        match blocks.longest(target, literal, at) {
            Some(copy) => {
                insert(&target[literal..copy.to], &mut out);
                copy.encode(&mut out);
                literal = copy.to + copy.count;
                at = literal;
            }
            None => at += 1,
        }
    }
    insert(&target[literal..], &mut out);
    number(checksum(target) as usize, &mut out);
    out.push(b';');
    (out.len() < target.len()).then_some(out)
}

/// A piece of the base that is also a piece of the target.
#[derive(Clone, Copy)]
struct Copy {
    from: usize,
    to: usize,
    count: usize,
}

impl Copy {
    fn encode(self, out: &mut Vec<u8>) {
        number(self.count, out);
        out.push(b'@');
        number(self.from, out);
        out.push(b',');
    }

    /// True when it is shorter as a copy than as a part of an insert, which it may cut in two.
    fn is_worth_it(self) -> bool {
        self.count > digits(self.count) + digits(self.from) + 6
    }

    /// Gives up what belongs to a character that is not wholly within: at most three bytes at each end, so that
    /// octets, which may be all of this kind, are copied all the same.
    fn whole_characters(mut self, target: &[u8]) -> Copy {
        let continues = |place: usize| target.get(place).is_some_and(|byte| byte & 0xc0 == 0x80);
        let before = (0..3).take_while(|n| continues(self.to + n)).count();
        (self.from, self.to, self.count) = (self.from + before, self.to + before, self.count - before);
        self.count -= (0..3).take_while(|n| continues(self.to + self.count - n)).count();
        self
    }
}

/// The blocks of a base by their hash.
struct Blocks<'a> {
    base: &'a [u8],
    /// Number of the first block of each hash, plus one.
    first: Vec<u32>,
    /// Number of the next block with the same hash, plus one.
    next: Vec<u32>,
}

impl Blocks<'_> {
    fn new(base: &[u8]) -> Blocks<'_> {
        let count = base.len() / BLOCK;
        let size = count.next_power_of_two();
        let mut blocks = Blocks { base, first: vec![0; size], next: vec![0; count] };
        for number in (0..count).rev() {
            let slot = &mut blocks.first[hash(&base[number * BLOCK..]) & (size - 1)];
            blocks.next[number] = std::mem::replace(slot, number as u32 + 1);
        }
        blocks
    }

    /// The longest copy around the block at `at` that begins at `literal` at the earliest.
    fn longest(&self, target: &[u8], literal: usize, at: usize) -> Option<Copy> {
        let block = &target[at..at + BLOCK];
        let mut candidate = self.first[hash(block) & (self.first.len() - 1)];
        let mut best: Option<Copy> = None;
        for _ in 0..CANDIDATES_MAX {
            let Some(number) = candidate.checked_sub(1) else { break };
            candidate = self.next[number as usize];
            let from = number as usize * BLOCK;
            if &self.base[from..from + BLOCK] == block {
                let copy = self.extend(target, literal, from, at);
                best = best.filter(|best| best.count >= copy.count).or(Some(copy));
            }
        }
        best.map(|copy| copy.whole_characters(target)).filter(|copy| copy.is_worth_it())
    }

    fn extend(&self, target: &[u8], literal: usize, from: usize, at: usize) -> Copy {
        let equal = |pair: &(&u8, &u8)| pair.0 == pair.1;
        let behind = self.base[from..].iter().zip(&target[at..]).take_while(equal).count();
        let before = self.base[..from].iter().rev().zip(target[literal..at].iter().rev()).take_while(equal).count();
        Copy { from: from - before, to: at - before, count: before + behind }
    }
}

/// Of the first block of `bytes`. Collisions cost a comparison, and not more than [`CANDIDATES_MAX`] at a place.
fn hash(bytes: &[u8]) -> usize {
    let word = |at: usize| bytes[at..at + 8].iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    let mixed = (word(0) ^ word(8).rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize
}

/// The sum of the bytes as big-endian words, the last one filled up with zeros.
fn checksum(bytes: &[u8]) -> u32 {
    let word = |chunk: &[u8]| (0..4).fold(0, |word, at| word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
    bytes.chunks(4).fold(0, |sum: u32, chunk| sum.wrapping_add(word(chunk)))
}

fn insert(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        number(bytes.len(), out);
        out.push(b':');
        out.extend_from_slice(bytes);
    }
}

fn digits(n: usize) -> usize {
    (usize::BITS - n.leading_zeros()).div_ceil(6).max(1) as usize
}

fn number(n: usize, out: &mut Vec<u8>) {
    out.extend((0..digits(n)).rev().map(|place| DIGITS[n >> (6 * place) & 63]));
}

/// Gives a publication the form that a subscription with deltas gets: as `patch` or whole, in JSON as a string. Who
/// calls this for JSON has made sure that the payload is JSON.
pub fn shape(protocol: Protocol, publication: &mut Publication, patch: Option<&[u8]>) {
    if protocol == Protocol::Protobuf {
        if let Some(patch) = patch {
            publication.data = Bytes::copy_from_slice(patch);
        }
        publication.delta = patch.is_some();
        return;
    }
    // A patch that is no text cannot be sent in one; the whole payload can.
    let patch = patch.and_then(|patch| simdutf8::basic::from_utf8(patch).ok());
    let mut text = Vec::with_capacity(patch.map_or(publication.data.len(), str::len) + 16);
    match patch.or_else(|| simdutf8::basic::from_utf8(&publication.data).ok()) {
        Some(whole) => json_write::string(whole, &mut text),
        None => return,
    }
    publication.delta = patch.is_some();
    publication.data = text.into();
    // Centrifugo's delta subscriptions of JSON clients go without it.
    publication.epoch.clear();
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
