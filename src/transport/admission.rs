//! How many clients the node takes: `client.connection_limit`, `client.connection_rate_limit` and
//! `client.user_connection_limit`.
//!
//! One gate for all cores: it is touched once per connection, so its atomics cost nothing that matters; the lock is
//! taken only where users are limited.

use crate::clock::Mono;
use hashbrown::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The node's gate.
#[derive(Default, Debug)]
pub struct Gate {
    connections_max: usize,
    per_second_max: u64,
    connections: AtomicUsize,
    /// When the bucket of new connections would be empty, in nanoseconds (GCRA).
    empty_at: AtomicU64,
    user_connections_max: usize,
    /// Connections of each user; empty unless they are limited.
    users: Mutex<HashMap<Arc<str>, usize>>,
}

impl Gate {
    /// 0 means no limit.
    pub fn new(connections_max: usize, per_second_max: usize) -> Gate {
        Gate { connections_max, per_second_max: per_second_max as u64, ..Gate::default() }
    }

    /// The same with a limit of connections of one user; 0 means no limit.
    pub fn with_user_limit(self, user_connections_max: usize) -> Gate {
        Gate { user_connections_max, ..self }
    }

    /// True when one more connection of the user would be let in now.
    pub fn has_room_for(&self, user: &str) -> bool {
        if self.user_connections_max == 0 || user.is_empty() {
            return true;
        }
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(user).is_none_or(|count| *count < self.user_connections_max)
    }

    /// Lets a user's connection in, or not (3504). The anonymous user is not limited. Every entry is followed by one
    /// [`Gate::user_leaves`].
    pub fn user_enters(&self, user: &Arc<str>) -> bool {
        if self.user_connections_max == 0 || user.is_empty() {
            return true;
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = users.entry(user.clone()).or_default();
        let has_room = *count < self.user_connections_max;
        *count += usize::from(has_room);
        has_room
    }

    /// A connection of the user is gone.
    pub fn user_leaves(&self, user: &Arc<str>) {
        if self.user_connections_max == 0 || user.is_empty() {
            return;
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                users.remove(user);
            }
        }
    }

    /// Lets one client in, or not (503). Every entry is followed by one [`Gate::leave`].
    pub fn enter(&self, now: Mono) -> bool {
        if self.connections_max == 0 && self.per_second_max == 0 {
            return true;
        }
        let counted = self.connections.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
            (self.connections_max == 0 || n < self.connections_max).then_some(n + 1)
        });
        if counted.is_err() {
            return false;
        }
        if self.per_second_max > 0 && !self.take_token(now) {
            self.leave();
            return false;
        }
        true
    }

    /// A client has gone.
    pub fn leave(&self) {
        if self.connections_max != 0 || self.per_second_max != 0 {
            self.connections.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// A full bucket holds a second's worth and refills evenly.
    fn take_token(&self, now: Mono) -> bool {
        let step = 1_000_000_000 / self.per_second_max.max(1);
        let burst = step.saturating_mul(self.per_second_max);
        let taken = self.empty_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |empty_at| {
            let next = empty_at.max(now.0) + step;
            (next <= now.0.saturating_add(burst)).then_some(next)
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_connection_limit_counts_those_who_left() {
        let gate = Gate::new(2, 0);
        assert_eq!([gate.enter(Mono(0)), gate.enter(Mono(0)), gate.enter(Mono(0))], [true, true, false]);
        gate.leave();
        assert!(gate.enter(Mono(0)));
    }

    #[test]
    fn the_rate_limit_refills_at_its_rate() {
        let (gate, second) = (Gate::new(0, 10), Duration::from_secs(1));
        let mut now = Mono(0) + second;
        let burst = (0..100).filter(|_| gate.enter(now)).count();
        assert_eq!(burst, 10);
        for _ in 0..20 {
            now = now + second / 10;
            assert_eq!((0..5).filter(|_| gate.enter(now)).count(), 1);
        }
    }

    #[test]
    fn without_limits_everybody_enters() {
        let gate = Gate::new(0, 0);
        assert!((0..100_000).all(|_| gate.enter(Mono(0))));
    }
}
