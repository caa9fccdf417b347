//! Subscriptions that fall behind instead of costing the connection (`corecast_slow_consumer: catch_up`, decision 9).
//!
//! When too much waits for a client, publications that history keeps are taken out of its queue, and their subscriptions
//! step out of their audiences. When the rest is written, the owners of their channels are asked for what they missed, page
//! by page, one page of one channel at a time; the page that reaches the top is the place where they step in again. It is
//! without a gap and without a double because a `Page` stands between deliveries as an `Entered` does: messages between two
//! cores keep their order.
//!
//! What history does not keep is lost in the hole: joins, leaves, publications without a position.

use super::message::{Gap, Page, Rendered};
use super::sessions::After;
use super::{Message, Shard};
use crate::channel::Position;
use crate::channel::history;
use crate::conn::{Client, Conn, Follower, Hole};
use crate::hub::lists::Source;
use crate::id::{ChannelKey, Seat, Slot, Ticket};
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::proto::client::Publication;
use crate::protocol::code::{Disconnect, Unsubscribe};
use crate::protocol::command::Protocol;
use crate::protocol::{delta, payload};
use crate::session::{Flow, Joined, Wanted};
use std::sync::Arc;

/// What the framing of a publication may add to its payload, roughly, beside the name of its channel.
const OVERHEAD: usize = 64;

impl Shard {
    /// A subscription has been placed: it may fall behind from now on, where its namespace says so. `former`: it replaces one
    /// that is behind, and goes on from there.
    pub(super) fn follow_up(
        &mut self,
        slot: Slot,
        client: &mut Client,
        wanted: &Wanted,
        joined: &mut Joined,
        former: Option<(Arc<str>, Hole)>,
    ) {
        let Joined { key, seat, entered } = joined;
        let (key, seat) = (*key, *seat);
        let Some(entered) = entered.as_mut().filter(|_| wanted.features.catches_up) else { return };
        let Some(top) = &mut entered.top else { return };
        let feed = wanted.features.feed(client.session.rendition());
        let since_frame = self.output.frame_id();
        let (channel, epoch) = (wanted.channel.clone(), top.epoch.clone());
        let mut follower = Follower { channel, key, feed, since_frame, epoch, hole: None };
        if let Some((epoch, hole)) = former
            && epoch == top.epoch
        {
            // Its client is told the position that it really has, whichever the backend names.
            (top.offset, entered.is_recovered) = (hole.after, false);
            let (_, moved) = self.registry.step_out(key, feed, seat);
            self.reseat(key, moved);
            follower.hole = Some(Hole::new(hole.after, wanted.filter.clone()));
            self.output.notify_drained(slot.index);
        }
        client.followers.push(follower);
    }

    /// Too much waits for the client: takes out of it what can be read again. False when that is not enough.
    pub(super) fn fall_behind(&mut self, conn: &mut Conn) -> bool {
        let slot = conn.slot;
        let Some(client) = conn.client() else { return false };
        let mut holes = holes(client);
        let mut dropped = 0;
        let is_enough = self.output.withdraw(slot.index, |part| {
            let Ok(at) = holes.binary_search_by_key(&part.source.channel, |dug| dug.key) else { return false };
            let dug = &mut holes[at];
            if part.frame <= dug.since_frame {
                return false;
            }
            dropped += 1;
            dug.after.get_or_insert(part.source.offset - 1);
            true
        });
        if !is_enough || dropped == 0 {
            return false;
        }
        self.counters.catch_up_dropped.add(dropped);
        for dug in holes {
            if let Some(after) = dug.after {
                self.dig(client, dug.at, dug.seat, after);
            }
        }
        if !mutation::is(Mutation::CatchUpIsForgotten) {
            self.output.notify_drained(slot.index);
        }
        true
    }

