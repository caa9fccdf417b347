//! Whole cores without a runtime: connections with endless room unless a test limits it, messages that arrive at once, a
//! clock that is set.

use corecast::clock::{Mono, Now, UnixMillis};
use corecast::config::settings::Settings;
use corecast::conn::Door;
use corecast::counters::Counters;
use corecast::hub::{Sent, Sink};
use corecast::id::{Core, Slot, Ticket};
use corecast::session::Policy;
use corecast::session::outside::{Answer, Ask};
use corecast::shard::{Effect, Event, Message, Placement, Shard, Shared};
use corecast::transport::admission::Gate;
use corecast::transport::{Routes, Scope};
use corecast::wire::handshake::Origins;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The time at which every world begins.
pub const START_UNIX: u64 = 1_790_000_000;

/// One connection as its peer sees it.
#[derive(Default)]
pub struct Wire {
    pub core: usize,
    pub slot: Option<Slot>,
    /// Written by the server, not yet read.
    pub bytes: Vec<u8>,
    /// The server will write nothing more.
    pub is_shut: bool,
    /// So much more may be written; `None`: anything.
    room: Option<usize>,
    is_watched: bool,
}

/// The time at which every world begins.
pub fn begin() -> Now {
    Now { mono: Mono(0), wall: UnixMillis(START_UNIX * 1000) }
}

pub struct Pure {
    pub shards: Vec<Shard>,
    wires: Vec<Wire>,
    door: Door,
    pub now: Now,
    /// Questions to the side thread that nobody has answered yet.
    pub asks: Vec<(usize, Ticket, Ask)>,
    /// Messages on their way, from a core to a core; `None`: they arrive at once.
    mesh: Option<BTreeMap<(usize, usize), VecDeque<Message>>>,
    /// Looks at every message between cores; one that it is true for is lost.
    pub loses: Box<dyn FnMut(&Message) -> bool>,
}

struct Pipes<'a> {
    wires: &'a mut [Wire],
    core: usize,
}

impl Sink for Pipes<'_> {
    fn send(&mut self, index: u32, bytes: &[u8]) -> Sent {
        let is_it = |w: &&mut Wire| w.core == self.core && w.slot.is_some_and(|slot| slot.index == index);
        match self.wires.iter_mut().find(is_it) {
            Some(wire) => {
                let n = wire.room.map_or(bytes.len(), |room| room.min(bytes.len()));
                wire.room = wire.room.map(|room| room - n);
                wire.bytes.extend_from_slice(&bytes[..n]);
                if n < bytes.len() { Sent::Full(n) } else { Sent::Bytes(n) }
            }
            None => Sent::Broken,
        }
    }

    fn watch(&mut self, index: u32) {
        let core = self.core;
        let is_it = |w: &&mut Wire| w.core == core && w.slot.is_some_and(|slot| slot.index == index);
        self.wires.iter_mut().find(is_it).expect("an open connection").is_watched = true;
    }
}

impl Pure {
    pub fn new(settings: &Settings, cores: usize) -> Pure {
        let policy = Arc::new(Policy::new(settings).expect("good settings"));
        let shared = Arc::new(Shared {
            origins: Origins::new(&settings.client.allowed_origins).expect("good origins"),
            gate: Gate::new(settings.client.connection_limit, settings.client.connection_rate_limit)
                .with_user_limit(settings.client.user_connection_limit),
            node: Default::default(),
            counters: (0..cores).map(|_| Arc::new(Counters::default())).collect(),
            render_metrics: |_| String::new(),
            placement: Placement::new(1, cores),
            overload: corecast::overload::Overload::new(usize::MAX, cores),
            settings: settings.clone(),
        });
        let now = begin();
        let shard = |core| Shard::new(Core(core), shared.clone(), policy.clone(), u64::from(core), now);
        let door = Door::Http(Arc::new(Routes::new(settings, Scope::All)));
        Pure {
            shards: (0..cores as u16).map(shard).collect(),
            wires: Vec::new(),
            door,
            now,
            asks: Vec::new(),
            mesh: None,
            loses: Box::new(|_| false),
        }
    }

    /// The way in to all endpoints.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Messages between cores wait from now on until they are let go.
    pub fn hold_messages(&mut self) {
        self.mesh = Some(BTreeMap::new());
    }

    /// Lets one message go, the first between two cores that `pick` chooses; false when none is on its way.
    pub fn let_go(&mut self, pick: usize) -> bool {
        let Some(mesh) = &mut self.mesh else { return false };
        mesh.retain(|_, messages| !messages.is_empty());
        let at = pick.checked_rem(mesh.len()).unwrap_or(0);
        let Some(((_, to), messages)) = mesh.iter_mut().nth(at) else { return false };
        let (to, message) = (*to, messages.pop_front().expect("not empty"));
        self.shards[to].handle(self.now, Event::Message(message));
        self.settle();
        true
    }

    /// A new connection; connections take the cores in turn.
    pub fn open(&mut self) -> usize {
        let at = self.wires.len();
        let core = at % self.shards.len();
        let slot = Slot { index: at as u32, generation: 0 };
        self.wires.push(Wire { core, slot: Some(slot), ..Wire::default() });
        self.shards[core].handle(self.now, Event::Opened { slot, door: self.door.clone() });
        self.settle();
        at
    }

