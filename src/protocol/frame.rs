//! A push or reply as it leaves: framed once for each way of framing, shared by everyone who gets it.

use super::command::Protocol;
use super::feeds::FeedSet;
use crate::wire::websocket::{self, Opcode};
use smallvec::SmallVec;
use std::ops::Deref;
use std::sync::Arc;

/// An immutable, ready-to-write piece of output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block(Arc<[u8]>);

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Block {
        Block(bytes.into())
    }
}

impl Block {
    /// Of pieces that follow one another: one allocation, and each byte is copied once.
    pub fn joined(pieces: &[&[u8]]) -> Block {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
        let Some(mut room) = Arc::get_mut(&mut bytes) else { unreachable!("nobody else has it yet") };
        for piece in pieces {
            let (here, rest) = room.split_at_mut(piece.len());
            here.copy_from_slice(piece);
            room = rest;
        }
        Block(bytes)
    }
}

impl From<&[u8]> for Block {
    fn from(bytes: &[u8]) -> Block {
        Block(bytes.into())
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A way in which a publication can be framed. Connections of one rendition get the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rendition {
    /// JSON in text frames.
    JsonWebSocket,
    /// Protobuf in binary frames.
    ProtobufWebSocket,
    /// JSON in text frames that may be compressed.
    JsonDeflate,
    /// Protobuf in binary frames that may be compressed.
    ProtobufDeflate,
}

impl Rendition {
    /// All of them, in the order of [`Rendition::index`].
    pub const ALL: [Rendition; 4] =
        [Rendition::JsonWebSocket, Rendition::ProtobufWebSocket, Rendition::JsonDeflate, Rendition::ProtobufDeflate];

    /// How many there are.
    pub const COUNT: usize = Rendition::ALL.len();

    /// Place in tables.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The encoding within the frame.
    pub const fn protocol(self) -> Protocol {
        match self {
            Rendition::JsonWebSocket | Rendition::JsonDeflate => Protocol::Json,
            Rendition::ProtobufWebSocket | Rendition::ProtobufDeflate => Protocol::Protobuf,
        }
    }

    /// True when its messages may be compressed.
    pub const fn is_deflated(self) -> bool {
        matches!(self, Rendition::JsonDeflate | Rendition::ProtobufDeflate)
    }

    /// The kind of its frames.
    pub const fn opcode(self) -> Opcode {
        match self.protocol() {
            Protocol::Json => Opcode::Text,
            Protocol::Protobuf => Opcode::Binary,
        }
    }

    /// That of a WebSocket.
    pub const fn websocket(protocol: Protocol, is_deflated: bool) -> Rendition {
        match (protocol, is_deflated) {
            (Protocol::Json, false) => Rendition::JsonWebSocket,
            (Protocol::Protobuf, false) => Rendition::ProtobufWebSocket,
            (Protocol::Json, true) => Rendition::JsonDeflate,
            (Protocol::Protobuf, true) => Rendition::ProtobufDeflate,
        }
    }

    /// Those of one encoding that pass.
    pub fn of(protocol: Protocol, passes: impl Fn(Rendition) -> bool) -> SmallVec<[Rendition; 2]> {
        let both = [false, true].map(|is_deflated| Rendition::websocket(protocol, is_deflated));
        both.into_iter().filter(|rendition| passes(*rendition)).collect()
    }
}

/// What a subscriber listens to: publications in a rendition, whole or as patches, and perhaps who joins and leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feed {
    /// How its pushes are framed.
    pub rendition: Rendition,
    /// It is told of joins and leaves.
    pub joins: bool,
    /// It gets publications as patches of those before them.
    pub delta: bool,
}

impl Feed {
    /// How many there are.
    pub const COUNT: usize = Feed::PLAIN * 2;

    /// How many of them are without deltas; these come first.
    pub const PLAIN: usize = Rendition::COUNT * 2;

    /// All of them, in the order of [`Feed::index`].
    pub fn all() -> impl Iterator<Item = Feed> {
        let with = |delta: bool| {
            let of = move |joins| Rendition::ALL.map(|rendition| Feed { rendition, joins, delta });
            [false, true].into_iter().flat_map(of)
        };
        [false, true].into_iter().flat_map(with)
    }

    /// Place in tables.
    pub const fn index(self) -> usize {
        self.rendition.index() + self.joins as usize * Rendition::COUNT + self.delta as usize * Feed::PLAIN
    }

    /// Place in sets.
    pub const fn bit(self) -> FeedSet {
        1 << self.index()
    }
}

const _: () = assert!(Feed::COUNT <= FeedSet::BITS as usize, "each feed has its bit");

/// Frames an encoded message as it is.
pub fn frame(rendition: Rendition, payload: &[u8]) -> Block {
    let mut head: SmallVec<[u8; websocket::HEADER_BYTES_MAX]> = SmallVec::new();
    websocket::encode_header(rendition.opcode(), payload.len(), &mut head);
    Block::joined(&[&head, payload])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_travels_in_text_frames_and_protobuf_in_binary_ones() {
        assert_eq!(frame(Rendition::JsonWebSocket, b"{}")[..], [0x81, 2, b'{', b'}']);
        assert_eq!(frame(Rendition::ProtobufWebSocket, &[0])[..], [0x82, 1, 0]);
        for (index, rendition) in Rendition::ALL.iter().enumerate() {
            let same = Rendition::websocket(rendition.protocol(), rendition.is_deflated());
            assert_eq!((rendition.index(), same), (index, *rendition));
        }
        assert!(Feed::all().enumerate().all(|(index, feed)| feed.index() == index));
    }
}
