//! Subscriptions of this core: joining and leaving audiences, and what the owners of channels are told.
//!
//! A subscriber whose subscription has presence or a position asks the owner for itself (`Enter`); the answer comes
//! behind everything that was published before and ahead of everything after, so who joins at the answer misses
//! nothing and gets nothing twice. Others join as soon as the owner knows that this core listens.

use super::message::{Departure, Entry};
use super::{Message, Shard};
use crate::channel::Member;
use crate::conn::{Client, Follower, Hole, Listening, Pending};
use crate::hub::audiences::Moved;
use crate::hub::registry::{Listen, Waiting, Wish};
use crate::id::{ChannelKey, Seat, Slot, Ticket};
use crate::mutation::{self, Mutation};
use crate::protocol::frame::{Feed, Rendition};
use crate::session::{Arrival, Entered, Joined, Subscription, Wanted};
use crate::tally::Action;
use std::sync::Arc;

/// How far a subscriber has come.
pub(super) enum Listened {
    /// It may be placed.
    Ready(ChannelKey, Option<Entered>),
    /// The owner does not let it in.
    Refused(ChannelKey),
    /// It waits for the owner's answer to this question, or to the wish.
    Waits(Option<Ticket>),
}

impl Shard {
    /// Begins to listen to all of `channels`. Returns the places when every owner knows already; otherwise the client
    /// waits until its list is complete.
    pub(super) fn listen(&mut self, slot: Slot, client: &mut Client, channels: Vec<Wanted>) -> Option<Vec<Joined>> {
        let mut listening = Box::new(Listening::default());
        for wanted in channels {
            let asks = wanted.features.needs_owner();
            let pending = match self.listen_one(slot, client, &wanted, asks) {
                Listened::Refused(key) => {
                    self.release(key);
                    continue;
                }
                Listened::Ready(key, entered) => {
                    let joined = Some(self.place(slot, client, key, &wanted, entered));
                    Pending { wanted, ticket: None, joined }
                }
                Listened::Waits(ticket) => Pending { wanted, ticket, joined: None },
            };
            listening.channels.push(pending);
        }
        if listening.is_complete() {
            return Some(listening.joined());
        }
        if listening.channels.len() > 1 {
            // Some channels are joined before others are: what they bring must not overtake the reply.
            self.output.hold(slot.index);
        }
        client.listening = Some(listening);
        None
    }

    /// Lets one subscriber listen; `asks`: it has a question of its own for the owner.
    pub(super) fn listen_one(&mut self, slot: Slot, client: &Client, wanted: &Wanted, asks: bool) -> Listened {
        let feed = wanted.features.feed(client.session.rendition());
        let ticket = asks.then(|| self.ticket());
        let wish = match self.registry.listen(&wanted.channel, feed, Waiting { slot, ticket }) {
            Listen::Ready(key) => return Listened::Ready(key, None),
            Listen::Wait(wish) => wish,
        };
        let entry = ticket.map(|_| entry(client, wanted));
        let owner = self.shared.placement.owner(&wanted.channel);
        if owner == self.core {
            return self.listen_here(&wanted.channel, wish, ticket, entry);
        }
        if let Some(wish) = wish {
            self.tell_owner(wish);
        }
        if let (Some(ticket), Some(entry)) = (ticket, entry) {
            self.entering.insert(ticket, (slot, wanted.channel.clone()));
            let (channel, from) = (wanted.channel.clone(), self.core);
            self.send(owner, Message::Enter { channel, from, ticket, entry: Box::new(entry) });
        }
        Listened::Waits(ticket)
    }

    /// The owner is this core, so nobody has to wait.
    fn listen_here(
        &mut self,
        channel: &Arc<str>,
        wish: Option<Wish>,
        ticket: Option<Ticket>,
        entry: Option<Entry>,
    ) -> Listened {
        let mut confirmed = None;
        if let Some(wish) = wish {
            self.listen_owned(&wish.channel, self.core, wish.feeds);
            confirmed = self.registry.confirmed(channel, wish.serial);
        }
        let entered = entry.map(|entry| self.enter_owned(channel, entry));
        let key = match ticket {
            Some(ticket) => self.registry.entered(channel, ticket),
            None => confirmed.map(|(key, _)| key),
        };
        match key {
            Some(key) if entered.as_ref().is_some_and(|entered| entered.is_refused) => Listened::Refused(key),
            Some(key) => Listened::Ready(key, entered),
            None => unreachable!("it waited for this core alone"),
        }
    }

