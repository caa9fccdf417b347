//! Replies and pushes on their way out, one at a time.

use super::code::{Error, Unsubscribe};
use super::command::Protocol;
use crate::proto::client::{self, Reply};
use crate::proto::json::{self, NotJson};
use prost::Message;

/// The reply that refuses a command.
pub fn error_reply(id: u32, error: Error) -> Reply {
    let Error { code, message, temporary } = error;
    Reply { id, error: Some(client::Error { code, message: message.into(), temporary }), ..Reply::default() }
}

/// The push that tells of a subscription's end.
pub fn unsubscribe_push(channel: &str, unsubscribe: Unsubscribe) -> Reply {
    let Unsubscribe { code, reason } = unsubscribe;
    let body = client::Unsubscribe { code, reason: reason.into() };
    let push = client::Push { channel: channel.into(), unsubscribe: Some(body), ..client::Push::default() };
    Reply { push: Some(push), ..Reply::default() }
}

/// Appends one reply: a line without its newline, or a message behind its length.
///
/// # Errors
/// A JSON reply would hold octets that are no JSON.
pub fn encode_reply(protocol: Protocol, reply: &Reply, out: &mut Vec<u8>) -> Result<(), NotJson> {
    match protocol {
        Protocol::Json => json::encode_line(reply, out),
        Protocol::Protobuf => {
            encode_delimited(reply, out);
            Ok(())
        }
    }
}

/// Appends a message behind its length.
pub(super) fn encode_delimited(message: &impl Message, out: &mut Vec<u8>) {
    let length = message.encoded_len();
    out.reserve(length + prost::length_delimiter_len(length));
    // A Vec grows as needed, so neither can fail.
    _ = prost::encode_length_delimiter(length, out);
    _ = message.encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::client::{ClientInfo, ConnectResult, Publication, Push, SubscribeResult};

    fn line(reply: &Reply) -> String {
        let mut out = Vec::new();
        encode_reply(Protocol::Json, reply, &mut out).expect("JSON");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn replies_are_written_in_the_order_of_declaration_without_zeroes() {
        let result = ConnectResult {
            client: "c".into(),
            version: "0".into(),
            ping: 25,
            pong: true,
            subs: [("open:a".to_string(), SubscribeResult::default())].into(),
            ..ConnectResult::default()
        };
        let reply = Reply { id: 1, connect: Some(result), ..Reply::default() };
        let expected = r#"{"id":1,"connect":{"client":"c","version":"0","subs":{"open:a":{}},"ping":25,"pong":true}}"#;
        assert_eq!(line(&reply), expected);
        assert_eq!(
            line(&error_reply(3, Error::INTERNAL)),
            r#"{"id":3,"error":{"code":100,"message":"internal server error","temporary":true}}"#
        );
        assert_eq!(line(&Reply::default()), "{}");
    }

    #[test]
    fn user_and_client_are_always_there_and_text_is_escaped() {
        let info = ClientInfo { conn_info: "{\"a\" :\n1}".into(), ..ClientInfo::default() };
        let publication = Publication {
            data: "\"<&>\"".into(),
            info: Some(info),
            tags: [("z".to_string(), "<\u{2028}\u{8}".to_string())].into(),
            ..Publication::default()
        };
        let push = Push { channel: "a\"b".into(), r#pub: Some(publication), ..Push::default() };
        let expected = r#"{"push":{"channel":"a\"b","pub":{"data":"<&>","info":{"user":"","client":"","conn_info":{"a" :1}},"tags":{"z":"\u003c\u2028\b"}}}}"#;
        assert_eq!(line(&Reply { push: Some(push), ..Reply::default() }), expected);
    }

    #[test]
    fn octets_that_are_no_json_cannot_be_told_to_a_json_client() {
        let result = SubscribeResult { data: vec![0, 1].into(), ..SubscribeResult::default() };
        let reply = Reply { id: 1, subscribe: Some(result), ..Reply::default() };
        assert_eq!(encode_reply(Protocol::Json, &reply, &mut Vec::new()), Err(NotJson));
        assert_eq!(encode_reply(Protocol::Protobuf, &reply, &mut Vec::new()), Ok(()));
    }

    #[test]
    fn protobuf_replies_stand_behind_their_length() {
        let reply = Reply { id: 2, subscribe: Some(SubscribeResult::default()), ..Reply::default() };
        let mut out = Vec::new();
        encode_reply(Protocol::Protobuf, &reply, &mut out).expect("any octets");
        assert_eq!(out, [0x04, 0x08, 0x02, 0x32, 0x00]);
    }
}
