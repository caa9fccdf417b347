//! The turn loop of one core: a look at the ring → inbox → completions → due timers → effects → one slice of writes →
//! park when all had nothing.
//!
//! One task of one executor, which it hands back only to sleep: it looks at ring and inbox itself between slices, so
//! nothing that must stay quick depends on glommio's timing.
//!
//! While another core's queue is full ([`mesh::Port::is_blocked`]) the core takes nothing new from its ring: received
//! buffers stay with their completions, so the kernel stops reading for us when they are used up.

use super::certificates::Encryption;
use super::clocks::Clock;
use super::launch::CoreParts;
use super::mesh::Port;
use super::ring::{Completion, Op, Ring};
use super::socket::{self, Sockets};
use super::spread::{Mail, Spread};
use super::stream::Sleep;
use super::tls::Flow;
use crate::clock::{Mono, Now};
use crate::conn::Door;
use crate::counters::Counters;
use crate::id::{Core, Slot, Ticket};
use crate::limits;
use crate::overload::Level;
use crate::session::outside::{Answer, Ask};
use crate::shard::{Effect, Event, Message, Shard};
use crate::transport::addresses::Addresses;
use crossbeam_channel::Sender;
use std::fs::File;
use std::net::{IpAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A sleep through glommio costs 50 to 70 µs of CPU. After a sleep shorter than `SHORT` the next one is preceded by a
/// look at user memory for up to `LOOK`; one vain look switches that off again, so that an idle core stays at 0 %.
const LOOK: Duration = Duration::from_micros(50);
const SHORT: Duration = Duration::from_micros(150);

/// After a failed accept (no descriptors left) the next try waits so long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a core tells the thread that started it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// The core's ring is set up and its listeners are armed.
    Ready(Core),
    /// Nothing is in flight any more.
    Quiet(Core),
    /// All connections are closed.
    Done(Core),
}

/// A listening socket and the endpoints behind it.
pub struct Listener {
    /// Bound already.
    pub socket: TcpListener,
    /// What it speaks.
    pub door: Door,
    /// How its connections are encrypted. `None`: not at all.
    pub tls: Option<Arc<Encryption>>,
}

/// The way to the side thread: takes a question unless too many wait. It never blocks.
pub type Outlet = Arc<dyn Fn(Core, Ticket, Ask) -> bool + Send + Sync>;

/// One core at work.
pub struct Driver {
    ring: Ring,
    sockets: Sockets,
    port: Port<Mail>,
    shard: Shard,
    spread: Spread,
    /// By place of the socket: the listener that it came by.
    came_by: Vec<u32>,
    /// How much one address may take.
    addresses: Arc<Addresses>,
    /// By place of the socket: its peer, where addresses are limited.
    peers: Vec<Option<IpAddr>>,
    counters: Arc<Counters>,
    listeners: Vec<Listener>,
    /// What the bytes of an encrypted connection mean, while they are handled.
    plaintext: Vec<u8>,
    /// Listeners whose accept has ended and when it is armed again.
    accept_again: Vec<(u32, Mono)>,
    /// Kept free, to be able to tell a client that the server is full.
    spare: Option<File>,
    clock: Clock,
    reports: Sender<Report>,
    outlet: Outlet,
    connections_max: usize,
    /// The ring's timer that is in flight runs out at this time.
    timer_at: Mono,
    stops: bool,
    /// Messages that were in the inbox at the last look at the ring; they come before its completions.
    inbox_due: usize,
    /// Completions of that look.
    completions_due: usize,
}

impl Driver {
    /// Sets up the ring; must run on the core's own thread.
    ///
    /// # Errors
    /// The ring was refused.
    pub fn new(parts: CoreParts, shard: Shard, clock: Clock, reports: Sender<Report>) -> std::io::Result<Driver> {
        let CoreParts { port, spread, listeners, outlet, addresses, connections_max, .. } = parts;
        let mut ring = Ring::new(port.bell().doorbell.as_raw_fd())?;
        for (index, listener) in listeners.iter().enumerate() {
            ring.accept(listener.socket.as_raw_fd(), index as u32);
        }
        Ok(Driver {
            ring,
            sockets: Sockets::new(),
            counters: shard.counters().clone(),
            port,
            shard,
            spread,
            came_by: Vec::new(),
            addresses,
            peers: Vec::new(),
            listeners,
            plaintext: Vec::new(),
            accept_again: Vec::new(),
            spare: File::open("/dev/null").ok(),
            clock,
            reports,
            outlet,
            connections_max,
            timer_at: Mono::NEVER,
            stops: false,
            inbox_due: 0,
            completions_due: 0,
        })
    }

