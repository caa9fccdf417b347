//! What every core is asked or told to do: its share of `info`, its channels, and acts on the sessions of a user.
//!
//! Long work is done in slices: between two of them the core looks at its sockets and its inbox ([`Message::Continue`] is
//! a message to itself). A core answers when all that it began is done, so a caller that has its answer sees the effect on
//! any core: owners that were told of departures are waited for too ([`Message::Echo`]).

use super::sessions::context;
use super::{Message, Shard};
use crate::api::{Act, Action, Answer, Filter, Question, info};
use crate::channel::glob::Glob;
use crate::conn::{Conn, WaitingGrant};
use crate::id::{ChannelKey, Core, Slot, Ticket};
use crate::limits;
use crate::mutation::{self, Mutation};
use crate::protocol::code::Unsubscribe;
use crate::protocol::reply;
use crate::session::grant::{Grant, Ungranted};
use crate::session::{Context, Entered, Flow};
use crate::shard::subscriptions::Listened;
use std::sync::Arc;

/// Who has asked.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) from: Core,
    pub(super) ticket: Ticket,
}

/// Work of several slices.
pub(super) enum Errand {
    /// Channels are searched.
    Scan { asker: Asker, glob: Glob, place: usize, found: Vec<(Arc<str>, u32)> },
    /// Sessions are acted upon.
    Act {
        asker: Asker,
        act: Arc<Act>,
        slots: std::vec::IntoIter<Slot>,
        /// Grants that wait for the owner of their channel.
        waiting: usize,
        has_failed: bool,
        stage: Stage,
    },
}

/// How far an act has come: its own work, then the owners that were told of departures by this core, whatever the cause.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Sessions are still to be acted upon.
    Acting,
    /// Grants may wait for the owner of their channel.
    Granting,
    /// So many owners have not said yet that they know.
    Telling { owners: u64, missing: u32, departures: u64 },
}

/// What this core has told owners of departures.
#[derive(Default)]
pub(super) struct Departures {
    /// How many.
    count: u64,
    /// Owners that may not know yet, a bit each.
    owners: u64,
}

impl Departures {
    /// One more, told to `owner`.
    pub(super) fn add(&mut self, owner: Core) {
        self.count += 1;
        if !mutation::is(Mutation::ActDoesNotAskOwners) {
            self.owners |= 1 << owner.0;
        }
    }
}

impl Shard {
    /// Begins to answer a question; `None`: the answer comes later.
    pub(super) fn asked(&mut self, question: Question, asker: Asker) -> Option<Answer> {
        let errand = match question {
            Question::Info => return Some(Answer::Info(self.info_share())),
            Question::Channels(glob) => Errand::Scan { asker, glob, place: 0, found: Vec::new() },
            Question::Act(act) => {
                let slots = self.sessions_of(&act.filter).into_iter();
                if slots.len() == 0 {
                    return Some(Answer::Acted(false));
                }
                Errand::Act { asker, act, slots, waiting: 0, has_failed: false, stage: Stage::Acting }
            }
        };
        let ticket = self.ticket();
        self.errands.insert(ticket, errand);
        self.go_on_with(ticket)
    }

    /// One slice of an errand; its answer, if that was the last one.
    fn go_on_with(&mut self, ticket: Ticket) -> Option<Answer> {
        match self.errands.get_mut(&ticket)? {
            Errand::Scan { glob, place, found, .. } => {
                let each = |name: &Arc<str>, listeners: usize| {
                    if glob.is_match(name) {
                        found.push((name.clone(), listeners as u32));
                    }
                };
                match self.registry.scan(*place, limits::CHANNELS_PER_SLICE, each) {
                    Some(next) => *place = next,
                    None => {
                        let found = std::mem::take(found);
                        self.errands.remove(&ticket);
                        return Some(Answer::Channels(found));
                    }
                }
            }
            Errand::Act { act, slots, .. } => {
                let act = act.clone();
                let slice: Vec<Slot> = slots.by_ref().take(limits::ACTS_PER_SLICE).collect();
                for slot in slice {
                    self.act_on(slot, &act, ticket);
                }
                // Who was told to go is gone when the caller has its answer.
                self.carry_out_verdicts();
                if let Some(Errand::Act { slots, stage, .. }) = self.errands.get_mut(&ticket)
                    && slots.len() == 0
                {
                    *stage = Stage::Granting;
                    return self.act_answer(ticket);
                }
            }
        }
        let core = self.core;
        self.send(core, Message::Continue(ticket));
        None
    }

