//! A few values by feed: most channels are listened to in one way, so there is room for few and no table of all.

use super::frame::Feed;
use smallvec::SmallVec;

/// A set of feeds, a [`Feed::bit`] each.
pub type FeedSet = u16;

/// Values by feed, of which `N` stand in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ByFeed<T, const N: usize = 1>(SmallVec<[(Feed, T); N]>);

impl<T, const N: usize> Default for ByFeed<T, N> {
    fn default() -> ByFeed<T, N> {
        ByFeed(SmallVec::new())
    }
}

impl<T, const N: usize> ByFeed<T, N> {
    fn place(&self, feed: Feed) -> Option<usize> {
        self.0.iter().position(|(known, _)| *known == feed)
    }

    /// The value of a feed.
    pub fn get(&self, feed: Feed) -> Option<&T> {
        self.place(feed).map(|place| &self.0[place].1)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, feed: Feed) -> Option<&mut T> {
        self.place(feed).map(|place| &mut self.0[place].1)
    }

    /// The same; it is made when it is not there.
    pub fn get_or_default(&mut self, feed: Feed) -> &mut T
    where
        T: Default,
    {
        let place = self.place(feed).unwrap_or_else(|| {
            self.0.push((feed, T::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }

    /// Keeps what passes.
    pub fn retain(&mut self, mut keep: impl FnMut(Feed, &T) -> bool) {
        self.0.retain(|(feed, value)| keep(*feed, value));
    }

    /// All of them, the first ones first.
    pub fn iter(&self) -> impl Iterator<Item = (Feed, &T)> {
        self.0.iter().map(|(feed, value)| (*feed, value))
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::Rendition;

    const JSON: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: false, delta: false };
    const JOINS: Feed = Feed { joins: true, ..JSON };

    #[test]
    fn a_value_is_found_by_its_feed_until_it_is_given_up() {
        let mut values = ByFeed::<u32>::default();
        assert_eq!((values.get(JSON), values.is_empty()), (None, true));
        *values.get_or_default(JOINS) += 1;
        *values.get_or_default(JSON) += 2;
        *values.get_or_default(JOINS) += 3;
        assert_eq!(values.iter().collect::<Vec<_>>(), [(JOINS, &4), (JSON, &2)]);
        values.retain(|feed, _| feed == JSON);
        assert_eq!((values.get(JOINS), values.get(JSON)), (None, Some(&2)));
        assert_eq!(values.get_mut(JOINS), None);
    }

    #[test]
    fn an_audience_takes_no_more_room_than_a_feed_and_a_list() {
        assert_eq!(size_of::<ByFeed<Vec<u32>>>(), 40);
        assert_eq!(size_of::<ByFeed<u64, 2>>(), 40);
        assert_eq!(size_of::<ByFeed<u64>>(), 24);
    }
}