    /// Runs until the core has nothing left to do after a stop.
    ///
    /// # Errors
    /// The ring or the doorbell failed: the core cannot go on.
    pub async fn run(mut self) -> std::io::Result<()> {
        let doorbell = Sleep::on(&self.port.bell().doorbell)?;
        let rescue = Sleep::on(&self.port.bell().rescue)?;
        // glommio may park although this task is runnable; the watchdog then completes this read and it looks again.
        glommio::spawn_local(async move { while rescue.wait().await.is_ok() {} }).detach();
        self.ring.poll()?;
        _ = self.reports.send(Report::Ready(self.port.me()));
        let mut looks = false;
        while !self.stops {
            let busy = self.turn()?;
            self.port.bell().heartbeat.fetch_add(1, Ordering::Relaxed);
            if busy {
                // No yield: nothing else of this executor has to run while there is work, and glommio may fall asleep
                // over a task that yields to its preempt timer (seconds of silence under load, seen with two cores).
                continue;
            }
            let idle_since = Instant::now();
            if looks && self.finds_work(idle_since) {
                continue;
            }
            self.set_timer()?;
            if self.port.park() && !self.ring.is_ready() {
                doorbell.wait().await?;
            }
            self.port.unpark();
            looks = !looks && idle_since.elapsed() < SHORT;
        }
        Ok(())
    }

