//! The world around the cores: queues with little room, pipes with little room, a clock that jumps.

use crate::client::{Client, ws};
use corecast::clock::{Mono, Now, UnixMillis};
use corecast::config::settings::{Namespace, Settings};
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
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Messages that a queue between two cores holds here, so that it is full often.
const QUEUE: usize = 6;
const CHANNELS: usize = 4;
/// Bytes that may wait for one client.
const OUTBOX: usize = 4000;

/// What the server wrote to one connection, and how much more it may write.
#[derive(Default, Clone)]
pub struct Pipe {
    pub room: usize,
    pub bytes: Vec<u8>,
    pub is_watched: bool,
    pub is_shut: bool,
}

/// One core with its queues.
struct Node {
    shard: Shard,
    inbox: VecDeque<Message>,
    spill: VecDeque<(usize, Message)>,
    /// Input of connections that was not taken yet: (slot, bytes or end).
    sockets: VecDeque<(Slot, Input)>,
    /// Steps for which the core stands still.
    stalled: usize,
    owners: Vec<Option<usize>>,
    free: Vec<u32>,
    generations: Vec<u32>,
}

enum Input {
    Open,
    Bytes(Vec<u8>),
    Gone,
}

pub struct World {
    nodes: Vec<Node>,
    pub clients: Vec<Client>,
    slots: Vec<Slot>,
    random: StdRng,
    now: Now,
    door: Door,
    numbers: u64,
    /// Publications by channel, in the order in which they were begun.
    pub published: BTreeMap<String, Vec<(u64, u64)>>,
    /// Publications whose publisher was told of their success.
    pub answered: BTreeSet<(u64, u64)>,
    trace: Vec<u64>,
}

struct Pipes<'a> {
    clients: &'a mut [Client],
    owners: &'a [Option<usize>],
}

impl Sink for Pipes<'_> {
    fn send(&mut self, index: u32, bytes: &[u8]) -> Sent {
        let Some(client) = self.owners[index as usize] else { return Sent::Broken };
        let client = &mut self.clients[client];
        if !client.is_open {
            return Sent::Broken;
        }
        let n = bytes.len().min(client.pipe.room);
        client.pipe.room -= n;
        client.pipe.bytes.extend_from_slice(&bytes[..n]);
        if n < bytes.len() { Sent::Full(n) } else { Sent::Bytes(n) }
    }

    fn watch(&mut self, index: u32) {
        if let Some(client) = self.owners[index as usize] {
            self.clients[client].pipe.is_watched = true;
        }
    }
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.client.allow_anonymous_connect_without_token = true;
    settings.client.queue_max_size = OUTBOX;
    // A core that stands still for long is part of the world; its clients must not be blamed for it.
    settings.client.pong_timeout = None;
    settings.http_api.key = "k".into();
    settings.channel.without_namespace = Namespace {
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_client: true,
        allow_publish_for_anonymous: true,
        ..Namespace::default()
    };
    settings
}

impl World {
    /// The first client sees everything.
    pub const WITNESS: usize = 0;

    pub fn new(seed: u64, cores: usize) -> World {
        let mut random = StdRng::seed_from_u64(seed);
        let settings = settings();
        let policy = Arc::new(Policy::new(&settings).expect("good settings"));
        let shared = Arc::new(Shared {
            origins: Origins::new(&[]).expect("none"),
            gate: Gate::new(0, 0),
            node: Default::default(),
            counters: (0..cores).map(|_| Arc::new(Counters::default())).collect(),
            render_metrics: |_| String::new(),
            placement: Placement::new(random.random(), cores),
            settings,
        });
        let now = Now { mono: Mono(0), wall: UnixMillis(1_790_000_000_000) };
        let door = Door::Http(Arc::new(Routes::new(&shared.settings, Scope::All)));
        let node = |core| Node {
            shard: Shard::new(Core(core), shared.clone(), policy.clone(), u64::from(core) + seed, now),
            inbox: VecDeque::new(),
            spill: VecDeque::new(),
            sockets: VecDeque::new(),
            stalled: 0,
            owners: Vec::new(),
            free: Vec::new(),
            generations: Vec::new(),
        };
        let mut world = World {
            nodes: (0..cores as u16).map(node).collect(),
            clients: Vec::new(),
            slots: Vec::new(),
            random,
            now,
            door,
            numbers: 0,
            published: BTreeMap::new(),
            answered: BTreeSet::new(),
            trace: Vec::new(),
        };
        world.call_the_witness();
        world
    }

    /// Subscribes the witness to every channel and waits until it is.
    fn call_the_witness(&mut self) {
        self.open_client();
        self.clients[World::WITNESS].pipe.room = usize::MAX / 2;
        for channel in 0..CHANNELS {
            let bytes = self.clients[World::WITNESS].subscribe(&format!("c{channel}"));
            self.send(World::WITNESS, bytes);
        }
        self.come_to_rest();
        assert_eq!(self.clients[World::WITNESS].stretches.len(), CHANNELS);
    }

