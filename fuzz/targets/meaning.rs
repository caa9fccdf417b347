//! What the two encodings of commands share: one command says the same in both.

use corecast::proto::client::{Command, FilterNode};
use corecast::proto::json;
use corecast::protocol::command::{Commands, Kind, Protocol};
use corecast::protocol::payload::is_json;
use prost::Message;
use std::cell::RefCell;

/// JSON nests two levels for one of a filter, and a document 128 at most; Protobuf nests 100. Deeper ones are refused by
/// one of them.
const FILTER_DEPTH_MAX: usize = 45;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::default();
}

/// All commands of a message; false when a bad one ends it.
pub fn all(protocol: Protocol, message: &[u8]) -> (Vec<Command>, bool) {
    let (mut commands, mut all) = (Commands::new(protocol, message), Vec::new());
    loop {
        // Behind each command it can be gone on, as behind one that waits.
        let rest = commands.rest();
        assert!(message.ends_with(rest));
        if !all.is_empty() {
            let resumed = Commands::resume(protocol, rest).next();
            assert_eq!(resumed.map(|command| command.ok()), peek(protocol, rest));
        }
        match commands.next() {
            None => return (all, true),
            Some(Err(_)) => return (all, false),
            Some(Ok(command)) => all.push(command),
        }
    }
}

fn peek(protocol: Protocol, rest: &[u8]) -> Option<Option<Command>> {
    if rest.is_empty() { None } else { Commands::new(protocol, rest).next().map(Result::ok) }
}

fn one(protocol: Protocol, message: &[u8]) -> Command {
    let (mut commands, is_good) = all(protocol, message);
    assert!(is_good && commands.len() == 1, "{protocol:?}: {}", String::from_utf8_lossy(message));
    commands.remove(0)
}

/// The same command by way of Protobuf.
pub fn through_protobuf(command: &Command) -> Command {
    one(Protocol::Protobuf, &command.encode_length_delimited_to_vec())
}

/// The same command by way of JSON; `None` when it cannot be JSON.
pub fn through_json(command: &Command) -> Option<Command> {
    let mut line = Vec::new();
    let is_json = json::encode_line(command, &mut line).is_ok();
    assert_eq!(is_json, payloads(command).into_iter().all(judge), "{command:?}");
    if !is_json || !is_shallow(command) {
        return None;
    }
    assert!(!line.contains(&b'\n'), "one line");
    Some(one(Protocol::Json, &line))
}

/// Is a payload JSON? Both judges say the same.
fn judge(payload: &[u8]) -> bool {
    let ours = SCRATCH.with_borrow_mut(|scratch| is_json(payload, scratch));
    // From octets serde_json would not look at the bytes of strings that it passes over.
    let text = std::str::from_utf8(payload);
    let theirs = text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(payload));
    ours
}

/// The payloads that are there.
fn payloads(command: &Command) -> Vec<&[u8]> {
    let all = [
        command.connect.as_ref().map(|body| &body.data),
        command.subscribe.as_ref().map(|body| &body.data),
        command.publish.as_ref().map(|body| &body.data),
        command.send.as_ref().map(|body| &body.data),
        command.rpc.as_ref().map(|body| &body.data),
    ];
    let all = all.into_iter().flatten().filter(|data| !data.is_empty());
    all.map(|data| &data[..]).collect()
}

fn is_shallow(command: &Command) -> bool {
    fn depth(node: &FilterNode) -> usize {
        1 + node.nodes.iter().map(depth).max().unwrap_or(0)
    }
    let filter = command.subscribe.as_ref().and_then(|body| body.tf.as_ref());
    filter.is_none_or(|filter| depth(filter) <= FILTER_DEPTH_MAX)
}

/// What a session makes of it: one body, the first that is there.
pub fn check_kind(command: Command) {
    let has_none = command.connect.is_none()
        && command.subscribe.is_none()
        && command.unsubscribe.is_none()
        && command.publish.is_none()
        && command.presence.is_none()
        && command.presence_stats.is_none()
        && command.history.is_none()
        && command.rpc.is_none()
        && command.send.is_none()
        && command.refresh.is_none()
        && command.sub_refresh.is_none();
    assert_eq!(matches!(Kind::of(command), Kind::Nothing), has_none);
}
