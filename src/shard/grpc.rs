//! Connections of the GRPC port: bytes to the HTTP/2 state machine, its calls to jobs, their outcomes back.

use super::Shard;
use super::jobs::Begun;
use crate::conn::{Conn, Kind};
use crate::http2::{Call, Event, Http2, StreamKey};
use crate::id::{Slot, Ticket};
use crate::protocol::frame::Block;
use crate::tally::ApiProtocol;
use crate::transport::api::Outcomes;

impl Shard {
    /// Hands bytes over. They are all taken: what is not used yet waits in the state machine, which says when it is full.
    pub(super) fn http2(&mut self, conn: &mut Conn, bytes: &[u8]) -> Option<usize> {
        let now = self.now.mono;
        let Kind::Http2(grpc) = &mut conn.kind else { return None };
        grpc.http2.receive(bytes, now);
        self.pump_http2(conn);
        Some(bytes.len())
    }

    /// Changes the state of a connection of the GRPC port, then does what follows from that.
    pub(super) fn with_http2(&mut self, conn: &mut Conn, change: impl FnOnce(&mut Http2)) {
        if let Kind::Http2(grpc) = &mut conn.kind {
            change(&mut grpc.http2);
            self.pump_http2(conn);
        }
    }

    /// Calls go out, answers come in, output goes to the socket, until there is nothing more.
    fn pump_http2(&mut self, conn: &mut Conn) {
        let slot = conn.slot;
        loop {
            while let Kind::Http2(grpc) = &mut conn.kind
                && let Some(event) = grpc.http2.poll_event()
            {
                match event {
                    Event::Call { stream, call } => self.call(conn, stream, call),
                    Event::Cancelled { stream } => grpc.jobs.retain(|_, (waiting, _)| *waiting != stream),
                }
            }
            let Kind::Http2(grpc) = &mut conn.kind else { return };
            if self.output.is_blocked(slot.index) {
                grpc.http2.set_blocked(true, self.now.mono);
                self.output.notify_drained(slot.index);
            }
            let output = grpc.http2.take_output();
            if output.is_empty() {
                break;
            }
            self.output.queue(slot.index, &Block::from(output));
        }
        if let Kind::Http2(grpc) = &conn.kind
            && grpc.http2.is_done()
        {
            self.counters.connection_panics.add(u64::from(grpc.http2.has_panicked()));
            self.counters.grpc_cut.add(u64::from(grpc.http2.is_at_fault()));
            self.end_after_output(conn);
        }
    }

    fn call(&mut self, conn: &mut Conn, stream: StreamKey, call: Call) {
        self.counters.grpc_calls.add(1);
        let now = self.now.mono;
        let answer = match call.decode(&self.policy.rules) {
            Err(refusal) => Ok(refusal),
            Ok((work, form)) => match self.begin(conn.slot, work, ApiProtocol::Grpc) {
                Begun::Done(outcomes) => Ok(form.answer(outcomes)),
                Begun::Waits(job) => Err((job, form)),
            },
        };
        let Kind::Http2(grpc) = &mut conn.kind else { return };
        match answer {
            Ok(answer) => grpc.http2.answer(stream, answer, now),
            Err((job, form)) => _ = grpc.jobs.insert(job, (stream, form)),
        }
    }

    /// The job of a call is done.
    pub(super) fn call_done(&mut self, slot: Slot, job: Ticket, outcomes: Outcomes) {
        let Some(mut conn) = self.take(slot) else { return };
        let now = self.now.mono;
        if let Kind::Http2(grpc) = &mut conn.kind
            && let Some((stream, form)) = grpc.jobs.remove(&job)
        {
            grpc.http2.answer(stream, form.answer(outcomes), now);
            self.pump_http2(&mut conn);
        }
        self.put(conn);
        self.check_stop();
    }

    /// The socket takes bytes again.
    pub(super) fn http2_drained(&mut self, conn: &mut Conn) {
        let now = self.now.mono;
        self.with_http2(conn, |http2| http2.set_blocked(false, now));
        self.consume_input(conn);
    }
}
