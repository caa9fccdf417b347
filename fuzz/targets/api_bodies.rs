//! Bodies of the server API. A request plans the same in JSON and in Protobuf, alone and in a batch; what is accepted says
//! the same when it is written again; a plan names a channel that is known and has room for its answer.

use super::script::Script;
use corecast::api::{ApiError, METHODS, Method, Plan, batch, legacy};
use corecast::channel::Rules;
use corecast::config::{Sources, load};
use corecast::proto::api;
use corecast::proto::json::{self, Object};
use corecast::transport::api::{Work, batch_work};
use prost::Message;
use serde_json::value::RawValue;
use std::sync::LazyLock;

const CONFIG: &str = r#"{"channel": {"namespaces": [
    {"name": "hh", "history_size": 3, "history_ttl": "60s", "presence": true},
    {"name": "oo", "publication_data_format": "json_object"},
    {"name": "bb", "publication_data_format": "binary"}
]}}"#;

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let settings = load(&Sources::of_file("config.json", CONFIG)).expect("good").settings;
    Rules::new(&settings.channel, &settings.client).expect("good")
});

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (choice, body) = (script.below(METHODS.len() + 2), script.rest());
    match METHODS.get(choice) {
        Some(method) => one(method, body),
        None if choice == METHODS.len() => many(body),
        None => old(body),
    }
    // Octets of the same number of bytes are no message, or one that can be planned.
    for method in METHODS {
        drop((method.plan_message)(body, &RULES));
    }
    drop(batch::decode_message(body).map(|batch| batch_work(batch, &RULES)));
}

fn one(method: &Method, body: &[u8]) {
    let planned = (method.plan_body)(body, &RULES).ok();
    check(planned.as_ref());
    macro_rules! compare {
        ($($name:literal: $request:ty,)*) => {
            match method.name {
                $($name => same::<$request>(method, body, planned),)*
                other => unreachable!("{other} has no request"),
            }
        };
    }
    compare! {
        "publish": api::PublishRequest,
        "broadcast": api::BroadcastRequest,
        "subscribe": api::SubscribeRequest,
        "unsubscribe": api::UnsubscribeRequest,
        "disconnect": api::DisconnectRequest,
        "history": api::HistoryRequest,
        "history_remove": api::HistoryRemoveRequest,
        "presence": api::PresenceRequest,
        "presence_stats": api::PresenceStatsRequest,
        "info": api::InfoRequest,
        "rpc": api::RpcRequest,
        "refresh": api::RefreshRequest,
        "channels": api::ChannelsRequest,
    }
}

/// The request by way of Protobuf, by way of JSON again, and within a batch.
fn same<T: Object + Message>(method: &Method, body: &[u8], planned: Option<Plan>) {
    let decoded = json::decode::<T>(body).ok();
    assert_eq!(decoded.is_some(), planned.is_some());
    let (Some(request), Some(planned)) = (decoded, planned) else { return };
    let expected = describe(&planned);
    let message = (method.plan_message)(&request.encode_to_vec(), &RULES);
    assert_eq!(message.map(|plan| describe(&plan)), Ok(expected.clone()), "Protobuf");
    let mut written = Vec::new();
    json::encode(&request, &mut written).expect("what came as JSON is JSON");
    let again = (method.plan_body)(&written, &RULES).expect("what was written is read");
    let mut twice = Vec::new();
    json::encode(&json::decode::<T>(&written).expect("read again"), &mut twice).expect("JSON");
    assert_eq!(twice, written);
    assert_eq!(kind(&again), kind(&planned), "{}", String::from_utf8_lossy(&written));
    let in_batch = [b"{\"commands\":[{\"", method.name.as_bytes(), b"\":", body, b"}]}"].concat();
    // A body of `null` is no command in a batch.
    if body.trim_ascii() != b"null" {
        let Ok(batch) = batch::decode(&in_batch) else { panic!("{}", String::from_utf8_lossy(&in_batch)) };
        let Work::Many { tasks, .. } = batch_work(batch, &RULES) else { panic!("a batch has many") };
        let plan = tasks.into_iter().next().and_then(Result::ok).map(|(_, plan)| describe(&plan));
        assert_eq!(plan.as_deref(), Some(&expected[..]), "in a batch");
    }
}

fn many(body: &[u8]) {
    let Ok(batch) = batch::decode(body) else { return };
    let count = batch.commands.len();
    let message = api::BatchRequest {
        commands: batch.commands.iter().map(|command| command.clone().unwrap_or_default()).collect(),
        parallel: batch.is_parallel,
    };
    let read = batch::decode_message(&message.encode_to_vec()).unwrap_or_default();
    assert_eq!((read.commands.len(), read.is_parallel), (count, batch.is_parallel));
    let Work::Many { tasks, .. } = batch_work(batch, &RULES) else { panic!("a batch has many") };
    assert_eq!(tasks.len(), count);
    tasks.iter().flatten().for_each(|(_, plan)| check(Some(plan)));
}

fn old(body: &[u8]) {
    let read = legacy::decode(body, &RULES);
    assert!(!read.commands.is_empty() || read.is_broken || body.iter().all(u8::is_ascii_whitespace));
    read.commands.iter().flat_map(|command| &command.request).for_each(|(_, plan)| check(Some(plan)));
}

/// Only what passes the checks goes on.
fn check(plan: Option<&Plan>) {
    match plan {
        Some(Plan::Publish(post)) => {
            assert!(RULES.namespace(&post.channel).is_some() && !post.channel.is_empty());
            assert!(
                !post.channel.starts_with("oo:") || is_object(&post.publication.data),
                "no JSON subscriber gets it"
            );
        }
        Some(Plan::Owner(channel, _)) => assert!(RULES.namespace(channel).is_some() && !channel.is_empty()),
        Some(Plan::Broadcast(posts)) => {
            let mut posts = posts.iter().flatten();
            assert!(posts.all(|post| RULES.namespace(&post.channel).is_some() && !post.channel.is_empty()));
        }
        Some(Plan::Refused(error)) => assert_ne!(*error, ApiError { code: 0, ..*error }),
        _ => {}
    }
}

fn is_object(data: &[u8]) -> bool {
    let text = std::str::from_utf8(data).unwrap_or_default();
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn kind(plan: &Plan) -> std::mem::Discriminant<Plan> {
    std::mem::discriminant(plan)
}

fn describe(plan: &Plan) -> String {
    match plan {
        Plan::Refused(error) => format!("{error:?}"),
        Plan::Publish(post) => format!("{post:?}"),
        Plan::Broadcast(posts) => format!("{posts:?}"),
        Plan::Owner(channel, inquiry) => format!("{channel} {inquiry:?}"),
        Plan::Gather { question, .. } => format!("{question:?}"),
    }
}
