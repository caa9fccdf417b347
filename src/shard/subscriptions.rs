//! Subscriptions of this core: joining and leaving audiences, and what the owners of channels are told.

use super::{Message, Shard};
use crate::conn::{Client, Listening};
use crate::hub::registry::{Listen, Waiting, Wish};
use crate::id::{ChannelKey, Slot};
use crate::protocol::frame::Rendition;
use crate::session::Subscription;

impl Shard {
    /// Begins to listen to all of `channels`. Returns the places when every owner knows already; otherwise the client
    /// waits until [`Shard::listening`] completes the list.
    pub(super) fn listen(
        &mut self,
        slot: Slot,
        client: &mut Client,
        channels: Vec<String>,
    ) -> Option<Vec<(ChannelKey, u32)>> {
        let rendition = client.session.rendition();
        let mut listening = Box::new(Listening::default());
        for channel in channels {
            let joined = self.listen_one(slot, rendition, &channel);
            listening.channels.push((channel, joined));
        }
        if listening.is_complete() {
            return Some(listening.channels.into_iter().filter_map(|(_, joined)| joined).collect());
        }
        client.listening = Some(listening);
        None
    }

    fn listen_one(&mut self, slot: Slot, rendition: Rendition, channel: &str) -> Option<(ChannelKey, u32)> {
        let wish = match self.registry.listen(channel, rendition, Waiting { slot }) {
            Listen::Ready(key) => return Some((key, self.join(key, rendition, slot.index))),
            Listen::Wait(wish) => wish?,
        };
        if self.shared.placement.owner(channel) != self.core {
            self.tell_owner(wish);
            return None;
        }
        // The owner is this core, so nobody but this connection can have been waiting.
        self.table.listen(&wish.channel, self.core, wish.renditions);
        let (key, _) = self.registry.confirmed(channel, wish.serial)?;
        Some((key, self.join(key, rendition, slot.index)))
    }

    fn join(&mut self, key: ChannelKey, rendition: Rendition, index: u32) -> u32 {
        let place = self.registry.join(key, rendition, index);
        self.gauges();
        place
    }

    /// The owner knows of a wish of this core: those who waited join, and go on when it was their last channel.
    pub(super) fn listening(&mut self, channel: &str, serial: u32) {
        let Some((key, waiting)) = self.registry.confirmed(channel, serial) else { return };
        let mut complete = Vec::new();
        for Waiting { slot } in waiting {
            let Some(mut conn) = self.take(slot) else { continue };
            if let Some(client) = conn.client() {
                let rendition = client.session.rendition();
                let wished = client.listening.as_mut().and_then(|listening| {
                    listening.channels.iter_mut().find(|(name, joined)| name == channel && joined.is_none())
                });
                if let Some((_, joined)) = wished {
                    *joined = Some((key, self.registry.join(key, rendition, slot.index)));
                }
                if client.listening.as_ref().is_some_and(|listening| listening.is_complete()) {
                    complete.push(slot);
                }
            }
            self.put(conn);
        }
        self.release(key);
        for slot in complete {
            if let Some(conn) = self.take(slot) {
                self.client_listening(conn);
            }
        }
        self.gauges();
    }

    /// Takes a subscription out of its audience.
    pub(super) fn leave(&mut self, rendition: Rendition, subscription: &Subscription) {
        self.leave_place(rendition, subscription.key, subscription.place);
    }

    fn leave_place(&mut self, rendition: Rendition, key: ChannelKey, place: u32) {
        if let Some(moved) = self.registry.leave(key, rendition, place)
            && let Some(conn) = self.conns[moved as usize].as_mut()
            && let Some(client) = conn.client()
        {
            relocate(client, key, place);
        }
        self.release(key);
        self.gauges();
    }

    /// Gives up all that a client listens to or waits for.
    pub(super) fn leave_all(&mut self, client: &mut Client) {
        let rendition = client.session.rendition();
        for subscription in client.session.take_subscriptions() {
            self.leave(rendition, &subscription);
        }
        if let Some(listening) = client.listening.take() {
            for (key, place) in listening.channels.into_iter().filter_map(|(_, joined)| joined) {
                self.leave_place(rendition, key, place);
            }
        }
    }

    fn release(&mut self, key: ChannelKey) {
        if let Some(wish) = self.registry.release(key) {
            self.tell_owner(wish);
        }
    }

    fn tell_owner(&mut self, wish: Wish) {
        let Wish { channel, renditions, serial } = wish;
        let owner = self.shared.placement.owner(&channel);
        if owner == self.core {
            self.table.listen(&channel, self.core, renditions);
            return;
        }
        self.send(owner, Message::Listen { channel, from: self.core, renditions, serial });
    }

    /// The gauges of this core's tables.
    pub(super) fn gauges(&self) {
        self.counters.subscriptions.set(self.registry.subscriptions() as u64);
        self.counters.channels.set(self.table.len() as u64);
    }
}

/// A connection was moved within an audience: its session, or its unfinished wish, learns the new place.
fn relocate(client: &mut Client, key: ChannelKey, place: u32) {
    client.session.relocate(key, place);
    for (_, joined) in client.listening.iter_mut().flat_map(|listening| &mut listening.channels) {
        if let Some((joined_key, joined_place)) = joined
            && *joined_key == key
        {
            *joined_place = place;
        }
    }
}
