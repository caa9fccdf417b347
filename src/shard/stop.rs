//! The orderly end of a core: stop listening, answer what is in flight, flush, 3001, done.

use super::{Effect, Shard};
use crate::conn::Kind;
use crate::id::Slot;
use crate::protocol::code::Disconnect;

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stopping {
    /// Not asked for.
    No,
    /// Calls in flight are answered, new clients are refused.
    Answering,
    /// The core has reported that nothing is in flight.
    Quiet,
    /// Clients were told; their connections are closing.
    Closing,
    /// The core has reported that all connections are closed.
    Done,
}

impl Shard {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping != Stopping::No
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

    /// All cores are quiet: clients are told behind everything that waits for them.
    pub(super) fn end(&mut self) {
        self.stopping = Stopping::Closing;
        for slot in self.slots() {
            let Some(mut conn) = self.take(slot) else { continue };
            if matches!(conn.kind, Kind::Http2(_)) {
                // It was told to go, and nothing is in flight.
                self.end_after_output(&mut conn);
            }
            let goes_on = conn.client().is_none() || self.disconnect(&mut conn, &Disconnect::SHUTDOWN);
            if goes_on { self.put(conn) } else { self.drop_conn(conn) }
        }
        self.check_stop();
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
