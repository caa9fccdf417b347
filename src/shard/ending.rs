//! How connections end: close frames, verdicts, the time that a peer gets to read the last words.

use super::Shard;
use crate::clock::Mono;
use crate::conn::{Client, Conn, Ending, Kind, close_frame};
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::protocol::code::Disconnect;
use crate::protocol::frame::Block;
use crate::tally::Action;
use crate::wire::websocket::{self, Event, Opcode, Violation};
use std::time::Duration;

impl Shard {
    /// Tells the client why and waits for its close frame; false when TCP ends now.
    pub(super) fn disconnect(&mut self, conn: &mut Conn, disconnect: &Disconnect) -> bool {
        self.counters.disconnects.add(disconnect.code);
        self.end_session(conn);
        let Some(frame) = close_frame(disconnect) else { return false };
        self.output.queue(conn.slot.index, &Block::from(frame));
        if mutation::is(Mutation::ClosedIsPinged) {
            self.queue_frame(conn.slot, Opcode::Text, b"{}");
        }
        let ending = self.ending(conn);
        ending.awaits_close = true;
        true
    }

    /// The peer broke RFC 6455: it is told the code and reads the end of the stream at once.
    pub(super) fn violated(&mut self, conn: &mut Conn, violation: Violation) {
        self.counters.websocket_violations.add(1);
        self.end_session(conn);
        let mut frame = Vec::new();
        websocket::encode_close(violation.code, violation.reason, &mut frame);
        self.output.queue(conn.slot.index, &Block::from(frame));
        self.end_after_output(conn);
    }

    /// The peer's close frame is answered by the same code, and the connection ends.
    pub(super) fn answer_close(&mut self, conn: &mut Conn, code: Option<u16>) {
        let mut frame = Vec::with_capacity(4);
        match code {
            Some(code) => _ = websocket::encode_close(code, "", &mut frame),
            None => websocket::encode(Opcode::Close, &[], &mut frame),
        }
        self.output.queue(conn.slot.index, &Block::from(frame));
        self.end_session(conn);
        self.end_agreed(conn);
    }

    /// Both sides have said close: TCP ends as soon as our frame is written (RFC 6455 7.1.1).
    fn end_agreed(&mut self, conn: &mut Conn) {
        self.ending(conn).is_agreed = true;
        self.output.notify_drained(conn.slot.index);
    }

    /// After an error reply to `connect` nothing is answered, and TCP ends without a close frame when the client has
    /// had time to read (client-protocol 3.0 rule 7).
    pub(super) fn end_refused(&mut self, conn: &mut Conn) {
        self.end_session(conn);
        self.ending(conn).awaits_close = true;
    }

    /// Nothing more is answered: what waits is written out, then our side of the stream ends.
    pub(super) fn end_after_output(&mut self, conn: &mut Conn) {
        self.ending(conn);
        self.output.notify_drained(conn.slot.index);
    }

