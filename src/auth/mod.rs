//! Who a token proves somebody to be: connection and subscription tokens (JWT), as Centrifugo checks them
//! (auth-and-proxies B). Not here: what a user may do (`channel::rules`), codes of refusals (`session`), how keys are
//! fetched (`outbound`).

pub mod cache;
pub mod claims;
pub mod endpoint;
pub mod jwks;
pub mod key;
pub mod keyset;
pub mod verify;

pub use cache::KeyCache;
pub use claims::{ConnectionClaims, SubscribeOptions, SubscriptionClaims};
pub use jwks::{KeyName, KeySet};
pub use key::Key;
pub use verify::{Lookup, Need, Proof, Said, TokenError, Verifier};
