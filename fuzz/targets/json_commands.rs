//! Commands in JSON. What is accepted says the same when it is written again, and as Protobuf; a second reader of JSON finds
//! the same id and bodies; a payload keeps its bytes.

use super::meaning::{all, check_kind, through_json, through_protobuf};
use corecast::proto::client::Command;
use corecast::protocol::command::Protocol;
use serde_json::Value;

pub fn run(message: &[u8]) {
    let (commands, is_good) = all(Protocol::Json, message);
    let lines = message.split(|byte| *byte == b'\n');
    for (command, line) in commands.iter().zip(lines) {
        assert_eq!(through_json(command).as_ref().unwrap_or(command), command);
        assert_eq!(&through_protobuf(command), command);
        second_reader(command, line);
        check_kind(command.clone());
    }
    assert!(is_good || commands.len() <= message.iter().filter(|byte| **byte == b'\n').count());
}

/// Where no key is written twice or in capitals, a plain tree says what is meant.
fn second_reader(command: &Command, line: &[u8]) {
    let mut values = serde_json::Deserializer::from_slice(line).into_iter::<Value>();
    let Some(Ok(Value::Object(tree))) = values.next() else { return };
    let text = String::from_utf8_lossy(line);
    let is_plain = !text.contains(['\\', 'ſ', 'K']) && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let quotes = |key: &str| text.matches(&format!("\"{key}\"")).count();
    let has = |key: &str| tree.get(key).is_some_and(|value| !value.is_null());
    let bodies = [
        ("connect", command.connect.is_some()),
        ("subscribe", command.subscribe.is_some()),
        ("publish", command.publish.is_some()),
        ("history", command.history.is_some()),
        ("rpc", command.rpc.is_some()),
        ("sub_refresh", command.sub_refresh.is_some()),
    ];
    for (key, is_there) in bodies.into_iter().filter(|(key, _)| is_plain && quotes(key) <= 1) {
        assert_eq!(is_there, has(key), "{key} of {text}");
    }
    if is_plain && quotes("id") <= 1 {
        assert_eq!(u64::from(command.id), tree.get("id").and_then(Value::as_u64).unwrap_or(0), "{text}");
    }
    let data = command.publish.as_ref().map(|body| &body.data).filter(|data| !data.is_empty());
    if let Some(data) = data.filter(|_| std::str::from_utf8(line).is_ok()) {
        assert!(line.windows(data.len()).any(|window| window == data), "raw JSON keeps its bytes");
    }
}
