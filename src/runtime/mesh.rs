//! Between cores: one bounded queue per core, one "I park" flag and one eventfd as its doorbell.
//!
//! A producer pushes, and rings once per turn and only if the target announced that it parks: a wake costs 50 µs of
//! CPU, a polled message 5 ns. A full queue spills into a list of the sender that is retried every turn; while it is
//! not empty the sender reads no sockets ([`Port::is_blocked`]) but goes on draining its inbox. So nothing is dropped
//! and two full cores cannot wait for each other.

use crate::id::Core;
use crate::limits::MESH_QUEUE_MESSAGES;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2, write};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// How a core is woken.
pub struct Bell {
    /// The core sleeps or is about to; set by the core, cleared by whoever wakes it.
    pub parked: AtomicBool,
    /// Turns that the core has made.
    pub heartbeat: AtomicU64,
    /// Written by the core's ring and by other cores; the parked core reads it through glommio.
    pub doorbell: OwnedFd,
    /// A second descriptor with a read always armed, written by the watchdog alone: on the doorbell an armed read
    /// would complete at each batch of packets while the core is busy.
    pub rescue: OwnedFd,
}

impl Bell {
    fn new() -> std::io::Result<Bell> {
        // Blocking on purpose: a ring's read of a non-blocking eventfd ends with EAGAIN at once.
        let descriptor = || eventfd(0, EventfdFlags::CLOEXEC);
        Ok(Bell {
            parked: AtomicBool::new(false),
            heartbeat: AtomicU64::new(0),
            doorbell: descriptor()?,
            rescue: descriptor()?,
        })
    }

    /// Wakes the core if it said that it parks.
    pub fn ring(&self) {
        // The push comes before the look at the flag; the sleeper does it the other way round.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::AcqRel) {
            signal(&self.doorbell);
        }
    }
}

/// Adds one to an eventfd. The counter would have to be 2^64 − 2 for this to block.
pub fn signal(descriptor: impl AsFd) {
    // An eventfd that is open takes eight bytes; there is nobody to tell if it does not.
    _ = write(descriptor, &1u64.to_ne_bytes());
}

/// Empties an eventfd without waiting, although the descriptor is a blocking one.
fn drain(descriptor: impl AsFd) {
    let mut count = [0; 8];
    _ = preadv2(descriptor, &mut [IoSliceMut::new(&mut count)], u64::MAX, ReadWriteFlags::NOWAIT);
}

/// One core's end of the mesh.
pub struct Port<M> {
    me: Core,
    bells: Arc<[Bell]>,
    senders: Vec<Sender<M>>,
    inbox: Receiver<M>,
    spill: Vec<VecDeque<M>>,
    spilled: usize,
    ring_later: u64,
}

/// Sends to all cores from a thread that is none of them (signals).
pub struct Outside<M> {
    bells: Arc<[Bell]>,
    senders: Vec<Sender<M>>,
}

impl<M> Clone for Outside<M> {
    fn clone(&self) -> Outside<M> {
        Outside { bells: self.bells.clone(), senders: self.senders.clone() }
    }
}

impl<M> Outside<M> {
    /// Waits for room in the core's queue; false when the core has ended.
    pub fn send(&self, core: usize, message: impl Into<M>) -> bool {
        let sent = self.senders[core].send(message.into()).is_ok();
        self.bells[core].ring();
        sent
    }

    /// All cores' bells.
    pub fn bells(&self) -> &Arc<[Bell]> {
        &self.bells
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.senders.len()
    }
}

/// Connects `cores` cores with each other.
///
/// # Errors
/// No descriptors left for the eventfds.
pub fn connect<M>(cores: usize) -> std::io::Result<(Vec<Port<M>>, Outside<M>)> {
    let bells: Arc<[Bell]> = (0..cores).map(|_| Bell::new()).collect::<Result<_, _>>()?;
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..cores).map(|_| bounded(MESH_QUEUE_MESSAGES)).unzip();
    let port = |(me, inbox)| Port {
        me: Core(me as u16),
        bells: bells.clone(),
        senders: senders.clone(),
        inbox,
        spill: (0..cores).map(|_| VecDeque::new()).collect(),
        spilled: 0,
        ring_later: 0,
    };
    let ports = inboxes.into_iter().enumerate().map(port).collect();
    Ok((ports, Outside { bells, senders }))
}

impl<M> Port<M> {
    /// This core.
    pub fn me(&self) -> Core {
        self.me
    }

    /// This core's bell.
    pub fn bell(&self) -> &Bell {
        &self.bells[self.me.index()]
    }

    /// Queues a message; the doorbell follows at the end of the turn. True when the queue was full.
    pub fn send(&mut self, core: Core, message: M) -> bool {
        self.ring_later |= 1 << core.0;
        let spill = &mut self.spill[core.index()];
        let message = if spill.is_empty() {
            match self.senders[core.index()].try_send(message) {
                Ok(()) => return false,
                Err(TrySendError::Full(message)) => message,
                // The core has ended in order: there is nobody left whom the message could concern.
                Err(TrySendError::Disconnected(_)) => return false,
            }
        } else {
            message // What follows a spilled message is spilled too: order.
        };
        spill.push_back(message);
        self.spilled += 1;
        true
    }

    /// The oldest message for this core.
    pub fn receive(&self) -> Option<M> {
        self.inbox.try_recv().ok()
    }