    fn ending<'a>(&mut self, conn: &'a mut Conn) -> &'a mut Ending {
        if !matches!(conn.kind, Kind::Ending(_)) {
            let deadline = self.now.mono + Duration::from_millis(limits::CLOSE_TIMEOUT_MS);
            let ending = Ending { deadline, decoder: None, awaits_close: false, is_agreed: false, is_drained: false };
            let former = std::mem::replace(&mut conn.kind, Kind::Ending(ending));
            self.counters.grpc_connections.sub(u64::from(matches!(former, Kind::Http2(_))));
            if let (Kind::WebSocket(ws), Kind::Ending(ending)) = (former, &mut conn.kind) {
                ending.decoder = Some(ws.decoder);
            }
        }
        match &mut conn.kind {
            Kind::Ending(ending) => ending,
            _ => unreachable!("just set"),
        }
    }

    /// The client is gone for the channels, the figures and the node's gate.
    pub(super) fn end_session(&mut self, conn: &mut Conn) {
        let Some(client) = conn.client() else { return };
        self.leave_all(client);
        self.uncount_client(client);
        if std::mem::take(&mut client.is_admitted) {
            self.shared.gate.leave();
        }
    }

    /// Counts a client that has connected; false when its user has too many connections.
    pub(super) fn count_client(&mut self, index: u32, client: &mut Client) -> bool {
        let Some(user) = client.session.user() else { return true };
        if !self.shared.gate.user_enters(user) {
            return false;
        }
        client.is_counted = true;
        self.counters.clients_accepted.add(1);
        self.counters.clients.add(1);
        client.user_place = self.users.enter(user, index);
        self.counters.users.set(self.users.len() as u64);
        self.counters.actions.add(Action::AddClient);
        true
    }

    fn uncount_client(&mut self, client: &mut Client) {
        let Some(user) = client.session.end().filter(|_| std::mem::take(&mut client.is_counted)) else { return };
        self.shared.gate.user_leaves(&user);
        if !mutation::is(Mutation::LeaverIsCounted) {
            self.counters.clients.sub(1);
        }
        self.counters.actions.add(Action::RemoveClient);
        if let Some(moved) = self.users.leave(&user, client.user_place)
            && let Some(other) = self.conns[moved as usize].as_mut().and_then(|conn| conn.client())
        {
            other.user_place = client.user_place;
        }
        self.counters.users.set(self.users.len() as u64);
    }

    /// Input of a connection that is not answered any more: only the peer's close frame matters.
    pub(super) fn read_on(&mut self, conn: &mut Conn, bytes: &mut [u8]) -> Option<usize> {
        let Kind::Ending(ending) = &mut conn.kind else { return None };
        let Some(decoder) = ending.decoder.as_mut().filter(|_| ending.awaits_close) else { return Some(bytes.len()) };
        let len = bytes.len();
        match decoder.decode(bytes, self.shared.settings.websocket.message_size_limit) {
            Ok(step) if matches!(step.event, Some(Event::Close { .. })) => {
                self.end_agreed(conn);
                Some(len)
            }
            Ok(step) => Some(step.consumed),
            Err(_) => {
                self.end_after_output(conn);
                Some(len)
            }
        }
    }

    /// More waits for the client than it may have: it is told so (3008) behind the frame that was begun.
    pub(super) fn slow(&mut self, index: u32) {
        let Some(mut conn) = self.take_at(index) else { return };
        if matches!(conn.kind, Kind::Ending(_)) {
            return self.put(conn);
        }
        if conn.client().is_none() {
            return self.put(conn); // An HTTP answer may be of any size.
        }
        if self.fall_behind(&mut conn) {
            return self.put(conn);
        }
        self.output.discard(index);
        self.counters.slow_clients.add(1);
        let goes_on = self.disconnect(&mut conn, &Disconnect::SLOW);
        if goes_on { self.put(conn) } else { self.drop_conn(conn) }
    }

    /// The socket of a client is full: it gets this long to take something.
    pub(super) fn blocked(&mut self, index: u32) {
        let Some(timeout) = self.shared.settings.websocket.write_timeout.filter(|timeout| !timeout.is_zero()) else {
            return;
        };
        let Some(mut conn) = self.take_at(index) else { return };
        if conn.client().is_some() {
            conn.write_deadline = self.now.mono + timeout;
        }
        self.put(conn);
    }

    /// It has not been heard of since: the socket itself says whether the peer takes anything.
    pub(super) fn write_timeout(&mut self, conn: &mut Conn) {
        if conn.write_deadline <= self.now.mono {
            conn.write_deadline = Mono::NEVER;
            self.output.doubt(conn.slot.index);
        }
    }

    /// The client has taken nothing for too long (3009). A close frame would find no room either, so TCP ends.
    pub(super) fn stuck(&mut self, index: u32) {
        let Some(mut conn) = self.take_at(index) else { return };
        if conn.client().is_none() {
            return self.put(conn);
        }
        self.counters.disconnects.add(Disconnect::WRITE_ERROR.code);
        self.drop_conn(conn);
    }

    /// Everything is with the kernel: our side ends, the peer's end or its close frame ends the rest.
    pub(super) fn drained(&mut self, index: u32) {
        let Some(mut conn) = self.take_at(index) else { return };
        if let Kind::Ending(ending) = &mut conn.kind {
            ending.is_drained = true;
            if conn.at_end || ending.is_agreed {
                return self.drop_conn(conn);
            }
            self.effects.push_back(super::Effect::ShutdownWrite(conn.slot));
        } else if matches!(conn.kind, Kind::Http2(_)) {
            self.http2_drained(&mut conn);
        } else if matches!(conn.kind, Kind::WebSocket(_)) {
            if !self.catch_up(&mut conn) {
                return self.drop_conn(conn);
            }
        } else if matches!(conn.kind, Kind::Http(_)) && !self.consume_input(&mut conn) {
            return self.drop_conn(conn);
        }
        self.put(conn);
    }

    /// Carries out what was decided about other connections while one was being handled.
    pub(super) fn carry_out_verdicts(&mut self) {
        while let Some((index, disconnect)) = self.verdicts.pop() {
            let Some(mut conn) = self.take_at(index) else { continue };
            let goes_on = conn.client().is_none() || self.disconnect(&mut conn, &disconnect);
            if goes_on { self.put(conn) } else { self.drop_conn(conn) }
        }
    }
}
