//! HTTP/2 connections of the GRPC port, without I/O: h2's state machine is polled by hand over a pipe in memory. Calls
//! of the server API go out as events and come back as answers; health and reflection are answered here.
//!
//! Contract: [`Http2::receive`], [`Http2::answer`], [`Http2::expire`] and the like; then [`Http2::poll_event`] to the end
//! and [`Http2::take_output`], both again until neither has anything; then [`Http2::deadline`]. h2 works only inside
//! of those calls: what a runtime would do by waking a task is a bell here, and every event rings it.
//!
//! Bounds: a peer that sends and does not read fills [`limits::HTTP2_OUTPUT_BYTES_MAX`], then its bytes are not read
//! ([`Http2::wants_input`]), then it is silent for us and is cut. The rest of `limits::HTTP2_*` is told to h2, which
//! ends a connection with ENHANCE_YOUR_CALM when they are broken.
//!
//! Not here: the bytes of a message (`wire::grpc`), what a method does (`api`), sockets, TLS.

mod answer;
mod descriptors;
mod health;
mod pipe;
mod reflection;
mod request;
mod stream;

use crate::api::{ErrorMode, batch};
use crate::channel::Rules;
use crate::clock::Mono;
use crate::config::settings::GrpcApi;
use crate::limits;
use crate::proto::health::health_check_response::ServingStatus;
use crate::transport::api::{Work, batch_work};
use crate::wire::grpc::Code;
use bytes::Bytes;
use h2::server::{Connection, Handshake, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::{Request, StatusCode};
use pipe::{Bell, Pipe};
use request::{Refused, Service};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stream::{Step, Stream};

pub use answer::{Answer, Form, Status, status_of_error};
pub use request::Target;

/// What an operator chose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Empty: no key is asked for.
    pub key: String,
    /// How errors of the API travel unless a request asks for transport mode.
    pub error_mode: ErrorMode,
    /// Reflection is answered.
    pub reflection: bool,
    /// Bytes of one message, inflated.
    pub message_bytes_max: usize,
}

impl Options {
    /// What the configuration says.
    pub fn new(settings: &GrpcApi) -> Options {
        let bytes = settings.max_receive_message_size;
        Options {
            key: settings.key.clone(),
            error_mode: if settings.error_mode == "transport" { ErrorMode::Transport } else { ErrorMode::Body },
            reflection: settings.reflection,
            message_bytes_max: if bytes == 0 { limits::GRPC_MESSAGE_BYTES } else { bytes },
        }
    }
}

/// A stream of one connection; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamKey(pub u32);

/// What the owner of a connection hears.
pub enum Event {
    /// A call passed the checks; [`Http2::answer`] is awaited.
    Call {
        /// Where the answer belongs.
        stream: StreamKey,
        /// What is asked.
        call: Call,
    },
    /// Nobody waits for this answer any more.
    Cancelled {
        /// The stream of the call.
        stream: StreamKey,
    },
}

/// A call that passed the checks; its message is not decoded yet.
pub struct Call {
    /// What is called.
    pub target: Target,
    /// The encoded request.
    pub message: Bytes,
    /// How errors travel.
    pub mode: ErrorMode,
}

impl Call {
    /// What is to be done, and how its outcomes become an answer.
    ///
    /// # Errors
    /// The answer to a message that is none.
    pub fn decode(self, rules: &Rules) -> Result<(Work, Form), Answer> {
        let undecodable = |_| Answer::Status(Status::undecodable());
        Ok(match self.target {
            Target::Method(method) => {
                let plan = (method.plan_message)(&self.message, rules).map_err(undecodable)?;
                (Work::One(method, plan), Form::Method(method, self.mode))
            }
            Target::Batch => {
                let batch = batch::decode_message(&self.message).map_err(undecodable)?;
                (batch_work(batch, rules), Form::Batch)
            }
        })
    }
}

/// One connection.
pub struct Http2 {
    options: Arc<Options>,
    link: Link,
    pipe: Pipe,
    /// Rings when h2's connection has something to do.
    connection_bell: Bell,
    /// Rings when one of its streams has.
    streams_bell: Bell,
    /// Boxed: they come and go at both ends of the map's nodes, which would move all between.
    streams: BTreeMap<StreamKey, Box<Stream>>,
    events: VecDeque<Event>,
    now: Mono,
    /// The preface, a sign of life or the answer to a ping is due.
    life_deadline: Mono,
    is_pinged: bool,
    pings: Option<PingPong>,
    /// Not later than the earliest deadline of a stream.
    streams_deadline: Mono,
    /// Calls that the peer gave up, less those that were answered.
    cancels: u32,
    is_stopping: bool,
    /// The node is not ready: it will stop.
    is_draining: bool,
    has_panicked: bool,
    /// The peer broke HTTP/2 or its bounds.
    is_at_fault: bool,
}

