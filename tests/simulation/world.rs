//! The mechanics around the cores: queues with little room, links with little room, a clock that jumps.

use crate::calls::{Call, Caller};
use crate::chaos::Chaos;
use crate::client::Client;
use crate::clocks::{Moment, START};
use crate::digest::Digest;
use crate::faults::{self, Fault};
use crate::model::Model;
use crate::probe::Probe;
use crate::realm;
use crate::reloads;
use corecast::clock::{Mono, Now};
use corecast::conn::Door;
use corecast::counters::Counters;
use corecast::hub::{Sent, Sink};
use corecast::id::{Core, Slot};
use corecast::limits;
use corecast::session::Policy;
use corecast::shard::{Effect, Event, Message, Placement, Shard, Shared};
use corecast::transport::admission::Gate;
use corecast::transport::{Routes, Scope};
use corecast::wire::handshake::Origins;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Messages that a core's queue holds here at most, so that it is full often.
const QUEUE_MAX: usize = 6;

/// What one event may lead to at most: an act on all connections of a user, with all that each of them leaves.
const EFFECTS_MAX: usize = 256;

/// A link that is never full.
pub const UNLIMITED: usize = usize::MAX / 2;

/// Where checkers look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eyes {
    /// At what clients, callers and metrics are told.
    #[cfg_attr(not(feature = "mutations"), expect(dead_code, reason = "mutations are looked for from there"))]
    Outside,
    /// At the cores' own tables too.
    Inside,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Client(usize),
    Caller(usize),
}

/// A connection: what the server wrote to it, and how much more it may write.
pub struct Link {
    pub who: Who,
    pub core: usize,
    slot: Slot,
    pub room: usize,
    bytes: Vec<u8>,
    is_watched: bool,
    is_shut: bool,
    /// There was more to write than it had room for, some time.
    pub was_full: bool,
    pub is_open: bool,
}

impl Link {
    /// More may come of the server.
    pub fn is_pending(&self) -> bool {
        self.is_open || !self.bytes.is_empty()
    }
}

/// One core with its queues.
pub struct Node {
    pub shard: Shard,
    /// With the core that has sent it.
    inbox: VecDeque<(usize, Message)>,
    /// What found a queue full, by target.
    spills: Vec<VecDeque<Message>>,
    /// Input of connections that was not taken yet.
    pub sockets: VecDeque<(Slot, Input)>,
    /// Steps for which the core stands still.
    pub stalled: usize,
    /// Its doorbell was lost: it looks into its inbox again at this time.
    pub deaf_until: Mono,
    owners: Vec<Option<usize>>,
    free: Vec<u32>,
    generations: Vec<u32>,
    /// When the core has looked at what was due, the first time for each time of the clock.
    pub ticks: Vec<Moment>,
}

pub enum Input {
    Open,
    Bytes(Vec<u8>),
    Gone,
}

pub struct World {
    pub nodes: Vec<Node>,
    pub shared: Arc<Shared>,
    pub links: Vec<Link>,
    pub clients: Vec<Client>,
    pub callers: Vec<Caller>,
    pub calls: Vec<Call>,
    pub probes: Vec<Probe>,
    pub model: Model,
    /// Channels of this world.
    pub channels: Vec<&'static str>,
    /// Connection tokens by user.
    pub tokens: BTreeMap<String, String>,
    pub random: StdRng,
    pub now: Now,
    door: Door,
    placement: Placement,
    /// Messages that a core's queue holds.
    queue: usize,
    /// How busy the cores are: whether they keep up with what happens.
    pub pace: usize,
    /// What goes wrong.
    pub chaos: Chaos,
    /// A message that is going to be swallowed.
    pub fault: Option<Fault>,
    /// Rules that hold for the world, or will as soon as all cores have taken them, and all sets of them.
    pub rules: usize,
    pub policies: [Arc<Policy>; 2],
    pub eyes: Eyes,
    /// What was done and said, in its order.
    pub digest: Digest,
}

struct Pipes<'a> {
    links: &'a mut [Link],
    owners: &'a [Option<usize>],
    random: &'a mut StdRng,
    writes_short: bool,
    sends: usize,
}

impl Sink for Pipes<'_> {
    fn send(&mut self, index: u32, bytes: &[u8]) -> Sent {
        self.sends += 1;
        let Some(link) = self.owners[index as usize] else { return Sent::Broken };
        let link = &mut self.links[link];
        if !link.is_open {
            return Sent::Broken;
        }
        let mut n = bytes.len().min(link.room);
        let is_patient = link.room > UNLIMITED / 2;
        if self.writes_short && n > 1 && !is_patient && self.random.random_range(0..4) == 0 {
            n = self.random.random_range(1..n);
        }
        link.room -= n;
        link.bytes.extend_from_slice(&bytes[..n]);
        link.was_full |= n < bytes.len();
        if n < bytes.len() { Sent::Full(n) } else { Sent::Bytes(n) }
    }

    fn watch(&mut self, index: u32) {
        if let Some(link) = self.owners[index as usize] {
            self.links[link].is_watched = true;
        }
    }
}

