//! Numbers and texts that SDKs decide by (client-protocol 6): errors in replies, disconnects, unsubscribes.

use std::borrow::Cow;

/// An error reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// The number.
    pub code: u32,
    /// Its fixed text.
    pub message: &'static str,
    /// The client may try again.
    pub temporary: bool,
}

/// Why the server closes a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disconnect {
    /// Status of the close frame.
    pub code: u32,
    /// Reason of the close frame.
    pub reason: Cow<'static, str>,
}

/// Why the server ends a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsubscribe {
    /// 2500 and above: SDKs subscribe again.
    pub code: u32,
    /// Its fixed text.
    pub reason: &'static str,
}

macro_rules! codes {
    ($type:ident { $($name:ident = $value:expr, $doc:literal;)* }) => {
        impl $type {
            $(#[doc = $doc] pub const $name: $type = $value;)*

            /// All of them, ascending.
            pub const ALL: &[$type] = &[$($type::$name,)*];
        }
    };
}

const fn error(code: u32, message: &'static str) -> Error {
    Error { code, message, temporary: false }
}

const fn temporary(code: u32, message: &'static str) -> Error {
    Error { code, message, temporary: true }
}

const fn disconnect(code: u32, reason: &'static str) -> Disconnect {
    Disconnect { code, reason: Cow::Borrowed(reason) }
}

codes!(Error {
    INTERNAL = temporary(100, "internal server error"), "Something failed that is not the client's doing.";
    UNKNOWN_CHANNEL = error(102, "unknown channel"), "The namespace is not configured.";
    PERMISSION_DENIED = error(103, "permission denied"), "Not for this user.";
    METHOD_NOT_FOUND = error(104, "method not found"), "No such RPC method.";
    ALREADY_SUBSCRIBED = error(105, "already subscribed"), "On either side.";
    LIMIT_EXCEEDED = error(106, "limit exceeded"), "Too many subscriptions.";
    BAD_REQUEST = error(107, "bad request"), "The command lacks something or has a wrong form.";
    NOT_AVAILABLE = error(108, "not available"), "The feature is switched off.";
    TOKEN_EXPIRED = error(109, "token expired"), "The client should fetch a new one.";
    EXPIRED = error(110, "expired"), "The asked-for expiry is in the past.";
    TOO_MANY_REQUESTS = temporary(111, "too many requests"), "The server is short of memory; later it will do.";
    UNRECOVERABLE_POSITION = error(112, "unrecoverable position"), "The history is of another epoch.";
});

codes!(Disconnect {
    SHUTDOWN = disconnect(3001, "shutdown"), "The server stops.";
    SERVER_ERROR = disconnect(3004, "internal server error"), "Something failed in mid-command.";
    EXPIRED = disconnect(3005, "connection expired"), "Not refreshed in time.";
    SUBSCRIPTION_EXPIRED = disconnect(3006, "subscription expired"), "A server-side one was not refreshed in time.";
    SLOW = disconnect(3008, "slow"), "More waits for the client than it may have.";
    WRITE_ERROR = disconnect(3009, "write error"), "It takes nothing; rarely told, since nothing can be.";
    INSUFFICIENT_STATE = disconnect(3010, "insufficient state"), "The client has to connect anew.";
    NO_PONG = disconnect(3012, "no pong"), "A ping was not answered in time.";
    TOO_MANY_REQUESTS = disconnect(3013, "too many requests"), "The client sends more than it may.";
    INVALID_TOKEN = disconnect(3500, "invalid token"), "It proves nothing.";
    BAD_REQUEST = disconnect(3501, "bad request"), "Malformed or out of place.";
    STALE = disconnect(3502, "stale"), "No successful connect in time.";
    FORCED = disconnect(3503, "force disconnect"), "The backend wants it so.";
    CONNECTION_LIMIT = disconnect(3504, "connection limit"), "The user has too many connections on this node.";
    CHANNEL_LIMIT = disconnect(3505, "channel limit"), "Too many server-side subscriptions.";
    INAPPROPRIATE_PROTOCOL = disconnect(3506, "inappropriate protocol"), "Octets for a JSON connection.";
    PERMISSION_DENIED = disconnect(3507, "permission denied"), "Anonymous tokens are not taken.";
    NOT_AVAILABLE = disconnect(3508, "not available"), "Nobody takes asynchronous messages.";
});

codes!(Unsubscribe {
    SERVER = Unsubscribe { code: 2000, reason: "server unsubscribe" }, "The backend wants it so.";
    INSUFFICIENT_STATE = Unsubscribe { code: 2500, reason: "insufficient state" }, "It has missed something.";
    EXPIRED = Unsubscribe { code: 2501, reason: "subscription expired" }, "Not refreshed in time.";
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_their_ranges() {
        let ascending = |codes: Vec<u32>| codes.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(ascending(Error::ALL.iter().map(|e| e.code).collect()));
        assert!(ascending(Disconnect::ALL.iter().map(|d| d.code).collect()));
        assert!(Error::ALL.iter().all(|e| (100..400).contains(&e.code)));
        assert!(Disconnect::ALL.iter().all(|d| (3000..4000).contains(&d.code) && d.reason.len() <= 123));
        assert!(Unsubscribe::ALL.iter().all(|u| (2000..3000).contains(&u.code)));
    }
}
