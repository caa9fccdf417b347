//! What a channel is: its name, its rules, and what its owner core remembers of it.

pub mod dedup;
pub mod features;
pub mod glob;
pub mod history;
pub mod inquiry;
pub mod interest;
pub mod name;
pub mod personal;
pub mod presence;
pub mod ranges;
pub mod rules;
pub mod store;

pub use features::Features;
pub use presence::Member;
pub use ranges::Ranges;
pub use rules::Rules;
pub use store::Store;

use std::sync::Arc;

/// A place in the history of a channel.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Position {
    /// Of the newest publication; counts from 1.
    pub offset: u64,
    /// Which stream; it changes when the stream was lost.
    pub epoch: Arc<str>,
}
