//! Probes: users who do nothing by themselves, in a channel of their own, so that what a call of the API must have done
//! is known exactly. Behind each answer any core is asked whether the effect is visible there.

use crate::calls::Purpose;
use crate::model::Grant;
use crate::world::{UNLIMITED, World};
use serde_json::{Value, json};

/// Probes of one run.
const PROBES: usize = 2;
/// Clients of each.
const CLIENTS: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Idle,
    /// The effect is under way; what it is.
    Acting(Effect),
    /// Its answer is there, and a core is asked what it sees.
    Looking,
    /// A call ran out of time or was given up: nobody knows any more.
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    Subscribed { with_presence: bool },
    Unsubscribed,
    Gone,
}

pub struct Probe {
    user: String,
    channel: String,
    clients: Vec<usize>,
    stage: Stage,
    /// The clients are subscribed; with presence.
    subscribed: Option<bool>,
    /// Effects that were seen.
    pub seen: usize,
}

impl Probe {
    pub fn lose(&mut self) {
        self.stage = Stage::Lost;
    }
}

impl World {
    /// One step of any probe.
    pub fn probe_step(&mut self) {
        while self.probes.len() < PROBES {
            let (user, channel) = (format!("p{}", self.probes.len()), format!("pres:p{}", self.probes.len()));
            let (clients, stage) = (Vec::new(), Stage::Idle);
            self.probes.push(Probe { user, channel, clients, stage, subscribed: None, seen: 0 });
        }
        let at = self.any(PROBES);
        if self.probes[at].stage != Stage::Idle {
            return;
        }
        let clients = self.probes[at].clients.clone();
        if clients.is_empty() {
            let user = self.probes[at].user.clone();
            self.probes[at].clients = (0..CLIENTS).map(|n| self.open_client(&user, n == 0, UNLIMITED, 0)).collect();
        } else if clients.iter().all(|client| self.clients[*client].id.is_some()) {
            self.act(at);
        } else if clients.iter().any(|client| !self.is_alive(&self.clients[*client])) {
            // It was closed before it was connected: time has passed in between.
            self.probes[at].lose();
        }
    }

    fn act(&mut self, at: usize) {
        let (user, channel) = (self.probes[at].user.clone(), self.probes[at].channel.clone());
        let (effect, method, body) = match self.any(10) {
            0..5 => {
                let with_presence = self.any(4) > 0;
                let mut body = json!({ "user": user, "channel": channel, "data": { "g": self.model.grants.len() } });
                body["override"]["presence"] = json!({ "value": with_presence });
                self.model.grants.push(Grant { presence: Some(with_presence), ..Grant::default() });
                (Effect::Subscribed { with_presence }, "subscribe", body)
            }
            5..8 => (Effect::Unsubscribed, "unsubscribe", json!({ "user": user, "channel": channel })),
            8 => (Effect::Gone, "refresh", json!({ "user": user, "expired": true })),
            _ => (Effect::Gone, "disconnect", json!({ "user": user })),
        };
        if method == "refresh" {
            self.model.expiries.entry(self.probes[at].user.clone()).or_default().push((-1, self.model.now));
        }
        self.probes[at].stage = Stage::Acting(effect);
        self.call(method, body, Purpose::Probe(at));
    }

    /// A call of a probe was answered.
    pub fn probe_hears(&mut self, at: usize, method: &str, answer: &Value) {
        let probe = &mut self.probes[at];
        if !answer["error"].is_null() {
            return probe.lose();
        }
        match probe.stage {
            Stage::Acting(effect) => {
                probe.subscribed = match effect {
                    Effect::Subscribed { with_presence } => Some(with_presence),
                    Effect::Unsubscribed | Effect::Gone => None,
                };
                if effect == Effect::Gone {
                    probe.clients.clear();
                }
                probe.stage = Stage::Looking;
                let channel = probe.channel.clone();
                // What the answer has promised must hold even if the cores that made it so do nothing more for now.
                (0..self.nodes.len()).for_each(|_| self.stall());
                let (method, body) = match self.any(3) {
                    0 => ("presence", json!({ "channel": channel })),
                    1 => ("presence_stats", json!({ "channel": channel })),
                    _ => ("channels", json!({ "pattern": channel })),
                };
                self.call(method, body, Purpose::Probe(at));
            }
            Stage::Looking => {
                self.compare(at, method, &answer["result"]);
                self.probes[at].stage = Stage::Idle;
            }
            Stage::Idle => unreachable!("it waits for a call"),
            Stage::Lost => {}
        }
    }

    fn compare(&mut self, at: usize, method: &str, result: &Value) {
        let probe = &self.probes[at];
        let in_channel = if probe.subscribed.is_some() { CLIENTS } else { 0 };
        let present: &[usize] = if probe.subscribed == Some(true) { &probe.clients } else { &[] };
        let context = format!("a probe sees what it has been told: {:?}, {method} {result}", probe.subscribed);
        match method {
            "presence" => {
                let ids = present.iter().filter_map(|client| self.clients[*client].id.as_deref());
                let (mut expected, entries) = (ids.collect::<Vec<_>>(), result["presence"].as_object().expect("a map"));
                expected.sort_unstable();
                assert_eq!(entries.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{context}");
            }
            "presence_stats" => {
                let figures = (result["num_clients"].as_u64(), result["num_users"].as_u64());
                let expected = (present.len() as u64, u64::from(!present.is_empty()));
                assert_eq!(figures, (Some(expected.0), Some(expected.1)), "{context}");
            }
            _ => {
                let count = result["channels"][&probe.channel]["num_clients"].as_u64().unwrap_or(0);
                assert_eq!(count, in_channel as u64, "{context}");
            }
        }
        self.probes[at].seen += 1;
    }
}