    /// A subscription has lost what waited behind `after`.
    fn dig(&mut self, client: &mut Client, at: usize, seat: Seat, after: u64) {
        let follower = &mut client.followers[at];
        match &mut follower.hole {
            Some(hole) => (hole.after, hole.question) = (after, None),
            None => {
                let (filter, moved) = self.registry.step_out(follower.key, follower.feed, seat);
                follower.hole = Some(Hole::new(after, filter));
                self.counters.catch_ups_begun.add(1);
                self.reseat(follower.key, moved);
            }
        }
    }

    /// Nothing waits for the client any more: one of its subscriptions reads on. False when TCP ends now.
    pub(super) fn catch_up(&mut self, conn: &mut Conn) -> bool {
        let slot = conn.slot;
        let ticket = self.ticket();
        let Some(client) = conn.client() else { return true };
        let behind = || client.followers.iter().filter_map(|follower| follower.hole.as_ref());
        if behind().any(|hole| hole.question.is_some()) {
            return true;
        }
        let pages = behind().map(|hole| hole.pages).min();
        let is_next = |follower: &&mut Follower| follower.hole.as_ref().is_some_and(|hole| Some(hole.pages) == pages);
        let Some(Follower { channel, epoch, hole: Some(hole), .. }) = client.followers.iter_mut().find(is_next) else {
            return true;
        };
        hole.question = Some(ticket);
        hole.pages += 1;
        let since = Position { offset: hole.after, epoch: epoch.clone() };
        let bytes_max = limits::CATCH_UP_BYTES.min(self.shared.settings.client.queue_max_size / 2);
        let (channel, gap) = (channel.clone(), Gap { since, filter: hole.filter.clone(), bytes_max });
        let owner = self.shared.placement.owner(&channel);
        if owner == self.core {
            let page = self.read_on_owned(&channel, &gap);
            return self.take_page(conn, ticket, page);
        }
        self.reading.insert(ticket, slot);
        self.send(owner, Message::ReadOn { channel, from: self.core, ticket, gap: Box::new(gap) });
        true
    }

    /// What a subscriber that reads on has missed; `None` when it is not kept any more.
    pub(super) fn read_on_owned(&mut self, channel: &Arc<str>, gap: &Gap) -> Option<Page> {
        let meta_ttl = self.meta_ttl(channel);
        let stream = self.store.stream(channel, meta_ttl, self.now.mono, &mut self.random);
        if !stream.recovers(&gap.since, usize::MAX) {
            return None;
        }
        let after = gap.since.offset;
        let overhead = OVERHEAD + channel.len();
        let count = stream.reach(after, limits::CATCH_UP_PUBLICATIONS, gap.bytes_max, overhead);
        let mut publications =
            stream.read(&history::Page { limit: Some(count), since: Some(after), ..history::Page::default() });
        publications.retain(|publication| gap.filter.as_ref().is_none_or(|f| f.matches(&publication.tags)));
        let reached = after + count as u64;
        Some(Page { publications, reached, is_top: reached == stream.top().offset })
    }

    /// The owner's page for a client of this core.
    pub(super) fn page_came(&mut self, ticket: Ticket, page: Option<Page>) {
        let Some(slot) = self.reading.remove(&ticket) else { return };
        let Some(mut conn) = self.take(slot) else { return };
        let goes_on = self.take_page(&mut conn, ticket, page);
        if goes_on { self.put(conn) } else { self.drop_conn(conn) }
    }

    /// The last page brought nothing.
    pub(super) fn turn_page(&mut self, slot: Slot) {
        let Some(mut conn) = self.take(slot) else { return };
        let goes_on = self.catch_up(&mut conn);
        if goes_on { self.put(conn) } else { self.drop_conn(conn) }
    }