/// How far the connection is.
enum Link {
    /// The preface is awaited.
    Opening(Box<Handshake<Pipe, Bytes>>),
    Open(Box<Connection<Pipe, Bytes>>),
    /// Nothing is read or made any more; what was made still goes out.
    Closed,
}

impl Http2 {
    /// A connection that was just accepted.
    pub fn new(options: Arc<Options>, now: Mono) -> Http2 {
        let pipe = Pipe::default();
        Http2 {
            options,
            link: Link::Opening(Box::new(settings().handshake(pipe.clone()))),
            pipe,
            connection_bell: Bell::new(),
            streams_bell: Bell::new(),
            streams: BTreeMap::new(),
            events: VecDeque::new(),
            now,
            life_deadline: now + Duration::from_millis(limits::HTTP2_PREFACE_TIMEOUT_MS),
            is_pinged: false,
            pings: None,
            streams_deadline: Mono::NEVER,
            cancels: 0,
            is_stopping: false,
            is_draining: false,
            has_panicked: false,
            is_at_fault: false,
        }
    }

    /// Bytes came from the peer.
    pub fn receive(&mut self, bytes: &[u8], now: Mono) {
        self.now = now;
        if self.is_done() {
            return;
        }
        if matches!(self.link, Link::Open(_)) {
            self.is_alive();
        }
        self.pipe.feed(bytes);
        self.connection_bell.ring();
        self.drive();
    }

    /// The peer will send nothing more: for HTTP/2 that is the end of the connection.
    pub fn receive_end(&mut self, now: Mono) {
        self.now = now;
        self.pipe.end();
        self.connection_bell.ring();
        self.drive();
    }

    /// False while so much input waits that the socket should not be read.
    pub fn wants_input(&self) -> bool {
        !self.is_done() && self.pipe.unread() < limits::INPUT_BYTES_PAUSE
    }

    /// Bytes of requests that are not whole or not read.
    pub fn held_bytes(&self) -> usize {
        self.pipe.unread() + self.streams.values().map(|stream| stream.held_bytes()).sum::<usize>()
    }

