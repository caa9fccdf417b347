//! The map of the crate, in the order in which a published message meets the modules.
//! `docs/ARCHITECTURE.md` tells the story, `tests/architecture.rs` guards who may import whom.

pub mod calls;
pub mod clock;
pub mod counters;
pub mod id;
pub mod limits;
pub mod mutation;
pub mod tally;
pub mod timing;
pub mod wheel;

pub mod proto;
pub mod wire;

pub mod protocol;

pub mod config;

pub mod auth;
pub mod channel;

pub mod session;

pub mod hub;

pub mod api;

pub mod transport;

pub mod http2;

pub mod conn;

pub mod shard;

pub mod client;

pub mod runtime;

pub mod outbound;

pub mod metrics;

pub mod node;

pub mod cli;
