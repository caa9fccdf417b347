//! Connections that wait a moment before they are written to, so that what comes meanwhile leaves with what is there
//! (`client.write_delay`, `corecast_write_delay`).
//!
//! Those that begin to wait at about the same time for as long are one group with one deadline. Invariant: a group's deadline
//! is not later than the beginning of any of its members' waits and their delay; the lists on which its members stand are not
//! older than its floor.

use crate::clock::Mono;
use std::time::Duration;

/// A group is open for a part of its delay: so much earlier than wished is a member written to at most.
const OPEN_PART: u32 = 8;

struct Group {
    delay: Duration,
    began: Mono,
    /// Its members stand on no list before this one.
    floor: u64,
    members: Vec<u32>,
}

impl Group {
    fn due(&self) -> Mono {
        self.began + self.delay
    }
}

/// All groups of a core: one per delay and eighth of it.
#[derive(Default)]
pub(super) struct Delays {
    groups: Vec<Group>,
    /// Memory of former groups.
    spare: Vec<Vec<u32>>,
}

impl Delays {
    /// A connection waits from now on. It stands on no list before `floor`, counted from the first of all.
    pub(super) fn add(&mut self, index: u32, now: Mono, delay: Duration, floor: u64) {
        let is_open = |group: &Group| group.delay == delay && now.since(group.began) <= delay / OPEN_PART;
        let place = self.groups.iter().rposition(is_open).unwrap_or_else(|| {
            let members = self.spare.pop().unwrap_or_default();
            self.groups.push(Group { delay, began: now, floor, members });
            self.groups.len() - 1
        });
        self.groups[place].members.push(index);
    }

    /// When the first group has waited long enough.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.groups.iter().map(Group::due).min()
    }

    /// Lists before this one belong to nobody who waits.
    pub(super) fn floor(&self) -> u64 {
        self.groups.iter().map(|group| group.floor).min().unwrap_or(u64::MAX)
    }

    /// Ends the groups whose time has come and hands out their members, some of whom may wait no more.
    pub(super) fn release(&mut self, now: Mono, mut each: impl FnMut(u32)) {
        let mut at = 0;
        while at < self.groups.len() {
            if self.groups[at].due() > now {
                at += 1;
                continue;
            }
            let mut members = self.groups.remove(at).members;
            members.drain(..).for_each(&mut each);
            self.spare.push(members);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(80);

    fn ms(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    fn released(delays: &mut Delays, now: Mono) -> Vec<u32> {
        let mut members = Vec::new();
        delays.release(now, |index| members.push(index));
        members
    }

    #[test]
    fn who_begins_to_wait_at_about_the_same_time_is_written_to_together() {
        let mut delays = Delays::default();
        for (at, index) in [(0, 1), (10, 2), (11, 3)] {
            delays.add(index, ms(at), DELAY, at);
        }
        delays.add(4, ms(11), DELAY / 8, 11);
        assert_eq!((delays.next_due(), delays.floor()), (Some(ms(21)), 0));
        assert!(released(&mut delays, ms(20)).is_empty());
        assert_eq!(released(&mut delays, ms(21)), [4]);
        assert_eq!(released(&mut delays, ms(80)), [1, 2]);
        assert_eq!((delays.next_due(), delays.floor()), (Some(ms(91)), 11));
        assert_eq!(released(&mut delays, ms(91)), [3]);
        assert_eq!((delays.next_due(), delays.floor()), (None, u64::MAX));
    }
}