    /// What happened, in its order.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.drive();
        }
        self.events.pop_front()
    }

    /// The answer to a call; nothing happens when nobody waits for it any more.
    pub fn answer(&mut self, stream: StreamKey, answer: Answer, now: Mono) {
        self.now = now;
        if self.streams.get(&stream).is_some_and(|stream| stream.is_waiting()) {
            self.cancels = self.cancels.saturating_sub(1);
            self.contained(|this| this.finish(stream, answer));
        }
    }

    /// Bytes for the socket, possibly none.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.drive();
        let (output, was_stalled) = self.pipe.take();
        if was_stalled {
            self.connection_bell.ring();
        }
        output
    }

    /// The socket's outbox is full, or has room again.
    pub fn set_blocked(&mut self, is_blocked: bool, now: Mono) {
        self.now = now;
        if self.pipe.set_blocked(is_blocked) {
            self.connection_bell.ring();
            self.drive();
        }
    }

    /// The server will stop: calls go on, and who asks for its health hears that it does not serve.
    pub fn drain(&mut self) {
        self.is_draining = true;
        self.contained(|this| {
            let watches =
                this.streams.values_mut().filter(|s| s.is_talking() && matches!(s.service, Service::HealthWatch));
            watches.for_each(|watch| watch.say(&health::message(ServingStatus::NotServing)));
            this.connection_bell.ring();
        });
        self.drive();
    }

    /// The server stops: what is in flight is answered, the peer is told to go elsewhere with the next call.
    pub fn shutdown(&mut self, now: Mono) {
        self.now = now;
        if std::mem::replace(&mut self.is_stopping, true) {
            return;
        }
        self.contained(|this| match &mut this.link {
            Link::Opening(_) => this.close(),
            Link::Open(connection) => {
                connection.graceful_shutdown();
                this.connection_bell.ring();
                this.end_talks();
            }
            Link::Closed => {}
        });
        self.drive();
    }

    /// Time has passed: deadlines of calls, pings, a peer that is gone.
    pub fn expire(&mut self, now: Mono) {
        self.now = now;
        if self.streams_deadline <= now {
            self.contained(Http2::expire_streams);
        }
        if self.life_deadline <= now {
            self.contained(Http2::expire_life);
        }
        self.drive();
    }

    /// When [`Http2::expire`] is to be called; sometimes too early.
    pub fn deadline(&self) -> Mono {
        if self.is_done() { Mono::NEVER } else { self.life_deadline.min(self.streams_deadline) }
    }

    /// True when the connection is over: what [`Http2::take_output`] still gives is its last.
    pub fn is_done(&self) -> bool {
        matches!(self.link, Link::Closed)
    }

    /// Calls whose answer is awaited.
    pub fn in_flight(&self) -> usize {
        self.streams.values().filter(|stream| stream.is_waiting()).count()
    }

    /// The peer's fault ended the connection: it broke HTTP/2, or a bound.
    pub fn is_at_fault(&self) -> bool {
        self.is_at_fault
    }

    /// A fault in h2 or here ended the connection; it is over and no other is touched.
    pub fn has_panicked(&self) -> bool {
        self.has_panicked
    }

    /// Polls what has rung until all is quiet.
    fn drive(&mut self) {
        self.contained(|this| {
            while !this.is_done() {
                if this.connection_bell.answer() {
                    this.poll_link();
                } else if this.streams_bell.answer() {
                    let keys: Vec<StreamKey> = this.streams.keys().copied().collect();
                    keys.into_iter().for_each(|key| this.step(key));
                } else {
                    return;
                }
            }
        });
    }

    fn poll_link(&mut self) {
        let waker = self.connection_bell.waker();
        let cx = &mut Context::from_waker(&waker);
        loop {
            match &mut self.link {
                Link::Opening(handshake) => match Pin::new(&mut **handshake).poll(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(connection)) => self.open(connection),
                    Poll::Ready(Err(_)) => {
                        self.is_at_fault = true;
                        self.close();
                    }
                },
                Link::Open(connection) => match connection.poll_accept(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                    // An error was told to the peer by h2.
                    Poll::Ready(end) => {
                        self.is_at_fault |= matches!(end, Some(Err(e)) if !e.is_io());
                        self.close();
                    }
                },
                Link::Closed => return,
            }
        }
    }

    fn open(&mut self, mut connection: Connection<Pipe, Bytes>) {
        self.pings = connection.ping_pong();
        self.link = Link::Open(Box::new(connection));
        self.is_alive();
    }

    /// The peer shows that it lives.
    fn is_alive(&mut self) {
        self.is_pinged = false;
        self.life_deadline = self.now + Duration::from_millis(limits::HTTP2_SILENCE_MS);
    }

    /// A header block came.
    fn begin(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let key = StreamKey(respond.stream_id().as_u32());
        let (head, body) = request.into_parts();
        match request::judge(&head, &self.options) {
            Err(Refused { http: StatusCode::OK, status }) => {
                // A call may go on for ever; it is told at once. Errors mean that the peer is gone.
                _ = respond.send_response(answer::refusal(StatusCode::OK, &status), true);
            }
            Err(Refused { http, status }) => {
                let stream = Stream::refused(http, status, respond, body, self.now);
                self.hold(key, stream);
            }
            Ok(admitted) => {
                let bytes_max = match admitted.service {
                    Service::Api(..) => self.options.message_bytes_max,
                    _ => limits::GRPC_OPEN_MESSAGE_BYTES_MAX,
                };
                let stream = Stream::new(admitted, respond, body, bytes_max, self.now);
                self.hold(key, stream);
            }
        }
    }

    fn hold(&mut self, key: StreamKey, stream: Stream) {
        self.streams_deadline = self.streams_deadline.min(stream.deadline());
        self.streams.insert(key, Box::new(stream));
        self.step(key);
    }

    /// Looks at a stream.
    fn step(&mut self, key: StreamKey) {
        let waker = self.streams_bell.waker();
        let Some(stream) = self.streams.get_mut(&key) else { return };
        match stream.poll(&mut Context::from_waker(&waker), self.now) {
            Step::Nothing => {}
            Step::Message(message) => self.ask(key, message),
            Step::Gone => self.gone(key),
            Step::Ends(status) => self.finish(key, Answer::Status(status)),
        }
    }

    /// The request of a stream is whole.
    fn ask(&mut self, key: StreamKey, message: Bytes) {
        let Some(stream) = self.streams.get_mut(&key) else { return };
        match stream.service {
            Service::Api(target, mode) => {
                self.events.push_back(Event::Call { stream: key, call: Call { target, message, mode } });
            }
            Service::HealthCheck => self.finish(key, health::check(message, self.is_stopping || self.is_draining)),
            Service::HealthWatch => match health::state(message, self.is_stopping || self.is_draining) {
                Err(status) => self.finish(key, Answer::Status(status)),
                Ok(state) => {
                    stream.talk();
                    stream.say(&health::message(state));
                    self.streams_bell.ring();
                    if self.is_stopping {
                        self.finish(key, Answer::Status(stopping()));
                    }
                }
            },
            // Its questions are answered one by one in the stream.
            Service::Reflection => {}
            // It is no call, so nothing of it is a message.
            Service::Refused(_) => {}
        }
    }

    /// The peer reset a stream.
    fn gone(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.remove(&key) else { return };
        if stream.is_waiting() {
            self.events.push_back(Event::Cancelled { stream: key });
        }
        // Those who talk end that way.
        self.cancels += u32::from(!stream.is_talking());
        if let (limits::HTTP2_CANCELS_MAX.., Link::Open(connection)) = (self.cancels, &mut self.link) {
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            self.is_at_fault = true;
            self.connection_bell.ring();
        }
    }

    fn finish(&mut self, key: StreamKey, answer: Answer) {
        if let Some(stream) = self.streams.remove(&key) {
            stream.finish(answer);
            self.connection_bell.ring();
        }
    }

    /// Streams without an end of their own would keep the connection open.
    fn end_talks(&mut self) {
        let talking = self.streams.iter().filter(|(_, stream)| stream.is_talking());
        let keys: Vec<StreamKey> = talking.map(|(key, _)| *key).collect();
        for key in keys {
            let stream = self.streams.get_mut(&key);
            let has_heard = self.is_draining;
            if let Some(watch) = stream.filter(|stream| !has_heard && matches!(stream.service, Service::HealthWatch)) {
                watch.say(&health::message(ServingStatus::NotServing));
            }
            self.finish(key, Answer::Status(stopping()));
        }
    }

    fn expire_streams(&mut self) {
        let now = self.now;
        let due = self.streams.iter().filter(|(_, stream)| stream.deadline() <= now);
        let keys: Vec<StreamKey> = due.map(|(key, _)| *key).collect();
        for key in keys {
            if self.streams.get(&key).is_some_and(|stream| stream.is_waiting()) {
                self.events.push_back(Event::Cancelled { stream: key });
            }
            self.finish(key, Answer::Status(Status::new(Code::DeadlineExceeded, "deadline exceeded")));
        }
        self.streams_deadline = self.streams.values().map(|stream| stream.deadline()).min().unwrap_or(Mono::NEVER);
    }

    /// A silent peer is asked whether it is there; one that does not answer is not.
    fn expire_life(&mut self) {
        let Some(pings) = self.pings.as_mut().filter(|_| !self.is_pinged) else { return self.close() };
        let waker = self.connection_bell.waker();
        // The answer to the ping before was a sign of life like any other: only its place is freed.
        _ = pings.poll_pong(&mut Context::from_waker(&waker));
        // An error means that one is still under way, which will do.
        _ = pings.send_ping(Ping::opaque());
        self.connection_bell.ring();
        self.is_pinged = true;
        self.life_deadline = self.now + Duration::from_millis(limits::HTTP2_PING_TIMEOUT_MS);
    }

    /// The connection is over. Taking h2 down after a panic makes it panic over its own poisoned lock: that is caught.
    fn close(&mut self) {
        let waiting = self.streams.iter().filter(|(_, stream)| stream.is_waiting()).map(|(key, _)| *key);
        self.events.extend(waiting.map(|stream| Event::Cancelled { stream }));
        let link = std::mem::replace(&mut self.link, Link::Closed);
        let parts = (link, std::mem::take(&mut self.streams), self.pings.take());
        _ = catch_unwind(AssertUnwindSafe(|| drop(parts)));
    }

    /// Runs what meets the peer's bytes. A panic there ends this connection only.
    fn contained(&mut self, work: impl FnOnce(&mut Http2)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.has_panicked = true;
            self.close();
        }
    }
}

/// Why a stream without an end of its own ends.
fn stopping() -> Status {
    Status::new(Code::Unavailable, "the server is stopping")
}

/// The bounds, in h2's words.
fn settings() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(limits::HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::HTTP2_WINDOW_BYTES)
        .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
        .max_header_list_size(limits::HTTP2_HEAD_BYTES_MAX)
        .max_pending_accept_reset_streams(limits::HTTP2_RESETS_UNSEEN_MAX)
        .max_local_error_reset_streams(Some(limits::HTTP2_ERRORS_MAX))
        .max_send_buffer_size(limits::HTTP2_STREAM_BUFFER_BYTES);
    builder
}

#[cfg(test)]
mod peer;

#[cfg(test)]
mod calls_tests;

#[cfg(test)]
mod limits_tests;

#[cfg(test)]
mod services_tests;
