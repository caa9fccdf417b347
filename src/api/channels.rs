//! `channels`: channels with subscribers whose names match a pattern, and how many they have (server-api 2.11).

use super::{Answer, ApiError, Method, Outcome, Plan, Question, Surroundings, method};
use crate::channel::Rules;
use crate::channel::glob::Glob;
use crate::proto::api::{ChannelInfo, ChannelsRequest, ChannelsResult};
use std::collections::BTreeMap;

pub(super) const METHOD: Method = method!(channels, "Channels", 8, plan);

fn plan(request: ChannelsRequest, _: &Rules) -> Plan {
    match Glob::new(&request.pattern) {
        Ok(glob) => Plan::Gather { question: Question::Channels(glob), finish },
        // A bad pattern is an internal error to Centrifugo.
        Err(_) => Plan::Refused(ApiError::INTERNAL),
    }
}

/// A channel may have subscribers on several cores.
fn finish(_: &Surroundings<'_>, answers: Vec<Answer>) -> Outcome {
    let mut channels = BTreeMap::<String, ChannelInfo>::new();
    for answer in answers {
        let Answer::Channels(found) = answer else { continue };
        for (name, listeners) in found {
            channels.entry(name.to_string()).or_default().num_clients += listeners;
        }
    }
    Outcome { channels: Some(ChannelsResult { channels }), ..Outcome::default() }
}