    /// What happened, for comparing two runs.
    pub fn trace(&self) -> Vec<u64> {
        self.trace.clone()
    }

    fn any(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    fn channel(&mut self) -> String {
        format!("c{}", self.any(CHANNELS))
    }

    /// Lets one thing happen.
    pub fn step(&mut self) {
        let action = self.any(100);
        self.trace.push(action as u64);
        match action {
            0..4 => self.open_client(),
            4..14 => self.client_command(),
            14..30 => self.publish(),
            30..32 => self.tear(),
            32..36 => self.stall(),
            36..50 => self.give_room(),
            50..53 => self.pass_time(),
            _ => {
                let core = self.any(self.nodes.len());
                self.turn(core);
            }
        }
    }

    fn open_client(&mut self) {
        if self.clients.len() >= 24 {
            return;
        }
        let (core, room) = (self.any(self.nodes.len()), if self.any(4) == 0 { 600 } else { 1 << 20 });
        // The witness speaks JSON; of the others about half do.
        let protobuf = !self.clients.is_empty() && self.any(2) == 0;
        let mut client = Client::new(core, protobuf, Pipe { room, ..Pipe::default() });
        let mut bytes = ws::upgrade(if protobuf { "?cf_protocol=protobuf" } else { "" }, "");
        bytes.extend(client.connect());
        let node = &mut self.nodes[core];
        let index = node.free.pop().unwrap_or_else(|| {
            node.owners.push(None);
            node.generations.push(0);
            node.owners.len() as u32 - 1
        });
        let slot = Slot { index, generation: node.generations[index as usize] };
        node.owners[index as usize] = Some(self.clients.len());
        node.sockets.push_back((slot, Input::Open));
        node.sockets.push_back((slot, Input::Bytes(bytes)));
        self.clients.push(client);
        self.slots.push(slot);
    }

    /// Sends bytes of a client, in pieces of any size.
    fn send(&mut self, client: usize, bytes: Vec<u8>) {
        let (core, slot) = (self.clients[client].core, self.slots[client]);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let n = if self.any(3) == 0 { 1 + self.any(rest.len()) } else { rest.len() };
            self.nodes[core].sockets.push_back((slot, Input::Bytes(rest[..n].to_vec())));
            rest = &rest[n..];
        }
    }

    fn open_clients(&self) -> Vec<usize> {
        (0..self.clients.len()).filter(|at| self.clients[*at].is_open && self.clients[*at].closed.is_none()).collect()
    }

    /// Any client but the witness.
    fn some_client(&mut self) -> Option<usize> {
        let open: Vec<usize> = self.open_clients().into_iter().filter(|at| *at != World::WITNESS).collect();
        (!open.is_empty()).then(|| open[self.random.random_range(0..open.len())])
    }

    fn client_command(&mut self) {
        let Some(at) = self.some_client() else { return };
        let channel = self.channel();
        let client = &mut self.clients[at];
        if !client.is_answered() {
            return; // One change of subscriptions at a time keeps the model simple.
        }
        let bytes = if client.wants(&channel) { client.unsubscribe(&channel) } else { client.subscribe(&channel) };
        self.send(at, bytes);
    }

    fn publish(&mut self) {
        let Some(at) = self.some_client() else { return };
        let channel = self.channel();
        for _ in 0..1 + self.any(4) {
            self.numbers += 1;
            let item = (at as u64, self.numbers);
            self.published.entry(channel.clone()).or_default().push(item);
            let bytes = self.clients[at].publish(&channel, item.0, item.1);
            self.send(at, bytes);
        }
    }

    fn tear(&mut self) {
        let Some(at) = self.some_client() else { return };
        self.clients[at].is_open = false;
        let (core, slot) = (self.clients[at].core, self.slots[at]);
        self.nodes[core].sockets.push_back((slot, Input::Gone));
    }

    fn stall(&mut self) {
        let (core, steps) = (self.any(self.nodes.len()), self.any(40));
        self.nodes[core].stalled = steps;
    }

    fn give_room(&mut self) {
        let Some(at) = self.some_client() else { return };
        self.clients[at].pipe.room += 1 + self.any(2000);
    }

    fn pass_time(&mut self) {
        let delay = Duration::from_millis(self.any(3000) as u64);
        self.now.mono = self.now.mono + delay;
        self.now.wall.0 += delay.as_millis() as u64;
    }

