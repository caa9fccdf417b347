//! Frames messages in every rendition. A message that several get is compressed once, whoever they are; one that is not
//! worth compressing is framed once for connections with and without compression.

use super::frame::{self, Block, Rendition};
use super::missed::Splice;
use crate::counters::Counters;
use crate::wire::deflate::{self, Deflater};
use crate::wire::websocket;
use smallvec::SmallVec;
use std::sync::Arc;

/// Makes the frames of one core.
pub struct Framer {
    /// Where the server compresses at all.
    deflater: Option<Deflater>,
    /// Compression is given up for a while.
    is_off: bool,
    /// Only longer messages are compressed; 0: all.
    bytes_min: usize,
    deflated: Vec<u8>,
    bytes: Vec<u8>,
    counters: Arc<Counters>,
}

impl Framer {
    /// Compresses nothing.
    pub fn new(counters: Arc<Counters>) -> Framer {
        Framer { deflater: None, is_off: false, bytes_min: 0, deflated: Vec::new(), bytes: Vec::new(), counters }
    }

    /// Compresses messages of more than `bytes_min` bytes, or all if that is 0.
    pub fn with_deflater(self, deflater: Deflater, bytes_min: usize) -> Framer {
        Framer { deflater: Some(deflater), bytes_min, ..self }
    }

    /// Whether messages are compressed from now on, where the server compresses at all.
    pub fn set_compression(&mut self, is_on: bool) {
        self.is_off = !is_on;
    }

    /// Frames an encoded message.
    pub fn frame(&mut self, rendition: Rendition, payload: &[u8]) -> Block {
        self.deflated(rendition, payload).unwrap_or_else(|| frame::frame(rendition, payload))
    }

    /// Frames an encoded message of which parts were told to others too: these are compressed once for all.
    pub fn frame_spliced(&mut self, rendition: Rendition, payload: &[u8], splices: &[Splice<'_>]) -> Block {
        self.deflated_splices(rendition, payload, splices).unwrap_or_else(|| self.frame(rendition, payload))
    }

    /// `None`: it does not go out as pieces.
    fn deflated_splices(&mut self, rendition: Rendition, payload: &[u8], splices: &[Splice<'_>]) -> Option<Block> {
        let is_worth_it = rendition.is_deflated() && !splices.is_empty() && payload.len() > self.bytes_min;
        let deflater = self.deflater.as_mut().filter(|_| is_worth_it && !self.is_off)?;
        let (mut out, mut at) = (std::mem::take(&mut self.bytes), 0);
        out.clear();
        for Splice { start, length, deflated } in splices {
            let part = *start..start + length;
            let piece = deflated.get_or_init(|| {
                self.counters.recovered_lists_deflated.add(1);
                deflater
                    .deflate_piece(&payload[part.clone()], &mut self.deflated)
                    .then(|| self.deflated.as_slice().into())
            });
            let Some(piece) = piece else { continue };
            deflate::store(&payload[at..part.start], &mut out);
            out.extend_from_slice(piece);
            at = part.end;
        }
        deflate::store(&payload[at..], &mut out);
        deflate::finish(&mut out);
        std::mem::swap(&mut out, &mut self.deflated);
        self.bytes = out;
        Some(self.deflated_frame(rendition, payload.len()))
    }

    /// Frames an encoded message for `renditions`, which encode it alike.
    pub fn frames(&mut self, renditions: &[Rendition], payload: &[u8]) -> SmallVec<[(Rendition, Block); 2]> {
        let mut plain: Option<Block> = None;
        let mut block = |rendition: Rendition| {
            let shared = || plain.get_or_insert_with(|| frame::frame(rendition, payload)).clone();
            (rendition, self.deflated(rendition, payload).unwrap_or_else(shared))
        };
        renditions.iter().map(|rendition| block(*rendition)).collect()
    }

    /// The compressed message; `None` when it goes out as it is.
    fn deflated(&mut self, rendition: Rendition, payload: &[u8]) -> Option<Block> {
        let is_worth_it = self.bytes_min == 0 || payload.len() > self.bytes_min;
        let may_deflate = rendition.is_deflated() && is_worth_it && !self.is_off;
        let deflater = self.deflater.as_mut().filter(|_| may_deflate)?;
        if !deflater.deflate(payload, &mut self.deflated) {
            return None;
        }
        Some(self.deflated_frame(rendition, payload.len()))
    }

    /// Frames what stands in `deflated`.
    fn deflated_frame(&mut self, rendition: Rendition, payload_bytes: usize) -> Block {
        self.counters.deflated_messages.add(1);
        self.counters.deflated_bytes_in.add(payload_bytes as u64);
        self.counters.deflated_bytes_out.add(self.deflated.len() as u64);
        self.bytes.clear();
        websocket::encode_deflated(rendition.opcode(), &self.deflated, &mut self.bytes);
        let block = Block::from(self.bytes.as_slice());
        for room in [&mut self.deflated, &mut self.bytes] {
            *room = deflate::kept(std::mem::take(room));
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Rendition::*;

    fn framer(bytes_min: usize) -> (Framer, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        (Framer::new(counters.clone()).with_deflater(Deflater::new(1), bytes_min), counters)
    }

    fn framed(framer: &mut Framer, payload: &[u8]) -> Vec<Block> {
        framer.frames(&[JsonWebSocket, JsonDeflate], payload).into_iter().map(|(_, block)| block).collect()
    }

    #[test]
    fn a_message_is_compressed_for_those_who_agreed_to_it_and_for_nobody_else() {
        let (mut framer, counters) = framer(0);
        let payload = [b'a'; 100];
        let blocks = framed(&mut framer, &payload);
        assert_eq!((blocks[0][0], blocks[0].len()), (0x81, 102));
        assert!(blocks[1][0] == 0xc1 && blocks[1].len() < 20, "{:?}", blocks[1]);
        let short = framer.frame(ProtobufDeflate, &[0]);
        assert_eq!(short[0], 0xc2, "however short it is");
        assert_eq!(framer.frame(ProtobufWebSocket, &payload)[0], 0x82);
        let bytes_out = (blocks[1].len() - 2 + short.len() - 2) as u64;
        assert_eq!((counters.deflated_messages.get(), counters.deflated_bytes_in.get()), (2, 101));
        assert_eq!(counters.deflated_bytes_out.get(), bytes_out);
    }

    #[test]
    fn what_is_not_longer_than_the_bound_is_one_block_for_all() {
        let (mut framer, counters) = framer(50);
        let blocks = framed(&mut framer, &[b'a'; 50]);
        assert!(std::ptr::eq(&blocks[0][..], &blocks[1][..]), "shared");
        assert_eq!((blocks[0][0], counters.deflated_messages.get()), (0x81, 0));
        assert_eq!(framed(&mut framer, &[b'a'; 51])[1][0], 0xc1);
        assert_eq!(counters.deflated_messages.get(), 1);
    }
}
