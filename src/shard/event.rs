//! What happens to a core, and what it wants done: the only things that pass between the pure half and the shell.

use super::Message;
use crate::conn::Door;
use crate::id::{Core, Slot, Ticket};
use crate::overload::Level;
use crate::session::outside::Ask;

/// What happens to a core.
pub enum Event<'a> {
    /// A connection came in.
    Opened {
        /// Its place.
        slot: Slot,
        /// What its listener speaks.
        door: Door,
    },
    /// Bytes of a connection; they may be changed in place.
    Received {
        /// Whose.
        slot: Slot,
        /// The bytes.
        bytes: &'a mut [u8],
    },
    /// The peer will send nothing more.
    EndOfStream {
        /// Whose.
        slot: Slot,
    },
    /// The connection is broken.
    Broken {
        /// Which.
        slot: Slot,
    },
    /// A message of another core, or of the process.
    Message(Message),
    /// Time has passed.
    Tick,
}

/// What a core wants done.
pub enum Effect {
    /// Ask the side thread; the answer comes as [`Message::Outside`] with this ticket, always.
    Outside(Ticket, Ask),
    /// Hand a message to another core.
    Send(Core, Message),
    /// Close a connection; nothing of it will be used again.
    Close(Slot),
    /// Tell the peer that nothing more will come.
    ShutdownWrite(Slot),
    /// Do not read this connection for now.
    Pause(Slot),
    /// Read it again.
    Resume(Slot),
    /// Take no more connections.
    StopListening,
    /// The core gives up something, or takes it back, for the sake of memory: to be logged.
    Overload {
        /// What is given up now.
        level: Level,
        /// Bytes that the core holds.
        used: usize,
        /// Bytes that it may hold.
        budget: usize,
    },
    /// Nothing is in flight any more ([`Message::Stop`]).
    Quiet,
    /// All connections are closed ([`Message::End`]).
    Done,
}