    /// The core's own message: the next slice.
    pub(super) fn go_on_later(&mut self, ticket: Ticket) {
        let Some(asker) = self.errands.get(&ticket).map(Errand::asker) else { return };
        if let Some(answer) = self.go_on_with(ticket) {
            self.give_answer(asker, answer);
        }
    }

    /// The answer of an act that waits for nothing more.
    fn act_answer(&mut self, ticket: Ticket) -> Option<Answer> {
        let Errand::Act { waiting: 0, has_failed, stage, .. } = self.errands.get_mut(&ticket)? else { return None };
        let Departures { count: departures, owners } = self.departures;
        match *stage {
            Stage::Granting if owners != 0 => {
                *stage = Stage::Telling { owners, missing: owners.count_ones(), departures };
                self.tell_of_departures(owners, ticket);
                None
            }
            Stage::Acting | Stage::Telling { missing: 1.., .. } => None,
            Stage::Granting | Stage::Telling { missing: 0, .. } => {
                let has_failed = *has_failed;
                self.errands.remove(&ticket);
                Some(Answer::Acted(has_failed))
            }
        }
    }

    /// Asks owners to answer behind all that this core has told them.
    fn tell_of_departures(&mut self, owners: u64, ticket: Ticket) {
        let from = self.core;
        for core in (0..self.shared.placement.cores() as u16).filter(|core| owners & (1 << core) != 0) {
            self.send(Core(core), Message::Echo { from, ticket });
        }
    }

    /// An owner knows of all departures that went before the question.
    pub(super) fn act_echoed(&mut self, ticket: Ticket) {
        let Some(errand) = self.errands.get_mut(&ticket) else { return };
        let asker = errand.asker();
        if let Errand::Act { stage: Stage::Telling { owners, missing, departures }, .. } = errand {
            *missing -= 1;
            if *missing == 0 && *departures == self.departures.count {
                self.departures.owners &= !*owners;
            }
        }
        if let Some(answer) = self.act_answer(ticket) {
            self.give_answer(asker, answer);
        }
    }

    /// One session that the act waited for is done.
    pub(super) fn act_step(&mut self, ticket: Ticket, failed: bool) {
        let Some(errand) = self.errands.get_mut(&ticket) else { return };
        let asker = errand.asker();
        if let Errand::Act { waiting, has_failed, .. } = errand {
            *waiting -= usize::from(!mutation::is(Mutation::ActIsAnsweredEarly));
            *has_failed |= failed;
        }
        if let Some(answer) = self.act_answer(ticket) {
            self.give_answer(asker, answer);
        }
    }

    /// Also to itself by a message: the connection that has asked may be the one that is being handled.
    fn give_answer(&mut self, asker: Asker, answer: Answer) {
        let Asker { from, ticket } = asker;
        self.send(from, Message::Answered { ticket, answer });
    }

    /// The sessions that a filter names.
    fn sessions_of(&self, filter: &Filter) -> Vec<Slot> {
        // No transport of this version tells its session id, so none can be named.
        if !filter.session.is_empty() {
            return Vec::new();
        }
        let chosen = |index: &u32| {
            let conn = self.conns.get(*index as usize)?.as_ref()?;
            let client = conn.client_ref()?.session.client();
            let named = |names: &[String]| names.iter().any(|name| client.is(name));
            let is_meant = (filter.client.is_empty() || client.is(&filter.client)) && !named(&filter.except);
            is_meant.then_some(conn.slot)
        };
        self.users.of(&filter.user).iter().filter_map(chosen).collect()
    }

