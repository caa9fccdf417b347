//! One connection as the core sees it: which protocol its bytes speak, what it still has to read, when it acts by itself.
//!
//! ```text
//!   Http ── upgrade ──▶ WebSocket
//!    │ refused, last answer │ close frame sent or answered
//!    └────────┬─────────────┘
//!             ▼
//!          Ending: written out, then shut for writing; input is dropped until the peer is gone or time is up
//! ```
//!
//! A connection of the GRPC port is `Http2` from its first byte until it is `Ending`.
//!
//! The change of protocol is a change of state here, not a hand-over: left-over bytes go along. An idle connection owns
//! no buffer. Not here: what the bytes lead to (`shard`).

mod follower;

pub use follower::{Follower, Hole};

use crate::clock::{Bucket, Mono};
use crate::http2::{self, Http2, StreamKey};
use crate::id::{ChannelKey, Slot, Ticket};
use crate::limits;
use crate::protocol::code::Disconnect;
use crate::protocol::frame::Rendition;
use crate::session::grant::Grant;
use crate::session::{Joined, Session, Wanted};
use crate::transport::api::Form;
use crate::transport::{Routes, body_deadline};
use crate::wire::{http1, websocket};
use hashbrown::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// One connection.
pub struct Conn {
    /// Where it stands.
    pub slot: Slot,
    /// Bytes that came and are not used yet.
    pub input: Vec<u8>,
    /// The peer will send nothing more.
    pub at_end: bool,
    /// The socket is not read because too much input waits, or because it rests.
    pub paused: bool,
    /// It has published while the node was short of memory, and is not read for a moment.
    pub rests: bool,
    /// Bytes of input that it was seen to hold.
    pub held: u32,
    /// The earliest entry of this connection in the wheel.
    pub armed: Mono,
    /// Its socket is full, and then it is looked at whether the peer takes anything.
    pub write_deadline: Mono,
    /// What its bytes are.
    pub kind: Kind,
}

/// The protocol of a connection.
pub enum Kind {
    /// Requests and answers.
    Http(Http),
    /// Frames.
    WebSocket(Box<WebSocket>),
    /// Calls over HTTP/2.
    Http2(Box<Grpc>),
    /// Nothing more is answered.
    Ending(Ending),
}

/// What a listener speaks.
#[derive(Clone)]
pub enum Door {
    /// HTTP/1.1 to these endpoints.
    Http(Arc<Routes>),
    /// GRPC.
    Grpc(Arc<http2::Options>),
}

/// HTTP/2 with calls of the API.
pub struct Grpc {
    /// Takes bytes apart and puts answers together.
    pub http2: Http2,
    /// Calls that are being carried out.
    pub jobs: HashMap<Ticket, (StreamKey, http2::Form)>,
}

/// HTTP/1.1.
pub struct Http {
    /// The endpoints of its listener.
    pub routes: Arc<Routes>,
    /// Takes requests apart.
    pub decoder: http1::Decoder,
    /// When the connection is closed unless something happens.
    pub deadline: Mono,
    /// What the deadline is for.
    pub waits_for: WaitsFor,
    /// The request that is being carried out.
    pub pending: Option<PendingAnswer>,
}

/// Why an HTTP connection has a deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitsFor {
    /// The next request.
    Request,
    /// The rest of a head that was begun.
    Head,
    /// More of a body.
    Body,
    /// An answer of another core.
    Answer,
}

/// A request whose answer takes other cores.
pub struct PendingAnswer {
    /// The job that makes the answer.
    pub job: Ticket,
    /// How the answer is put together.
    pub form: Form,
    /// Close after the answer.
    pub close: bool,
}

/// A WebSocket.
pub struct WebSocket {
    /// Takes frames apart.
    pub decoder: websocket::Decoder,
    /// Who sends them.
    pub peer: Peer,
    /// The message that was begun has to be whole by then.
    pub message_deadline: Mono,
    /// Frames that say nothing.
    pub idle_frames: Bucket,
}

impl WebSocket {
    /// A WebSocket without messages yet.
    pub fn new(peer: Peer, has_deflate: bool) -> WebSocket {
        WebSocket {
            decoder: websocket::Decoder::new(websocket::Role::Server).with_deflate(has_deflate),
            peer,
            message_deadline: Mono::NEVER,
            idle_frames: Bucket::default(),
        }
    }
}

