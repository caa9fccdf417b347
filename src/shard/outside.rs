//! What clients of this core wait for from the side thread. Clients that need the same key share one question.

use super::{Effect, Shard};
use crate::auth::KeyName;
use crate::id::{Slot, Ticket};
use crate::session::outside::{Answer, Ask};
use hashbrown::HashMap;

/// Open questions.
#[derive(Default)]
pub(super) struct Asked {
    /// Who waits for the answer, in the order in which they came.
    waiting: HashMap<Ticket, (Option<KeyName>, Vec<Slot>)>,
    /// The open question for a key.
    by_key: HashMap<KeyName, Ticket>,
}

impl Asked {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Joins those who wait for the same key; false when nobody does.
    fn join(&mut self, name: &KeyName, slot: Slot) -> bool {
        let open = self.by_key.get(name).and_then(|ticket| self.waiting.get_mut(ticket));
        open.map(|(_, slots)| slots.push(slot)).is_some()
    }

    fn open(&mut self, ticket: Ticket, name: Option<KeyName>, slot: Slot) {
        if let Some(name) = &name {
            self.by_key.insert(name.clone(), ticket);
        }
        self.waiting.insert(ticket, (name, vec![slot]));
    }

    fn close(&mut self, ticket: Ticket) -> Vec<Slot> {
        let Some((name, slots)) = self.waiting.remove(&ticket) else { return Vec::new() };
        if let Some(name) = name {
            self.by_key.remove(&name);
        }
        slots
    }
}

impl Shard {
    /// Asks for a client, unless the same was asked already.
    pub(super) fn ask_outside(&mut self, slot: Slot, ask: Ask) {
        let name = match &ask {
            Ask::Keys(name) => Some(name.clone()),
            Ask::Verify(_) => None,
        };
        if name.as_ref().is_some_and(|name| self.outside.join(name, slot)) {
            return;
        }
        let ticket = self.ticket();
        self.outside.open(ticket, name, slot);
        self.effects.push_back(Effect::Outside(ticket, ask));
    }

    /// The answer goes to everybody who waits for it; keys are kept first.
    pub(super) fn outside_answered(&mut self, ticket: Ticket, answer: &Answer) {
        if let Answer::Keys(url, set) = answer {
            self.keys.put(url, set, self.now.mono);
        }
        for slot in self.outside.close(ticket) {
            self.client_told(slot, answer);
        }
        self.check_stop();
    }
}
