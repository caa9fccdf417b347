//! What one connection of the client protocol may do next: its state, its subscriptions, its deadlines.
//!
//! ```text
//!            connect accepted                 the peer or the server ends it
//!   Fresh ───────────────────▶ Connected ─────────────────────────────────▶ (dropped)
//!     │ connect refused with an error reply
//!     └───────────────────────▶ Refused: everything else is read and ignored (client-protocol: 3.0 rule 7)
//! ```
//!
//! Contract: [`Session::handle`] takes one command and returns one [`Flow`]. A flow that asks something of the shard
//! (`Listen`, `Publish`, `Ask`, `Outside`) leaves the session waiting ([`Session::is_waiting`]); no further command may be
//! handled until the shard has answered with [`Session::listening`], [`Session::published`], [`Session::found`] or
//! [`Session::told`]. So replies keep the order of commands.
//! Time and randomness come in as values; replies and wishes go out as values.
//!
//! What the server API does to a session (`grant`) comes between commands and never makes it wait.
//!
//! Not here: bytes and frames (`conn`, `transport`), audiences (`hub`), other cores (`shard`). One file per command.

pub mod ask;
pub mod connect;
pub mod deadlines;
pub mod flow;
pub mod grant;
pub mod history;
pub mod outside;
pub mod policy;
pub mod presence;
pub mod presence_stats;
pub mod publish;
pub mod refresh;
pub mod rpc;
pub mod sub_refresh;
pub mod subscribe;
pub mod unsubscribe;

pub use deadlines::Deadlines;
pub use flow::{Arrival, Entered, Flow, Joined, Since, Subscription, Wanted};
pub use policy::Policy;

use crate::auth::{KeyCache, Said};
use crate::channel::{Member, Rules};
use crate::clock::{Mono, Now};
use crate::config::settings::Client;
use crate::id::{ChannelKey, ClientId, Seat};
use crate::proto::client::{ClientInfo, Command, Reply};
use crate::protocol::code::{Disconnect, Error, Unsubscribe};
use crate::protocol::command::{Kind, Protocol};
use crate::protocol::frame::Rendition;
use crate::protocol::reply;
use bytes::Bytes;
use rand::rngs::StdRng;
use std::sync::Arc;

/// What a session needs of its surroundings for one step.
pub struct Context<'a> {
    /// The turn's time.
    pub now: Now,
    /// The rules of the server.
    pub policy: &'a Policy,
    /// The core's generator.
    pub random: &'a mut StdRng,
    /// Keys that were fetched.
    pub keys: &'a mut KeyCache,
    /// Whether the node takes one more connection of a user.
    pub has_room_for: &'a dyn Fn(&str) -> bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Fresh,
    Connected,
    Refused,
}

/// What a waiting session waits for.
enum Waiting {
    Connect(Box<connect::Connecting>),
    Subscribe(Box<subscribe::Subscribing>),
    Publish {
        id: u32,
    },
    Ask {
        id: u32,
    },
    /// The side thread's word about a token.
    Token {
        id: u32,
        held: outside::Held,
    },
}

/// What the transport knows of a connection when it begins.
pub struct Opening {
    /// How publications are framed for it.
    pub rendition: Rendition,
    /// Pings are WebSocket control frames (`cf_ws_frame_ping_pong=true`).
    pub native_ping: bool,
    /// The value of `client.user_id_http_header`, if that option and the field are there.
    pub header_user: Option<Box<str>>,
}

/// One connection of the client protocol.
pub struct Session {
    rendition: Rendition,
    state: State,
    /// Pings are WebSocket control frames (`cf_ws_frame_ping_pong=true`).
    native_ping: bool,
    client: ClientId,
    user: Arc<str>,
    info: Bytes,
    subscriptions: Vec<Subscription>,
    /// Subscriptions that the backend makes and that wait for the owners of their channels.
    granting: u32,
    /// Channels that the token granted.
    token_channels: Box<[Arc<str>]>,
    deadlines: Deadlines,
    waiting: Option<Waiting>,
    /// The user that a trusted proxy named (`client.user_id_http_header`); used by `connect` at most.
    header_user: Option<Box<str>>,
}

impl Session {
    /// A connection that has not sent its `connect` yet; it is closed with 3502 if it takes too long.
    pub fn new(opening: Opening, cx: &mut Context<'_>) -> Session {
        Session {
            rendition: opening.rendition,
            state: State::Fresh,
            native_ping: opening.native_ping,
            client: ClientId::from_random(rand::Rng::random(cx.random)),
            user: Arc::from(""),
            info: Bytes::new(),
            subscriptions: Vec::new(),
            granting: 0,
            token_channels: Box::default(),
            deadlines: Deadlines::fresh(cx.now.mono, cx.policy.client.stale_close_delay),
            waiting: None,
            header_user: opening.header_user,
        }
    }

