//! Who is in a channel: one entry per client, users counted as they come and go.
//!
//! Kept by the owner core. Entries live as long as their subscription: whoever ends one says so, and a core cannot
//! vanish without the process, so nothing expires here. Both figures of `presence_stats` cost the same for ten
//! members and for ten thousand.

use crate::id::ClientId;
use bytes::Bytes;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A client in a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who.
    pub client: ClientId,
    /// Its user; "" is the anonymous one.
    pub user: Arc<str>,
    /// Information of the connection, JSON or octets.
    pub conn_info: Bytes,
    /// Information of the subscription, JSON or octets.
    pub chan_info: Bytes,
}

/// The members of one channel.
#[derive(Default, Debug)]
pub struct Presence {
    /// Ordered, so that a simulation replays exactly.
    members: BTreeMap<ClientId, Member>,
    users: HashMap<Arc<str>, u32>,
}

impl Presence {
    /// Adds a member, or replaces what is known of it. True when it is new.
    pub fn enter(&mut self, member: Member) -> bool {
        let user = member.user.clone();
        let former = self.members.insert(member.client, member);
        *self.users.entry(user).or_default() += 1;
        if let Some(former) = &former {
            self.uncount(&former.user);
        }
        former.is_none()
    }

    /// Replaces what is known of a member; one that is not there stays away.
    pub fn renew(&mut self, member: Member) {
        if self.members.contains_key(&member.client) {
            self.enter(member);
        }
    }

    /// Takes a member out; false when it is not there.
    pub fn leave(&mut self, client: ClientId) -> bool {
        let Some(member) = self.members.remove(&client) else { return false };
        self.uncount(&member.user);
        true
    }

    fn uncount(&mut self, user: &Arc<str>) {
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.members.len()
    }

    /// How many different users they have; the anonymous one counts as one.
    pub fn users(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(client: u8, user: &str) -> Member {
        let client = ClientId::from_random([client; 16]);
        Member { client, user: user.into(), conn_info: Bytes::new(), chan_info: Bytes::new() }
    }

    #[test]
    fn users_are_counted_once_and_the_anonymous_one_too() {
        let mut presence = Presence::default();
        for (client, user) in [(1, "42"), (2, "42"), (3, "")] {
            assert!(presence.enter(member(client, user)));
        }
        assert_eq!((presence.clients(), presence.users()), (3, 2));
        assert!(presence.leave(member(1, "42").client) && !presence.leave(member(1, "42").client));
        assert_eq!((presence.clients(), presence.users()), (2, 2));
        presence.leave(member(2, "42").client);
        assert_eq!((presence.clients(), presence.users()), (1, 1));
    }

    #[test]
    fn entering_again_replaces_what_is_known() {
        let mut presence = Presence::default();
        presence.enter(member(1, "42"));
        assert!(!presence.enter(Member { chan_info: "1".into(), ..member(1, "42") }));
        presence.renew(member(2, "43"));
        presence.renew(Member { chan_info: "2".into(), ..member(1, "42") });
        assert_eq!((presence.clients(), presence.users()), (1, 1));
        assert_eq!(presence.members().next().map(|m| &m.chan_info[..]), Some(&b"2"[..]));
    }
}
