//! Marks and the flush: what each connection of the core still has to be sent, and the one write it gets per turn.
//!
//! **Passes.** Marked connections collect in `next`; a pass writes them in slices, each at most once. A frame that
//! arrives during the pass joins those not yet written. Lists that existed before a pass began are dead when it ends.
//! Marking is one uninterrupted sweep over an audience; only the writing is sliced.
//!
//! **Express.** What goes to one connection or a few does not stand behind a pass over thousands: it leaves with the next
//! slice, together with what its connection still waited for. The bulk keeps a quarter of each slice.
//!
//! Invariants: a connection whose list is not empty stands in `express`, in `next`, in the unwritten part of `pass` or among
//! those who wait; in each of the first two kinds once;
//! a connection with an outbox is blocked and is written to by [`Output::writable`] alone. An empty outbox waits for bytes
//! that its sink has taken and not sent yet. Marking allocates nothing. A visit and a [`Output::writable`] are one call of the
//! sink at most.
//!
//! **Waiting.** A connection that is marked with a delay is put into `next` only when that is over, or as soon as something
//! comes for it that does not wait. Its list may be older than the pass, so lists live as long as one of their floors says.
//!
//! **Holding.** What is broadcast to a held connection waits outside its list until [`Output::release`], so that a reply
//! that is not known yet can go ahead of it.
//!
//! **Taking out.** Blocks that can be read again wait in the outbox one by one, so that [`Output::withdraw`] can take them out
//! when too much waits; their frames tell whether they were marked for the present subscription or for a former one.
//!
//! **Doubts.** Who has been blocked for long is doubted; the next flush looks whether its peer takes anything. What the
//! kernel says counts, not when this core last had time for the socket.

use super::delays::Delays;
use super::hot::{BLOCKED, BULK, EXPRESS, HELD, Hot, NOTIFY, OPEN, WAITS};
use super::lists::{EMPTY, List, Lists, Source};
use super::outbox::{Outbox, Part};
use crate::clock::Mono;
use crate::counters::Counters;
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::protocol::frame::Block;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// Where the flush writes. `index` is the place of the connection.
pub trait Sink {
    /// Writes without waiting. After [`Sent::Full`] it is not called again before [`Output::writable`]; then no bytes
    /// at all may be offered, for a sink that still holds some of its own (ciphertext).
    fn send(&mut self, index: u32, bytes: &[u8]) -> Sent;
    /// Calls [`Output::writable`] as soon as the socket takes bytes again.
    fn watch(&mut self, index: u32);
    /// Bytes with the kernel that the peer has not acknowledged; while the socket is full they fall as the peer takes them.
    fn unsent(&self, _index: u32) -> usize {
        0
    }
}

/// What became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// All bytes, so many, are with the kernel; the socket is ready for more.
    Bytes(usize),
    /// So many of the offered bytes were taken, perhaps all, and nothing more is until the socket is writable. What was
    /// taken is not said to be with the kernel.
    Full(usize),
    /// The connection is gone; its end will be reported by the receive side.
    Broken,
}

/// What the connection's owner wants to know about its output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// More than the allowed bytes wait for this connection.
    Slow(u32),
    /// The socket has become full, or its peer still takes something: doubt it when it stays so.
    Blocked(u32),
    /// The peer has taken nothing since the last such notice.
    Stuck(u32),
    /// Everything is written (asked for by [`Output::notify_drained`]).
    Drained(u32),
}

/// When a marked connection is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Ahead of the bulk.
    Express,
    /// With the next pass.
    Bulk,
    /// After so long, or with what comes in another way.
    Wait(Duration),
}

impl Way {
    /// For what goes to so many connections of this core and may wait so long for more.
    pub fn to(connections: usize, delay: Duration) -> Way {
        match connections {
            _ if !delay.is_zero() => Way::Wait(delay),
            0..=limits::EXPRESS_AUDIENCE => Way::Express,
            _ => Way::Bulk,
        }
    }
}

/// What was broadcast to a held connection, with its frame identities.
#[derive(Default)]
struct Held {
    parts: Vec<Part>,
    bytes: usize,
    /// It was too much, and nothing more is kept: the verdict follows.
    is_over: bool,
}

