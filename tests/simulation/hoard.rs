//! A client that subscribes to all that it can, while the backend subscribes it too: its limit is exact.

use crate::calls::Purpose;
use crate::model::Grant;
use crate::realm;
use crate::stretch::Wish;
use crate::world::{UNLIMITED, World};
use serde_json::json;

/// Its user, who has no other connection.
pub const HOARDER: &str = "hoarder";
/// One after another, in a run.
const HOARDERS: usize = 3;

impl World {
    /// It goes on, or comes back when it was cut off for what the backend wanted it to have.
    pub fn hoard(&mut self) {
        let hoarders: Vec<usize> = (0..self.clients.len()).filter(|at| self.clients[*at].user == HOARDER).collect();
        let Some(at) = hoarders.iter().copied().find(|at| self.is_alive(&self.clients[*at])) else {
            if hoarders.len() < HOARDERS {
                self.open_client(HOARDER, false, UNLIMITED, 0);
            }
            return;
        };
        self.model.numbers += 1;
        let (number, now) = (self.model.numbers, self.model.now);
        match self.any(12) {
            0..7 => {
                for n in 0..1 + self.any(6) {
                    let bytes = self.clients[at].subscribe(&format!("hoard{number}-{n}"), Wish::default(), 0, now);
                    self.send(self.clients[at].link, bytes);
                }
            }
            7..10 => {
                let active: Vec<String> = self.clients[at].subscribed().map(str::to_string).collect();
                if !active.is_empty() {
                    let channel = &active[self.any(active.len())];
                    let bytes = self.clients[at].unsubscribe(channel, now);
                    self.send(self.clients[at].link, bytes);
                }
            }
            _ if self.clients[at].subscribed().count() < realm::CHANNEL_LIMIT => {
                let grant = self.model.grants.len();
                self.model.grants.push(Grant::default());
                let channel = format!("hoard{number}");
                let body = json!({ "user": HOARDER, "channel": channel, "data": { "g": grant } });
                self.model.hoarding.insert(grant);
                self.call("subscribe", body, Purpose::Other);
            }
            _ => {}
        }
    }
}
