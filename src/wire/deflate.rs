//! permessage-deflate (RFC 7692) without context takeover: each message is compressed for itself, so a compressed frame
//! can be shared by everyone, and a connection owns nothing of it. Which offers of clients are agreed to stands in the
//! sibling file.
//!
//! Invariants: one [`Deflater`] and one [`Inflater`] serve all connections of a core; nothing is kept from one message to
//! the next; an [`Inflater`] stops as soon as it has seen that a message is too big.

use super::websocket::{Opcode, Violation, check_text};
use crate::limits;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// We look back 4 KiB at most, so that clients which limit our window (`server_max_window_bits`) get what they can read.
/// The full 32 KiB would save 0.7 % of a JSON message of 10 KB and 5 % of one of 64 KB.
pub const WINDOW_BITS: u8 = 12;

/// What a flush ends with, and what a message leaves out (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The same for the receiver, and behind it an empty last block: only data that was whole gets there.
const ENDING: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// The room for an inflated message begins with this; a message rarely needs more.
const ROOM_BYTES: usize = 1 << 10;

/// The room of a message for the next one, unless it is much.
pub fn kept(room: Vec<u8>) -> Vec<u8> {
    if room.capacity() > limits::DEFLATE_BYTES_KEPT { Vec::new() } else { room }
}

/// Compresses messages.
pub struct Deflater {
    state: Compress,
}

impl Deflater {
    /// `level` as in Go's library: 0 to 9, -1 for the usual 6, -2 for what is quickest.
    pub fn new(level: i64) -> Deflater {
        let level = match level {
            -1 => Compression::new(6),
            ..0 => Compression::fast(),
            level => Compression::new(level.min(9) as u32),
        };
        Deflater { state: Compress::new_with_window_bits(level, false, WINDOW_BITS) }
    }

    /// Replaces `out` by the compressed message; false when it could not be compressed.
    pub fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let is_done = self.deflate_piece(message, out);
        if is_done {
            out.truncate(out.len() - TAIL.len());
        }
        is_done
    }

    /// Replaces `out` by a compressed piece of a message, which looks back at nothing before it, so that it may stand in
    /// any message behind other such pieces and behind what was stored ([`store`]). [`finish`] ends the message.
    pub fn deflate_piece(&mut self, piece: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        self.state.reset();
        // More than incompressible data needs, so that one call does it.
        out.reserve(piece.len() + piece.len() / 8 + 64);
        self.state.compress_vec(piece, out, FlushCompress::Sync).is_ok()
            && self.state.total_in() == piece.len() as u64
            && out.len() < out.capacity()
            && out.ends_with(&TAIL)
    }
}

/// Appends a piece of a message that is not compressed (RFC 1951 3.2.4).
pub fn store(piece: &[u8], out: &mut Vec<u8>) {
    for block in piece.chunks(usize::from(u16::MAX)) {
        let length = block.len() as u16;
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
}

/// Ends a message of pieces: an empty block that is not compressed begins, and the rest of it is what a message leaves out.
pub fn finish(out: &mut Vec<u8>) {
    out.push(0);
}

/// Why there is no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Uninflatable {
    /// It is not what DEFLATE makes, or not all of it. No RFC has a code for this.
    Broken,
    /// It would be too big, or a text is no UTF-8.
    Violation(Violation),
}

const TOO_BIG: Uninflatable =
    Uninflatable::Violation(Violation { code: 1009, reason: "message too big after decompression" });

/// Restores messages.
pub struct Inflater {
    state: Decompress,
}

impl Default for Inflater {
    fn default() -> Inflater {
        Inflater { state: Decompress::new(false) }
    }
}

impl Inflater {
    /// Replaces `out` by the message that was compressed to `deflated`; text is checked for UTF-8.
    ///
    /// # Errors
    /// It is broken, no UTF-8, or longer than `bytes_max`; then the rest is not inflated.
    pub fn inflate(
        &mut self,
        opcode: Opcode,
        deflated: &[u8],
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Uninflatable> {
        out.clear();
        self.state.reset(false);
        let mut rest = deflated;
        // A sender may end a stream and begin another within the message (RFC 7692 7.2.1, 7.2.3.4).
        while let Some(used) = self.run(rest, bytes_max, out)? {
            rest = &rest[used..];
            if rest.is_empty() {
                return check_text(opcode, out).map_err(Uninflatable::Violation);
            }
            self.state.reset(false);
        }
        self.run(&ENDING, bytes_max, out)?.ok_or(Uninflatable::Broken)?;
        check_text(opcode, out).map_err(Uninflatable::Violation)
    }

    /// Inflates all of `input`, or up to the end of its stream; then it says how much that was.
    fn run(&mut self, input: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<Option<usize>, Uninflatable> {
        let mut used = 0;
        loop {
            if out.len() == out.capacity() {
                let left = (bytes_max - out.len()).saturating_add(1);
                out.reserve_exact(out.len().max(ROOM_BYTES).min(left));
            }
            let (before, length) = (self.state.total_in(), out.len());
            let status = self.state.decompress_vec(&input[used..], out, FlushDecompress::Sync);
            let step = (self.state.total_in() - before) as usize;
            used += step;
            if out.len() > bytes_max {
                return Err(TOO_BIG);
            }
            let is_full = out.len() == out.capacity();
            match status.map_err(|_| Uninflatable::Broken)? {
                Status::StreamEnd => return Ok(Some(used)),
                Status::Ok | Status::BufError if is_full => {}
                Status::Ok | Status::BufError if used == input.len() => return Ok(None),
                Status::Ok | Status::BufError if step == 0 && out.len() == length => return Err(Uninflatable::Broken),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "deflate_tests.rs"]
mod tests;
