//! One stretch of a subscription, from its reply or push to its end, and what a client is told in it.

use crate::clocks::{End, Moment};
use crate::deltas;
use crate::filters::Filter;
use crate::model::{Grant, Item, Position};
use crate::realm;
use serde_json::Value;

/// What a subscriber is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// With its offset; 0: it is not kept.
    Publication(Item, u64),
    Join(String),
    Leave(String),
}

impl Heard {
    pub fn item(&self) -> Option<Item> {
        match self {
            Heard::Publication(item, _) => Some(*item),
            Heard::Join(_) | Heard::Leave(_) => None,
        }
    }

    /// Of a kept publication.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Heard::Publication(_, offset) => Some(*offset).filter(|offset| *offset > 0),
            Heard::Join(_) | Heard::Leave(_) => None,
        }
    }
}

/// What a client asks for with a subscription.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wish {
    pub delta: bool,
    pub filter: Option<Filter>,
}

#[derive(Clone, Debug)]
pub struct Stretch {
    pub channel: String,
    /// How many publications of the channel had been begun when it began; later ones must all arrive.
    pub published_before: usize,
    /// The options of the backend, when it made the subscription.
    pub grant: Grant,
    /// It came with the connection, or the backend has made it: its end by expiry ends the connection.
    pub is_server_side: bool,
    /// When it ends; `None`: never.
    pub end: Option<End>,
    /// When the client asked for it, and when it was told.
    pub asked: Moment,
    pub told: Moment,
    /// Offset and epoch of the reply or push.
    pub position: Option<Position>,
    /// The position that the client wanted to go on from.
    pub since: Option<Position>,
    pub is_recovered: bool,
    /// What the reply held of what the client had missed.
    pub missed: Vec<(Item, u64)>,
    /// Only these publications are for it.
    pub filter: Option<Filter>,
    /// Publications come as patches of the one before.
    pub has_deltas: bool,
    /// The text of the last publication.
    base: Option<String>,
    /// Publications that came as patches.
    pub patches: usize,
    /// It is over.
    pub ended: bool,
    /// The backend has put another one in its place.
    pub replaced: bool,
    /// What arrived.
    pub got: Vec<Heard>,
}

impl Stretch {
    /// As the reply or push says.
    pub fn new(channel: &str, body: &mut Value, since: Option<Position>, grant: Grant, wish: Wish) -> Stretch {
        let epoch = body["epoch"].as_str().unwrap_or_default().to_string();
        let is_positioned = body["positioned"] == true;
        let mut stretch = Stretch {
            channel: channel.to_string(),
            published_before: 0,
            grant,
            is_server_side: false,
            end: None,
            asked: Moment::default(),
            told: Moment::default(),
            position: is_positioned.then(|| (offset(body), epoch)),
            since: since.filter(|_| is_positioned),
            is_recovered: body["recovered"] == true,
            missed: Vec::new(),
            has_deltas: body["delta"] == true,
            filter: wish.filter,
            base: None,
            patches: 0,
            ended: false,
            replaced: false,
            got: Vec::new(),
        };
        let may_have_deltas = realm::has_deltas(channel) || channel.starts_with("flip:");
        assert_eq!(stretch.has_deltas, wish.delta && may_have_deltas, "deltas for those who ask: {body}");
        if stretch.has_deltas {
            // Every publication is the base of the next, so none is left out.
            stretch.filter = None;
        }
        for publication in body["publications"].as_array_mut().into_iter().flatten() {
            stretch.unfold(publication);
            stretch.missed.push((item(publication), offset(publication)));
        }
        stretch
    }

    /// A publication has come.
    pub fn hear(&mut self, publication: &mut Value) {
        self.unfold(publication);
        self.got.push(Heard::Publication(item(publication), offset(publication)));
    }

    /// With deltas the payload comes as text: whole, or as a patch of the one before.
    fn unfold(&mut self, publication: &mut Value) {
        if !self.has_deltas {
            return assert!(publication["delta"].is_null(), "nobody asked for a patch: {publication}");
        }
        let text = publication["data"].as_str().expect("payloads are texts").to_string();
        let whole = match (publication["delta"] == true, &self.base) {
            (false, _) => text,
            (true, Some(base)) => {
                self.patches += 1;
                String::from_utf8(deltas::apply(base.as_bytes(), text.as_bytes())).expect("a text of a text")
            }
            (true, None) => panic!("a patch of nothing: {publication}"),
        };
        publication["data"] = serde_json::from_str(&whole).expect("JSON");
        self.base = Some(whole);
    }

