//! What clients and the server say: commands, replies, pushes, their codes, and the frames that carry them.

pub mod code;
pub mod command;
pub mod delta;
pub mod feeds;
pub mod filter;
pub mod frame;
pub mod framer;
pub mod missed;
pub mod payload;
pub mod push;
pub mod reply;
pub mod told;

pub use crate::proto::json::Malformed;
