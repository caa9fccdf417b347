//! `batch`: many commands in one request, answered in their order (server-api 2.13). It is no [`super::Method`]: it
//! cannot stand in a batch, and it has no result of its own.

use super::Outcome;
use crate::proto::api::{BatchRequest, BatchResponse, Command};
use crate::proto::json::{self, Object};
use crate::proto::json_read::member;
use crate::proto::json_write::Writer;
use crate::protocol::Malformed;
use prost::Message;
use serde::de::MapAccess;

/// A batch to carry out.
#[derive(Default)]
pub struct Batch {
    /// The commands; a `null` in the list is no command.
    pub commands: Vec<Option<Command>>,
    /// All at once instead of one after the other. Replies keep the order.
    pub is_parallel: bool,
}

/// As `BatchRequest`, but a `null` command is told from an empty one.
impl Object for Batch {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "commands" => member(map, &mut self.commands),
            "parallel" => member(map, &mut self.is_parallel),
            _ => Ok(false),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        let commands: Vec<Command> = self.commands.iter().map(|command| command.clone().unwrap_or_default()).collect();
        out.member("commands", &commands);
        out.member("parallel", &self.is_parallel);
    }
}

/// The batch of a body of `POST /api/batch`.
///
/// # Errors
/// Anything in it cannot be decoded; then nothing is carried out.
pub fn decode(body: &[u8]) -> Result<Batch, Malformed> {
    json::decode(body)
}

/// The batch of a GRPC message.
///
/// # Errors
/// It cannot be decoded.
pub fn decode_message(message: &[u8]) -> Result<Batch, Malformed> {
    let request = BatchRequest::decode(message).map_err(|_| Malformed)?;
    Ok(Batch { commands: request.commands.into_iter().map(Some).collect(), is_parallel: request.parallel })
}

/// A `BatchResponse` as a Protobuf message.
pub fn encode_message(replies: Vec<Outcome>) -> Vec<u8> {
    BatchResponse { replies }.encode_to_vec()
}

/// `{"replies":[…]}`; each successful reply carries its method's key even when it is empty.
///
/// # Errors
/// A result cannot be JSON.
pub fn encode(replies: Vec<Outcome>, out: &mut Vec<u8>) -> Result<(), json::NotJson> {
    json::encode(&BatchResponse { replies }, out)
}
