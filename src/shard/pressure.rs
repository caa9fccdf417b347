//! How much this core holds, by purpose, and what it gives up when that is too much (`overload`).

use super::{Effect, Shard};
use crate::clock::Mono;
use crate::conn::{Conn, Kind};
use crate::id::Slot;
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::overload::{Ladder, Level};
use std::collections::VecDeque;
use std::time::Duration;

/// Between two looks of a core that has nothing else to do, and between two cuts.
const LOOK: Duration = Duration::from_millis(limits::OVERLOAD_LOOK_MS);

/// The receive buffers of a core.
const RECEIVE_BYTES: usize = limits::RECEIVE_BUFFERS as usize * limits::RECEIVE_BUFFER_BYTES;

/// What the core knows of its memory.
pub(super) struct Pressure {
    ladder: Ladder,
    /// Bytes of commands and requests that are not whole or wait, of all connections.
    input: usize,
    next_look: Mono,
    /// What grows quickly, as it was at the last look.
    last_seen: usize,
    /// A look is due when that has changed by so much.
    stride: usize,
    /// Connections that have published and are not read for a while, in the order of their deadlines.
    resting: VecDeque<(Mono, Slot)>,
    /// The connection in hand has published.
    has_published: bool,
}

impl Pressure {
    pub(super) fn new() -> Pressure {
        Pressure {
            ladder: Ladder::default(),
            input: 0,
            next_look: Mono(0),
            last_seen: 0,
            stride: 0,
            resting: VecDeque::new(),
            has_published: false,
        }
    }

    #[inline]
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        if self.ladder.level() == Level::Normal && self.resting.is_empty() {
            return None;
        }
        let look = (self.ladder.level() > Level::Normal).then_some(self.next_look);
        look.into_iter().chain(self.resting.front().map(|(at, _)| *at)).min()
    }
}

/// What a connection holds of input.
fn input_of(conn: &Conn) -> usize {
    let inner = match &conn.kind {
        Kind::Http(http) => http.decoder.held_bytes(),
        Kind::WebSocket(ws) => ws.decoder.held_bytes() + ws.peer.held_bytes(),
        Kind::Http2(grpc) => grpc.http2.held_bytes(),
        Kind::Ending(_) => 0,
    };
    conn.input.capacity() + inner
}

impl Shard {
    /// The connection goes back to its place: what it holds counts. One that has published may have to rest.
    pub(super) fn weigh(&mut self, conn: &mut Conn) {
        let held = u32::try_from(input_of(conn)).unwrap_or(u32::MAX);
        self.pressure.input = self.pressure.input + held as usize - conn.held as usize;
        conn.held = held;
        if std::mem::take(&mut self.pressure.has_published) && !conn.rests {
            conn.rests = true;
            let until = self.now.mono + Duration::from_millis(limits::OVERLOAD_REST_MS);
            self.pressure.resting.push_back((until, conn.slot));
            self.counters.overload_pauses.add(1);
        }
    }

    /// The connection is over.
    pub(super) fn unweigh(&mut self, conn: &Conn) {
        if !mutation::is(Mutation::InputIsKept) {
            self.pressure.input -= conn.held as usize;
        }
    }

    /// Panics when what is counted of input is not what is held. For tests and the simulation.
    pub(super) fn check_input(&self) {
        let conns = || self.conns.iter().flatten();
        assert!(conns().all(|conn| conn.held as usize == input_of(conn)), "a connection holds what is not counted");
        let sum: usize = conns().map(|conn| conn.held as usize).sum();
        assert_eq!(self.pressure.input, sum, "input is counted that nobody holds");
        let resting = || self.pressure.resting.iter().map(|(_, slot)| *slot);
        let is_forgotten = |slot| !resting().any(|resting| resting == slot);
        let mut rest = conns().filter(|conn| conn.rests).map(|conn| conn.slot);
        assert!(!rest.any(is_forgotten), "a connection rests for ever");
    }