    /// Puts a subscriber into the audience, in place of a former subscription of its connection to the same channel.
    pub(super) fn place(
        &mut self,
        slot: Slot,
        client: &mut Client,
        key: ChannelKey,
        wanted: &Wanted,
        entered: Option<Entered>,
    ) -> Joined {
        let rendition = client.session.rendition();
        let former = client.session.take_subscription(&wanted.channel);
        let leave = |f: &Subscription| self.leave_seat(client, f.key, f.feed(rendition), f.seat, f.features.positioned);
        let hole = former.as_ref().and_then(leave);
        let top = entered.as_ref().and_then(|entered| entered.top.as_ref());
        top.into_iter().for_each(|top| self.begin_position(key, top));
        let seat = self.take_seat(slot, key, rendition, wanted, entered.as_ref());
        let mut joined = Joined { key, seat, entered };
        self.follow_up(slot, client, wanted, &mut joined, hole);
        self.counters.actions.add(Action::AddSubscription);
        self.counters.subscriptions_accepted.add(1);
        if let Some(former) = former {
            self.release(key);
            if former.features.presence && !wanted.features.presence && !is_entering(client, &former.channel) {
                self.depart(client, &former.channel, true, None);
            }
        }
        self.counters.subscriptions.set(self.registry.subscriptions() as u64);
        joined
    }

    fn take_seat(
        &mut self,
        slot: Slot,
        key: ChannelKey,
        rendition: Rendition,
        wanted: &Wanted,
        entered: Option<&Entered>,
    ) -> Seat {
        let feed = wanted.features.feed(rendition);
        if !feed.delta {
            return self.registry.join(key, feed, wanted.filter.as_ref(), slot.index);
        }
        // The list ends with the newest publication. One that is recovered without a list may know nothing of it: an
        // application that begins at a position that it remembers has no payload.
        let has_base = mutation::is(Mutation::EverybodyTakesPatches)
            || entered.is_some_and(|entered| entered.is_recovered && !entered.missed.is_empty());
        let (seat, moved) = self.registry.join_patched(key, feed, has_base, slot.index);
        self.reseat(key, moved);
        seat
    }

