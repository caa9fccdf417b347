//! What was published to one channel: positions, and the publications that are still kept.
//!
//! Offsets count from 1 without a hole, so a kept publication needs no number of its own: the last one stands at the
//! top. Publications vanish together when nothing was published for `ttl` (the top stays), the stream itself when it
//! was not used for `meta_ttl`; then the next use begins a new epoch (client-protocol 4.1).
//!
//! Cost of a kept publication: its payload plus 40 bytes in the queue, plus what the allocator rounds (32 bytes when the
//! payload is shared with somebody). Only publications with tags or a publisher cost more. `tests/history_memory.rs`
//! shows it.

use crate::channel::Position;
use crate::clock::Mono;
use crate::mutation::{self, Mutation};
use crate::proto::client::{ClientInfo, Publication};
use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How much history a channel keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Publications; the newest are kept.
    pub size: usize,
    /// They vanish so long after the last one.
    pub ttl: Duration,
}

/// A publication as it is kept; its offset follows from its place.
#[derive(Debug)]
struct Kept {
    data: Bytes,
    extras: Option<Box<Extras>>,
}

#[derive(Debug)]
struct Extras {
    info: Option<ClientInfo>,
    tags: BTreeMap<String, String>,
}

/// The history of one channel.
#[derive(Debug)]
pub struct Stream {
    epoch: Arc<str>,
    top: u64,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// When the kept publications vanish.
    pub(super) items_until: Mono,
    /// When the stream vanishes.
    pub(super) meta_until: Mono,
    version: u64,
    version_epoch: Box<str>,
    /// The newest kept publication was not the last that was handed out.
    is_interrupted: bool,
}

/// Which publications are asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Page {
    /// At most so many; `None`: all.
    pub limit: Option<usize>,
    /// Those behind this offset, or before it when reversed; `None`: from the end.
    pub since: Option<u64>,
    /// The newest first.
    pub reverse: bool,
}

impl Stream {
    /// An empty stream with an epoch of its own: eight random letters.
    pub fn new(random: &mut StdRng) -> Stream {
        let mut letter = || {
            let n = random.random_range(0..52u8);
            char::from(if n < 26 { b'a' + n } else { b'A' + n - 26 })
        };
        let epoch: String = (0..8).map(|_| letter()).collect();
        let epoch = match () {
            () if mutation::is(Mutation::EpochIsReused) => "epoch".into(),
            () if mutation::is(Mutation::EpochIsNoise) => mutation::noise().to_string(),
            () => epoch,
        };
        Stream {
            epoch: epoch.into(),
            top: 0,
            kept: VecDeque::new(),
            bytes: 0,
            items_until: Mono::NEVER,
            meta_until: Mono::NEVER,
            version: 0,
            version_epoch: "".into(),
            is_interrupted: false,
        }
    }

    /// The position of the newest publication.
    pub fn top(&self) -> Position {
        Position { offset: self.top, epoch: self.epoch.clone() }
    }

    /// True when a publication of this version is older than what is known, so that it must be suppressed
    /// (server-api 2.1). Version 0 has no order.
    pub fn has_newer(&self, version: u64, epoch: &str) -> bool {
        version > 0 && version <= self.version && (epoch.is_empty() || epoch == &*self.version_epoch)
    }

