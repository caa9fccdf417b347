//! The one-endpoint form: `POST /api` with commands one after another (server-api 1.7).
//!
//! Each command names its method by text or number; its parameters are what the method's own endpoint takes. Commands
//! before a broken one are carried out, then the whole request is refused.

use super::{ApiError, METHODS, Method, Outcome, Plan};
use crate::channel::Rules;
use crate::proto::json::{self, NotJson, Object};
use crate::proto::json_read::{Field, member};
use crate::proto::json_write::Writer;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, MapAccess};
use serde_json::value::RawValue;

/// Names of methods that other editions have; they are known and not found.
const ELSEWHERE: &[&str] = &[
    "CONNECTIONS",
    "UPDATE_USER_STATUS",
    "GET_USER_STATUS",
    "DELETE_USER_STATUS",
    "BLOCK_USER",
    "UNBLOCK_USER",
    "REVOKE_TOKEN",
    "INVALIDATE_USER_TOKENS",
    "DEVICE_REGISTER",
    "DEVICE_UPDATE",
    "DEVICE_REMOVE",
    "DEVICE_LIST",
    "DEVICE_TOPIC_LIST",
    "DEVICE_TOPIC_UPDATE",
    "USER_TOPIC_LIST",
    "USER_TOPIC_UPDATE",
    "SEND_PUSH_NOTIFICATION",
    "UPDATE_PUSH_STATUS",
    "CANCEL_PUSH",
    "MAP_PUBLISH",
    "MAP_REMOVE",
    "MAP_READ_STATE",
    "MAP_READ_STREAM",
    "MAP_STATS",
    "MAP_CLEAR",
    "SHARED_POLL_PUBLISH",
];

/// One command: its id, and what it asks for or why that is refused.
pub struct LegacyCommand {
    /// Comes back with the reply unless it is 0.
    pub id: u32,
    /// Its method, and what is to be done.
    pub request: Result<(&'static Method, Plan), ApiError>,
}

/// A request to the one endpoint.
#[derive(Default)]
pub struct Legacy {
    /// The commands up to the first one that cannot be read.
    pub commands: Vec<LegacyCommand>,
    /// A later one could not be read.
    pub is_broken: bool,
}

/// A command as it is written.
#[derive(Default)]
struct Written {
    id: u32,
    method: Named,
    params: Bytes,
}

/// A method by number or by name; saying nothing means number 0.
enum Named {
    Number(i64),
    Method(&'static Method),
    Elsewhere,
}

impl Default for Named {
    fn default() -> Named {
        Named::Number(0)
    }
}

impl Field for Named {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Named, D::Error> {
        let text = <&RawValue>::deserialize(from)?.get();
        if !text.starts_with('"') {
            return text.parse().map(Named::Number).map_err(|_| D::Error::custom("a method is expected"));
        }
        let mut text = serde_json::from_str::<String>(text).map_err(D::Error::custom)?;
        text.make_ascii_uppercase();
        match METHODS.iter().find(|method| method.name.eq_ignore_ascii_case(&text)) {
            Some(method) => Ok(Named::Method(method)),
            None if ELSEWHERE.contains(&text.as_str()) => Ok(Named::Elsewhere),
            None => Err(D::Error::custom("no such method")),
        }
    }
}

impl Object for Written {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "id" => member(map, &mut self.id),
            "method" => member(map, &mut self.method),
            "params" => member(map, &mut self.params),
            _ => Ok(false),
        }
    }

