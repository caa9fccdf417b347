//! The messages of the client protocol and of the server API, defined once in `proto/`: their Protobuf form and their JSON
//! form are both generated from there (`make proto`) and committed; a test keeps them fresh.
//!
//! [`json`] holds what the generated JSON impls stand on: the rules of Go's encoding/json, which clients rely on.

pub mod json;
pub mod json_read;
pub mod json_write;

/// Package `centrifugal.centrifuge.protocol`.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod client;

/// Package `centrifugal.centrifugo.api`.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod api;

#[rustfmt::skip]
mod api_json;
#[rustfmt::skip]
mod client_json;
