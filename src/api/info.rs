//! `info`: the figures of this node, put together from the shares of its cores (server-api 2.12).

use super::{Answer, Method, Outcome, Plan, Question, Surroundings, method};
use crate::channel::Rules;
use crate::proto::api::{InfoRequest, InfoResult, NodeResult};
use std::collections::BTreeSet;

pub(super) const METHOD: Method = Method { ignores_params: true, ..method!(info, "Info", 9, plan) };

fn plan(_: InfoRequest, _: &Rules) -> Plan {
    Plan::Gather { question: Question::Info, finish }
}

/// One core's share.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Share {
    /// Connected clients.
    pub clients: u32,
    /// Keyed hashes of the users that are connected here: a user may be on several cores.
    pub users: Vec<u64>,
    /// Owned channels with subscribers: each channel has one owner, so the sum counts each once.
    pub channels: u32,
    /// Subscriptions.
    pub subscriptions: u32,
}

/// What a node says of itself besides its figures.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Node {
    /// Random, new at each start.
    pub uid: String,
    /// `node.name`, or host and port.
    pub name: String,
}

/// Puts the shares together.
fn finish(around: &Surroundings<'_>, answers: Vec<Answer>) -> Outcome {
    let mut users = BTreeSet::<u64>::new();
    let mut result = NodeResult {
        uid: around.node.uid.clone(),
        name: around.node.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        uptime: u32::try_from(around.uptime_seconds).unwrap_or(u32::MAX),
        metrics: Some(around.figures.metrics(around.counters)),
        ..NodeResult::default()
    };
    for answer in answers {
        let Answer::Info(share) = answer else { continue };
        result.num_clients += share.clients;
        result.num_channels += share.channels;
        result.num_subs += share.subscriptions;
        users.extend(share.users);
    }
    result.num_users = users.len() as u32;
    Outcome { info: Some(InfoResult { nodes: vec![result] }), ..Outcome::default() }
}