    pub fn has_presence(&self) -> bool {
        self.grant.presence.unwrap_or_else(|| realm::has_presence(&self.channel))
    }

    pub fn hears_joins(&self) -> bool {
        self.grant.hears_joins.unwrap_or_else(|| realm::has_presence(&self.channel))
    }

    pub fn is_recoverable(&self) -> bool {
        self.grant.recovery.unwrap_or_else(|| realm::has_history(&self.channel))
    }

    /// True when the publication is for it.
    pub fn wants(&self, item: Item) -> bool {
        self.filter.is_none_or(|filter| filter.passes(item))
    }

    /// The last position that the client knows.
    pub fn reached(&self) -> Option<Position> {
        let (offset, epoch) = self.position.clone()?;
        let last_offset = self.got.iter().rev().find_map(Heard::offset);
        let missed = self.missed.last().map(|(_, offset)| *offset);
        Some((last_offset.or(missed).unwrap_or(offset), epoch))
    }

    /// The offset behind which everything must come; `None`: it cannot be told from what the client knows.
    pub fn goes_on_behind(&self) -> Option<u64> {
        let (offset, _) = self.position.as_ref()?;
        if self.grant.has_since {
            return None;
        }
        if !self.is_recovered || !realm::is_cache(&self.channel) {
            return Some(*offset);
        }
        match self.missed.first() {
            Some((_, newest)) => Some(*newest),
            // Nothing was missed, or nothing of it passes.
            None => self.filter.is_none().then_some(*offset),
        }
    }

    /// More lies between the position that the client knew and the top than may be recovered.
    pub fn misses_too_much(&self) -> bool {
        let of = |position: &Option<Position>| position.as_ref().map_or(0, |(offset, _)| *offset);
        of(&self.position).saturating_sub(of(&self.since)) > realm::RECOVERY_MAX as u64
    }

    /// What its reply says of recovery fits together. Whether it is true is seen when the order is known.
    pub fn check_recovery(&self) {
        let (Some(since), Some((offset, epoch))) = (&self.since, &self.position) else {
            return assert!(self.missed.is_empty() && !self.is_recovered, "nobody asked for recovery: {self:?}");
        };
        if !self.is_recovered {
            return assert!(self.missed.is_empty(), "a list without recovery: {self:?}");
        }
        assert_eq!(*offset, since.0, "it goes on where it was: {self:?}");
        assert!(self.missed.len() <= realm::RECOVERY_MAX, "more than may be recovered: {self:?}");
        if realm::is_cache(&self.channel) {
            return assert!(self.missed.len() <= 1, "a cache tells the newest one: {self:?}");
        }
        assert_eq!(*epoch, since.1, "it goes on where it was: {self:?}");
        if self.filter.is_none() {
            let offsets: Vec<u64> = self.missed.iter().map(|(_, offset)| *offset).collect();
            let expected: Vec<u64> = (since.0 + 1..).take(offsets.len()).collect();
            assert_eq!(offsets, expected, "the recovered list has a gap: {self:?}");
        }
        assert!(self.missed.iter().all(|(item, _)| self.wants(*item)), "nobody wanted that: {self:?}");
    }
}

/// Who published it, and its number; it says what the publisher said.
pub fn item(publication: &Value) -> Item {
    let data = &publication["data"];
    let item = (data["p"].as_u64().expect("a publisher"), data["n"].as_u64().expect("a number"));
    assert_eq!(*data, realm::payload(item), "a payload was changed");
    let tags = publication["tags"].as_object();
    let expected = realm::tags(item);
    let is_same = tags.map_or(0, |tags| tags.len()) == expected.len()
        && expected.iter().all(|(key, value)| publication["tags"][key] == value[..]);
    assert!(is_same, "tags were changed: {publication}");
    item
}

/// Its offset; 0: none.
pub fn offset(publication: &Value) -> u64 {
    publication["offset"].as_u64().unwrap_or(0)
}
