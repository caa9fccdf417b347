//! The connections of each user on this core, so that what concerns a user finds them without a search.
//!
//! A user's connections are a swap-remove list; each connection knows its place in it.

use hashbrown::HashMap;
use std::sync::Arc;

/// The users of one core.
#[derive(Default)]
pub struct Users {
    users: HashMap<Arc<str>, Vec<u32>>,
}

impl Users {
    /// Adds a connection; returns its place in the user's list.
    pub fn enter(&mut self, user: &Arc<str>, index: u32) -> u32 {
        let list = self.users.entry_ref(user).or_default();
        list.push(index);
        list.len() as u32 - 1
    }

    /// Takes the connection at `place` out. Returns the connection that stands there now, if one was moved.
    pub fn leave(&mut self, user: &str, place: u32) -> Option<u32> {
        let list = self.users.get_mut(user)?;
        list.swap_remove(place as usize);
        if list.is_empty() {
            self.users.remove(user);
            return None;
        }
        list.get(place as usize).copied()
    }

    /// The user's connections.
    pub fn of(&self, user: &str) -> &[u32] {
        self.users.get(user).map_or(&[], Vec::as_slice)
    }

    /// The names of all users.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.users.keys()
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// True without users.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_names_the_connection_that_was_moved() {
        let (mut users, user) = (Users::default(), Arc::<str>::from("42"));
        assert_eq!([10, 11, 12].map(|index| users.enter(&user, index)), [0, 1, 2]);
        assert_eq!((users.leave("42", 0), users.of("42")), (Some(12), &[12, 11][..]));
        assert_eq!((users.leave("42", 1), users.leave("42", 0)), (None, None));
        assert!(users.is_empty() && users.of("42").is_empty());
    }
}