/// What the messages of a WebSocket are for.
#[allow(clippy::large_enum_variant)] // It is boxed with its WebSocket, and an echo is for suites only.
pub enum Peer {
    /// The client protocol.
    Client(Client),
    /// To be sent back as they are (`corecast.echo.enabled`); compressed, if that was agreed on.
    Echo(Rendition),
}

/// A client of the client protocol.
pub struct Client {
    /// Its state.
    pub session: Session,
    /// Commands of a message behind one that waits.
    pub backlog: Vec<u8>,
    /// Channels that the waiting command listens to.
    pub listening: Option<Box<Listening>>,
    /// Subscriptions that the backend makes and that wait for the owners of their channels.
    pub grants: Vec<WaitingGrant>,
    /// Those of its subscriptions that may fall behind and catch up.
    pub followers: Vec<Follower>,
    /// Its place among the connections of its user.
    pub user_place: u32,
    /// It was admitted through the node's gate, so its end is told there.
    pub is_admitted: bool,
    /// It counts as a connected client, so its end counts too.
    pub is_counted: bool,
    /// It wants to be the only one of its user and has not heard its own claim yet.
    pub is_claiming: bool,
    /// Commands, where they are limited.
    pub commands: Bucket,
}

impl Peer {
    /// Bytes of commands that wait.
    pub fn held_bytes(&self) -> usize {
        match self {
            Peer::Client(client) => client.backlog.capacity(),
            Peer::Echo(_) => 0,
        }
    }
}

impl Client {
    /// True when the client follows the channel from a position, be it that its `connect` still waits for others.
    pub fn is_positioned(&self, key: ChannelKey) -> bool {
        let pending = self.listening.iter().flat_map(|listening| &listening.channels);
        let has_joined = |pending: &Pending| pending.joined.as_ref().is_some_and(|joined| joined.key == key);
        self.session.subscriptions().iter().any(|s| s.key == key && s.features.positioned)
            || pending.filter(|pending| has_joined(pending)).any(|pending| pending.wanted.features.positioned)
    }

    /// A client that was let in and has not said who it is.
    pub fn new(session: Session) -> Client {
        Client {
            session,
            backlog: Vec::new(),
            listening: None,
            grants: Vec::new(),
            followers: Vec::new(),
            user_place: 0,
            is_admitted: true,
            is_counted: false,
            is_claiming: false,
            commands: Bucket::default(),
        }
    }
}

/// A wish to listen to several channels.
#[derive(Default)]
pub struct Listening {
    /// The channels in the order of the wish.
    pub channels: Vec<Pending>,
}

/// One channel of a wish.
pub struct Pending {
    /// What is wanted of it.
    pub wanted: Wanted,
    /// The question that the owner was asked for this subscriber alone.
    pub ticket: Option<Ticket>,
    /// The place in the audience, when it is ready.
    pub joined: Option<Joined>,
}

/// A subscription that the backend makes.
pub struct WaitingGrant {
    /// The question that the owner was asked.
    pub ticket: Ticket,
    /// What is wanted of the channel.
    pub wanted: Wanted,
    /// What was granted.
    pub grant: Grant,
    /// The act that it is part of.
    pub act: Ticket,
}

impl Listening {
    /// True when the owners of all channels have answered.
    pub fn is_complete(&self) -> bool {
        self.channels.iter().all(|pending| pending.joined.is_some())
    }

    /// True when the answer to this question is awaited.
    pub fn waits_for(&self, ticket: Ticket) -> bool {
        self.channels.iter().any(|pending| pending.ticket == Some(ticket))
    }

    /// The places, in the order of the wish.
    pub fn joined(self) -> Vec<Joined> {
        self.channels.into_iter().filter_map(|pending| pending.joined).collect()
    }
}

/// A connection that only has to be written out.
pub struct Ending {
    /// Then it is cut.
    pub deadline: Mono,
    /// Reads frames on, to see the peer's close frame.
    pub decoder: Option<websocket::Decoder>,
    /// The peer has its turn: its close frame, its end of stream or the deadline ends the connection.
    pub awaits_close: bool,
    /// Both close frames are under way: nothing of the peer is awaited any more.
    pub is_agreed: bool,
    /// Everything was handed to the kernel, and the peer was told that nothing more comes.
    pub is_drained: bool,
}

