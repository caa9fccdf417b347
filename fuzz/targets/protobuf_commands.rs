//! Commands in Protobuf. What is accepted says the same when it is written again, and as JSON where its payloads are JSON.

use super::meaning::{all, check_kind, through_json, through_protobuf};
use bytes::Bytes;
use corecast::proto::client::Command;
use corecast::proto::json;
use corecast::protocol::command::Protocol;

pub fn run(message: &[u8]) {
    let (commands, _) = all(Protocol::Protobuf, message);
    for command in commands {
        assert_eq!(through_protobuf(&command), command);
        if let Some(again) = through_json(&command) {
            // Newlines within a payload and white space around it are all that a line of JSON loses.
            assert_eq!(line(&again), line(&with_payloads(command.clone(), |data| data.trim_ascii())));
            assert_eq!(with_payloads(again, |_| b""), with_payloads(command.clone(), |_| b""));
        }
        check_kind(command);
    }
}

fn line(command: &Command) -> Vec<u8> {
    let mut line = Vec::new();
    json::encode_line(command, &mut line).expect("JSON");
    line
}

fn with_payloads(mut command: Command, change: fn(&[u8]) -> &[u8]) -> Command {
    let all = [
        command.connect.as_mut().map(|body| &mut body.data),
        command.subscribe.as_mut().map(|body| &mut body.data),
        command.publish.as_mut().map(|body| &mut body.data),
        command.send.as_mut().map(|body| &mut body.data),
        command.rpc.as_mut().map(|body| &mut body.data),
    ];
    for data in all.into_iter().flatten() {
        *data = Bytes::copy_from_slice(change(data));
    }
    command
}
