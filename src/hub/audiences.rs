//! The listeners of one channel on this core: an audience per feed, and such audiences once more for each filter.
//! Feeds with deltas have no filters: every publication is the base of the next (client-protocol 4.8).
//!
//! Subscribers that ask for the same filter stand together, so a publication is judged once per filter and not per
//! subscriber (client-protocol 4.8). Channels without
//! filters and deltas pay for them with two empty pointers.

use super::patched::Patched;
use crate::id::Seat;
use crate::protocol::feeds::ByFeed;
use crate::protocol::filter::Filter;
use crate::protocol::frame::{Feed, Rendition};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// Connections by feed without deltas; there is no empty list.
type Members = ByFeed<Vec<u32>>;

/// Connections that sit somewhere else now.
pub type Moved = SmallVec<[(u32, Seat); 2]>;

/// All listeners of a channel.
#[derive(Default)]
pub struct Audiences {
    plain: Members,
    filters: Option<Box<Filters>>,
    deltas: Option<Box<ByFeed<Patched>>>,
}

/// Those with filters.
#[derive(Default)]
struct Filters {
    groups: Vec<Option<Group>>,
    free: Vec<u32>,
    /// Place in `groups`.
    by_filter: HashMap<Arc<Filter>, u32, RandomState>,
    /// How many there are of each feed.
    seats: [u32; Feed::PLAIN],
}

/// Those with the same filter.
pub struct Group {
    /// What a publication has to pass.
    pub filter: Arc<Filter>,
    members: Members,
}

impl Group {
    /// The connections that listen with `feed`.
    pub fn audience(&self, feed: Feed) -> &[u32] {
        audience(&self.members, feed)
    }

    /// The connections that get publications in `rendition`: those without and those with joins.
    pub fn audiences(&self, rendition: Rendition) -> [&[u32]; 2] {
        of_rendition(&self.members, rendition)
    }
}

fn audience(members: &Members, feed: Feed) -> &[u32] {
    members.get(feed).map_or(&[], |list| list)
}

fn of_rendition(members: &Members, rendition: Rendition) -> [&[u32]; 2] {
    [false, true].map(|joins| audience(members, Feed { rendition, joins, delta: false }))
}

impl Audiences {
    /// The connections that listen with `feed` and without a filter.
    pub fn audience(&self, feed: Feed) -> &[u32] {
        match feed.delta {
            false => audience(&self.plain, feed),
            true => self.deltas.as_ref().and_then(|deltas| deltas.get(feed)).map_or(&[], Patched::members),
        }
    }

    /// The connections with deltas that get publications in `rendition`: those that can take a patch, and those that
    /// need a whole publication first.
    pub fn patched(&self, rendition: Rendition) -> [[&[u32]; 2]; 2] {
        let halves = [false, true].map(|joins| {
            let patched = self.deltas.as_ref().and_then(|deltas| deltas.get(Feed { rendition, joins, delta: true }));
            patched.map_or((&[][..], &[][..]), Patched::split)
        });
        [halves.map(|(ready, _)| ready), halves.map(|(_, fresh)| fresh)]
    }

    /// All have got a publication: the next patch is for them too.
    pub fn make_ready(&mut self) {
        self.deltas.iter_mut().flat_map(|deltas| deltas.values_mut()).for_each(Patched::make_ready);
    }

    /// Something was missed: nobody has the base of the next patch.
    pub(super) fn make_unready(&mut self) {
        self.deltas.iter_mut().flat_map(|deltas| deltas.values_mut()).for_each(Patched::make_unready);
    }

    /// All connections, once per subscription.
    pub fn everyone(&self) -> impl Iterator<Item = u32> {
        let filtered = self.groups().flat_map(|group| group.members.iter());
        let whole = self.plain.iter().chain(filtered).map(|(_, list)| &list[..]);
        let patched = self.deltas.iter().flat_map(|deltas| deltas.iter()).map(|(_, patched)| patched.members());
        whole.chain(patched).flatten().copied()
    }

    /// The connections without a filter that get publications in `rendition`: those without and those with joins.
    pub fn audiences(&self, rendition: Rendition) -> [&[u32]; 2] {
        of_rendition(&self.plain, rendition)
    }

