//! The bodies of the fuzz targets: for each parser one function that takes any bytes and panics when something is wrong.
//! `fuzz/fuzz_targets/` hands them to libFuzzer, `tests/corpora.rs` runs them over the corpora with the other tests.
//! What each one judges by stands in its file and, in short, in `fuzz/README.md`.
#![allow(missing_docs)]

mod meaning;
#[path = "../../tests/common/pure.rs"]
#[allow(dead_code)]
mod pure;
mod script;
mod sessions_peer;
#[path = "../../tests/common/ws.rs"]
#[allow(dead_code)]
mod ws;

pub mod api_bodies;
pub mod channel_names;
pub mod configs;
pub mod deflate;
pub mod deltas;
pub mod filters;
pub mod globs;
pub mod grpc_messages;
pub mod handshakes;
pub mod http1;
pub mod http2;
pub mod json_commands;
pub mod key_sets;
pub mod protobuf_commands;
pub mod sessions;
pub mod tokens;
pub mod websocket;
