//! Commands of clients: one message may hold many (client-protocol 1.2, 1.3).

use super::Malformed;
use crate::proto::client::{
    Command, ConnectRequest, HistoryRequest, PresenceRequest, PresenceStatsRequest, PublishRequest, RefreshRequest,
    RpcRequest, SendRequest, SubRefreshRequest, SubscribeRequest, UnsubscribeRequest,
};
use crate::proto::json;
use prost::Message;

/// How a connection encodes commands and replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Lines of JSON.
    Json,
    /// Messages with their length in front.
    Protobuf,
}

impl Protocol {
    /// Both.
    pub const ALL: [Protocol; 2] = [Protocol::Json, Protocol::Protobuf];
}

/// The commands of one message, decoded one after another: a bad one does not undo those before it.
pub struct Commands<'a> {
    protocol: Protocol,
    rest: &'a [u8],
    /// An empty message is malformed, an empty rest is the end.
    at_start: bool,
}

impl<'a> Commands<'a> {
    /// Of a whole message.
    pub fn new(protocol: Protocol, payload: &'a [u8]) -> Commands<'a> {
        Commands { protocol, rest: payload, at_start: true }
    }

    /// Of what [`Commands::rest`] returned earlier.
    pub fn resume(protocol: Protocol, rest: &'a [u8]) -> Commands<'a> {
        Commands { protocol, rest, at_start: false }
    }

    /// What was not decoded yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn json(&mut self) -> Result<Command, Malformed> {
        let line = match memchr::memchr(b'\n', self.rest) {
            Some(end) => {
                let line = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                line
            }
            None => std::mem::take(&mut self.rest),
        };
        json::decode_first(line)
    }

    fn protobuf(&mut self) -> Result<Command, Malformed> {
        let length = prost::decode_length_delimiter(&mut self.rest).map_err(|_| Malformed)?;
        let (message, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Command::decode(message).map_err(|_| Malformed)
    }
}

impl Iterator for Commands<'_> {
    type Item = Result<Command, Malformed>;

    fn next(&mut self) -> Option<Result<Command, Malformed>> {
        if self.rest.is_empty() && !std::mem::take(&mut self.at_start) {
            return None;
        }
        self.at_start = false;
        if self.rest.is_empty() {
            return Some(Err(Malformed));
        }
        Some(match self.protocol {
            Protocol::Json => self.json(),
            Protocol::Protobuf => self.protobuf(),
        })
    }
}

/// The body of a command. Of several the first in this order counts (client-protocol 3.0, rule 4).
#[derive(Debug)]
pub enum Kind {
    /// `connect`
    Connect(Box<ConnectRequest>),
    /// `subscribe`
    Subscribe(Box<SubscribeRequest>),
    /// `unsubscribe`
    Unsubscribe(UnsubscribeRequest),
    /// `publish`
    Publish(PublishRequest),
    /// `presence`
    Presence(PresenceRequest),
    /// `presence_stats`
    PresenceStats(PresenceStatsRequest),
    /// `history`
    History(HistoryRequest),
    /// `rpc`
    Rpc(RpcRequest),
    /// `send`
    Send(SendRequest),
    /// `refresh`
    Refresh(RefreshRequest),
    /// `sub_refresh`
    SubRefresh(SubRefreshRequest),
    /// None of them.
    Nothing,
}

impl Kind {
    /// Takes a command's body out.
    pub fn of(command: Command) -> Kind {
        macro_rules! first {
            ($($field:ident => $kind:expr,)*) => {
                $(if let Some(request) = command.$field { return $kind(request); })*
            };
        }
        first! {
            connect => |request| Kind::Connect(Box::new(request)),
            subscribe => |request| Kind::Subscribe(Box::new(request)),
            unsubscribe => Kind::Unsubscribe,
            publish => Kind::Publish,
            presence => Kind::Presence,
            presence_stats => Kind::PresenceStats,
            history => Kind::History,
            rpc => Kind::Rpc,
            send => Kind::Send,
            refresh => Kind::Refresh,
            sub_refresh => Kind::SubRefresh,
        }
        Kind::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(protocol: Protocol, payload: &[u8]) -> Result<Vec<Command>, Malformed> {
        Commands::new(protocol, payload).collect()
    }

    #[test]
    fn lines_are_commands_and_one_newline_may_end_them() {
        let ids = |text: &str| all(Protocol::Json, text.as_bytes()).map(|c| c.iter().map(|c| c.id).collect::<Vec<_>>());
        assert_eq!(ids("{\"id\":1}\n{\"id\":2}"), Ok(vec![1, 2]));
        assert_eq!(ids("{\"id\":1}\n"), Ok(vec![1]));
        assert_eq!(ids(" {\"id\":1}\r\n{\"id\":2} "), Ok(vec![1, 2]));
        assert_eq!(ids("null"), Ok(vec![0]), "an empty command");
        assert_eq!(ids("{\"id\":1}{\"id\":2}"), Ok(vec![1]), "the rest of a line is not looked at");
        for bad in
            ["", "\n", "{\"id\":1}\n\n{\"id\":2}", "\n{\"id\":1}", "{\"id\":1", "[]", "\u{feff}{}", "{\"id\":1,}"]
        {
            assert_eq!(ids(bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn fields_have_strict_types() {
        for bad in ["\"1\"", "1.5", "-1", "4294967296", "1e1", "true", "{}"] {
            assert_eq!(all(Protocol::Json, format!("{{\"id\":{bad}}}").as_bytes()), Err(Malformed), "{bad}");
        }
        let commands = all(Protocol::Json, br#"{"ID":7,"Connect":{"TOKEN":"t","zzz":[1]},"foo":{}}"#).expect("good");
        assert_eq!((commands[0].id, commands[0].connect.as_ref().map(|c| c.token.as_str())), (7, Some("t")));
        let commands =
            all(Protocol::Json, br#"{"id":1,"connect":null,"publish":{"channel":"c","data":null}}"#).expect("good");
        assert!(commands[0].connect.is_none());
        assert_eq!(commands[0].publish.as_ref().map(|p| &p.data[..]), Some(&b"null"[..]), "null is data");
    }

    #[test]
    fn length_prefixed_messages_are_commands() {
        let connect = [0x04, 0x08, 0x01, 0x22, 0x00];
        let commands = all(Protocol::Protobuf, &connect).expect("good");
        assert_eq!((commands[0].id, commands[0].connect.is_some()), (1, true));
        assert_eq!(all(Protocol::Protobuf, &[0]).map(|c| c.len()), Ok(1), "a pong");
        for bad in [&[][..], &[0x05, 0x08, 0x01, 0x22, 0x00], &[0x02, 0xff, 0xff], &[0x80]] {
            assert_eq!(all(Protocol::Protobuf, bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn commands_go_on_where_they_were_left() {
        let mut commands = Commands::new(Protocol::Json, b"{\"id\":1}\n{\"id\":2}");
        assert_eq!(commands.next().map(|c| c.map(|c| c.id)), Some(Ok(1)));
        let ids: Vec<_> = Commands::resume(Protocol::Json, commands.rest()).map(|c| c.map(|c| c.id)).collect();
        assert_eq!(ids, [Ok(2)]);
        assert!(Commands::resume(Protocol::Json, b"").next().is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            Commands::new(Protocol::Json, &payload).take_while(Result::is_ok).for_each(drop);
            Commands::new(Protocol::Protobuf, &payload).take_while(Result::is_ok).for_each(drop);
        }

        #[test]
        fn json_like_text_never_panics(text in r#"[{}\[\]":,0-9a-z\\u ]{0,80}"#) {
            Commands::new(Protocol::Json, text.as_bytes()).take_while(Result::is_ok).for_each(drop);
        }
    }
}
