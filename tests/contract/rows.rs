//! The table of the contract: what each method answers to each request. A row holds in every form of the API; how a
//! form carries it is `forms`' affair. Rows are played in order: later ones stand on the state that earlier ones made.
//! Their names are those of the sheet, with a suffix where the sheet gives several in one.

use super::{rows_control, rows_publish, rows_read};

/// One request and its outcome.
pub struct Row {
    pub name: &'static str,
    pub method: &'static str,
    pub request: &'static str,
    pub want: Want,
}

/// What a request comes to, without regard to the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// This result (a pattern).
    Result(&'static str),
    /// This error of the API.
    Error(u32),
    /// JSON, but a member is of the wrong type. GRPC has no such requests.
    Mistyped,
    /// No JSON. GRPC has no such requests.
    Garbled,
    /// A result that holds octets which are no JSON. GRPC carries them.
    Octets,
}

pub const fn ok(name: &'static str, method: &'static str, request: &'static str) -> Row {
    gives(name, method, request, "{}")
}

pub const fn gives(name: &'static str, method: &'static str, request: &'static str, result: &'static str) -> Row {
    Row { name, method, request, want: Want::Result(result) }
}

pub const fn fails(name: &'static str, method: &'static str, request: &'static str, code: u32) -> Row {
    Row { name, method, request, want: Want::Error(code) }
}

pub const fn mistyped(name: &'static str, method: &'static str, request: &'static str) -> Row {
    Row { name, method, request, want: Want::Mistyped }
}

pub const fn garbled(name: &'static str, method: &'static str, request: &'static str) -> Row {
    Row { name, method, request, want: Want::Garbled }
}

/// Rows of a server to which nobody is connected.
pub fn alone() -> impl Iterator<Item = &'static Row> {
    [rows_publish::PUBLISH, rows_publish::BROADCAST, rows_control::ROWS, rows_read::PRESENCE, rows_read::HISTORY]
        .into_iter()
        .chain([rows_read::REMOVAL, rows_read::OTHERS])
        .flatten()
}

/// Rows of a server with clients `<id_a>` and `<id_b>` of user 42, `<id_c>` without a user, and others named `n1` and so on.
pub fn crowded() -> impl Iterator<Item = &'static Row> {
    [rows_control::CROWDED, rows_read::CROWDED].into_iter().flatten()
}

pub fn all() -> impl Iterator<Item = &'static Row> {
    alone().chain(crowded())
}

/// Names that stand in rows from the start: publications of `hist:a` and texts that are too long to write out.
pub const NAMES: &[(&str, &str)] = &[
    ("p1", r#"{"data":{"n":1},"offset":1,"tags":{"b":"2","z":"1"}}"#),
    ("p2", r#"{"data":{"n":2},"offset":2}"#),
    ("p3", r#"{"data":{"n":4},"offset":3}"#),
    ("p4", r#"{"data":{"n":6},"offset":4}"#),
];

/// Which errors each method can give (server-api 2.17), as far as they can be brought about in one node whose memory
/// does not fail.
pub const ERRORS: &[(&str, &[u32])] = &[
    ("publish", &[102, 107]),
    ("broadcast", &[107]),
    ("subscribe", &[100, 102, 107]),
    ("unsubscribe", &[102]),
    ("disconnect", &[]),
    ("history", &[100, 102, 107, 108, 112]),
    ("history_remove", &[102, 107, 108]),
    ("presence", &[102, 107, 108]),
    ("presence_stats", &[102, 107, 108]),
    ("info", &[]),
    ("rpc", &[104, 107]),
    ("refresh", &[]),
    ("channels", &[100]),
];

/// The text of an error.
pub fn message(code: u32) -> &'static str {
    match code {
        100 => "internal server error",
        102 => "unknown channel",
        104 => "not found",
        107 => "bad request",
        108 => "not available",
        112 => "unrecoverable position",
        _ => panic!("no error {code}"),
    }
}

/// HTTP status and GRPC status of an error in transport mode (server-api 1.6).
pub fn statuses(code: u32) -> (u16, u16) {
    match code {
        102 | 104 => (404, 5),
        107 | 108 => (400, 3),
        112 => (416, 11),
        113 => (409, 6),
        _ => (500, 13),
    }
}
