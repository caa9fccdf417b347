//! What goes wrong in a world. Each kind is on or off by a coin of its own, so that rare mixes appear, and so that there are
//! worlds in which something does not go wrong and can be counted exactly.

use crate::world::World;
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;

/// A core whose doorbell was lost finds its messages by then.
const RESCUE: Duration = Duration::from_secs(1);

/// The kinds of a world.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// A socket takes a part of what it is given, down to a byte, although it has room.
    pub writes_short: bool,
    /// Cores stand still.
    pub stalls: bool,
    /// Messages of different cores overtake each other in an inbox; those of one core never do.
    pub reorders: bool,
    /// A core does not look into its inbox for a second.
    pub is_deaf: bool,
    /// The time of day is set, forwards and backwards.
    pub sets_clock: bool,
    /// Time passes just up to what is due next, or short of it.
    pub races: bool,
    /// Connections are torn.
    pub tears: bool,
    /// Clients read slowly.
    pub reads_slowly: bool,
    /// The rules change while everything goes on.
    pub reloads: bool,
}

impl Chaos {
    pub fn new(random: &mut StdRng) -> Chaos {
        let mut coin = |of: u32| random.random_range(0..of) > 0;
        Chaos {
            writes_short: coin(2),
            stalls: coin(4),
            reorders: coin(2),
            is_deaf: coin(2),
            sets_clock: coin(2),
            races: coin(2),
            tears: coin(4),
            reads_slowly: coin(4),
            reloads: coin(2),
        }
    }

    /// Nobody loses anything of what was sent to it, so it can be counted.
    pub fn is_calm(&self) -> bool {
        !self.tears && !self.reads_slowly && !self.writes_short
    }
}

impl World {
    /// A core stands still for some time, or hears of its messages late.
    pub fn disturb_a_core(&mut self) {
        if self.any(3) == 0 && self.chaos.is_deaf {
            let (core, until) = (self.any(self.nodes.len()), self.now.mono + RESCUE);
            self.nodes[core].deaf_until = until;
            self.model.tally.count("doorbells lost", 1);
        } else if self.chaos.stalls {
            self.stall();
        }
    }

    /// A core stands still for some time.
    pub fn stall(&mut self) {
        let (core, steps) = (self.any(self.nodes.len()), self.any(40));
        self.nodes[core].stalled = steps;
    }

    /// Somebody sets the time of day: mostly by seconds, now and then by an hour.
    pub fn set_clock(&mut self) {
        if !self.chaos.sets_clock {
            return;
        }
        let far = if self.any(6) == 0 { 4_000_000 } else { 20_000 };
        let skew = self.model.clocks.skew() + self.any(2 * far) as i64 - far as i64;
        self.model.now.step += 1;
        self.model.clocks.set(self.model.now.step, skew);
        self.pass_time(Duration::ZERO);
        self.model.tally.count("clocks set", 1);
    }

    /// Mostly less than a second; now and then so much that history vanishes. Peers that are about to say something are
    /// not kept waiting so long.
    pub fn let_time_pass(&mut self) {
        let is_silent = self.nodes.iter().all(|node| node.sockets.is_empty());
        if self.chaos.races && self.any(3) == 0 {
            return self.pass_time_to_a_deadline(if is_silent { 30_000 } else { 700 });
        }
        let millis = match self.any(30) {
            0 if is_silent => 5_000 + self.any(30_000),
            _ => self.any(700),
        };
        self.pass_time(Duration::from_millis(millis as u64));
    }

    /// What is due next on some core is just due, or not yet.
    fn pass_time_to_a_deadline(&mut self, millis_max: u64) {
        let core = self.any(self.nodes.len());
        let is_short = self.any(3) == 0;
        let Some(deadline) = self.nodes[core].shard.next_deadline() else { return };
        let delay = deadline.since(self.now.mono);
        if delay.is_zero() || delay > Duration::from_millis(millis_max) {
            return;
        }
        self.pass_time(if is_short { delay - Duration::from_nanos(1) } else { delay });
        self.model.tally.count("deadlines met exactly", usize::from(!is_short));
    }
}
