//! One connection of a user at a time (`single_connection`): a new one ends the others of its user on all cores (3504).
//!
//! A connection claims its user when its `connect` has succeeded. The core that the user's name falls to passes claims
//! on to all cores, so every core hears of two claims in the same order, and the later one wins everywhere: whoever has
//! not heard its own claim yet is spared, since its claim is behind the one that was heard. So of connections that come
//! at the same moment exactly one stays; in Centrifugo each ends the other.

use super::{Message, Shard};
use crate::conn::Client;
use crate::id::{ClientId, Core};
use crate::protocol::code::Disconnect;
use std::sync::Arc;

impl Shard {
    /// A client that has just connected wants to be the only one of its user, if the rules say so.
    pub(super) fn claim_user(&mut self, client: &mut Client) {
        if !client.session.is_sole(&self.policy.rules) {
            return;
        }
        let Some(user) = client.session.user().cloned() else { return };
        client.is_claiming = true;
        let owner = self.shared.placement.owner(&user);
        // Also to itself by a message: the connection is being handled.
        self.send(owner, Message::Claim { user, client: client.session.client() });
    }

    /// The claim has its place in the order.
    pub(super) fn claimed(&mut self, user: &Arc<str>, client: ClientId) {
        for core in (0..self.shared.placement.cores() as u16).map(Core) {
            self.send(core, Message::Displace { user: user.clone(), except: client });
        }
    }

    /// One connection of the user has come after all that are here, except those whose claims are still to be heard.
    pub(super) fn displace(&mut self, user: &str, except: ClientId) {
        for index in self.users.of(user) {
            let conn = self.conns[*index as usize].as_mut();
            let Some(client) = conn.and_then(|conn| conn.client()) else { continue };
            if client.session.client() == except {
                client.is_claiming = false;
            } else if !client.is_claiming {
                self.verdicts.push((*index, Disconnect::CONNECTION_LIMIT));
            }
        }
    }
}