impl Node {
    fn is_quiet(&self) -> bool {
        self.inbox.is_empty() && !self.has_spilled() && self.sockets.is_empty()
    }

    fn has_spilled(&self) -> bool {
        self.spills.iter().any(|spill| !spill.is_empty())
    }
}

impl World {
    pub fn new(seed: u64, cores: usize, eyes: Eyes) -> World {
        let mut random = StdRng::seed_from_u64(seed);
        let mut settings = reloads::settings(0);
        // Not in all, for it takes much of the time.
        settings.websocket.compression = seed.is_multiple_of(4);
        let policies = reloads::policies();
        let placement = Placement::new(random.random(), cores);
        let shared = Arc::new(Shared {
            origins: Origins::new(&[]).expect("none"),
            gate: Gate::new(0, 0).with_user_limit(realm::USER_CONNECTIONS_MAX),
            node: Default::default(),
            counters: (0..cores).map(|_| Arc::new(Counters::default())).collect(),
            render_metrics: |_| String::new(),
            placement: placement.clone(),
            overload: corecast::overload::Overload::new(usize::MAX, cores),
            settings,
        });
        let mut channels = realm::CHANNELS.to_vec();
        let last = channels.len() - 1;
        channels.retain(|channel| *channel == realm::CHANNELS[last] || random.random_range(0..3) > 0);
        let now = Now { mono: Mono(0), wall: START };
        let door = Door::Http(Arc::new(Routes::new(&shared.settings, Scope::All)));
        let node = |core| Node {
            shard: Shard::new(Core(core), shared.clone(), policies[0].clone(), u64::from(core) + seed, now),
            inbox: VecDeque::new(),
            spills: (0..cores).map(|_| VecDeque::new()).collect(),
            sockets: VecDeque::new(),
            stalled: 0,
            deaf_until: Mono(0),
            owners: Vec::new(),
            free: Vec::new(),
            generations: Vec::new(),
            ticks: Vec::new(),
        };
        World {
            nodes: (0..cores as u16).map(node).collect(),
            shared: shared.clone(),
            links: Vec::new(),
            clients: Vec::new(),
            callers: Vec::new(),
            calls: Vec::new(),
            probes: Vec::new(),
            model: Model::default(),
            channels,
            tokens: BTreeMap::new(),
            queue: random.random_range(1..=QUEUE_MAX),
            pace: random.random_range(1..=4),
            fault: None,
            chaos: Chaos::new(&mut random),
            random,
            now,
            door,
            placement,
            rules: 0,
            policies,
            eyes,
            digest: Digest::default(),
        }
    }

    pub fn any(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    /// A new connection to a core.
    pub fn open(&mut self, who: Who, core: usize, room: usize) -> usize {
        let node = &mut self.nodes[core];
        let index = node.free.pop().unwrap_or_else(|| {
            node.owners.push(None);
            node.generations.push(0);
            node.owners.len() as u32 - 1
        });
        let slot = Slot { index, generation: node.generations[index as usize] };
        node.owners[index as usize] = Some(self.links.len());
        node.sockets.push_back((slot, Input::Open));
        let (bytes, is_watched, is_shut, was_full) = (Vec::new(), false, false, false);
        self.links.push(Link { who, core, slot, room, bytes, is_watched, is_shut, was_full, is_open: true });
        self.links.len() - 1
    }

    /// Sends bytes of a peer, in pieces of any size.
    pub fn send(&mut self, link: usize, bytes: Vec<u8>) {
        let (core, slot) = (self.links[link].core, self.links[link].slot);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let n = if self.any(3) == 0 { 1 + self.any(rest.len()) } else { rest.len() };
            self.nodes[core].sockets.push_back((slot, Input::Bytes(rest[..n].to_vec())));
            rest = &rest[n..];
        }
    }

    /// The peer is gone without a word.
    pub fn tear(&mut self, link: usize) {
        self.links[link].is_open = false;
        let (core, slot) = (self.links[link].core, self.links[link].slot);
        self.nodes[core].sockets.push_back((slot, Input::Gone));
    }

    pub fn pass_time(&mut self, delay: Duration) {
        self.now.mono = self.now.mono + delay;
        self.model.now.at = self.now.mono;
        self.now.wall = self.model.clocks.wall(self.model.now);
    }