    /// The owner knows of a wish of this core: those who waited for that join, and go on when it was their last
    /// channel.
    pub(super) fn listening(&mut self, channel: &str, serial: u64) {
        let Some((key, waiting)) = self.registry.confirmed(channel, serial) else { return };
        let mut complete = Vec::new();
        for Waiting { slot, .. } in waiting {
            let Some(mut conn) = self.take(slot) else { continue };
            if let Some(client) = conn.client()
                && let Some(mut listening) = client.listening.take()
            {
                let is_it =
                    |p: &&mut Pending| p.joined.is_none() && p.ticket.is_none() && &*p.wanted.channel == channel;
                if let Some(pending) = listening.channels.iter_mut().find(is_it) {
                    pending.joined = Some(self.place(slot, client, key, &pending.wanted, None));
                }
                if listening.is_complete() {
                    complete.push(slot);
                }
                client.listening = Some(listening);
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

    /// The owner has answered one subscriber: it joins, unless it is gone.
    pub(super) fn entered(&mut self, ticket: Ticket, entered: Entered) {
        let Some((slot, channel)) = self.entering.remove(&ticket) else { return };
        let Some(key) = self.registry.entered(&channel, ticket) else { return };
        let Some(mut conn) = self.take(slot) else { return self.release(key) };
        let Some(client) = conn.client() else {
            self.release(key);
            return self.put(conn);
        };
        if let Some(mut listening) = client.listening.take_if(|listening| listening.waits_for(ticket)) {
            if entered.is_refused {
                listening.channels.retain(|pending| pending.ticket != Some(ticket));
                self.release(key);
            } else if let Some(pending) = listening.channels.iter_mut().find(|pending| pending.ticket == Some(ticket)) {
                pending.joined = Some(self.place(slot, client, key, &pending.wanted, Some(entered)));
            }
            let is_complete = listening.is_complete();
            client.listening = Some(listening);
            return if is_complete { self.client_listening(conn) } else { self.put(conn) };
        }
        match client.grants.iter().position(|grant| grant.ticket == ticket) {
            Some(at) => {
                let waiting = client.grants.swap_remove(at);
                self.grant_entered(conn, key, waiting, entered);
            }
            None => {
                self.release(key);
                self.put(conn);
            }
        }
    }

    /// Takes a subscription out of its audience and tells the owner what that means for others.
    pub(super) fn leave(&mut self, client: &mut Client, subscription: &Subscription) {
        let feed = subscription.feed(client.session.rendition());
        self.leave_seat(client, subscription.key, feed, subscription.seat, subscription.features.positioned);
        self.release(subscription.key);
        // A client that was refused at the end of its `connect` was not announced.
        let is_announced = subscription.features.join_leave && client.is_counted;
        let leave = is_announced.then(|| subscription.info.clone());
        let presence = subscription.features.presence && !is_entering(client, &subscription.channel);
        if presence || leave.is_some() {
            self.depart(client, &subscription.channel, presence, leave);
        }
        self.gauges();
    }

    /// Also one that is behind, without a seat: returns what it has missed.
    fn leave_seat(
        &mut self,
        client: &mut Client,
        key: ChannelKey,
        feed: Feed,
        seat: Seat,
        is_positioned: bool,
    ) -> Option<(Arc<str>, Hole)> {
        self.counters.actions.add(Action::RemoveSubscription);
        let follower = client.followers.iter().position(|f| f.key == key).map(|at| client.followers.swap_remove(at));
        if let Some(Follower { epoch, hole: Some(hole), .. }) = follower {
            self.registry.leave_outside(key, feed);
            return Some((epoch, hole));
        }
        if is_positioned {
            self.registry.untrack(key, feed, seat);
        }
        let moved = self.registry.leave(key, feed, seat);
        self.reseat(key, moved);
        None
    }

    /// Connections learn where they sit now.
    pub(super) fn reseat(&mut self, key: ChannelKey, moved: Moved) {
        for (index, seat) in moved {
            if let Some(client) = self.conns[index as usize].as_mut().and_then(|conn| conn.client()) {
                relocate(client, key, seat);
            }
        }
    }

    /// Gives up all that a client listens to or waits for.
    pub(super) fn leave_all(&mut self, client: &mut Client) {
        for subscription in client.session.take_subscriptions() {
            self.leave(client, &subscription);
        }
        for pending in client.listening.take().map(|listening| listening.channels).unwrap_or_default() {
            self.give_up(client, pending);
        }
        for waiting in std::mem::take(&mut client.grants) {
            let pending = Pending { wanted: waiting.wanted, ticket: Some(waiting.ticket), joined: None };
            self.give_up(client, pending);
            self.act_step(waiting.act, false);
        }
        self.gauges();
    }

    /// A subscription that was not told to anybody yet.
    fn give_up(&mut self, client: &mut Client, pending: Pending) {
        let rendition = client.session.rendition();
        if let Some(joined) = &pending.joined {
            let feed = pending.wanted.features.feed(rendition);
            self.leave_seat(client, joined.key, feed, joined.seat, pending.wanted.features.positioned);
            self.release(joined.key);
        }
        // The owner may have entered it already, or will before it hears of this.
        if pending.wanted.features.presence && (pending.joined.is_some() || pending.ticket.is_some()) {
            self.depart(client, &pending.wanted.channel, true, None);
        }
    }

    /// Tells the owner that a client has left: out of presence, and perhaps a leave for the others.
    fn depart(&mut self, client: &Client, channel: &Arc<str>, presence: bool, leave: Option<bytes::Bytes>) {
        if mutation::is(Mutation::DepartureIsForgotten) && self.tickets % 8 == 7 {
            return;
        }
        let info = leave.map(|chan_info| client.session.client_info(chan_info));
        let departure = Departure { client: client.session.client(), presence, info };
        let owner = self.shared.placement.owner(channel);
        if owner == self.core {
            return self.depart_owned(channel, departure);
        }
        self.departures.add(owner);
        self.send(owner, Message::Depart { channel: channel.clone(), departure: Box::new(departure) });
    }

    /// Presence is told what has changed of a client.
    pub(super) fn present(&mut self, client: &mut Client, members: Vec<(Arc<str>, Member)>) {
        for (channel, member) in members {
            // An entry that is under way belongs to a newer subscription.
            if is_entering(client, &channel) {
                continue;
            }
            let owner = self.shared.placement.owner(&channel);
            if owner == self.core {
                self.renew_owned(&channel, member);
            } else {
                self.send(owner, Message::Renew { channel, member: Box::new(member) });
            }
        }
        if client.listening.is_some() || !client.grants.is_empty() {
            // But it may say what was true when it was asked for.
            client.session.present_later(self.now.mono, &self.policy.client);
        }
    }

    /// Lets others know that a client has come.
    pub(super) fn announce(&mut self, arrival: Arrival) {
        let Arrival { channel, info } = arrival;
        let owner = self.shared.placement.owner(&channel);
        if owner == self.core {
            return self.announce_owned(&channel, info, true);
        }
        self.send(owner, Message::Arrive { channel, info: Box::new(info) });
    }

    pub(super) fn release(&mut self, key: ChannelKey) {
        if let Some(wish) = self.registry.release(key) {
            self.tell_owner(wish);
        }
    }

    fn tell_owner(&mut self, wish: Wish) {
        let Wish { channel, feeds, serial } = wish;
        if mutation::is(Mutation::WishIsNotTakenBack) && feeds == 0 {
            return;
        }
        let owner = self.shared.placement.owner(&channel);
        if owner == self.core {
            self.listen_owned(&channel, self.core, feeds);
            return;
        }
        for _ in 0..if mutation::is(Mutation::WishIsRepeated) { 300 } else { 0 } {
            self.send(owner, Message::Listen { channel: channel.clone(), from: self.core, feeds, serial });
        }
        self.send(owner, Message::Listen { channel, from: self.core, feeds, serial });
    }

    /// The gauges of this core's tables.
    pub(super) fn gauges(&self) {
        self.counters.subscriptions.set(self.registry.subscriptions() as u64);
        self.counters.channels.set(self.store.heard() as u64);
    }
}

/// What the owner is asked for one subscriber.
fn entry(client: &Client, wanted: &Wanted) -> Entry {
    let member = |info: &bytes::Bytes| -> Member { client.session.member(info.clone()) };
    Entry {
        member: wanted.features.presence.then(|| member(&wanted.info)),
        is_positioned: wanted.features.positioned,
        since: wanted.since.clone(),
    }
}

/// True when another subscription of the client has asked for its entry in presence: the owner may have made it
/// already, so nobody may take it out on behalf of the former one.
fn is_entering(client: &Client, channel: &str) -> bool {
    if mutation::is(Mutation::EntryIsNotAwaited) {
        return false;
    }
    let listening = client.listening.iter().flat_map(|listening| &listening.channels);
    let asked = listening.filter(|pending| pending.ticket.is_some()).map(|pending| &pending.wanted);
    let granted = client.grants.iter().map(|grant| &grant.wanted);
    asked.chain(granted).any(|wanted| wanted.features.presence && &*wanted.channel == channel)
}

/// A connection was moved within an audience: its session, or its unfinished wish, learns the new seat.
fn relocate(client: &mut Client, key: ChannelKey, seat: Seat) {
    if mutation::is(Mutation::SeatIsForgotten) {
        return;
    }
    client.session.relocate(key, seat);
    for pending in client.listening.iter_mut().flat_map(|listening| &mut listening.channels) {
        if let Some(joined) = pending.joined.as_mut().filter(|joined| joined.key == key) {
            joined.seat = seat;
        }
    }
}
