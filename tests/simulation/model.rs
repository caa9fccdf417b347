//! What the world knows of its own doings: what was published and with what success, what the backend granted.

use crate::clocks::{Clocks, Moment};
use crate::realm;
use crate::reloads::Rules;
use crate::stretch::{Stretch, item, offset};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A publication: who made it, and its number.
pub type Item = (u64, u64);

/// Offset and epoch.
pub type Position = (u64, String);

/// Options that a call of the API has set for one subscription; `None` keeps what the namespace says.
#[derive(Clone, Copy, Default, Debug)]
pub struct Grant {
    pub presence: Option<bool>,
    pub hears_joins: Option<bool>,
    pub recovery: Option<bool>,
    /// Unix seconds at which it ends; 0: never.
    pub expire_at: i64,
    /// When the call began.
    pub asked: Moment,
    /// It names a position, so the push may repeat that instead of the top.
    pub has_since: bool,
}

/// A publication with an idempotency key, in the order in which the calls were begun.
#[derive(Clone, Default, Debug)]
pub struct Keyed {
    pub items: Vec<Item>,
    /// What the calls were told, one entry for each that was answered.
    pub positions: Vec<Option<Position>>,
}

/// How much of a history was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    Whole { reverse: bool },
    Part,
    ReversePart,
}

/// What the server has shown of a history, the oldest first.
#[derive(Debug)]
pub struct Page {
    pub channel: String,
    pub kept: Vec<(Item, u64)>,
    pub top: Position,
    pub is_whole: bool,
    /// When it was asked for, and when it came.
    pub asked: Moment,
    pub told: Moment,
}

/// Somebody removes a history.
#[derive(Clone, Copy, Debug)]
pub struct Removal {
    pub begun: Moment,
    /// The answer to it.
    pub done: Option<Moment>,
}

#[derive(Default)]
pub struct Model {
    pub now: Moment,
    pub clocks: Clocks,
    pub numbers: u64,
    /// Publications by channel, in the order in which they were begun.
    pub published: BTreeMap<String, Vec<Item>>,
    /// When they were begun.
    pub begun: BTreeMap<Item, Moment>,
    /// When somebody knew for the first time that a publication was handed out.
    pub seen: BTreeMap<String, BTreeMap<Item, Moment>>,
    /// Publications whose publisher was told of their success; those with a key are in `keyed`.
    pub answered: BTreeSet<(String, Item)>,
    /// Positions that publishers were told.
    pub placed: BTreeMap<(String, Item), Option<Position>>,
    /// Calls with an idempotency key, by channel and key.
    pub keyed: BTreeMap<(String, String), Keyed>,
    /// Pages of history that the server has shown.
    pub pages: Vec<Page>,
    /// Removals of history by channel.
    pub removals: BTreeMap<String, Vec<Removal>>,
    /// Ends of connections that the backend has set or asked for at once, by user, in Unix seconds, and since when.
    pub expiries: BTreeMap<String, Vec<(i64, Moment)>>,
    /// A publication of this channel was swallowed on its way to this core.
    pub loss: Option<(String, usize)>,
    /// Slow subscribers that were told that their hole cannot be filled.
    pub given_up: Vec<GivenUp>,
    /// Subscriptions that the backend has made, by the number in their data.
    pub grants: Vec<Grant>,
    /// Calls that were answered, by method, and those that ran out of time.
    pub calls: BTreeMap<&'static str, usize>,
    pub late: usize,
    /// Grants for the hoarder that it has not heard of.
    pub hoarding: BTreeSet<usize>,
    /// Publications that were refused: nobody ever gets them.
    pub refused: BTreeSet<Item>,
    /// When publications were refused for want of memory: from, and until if that is over.
    pub refusing: Vec<(Moment, Option<Moment>)>,
    /// By core: the rules that hold there.
    pub rules: BTreeMap<usize, Rules>,
    /// What has happened how often, so that it is seen whether the simulation gets there at all.
    pub tally: Tally,
}

/// A subscriber that fell behind and could not catch up.
pub struct GivenUp {
    /// Its connection.
    pub link: usize,
    /// The channels that it may be about, with the offset that the client had reached.
    pub reached: Vec<(String, u64)>,
    pub told: Moment,
}

/// Events by name.
#[derive(Clone, Default, Debug)]
pub struct Tally(pub BTreeMap<String, usize>);

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(event, times)| writeln!(f, "{times:>10} {event}"))
    }
}

impl Tally {
    pub fn count(&mut self, event: &str, times: usize) {
        match self.0.get_mut(event) {
            Some(sum) => *sum += times,
            None => _ = self.0.insert(event.to_string(), times),
        }
    }