/// The output side of all connections of one core.
#[derive(Default)]
pub struct Output {
    hot: Vec<Hot>,
    outboxes: Vec<Option<Box<Outbox>>>,
    /// The rare connections that are held.
    held: HashMap<u32, Held>,
    lists: Lists,
    frames: u64,
    express: VecDeque<u32>,
    next: Vec<u32>,
    pass: Vec<u32>,
    cursor: usize,
    /// How many lists there had been when the last pass began: whoever had nothing to get then stands on a later one.
    pass_floor: u64,
    /// Those in `next` and `express` stand on no list before this one.
    next_floor: u64,
    delays: Delays,
    now: Mono,
    notices: Vec<Notice>,
    doubts: Vec<u32>,
    scratch: Vec<u8>,
    outbox_bytes_max: usize,
}

impl Output {
    /// `outbox_bytes_max`: bytes that may wait for one connection.
    pub fn new(outbox_bytes_max: usize) -> Output {
        Output { outbox_bytes_max, ..Output::default() }
    }

    /// A connection may be written to from now on.
    pub fn open(&mut self, index: u32) {
        let place = index as usize;
        if place >= self.hot.len() {
            self.hot.resize_with(place + 1, Hot::default);
            self.outboxes.resize_with(place + 1, || None);
        }
        self.hot[place].renew(OPEN);
        self.outboxes[place] = None;
    }

    /// From now on broadcasts to the connection wait for [`Output::release`].
    pub fn hold(&mut self, index: u32) {
        if mutation::is(Mutation::NothingIsHeld) {
            return;
        }
        self.hot[index as usize].set(HELD);
        self.held.entry(index).or_default();
    }

    /// What was broadcast meanwhile follows what is queued now.
    pub fn release(&mut self, index: u32) {
        if self.held.get(&index).is_none_or(|held| held.is_over) {
            return;
        }
        let Some(mut held) = self.held.remove(&index) else { return };
        self.hot[index as usize].clear(HELD);
        if mutation::is(Mutation::HeldIsReversed) {
            held.parts.reverse();
        }
        for part in &held.parts {
            self.mark(index, part.frame, part.source, &part.block, Way::Express);
        }
    }

    /// Forgets what the connection still waits for.
    pub fn close(&mut self, index: u32) {
        self.held.remove(&index);
        self.doubts.retain(|doubted| *doubted != index);
        self.hot[index as usize].renew(0);
        self.outboxes[index as usize] = None;
    }

    /// A new identity for a block, so that its receivers share lists.
    pub fn frame_id(&mut self) -> u64 {
        self.frames += 1;
        self.frames
    }

    /// Queues a block for one connection.
    pub fn queue(&mut self, index: u32, block: &Block) {
        self.queue_kept(index, Source::NONE, block);
    }

    /// Queues a block for one connection that can be read again.
    pub fn queue_kept(&mut self, index: u32, source: Source, block: &Block) {
        let frame = self.frame_id();
        self.mark(index, frame, source, block, Way::Express);
    }

    /// Queues a block that many connections get at different times (a ping) under the identity it was given.
    pub fn queue_shared(&mut self, index: u32, frame: u64, block: &Block) {
        self.mark(index, frame, Source::NONE, block, Way::Express);
    }

    /// Marks a whole audience, from a rotating start so that nobody is always last.
    /// `frame` identifies the block, as [`Output::frame_id`] gave it.
    pub fn broadcast(&mut self, audience: &[u32], frame: u64, source: Source, block: &Block, way: Way) {
        let start = (frame.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (audience.len().max(1) as u64)) as usize;
        let (tail, head) = audience.split_at(start);
        for &index in head.iter().chain(tail) {
            if mutation::is(Mutation::SubscriberIsPassedOver) && frame % 16 == 5 && index % 2 == 1 {
                continue;
            }
            let hot = &mut self.hot[index as usize];
            if way == Way::Bulk && hot.is_ready() {
                // As `mark` does it; this is nearly everybody.
                if !hot.is_any(BULK | EXPRESS) {
                    hot.set(BULK);
                    self.next.push(index);
                }
                hot.list = self.lists.append(hot.list, frame, source, block);
            } else if hot.is(HELD) {
                self.keep(index, frame, source, block);
            } else {
                self.mark(index, frame, source, block, way);
            }
        }
    }

    /// Keeps a broadcast for a held connection; too much of it is a verdict as in the outbox.
    fn keep(&mut self, index: u32, frame: u64, source: Source, block: &Block) {
        let held = self.held.entry(index).or_default();
        if held.is_over {
            return;
        }
        held.parts.push(Part { block: block.clone(), frame, source });
        held.bytes += block.len();
        if held.bytes > self.outbox_bytes_max {
            *held = Held { is_over: true, ..Held::default() };
            self.notices.push(Notice::Slow(index));
        }
    }