    fn write(&self, _: &mut Writer<'_>) {}
}

impl Written {
    fn command(self, rules: &Rules) -> LegacyCommand {
        let found = match self.method {
            Named::Method(method) => Some(method),
            Named::Number(number) => METHODS.iter().find(|method| method.number == number),
            Named::Elsewhere => None,
        };
        let request = found.ok_or(ApiError::NOT_FOUND).and_then(|method| {
            let params: &[u8] = if method.ignores_params { b"{}" } else { &self.params };
            (method.plan_body)(params, rules).map(|plan| (method, plan)).map_err(|_| ApiError::BAD_REQUEST)
        });
        LegacyCommand { id: self.id, request }
    }
}

/// The commands of a body of `POST /api`; nothing but white space is no command.
pub fn decode(body: &[u8], rules: &Rules) -> Legacy {
    let mut legacy = Legacy { is_broken: body.is_empty(), ..Legacy::default() };
    let read = json::decode_each(body, |written: Written| legacy.commands.push(written.command(rules)));
    legacy.is_broken |= read.is_err();
    legacy
}

/// A reply with what it answers.
pub struct LegacyReply {
    /// Of the command.
    pub id: u32,
    /// Of the command; `None` when there was no such method.
    pub method: Option<&'static Method>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The replies, joined by newlines.
///
/// # Errors
/// A result cannot be JSON.
pub fn encode(replies: &[LegacyReply], out: &mut Vec<u8>) -> Result<(), NotJson> {
    for (at, reply) in replies.iter().enumerate() {
        if at > 0 {
            out.push(b'\n');
        }
        out.push(b'{');
        if reply.id != 0 {
            out.extend_from_slice(format!("\"id\":{},", reply.id).as_bytes());
        }
        match (&reply.outcome.error, reply.method) {
            (Some(error), _) => {
                out.extend_from_slice(b"\"error\":");
                json::encode(error, out)?;
            }
            (None, Some(method)) => {
                out.extend_from_slice(b"\"result\":");
                (method.encode_result)(&reply.outcome, out)?;
            }
            (None, None) => unreachable!("without a method there is an error"),
        }
        out.push(b'}');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a command its id and its method, or its error.
    type Summary = (u32, Result<&'static str, u32>);

    fn read(body: &str) -> (Vec<Summary>, bool) {
        let rules = Rules::new(&Default::default(), &Default::default()).expect("defaults");
        let legacy = decode(body.as_bytes(), &rules);
        let summary = |command: LegacyCommand| {
            (command.id, command.request.map(|(method, _)| method.name).map_err(|error| error.code))
        };
        (legacy.commands.into_iter().map(summary).collect(), legacy.is_broken)
    }

    #[test]
    fn methods_are_named_by_text_in_any_case_or_by_number() {
        for method in [r#""publish""#, r#""PUBLISH""#, "0"] {
            let body = format!(r#"{{"id":5,"method":{method},"params":{{}}}}"#);
            assert_eq!(read(&body), (vec![(5, Ok("publish"))], false), "{method}");
        }
        let named = r#"{"METHOD":"Presence_Stats","Params":{"Channel":"a"}}"#;
        assert_eq!(read(named), (vec![(0, Ok("presence_stats"))], false));
        assert_eq!(read(r#"{"params":{}}"#), (vec![(0, Ok("publish"))], false));
        for elsewhere in [r#""connections""#, "99", "13", "33", "-1", "2147483648"] {
            let body = format!(r#"{{"method":{elsewhere},"params":{{}}}}"#);
            assert_eq!(read(&body), (vec![(0, Err(104))], false), "{elsewhere}");
        }
        for bad in [r#""unknown""#, r#""""#, "null", r#""batch""#, r#""0""#, "1.5", "true", r#"" publish""#, "{}"] {
            assert_eq!(read(&format!(r#"{{"method":{bad},"params":{{}}}}"#)), (vec![], true), "{bad}");
        }
    }

    #[test]
    fn parameters_of_the_wrong_shape_are_an_error_of_their_command() {
        for params in ["", r#","params":[]"#, r#","params":{"channel":1}"#, r#","params":"{}""#] {
            assert_eq!(read(&format!(r#"{{"method":"publish"{params}}}"#)).0, [(0, Err(107))], "{params}");
        }
        assert_eq!(read(r#"{"method":"channels","params":null}"#).0, [(0, Ok("channels"))]);
        assert_eq!(read(r#"{"method":"channels"}"#).0, [(0, Err(107))]);
        for info in [r#"{"method":"info"}"#, r#"{"method":"info","params":"{}"}"#] {
            assert_eq!(read(info).0, [(0, Ok("info"))]);
        }
        assert_eq!(read("null").0, [(0, Err(107))]);
        assert_eq!(read(r#"{"publish":{}}"#).0, [(0, Err(107))]);
    }

    #[test]
    fn commands_before_a_broken_one_are_read() {
        let good = r#"{"method":"info"}"#;
        assert_eq!(read(&format!("{good}\n{good}\n")), (vec![(0, Ok("info")), (0, Ok("info"))], false));
        assert_eq!(read(&format!("{good}{good}")).0.len(), 2);
        assert_eq!(read(&format!("{good}\nbad")), (vec![(0, Ok("info"))], true));
        assert_eq!(read(""), (vec![], true));
        assert_eq!(read(" "), (vec![], false));
        assert_eq!(read(r#"{"id":-1}"#), (vec![], true));
    }
}