    /// Carries an act out on one session, or begins to.
    fn act_on(&mut self, slot: Slot, act: &Act, ticket: Ticket) {
        match &act.action {
            Action::Disconnect(disconnect) => self.verdicts.push((slot.index, disconnect.clone())),
            Action::Subscribe(grant) => self.begin_grant(slot, grant, ticket),
            Action::Unsubscribe(channel) => self.revoke(slot, channel),
            Action::Refresh(renewal) => {
                let Some(mut conn) = self.take(slot) else { return };
                let Some(client) = conn.client() else { return self.put(conn) };
                let flow = client.session.renew(renewal, context!(self));
                self.finish_flow(conn, flow);
            }
        }
    }

    /// Performs a flow on a connection that was taken out, and puts it back.
    pub(super) fn finish_flow(&mut self, mut conn: Box<Conn>, flow: Flow) {
        let slot = conn.slot;
        let goes_on = match conn.client() {
            Some(client) => {
                let after = self.perform(slot, client, flow);
                self.follow(&mut conn, after)
            }
            None => true,
        };
        if goes_on { self.put(conn) } else { self.drop_conn(conn) }
    }

    fn begin_grant(&mut self, slot: Slot, grant: &Grant, ticket: Ticket) {
        let Some(mut conn) = self.take(slot) else { return };
        let Some(client) = conn.client() else { return self.put(conn) };
        let wanted = match client.session.grant(grant, context!(self)) {
            Ok(wanted) => wanted,
            Err(Ungranted::Disconnect(disconnect)) => {
                self.verdicts.push((slot.index, disconnect));
                return self.put(conn);
            }
            Err(Ungranted::Failed) => {
                if let Some(Errand::Act { has_failed, .. }) = self.errands.get_mut(&ticket) {
                    *has_failed = true;
                }
                return self.put(conn);
            }
        };
        match self.listen_one(slot, client, &wanted, true) {
            Listened::Ready(key, entered) => {
                let joined = self.place(slot, client, key, &wanted, entered);
                let flow = client.session.granted(grant, joined, context!(self));
                self.finish_flow(conn, flow);
                self.gauges();
            }
            Listened::Refused(_) => unreachable!("the backend insists on no recovery"),
            Listened::Waits(question) => {
                if let Some(Errand::Act { waiting, .. }) = self.errands.get_mut(&ticket)
                    && !mutation::is(Mutation::ActIsAnsweredEarly)
                {
                    *waiting += 1;
                }
                let Some(question) = question else { unreachable!("it asks the owner") };
                client.grants.push(WaitingGrant { ticket: question, wanted, grant: grant.clone(), act: ticket });
                self.put(conn);
            }
        }
    }

    /// The owner has answered a session that the backend subscribes.
    pub(super) fn grant_entered(
        &mut self,
        mut conn: Box<Conn>,
        key: ChannelKey,
        waiting: WaitingGrant,
        entered: Entered,
    ) {
        let slot = conn.slot;
        if let Some(client) = conn.client() {
            let joined = self.place(slot, client, key, &waiting.wanted, Some(entered));
            let flow = client.session.granted(&waiting.grant, joined, context!(self));
            self.finish_flow(conn, flow);
        } else {
            self.put(conn);
        }
        self.gauges();
        self.act_step(waiting.act, false);
    }

    /// Ends a subscription, if there is one, and tells the client in any case.
    fn revoke(&mut self, slot: Slot, channel: &str) {
        let Some(mut conn) = self.take(slot) else { return };
        if let Some(client) = conn.client() {
            let flow = match client.session.take_subscription(channel) {
                Some(subscription) => Flow::Ended(subscription, Unsubscribe::SERVER),
                None => Flow::Reply(Box::new(reply::unsubscribe_push(channel, Unsubscribe::SERVER))),
            };
            return self.finish_flow(conn, flow);
        }
        self.put(conn);
    }

    fn info_share(&self) -> info::Share {
        info::Share {
            clients: self.counters.clients.get() as u32,
            users: self.users.names().map(|user| self.shared.placement.hash(user)).collect(),
            channels: self.store.heard() as u32,
            subscriptions: self.registry.subscriptions() as u32,
        }
    }
}

impl Errand {
    fn asker(&self) -> Asker {
        match self {
            Errand::Scan { asker, .. } | Errand::Act { asker, .. } => *asker,
        }
    }
}
