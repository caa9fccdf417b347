//! Who listens on this core, and what each connection still has to be sent.
//!
//! [`registry`] knows the channels that have listeners here, [`audiences`] who they are, [`tracked`] how far those with a
//! position have come; [`output`] holds the marks, outboxes and the flush. Nothing here knows sessions or sockets: the flush writes into a [`output::Sink`] that is lent to it.

pub mod audiences;
mod delays;
mod hot;
pub mod ledger;
pub mod lists;
pub mod outbox;
pub mod output;
mod patched;
pub mod registry;
pub mod tracked;
pub mod users;

pub use output::{Output, Sent, Sink, Way};
pub use registry::Registry;
pub use users::Users;