    fn mark(&mut self, index: u32, frame: u64, source: Source, block: &Block, way: Way) {
        let hot = &mut self.hot[index as usize];
        if !hot.is(OPEN) {
            return;
        }
        match way {
            Way::Bulk if hot.is_any(BULK | EXPRESS) => {}
            Way::Express if hot.is(EXPRESS) => {}
            Way::Wait(_) if hot.is_any(BULK | EXPRESS | WAITS) => {}
            Way::Bulk => self.list(index, BULK),
            Way::Express => self.list(index, EXPRESS),
            Way::Wait(delay) => {
                hot.set(WAITS);
                self.delays.add(index, self.now, delay, self.pass_floor);
            }
        }
        let hot = &mut self.hot[index as usize];
        hot.list = self.lists.append(hot.list, frame, source, block);
        if hot.is(WAITS) && self.lists.bytes(hot.list) > limits::WAITING_BYTES {
            self.list(index, BULK);
        }
    }

    /// The connection is written to with the bulk or ahead of it, and waits no more.
    fn list(&mut self, index: u32, flag: u8) {
        let hot = &mut self.hot[index as usize];
        if hot.is(WAITS) {
            self.next_floor = self.next_floor.min(self.delays.floor());
        }
        hot.clear(WAITS);
        hot.set(flag);
        if flag == EXPRESS { self.express.push_back(index) } else { self.next.push(index) }
    }

    /// Those who have waited long enough come with the next pass.
    fn end_waits(&mut self) {
        if self.delays.next_due().is_none_or(|due| due > self.now) {
            return;
        }
        if mutation::is(Mutation::WaitsNeverEnd) {
            return;
        }
        self.next_floor = self.next_floor.min(self.delays.floor());
        let (hot, next) = (&mut self.hot, &mut self.next);
        self.delays.release(self.now, |index| {
            let hot = &mut hot[index as usize];
            if hot.is(WAITS) {
                hot.clear(WAITS);
                hot.set(BULK);
                next.push(index);
            }
        });
    }

    /// What is marked from now on begins to wait now, and the next flush ends the waits that are over.
    pub fn set_time(&mut self, now: Mono) {
        self.now = now;
    }

