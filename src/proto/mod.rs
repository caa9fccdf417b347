//! The messages of the client protocol and of the server API, defined once in `proto/`: their Protobuf form and their JSON
//! form are both generated from there (`make proto`) and committed; a test keeps them fresh.
//!
//! [`json`] holds what the generated JSON impls stand on: the rules of Go's encoding/json, which clients rely on.

pub mod json;
pub mod json_read;
pub mod json_write;
pub mod maps;

/// Package `centrifugal.centrifuge.protocol`.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod client;

/// Package `centrifugal.centrifugo.api`.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod api;

/// Package `grpc.health.v1`.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod health;

/// Package `grpc.reflection.v1`.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod reflection;

/// Package `grpc.reflection.v1alpha`: the same messages under an earlier name.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod reflection_v1alpha;

/// A `google.protobuf.FileDescriptorSet` of every file with a GRPC service, made from there too: what reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");

#[rustfmt::skip]
mod api_json;
#[rustfmt::skip]
mod client_json;