    /// One turn of a core, as the driver makes it.
    fn turn(&mut self, core: usize) {
        if self.nodes[core].stalled > 0 {
            self.nodes[core].stalled -= 1;
            return;
        }
        let now = self.now;
        for _ in 0..1 + self.any(4) {
            if !self.nodes[core].spill.is_empty() {
                break;
            }
            let Some((slot, input)) = self.nodes[core].sockets.pop_front() else { break };
            self.input(core, slot, input);
        }
        for _ in 0..1 + self.any(4) {
            let Some(message) = self.nodes[core].inbox.pop_front() else { break };
            self.nodes[core].shard.handle(now, Event::Message(message));
            self.perform(core);
        }
        if self.nodes[core].shard.next_deadline().is_some_and(|at| at <= now.mono) {
            self.nodes[core].shard.handle(now, Event::Tick);
        }
        self.perform(core);
        let slice = 1 + self.any(4);
        self.flush(core, slice);
        self.retry(core);
        self.read_pipes(core);
        self.nodes[core].shard.check_invariants();
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
        let mut pipes = Pipes { clients: &mut self.clients, owners: &node.owners };
        node.shard.flush(slice, &mut pipes);
        let writable = |at: &usize| self.clients[*at].pipe.is_watched && self.clients[*at].pipe.room > 0;
        let ready: Vec<usize> =
            (0..self.clients.len()).filter(|at| self.clients[*at].core == core).filter(writable).collect();
        for at in ready {
            self.clients[at].pipe.is_watched = false;
            let node = &mut self.nodes[core];
            if node.owners[self.slots[at].index as usize] == Some(at) {
                let mut pipes = Pipes { clients: &mut self.clients, owners: &node.owners };
                node.shard.writable(self.slots[at], &mut pipes);
            }
        }
        self.perform(core);
    }

    fn perform(&mut self, core: usize) {
        while let Some(effect) = self.nodes[core].shard.poll_effect() {
            match effect {
                Effect::Send(to, message) => self.dispatch(core, to.index(), message),
                Effect::Close(slot) => {
                    let node = &mut self.nodes[core];
                    let owner = node.owners[slot.index as usize].take().expect("an open connection");
                    node.generations[slot.index as usize] += 1;
                    node.free.push(slot.index);
                    self.clients[owner].is_open = false;
                }
                Effect::ShutdownWrite(slot) => {
                    if let Some(owner) = self.nodes[core].owners[slot.index as usize] {
                        self.clients[owner].pipe.is_shut = true;
                    }
                }
                Effect::Outside(..) => panic!("no simulated token needs the outside"),
                Effect::Pause(_) | Effect::Resume(_) => {}
                Effect::StopListening | Effect::Quiet | Effect::Done => panic!("nobody stops a simulated core"),
            }
        }
    }

    fn dispatch(&mut self, from: usize, to: usize, message: Message) {
        assert_ne!(from, to, "a core does not write to itself");
        if self.nodes[from].spill.is_empty() && self.nodes[to].inbox.len() < QUEUE {
            self.nodes[to].inbox.push_back(message);
        } else {
            self.nodes[from].spill.push_back((to, message));
        }
    }

    fn retry(&mut self, core: usize) {
        while let Some((to, _)) = self.nodes[core].spill.front() {
            if self.nodes[*to].inbox.len() >= QUEUE {
                return;
            }
            if let Some((to, message)) = self.nodes[core].spill.pop_front() {
                self.nodes[to].inbox.push_back(message);
            }
        }
    }

    /// Clients read what was written to them.
    fn read_pipes(&mut self, core: usize) {
        for at in 0..self.clients.len() {
            if self.clients[at].core != core || self.clients[at].pipe.bytes.is_empty() {
                continue;
            }
            let bytes = std::mem::take(&mut self.clients[at].pipe.bytes);
            let published = &self.published;
            let answers = self.clients[at].receive(&bytes, |channel| published.get(channel).map_or(0, Vec::len));
            self.answered.extend(self.clients[at].answered.drain(..));
            if !answers.is_empty() && self.clients[at].is_open {
                self.send(at, answers);
            }
        }
    }

    /// Nothing new happens; everything that is on its way arrives.
    pub fn come_to_rest(&mut self) {
        for client in &mut self.clients {
            client.pipe.room = usize::MAX / 2;
        }
        self.nodes.iter_mut().for_each(|node| node.stalled = 0);
        for _ in 0..20_000 {
            self.close_what_was_shut();
            for core in 0..self.nodes.len() {
                self.turn(core);
            }
            let is_quiet = |node: &Node| node.inbox.is_empty() && node.spill.is_empty() && node.sockets.is_empty();
            let dirty = self.clients.iter().any(|client| client.pipe.is_watched);
            if self.nodes.iter().all(is_quiet) && !dirty && self.all_answered() {
                (0..self.nodes.len()).for_each(|core| self.flush(core, usize::MAX / 2));
                (0..self.nodes.len()).for_each(|core| self.flush(core, usize::MAX / 2));
                (0..self.nodes.len()).for_each(|core| self.read_pipes(core));
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// A peer that reads the end of the stream closes its side.
    fn close_what_was_shut(&mut self) {
        for at in 0..self.clients.len() {
            if self.clients[at].is_open && std::mem::take(&mut self.clients[at].pipe.is_shut) {
                let (core, slot) = (self.clients[at].core, self.slots[at]);
                self.nodes[core].sockets.push_back((slot, Input::Gone));
            }
        }
    }

    fn all_answered(&self) -> bool {
        self.open_clients().into_iter().all(|at| self.clients[at].is_answered())
    }
}
