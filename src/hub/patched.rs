//! The audience of a feed with deltas: those who have the publication that the next patch is made against, and those who
//! came since and first need a whole one.
//!
//! The ones who have it stand in front, so that both are one slice; a delivery makes all of them ready by moving the
//! line between them, at no cost per member.

use smallvec::SmallVec;

/// Connections that stand at another place now, with their places.
pub(super) type Moved = SmallVec<[(u32, u32); 2]>;

/// Connections, of which the first `ready` have the base of the next patch.
#[derive(Default)]
pub(super) struct Patched {
    members: Vec<u32>,
    ready: usize,
}

impl Patched {
    /// All of them.
    pub(super) fn members(&self) -> &[u32] {
        &self.members
    }

    /// Those who can take a patch, and those who cannot.
    pub(super) fn split(&self) -> (&[u32], &[u32]) {
        self.members.split_at(self.ready)
    }

    /// All have got a publication.
    pub(super) fn make_ready(&mut self) {
        self.ready = self.members.len();
    }

    /// Nobody has the base of the next patch any more.
    pub(super) fn make_unready(&mut self) {
        self.ready = 0;
    }

    pub(super) fn join(&mut self, index: u32, is_ready: bool) -> (u32, Moved) {
        self.members.push(index);
        let (mut place, mut moved) = (self.members.len() - 1, Moved::new());
        if is_ready {
            self.members.swap(place, self.ready);
            if place != self.ready {
                moved.push((self.members[place], place as u32));
            }
            place = self.ready;
            self.ready += 1;
        }
        (place as u32, moved)
    }

    pub(super) fn leave(&mut self, place: u32) -> Moved {
        let (mut hole, mut moved) = (place as usize, Moved::new());
        if hole < self.ready {
            self.ready -= 1;
            self.members.swap(hole, self.ready);
            if hole != self.ready {
                moved.push((self.members[hole], hole as u32));
            }
            hole = self.ready;
        }
        moved.extend(super::audiences::leave(&mut self.members, hole as u32));
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// The model knows of each connection its place and whether it is ready.
        #[test]
        fn places_are_told_and_those_who_are_ready_stand_in_front(acts in prop::collection::vec((0u8..4, any::<u16>()), 0..60)) {
            let (mut patched, mut model, mut indices) = (Patched::default(), BTreeMap::<u32, (u32, bool)>::new(), 0);
            for (act, choice) in acts {
                let moved = match act {
                    0 | 1 => {
                        indices += 1;
                        let (place, moved) = patched.join(indices, act == 1);
                        model.insert(indices, (place, act == 1));
                        moved
                    }
                    2 if !model.is_empty() => {
                        let index = *model.keys().nth(usize::from(choice) % model.len()).expect("one");
                        let (place, _) = model.remove(&index).expect("there");
                        patched.leave(place)
                    }
                    _ => {
                        let are_ready = choice % 2 == 0;
                        if are_ready { patched.make_ready() } else { patched.make_unready() }
                        model.values_mut().for_each(|(_, is_ready)| *is_ready = are_ready);
                        Moved::new()
                    }
                };
                for (index, place) in moved {
                    model.get_mut(&index).expect("a member").0 = place;
                }
                prop_assert_eq!(patched.members().len(), model.len());
                for (index, (place, is_ready)) in &model {
                    prop_assert_eq!(patched.members()[*place as usize], *index);
                    prop_assert_eq!(patched.split().0.contains(index), *is_ready);
                }
            }
        }
    }
}