    /// A new event: nobody has published in it yet.
    pub(super) fn begin_event(&mut self) {
        self.pressure.has_published = false;
    }

    /// True when a publication may be taken; then its sender may have to rest.
    pub(super) fn takes_publications(&mut self) -> bool {
        let level = self.shared.overload.node();
        self.pressure.has_published |= level >= Level::SlowPublishers;
        let takes = level < Level::NoPublications || mutation::is(Mutation::BudgetIsIgnored);
        self.counters.overload_publications_refused.add(u64::from(!takes));
        takes
    }

    /// True when a new client may be taken.
    pub(super) fn takes_clients(&self) -> bool {
        self.shared.overload.node() < Level::NoNewClients
    }

    /// Those who have rested are read again.
    pub(super) fn end_rests(&mut self) {
        while let Some((at, slot)) = self.pressure.resting.front().copied()
            && at <= self.now.mono
        {
            self.pressure.resting.pop_front();
            let Some(mut conn) = self.take(slot) else { continue };
            conn.rests = false;
            self.put(conn);
        }
    }

    /// Counts what is held and takes the step that this asks for, ten times a second, and as soon as much has come or gone: a
    /// burst must not get past a step between two looks. It is asked in every turn.
    #[inline]
    pub(super) fn look_at_memory(&mut self) {
        let quick = self.output.memory_bytes() + self.pressure.input + self.store.totals().bytes;
        let has_moved = quick.abs_diff(self.pressure.last_seen) > self.pressure.stride;
        if has_moved || self.now.mono >= self.pressure.next_look {
            self.pressure.last_seen = quick;
            self.look_closely();
        }
    }

    #[inline(never)]
    fn look_closely(&mut self) {
        let (now, used, budget) = (self.now.mono, self.count_memory(), self.shared.overload.budget());
        self.pressure.stride = budget / limits::OVERLOAD_STRIDES;
        // What is there from the start is not what can be given up.
        let (variable, room) = (used - RECEIVE_BYTES, budget.saturating_sub(RECEIVE_BYTES));
        if self.pressure.ladder.look(variable, room, now) {
            let level = self.pressure.ladder.level();
            self.shared.overload.set(self.core, level);
            self.counters.overload_steps.add(1);
            self.framer.set_compression(level < Level::NoCompression);
            self.effects.push_back(Effect::Overload { level, used, budget });
        }
        if now >= self.pressure.next_look {
            self.pressure.next_look = now + LOOK;
            if self.pressure.ladder.level() >= Level::CutSlowest {
                self.cut_slowest();
            }
        }
    }

    fn count_memory(&self) -> usize {
        let counters = &self.counters;
        let totals = self.store.totals();
        let by_purpose = [
            (&counters.memory_receive, RECEIVE_BYTES),
            (&counters.memory_input, self.pressure.input),
            (&counters.memory_output, self.output.memory_bytes()),
            (&counters.memory_history, totals.bytes + totals.publications * limits::PUBLICATION_BYTES),
            (&counters.memory_recovered, self.ranges.bytes()),
            (&counters.memory_presence, totals.members * limits::PRESENCE_BYTES),
            (&counters.memory_connections, counters.connections.get() as usize * limits::CONNECTION_BYTES),
        ];
        for (cell, bytes) in by_purpose {
            cell.set(bytes as u64);
        }
        by_purpose.iter().map(|(_, bytes)| bytes).sum()
    }

    /// One in a hundred of those who are blocked, with the most that waits first. Clients are told, or catch up later where
    /// they may; whoever does not read an answer of the API just loses the connection.
    fn cut_slowest(&mut self) {
        for index in self.output.slowest(|blocked| blocked / 100) {
            let Some(conn) = self.take_at(index) else { continue };
            self.counters.overload_cuts.add(1);
            if conn.client_ref().is_some() || matches!(conn.kind, Kind::Ending(_)) {
                self.put(conn);
                self.slow(index);
            } else {
                self.drop_conn(conn);
            }
        }
    }
}