    /// One turn of a core, as the driver makes it.
    pub fn turn(&mut self, core: usize) {
        if self.nodes[core].stalled > 0 {
            self.nodes[core].stalled -= 1;
            return;
        }
        let now = self.now;
        self.model.now.step += 1;
        for _ in 0..1 + self.any(4) {
            if self.nodes[core].has_spilled() {
                break;
            }
            let Some((slot, input)) = self.nodes[core].sockets.pop_front() else { break };
            self.input(core, slot, input);
        }
        for _ in 0..1 + self.any(4) {
            if self.nodes[core].deaf_until > now.mono {
                break;
            }
            let Some((_, message)) = self.nodes[core].inbox.pop_front() else { break };
            self.note_rules(core, &message);
            self.nodes[core].shard.handle(now, Event::Message(message));
            self.perform(core);
        }
        if self.nodes[core].shard.next_deadline().is_some_and(|at| at <= now.mono) {
            self.nodes[core].shard.handle(now, Event::Tick);
        }
        if self.nodes[core].ticks.last().is_none_or(|tick| tick.at < now.mono) {
            self.nodes[core].ticks.push(self.model.now);
        }
        self.perform(core);
        let slice = 1 + self.any(4);
        self.flush(core, slice);
        self.retry(core);
        self.read(core);
        if self.eyes == Eyes::Inside {
            self.nodes[core].shard.check_invariants();
        }
    }

    fn input(&mut self, core: usize, slot: Slot, input: Input) {
        let (now, door) = (self.now, self.door.clone());
        let node = &mut self.nodes[core];
        if node.generations[slot.index as usize] != slot.generation {
            return;
        }
        match input {
            Input::Open => node.shard.handle(now, Event::Opened { slot, door }),
            Input::Bytes(mut bytes) => {
                for piece in bytes.chunks_mut(limits::RECEIVE_BUFFER_BYTES) {
                    node.shard.handle(now, Event::Received { slot, bytes: piece });
                }
            }
            Input::Gone => node.shard.handle(now, Event::Broken { slot }),
        }
        self.perform(core);
    }

    fn flush(&mut self, core: usize, slice: usize) {
        let node = &mut self.nodes[core];
        let (random, writes_short) = (&mut self.random, self.chaos.writes_short);
        let mut pipes = Pipes { links: &mut self.links, owners: &node.owners, random, writes_short, sends: 0 };
        node.shard.flush(slice, &mut pipes);
        assert!(pipes.sends <= slice + 1, "a slice of {slice} connections has {} writes", pipes.sends);
        let is_ready = |link: &Link| link.core == core && link.is_watched && link.room > 0;
        let ready: Vec<usize> = (0..self.links.len()).filter(|at| is_ready(&self.links[*at])).collect();
        for at in ready {
            self.links[at].is_watched = false;
            let (node, slot) = (&mut self.nodes[core], self.links[at].slot);
            if node.owners[slot.index as usize] == Some(at) {
                let random = &mut self.random;
                let mut pipes = Pipes { links: &mut self.links, owners: &node.owners, random, writes_short, sends: 0 };
                node.shard.writable(slot, &mut pipes);
            }
        }
        self.perform(core);
    }

    fn perform(&mut self, core: usize) {
        let mut effects = 0;
        while let Some(effect) = self.nodes[core].shard.poll_effect() {
            effects += 1;
            assert!(effects <= EFFECTS_MAX, "an event has more than {EFFECTS_MAX} effects");
            match effect {
                Effect::Overload { .. } => self.note_level(),
                Effect::Send(to, message) => self.dispatch(core, to.index(), message),
                Effect::Close(slot) => {
                    let node = &mut self.nodes[core];
                    let owner = node.owners[slot.index as usize].take().expect("an open connection");
                    node.generations[slot.index as usize] += 1;
                    node.free.push(slot.index);
                    self.links[owner].is_open = false;
                }
                Effect::ShutdownWrite(slot) => {
                    if let Some(owner) = self.nodes[core].owners[slot.index as usize] {
                        self.links[owner].is_shut = true;
                    }
                }
                Effect::Outside(..) => panic!("no simulated token needs the outside"),
                Effect::Pause(_) | Effect::Resume(_) => {}
                Effect::StopListening | Effect::Quiet | Effect::Done => panic!("nobody stops a simulated core"),
            }
        }
    }

    /// Between two cores messages keep their order, as in the real mesh; between three they do not.
    fn dispatch(&mut self, from: usize, to: usize, message: Message) {
        self.digest.add(from, &[to as u8, faults::kind(&message).len() as u8]);
        if self.swallows(from, to, &message) {
            return;
        }
        if self.nodes[from].spills[to].is_empty() && self.nodes[to].inbox.len() < self.queue {
            self.deliver(from, to, message);
        } else {
            self.nodes[from].spills[to].push_back(message);
        }
    }