    /// How publications are framed for this connection.
    pub fn rendition(&self) -> Rendition {
        self.rendition
    }

    /// The encoding of its commands and replies.
    pub fn protocol(&self) -> Protocol {
        self.rendition.protocol()
    }

    /// The id that the client was told.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// The user; "" is the anonymous one. `None` before `connect` has succeeded.
    pub fn user(&self) -> Option<&Arc<str>> {
        (self.state == State::Connected).then_some(&self.user)
    }

    /// True when the connection, which has a personal channel, should be the only one of its user.
    pub fn is_sole(&self, rules: &Rules) -> bool {
        rules.wants_sole() && rules.personal_channel(&self.user).is_some_and(|channel| self.find(&channel).is_some())
    }

    /// True while a command waits for the shard: no other may be handled.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// True when input is read only to be dropped.
    pub fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    /// The present subscriptions.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// Subscriptions that it has or is about to have: what is under way holds its place, so that the limit is exact.
    fn places(&self) -> usize {
        let waits = usize::from(matches!(self.waiting, Some(Waiting::Subscribe(_))));
        self.subscriptions.len() + self.granting as usize + waits
    }

    /// The subscription to this channel.
    pub fn subscription(&self, channel: &str) -> Option<&Subscription> {
        self.find(channel).map(|at| &self.subscriptions[at])
    }

    /// Ends the session. Returns the user if `connect` had succeeded.
    pub fn end(&mut self) -> Option<Arc<str>> {
        let was = std::mem::replace(&mut self.state, State::Refused);
        (was == State::Connected).then(|| self.user.clone())
    }

    /// Gives up all subscriptions, for the end of the connection.
    pub fn take_subscriptions(&mut self) -> Vec<Subscription> {
        std::mem::take(&mut self.subscriptions)
    }

    /// The client has missed something of a channel that it follows from a position: it has to subscribe anew, or to connect
    /// anew where the server subscribes it. `None`: it has no such subscription.
    pub fn lose(&mut self, key: ChannelKey) -> Option<Flow> {
        let at = self.subscriptions.iter().position(|s| s.key == key && s.features.positioned)?;
        if self.subscriptions[at].is_server_side {
            return Some(Flow::Disconnect(Disconnect::INSUFFICIENT_STATE));
        }
        Some(Flow::Ended(self.subscriptions.swap_remove(at), Unsubscribe::INSUFFICIENT_STATE))
    }

    /// The subscription moved within its audience.
    pub fn relocate(&mut self, key: ChannelKey, seat: Seat) {
        if let Some(subscription) = self.subscriptions.iter_mut().find(|s| s.key == key) {
            subscription.seat = seat;
        }
    }

    /// When [`Session::expire`] has something to do.
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Handles one command.
    pub fn handle(&mut self, command: Command, cx: &mut Context<'_>) -> Flow {
        debug_assert!(!self.is_waiting(), "commands are handled one after another");
        if self.state == State::Refused {
            return Flow::Nothing;
        }
        let has_ping = command.ping.is_some();
        let id = command.id;
        let kind = Kind::of(command);
        if self.state == State::Fresh {
            return match kind {
                Kind::Connect(request) if id != 0 => self.connect(id, *request, Said::Nothing, cx),
                _ => Flow::Disconnect(Disconnect::BAD_REQUEST),
            };
        }
        if id == 0 && !matches!(kind, Kind::Send(_)) {
            return self.pong();
        }
        // A `ping` beside another body is refused, except beside `connect` (client-protocol 3.0 rule 5).
        if has_ping && !matches!(kind, Kind::Connect(_) | Kind::Nothing) {
            return self.error(id, Error::NOT_AVAILABLE);
        }
        match kind {
            Kind::Connect(_) | Kind::Nothing => Flow::Disconnect(Disconnect::BAD_REQUEST),
            Kind::Subscribe(request) => self.subscribe(id, *request, Said::Nothing, cx),
            Kind::Unsubscribe(request) => self.unsubscribe(id, &request),
            Kind::Publish(request) => self.publish(id, request, cx),
            Kind::Presence(request) => self.presence(id, &request.channel, cx),
            Kind::PresenceStats(request) => self.presence_stats(id, &request.channel, cx),
            Kind::History(request) => self.history(id, &request, cx),
            Kind::Refresh(request) => self.refresh(id, &request.token, Said::Nothing, cx),
            Kind::SubRefresh(request) => self.sub_refresh(id, &request, Said::Nothing, cx),
            Kind::Rpc(request) => self.rpc(id, &request.method, cx),
            // Nobody takes asynchronous messages (client-protocol 3.8).
            Kind::Send(_) => Flow::Disconnect(Disconnect::NOT_AVAILABLE),
        }
    }

    /// A pong counts as one only while a ping is outstanding (client-protocol 1.5).
    fn pong(&mut self) -> Flow {
        if self.native_ping || !self.deadlines.pong() {
            return Flow::Disconnect(Disconnect::BAD_REQUEST);
        }
        Flow::Nothing
    }