    pub fn add(&mut self, other: &Tally) {
        other.0.iter().for_each(|(event, times)| self.count(event, *times));
    }
}

impl Model {
    /// A slow subscriber was told that it cannot catch up in one of these.
    pub fn give_up<'a>(&mut self, link: usize, stretches: impl Iterator<Item = &'a Stretch>) {
        let reached = stretches.filter_map(|s| Some((s.channel.clone(), s.reached()?.0))).collect();
        self.given_up.push(GivenUp { link, reached, told: self.now });
    }

    /// A new publication for these channels.
    pub fn begin(&mut self, channels: &[&str], publisher: u64) -> Item {
        self.numbers += 1;
        let item = (publisher, self.numbers);
        for channel in channels {
            self.published.entry(channel.to_string()).or_default().push(item);
        }
        self.begun.insert(item, self.now);
        item
    }

    /// How many publications of the channel were begun.
    pub fn count(&self, channel: &str) -> usize {
        self.published.get(channel).map_or(0, Vec::len)
    }

    /// Somebody was told that the publication was handed out.
    pub fn see(&mut self, channel: &str, item: Item) {
        if !self.seen.contains_key(channel) {
            self.seen.insert(channel.to_string(), BTreeMap::new());
        }
        assert!(!self.refused.contains(&item), "{channel}: a publication that was refused: {item:?}");
        let now = self.now;
        self.seen.get_mut(channel).expect("made above").entry(item).or_insert(now);
    }

    /// The publisher was told that it may not.
    pub fn refuse(&mut self, channel: &str, item: Item) {
        let is_seen = self.seen.get(channel).is_some_and(|seen| seen.contains_key(&item));
        assert!(!is_seen, "{channel}: a publication that was refused: {item:?}");
        self.refused.insert(item);
    }

    /// Publications are refused from now on, or taken again.
    pub fn set_refusing(&mut self, refuses: bool) {
        match self.refusing.last_mut() {
            Some((_, until @ None)) if !refuses => *until = Some(self.now),
            Some((_, None)) => {}
            _ if refuses => self.refusing.push((self.now, None)),
            _ => {}
        }
    }

    /// A publication that was asked for then was refused for want of memory: there was such a time.
    pub fn refused_for_memory(&mut self, channels: &[&str], item: Item, asked: Moment) {
        let is_between = |(from, until): &(Moment, Option<Moment>)| {
            from.step <= self.now.step && until.is_none_or(|until| until.step >= asked.step)
        };
        assert!(self.refusing.iter().any(is_between), "{channels:?}: {item:?} is refused though there is room");
        channels.iter().for_each(|channel| self.refuse(channel, item));
        self.tally.count("publications refused for want of memory", 1);
    }

    /// A publication that was asked for then was taken: there was a time for it.
    pub fn taken(&self, asked: Moment) {
        let is_within = |(from, until): &(Moment, Option<Moment>)| from.step < asked.step && until.is_none();
        assert!(!self.refusing.iter().any(is_within), "a publication was taken though there is no room");
    }

    /// A page of history: without a gap and no longer than it may be.
    pub fn read(&mut self, channel: &str, result: &Value, asked: Moment, reading: Reading) {
        let top = (offset(result), result["epoch"].as_str().expect("an epoch").to_string());
        let publications = result["publications"].as_array().into_iter().flatten();
        let mut kept: Vec<(Item, u64)> = publications.map(|p| (item(p), offset(p))).collect();
        if matches!(reading, Reading::ReversePart | Reading::Whole { reverse: true }) {
            kept.reverse();
        }
        assert!(kept.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{channel}: a gap in {result}");
        assert!(kept.len() <= realm::HISTORY_SIZE, "{channel}: more than is kept: {result}");
        assert!(kept.last().is_none_or(|(_, offset)| *offset <= top.0), "{channel}: beyond the top: {result}");
        let is_whole = matches!(reading, Reading::Whole { .. });
        kept.iter().for_each(|(item, _)| self.see(channel, *item));
        let (channel, told) = (channel.to_string(), self.now);
        self.pages.push(Page { channel, kept, top, is_whole, asked, told });
    }

    /// The publisher was told of success.
    pub fn succeeded(&mut self, channel: &str, item: Item, key: Option<&str>, position: Option<Position>) {
        match key {
            Some(key) => {
                let keyed = self.keyed.entry((channel.to_string(), key.to_string())).or_default();
                keyed.positions.push(position);
            }
            None => {
                self.see(channel, item);
                self.answered.insert((channel.to_string(), item));
                self.placed.insert((channel.to_string(), item), position);
            }
        }
    }
}