    /// Bytes of the peer.
    pub fn send(&mut self, wire: usize, mut bytes: Vec<u8>) {
        let core = self.wires[wire].core;
        for piece in bytes.chunks_mut(4096) {
            let Some(slot) = self.wires[wire].slot else { return };
            self.shards[core].handle(self.now, Event::Received { slot, bytes: piece });
            self.settle();
        }
    }

    /// From now on the peer takes only so much more; `None`: anything.
    pub fn limit(&mut self, wire: usize, room: Option<usize>) {
        self.wires[wire].room = room;
        // One call each time, as long as there is room.
        while self.wires[wire].room != Some(0) && std::mem::take(&mut self.wires[wire].is_watched) {
            let core = self.wires[wire].core;
            if let Some(slot) = self.wires[wire].slot {
                self.shards[core].writable(slot, &mut Pipes { wires: &mut self.wires, core });
            }
            self.settle();
        }
    }

    /// What the server wrote since the last look.
    pub fn take(&mut self, wire: usize) -> Vec<u8> {
        std::mem::take(&mut self.wires[wire].bytes)
    }

    /// True when the server has closed the connection or its side of it.
    pub fn is_over(&self, wire: usize) -> bool {
        self.wires[wire].slot.is_none() || self.wires[wire].is_shut
    }

    /// The peer closes.
    pub fn hang_up(&mut self, wire: usize) {
        if let Some(slot) = self.wires[wire].slot {
            self.shards[self.wires[wire].core].handle(self.now, Event::EndOfStream { slot });
            self.settle();
        }
    }

    /// The connection breaks.
    pub fn break_off(&mut self, wire: usize) {
        if let Some(slot) = self.wires[wire].slot {
            self.shards[self.wires[wire].core].handle(self.now, Event::Broken { slot });
            self.settle();
        }
    }

    /// The configuration was read again.
    pub fn reload(&mut self, settings: &Settings) {
        let policy = Arc::new(Policy::new(settings).expect("good settings"));
        for shard in &mut self.shards {
            shard.handle(self.now, Event::Message(Message::Reload(policy.clone())));
        }
        self.settle();
    }

    /// The process is told to stop.
    pub fn stop(&mut self) {
        for message in [Message::Stop, Message::End(Duration::ZERO)] {
            for shard in &mut self.shards {
                shard.handle(self.now, Event::Message(message.clone()));
            }
            self.settle();
        }
    }

    /// The side thread answers the oldest question; the answer is made of it.
    pub fn answer(&mut self, make: impl FnOnce(&Ask) -> Answer) {
        let (core, ticket, ask) = self.asks.remove(0);
        let message = Message::Outside { ticket, answer: make(&ask) };
        self.shards[core].handle(self.now, Event::Message(message));
        self.settle();
    }

    /// A message comes to a core.
    pub fn tell(&mut self, core: usize, message: Message) {
        self.shards[core].handle(self.now, Event::Message(message));
        self.settle();
    }

    /// Time passes, deadline by deadline.
    pub fn advance(&mut self, delay: Duration) {
        let (until, began) = (self.now.mono + delay, self.now);
        loop {
            let next = self.shards.iter().filter_map(Shard::next_deadline).min().unwrap_or(Mono::NEVER).min(until);
            self.now.mono = next.max(self.now.mono);
            self.now.wall = UnixMillis(began.wall.0 + self.now.mono.since(began.mono).as_millis() as u64);
            let now = self.now;
            self.shards.iter_mut().for_each(|shard| shard.handle(now, Event::Tick));
            self.settle();
            if self.now.mono >= until {
                return;
            }
        }
    }

    /// Performs everything that is wished for until nothing is.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            for core in 0..self.shards.len() {
                while let Some(effect) = self.shards[core].poll_effect() {
                    busy = true;
                    self.perform(core, effect);
                }
                let mut pipes = Pipes { wires: &mut self.wires, core };
                while self.shards[core].flush(64, &mut pipes) {
                    busy = true;
                }
                // Who has been written to may wish for more.
                while let Some(effect) = self.shards[core].poll_effect() {
                    busy = true;
                    self.perform(core, effect);
                }
            }
            if !busy {
                self.shards.iter().for_each(Shard::check_invariants);
                return;
            }
        }
    }

    fn perform(&mut self, core: usize, effect: Effect) {
        let find = |wires: &[Wire], slot: Slot| wires.iter().position(|w| w.core == core && w.slot == Some(slot));
        match effect {
            Effect::Send(_, message) if (self.loses)(&message) => {}
            Effect::Send(to, message) if let Some(mesh) = &mut self.mesh => {
                mesh.entry((core, to.index())).or_default().push_back(message);
            }
            Effect::Send(to, message) => self.shards[to.index()].handle(self.now, Event::Message(message)),
            Effect::Close(slot) => {
                if let Some(at) = find(&self.wires, slot) {
                    self.wires[at].slot = None;
                }
            }
            Effect::ShutdownWrite(slot) => {
                if let Some(at) = find(&self.wires, slot) {
                    self.wires[at].is_shut = true;
                }
            }
            Effect::Outside(ticket, ask) => self.asks.push((core, ticket, ask)),
            _ => {}
        }
    }
}
