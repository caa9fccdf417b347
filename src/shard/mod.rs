//! One core's heart: all its connections, its share of the channels, and what it owes other cores.
//!
//! Contract: one [`Shard::handle`], then [`Shard::poll_effect`] to the end, then [`Shard::flush`] in slices,
//! then [`Shard::next_deadline`]. No I/O, no clock, no threads: a core runs under a plain test and in a simulation.
//!
//! While a connection is being handled it is taken out of its place (`take`, `put`), so that what it does may touch any
//! other connection. Deliveries are marks in `hub`, not effects.

mod acts;
mod catch_up;
mod check;
mod ending;
mod event;
mod grpc;
mod http;
mod jobs;
pub mod message;
mod outside;
mod owner;
pub mod placement;
mod positions;
mod pressure;
mod publications;
mod sessions;
mod sole;
mod stop;
mod subscriptions;

#[cfg(test)]
mod panics_tests;

pub use event::{Effect, Event};
pub use message::Message;
pub use placement::Placement;

use crate::api::Answer;
use crate::api::figures::Figures;
use crate::api::info::Node;
use crate::auth::KeyCache;
use crate::channel::{Ranges, Store};
use crate::clock::{Mono, Now};
use crate::config::settings::Settings;
use crate::conn::{Conn, Door, Kind, Peer};
use crate::counters::Counters;
use crate::http2::Http2;
use crate::hub::output::Notice;
use crate::hub::{Output, Registry, Sink, Users};
use crate::id::{Core, Slot, Ticket};
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::overload::Overload;
use crate::protocol::code::Disconnect;
use crate::protocol::frame::{Block, Rendition};
use crate::protocol::framer::Framer;
use crate::session::Policy;
use crate::transport::admission::Gate;
use crate::wheel::Wheel;
use crate::wire::deflate::Inflater;
use crate::wire::handshake::Origins;
use crate::wire::websocket::Violation;
use hashbrown::HashMap;
use jobs::Jobs;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What all cores of the process share.
pub struct Shared {
    /// As loaded.
    pub settings: Settings,
    /// `client.allowed_origins`.
    pub origins: Origins,
    /// The node's limits for clients.
    pub gate: Gate,
    /// What the node says of itself.
    pub node: Node,
    /// The cells of all cores.
    pub counters: Vec<Arc<Counters>>,
    /// Renders `/metrics`.
    pub render_metrics: fn(&[Arc<Counters>]) -> String,
    /// Channel to core.
    pub placement: Placement,
    /// How far the memory of the cores has come, and what is given up for that.
    pub overload: Overload,
}

/// One core.
pub struct Shard {
    core: Core,
    shared: Arc<Shared>,
    policy: Arc<Policy>,
    /// The rules are not those of the start: channels may have history of former ones.
    has_reloaded: bool,
    counters: Arc<Counters>,
    now: Now,
    started: Mono,
    /// The `Date` field of this second.
    date: String,
    date_seconds: i64,
    random: StdRng,
    conns: Vec<Option<Box<Conn>>>,
    users: Users,
    output: Output,
    registry: Registry,
    store: Store,
    /// Recovered lists of the channels of this core.
    ranges: Ranges,
    wheel: Wheel<Slot>,
    due: Vec<Slot>,
    jobs: Jobs,
    /// For `info`.
    figures: Figures,
    /// Client publications that wait for the owner of their channel.
    publishing: HashMap<Ticket, Slot>,
    /// Questions of clients that wait for the owner of their channel.
    asking: HashMap<Ticket, Slot>,
    /// What clients wait for from the side thread.
    outside: outside::Asked,
    /// Fetched keys of tokens.
    keys: KeyCache,
    /// Subscribers that wait for an answer of their own from the owner of their channel.
    entering: HashMap<Ticket, (Slot, Arc<str>)>,
    /// What those with a position need.
    checks: positions::Checks,
    /// Questions for pages of clients that catch up.
    reading: HashMap<Ticket, Slot>,
    /// Questions of other cores, or of this one, that take several slices.
    errands: HashMap<Ticket, acts::Errand>,
    departures: acts::Departures,
    tickets: u64,
    effects: VecDeque<Effect>,
    pressure: pressure::Pressure,
    stopping: stop::Stopping,
    /// Clients that are still to be told that the process stops.
    farewells: stop::Farewells,
    /// Connections to close as soon as no connection is being handled.
    verdicts: Vec<(u32, Disconnect)>,
    scratch: Vec<u8>,
    json_scratch: Vec<u8>,
    /// Memory for the next body of an answer.
    body_scratch: Vec<u8>,
    framer: Framer,
    /// Made for the first compressed message.
    inflater: Option<Box<Inflater>>,
    /// Room for an inflated message.
    inflated: Vec<u8>,
    /// The ping of each rendition, with the identity under which it is queued.
    pings: [(u64, Block); Rendition::COUNT],
}

