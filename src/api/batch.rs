//! `batch`: many commands in one request, answered in their order (server-api 2.13). It is no [`super::Method`]: it
//! cannot stand in a batch, and it has no result of its own.

use super::Outcome;
use crate::proto::api::{BatchResponse, Command};
use crate::proto::json::{self, Object};
use crate::proto::json_read::member;
use crate::proto::json_write::Writer;
use crate::protocol::Malformed;
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

/// `{"replies":[…]}`; each successful reply carries its method's key even when it is empty.
///
/// # Errors
/// A result cannot be JSON.
pub fn encode(replies: Vec<Outcome>, out: &mut Vec<u8>) -> Result<(), json::NotJson> {
    json::encode(&BatchResponse { replies }, out)
}
