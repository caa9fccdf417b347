//! Recovered lists that clients who were away together share: after a cut they all come back within seconds.
//!
//! Of a channel there is one list at most: the publications up to its top, from the oldest that somebody has asked for.
//! It is kept for a short while, and what does not fit is made for one client alone. A list that is kept is never wrong: it
//! counts only for the position that it ends with, and whether the client may have it is asked of the stream before.

use super::Position;
use super::history::{Page, Stream};
use crate::clock::Mono;
use crate::limits::{RECOVERED_BYTES_MAX, RECOVERED_LIST_MS, RECOVERED_LISTS_MAX};
use crate::mutation::{self, Mutation};
use crate::protocol::missed::{Missed, Range};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The lists of one core.
#[derive(Default)]
pub struct Ranges {
    kept: HashMap<Arc<str>, Kept>,
    /// Each kept one once, with the end of its time, the oldest first. A newer list of a channel takes the place of the
    /// former one.
    order: VecDeque<(Mono, Arc<str>)>,
    bytes: usize,
}

struct Kept {
    top: Position,
    range: Arc<Range>,
    bytes: usize,
}

impl Ranges {
    /// What a client has missed that knows the publications up to `offset`; all behind it are in the stream.
    pub fn missed(&mut self, channel: &Arc<str>, stream: &Stream, offset: u64, now: Mono) -> Missed {
        let top = stream.top();
        if offset >= top.offset {
            return Missed::default();
        }
        let offset = offset.saturating_sub(u64::from(mutation::is(Mutation::RecoveryRepeatsOne)));
        if let Some(kept) = self.kept.get(channel).filter(|kept| kept.top == top)
            && let Some(skip) = kept.range.first().and_then(|first| (offset + 1).checked_sub(first))
        {
            return Missed::new(kept.range.clone(), skip as usize);
        }
        let range = Arc::new(Range::new(stream.read(&Page { since: Some(offset), ..Page::default() })));
        self.keep(channel, top, range.clone(), now);
        Missed::new(range, 0)
    }

    fn keep(&mut self, channel: &Arc<str>, top: Position, range: Arc<Range>, now: Mono) {
        let bytes = range.bytes();
        if bytes > RECOVERED_BYTES_MAX {
            return;
        }
        self.bytes += bytes;
        match self.kept.insert(channel.clone(), Kept { top, range, bytes }) {
            Some(former) => self.bytes -= former.bytes,
            None => self.order.push_back((now + Duration::from_millis(RECOVERED_LIST_MS), channel.clone())),
        }
        while self.kept.len() > RECOVERED_LISTS_MAX || self.bytes > RECOVERED_BYTES_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((_, channel)) = self.order.pop_front() else { return };
        self.bytes -= self.kept.remove(&channel).map_or(0, |kept| kept.bytes);
    }

    /// When [`Ranges::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.order.front().map(|(until, _)| *until)
    }

    /// Forgets the lists whose time is over.
    pub fn expire(&mut self, now: Mono) {
        while self.next_deadline().is_some_and(|until| until <= now) {
            self.drop_oldest();
        }
        if self.kept.is_empty() {
            *self = Ranges::default();
        }
    }

    /// True when none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Panics when the sums disagree with the lists. For tests and the simulation.
    pub fn check_invariants(&self) {
        assert_eq!(self.order.len(), self.kept.len());
        assert!(self.order.iter().all(|(_, channel)| self.kept.contains_key(channel)), "every list has its end");
        assert_eq!(self.bytes, self.kept.values().map(|kept| kept.bytes).sum::<usize>());
        assert!(self.bytes <= RECOVERED_BYTES_MAX && self.kept.len() <= RECOVERED_LISTS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::client::Publication;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn stream(seed: u64) -> Stream {
        Stream::new(&mut StdRng::seed_from_u64(seed))
    }

    fn publish(stream: &mut Stream, count: usize, bytes: usize) {
        for _ in 0..count {
            stream.append(&Publication { data: vec![b'1'; bytes].into(), ..Publication::default() }, "", 100);
        }
    }

    fn offsets(missed: &Missed) -> Vec<u64> {
        missed.publications().iter().map(|publication| publication.offset).collect()
    }

    /// True when both are ends of one list.
    fn share(one: &Missed, other: &Missed) -> bool {
        let last = |missed: &Missed| missed.publications().last().map(std::ptr::from_ref);
        last(one) == last(other)
    }

    #[test]
    fn clients_that_were_away_together_share_the_list_from_their_own_place_on() {
        let (mut ranges, mut stream) = (Ranges::default(), stream(1));
        publish(&mut stream, 6, 1);
        let mut missed = |stream: &Stream, offset| {
            let missed = ranges.missed(&"c".into(), stream, offset, Mono(0));
            ranges.check_invariants();
            missed
        };
        let first = missed(&stream, 2);
        assert_eq!(offsets(&first), [3, 4, 5, 6]);
        let later = missed(&stream, 4);
        assert!(share(&first, &later) && offsets(&later) == [5, 6]);
        assert!(missed(&stream, 6).is_empty());
        let earlier = missed(&stream, 1);
        assert!(!share(&first, &earlier) && offsets(&earlier) == [2, 3, 4, 5, 6], "it misses more");
        assert!(share(&earlier, &missed(&stream, 2)), "the longer one serves both");
        publish(&mut stream, 1, 1);
        let newer = missed(&stream, 4);
        assert!(!share(&earlier, &newer) && offsets(&newer) == [5, 6, 7], "the top has moved");
        assert_eq!(offsets(&earlier), [2, 3, 4, 5, 6], "who has a list keeps it");
    }

    #[test]
    fn a_stream_that_began_anew_shares_nothing_with_its_former_self() {
        let (mut ranges, mut old, mut new) = (Ranges::default(), stream(1), stream(2));
        publish(&mut old, 2, 1);
        publish(&mut new, 2, 1);
        let former = ranges.missed(&"c".into(), &old, 0, Mono(0));
        assert!(!share(&former, &ranges.missed(&"c".into(), &new, 0, Mono(0))));
    }

    #[test]
    fn lists_are_forgotten_by_number_by_size_and_by_time() {
        let (mut ranges, mut stream) = (Ranges::default(), stream(1));
        publish(&mut stream, 1, 1);
        for n in 0..=RECOVERED_LISTS_MAX {
            ranges.missed(&n.to_string().into(), &stream, 0, Mono(n as u64));
            ranges.check_invariants();
        }
        assert!(ranges.kept.len() == RECOVERED_LISTS_MAX && !ranges.kept.contains_key("0"));
        publish(&mut stream, 1, RECOVERED_BYTES_MAX / 2);
        for channel in ["a", "b"] {
            ranges.missed(&channel.into(), &stream, 0, Mono(5_000));
        }
        ranges.check_invariants();
        assert!(ranges.kept.len() == 1 && ranges.kept.contains_key("b"));
        publish(&mut stream, 1, RECOVERED_BYTES_MAX);
        assert_eq!(offsets(&ranges.missed(&"c".into(), &stream, 0, Mono(5_000))), [1, 2, 3], "for one client alone");
        assert!(!ranges.kept.contains_key("c"));
        let until = ranges.next_deadline().expect("a list");
        ranges.expire(until);
        ranges.check_invariants();
        assert!(ranges.is_empty() && ranges.next_deadline().is_none());
    }
}