    /// Messages that wait for this core.
    pub fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// True while some other core's queue is full: no new work may be taken from sockets.
    pub fn is_blocked(&self) -> bool {
        self.spilled > 0
    }

    /// True when there is nothing to receive and nothing to retry.
    pub fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.spilled == 0
    }

    /// Says that this core is about to sleep until its doorbell is written; true when no message speaks against it.
    ///
    /// First the signals of the busy time are thrown away, which would end the sleep at once; only then others are told.
    /// The other way round the one signal that the word calls for could be thrown away: nobody rings twice.
    pub fn park(&self) -> bool {
        drain(&self.bell().doorbell);
        self.bell().parked.store(true, Ordering::SeqCst);
        self.is_idle()
    }

    /// This core is awake: it looks at its inbox by itself.
    pub fn unpark(&self) {
        self.bell().parked.store(false, Ordering::Relaxed);
    }

    /// Retries what was spilled and rings those who got something and park.
    pub fn end_turn(&mut self) {
        if self.spilled > 0 {
            self.retry();
        }
        let mut rest = std::mem::take(&mut self.ring_later);
        while rest != 0 {
            let core = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            self.bells[core].ring();
        }
    }

    fn retry(&mut self) {
        for (core, spill) in self.spill.iter_mut().enumerate() {
            while let Some(message) = spill.pop_front() {
                match self.senders[core].try_send(message) {
                    Err(TrySendError::Full(message)) => {
                        spill.push_front(message);
                        break;
                    }
                    Ok(()) | Err(TrySendError::Disconnected(_)) => {
                        self.spilled -= 1;
                        self.ring_later |= 1 << core;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_messages_to_a_stopped_core_arrive_complete_and_in_order() {
        let (ports, _outside) = connect::<u32>(2).expect("eventfds");
        let [mut sender, receiver]: [Port<u32>; 2] = ports.try_into().ok().expect("two");
        let spilled = (0..100_000).filter(|n| sender.send(Core(1), *n)).count();
        assert_eq!(spilled, 100_000 - MESH_QUEUE_MESSAGES);
        assert!(sender.is_blocked(), "the sender stops reading sockets");
        let mut next = 0;
        while next < 100_000 {
            while let Some(message) = receiver.receive() {
                assert_eq!(message, next);
                next += 1;
            }
            sender.end_turn();
        }
        assert!(!sender.is_blocked() && sender.is_idle() && receiver.is_idle());
    }

    #[test]
    fn two_cores_that_are_full_towards_each_other_both_go_on() {
        let (ports, _outside) = connect::<u32>(2).expect("eventfds");
        let [mut a, mut b]: [Port<u32>; 2] = ports.try_into().ok().expect("two");
        for n in 0..2 * MESH_QUEUE_MESSAGES as u32 {
            a.send(Core(1), n);
            b.send(Core(0), n);
        }
        let (mut got_a, mut got_b) = (0, 0);
        for _ in 0..4 {
            while a.receive().is_some() {
                got_a += 1;
            }
            a.end_turn();
            while b.receive().is_some() {
                got_b += 1;
            }
            b.end_turn();
        }
        assert_eq!((got_a, got_b), (2 * MESH_QUEUE_MESSAGES, 2 * MESH_QUEUE_MESSAGES));
    }

    #[test]
    fn a_message_wakes_a_core_that_has_just_parked() {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        const MESSAGES: u32 = 200_000;
        let (ports, _outside) = connect::<u32>(2).expect("eventfds");
        let [mut sender, receiver]: [Port<u32>; 2] = ports.try_into().ok().expect("two");
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let sleeper = std::thread::spawn(move || {
            let mut next = 0;
            while next < MESSAGES {
                if receiver.receive().is_some() {
                    next += 1;
                    count.store(u64::from(next), Ordering::Release);
                } else if receiver.park() {
                    let doorbell = &receiver.bell().doorbell;
                    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
                    let rung = poll(&mut [PollFd::new(doorbell, PollFlags::IN)], Some(&patience));
                    assert_eq!(rung, Ok(1), "asleep over message {next}");
                }
                receiver.unpark();
            }
        });
        for n in 0..u64::from(MESSAGES) {
            sender.send(Core(1), n as u32);
            // The message is taken before its sender rings, as it is in a turn with more to do.
            let is_taken = || taken.load(Ordering::Acquire) > n || sleeper.is_finished();
            while !is_taken() && !sender.bells[1].parked.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            sender.end_turn();
        }
        sleeper.join().expect("every message woke it");
    }

    #[test]
    fn only_a_core_that_says_it_parks_is_rung() {
        let (mut ports, _outside) = connect::<u32>(2).expect("eventfds");
        let count = |bell: &Bell| {
            let mut count = [0; 8];
            match preadv2(&bell.doorbell, &mut [IoSliceMut::new(&mut count)], u64::MAX, ReadWriteFlags::NOWAIT) {
                Ok(_) => u64::from_ne_bytes(count),
                Err(_) => 0,
            }
        };
        ports[0].send(Core(1), 1);
        ports[0].end_turn();
        assert_eq!(count(ports[1].bell()), 0);
        ports[1].bell().parked.store(true, Ordering::SeqCst);
        ports[0].send(Core(1), 2);
        ports[0].send(Core(1), 3);
        ports[0].end_turn();
        assert_eq!(count(ports[1].bell()), 1, "one ring for everything that the turn sent");
        assert!(!ports[1].bell().parked.load(Ordering::SeqCst));
    }
}
