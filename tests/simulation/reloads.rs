//! The rules change in the middle of everything, on each core when its message comes. A command is judged by the rules from
//! before or by those from after, wholly.
//!
//! Two sets of rules differ in one namespace, and each allows what the other does not, so that a command which reads both
//! has an outcome that neither explains.

use crate::client::{Client, Deed};
use crate::clocks::Moment;
use crate::model::Model;
use crate::realm;
use crate::world::World;
use corecast::config::settings::{Namespace, Settings};
use corecast::session::Policy;
use corecast::shard::Message;
use std::sync::Arc;

/// Channels whose rules change.
const CHANNELS: [&str; 2] = ["flip:0", "flip:1"];

/// Messages that come of no core.
pub const NO_CORE: usize = usize::MAX;

/// The first set: deltas, no filters, no publications of clients. The second: the reverse.
fn flip(rules: usize) -> Namespace {
    let is_first = rules == 0;
    Namespace {
        allow_subscribe_for_client: true,
        allowed_delta_types: if is_first { vec!["fossil".into()] } else { Vec::new() },
        allow_tags_filter: !is_first,
        allow_publish_for_client: !is_first,
        ..Namespace::default()
    }
}

/// The settings of each set.
pub fn settings(rules: usize) -> Settings {
    let mut settings = realm::settings();
    settings.channel.namespaces.push(("flip".to_string(), flip(rules)));
    settings
}

pub fn policies() -> [Arc<Policy>; 2] {
    [0, 1].map(|rules| Arc::new(Policy::new(&settings(rules)).expect("good settings")))
}

/// Which rules hold on a core, and since when.
#[derive(Default)]
pub struct Rules(Vec<(u64, usize)>);

impl Rules {
    /// Sets that were in force at some time in between; the first one at the beginning.
    fn between(&self, from: Moment, to: Moment) -> Vec<usize> {
        let before = self.0.iter().rev().find(|(step, _)| *step < from.step).map_or(0, |(_, rules)| *rules);
        let within = self.0.iter().filter(|(step, _)| (from.step..=to.step).contains(step));
        std::iter::once(before).chain(within.map(|(_, rules)| *rules)).collect()
    }
}

/// What becomes of a deed under a set of rules: the error, and whether there are deltas.
fn outcome(rules: usize, deed: &Deed, is_subscribed: bool) -> (u64, bool) {
    match (deed, rules) {
        (Deed::Subscribe { .. }, _) if is_subscribed => (105, false),
        (Deed::Subscribe { filter: true, .. }, 0) => (107, false),
        (Deed::Subscribe { delta, .. }, _) => (0, *delta && rules == 0),
        (Deed::Publish(..), 0) => (103, false),
        (Deed::Publish(..), _) => (0, false),
        (Deed::Presence | Deed::History, _) => (108, false),
    }
}

/// A deed was answered with this error or none, with or without deltas.
pub fn check(client: &Client, deed: &Deed, told: (u64, bool), asked: Moment, model: &mut Model, channel: &str) {
    let is_subscribed = client.active(channel).is_some();
    let in_force = model.rules.get(&client.core).map_or(vec![0], |rules| rules.between(asked, model.now));
    let explains = |rules: &usize| outcome(*rules, deed, is_subscribed) == told;
    assert!(
        in_force.iter().any(explains),
        "{channel}: the rules in force do not explain it: {told:?} of {deed:?} under {in_force:?}"
    );
    let last = in_force[in_force.len() - 1];
    let name = if last == 0 { "deeds under the first rules" } else { "deeds under the second rules" };
    model.tally.count(name, 1);
}

impl World {
    /// Every core is told the other rules.
    pub fn reload(&mut self) {
        if !self.chaos.reloads {
            return;
        }
        self.rules = 1 - self.rules;
        for core in 0..self.nodes.len() {
            let policy = self.policies[self.rules].clone();
            self.deliver(NO_CORE, core, Message::Reload(policy));
        }
        self.model.tally.count("reloads", 1);
    }

    /// A core takes a message: perhaps other rules.
    pub fn note_rules(&mut self, core: usize, message: &Message) {
        if let Message::Reload(policy) = message {
            let rules = usize::from(Arc::ptr_eq(policy, &self.policies[1]));
            self.model.rules.entry(core).or_default().0.push((self.model.now.step, rules));
        }
    }

    /// Somebody does something whose outcome the rules decide.
    pub fn try_the_rules(&mut self) {
        let Some(at) = self.some_client() else { return };
        let channel = CHANNELS[self.any(CHANNELS.len())];
        let deed = match self.any(4) {
            0 => Deed::Publish(self.model.begin(&[channel], at as u64)),
            _ => Deed::Subscribe { delta: self.any(3) > 0, filter: self.any(2) == 0 },
        };
        self.attempt(at, channel, deed);
        if self.any(2) == 0 && self.clients[at].active(channel).is_some() {
            let bytes = self.clients[at].unsubscribe(channel, self.model.now);
            self.send(self.clients[at].link, bytes);
        }
    }
}