impl Shard {
    /// A core without connections. `seed` feeds its generator.
    pub fn new(core: Core, shared: Arc<Shared>, policy: Arc<Policy>, seed: u64, now: Now) -> Shard {
        let mut output = Output::new(shared.settings.client.queue_max_size);
        let mut random = StdRng::seed_from_u64(seed);
        let hash_seed = rand::Rng::random(&mut random);
        let figures = Figures::new(now.mono, shared.settings.node.info_metrics_aggregate_interval);
        let counters = shared.counters[core.index()].clone();
        let pressure = pressure::Pressure::new();
        let mut framer = sessions::framer(&shared.settings.websocket, &counters);
        let pings = sessions::ping_frames(&mut framer).map(|block| (output.frame_id(), block));
        Shard {
            core,
            counters,
            policy,
            has_reloaded: false,
            shared,
            now,
            started: now.mono,
            date: String::new(),
            date_seconds: i64::MIN,
            random,
            conns: Vec::new(),
            users: Users::default(),
            output,
            registry: Registry::new(hash_seed),
            store: Store::new(hash_seed),
            ranges: Ranges::default(),
            wheel: Wheel::new(),
            due: Vec::new(),
            jobs: Jobs::default(),
            figures,
            publishing: HashMap::new(),
            asking: HashMap::new(),
            outside: outside::Asked::default(),
            keys: KeyCache::default(),
            entering: HashMap::new(),
            checks: positions::Checks::default(),
            reading: HashMap::new(),
            errands: HashMap::new(),
            departures: acts::Departures::default(),
            tickets: 0,
            effects: VecDeque::new(),
            pressure,
            stopping: stop::Stopping::No,
            farewells: stop::Farewells::default(),
            verdicts: Vec::new(),
            scratch: Vec::new(),
            json_scratch: Vec::new(),
            body_scratch: Vec::new(),
            framer,
            inflater: None,
            inflated: Vec::new(),
            pings,
        }
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Now, event: Event<'_>) {
        self.pass_time(now);
        match event {
            Event::Opened { slot, door } => self.opened(slot, door),
            Event::Received { slot, bytes } => self.received(slot, bytes),
            Event::EndOfStream { slot } => self.end_of_stream(slot),
            Event::Broken { slot } => self.broken(slot),
            Event::Message(message) => self.message(message),
            Event::Tick => self.expire(),
        }
        self.settle();
    }

    /// Time has passed; nothing else has happened. Writes are timed by it.
    pub fn pass_time(&mut self, now: Now) {
        self.now = now;
        self.begin_event();
        self.output.set_time(now.mono);
    }

