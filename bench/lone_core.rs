//! One whole core without a runtime: bytes go in, writes are only counted, time moves when it is told to. What is random in
//! it is seeded, so a run is the same each time.

use corecast::clock::{Mono, Now, UnixMillis};
use corecast::conn::Door;
use corecast::counters::Counters;
use corecast::hub::{Sent, Sink};
use corecast::id::{Core, Slot};
use corecast::limits::WRITES_PER_SLICE;
use corecast::session::Policy;
use corecast::shard::{Effect, Event, Placement, Shard, Shared};
use corecast::transport::admission::Gate;
use corecast::transport::{Routes, Scope};
use corecast::wire::handshake::Origins;
use std::sync::Arc;
use std::time::Duration;

/// What servers under test are told.
const CONFIG: &str = include_str!("config.json");

/// The time at which every run begins, in Unix seconds.
const BEGIN: u64 = 1_790_000_000;

/// Takes everything at once.
#[derive(Default)]
pub struct Drain {
    /// How often it was written to.
    pub writes: u64,
    /// The bytes, while somebody wants to read them.
    pub kept: Option<Vec<u8>>,
}

impl Sink for Drain {
    fn send(&mut self, _: u32, bytes: &[u8]) -> Sent {
        self.writes += 1;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        Sent::Bytes(bytes.len())
    }

    fn watch(&mut self, _: u32) {}
}

/// The core and what is connected to it.
pub struct LoneCore {
    shard: Shard,
    /// Where it writes.
    pub drain: Drain,
    door: Door,
    now: Now,
    /// Places that were used before, with their next generation.
    free: Vec<Slot>,
    places: u32,
}

impl LoneCore {
    /// Nobody is connected yet.
    pub fn new() -> LoneCore {
        let sources = corecast::config::Sources::of_file("config.json", CONFIG);
        let settings = corecast::config::load(&sources).unwrap_or_else(|e| panic!("{e}")).settings;
        let policy = Arc::new(Policy::new(&settings).expect("good settings"));
        let door = Door::Http(Arc::new(Routes::new(&settings, Scope::All)));
        let shared = Arc::new(Shared {
            origins: Origins::new(&settings.client.allowed_origins).expect("good origins"),
            gate: Gate::new(0, 0),
            node: Default::default(),
            counters: vec![Arc::new(Counters::default())],
            render_metrics: |_| String::new(),
            placement: Placement::new(1, 1),
            overload: corecast::overload::Overload::new(usize::MAX, 1),
            settings,
        });
        let now = Now { mono: Mono(0), wall: UnixMillis(BEGIN * 1000) };
        let shard = Shard::new(Core(0), shared, policy, 1, now);
        LoneCore { shard, drain: Drain::default(), door, now, free: Vec::new(), places: 0 }
    }

    /// A new connection.
    pub fn open(&mut self) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            Slot { index: self.places - 1, generation: 0 }
        });
        let door = self.door.clone();
        self.turn(Event::Opened { slot, door });
        slot
    }

    /// Bytes of a connection; they are changed in place.
    pub fn receive(&mut self, slot: Slot, bytes: &mut [u8]) {
        self.turn(Event::Received { slot, bytes });
    }

    /// The same; returns what was written meanwhile.
    pub fn ask(&mut self, slot: Slot, bytes: &[u8]) -> Vec<u8> {
        self.drain.kept = Some(Vec::new());
        self.receive(slot, &mut bytes.to_vec());
        self.drain.kept.take().unwrap_or_default()
    }

    /// The peer is gone.
    pub fn hang_up(&mut self, slot: Slot) {
        self.turn(Event::EndOfStream { slot });
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        self.now.wall.0 += time.as_millis() as u64;
        self.turn(Event::Tick);
    }

    /// One event and all that follows from it.
    fn turn(&mut self, event: Event<'_>) {
        self.shard.handle(self.now, event);
        loop {
            let is_dirty = self.shard.flush(WRITES_PER_SLICE, &mut self.drain);
            if !self.perform() && !is_dirty {
                return;
            }
        }
    }

    /// True when there was something to do.
    fn perform(&mut self) -> bool {
        let mut acted = false;
        while let Some(effect) = self.shard.poll_effect() {
            acted = true;
            if let Effect::Close(slot) = effect {
                self.free.push(Slot { generation: slot.generation + 1, ..slot });
            }
        }
        acted
    }
}
