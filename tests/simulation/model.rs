//! What the world knows of its own doings: what was published and with what success, what the backend granted.

use crate::client::{item, offset};
use crate::realm;
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

/// What the server has shown of a history, the oldest first.
#[derive(Debug)]
pub struct Page {
    pub channel: String,
    pub kept: Vec<(Item, u64)>,
    pub top: Position,
}

#[derive(Default)]
pub struct Model {
    pub numbers: u64,
    /// Publications by channel, in the order in which they were begun.
    pub published: BTreeMap<String, Vec<Item>>,
    /// Publications whose publisher was told of their success; those with a key are in `keyed`.
    pub answered: BTreeSet<(String, Item)>,
    /// Positions that publishers were told.
    pub placed: BTreeMap<(String, Item), Option<Position>>,
    /// Calls with an idempotency key, by channel and key.
    pub keyed: BTreeMap<(String, String), Keyed>,
    /// Pages of history that the server has shown.
    pub pages: Vec<Page>,
    /// Channels whose history somebody has begun to remove.
    pub removed: BTreeSet<String>,
    /// Subscriptions that the backend has made, by the number in their data.
    pub grants: Vec<Grant>,
    /// So much time has passed that history may have vanished.
    pub may_have_expired: bool,
    /// Calls that were answered, by method, and those that ran out of time.
    pub calls: BTreeMap<&'static str, usize>,
    pub late: usize,
}

impl Model {
    /// A new publication for `channel`.
    pub fn begin(&mut self, channel: &str, publisher: u64) -> Item {
        self.numbers += 1;
        let item = (publisher, self.numbers);
        self.note(channel, item);
        item
    }

    /// The same publication for another channel.
    pub fn note(&mut self, channel: &str, item: Item) {
        self.published.entry(channel.to_string()).or_default().push(item);
    }

    /// How many publications of the channel were begun.
    pub fn count(&self, channel: &str) -> usize {
        self.published.get(channel).map_or(0, Vec::len)
    }

    /// True when everything that the channel has kept must still be there.
    pub fn keeps(&self, channel: &str) -> bool {
        !self.may_have_expired && !self.removed.contains(channel)
    }

    /// A page of history: without a gap and no longer than it may be.
    pub fn read(&mut self, channel: &str, result: &Value, reverse: bool) {
        let top = (offset(result), result["epoch"].as_str().expect("an epoch").to_string());
        let publications = result["publications"].as_array().into_iter().flatten();
        let mut kept: Vec<(Item, u64)> = publications.map(|p| (item(p), offset(p))).collect();
        if reverse {
            kept.reverse();
        }
        assert!(kept.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{channel}: a gap in {result}");
        assert!(kept.len() <= realm::HISTORY_SIZE, "{channel}: more than is kept: {result}");
        assert!(kept.last().is_none_or(|(_, offset)| *offset <= top.0), "{channel}: beyond the top: {result}");
        self.pages.push(Page { channel: channel.to_string(), kept, top });
    }

    /// The publisher was told of success.
    pub fn succeeded(&mut self, channel: &str, item: Item, key: Option<&str>, position: Option<Position>) {
        match key {
            Some(key) => {
                let keyed = self.keyed.entry((channel.to_string(), key.to_string())).or_default();
                keyed.positions.push(position);
            }
            None => {
                self.answered.insert((channel.to_string(), item));
                self.placed.insert((channel.to_string(), item), position);
            }
        }
    }
}