    fn finds_work(&mut self, since: Instant) -> bool {
        while since.elapsed() < LOOK {
            if self.ring.is_ready() || !self.port.is_idle() {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// The ring wakes the core for its earliest deadline. A timer that is not needed any more just wakes it in vain.
    fn set_timer(&mut self) -> std::io::Result<()> {
        let accept = self.accept_again.iter().map(|(_, at)| *at).min();
        let Some(next) = [self.shard.next_deadline(), accept].into_iter().flatten().min() else { return Ok(()) };
        let now = self.clock.mono();
        if next >= self.timer_at && self.timer_at > now {
            return Ok(());
        }
        self.timer_at = next;
        // Not zero: the kernel takes that for no timeout at all.
        self.ring.timer(next.since(now).max(Duration::from_micros(1)))
    }

    /// True when something was done, so that there may be more.
    ///
    /// What other cores sent before a request came is handled before the request: a caller that has its answer of one core
    /// and asks another finds the effect. So a look at the ring is followed by all that was in the inbox then, if need be
    /// in several turns, and only then by the completions of that look.
    fn turn(&mut self) -> std::io::Result<bool> {
        let now = self.clock.now();
        if self.inbox_due == 0 {
            self.ring.poll()?;
            self.completions_due = self.ring.ready().min(limits::COMPLETIONS_PER_TURN);
            self.inbox_due = self.port.waiting();
        }
        let mut busy = self.inbox(now);
        if self.inbox_due == 0 {
            busy |= self.completions(now);
        }
        if self.shard.next_deadline().is_some_and(|at| at <= now.mono) {
            self.shard.handle(now, Event::Tick);
        }
        self.perform();
        self.shard.pass_time(now);
        busy |= self.shard.flush(limits::WRITES_PER_SLICE, &mut self.sockets);
        self.perform();
        self.sockets.settle(&mut self.ring);
        self.port.end_turn();
        Ok(busy || self.port.is_blocked())
    }

    fn inbox(&mut self, now: Now) -> bool {
        let count = self.inbox_due.min(limits::INBOX_PER_TURN);
        for _ in 0..count {
            match self.port.receive() {
                Some(Mail::Message(message)) => self.shard.handle(now, Event::Message(message)),
                Some(Mail::Connection { listener, descriptor }) => self.admit(now, listener, descriptor),
                None => break,
            }
            self.perform();
        }
        self.inbox_due -= count;
        count > 0
    }

    fn completions(&mut self, now: Now) -> bool {
        let mut busy = false;
        for _ in 0..std::mem::take(&mut self.completions_due) {
            if self.port.is_blocked() {
                break;
            }
            let Some(completion) = self.ring.take() else { break };
            busy = true;
            self.complete(now, completion);
            self.perform();
        }
        if !self.accept_again.is_empty() {
            self.accept(now.mono);
        }
        busy
    }

    fn complete(&mut self, now: Now, completion: Completion) {
        match completion.op {
            Op::Accept => self.accepted(now, &completion),
            Op::Receive => self.received(now, &completion),
            Op::Writable => {
                if self.sockets.polled(completion.slot) {
                    self.shard.writable(completion.slot, &mut self.sockets);
                }
            }
            Op::Timer => self.timer_at = Mono::NEVER,
            Op::Cancel => {}
        }
    }

    fn accepted(&mut self, now: Now, completion: &Completion) {
        let listener = completion.slot.index;
        if completion.result >= 0 {
            let descriptor = socket::adopt(completion.result);
            let core = self.spread.take(self.port.me(), listener);
            if core == self.port.me() {
                self.admit(now, listener, descriptor);
            } else {
                self.counters.connections_handed_over.add(1);
                self.send(core, Mail::Connection { listener, descriptor });
            }
        } else if completion.result != -libc::ECANCELED {
            self.accept_failed(listener);
        }
        if !completion.more && !self.listeners.is_empty() {
            // An error (no descriptors) is not tried again at once: it would spin.
            let pause = if completion.result < 0 { ACCEPT_AGAIN } else { Duration::ZERO };
            self.accept_again.push((listener, now.mono + pause));
        }
    }

    /// Takes a connection in that was accepted here or on another core. It is refused by dropping its descriptor: the client
    /// sees the end of the stream at once instead of silence.
    fn admit(&mut self, now: Now, listener: u32, descriptor: OwnedFd) {
        let has_room = self.sockets.len() < self.connections_max;
        let Some(found) = self.listeners.get(listener as usize).filter(|_| has_room) else {
            self.counters.connections_refused.add(1);
            return self.spread.give_back(self.port.me(), listener);
        };
        let address = if self.addresses.is_limited() { socket::peer(&descriptor).map(|peer| peer.ip()) } else { None };
        if address.is_some_and(|address| !self.addresses.enter(address, now.mono)) {
            self.counters.refused_by_address.add(1);
            return self.spread.give_back(self.port.me(), listener);
        }
        let slot = match found.tls.as_ref().map(|encryption| encryption.connection()) {
            None => self.sockets.open(descriptor),
            Some(Some(tls)) => self.sockets.open_tls(descriptor, tls),
            Some(None) => {
                self.counters.tls_errors.add(1);
                address.into_iter().for_each(|address| self.addresses.leave(address));
                return self.spread.give_back(self.port.me(), listener);
            }
        };
        let place = slot.index as usize;
        if address.is_some() {
            self.peers.resize(self.peers.len().max(place + 1), None);
            self.peers[place] = address;
        }
        self.came_by.resize(self.came_by.len().max(place + 1), 0);
        self.came_by[place] = listener;
        self.shard.handle(now, Event::Opened { slot, door: found.door.clone() });
    }

    /// No descriptor is left: the spare one takes the oldest waiting client in and closes it, so that it is told.
    fn accept_failed(&mut self, listener: u32) {
        self.counters.accept_errors.add(1);
        let Some(listener) = self.listeners.get(listener as usize) else { return };
        if self.spare.take().is_some() {
            // Only for this call: the ring would answer EAGAIN at once for a listener that stays non-blocking.
            if listener.socket.set_nonblocking(true).is_ok() {
                if listener.socket.accept().is_ok() {
                    self.counters.connections_refused.add(1);
                }
                _ = listener.socket.set_nonblocking(false);
            }
            self.spare = File::open("/dev/null").ok();
        }
    }

    fn accept(&mut self, now: Mono) {
        let (ring, listeners) = (&mut self.ring, &self.listeners);
        self.accept_again.retain(|(index, at)| {
            let is_due = *at <= now;
            if is_due && let Some(listener) = listeners.get(*index as usize) {
                ring.accept(listener.socket.as_raw_fd(), *index);
            }
            !is_due
        });
    }

    fn received(&mut self, now: Now, completion: &Completion) {
        let (slot, result) = (completion.slot, completion.result);
        let is_open = self.sockets.is_open(slot);
        if let Some(id) = completion.buffer {
            if is_open && let Ok(len @ 1..) = usize::try_from(result) {
                self.received_bytes(now, slot, id, len);
            }
            self.ring.give_back(id);
        }
        let ended = !completion.more;
        let again = result > 0 || matches!(-result, libc::ENOBUFS | libc::ECANCELED);
        if result == -libc::ENOBUFS {
            self.counters.receive_buffers_empty.add(1);
        }
        if is_open && result == 0 && !self.sockets.is_over(slot) {
            self.shard.handle(now, Event::EndOfStream { slot });
        } else if is_open && !again {
            self.shard.handle(now, Event::Broken { slot });
        }
        self.perform();
        self.sockets.received(slot, ended, again);
    }

    fn received_bytes(&mut self, now: Now, slot: Slot, buffer: u16, len: usize) {
        let bytes = self.ring.buffer(buffer, len);
        if !self.sockets.is_tls(slot) {
            return self.shard.handle(now, Event::Received { slot, bytes });
        }
        self.plaintext.clear();
        let flow = self.sockets.decrypt(slot, bytes, &mut self.plaintext);
        if !self.plaintext.is_empty() {
            self.shard.handle(now, Event::Received { slot, bytes: &mut self.plaintext });
        }
        match flow {
            Flow::Open => {}
            Flow::Ended => self.shard.handle(now, Event::EndOfStream { slot }),
            Flow::Failed => {
                self.counters.tls_errors.add(1);
                self.shard.handle(now, Event::Broken { slot });
            }
        }
    }

    /// Performs what the shard wishes.
    fn perform(&mut self) {
        while let Some(effect) = self.shard.poll_effect() {
            match effect {
                Effect::Send(core, message) => self.send(core, message.into()),
                Effect::Outside(ticket, ask) => self.ask_outside(ticket, ask),
                Effect::Close(slot) => self.close(slot),
                Effect::ShutdownWrite(slot) => self.sockets.shutdown_write(slot),
                Effect::Pause(slot) => self.sockets.pause(slot, &mut self.ring),
                Effect::Resume(slot) => self.sockets.resume(slot),
                Effect::StopListening => self.stop_listening(),
                Effect::Overload { level, used, budget } => self.tell_overload(level, used, budget),
                Effect::Quiet => _ = self.reports.send(Report::Quiet(self.port.me())),
                Effect::Done => {
                    _ = self.reports.send(Report::Done(self.port.me()));
                    self.stops = true;
                }
            }
        }
    }

    fn tell_overload(&self, level: Level, used: usize, budget: usize) {
        let (core, meaning) = (self.port.me().0, level.meaning());
        if level == Level::Normal {
            tracing::info!(core, used, budget, "overload is over: {meaning}");
        } else {
            tracing::warn!(core, level = level as u8, used, budget, "overload: {meaning}");
        }
    }

    fn send(&mut self, core: Core, mail: Mail) {
        if self.port.send(core, mail) {
            self.counters.mesh_spilled.add(1);
        }
    }

    /// A question that finds no room is answered at once.
    fn ask_outside(&mut self, ticket: Ticket, ask: Ask) {
        if !(self.outlet)(self.port.me(), ticket, ask) {
            let message = Message::Outside { ticket, answer: Answer::Busy };
            self.shard.handle(self.clock.now(), Event::Message(message));
        }
    }

    fn close(&mut self, slot: Slot) {
        if self.sockets.is_open(slot) {
            self.spread.give_back(self.port.me(), self.came_by[slot.index as usize]);
            let peer = self.peers.get_mut(slot.index as usize).and_then(Option::take);
            peer.into_iter().for_each(|address| self.addresses.leave(address));
        }
        self.sockets.close(slot, &mut self.ring);
    }

    fn stop_listening(&mut self) {
        for index in 0..self.listeners.len() as u32 {
            self.ring.cancel(Op::Accept, Slot { index, generation: 0 });
        }
        self.listeners.clear();
        self.accept_again.clear();
    }
}