    /// A WebSocket pong came.
    pub fn native_pong(&mut self, now: Mono, client: &Client) {
        if self.native_ping && self.state == State::Connected {
            self.deadlines.native_pong(now, client);
        }
    }

    /// Most connections have few subscriptions, so no room is made for others.
    fn add(&mut self, subscription: Subscription) {
        if self.subscriptions.len() == self.subscriptions.capacity() {
            self.subscriptions.reserve_exact(1 + self.subscriptions.len() / 2);
        }
        self.subscriptions.push(subscription);
    }

    /// What is due at `cx.now`; call it until it returns [`Flow::Nothing`].
    pub fn expire(&mut self, cx: &mut Context<'_>) -> Flow {
        match self.expired_subscription(cx.now.mono) {
            Some(subscription) if subscription.is_server_side => {
                // It goes with the connection, and until then it is one of its subscriptions.
                self.add(subscription);
                Flow::Disconnect(Disconnect::SUBSCRIPTION_EXPIRED)
            }
            Some(subscription) => Flow::Ended(subscription, Unsubscribe::EXPIRED),
            None => match self.deadlines.expire(cx.now.mono, &cx.policy.client, self.native_ping) {
                Flow::Nothing if self.deadlines.take_tick(cx.now.mono) => Flow::Present(self.members()),
                flow => flow,
            },
        }
    }

    /// Takes out one subscription that has expired, if its time has come.
    fn expired_subscription(&mut self, now: Mono) -> Option<Subscription> {
        let expired = self.subscriptions.iter().position(|s| s.expiry <= now);
        let rest = self.subscriptions.iter().enumerate().filter(|(at, _)| Some(*at) != expired);
        let next = rest.map(|(_, s)| s.expiry).min().unwrap_or(Mono::NEVER);
        let is_due = self.deadlines.take_subscriptions(now, || next);
        expired.filter(|_| is_due).map(|at| self.subscriptions.swap_remove(at))
    }

    /// All asked-for channels are listened to: the waiting command goes on. `joined` are in the order of the wish; none: the
    /// owner has refused the subscriber.
    pub fn listening(&mut self, joined: Vec<Joined>, cx: &mut Context<'_>) -> Flow {
        match self.waiting.take() {
            Some(Waiting::Connect(connecting)) => self.connected(*connecting, joined, cx),
            Some(Waiting::Subscribe(subscribing)) => self.subscribed(*subscribing, joined, cx),
            Some(Waiting::Publish { .. } | Waiting::Ask { .. } | Waiting::Token { .. }) | None => {
                unreachable!("only connect and subscribe listen")
            }
        }
    }

    fn find(&self, channel: &str) -> Option<usize> {
        self.subscriptions.iter().position(|s| &*s.channel == channel)
    }

    fn error(&self, id: u32, error: Error) -> Flow {
        Flow::Error(reply::error_reply(id, error))
    }

    /// Who publishes: `info` of a publication by this client.
    fn publisher(&self, channel: &str) -> ClientInfo {
        let chan_info = self.find(channel).map(|at| self.subscriptions[at].info.clone());
        self.client_info(chan_info.unwrap_or_default())
    }

    /// The client as others see it in a channel.
    pub fn client_info(&self, chan_info: Bytes) -> ClientInfo {
        let (user, client) = (self.user.to_string(), self.client.to_string());
        ClientInfo { user, client, conn_info: self.info.clone(), chan_info }
    }

    /// The client as presence keeps it.
    pub fn member(&self, chan_info: Bytes) -> Member {
        Member { client: self.client, user: self.user.clone(), conn_info: self.info.clone(), chan_info }
    }

    /// The client as the channels with presence keep it.
    fn members(&self) -> Vec<(Arc<str>, Member)> {
        let present = self.subscriptions.iter().filter(|s| s.features.presence);
        present.map(|s| (s.channel.clone(), self.member(s.info.clone()))).collect()
    }

    /// What presence says of the client has changed: it is told at the next tick (client-protocol 5).
    pub fn present_later(&mut self, now: Mono, client: &Client) {
        self.deadlines.present_later(now, client);
    }

    /// Takes over new information of the connection.
    fn inform(&mut self, info: Bytes, cx: &Context<'_>) {
        if self.info != info {
            self.info = info;
            self.present_later(cx.now.mono, &cx.policy.client);
        }
    }

    /// What others are told of a new subscription.
    fn arrival(&self, subscription: &Subscription) -> Option<Arrival> {
        let info = || self.client_info(subscription.info.clone());
        subscription.features.join_leave.then(|| Arrival { channel: subscription.channel.clone(), info: info() })
    }
}

fn reply_to(id: u32) -> Reply {
    Reply { id, ..Reply::default() }
}