    /// Takes a publication in and tells its position.
    pub fn append(&mut self, publication: &Publication, version_epoch: &str, size: usize) -> Position {
        if publication.version > 0 {
            self.version = publication.version;
            if !version_epoch.is_empty() {
                self.version_epoch = version_epoch.into();
            }
        }
        let has_extras = publication.info.is_some() || !publication.tags.is_empty();
        let extras =
            has_extras.then(|| Box::new(Extras { info: publication.info.clone(), tags: publication.tags.clone() }));
        while self.kept.len() >= size.max(1)
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.data.len();
        }
        // The queue never has room for more than may be kept.
        if self.kept.len() == self.kept.capacity() {
            self.kept.reserve_exact(self.kept.len().max(1).min(size.saturating_sub(self.kept.len())));
        }
        self.bytes += publication.data.len();
        if !(mutation::is(Mutation::PublicationIsNotKept) && self.top % 9 == 8) {
            self.kept.push_back(Kept { data: publication.data.clone(), extras });
        }
        self.top += 1 + u64::from(mutation::is(Mutation::OffsetIsSkipped) && self.top % 8 == 7);
        self.is_interrupted = false;
        self.top()
    }

    /// The payload of the newest publication, if it is kept and was the last that was handed out.
    pub fn base(&self) -> Option<&Bytes> {
        self.kept.back().filter(|_| !self.is_interrupted).map(|kept| &kept.data)
    }

    /// Something was handed out that is not kept.
    pub fn interrupt(&mut self) {
        self.is_interrupted = !mutation::is(Mutation::PatchOfAnother);
    }

    /// Forgets the publications, not the position.
    pub fn clear(&mut self) {
        self.kept = VecDeque::new();
        self.bytes = 0;
        self.items_until = Mono::NEVER;
    }

    /// Publications that are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// True when none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Bytes of their payloads.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The offset before the oldest kept publication.
    fn floor(&self) -> u64 {
        self.top - self.kept.len() as u64
    }

    /// True when everything behind `since` is still kept and not more than `limit`.
    pub fn recovers(&self, since: &Position, limit: usize) -> bool {
        if mutation::is(Mutation::RecoversTooLittle) && self.top > 12 {
            return false;
        }
        let floor = self.floor().saturating_sub(u64::from(mutation::is(Mutation::RecoversTooFar)));
        let limit = (limit as u64).saturating_add(u64::from(mutation::is(Mutation::RecoversOneMore)));
        let is_known = since.epoch.is_empty() || since.epoch == self.epoch;
        let in_reach = (floor..=self.top).contains(&since.offset);
        is_known && in_reach && self.top - since.offset <= limit
    }

    /// The publications of a page. A reversed page whose first publication is not kept is empty.
    pub fn read(&self, page: &Page) -> Vec<Publication> {
        let (floor, limit) = (self.floor(), page.limit.unwrap_or(usize::MAX));
        if page.reverse {
            let first = page.since.map_or(self.top, |offset| offset.saturating_sub(1));
            if first <= floor || first > self.top {
                return Vec::new();
            }
            return (floor + 1..=first).rev().take(limit).map(|offset| self.publication(offset)).collect();
        }
        let first = page.since.map_or(floor, |offset| offset.max(floor)).saturating_add(1);
        (first..=self.top).take(limit).map(|offset| self.publication(offset)).collect()
    }

    /// How many of the publications behind `offset` a page of so many publications and bytes takes: one at least, if there
    /// is one. Each counts for `overhead` bytes more than its payload.
    pub fn reach(&self, offset: u64, publications: usize, bytes: usize, overhead: usize) -> usize {
        let first = offset.saturating_sub(self.floor()) as usize;
        let mut left = bytes;
        let fits = |kept: &&Kept| {
            let size = kept.data.len() + overhead;
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        };
        let count = self.kept.iter().skip(first).take(publications).take_while(fits).count();
        count.max(usize::from(first < self.kept.len()))
    }

    fn publication(&self, offset: u64) -> Publication {
        let kept = &self.kept[(offset - self.floor() - 1) as usize];
        let extras = kept.extras.as_deref();
        Publication {
            data: kept.data.clone(),
            info: extras.and_then(|extras| extras.info.clone()),
            tags: extras.map(|extras| extras.tags.clone()).unwrap_or_default(),
            offset,
            // The first of a stream names it, as Centrifugo's memory engine does.
            epoch: if offset == 1 { self.epoch.to_string() } else { String::new() },
            ..Publication::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// A stream of `count` publications of which `size` are kept.
    fn stream(count: u64, size: usize) -> Stream {
        let mut stream = Stream::new(&mut StdRng::seed_from_u64(1));
        for n in 1..=count {
            let publication = Publication { data: n.to_string().into(), ..Publication::default() };
            assert_eq!(stream.append(&publication, "", size).offset, n);
        }
        stream
    }

    fn offsets(stream: &Stream, limit: Option<usize>, since: Option<u64>, reverse: bool) -> Vec<u64> {
        let read = stream.read(&Page { limit, since, reverse });
        assert!(read.iter().all(|p| p.data[..] == p.offset.to_string().as_bytes()[..]));
        read.iter().map(|p| p.offset).collect()
    }

    #[test]
    fn a_page_reaches_as_far_as_its_bytes() {
        let stream = stream(12, 10);
        assert_eq!(stream.reach(2, 100, 1000, 9), 10, "publications 3 to 12");
        assert_eq!(
            (stream.reach(2, 3, 1000, 9), stream.reach(11, 3, 1000, 9), stream.reach(12, 3, 1000, 9)),
            (3, 1, 0)
        );
        assert_eq!((stream.reach(2, 100, 30, 9), stream.reach(2, 100, 29, 9), stream.reach(2, 100, 0, 9)), (3, 2, 1));
    }

    #[test]
    fn pages_are_cut_as_centrifugo_cuts_them() {
        let all = stream(4, 5);
        assert!(offsets(&all, Some(0), None, false).is_empty());
        assert_eq!(offsets(&all, Some(1), None, false), [1]);
        assert_eq!(offsets(&all, None, None, false), [1, 2, 3, 4]);
        assert_eq!(offsets(&all, Some(2), None, true), [4, 3]);
        assert_eq!(offsets(&all, Some(10), Some(1), false), [2, 3, 4]);
        assert!(offsets(&all, Some(10), Some(4), false).is_empty());
        assert!(offsets(&all, Some(10), Some(100), false).is_empty());
        assert!(offsets(&all, Some(10), Some(u64::MAX), false).is_empty());
        assert_eq!(offsets(&all, Some(10), Some(3), true), [2, 1]);
        assert!(offsets(&all, Some(10), Some(1), true).is_empty());
        assert_eq!(offsets(&all, Some(10), Some(5), true), [4, 3, 2, 1]);
        assert!(offsets(&all, Some(10), Some(100), true).is_empty());
        let cut = stream(6, 5);
        assert_eq!(offsets(&cut, None, None, false), [2, 3, 4, 5, 6]);
        assert_eq!(offsets(&cut, Some(2), Some(0), false), [2, 3]);
        assert!(offsets(&cut, None, Some(2), true).is_empty());
        assert_eq!(offsets(&cut, None, Some(3), true), [2]);
    }

    #[test]
    fn clearing_keeps_the_position() {
        let mut cleared = stream(4, 5);
        let top = cleared.top();
        cleared.clear();
        assert_eq!((cleared.top(), cleared.len(), cleared.bytes()), (top, 0, 0));
        assert!(offsets(&cleared, None, None, false).is_empty());
        assert_eq!(cleared.append(&Publication::default(), "", 5).offset, 5);
    }

    #[test]
    fn recovery_needs_every_publication_behind_the_position() {
        let cut = stream(6, 3);
        let since = |offset, epoch: &str| Position { offset, epoch: epoch.into() };
        let epoch = cut.top().epoch;
        for (offset, expected) in [(6, true), (5, true), (3, true), (2, false), (0, false), (7, false)] {
            assert_eq!(cut.recovers(&since(offset, &epoch), 300), expected, "{offset}");
        }
        assert!(cut.recovers(&since(4, ""), 300) && !cut.recovers(&since(4, "other"), 300));
        assert!(!cut.recovers(&since(3, &epoch), 2), "more than may be recovered");
        let mut empty = stream(6, 3);
        empty.clear();
        assert!(empty.recovers(&since(6, &epoch), 300) && !empty.recovers(&since(5, &epoch), 300));
    }

    #[test]
    fn a_version_that_is_not_newer_is_known() {
        let mut versioned = stream(0, 5);
        let mut publish = |version, epoch: &str| {
            if versioned.has_newer(version, epoch) {
                return versioned.top().offset;
            }
            versioned.append(&Publication { version, ..Publication::default() }, epoch, 5).offset
        };
        assert_eq!([publish(5, ""), publish(5, ""), publish(4, ""), publish(6, "")], [1, 1, 1, 2]);
        let mut versioned = stream(0, 5);
        let mut publish = |version, epoch: &str| {
            if versioned.has_newer(version, epoch) {
                return versioned.top().offset;
            }
            versioned.append(&Publication { version, ..Publication::default() }, epoch, 5).offset
        };
        assert_eq!([publish(5, "a"), publish(5, "b"), publish(4, "b"), publish(4, "")], [1, 2, 2, 2]);
    }
}