impl Conn {
    /// A new connection; it must send a request within the time for a head.
    pub fn new(slot: Slot, door: Door, now: Mono) -> Conn {
        let kind = match door {
            Door::Http(routes) => Kind::Http(Http::new(routes, now)),
            Door::Grpc(options) => {
                Kind::Http2(Box::new(Grpc { http2: Http2::new(options, now), jobs: HashMap::new() }))
            }
        };
        let (armed, write_deadline) = (Mono::NEVER, Mono::NEVER);
        Conn {
            slot,
            input: Vec::new(),
            at_end: false,
            paused: false,
            rests: false,
            held: 0,
            armed,
            write_deadline,
            kind,
        }
    }

    /// True while a request or command waits for another core: no further input is looked at.
    pub fn is_waiting(&self) -> bool {
        match &self.kind {
            Kind::Http(http) => http.pending.is_some(),
            Kind::WebSocket(_) => self.client_ref().is_some_and(|client| client.session.is_waiting()),
            Kind::Http2(grpc) => !grpc.http2.wants_input(),
            Kind::Ending(_) => false,
        }
    }

    /// When the connection acts by itself.
    pub fn deadline(&self) -> Mono {
        match &self.kind {
            Kind::Http(http) => http.deadline.min(self.write_deadline),
            Kind::WebSocket(ws) => {
                let session = match &ws.peer {
                    Peer::Client(client) => client.session.deadlines().next(),
                    Peer::Echo(_) => Mono::NEVER,
                };
                session.min(self.write_deadline).min(ws.message_deadline)
            }
            Kind::Http2(grpc) => grpc.http2.deadline().min(self.write_deadline),
            Kind::Ending(ending) => ending.deadline,
        }
    }

    /// The client, if it is one.
    pub fn client_ref(&self) -> Option<&Client> {
        let Kind::WebSocket(ws) = &self.kind else { return None };
        match &ws.peer {
            Peer::Client(client) => Some(client),
            Peer::Echo(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn client(&mut self) -> Option<&mut Client> {
        let Kind::WebSocket(ws) = &mut self.kind else { return None };
        match &mut ws.peer {
            Peer::Client(client) => Some(client),
            Peer::Echo(_) => None,
        }
    }
}

impl Http {
    fn new(routes: Arc<Routes>, now: Mono) -> Http {
        Http {
            routes,
            decoder: http1::Decoder::new(),
            deadline: now + Duration::from_millis(limits::HTTP_HEAD_TIMEOUT_MS),
            waits_for: WaitsFor::Head,
            pending: None,
        }
    }

    /// True when a head was read and its answer is not out yet.
    pub fn is_in_request(&self) -> bool {
        matches!(self.waits_for, WaitsFor::Body | WaitsFor::Answer)
    }

    /// More of a body came: the next has its time, unless it drips.
    pub fn has_body(&mut self, bytes: usize, now: Mono) {
        self.wait_for(WaitsFor::Body, now);
        self.deadline = body_deadline(self.deadline, bytes, now);
    }

    /// Sets the deadline for what is awaited now. It moves only when what is awaited changes, so that a drip of bytes gains
    /// nothing.
    pub fn wait_for(&mut self, what: WaitsFor, now: Mono) {
        if self.waits_for == what {
            return;
        }
        self.waits_for = what;
        self.deadline = match what {
            WaitsFor::Request => now + Duration::from_millis(limits::HTTP_IDLE_TIMEOUT_MS),
            WaitsFor::Head => now + Duration::from_millis(limits::HTTP_HEAD_TIMEOUT_MS),
            WaitsFor::Body => now + Duration::from_millis(limits::HTTP_BODY_TIMEOUT_MS),
            WaitsFor::Answer => Mono::NEVER,
        };
    }
}

/// Does something that only one connection owns; a panic there must not take the core along. `None`: it panicked.
pub fn contained<T>(decode: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decode)).ok()
}

/// The close frame for a disconnect; `None` when the connection is dropped without one: code 3000, or a reason that no
/// close frame can hold.
pub fn close_frame(disconnect: &Disconnect) -> Option<Vec<u8>> {
    if disconnect.code == 3000 {
        return None;
    }
    let mut frame = Vec::new();
    // The number is cut to 16 bits, as Centrifugo does.
    websocket::encode_close(disconnect.code as u16, &disconnect.reason, &mut frame).then_some(frame)
}
