//! What goes wrong in a world. Each kind is on or off by a coin of its own, so that rare mixes appear, and so that there are
//! worlds in which something does not go wrong and can be counted exactly.

use crate::world::World;
use corecast::limits;
use corecast::overload::Level;
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;

/// So long all has to be calm for one step.
const CALM: Duration = Duration::from_millis(limits::OVERLOAD_CALM_MS + 1);

/// From the top to nothing, and one more to find out that it is calm.
const STEPS_DOWN: usize = 7;

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
    /// Memory gets scarce.
    pub is_scarce: bool,
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
            is_scarce: coin(2),
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

    /// What the cores may hold is cut to something near what they hold, or given back.
    pub fn cut_budget(&mut self) {
        if !self.chaos.is_scarce {
            return;
        }
        if self.any(3) == 0 {
            return self.shared.overload.set_budget(usize::MAX);
        }
        let core = self.any(self.nodes.len());
        let counters = self.nodes[core].shard.counters();
        let fixed = counters.memory_receive.get();
        let grown = [&counters.memory_input, &counters.memory_output, &counters.memory_history];
        let further = [&counters.memory_recovered, &counters.memory_presence, &counters.memory_connections];
        let held: u64 = grown.into_iter().chain(further).map(|cell| cell.get()).sum();
        let budget = fixed + held * (80 + self.any(120) as u64) / 100;
        self.shared.overload.set_budget(budget as usize);
        self.model.tally.count("budgets cut", 1);
    }

    /// There is enough for everybody again, and every core has come to know it.
    pub fn end_scarcity(&mut self) {
        self.shared.overload.set_budget(usize::MAX);
        for _ in 0..STEPS_DOWN {
            if self.shared.overload.node() == Level::Normal {
                return;
            }
            self.pass_time(CALM);
            self.come_to_rest();
        }
        assert_eq!(self.shared.overload.node(), Level::Normal, "what was given up does not come back");
    }

    /// A core has taken a step.
    pub fn note_level(&mut self) {
        let level = self.shared.overload.node();
        self.model.set_refusing(level == Level::NoPublications);
        self.model.tally.count(&format!("overload: {}", level.meaning()), 1);
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
