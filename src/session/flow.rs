//! What a session wants done after one step.

use super::outside::Ask;
use crate::channel::features::RecoveryMode;
use crate::channel::inquiry::Inquiry;
use crate::channel::{Features, Member, Position};
use crate::clock::Mono;
use crate::id::{ChannelKey, Seat};
use crate::proto::client::{ClientInfo, Publication, Reply};
use crate::protocol::code::{Disconnect, Unsubscribe};
use crate::protocol::filter::Filter;
use crate::protocol::frame::{Feed, Rendition};
use crate::protocol::missed::Missed;
use crate::protocol::told::Told;
use bytes::Bytes;
use std::sync::Arc;

/// A channel that a connection listens to.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its name.
    pub channel: Arc<str>,
    /// The channel on this core.
    pub key: ChannelKey,
    /// The connection's seat in the audience.
    pub seat: Seat,
    /// `chan_info` of the subscriber.
    pub info: Bytes,
    /// It has expired and its grace is over; [`Mono::NEVER`] for most.
    pub expiry: Mono,
    /// What it has besides publications.
    pub features: Features,
    /// The server made it: its end by expiry ends the connection.
    pub is_server_side: bool,
}

impl Subscription {
    /// Which audience the connection stands in.
    pub fn feed(&self, rendition: Rendition) -> Feed {
        self.features.feed(rendition)
    }
}

/// A channel that a session wants to listen to.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub channel: Arc<str>,
    /// What the subscription has besides publications.
    pub features: Features,
    /// `chan_info` of the subscriber.
    pub info: Bytes,
    /// The position that the subscriber has reached.
    pub since: Option<Since>,
    /// What publications have to pass.
    pub filter: Option<Arc<Filter>>,
}

/// Where a subscriber goes on.
#[derive(Clone, Debug)]
pub struct Since {
    /// The last position that it knows.
    pub position: Position,
    /// It wants what it has missed, at most so many publications; 0: it only wants to know whether that is kept.
    pub publications_max: usize,
    /// Which of them.
    pub mode: RecoveryMode,
    /// It wants only those that pass.
    pub filter: Option<Arc<Filter>>,
    /// It does not want to subscribe unless a stream is recovered.
    pub is_strict: bool,
}

/// A subscriber is in the audience.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The channel on this core.
    pub key: ChannelKey,
    /// The connection's seat in the audience.
    pub seat: Seat,
    /// What the owner said, if it was asked.
    pub entered: Option<Entered>,
}

/// What the owner of a channel answers to one subscriber.
#[derive(Clone, Default, Debug)]
pub struct Entered {
    /// The position from which on publications follow, when it was asked for.
    pub top: Option<Position>,
    /// Everything behind the subscriber's position is kept.
    pub is_recovered: bool,
    /// What the subscriber has missed, if it wants it.
    pub missed: Missed,
    /// It insisted on being recovered and is not: it did not enter.
    pub is_refused: bool,
}

/// Others are told that the client has come.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Where.
    pub channel: Arc<str>,
    /// Who.
    pub info: ClientInfo,
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
    /// `connect` has succeeded: count the client, send the reply, then announce the arrivals.
    Connected(Box<Told>, Vec<Arrival>),
    /// A subscription is in place: send the reply or push, then announce the arrival.
    Subscribed(Box<Told>, Option<Box<Arrival>>),
    /// The subscription is gone from the session: leave the audience, then send the reply.
    Unsubscribed(Subscription, Reply),
    /// The subscription was ended by the server: leave the audience, then send the push.
    Ended(Subscription, Unsubscribe),
    /// Listen to these channels, then call `listening`.
    Listen(Vec<Wanted>),
    /// Ask the owner of this channel, then call `found`.
    Ask(Arc<str>, Inquiry),
    /// Ask the side thread, then call `told`.
    Outside(Box<Ask>),
    /// Publish, then call `published`.
    Publish(Box<PublishWish>),
    /// Presence of these channels is told what has changed of the client.
    Present(Vec<(Arc<str>, Member)>),
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