    fn retry(&mut self, core: usize) {
        for to in 0..self.nodes.len() {
            while self.nodes[to].inbox.len() < self.queue
                && let Some(message) = self.nodes[core].spills[to].pop_front()
            {
                self.deliver(core, to, message);
            }
        }
    }

    /// Into the inbox, perhaps ahead of messages of other cores.
    pub fn deliver(&mut self, from: usize, to: usize, message: Message) {
        let inbox = &mut self.nodes[to].inbox;
        let mut place = inbox.len();
        if self.chaos.reorders {
            let behind = inbox.iter().rposition(|(sender, _)| *sender == from).map_or(0, |last| last + 1);
            place = self.random.random_range(behind..=place);
        }
        inbox.insert(place, (from, message));
    }

    /// Peers read what was written to them.
    fn read(&mut self, core: usize) {
        for link in 0..self.links.len() {
            if self.links[link].core != core || self.links[link].bytes.is_empty() {
                continue;
            }
            let bytes = std::mem::take(&mut self.links[link].bytes);
            self.digest.add(link, &bytes);
            match self.links[link].who {
                Who::Client(at) => {
                    let was_open = self.clients[at].closed.is_none();
                    let answers = self.clients[at].receive(&bytes, &mut self.model);
                    if let Some(code) = self.clients[at].closed.filter(|_| was_open) {
                        self.check_end(at, code);
                    }
                    if !answers.is_empty() && self.links[link].is_open {
                        self.send(link, answers);
                    }
                }
                Who::Caller(at) => self.caller_reads(at, &bytes),
            }
        }
    }

    /// Nothing new happens; everything that is on its way arrives.
    pub fn come_to_rest(&mut self) {
        self.links.iter_mut().for_each(|link| link.room = UNLIMITED);
        self.nodes.iter_mut().for_each(|node| (node.stalled, node.deaf_until) = (0, Mono(0)));
        // Time does not pass, so who waits while nothing is on its way waits for ever.
        let mut idle = 0;
        while idle < 100 {
            self.close_what_was_shut();
            self.forget_refused_calls();
            (0..self.nodes.len()).for_each(|core| self.turn(core));
            let is_dirty = self.links.iter().any(|link| link.is_open && (link.is_watched || link.is_shut));
            let is_quiet = self.nodes.iter().all(Node::is_quiet) && !is_dirty;
            idle = if is_quiet { idle + 1 } else { 0 };
            if is_quiet && self.is_answered() {
                for _ in 0..2 {
                    (0..self.nodes.len()).for_each(|core| self.flush(core, UNLIMITED));
                }
                (0..self.nodes.len()).for_each(|core| self.read(core));
                if self.nodes.iter().any(|node| node.shard.has_waits()) {
                    self.pass_time(realm::WRITE_DELAY);
                } else if self.nodes.iter().all(Node::is_quiet) {
                    return;
                }
            }
        }
        self.report_unrest();
    }

    /// Nothing is on its way, and yet somebody waits.
    fn report_unrest(&self) -> ! {
        let is_late = |client: &&Client| self.is_alive(client) && !client.is_answered();
        let late: Vec<usize> = self.clients.iter().filter(is_late).map(|client| client.link).collect();
        let unanswered: Vec<&str> = self.calls.iter().filter(|call| !call.is_over()).map(|call| call.method).collect();
        panic!("the world does not come to rest: links without replies {late:?}, calls without answers {unanswered:?}");
    }

    /// A peer that reads the end of the stream closes its side.
    fn close_what_was_shut(&mut self) {
        for link in &mut self.links {
            if link.is_open && std::mem::take(&mut link.is_shut) {
                self.nodes[link.core].sockets.push_back((link.slot, Input::Gone));
            }
        }
    }

    /// Every command of an open client has its reply, every call that was not given up its answer.
    fn is_answered(&self) -> bool {
        let clients = self.clients.iter().filter(|client| self.is_alive(client));
        clients.into_iter().all(Client::is_answered) && self.calls.iter().all(Call::is_over)
    }

    /// When the core that owns the channel has looked at what was due.
    pub fn ticks_of_owner(&self, channel: &str) -> &[Moment] {
        &self.nodes[self.placement.owner(channel).index()].ticks
    }

    /// The core that owns the channel.
    pub fn owner(&self, channel: &str) -> usize {
        self.placement.owner(channel).index()
    }

    pub fn is_alive(&self, client: &Client) -> bool {
        self.links[client.link].is_open && client.closed.is_none()
    }
}
