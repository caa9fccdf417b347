//! A push or reply as it leaves: framed once for each way of framing, shared by everyone who gets it.

use super::command::Protocol;
use crate::wire::websocket::{self, Opcode};
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
}

impl Rendition {
    /// All of them, in the order of [`Rendition::index`].
    pub const ALL: [Rendition; 2] = [Rendition::JsonWebSocket, Rendition::ProtobufWebSocket];

    /// How many there are.
    pub const COUNT: usize = Rendition::ALL.len();

    /// Place in tables.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The encoding within the frame.
    pub const fn protocol(self) -> Protocol {
        match self {
            Rendition::JsonWebSocket => Protocol::Json,
            Rendition::ProtobufWebSocket => Protocol::Protobuf,
        }
    }

    /// That of a WebSocket.
    pub const fn websocket(protocol: Protocol) -> Rendition {
        match protocol {
            Protocol::Json => Rendition::JsonWebSocket,
            Protocol::Protobuf => Rendition::ProtobufWebSocket,
        }
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

    /// Those without deltas, which come first: tables of them stand apart, since few channels have deltas.
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
        self.plain_index() + self.delta as usize * Feed::PLAIN
    }

    /// Place in tables of feeds with deltas, or of those without.
    pub const fn plain_index(self) -> usize {
        self.rendition.index() + self.joins as usize * Rendition::COUNT
    }

    /// Place in sets.
    pub const fn bit(self) -> u8 {
        1 << self.index()
    }
}

const _: () = assert!(Feed::COUNT <= 8, "a set of feeds is one byte");

/// Frames an encoded message.
pub fn frame(rendition: Rendition, payload: &[u8]) -> Block {
    let opcode = match rendition.protocol() {
        Protocol::Json => Opcode::Text,
        Protocol::Protobuf => Opcode::Binary,
    };
    let mut bytes = Vec::with_capacity(payload.len() + 10);
    websocket::encode(opcode, payload, &mut bytes);
    Block::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_travels_in_text_frames_and_protobuf_in_binary_ones() {
        assert_eq!(frame(Rendition::JsonWebSocket, b"{}")[..], [0x81, 2, b'{', b'}']);
        assert_eq!(frame(Rendition::ProtobufWebSocket, &[0])[..], [0x82, 1, 0]);
        for (index, rendition) in Rendition::ALL.iter().enumerate() {
            assert_eq!((rendition.index(), Rendition::websocket(rendition.protocol())), (index, *rendition));
        }
        assert!(Feed::all().enumerate().all(|(index, feed)| feed.index() == index));
    }
}
