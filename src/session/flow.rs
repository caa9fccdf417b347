//! What a session wants done after one step.

use crate::clock::Mono;
use crate::id::ChannelKey;
use crate::proto::client::{Publication, Reply};
use crate::protocol::code::{Disconnect, Unsubscribe};
use bytes::Bytes;
use std::sync::Arc;

/// A channel that a connection listens to.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its name.
    pub channel: Arc<str>,
    /// The channel on this core.
    pub key: ChannelKey,
    /// The connection's place in the audience.
    pub place: u32,
    /// `chan_info` of the subscriber.
    pub info: Bytes,
    /// It has expired and its grace is over; [`Mono::NEVER`] for most.
    pub expiry: Mono,
}

/// The outcome of one step. Exactly one thing, so that its order is never in question.
#[derive(Debug)]
pub enum Flow {
    /// Nothing to do.
    Nothing,
    /// A successful reply.
    Reply(Box<Reply>),
    /// An error reply; the session goes on.
    Error(Reply),
    /// An error reply to `connect`: nothing that follows is answered.
    Refuse(Reply),
    /// `connect` has succeeded: count the client, then send the reply.
    Connected(Box<Reply>),
    /// The subscription is gone from the session: leave the audience, then send the reply.
    Unsubscribed(Subscription, Reply),
    /// The subscription was ended by the server: leave the audience, then send the push.
    Ended(Subscription, Unsubscribe),
    /// Listen to these channels, then call `listening`.
    Listen(Vec<String>),
    /// Publish, then call `published`.
    Publish(Box<PublishWish>),
    /// Send the application's ping (`{}` or a zero byte).
    Ping,
    /// Send a WebSocket ping.
    NativePing,
    /// Close with this code and reason.
    Disconnect(Disconnect),
    /// End TCP without a word.
    Drop,
}

/// A publication of a client.
#[derive(Debug)]
pub struct PublishWish {
    /// Where to.
    pub channel: String,
    /// What.
    pub publication: Publication,
}