    /// Those with filters.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.filters.iter().flat_map(|filters| filters.groups.iter().flatten())
    }

    /// How many listen with `feed`.
    pub fn count(&self, feed: Feed) -> usize {
        let seats = |filters: &Filters| if feed.delta { 0 } else { filters.seats[feed.index()] };
        self.audience(feed).len() + self.filters.as_deref().map_or(0, seats) as usize
    }

    /// What those have in common who share a seat's group.
    pub fn filter(&self, seat: Seat) -> Option<&Arc<Filter>> {
        let group = seat.group.checked_sub(1)?;
        self.filters.as_ref()?.groups.get(group as usize)?.as_ref().map(|group| &group.filter)
    }

    /// The connection on a seat.
    pub fn seated(&self, feed: Feed, seat: Seat) -> Option<u32> {
        let audience = match seat.group.checked_sub(1) {
            None => self.audience(feed),
            Some(group) => self.filters.as_ref()?.groups.get(group as usize)?.as_ref()?.audience(feed),
        };
        audience.get(seat.place as usize).copied()
    }

    /// `is_ready`: the connection has the publication that the next patch is made against.
    pub(super) fn join_patched(&mut self, feed: Feed, is_ready: bool, index: u32) -> (Seat, Moved) {
        let deltas = self.deltas.get_or_insert_default();
        let (place, moved) = deltas.get_or_default(feed).join(index, is_ready);
        (Seat { group: 0, place }, seats(moved))
    }

    pub(super) fn join(&mut self, feed: Feed, filter: Option<&Arc<Filter>>, index: u32) -> Seat {
        let (group, audience) = match filter {
            None => (0, self.plain.get_or_default(feed)),
            Some(filter) => {
                let filters = self.filters.get_or_insert_default();
                let group = filters.group(filter);
                filters.seats[feed.index()] += 1;
                let Some(members) = &mut filters.groups[group as usize] else { unreachable!("just found") };
                (group + 1, members.members.get_or_default(feed))
            }
        };
        audience.push(index);
        Seat { group, place: audience.len() as u32 - 1 }
    }

    /// Empties a seat. Returns the connections that were moved by this.
    pub(super) fn leave(&mut self, feed: Feed, seat: Seat) -> Moved {
        if feed.delta {
            let Some(deltas) = &mut self.deltas else { unreachable!("somebody has deltas") };
            let Some(patched) = deltas.get_mut(feed) else { unreachable!("somebody has them in this feed") };
            let moved = patched.leave(seat.place);
            deltas.retain(|_, patched| !patched.members().is_empty());
            if deltas.is_empty() {
                self.deltas = None;
            }
            return seats(moved);
        }
        let moved = match (seat.group.checked_sub(1), &mut self.filters) {
            (None, _) => leave_members(&mut self.plain, feed, seat.place),
            (Some(group), Some(filters)) => {
                let moved = filters.leave(group, feed, seat.place);
                if filters.by_filter.is_empty() {
                    self.filters = None;
                }
                moved
            }
            (Some(_), None) => unreachable!("somebody has a filter"),
        };
        moved.map(|(index, _)| (index, seat)).into_iter().collect()
    }
}

/// Places of feeds with deltas as seats.
fn seats(moved: super::patched::Moved) -> Moved {
    moved.into_iter().map(|(index, place)| (index, Seat { group: 0, place })).collect()
}

fn leave_members(members: &mut Members, feed: Feed, place: u32) -> Option<(u32, u32)> {
    let Some(list) = members.get_mut(feed) else { unreachable!("somebody sits there") };
    let moved = leave(list, place);
    if list.is_empty() {
        members.retain(|_, list| !list.is_empty());
    }
    moved
}

/// Takes out who is at `place`, and tells who is there now.
pub(super) fn leave(audience: &mut Vec<u32>, place: u32) -> Option<(u32, u32)> {
    audience.swap_remove(place as usize);
    // A busy channel that became quiet gives its room back.
    if audience.capacity() > 64 && audience.len() < audience.capacity() / 4 {
        audience.shrink_to(audience.len() * 2);
    }
    audience.get(place as usize).map(|index| (*index, place))
}

impl Filters {
    /// The place of a filter's group, which is made when it is the first of its kind.
    fn group(&mut self, filter: &Arc<Filter>) -> u32 {
        if let Some(group) = self.by_filter.get(filter) {
            return *group;
        }
        let group = Some(Group { filter: filter.clone(), members: Members::default() });
        let place = match self.free.pop() {
            Some(place) => {
                self.groups[place as usize] = group;
                place
            }
            None => {
                self.groups.push(group);
                self.groups.len() as u32 - 1
            }
        };
        self.by_filter.insert(filter.clone(), place);
        place
    }

    fn leave(&mut self, place: u32, feed: Feed, seat: u32) -> Option<(u32, u32)> {
        let Some(group) = &mut self.groups[place as usize] else { unreachable!("somebody sits there") };
        self.seats[feed.index()] -= 1;
        let moved = leave_members(&mut group.members, feed, seat);
        if group.members.is_empty() {
            self.by_filter.remove(&group.filter);
            self.groups[place as usize] = None;
            self.free.push(place);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::client::FilterNode;

    const JSON: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: false, delta: false };

    fn filter(val: &str) -> Arc<Filter> {
        let node = FilterNode { key: "k".into(), cmp: "eq".into(), val: val.into(), ..FilterNode::default() };
        Arc::new(Filter::compile(&node).expect("good"))
    }

    #[test]
    fn equal_filters_share_one_group_which_goes_with_its_last_member() {
        let mut audiences = Audiences::default();
        let first = audiences.join(JSON, Some(&filter("a")), 1);
        let second = audiences.join(JSON, Some(&filter("a")), 2);
        let other = audiences.join(JSON, Some(&filter("b")), 3);
        let plain = audiences.join(JSON, None, 4);
        assert_eq!((first.group, second.group, other.group, plain.group), (1, 1, 2, 0));
        assert_eq!((audiences.groups().count(), audiences.count(JSON)), (2, 4));
        assert_eq!([first, plain].map(|seat| audiences.filter(seat).cloned()), [Some(filter("a")), None]);
        assert_eq!(audiences.leave(JSON, first)[..], [(2, first)]);
        assert_eq!(audiences.seated(JSON, first), Some(2));
        assert!(audiences.leave(JSON, first).is_empty());
        assert_eq!(audiences.join(JSON, Some(&filter("c")), 5).group, 1, "the room is used again");
        for (seat, left) in [(Seat { group: 1, place: 0 }, 2), (other, 1), (plain, 0)] {
            audiences.leave(JSON, seat);
            assert_eq!(audiences.count(JSON), left);
        }
        assert!(audiences.filters.is_none(), "nothing is left of filters");
    }
}