    /// When a flush has waits to end.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.delays.next_due()
    }

    /// Reports [`Notice::Drained`] once nothing waits for the connection any more.
    pub fn notify_drained(&mut self, index: u32) {
        let hot = &mut self.hot[index as usize];
        hot.set(NOTIFY);
        if hot.list == EMPTY && !hot.is(BLOCKED) {
            self.report_drained(index);
        } else if hot.is(WAITS) {
            self.list(index, EXPRESS);
        }
    }

    fn report_drained(&mut self, index: u32) {
        self.hot[index as usize].clear(NOTIFY);
        self.notices.push(Notice::Drained(index));
    }

    /// Drops what waits for the connection except a block that is partly sent. What is marked stays where nothing ahead of it
    /// is dropped: it may be the answer to the upgrade.
    pub fn discard(&mut self, index: u32) {
        let hot = &mut self.hot[index as usize];
        if hot.is(BLOCKED) {
            hot.list = EMPTY;
        }
        if let Some(held) = self.held.get_mut(&index) {
            *held = Held { is_over: true, ..Held::default() };
        }
        if let Some(outbox) = &mut self.outboxes[index as usize] {
            outbox.keep_begun();
        }
    }

    /// Takes out of what waits for a blocked connection the blocks that can be read again and that `is_taken`, except one
    /// that was begun. True when what is left is within the bound.
    pub fn withdraw(&mut self, index: u32, is_taken: impl FnMut(&Part) -> bool) -> bool {
        let hot = &mut self.hot[index as usize];
        let Some(outbox) = &mut self.outboxes[index as usize] else { return false };
        outbox.extend(self.lists.path(std::mem::replace(&mut hot.list, EMPTY)), 0);
        outbox.withdraw(is_taken);
        outbox.bytes() <= self.outbox_bytes_max
    }

    /// The next thing that the connection's owner should know.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop()
    }

    /// True while somebody waits to be written to (blocked connections wait for their socket instead).
    pub fn is_dirty(&self) -> bool {
        self.cursor < self.pass.len() || !self.next.is_empty() || !self.express.is_empty()
    }

    /// Has the next flush look whether the peer of a blocked connection takes anything.
    pub fn doubt(&mut self, index: u32) {
        self.doubts.push(index);
    }

    fn look(&mut self, index: u32, sink: &impl Sink) {
        let Some(outbox) = &mut self.outboxes[index as usize] else { return };
        let unsent = sink.unsent(index);
        let moves = std::mem::take(&mut outbox.has_moved) || unsent < outbox.unsent;
        outbox.unsent = unsent;
        self.notices.push(if moves { Notice::Blocked(index) } else { Notice::Stuck(index) });
    }

    /// Writes at most `slice` connections; true while more are dirty.
    pub fn flush(&mut self, slice: usize, sink: &mut impl Sink, counters: &Counters) -> bool {
        while let Some(index) = self.doubts.pop() {
            self.look(index, sink);
        }
        self.end_waits();
        let slice = if mutation::is(Mutation::SliceIsIgnored) { usize::MAX / 2 } else { slice };
        let bulk_is_due = self.cursor < self.pass.len() || !self.next.is_empty();
        let room = if bulk_is_due { slice - slice / 4 } else { slice };
        let count = self.express.len().min(room.max(1));
        for _ in 0..count {
            let Some(index) = self.express.pop_front() else { break };
            self.visit(index, EXPRESS, sink, counters);
        }
        if self.cursor == self.pass.len() {
            self.begin_pass();
        }
        let end = self.pass.len().min(self.cursor + (slice - count).max(1));
        for at in self.cursor..end {
            self.visit(self.pass[at], BULK, sink, counters);
        }
        self.cursor = end;
        self.is_dirty()
    }

    fn begin_pass(&mut self) {
        let is_empty = self.next.is_empty() && self.express.is_empty();
        let floor = if is_empty { self.lists.count() } else { self.next_floor };
        if !mutation::is(Mutation::ListsAreKept) {
            self.lists.retire_before(floor.min(self.delays.floor()));
        }
        self.pass.clear();
        self.cursor = 0;
        std::mem::swap(&mut self.pass, &mut self.next);
        self.pass_floor = self.lists.count();
        self.next_floor = if self.express.is_empty() { self.pass_floor } else { floor };
    }

    /// A listed connection's turn has come. It may have been written to in another way since.
    fn visit(&mut self, index: u32, flag: u8, sink: &mut impl Sink, counters: &Counters) {
        let hot = &mut self.hot[index as usize];
        hot.clear(flag);
        let list = std::mem::replace(&mut hot.list, EMPTY);
        if list == EMPTY || !hot.is(OPEN) {
            return;
        }
        match self.lists.ready(list).filter(|_| !hot.is(BLOCKED)) {
            // Nearly everybody.
            Some(block) => {
                let sent = sink.send(index, block);
                self.sent(index, list, sent, sink, counters);
            }
            None => self.prepare(index, list, sink, counters),
        }
    }

    /// Of a blocked connection, or of a sequence whose block is not made yet.
    fn prepare(&mut self, index: u32, list: List, sink: &mut impl Sink, counters: &Counters) {
        if let Some(outbox) = &mut self.outboxes[index as usize] {
            outbox.extend(self.lists.parts(list), 0);
            return self.settle(index);
        }
        if self.lists.join(list)
            && let Some(block) = self.lists.ready(list)
        {
            let sent = sink.send(index, block);
            return self.sent(index, list, sent, sink, counters);
        }
        self.wait(index, list, 0, sink);
    }

    /// What became of the one call for a list.
    #[inline]
    fn sent(&mut self, index: u32, list: List, sent: Sent, sink: &mut impl Sink, counters: &Counters) {
        counters.writes.add(1);
        let hot = &mut self.hot[index as usize];
        match sent {
            Sent::Bytes(n) => {
                counters.bytes_sent.add(n as u64);
                if hot.is(NOTIFY) {
                    self.report_drained(index);
                }
            }
            Sent::Full(n) => {
                counters.bytes_sent.add(n as u64);
                counters.short_writes.add(1);
                self.wait(index, list, n, sink);
            }
            Sent::Broken => hot.clear(OPEN),
        }
    }

    /// What is left of a list behind so many bytes goes out when its socket says that it has room.
    fn wait(&mut self, index: u32, list: List, sent: usize, sink: &mut impl Sink) {
        self.hot[index as usize].set(BLOCKED);
        let outbox = self.outboxes[index as usize].insert(Box::new(Outbox::new(sink.unsent(index))));
        outbox.extend(self.lists.parts(list), sent);
        sink.watch(index);
        self.notices.push(Notice::Blocked(index));
        self.settle(index);
    }

    /// Judges what waits for a blocked connection.
    fn settle(&mut self, index: u32) {
        if self.outbox_bytes(index) > self.outbox_bytes_max && !mutation::is(Mutation::QueueHasNoBound) {
            self.notices.push(Notice::Slow(index));
        }
    }

    /// The socket takes bytes again: sends what waits, with one call; the next turn goes on.
    pub fn writable(&mut self, index: u32, sink: &mut impl Sink, counters: &Counters) {
        let place = index as usize;
        if !self.hot.get(place).is_some_and(|hot| hot.is(BLOCKED)) {
            return;
        }
        let mut outbox = self.outboxes[place].take().unwrap_or_default();
        counters.writes.add(1);
        // An empty outbox: the sink then sends what it holds.
        let (n, is_full) = match sink.send(index, outbox.front(&mut self.scratch)) {
            Sent::Bytes(n) => (n, false),
            Sent::Full(n) => (n, true),
            Sent::Broken => {
                let hot = &mut self.hot[place];
                hot.clear(OPEN | WAITS | BLOCKED);
                hot.list = EMPTY;
                return;
            }
        };
        counters.bytes_sent.add(n as u64);
        counters.short_writes.add(u64::from(is_full));
        outbox.advance(n);
        if is_full || outbox.bytes() > 0 {
            outbox.has_moved = true;
            self.outboxes[place] = Some(outbox);
            return sink.watch(index);
        }
        let hot = &mut self.hot[place];
        hot.clear(BLOCKED);
        if hot.is(NOTIFY) && hot.list == EMPTY {
            self.report_drained(index);
        }
    }

    /// True while the connection's socket takes nothing.
    pub fn is_blocked(&self, index: u32) -> bool {
        self.hot[index as usize].is(BLOCKED)
    }

    /// Bytes that wait for the connection, marked or left over.
    pub fn waiting_bytes(&self, index: u32) -> usize {
        self.lists.bytes(self.hot[index as usize].list) + self.outbox_bytes(index)
    }

    /// Bytes that wait in the connection's outbox.
    pub fn outbox_bytes(&self, index: u32) -> usize {
        self.outboxes.get(index as usize).and_then(Option::as_ref).map_or(0, |outbox| outbox.bytes())
    }

    /// Bytes that were broadcast to the connection while it is held.
    pub fn held_bytes(&self, index: u32) -> usize {
        self.held.get(&index).map_or(0, |held| held.bytes)
    }

    /// Panics when something is left although everybody is gone. For tests and the simulation.
    pub fn check_empty(&self) {
        self.check_invariants();
        assert!(!self.is_dirty() && self.held.is_empty() && self.doubts.is_empty(), "somebody is to be written to");
        assert!(self.outboxes.iter().all(Option::is_none) && self.delays.next_due().is_none(), "something waits");
        assert!(self.lists.is_empty(), "a block has a reference that nobody needs");
    }

    /// Panics when the marks and the pass disagree. For tests and the simulation: it walks everything.
    pub fn check_invariants(&self) {
        let mut listed = vec![[0u32; 2]; self.hot.len()];
        self.next.iter().chain(&self.pass[self.cursor..]).for_each(|index| listed[*index as usize][0] += 1);
        self.express.iter().for_each(|index| listed[*index as usize][1] += 1);
        for (index, hot) in self.hot.iter().enumerate() {
            let flags = [BULK, EXPRESS].map(|flag| u32::from(hot.is(flag)));
            assert_eq!(listed[index], flags, "a connection stands where it knows, once: {index}");
            assert!(self.lists.is_live(hot.list), "a list that is waited for lives: {index}");
            let is_visited = hot.is_any(BULK | EXPRESS | WAITS);
            assert!(hot.list == EMPTY || is_visited, "a marked connection is visited: {index}");
            let is_blocked = self.outboxes[index].is_some();
            assert!(!hot.is(OPEN) || hot.is(BLOCKED) == is_blocked, "an outbox is blocked: {index}");
            assert!(
                !hot.is(HELD) || self.held.contains_key(&(index as u32)),
                "a held connection has its store: {index}"
            );
        }
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
