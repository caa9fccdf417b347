//! The shell: pinned cores, their rings, sockets and the mesh between them. It moves bytes and performs effects; it decides
//! nothing.
//!
//! Only here are glommio, io-uring, crossbeam-channel and core_affinity known, so that they can be replaced.

pub mod certificates;
pub mod clocks;
pub mod launch;
pub mod listener;
pub mod mesh;
pub mod probe;
pub mod ring;
pub mod shutdown;
pub mod socket;
pub mod spread;
pub mod stream;
pub mod tls;
pub mod turn;
