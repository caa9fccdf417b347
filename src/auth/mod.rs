//! Who a token proves somebody to be: connection and subscription tokens (JWT), as Centrifugo checks them
//! (auth-and-proxies B). Not here: what a user may do (`channel::rules`), codes of refusals (`session`).

pub mod claims;
pub mod keyset;
pub mod verify;

pub use claims::{ConnectionClaims, SubscribeOptions, SubscriptionClaims};
pub use verify::{TokenError, Verifier};