    /// The next thing to do outside.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Event::Tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        let tables = [self.wheel.next_deadline(), self.store.next_deadline(), self.ranges.next_deadline()];
        let work = [self.jobs.next_deadline(), self.checks.next_deadline(self.now.mono), self.output.next_deadline()];
        let usual = tables.into_iter().chain(work).flatten().chain([self.figures.next_deadline()]).min();
        match (self.next_farewell(), self.pressure.next_deadline()) {
            (None, None) => usual,
            (farewell, pressure) => [usual, farewell, pressure].into_iter().flatten().min(),
        }
    }

    /// Writes at most `slice` connections; true while more are to be written.
    pub fn flush(&mut self, slice: usize, sink: &mut impl Sink) -> bool {
        self.look_at_memory();
        self.output.flush(slice, sink, &self.counters);
        // What was drained may go on with its next request at once.
        self.settle();
        self.output.is_dirty()
    }

    /// The connection takes bytes again.
    pub fn writable(&mut self, slot: Slot, sink: &mut impl Sink) {
        self.output.writable(slot.index, sink, &self.counters);
        self.settle();
    }

    /// Connections of this core.
    pub fn connections(&self) -> usize {
        self.counters.connections.get() as usize
    }

    /// This core's cells.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn opened(&mut self, slot: Slot, door: Door) {
        let place = slot.index as usize;
        if place >= self.conns.len() {
            self.conns.resize_with(place + 1, || None);
        }
        debug_assert!(self.conns[place].is_none(), "the place is free");
        self.counters.connections_accepted.add(1);
        self.counters.connections.add(1);
        self.output.open(slot.index);
        self.counters.grpc_connections.add(u64::from(matches!(door, Door::Grpc(_))));
        let mut conn = Box::new(Conn::new(slot, door, self.now.mono));
        if self.stopping == stop::Stopping::Draining {
            self.with_http2(&mut conn, Http2::drain);
        }
        self.put(conn);
    }

    /// Takes a connection out of its place while it is handled. A stale slot finds nothing.
    fn take(&mut self, slot: Slot) -> Option<Box<Conn>> {
        let place = self.conns.get_mut(slot.index as usize)?;
        let is_stale = place.as_ref()?.slot != slot && !mutation::is(Mutation::LateAnswerIsTaken);
        if is_stale { None } else { place.take() }
    }

    /// Puts it back and sees to its deadline and its flow of input.
    fn put(&mut self, mut conn: Box<Conn>) {
        self.weigh(&mut conn);
        self.watch_message(&mut conn);
        let deadline = conn.deadline();
        let is_forgotten = mutation::is(Mutation::TimerIsForgotten) && conn.slot.index % 4 == 3;
        if deadline < conn.armed && !is_forgotten {
            self.wheel.arm(deadline, conn.slot);
            conn.armed = deadline;
        }
        let is_full = (conn.is_waiting() || self.is_clogged(&conn)) && conn.input.len() > limits::INPUT_BYTES_PAUSE;
        let is_full = is_full || conn.rests;
        if is_full != conn.paused {
            conn.paused = is_full;
            self.effects.push_back(if is_full { Effect::Pause(conn.slot) } else { Effect::Resume(conn.slot) });
        }
        let place = conn.slot.index as usize;
        self.conns[place] = Some(conn);
    }

    fn received(&mut self, slot: Slot, bytes: &mut [u8]) {
        self.counters.bytes_received.add(bytes.len() as u64);
        let Some(mut conn) = self.take(slot) else { return };
        if conn.input.is_empty() && !conn.is_waiting() {
            let Some(used) = self.consume(&mut conn, bytes) else { return self.drop_conn(conn) };
            // Exactly what is left: most connections never have any.
            conn.input = bytes[used..].to_vec();
        } else {
            conn.input.extend_from_slice(bytes);
            if !self.consume_input(&mut conn) {
                return self.drop_conn(conn);
            }
        }
        self.put(conn);
    }

    /// Goes on with what came before; false when the connection is over.
    fn consume_input(&mut self, conn: &mut Conn) -> bool {
        if conn.is_waiting() || conn.input.is_empty() {
            return true;
        }
        let mut input = std::mem::take(&mut conn.input);
        let Some(used) = self.consume(conn, &mut input) else { return false };
        if used < input.len() {
            input.drain(..used);
            conn.input = input;
        }
        true
    }

    /// Uses as much of `bytes` as it can and says how much; `None` when the connection is over at once.
    fn consume(&mut self, conn: &mut Conn, bytes: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() && !conn.is_waiting() {
            if self.is_clogged(conn) {
                self.output.notify_drained(conn.slot.index);
                break;
            }
            let used = match &conn.kind {
                Kind::Http(_) => self.http(conn, &bytes[at..])?,
                Kind::WebSocket(_) => self.websocket(conn, &mut bytes[at..])?,
                Kind::Http2(_) => self.http2(conn, &bytes[at..])?,
                Kind::Ending(_) => self.read_on(conn, &mut bytes[at..])?,
            };
            match used {
                0 => break,
                n => at += n,
            }
        }
        Some(at)
    }

    /// True when a peer sends requests, or messages that come back, and does not read the answers.
    fn is_clogged(&self, conn: &Conn) -> bool {
        let waiting = || self.output.waiting_bytes(conn.slot.index);
        let is_answered = match &conn.kind {
            Kind::Http(_) => true,
            Kind::WebSocket(ws) => matches!(ws.peer, Peer::Echo(_)),
            Kind::Http2(_) | Kind::Ending(_) => false,
        };
        is_answered && waiting() > limits::HTTP_OUTPUT_BYTES_PAUSE
    }

    fn end_of_stream(&mut self, slot: Slot) {
        let Some(mut conn) = self.take(slot) else { return };
        conn.at_end = true;
        // A client may close its side behind the request and still read the answer.
        if matches!(&conn.kind, Kind::Http(http) if http.pending.is_some()) {
            return self.put(conn);
        }
        // Answers may still be on their way out when the peer's side ends.
        match &conn.kind {
            Kind::Ending(ending) if ending.is_drained => self.drop_conn(conn),
            Kind::Http(_) | Kind::Ending(_) => {
                self.end_after_output(&mut conn);
                self.put(conn);
            }
            Kind::WebSocket(_) => self.drop_conn(conn),
            Kind::Http2(_) => {
                let now = self.now.mono;
                self.with_http2(&mut conn, |http2| http2.receive_end(now));
                self.put(conn);
            }
        }
    }

    fn broken(&mut self, slot: Slot) {
        if let Some(conn) = self.take(slot) {
            self.drop_conn(conn);
        }
    }

    /// The connection is over: everything that it held is given up.
    fn drop_conn(&mut self, mut conn: Box<Conn>) {
        self.end_session(&mut conn);
        self.unweigh(&conn);
        self.counters.grpc_connections.sub(u64::from(matches!(conn.kind, Kind::Http2(_))));
        self.output.close(conn.slot.index);
        self.counters.connections.sub(1);
        self.effects.push_back(Effect::Close(conn.slot));
        self.check_stop();
    }

    fn expire(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(self.now.mono, &mut due);
        for slot in due.drain(..) {
            let Some(mut conn) = self.take(slot) else { continue };
            conn.armed = Mono::NEVER;
            let is_over = conn.deadline() <= self.now.mono && !self.act(&mut conn);
            if is_over { self.drop_conn(conn) } else { self.put(conn) }
        }
        self.due = due;
        self.expire_channels();
        self.expire_checks();
        self.expire_jobs();
        self.tell_some();
        self.end_rests();
        self.figures.roll(self.now.mono, &self.shared.counters);
        self.counters.api.age(self.now.mono);
    }

    /// A message that was begun has to become whole in time.
    fn watch_message(&mut self, conn: &mut Conn) {
        let is_waiting = conn.is_waiting();
        let Kind::WebSocket(ws) = &mut conn.kind else { return };
        let is_begun = ws.decoder.is_open() || (!conn.input.is_empty() && !is_waiting);
        if is_begun != (ws.message_deadline != Mono::NEVER) {
            let deadline = self.now.mono + Duration::from_millis(limits::MESSAGE_TIMEOUT_MS);
            ws.message_deadline = if is_begun { deadline } else { Mono::NEVER };
        }
    }

    /// A deadline of the connection has come; false when the connection is over at once.
    fn act(&mut self, conn: &mut Conn) -> bool {
        match &conn.kind {
            Kind::Http(http) => {
                let is_late = http.deadline <= self.now.mono;
                self.write_timeout(conn);
                !is_late || self.http_timeout(conn)
            }
            Kind::WebSocket(ws) if ws.message_deadline <= self.now.mono => {
                self.counters.slow_messages.add(1);
                self.violated(conn, Violation { code: 1008, reason: "message took too long" });
                true
            }
            Kind::WebSocket(_) => {
                self.write_timeout(conn);
                self.session_timeout(conn)
            }
            Kind::Http2(_) => {
                let now = self.now.mono;
                self.write_timeout(conn);
                self.with_http2(conn, |http2| http2.expire(now));
                true
            }
            Kind::Ending(_) => false,
        }
    }

    /// What output has to say, and what was decided about other connections, until there is nothing more.
    fn settle(&mut self) {
        loop {
            self.carry_out_verdicts();
            self.tell_of_losses();
            match self.output.poll_notice() {
                Some(Notice::Slow(index)) => self.slow(index),
                Some(Notice::Blocked(index)) => self.blocked(index),
                Some(Notice::Stuck(index)) => self.stuck(index),
                Some(Notice::Drained(index)) => self.drained(index),
                None => return,
            }
        }
    }

    fn take_at(&mut self, index: u32) -> Option<Box<Conn>> {
        self.conns.get_mut(index as usize)?.take()
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn send(&mut self, core: Core, message: Message) {
        self.counters.mesh_sent.add(1);
        self.effects.push_back(Effect::Send(core, message));
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Listen { channel, from, feeds, serial } => {
                self.listen_owned(&channel, from, feeds);
                if feeds != 0 {
                    self.send(from, Message::Listening { channel, serial });
                }
            }
            Message::Listening { channel, serial } => self.listening(&channel, serial),
            Message::Publish { post, from, ticket } => {
                let position = self.publish_owned(*post);
                self.send(from, Message::Published { ticket, position });
            }
            Message::Published { ticket, position } => self.published(ticket, position),
            Message::Deliver { channel, frames } => self.deliver(&channel, &frames),
            Message::DeliverJoins { channel, frames } => self.deliver_joins(&channel, &frames),
            Message::Enter { channel, from, ticket, entry } => {
                let entered = Box::new(self.enter_owned(&channel, *entry));
                self.send(from, Message::Entered { ticket, entered });
            }
            Message::Entered { ticket, entered } => self.entered(ticket, *entered),
            Message::AskTop { channel, from, feeds } => {
                let top = self.top_owned(&channel, from, feeds);
                self.send(from, Message::Top { channel, top });
            }
            Message::Top { channel, top } => self.learn_top(&channel, top.as_ref()),
            Message::Renew { channel, member } => self.renew_owned(&channel, *member),
            Message::Arrive { channel, info } => self.announce_owned(&channel, *info, true),
            Message::Depart { channel, departure } => self.depart_owned(&channel, *departure),
            Message::AskOwner { channel, question, from, ticket } => {
                let answer = Answer::Found(Box::new(self.ask_owned(&channel, question)));
                self.send(from, Message::Answered { ticket, answer });
            }
            Message::ReadOn { channel, from, ticket, gap } => {
                let page = self.read_on_owned(&channel, &gap).map(Box::new);
                self.send(from, Message::Page { ticket, page });
            }
            Message::Page { ticket, page } => self.page_came(ticket, page.map(|page| *page)),
            Message::TurnPage(slot) => self.turn_page(slot),
            Message::Continue(ticket) => self.go_on_later(ticket),
            Message::Ask { question, from, ticket } => {
                self.counters.controls_received.add(1);
                if let Some(answer) = self.asked(question, acts::Asker { from, ticket }) {
                    self.send(from, Message::Answered { ticket, answer });
                }
            }
            Message::Answered { ticket, answer } => self.answered(ticket, answer),
            Message::Echo { from, ticket } => self.send(from, Message::Echoed(ticket)),
            Message::Echoed(ticket) => self.act_echoed(ticket),
            Message::Claim { user, client } => self.claimed(&user, client),
            Message::Displace { user, except } => self.displace(&user, except),
            Message::Outside { ticket, answer } => self.outside_answered(ticket, &answer),
            Message::Reload(_) if mutation::is(Mutation::ReloadIsMissed) && self.core.0 == 0 => {}
            Message::Reload(policy) => {
                self.policy = policy;
                self.has_reloaded = true;
            }
            Message::Stop => self.stop(),
            Message::Drain => self.drain(),
            Message::End(spread) => self.end(spread),
        }
    }
}
