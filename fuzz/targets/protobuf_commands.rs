//! Commands in Protobuf. What is accepted says the same when it is written again, and as JSON where its payloads are JSON.

use super::meaning::{all, check_kind, through_json, through_protobuf};
use corecast::proto::client::Command;
use corecast::proto::json;
use corecast::protocol::command::Protocol;

pub fn run(message: &[u8]) {
    let (commands, _) = all(Protocol::Protobuf, message);
    for command in commands {
        assert_eq!(through_protobuf(&command), command);
        if let Some(again) = through_json(&command) {
            // Newlines within a payload are all that a line of JSON loses.
            assert_eq!(line(&again), line(&command));
            assert_eq!(without_payloads(again), without_payloads(command.clone()));
        }
        check_kind(command);
    }
}

fn line(command: &Command) -> Vec<u8> {
    let mut line = Vec::new();
    json::encode_line(command, &mut line).expect("JSON");
    line
}

fn without_payloads(mut command: Command) -> Command {
    command.connect.iter_mut().for_each(|body| body.data.clear());
    command.subscribe.iter_mut().for_each(|body| body.data.clear());
    command.publish.iter_mut().for_each(|body| body.data.clear());
    command.send.iter_mut().for_each(|body| body.data.clear());
    command.rpc.iter_mut().for_each(|body| body.data.clear());
    command
}
