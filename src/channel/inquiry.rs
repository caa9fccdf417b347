//! What the owner of a channel is asked by those who are somewhere else, and what it finds.

use super::history::Page;
use super::{Member, Position};
use crate::proto::client::Publication;
use std::sync::Arc;

/// A question about one channel; its history or presence is switched on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inquiry {
    /// All members.
    Presence,
    /// How many there are.
    PresenceStats,
    /// A page of history; it must be of this epoch unless that is empty.
    History(Page, Arc<str>),
    /// Forget the publications.
    HistoryRemove,
}

/// The answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Finding {
    /// All members.
    Presence(Vec<Member>),
    /// How many there are.
    PresenceStats {
        /// Clients.
        clients: u32,
        /// Different users among them.
        users: u32,
    },
    /// The page, and the position of the top.
    History(Vec<Publication>, Position),
    /// The history is of another epoch.
    OtherEpoch,
    /// The publications are forgotten.
    Removed,
}