    /// Queues a page and steps in where it reaches the top. False when TCP ends now.
    fn take_page(&mut self, conn: &mut Conn, ticket: Ticket, page: Option<Page>) -> bool {
        let index = conn.slot.index;
        let Some(client) = conn.client() else { return true };
        let asked = |follower: &Follower| follower.hole.as_ref().is_some_and(|hole| hole.question == Some(ticket));
        // It may have been ended, replaced or have lost more since it asked.
        let Some(at) = client.followers.iter().position(asked) else {
            self.output.notify_drained(index);
            return true;
        };
        let Some(Page { publications, reached, is_top }) = page else { return self.give_up_catching(conn, at) };
        let is_empty = publications.is_empty();
        for publication in publications {
            if !self.queue_missed(index, client, at, publication) {
                return self.follow(conn, After::Disconnect(Disconnect::INAPPROPRIATE_PROTOCOL));
            }
        }
        let follower = &mut client.followers[at];
        if let Some(hole) = &mut follower.hole {
            (hole.after, hole.question) = (reached, None);
        }
        if is_top && let Some(hole) = follower.hole.take() {
            let seat = self.registry.step_in(follower.key, follower.feed, hole.filter.as_ref(), index);
            client.session.relocate(follower.key, seat);
            self.counters.catch_ups_completed.add(1);
        }
        match client.followers.iter().any(|follower| follower.hole.is_some()) {
            // Another look at the sockets first: history may be long, and a filter let nothing of it through.
            true if is_empty && !is_top => self.send(self.core, Message::TurnPage(conn.slot)),
            true => self.output.notify_drained(index),
            false => {}
        }
        true
    }

    /// Queues one publication as it would have come; false when the client cannot have it.
    fn queue_missed(&mut self, index: u32, client: &Client, at: usize, mut publication: Publication) -> bool {
        let rendition = client.session.rendition();
        let is_json = rendition.protocol() == Protocol::Json;
        if is_json && !payload::is_json(&publication.data, &mut self.json_scratch) {
            return false;
        }
        let Follower { channel, key, feed, .. } = &client.followers[at];
        let source = Source { channel: *key, offset: publication.offset };
        if feed.delta {
            delta::shape(rendition.protocol(), &mut publication, None);
        }
        let rendered = self.encode(&[rendition], channel, &publication).pop();
        if let Some((_, Rendered::Frame { block, bytes })) = rendered {
            self.counters.deliveries.add(1);
            self.counters.messages_sent.add(1);
            self.counters.messages_sent_bytes.add(u64::from(bytes));
            self.output.queue_kept(index, source, &block);
        }
        true
    }

    /// History does not reach back any more: the client has to begin anew. False when TCP ends now.
    fn give_up_catching(&mut self, conn: &mut Conn, at: usize) -> bool {
        let slot = conn.slot;
        self.counters.catch_ups_failed.add(1);
        let Some(client) = conn.client() else { return true };
        let channel = client.followers[at].channel.clone();
        let after = match client.session.subscription(&channel) {
            Some(subscription) if subscription.is_server_side => After::Disconnect(Disconnect::INSUFFICIENT_STATE),
            _ => match client.session.take_subscription(&channel) {
                Some(subscription) => {
                    let flow = Flow::Ended(subscription, Unsubscribe::INSUFFICIENT_STATE);
                    self.output.notify_drained(slot.index);
                    self.perform(slot, client, flow)
                }
                None => After::Nothing,
            },
        };
        self.follow(conn, after)
    }
}

/// A subscription that may fall behind now.
struct Dug {
    key: ChannelKey,
    since_frame: u64,
    /// Among the followers.
    at: usize,
    seat: Seat,
    /// Its last offset that stays.
    after: Option<u64>,
}

/// Those that the client knows of, by key.
fn holes(client: &Client) -> Vec<Dug> {
    let dug = |(at, follower): (usize, &Follower)| {
        let subscription = client.session.subscriptions().iter().find(|s| s.key == follower.key)?;
        let (key, since_frame, seat) = (follower.key, follower.since_frame, subscription.seat);
        Some(Dug { key, since_frame, at, seat, after: None })
    };
    let mut holes: Vec<Dug> = client.followers.iter().enumerate().filter_map(dug).collect();
    holes.sort_unstable_by_key(|dug| dug.key);
    holes
}
