//! The orderly end of a core: say that it is not ready, stop listening, answer what is in flight, flush, 3001, done.

use super::{Effect, Shard};
use crate::clock::Mono;
use crate::conn::{Kind, Peer};
use crate::http2::Http2;
use crate::id::Slot;
use crate::protocol::code::Disconnect;
use std::time::Duration;

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stopping {
    /// Not asked for.
    No,
    /// It is near: everything goes on, but the node says that it is not ready.
    Draining,
    /// Calls in flight are answered, new clients are refused.
    Answering,
    /// The core has reported that nothing is in flight.
    Quiet,
    /// Clients were told; their connections are closing.
    Closing,
    /// The core has reported that all connections are closed.
    Done,
}

/// Who is still to be told, and by when.
#[derive(Default)]
pub(super) struct Farewells {
    /// The last one is told first.
    rest: Vec<Slot>,
    total: usize,
    begun: Mono,
    spread: Duration,
}

impl Farewells {
    /// How many have been told when so much time has passed.
    fn due(&self, now: Mono) -> usize {
        let (passed, spread) = (now.since(self.begun).as_nanos(), self.spread.as_nanos());
        if passed >= spread { self.total } else { 1 + (self.total as u128 * passed / spread) as usize }
    }

    /// When the next one is told.
    #[inline]
    fn next(&self) -> Option<Mono> {
        if self.rest.is_empty() {
            return None;
        }
        let told = self.total - self.rest.len();
        Some(self.begun + self.spread.mul_f64(told as f64 / self.total as f64))
    }
}

impl Shard {
    /// True from the first stage on that takes nothing new.
    pub(super) fn is_stopping(&self) -> bool {
        !matches!(self.stopping, Stopping::No | Stopping::Draining)
    }

    /// True unless the process will stop.
    pub(super) fn is_ready(&self) -> bool {
        self.stopping == Stopping::No
    }

    /// The node is not ready any more, and goes on.
    pub(super) fn drain(&mut self) {
        if !self.is_ready() {
            return;
        }
        self.stopping = Stopping::Draining;
        for slot in self.slots() {
            let Some(mut conn) = self.take(slot) else { continue };
            self.with_http2(&mut conn, Http2::drain);
            self.put(conn);
        }
    }

    /// No new connections; HTTP connections end behind the answer that they wait for.
    pub(super) fn stop(&mut self) {
        if self.is_stopping() {
            return;
        }
        self.stopping = Stopping::Answering;
        self.effects.push_back(Effect::StopListening);
        for slot in self.slots() {
            let Some(mut conn) = self.take(slot) else { continue };
            // A request whose head is read is answered; behind its answer the connection ends.
            if matches!(&conn.kind, Kind::Http(http) if !http.is_in_request()) {
                self.end_after_output(&mut conn);
            }
            let now = self.now.mono;
            self.with_http2(&mut conn, |http2| http2.shutdown(now));
            self.put(conn);
        }
        self.check_stop();
    }

    /// All cores are quiet: clients are told behind everything that waits for them, one after another within `spread`.
    pub(super) fn end(&mut self, spread: Duration) {
        self.stopping = Stopping::Closing;
        let rest = self.slots();
        self.farewells = Farewells { total: rest.len(), rest, begun: self.now.mono, spread };
        self.tell_some();
        self.check_stop();
    }

    pub(super) fn next_farewell(&self) -> Option<Mono> {
        self.farewells.next()
    }

    /// Those whose turn has come are told.
    pub(super) fn tell_some(&mut self) {
        let left = self.farewells.total - self.farewells.due(self.now.mono).min(self.farewells.total);
        while self.farewells.rest.len() > left {
            let Some(slot) = self.farewells.rest.pop() else { return };
            let Some(mut conn) = self.take(slot) else { continue };
            let is_echo = matches!(&conn.kind, Kind::WebSocket(ws) if matches!(ws.peer, Peer::Echo(_)));
            if is_echo || matches!(conn.kind, Kind::Http2(_)) {
                // A connection of GRPC was told to go, and nothing is in flight.
                self.end_after_output(&mut conn);
            }
            let goes_on = conn.client().is_none() || self.disconnect(&mut conn, &Disconnect::SHUTDOWN);
            if goes_on { self.put(conn) } else { self.drop_conn(conn) }
        }
    }

    /// Reports the next stage when it is reached.
    pub(super) fn check_stop(&mut self) {
        if self.stopping == Stopping::Answering && self.is_quiet() {
            self.stopping = Stopping::Quiet;
            self.effects.push_back(Effect::Quiet);
        }
        if self.stopping == Stopping::Closing && self.counters.connections.get() == 0 {
            self.stopping = Stopping::Done;
            self.effects.push_back(Effect::Done);
        }
    }

    fn is_quiet(&self) -> bool {
        let in_request = |kind: &Kind| matches!(kind, Kind::Http(http) if http.is_in_request());
        self.jobs.is_empty()
            && self.publishing.is_empty()
            && self.asking.is_empty()
            && self.outside.is_empty()
            && self.entering.is_empty()
            && !self.conns.iter().flatten().any(|c| in_request(&c.kind))
    }

    fn slots(&self) -> Vec<Slot> {
        self.conns.iter().flatten().map(|conn| conn.slot).collect()
    }
}
