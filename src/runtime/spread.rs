//! Which core a new connection goes to, and how it gets there.
//!
//! Each core has listening sockets of its own and the kernel deals connections to them by a hash, so what a core gets varies
//! like the throws of a coin. A core that has noticeably more than another hands its next connection over; all others stay
//! where they were accepted. Each listener is evened out by itself: a few busy backends on the port for GRPC do not count
//! for more because there are thousands of clients on the other.

use crate::id::Core;
use crate::shard::Message;
use smallvec::SmallVec;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a core gets through the mesh.
pub enum Mail {
    /// A message for its shard.
    Message(Message),
    /// A connection that another core has accepted.
    Connection {
        /// On which of its listeners.
        listener: u32,
        /// Not yet known to anybody else.
        descriptor: OwnedFd,
    },
}

impl From<Message> for Mail {
    fn from(message: Message) -> Mail {
        Mail::Message(message)
    }
}

/// Connections of each core and listener, those on their way included. On a cache line of its own for each core.
#[derive(Clone)]
pub struct Spread(Arc<[Loads]>);

#[repr(align(64))]
struct Loads(SmallVec<[AtomicUsize; LISTENERS]>);

/// Listeners that stand in the line itself; mostly there are one to three.
const LISTENERS: usize = 6;
const _: () = assert!(size_of::<Loads>() == 64);

impl Spread {
    /// Nobody has a connection.
    pub fn new(cores: usize, listeners: usize) -> Spread {
        Spread((0..cores).map(|_| Loads((0..listeners).map(|_| AtomicUsize::new(0)).collect())).collect())
    }

    fn load(&self, core: Core, listener: u32) -> Option<&AtomicUsize> {
        self.0.get(core.index())?.0.get(listener as usize)
    }

    /// The core for a connection that `me` has accepted; it counts there from now on.
    pub fn take(&self, me: Core, listener: u32) -> Core {
        let load = |core: usize| self.load(Core(core as u16), listener).map_or(0, |load| load.load(Ordering::Relaxed));
        let core = Core(choose(me.index(), self.0.len(), load) as u16);
        if let Some(load) = self.load(core, listener) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        core
    }

    /// A connection has ended, or has not come about.
    pub fn give_back(&self, core: Core, listener: u32) {
        if let Some(load) = self.load(core, listener) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// `me`, unless it has more than the least loaded core by more than a twentieth of what a core has on average.
fn choose(me: usize, cores: usize, load: impl Fn(usize) -> usize) -> usize {
    let Some(least) = (0..cores).min_by_key(|core| load(*core)) else { return me };
    let total: usize = (0..cores).map(&load).sum();
    let slack = 1 + total / cores / 20;
    if load(me) > load(least) + slack { least } else { me }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand connections, accepted where a hash says; what each core has, and how many were handed over.
    fn deal(cores: usize, mut hash: u64) -> (Vec<usize>, usize) {
        let spread = Spread::new(cores, 2);
        let (mut loads, mut handed_over) = (vec![0; cores], 0);
        for _ in 0..1_000 {
            hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let me = Core((hash >> 33) as u16 % cores as u16);
            let core = spread.take(me, 1);
            loads[core.index()] += 1;
            handed_over += usize::from(core != me);
        }
        (loads, handed_over)
    }

    #[test]
    fn a_thousand_connections_are_spread_within_a_tenth() {
        for cores in [1, 2, 3, 4, 8, 16, 32, 64] {
            for seed in 0..20 {
                let (loads, _) = deal(cores, seed);
                let even = 1_000.0 / cores as f64;
                // A core has whole connections: an even share of 15.6 may be 17 and 14.
                let (least, most) = ((even * 0.9).floor() as usize, (even * 1.1).ceil() as usize);
                assert!(loads.iter().all(|load| (least..=most).contains(load)), "{cores} cores: {loads:?}");
            }
        }
    }

    #[test]
    fn few_connections_move() {
        let mean = |cores| (0..20).map(|seed| deal(cores, seed).1).sum::<usize>() / 20;
        assert!(mean(2) < 30 && mean(8) < 120, "{} and {}", mean(2), mean(8));
        assert_eq!(mean(1), 0);
    }

    #[test]
    fn each_listener_is_evened_out_by_itself() {
        let spread = Spread::new(2, 2);
        let (a, b) = (Core(0), Core(1));
        let taken: Vec<Core> = (0..6).map(|_| spread.take(a, 0)).collect();
        assert_eq!(taken, [a, a, b, a, b, a]);
        assert_eq!([spread.take(a, 1), spread.take(a, 1)], [a, a], "the other one counts for itself");
        (0..4).for_each(|_| spread.give_back(a, 0));
        assert_eq!([spread.take(b, 0), spread.take(b, 0)], [a, b], "who has lost many gets the next ones");
        assert_eq!(spread.take(a, 7), a, "an unknown listener stays where it is");
    }
}
