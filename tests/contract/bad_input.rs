//! What is wrong with a request, field by field: it is answered, and the server lives.

use super::config::{self, Dialect};
use super::http::{Api, Http};
use super::pattern::Names;
use crate::common::server::Server;
use corecast::api::METHODS;
use serde_json::json;

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Bool,
    Int32,
    Int64,
    Uint64,
    Texts,
    Tags,
    Object,
    /// Any JSON.
    Raw,
}
use Kind::{Bool, Int32, Int64, Object, Raw, Tags, Text, Texts, Uint64};

const PUBLICATION: &[(&str, Kind)] = &[
    ("data", Raw),
    ("b64data", Text),
    ("skip_history", Bool),
    ("tags", Tags),
    ("idempotency_key", Text),
    ("delta", Bool),
    ("version", Uint64),
    ("version_epoch", Text),
];

/// Every field of every request.
const FIELDS: &[(&str, &[(&str, Kind)])] = &[
    ("publish", &[("channel", Text)]),
    ("publish", PUBLICATION),
    ("broadcast", &[("channels", Texts)]),
    ("broadcast", PUBLICATION),
    (
        "subscribe",
        &[
            ("channel", Text),
            ("user", Text),
            ("expire_at", Int64),
            ("info", Raw),
            ("b64info", Text),
            ("client", Text),
            ("data", Raw),
            ("b64data", Text),
            ("recover_since", Object),
            ("override", Object),
            ("session", Text),
        ],
    ),
    ("unsubscribe", &[("channel", Text), ("user", Text), ("client", Text), ("session", Text)]),
    (
        "disconnect",
        &[("user", Text), ("disconnect", Object), ("client", Text), ("whitelist", Texts), ("session", Text)],
    ),
    (
        "refresh",
        &[("user", Text), ("client", Text), ("expired", Bool), ("expire_at", Int64), ("info", Raw), ("session", Text)],
    ),
    ("presence", &[("channel", Text)]),
    ("presence_stats", &[("channel", Text)]),
    ("history", &[("channel", Text), ("limit", Int32), ("since", Object), ("reverse", Bool)]),
    ("history_remove", &[("channel", Text)]),
    ("channels", &[("pattern", Text)]),
    ("rpc", &[("method", Text), ("params", Raw)]),
    ("info", &[]),
];

fn wrong_values(kind: Kind) -> &'static [&'static str] {
    match kind {
        Text => &["1", "1.5", "true", "[]", "{}", "[\"a\"]"],
        Bool => &["0", "1", "\"true\"", "\"\"", "[]", "{}"],
        Int32 => &["\"1\"", "true", "1.5", "1.0", "1e1", "2147483648", "-2147483649", "[]", "{}"],
        Int64 => &["\"1\"", "false", "0.5", "1E2", "9223372036854775808", "-9223372036854775809", "[]", "{}"],
        Uint64 => &["\"1\"", "true", "-1", "1.0", "18446744073709551616", "[]", "{}"],
        Texts => &["\"a\"", "1", "true", "{}", "[1]", "[[\"a\"]]", "[{}]", "[\"a\",false]"],
        Tags => &["\"a\"", "1", "[]", "{\"a\":1}", "{\"a\":[]}", "{\"a\":\"b\",\"c\":true}"],
        Object => &["\"a\"", "1", "true", "[]", "[{}]"],
        Raw => &[],
    }
}

fn right_values(kind: Kind) -> &'static [&'static str] {
    match kind {
        Text => &["null", "\"\\ud800\"", "\"\\u0000\""],
        Bool => &["null", "true", "false"],
        Int32 => &["null", "2147483647", "-2147483648", "-0"],
        Int64 => &["null", "9223372036854775807", "-9223372036854775808"],
        Uint64 => &["null", "0", "18446744073709551615"],
        Texts => &["null", "[]", "[null]", "[\"x\"]"],
        Tags => &["null", "{}", "{\"a\":null}"],
        Object => &["null", "{}", "{\"nothing\":1}"],
        Raw => &["null", "0", "\"\"", "[[]]", "{\"a\":1,\"a\":2}"],
    }
}

fn servers() -> impl Iterator<Item = Server> {
    [(Dialect::V5, 1), (Dialect::V6, 2)].into_iter().map(|(dialect, cores)| config::start(dialect, cores, json!({})))
}

fn lives(server: &Server) {
    Api::new(server.address).ok("publish", r#"{"channel":"alive","data":1}"#);
}

#[test]
fn every_method_has_its_fields_listed_here() {
    for method in METHODS {
        assert!(FIELDS.iter().any(|(name, _)| *name == method.name), "{}", method.name);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_a_bad_request_in_each_form() {
    for server in servers() {
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        let fields = FIELDS.iter().flat_map(|(method, fields)| fields.iter().map(move |field| (*method, *field)));
        for (method, (field, kind)) in fields {
            for value in wrong_values(kind) {
                let request = format!(r#"{{"{field}":{value}}}"#);
                let name = format!("{method} {request}");
                http.expect(&mut names, &name, &format!("/api/{method}"), &request, 400, "Bad Request\n");
                let batch = format!(r#"{{"commands":[{{"{method}":{request}}}]}}"#);
                http.expect(&mut names, &name, "/api/batch", &batch, 400, "Bad Request\n");
                let legacy = format!(r#"{{"method":"{method}","params":{request}}}"#);
                let want = r#"{"error":{"code":107,"message":"bad request"}}"#;
                http.expect(&mut names, &name, "/api", &legacy, 200, want);
            }
        }
        lives(&server);
    }
}

#[test]
fn a_value_of_the_right_type_is_never_a_bad_request() {
    for server in servers() {
        let mut http = Http::new(server.address);
        let fields = FIELDS.iter().flat_map(|(method, fields)| fields.iter().map(move |field| (*method, *field)));
        for (method, (field, kind)) in fields {
            for value in right_values(kind) {
                for key in [field.to_string(), field.to_uppercase()] {
                    let request = format!(r#"{{"{key}":{value}}}"#);
                    let answer = http.post(&format!("/api/{method}"), request.as_bytes());
                    let answer = answer.unwrap_or_else(|e| panic!("{method} {request}: {e}"));
                    assert_eq!(answer.status, 200, "{method} {request}: {}", answer.text());
                }
            }
        }
        lives(&server);
    }
}

#[test]
fn nesting_without_end_is_a_bad_request() {
    for server in servers() {
        let mut http = Http::new(server.address);
        let half = 1 << 19;
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(half / open.len()), close.repeat(half / open.len()));
            for method in METHODS.iter().map(|method| method.name) {
                let request = format!(r#"{{"x":{deep}}}"#);
                let batch = format!(r#"{{"commands":[{{"{method}":{request}}}]}}"#);
                let legacy = format!(r#"{{"method":"{method}","params":{request}}}"#);
                let calls =
                    [(format!("/api/{method}"), request), ("/api/batch".into(), batch), ("/api".into(), legacy)];
                for (path, body) in calls {
                    let answer = http.post(&path, body.as_bytes()).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
                    assert_eq!((answer.status, answer.text()), (400, "Bad Request\n"), "{method} {path}");
                }
            }
        }
        lives(&server);
    }
}

#[test]
fn null_is_an_empty_request() {
    for server in servers() {
        let mut http = Http::new(server.address);
        for method in METHODS.iter().map(|method| method.name) {
            let mut post = |body: &str| {
                let answer = http.post(&format!("/api/{method}"), body.as_bytes()).expect(method);
                (answer.status, answer.text().to_string())
            };
            let (null, empty) = (post("null"), post("{}"));
            assert_eq!(null.0, 200, "{method}: {}", null.1);
            if method != "info" {
                assert_eq!(null, empty, "{method}");
            }
        }
    }
}

/// Methods and requests of which the last of two equal keys counts, and the error that the first would give.
const TWICE: &[(&str, &str, &str)] = &[
    ("publish", r#"{"data":1,"channel":"nope:x","channel":"test"}"#, r#"{"result":{}}"#),
    ("broadcast", r#"{"data":1,"channels":[],"channels":["test"]}"#, r#"{"result":{"responses":[{"result":{}}]}}"#),
    ("subscribe", r#"{"channel":"nope:x","CHANNEL":"test"}"#, r#"{"result":{}}"#),
    ("unsubscribe", r#"{"channel":"nope:x","channel":"test"}"#, r#"{"result":{}}"#),
    ("presence", r#"{"channel":"test","channel":"pres:x"}"#, r#"{"result":{"presence":{}}}"#),
    ("presence_stats", r#"{"channel":"","channel":"pres:x"}"#, r#"{"result":{"num_clients":0,"num_users":0}}"#),
    (
        "history",
        r#"{"channel":"test","Channel":"hist:x"}"#,
        r#"{"result":{"publications":[],"epoch":"<x>","offset":0}}"#,
    ),
    ("history_remove", r#"{"channel":"test","channel":"hist:x"}"#, r#"{"result":{}}"#),
    ("channels", r#"{"pattern":"[","pattern":"*"}"#, r#"{"result":{"channels":{}}}"#),
    ("rpc", r#"{"method":"","method":"x"}"#, r#"{"error":{"code":104,"message":"not found"}}"#),
    ("disconnect", r#"{"user":"x","user":"y"}"#, r#"{"result":{}}"#),
    ("refresh", r#"{"expire_at":1,"expire_at":null}"#, r#"{"result":{}}"#),
];

#[test]
fn of_equal_keys_the_last_counts() {
    for server in servers() {
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        for (method, request, want) in TWICE {
            http.expect(&mut names, "duplicate keys", &format!("/api/{method}"), request, 200, want);
        }
    }
}

#[test]
fn names_of_channels_have_no_bound_here() {
    let long = "a".repeat(1000);
    let nested = |depth| format!(r#"{{"pattern":"{}a{}"}}"#, "{".repeat(depth), "}".repeat(depth));
    for server in servers() {
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        let rows = [
            ("publish", format!(r#"{{"channel":"{long}","data":1}}"#), r#"{"result":{}}"#),
            (
                "broadcast",
                format!(r#"{{"channels":["{long}","nope:{long}"],"data":1}}"#),
                r#"{"result":{"responses":[{"result":{}},{"error":{"code":102,"message":"unknown channel"}}]}}"#,
            ),
            ("publish", format!(r#"{{"channel":"hist:{long}","data":1}}"#), r#"{"result":{"offset":1,"epoch":"<e>"}}"#),
            (
                "history",
                format!(r#"{{"channel":"hist:{long}","limit":1}}"#),
                r#"{"result":{"publications":[{"data":1,"offset":1}],"epoch":"<e>","offset":1}}"#,
            ),
            ("history_remove", format!(r#"{{"channel":"hist:{long}"}}"#), r#"{"result":{}}"#),
            ("presence", format!(r#"{{"channel":"pres:{long}"}}"#), r#"{"result":{"presence":{}}}"#),
            (
                "presence_stats",
                format!(r#"{{"channel":"pres:{long}"}}"#),
                r#"{"result":{"num_clients":0,"num_users":0}}"#,
            ),
            ("subscribe", format!(r#"{{"channel":"{long}","user":"{long}"}}"#), r#"{"result":{}}"#),
            ("unsubscribe", format!(r#"{{"channel":"{long}","user":"{long}"}}"#), r#"{"result":{}}"#),
            ("channels", format!(r#"{{"pattern":"{long}"}}"#), r#"{"result":{"channels":{}}}"#),
            ("channels", format!(r#"{{"pattern":"{}"}}"#, "*a".repeat(1000)), r#"{"result":{"channels":{}}}"#),
            ("channels", nested(200), r#"{"result":{"channels":{}}}"#),
            // Deeper ones are refused like other patterns that cannot be read.
            ("channels", nested(5000), r#"{"error":{"code":100,"message":"internal server error"}}"#),
        ];
        for (method, request, want) in rows {
            http.expect(&mut names, "long names", &format!("/api/{method}"), &request, 200, want);
        }
    }
}

#[test]
fn a_broadcast_may_have_ten_thousand_channels() {
    for server in servers() {
        let mut http = Http::new(server.address);
        let mut broadcast = |name: &str, channel: &dyn Fn(usize) -> String| -> Vec<serde_json::Value> {
            let channels: Vec<String> = (0..10_000).map(channel).collect();
            let body = json!({"channels": channels, "data": {"n": 1}}).to_string();
            let answer = http.post("/api/broadcast", body.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            let responses = value["result"]["responses"].as_array().expect("responses").clone();
            assert_eq!(responses.len(), 10_000, "{name}");
            responses
        };
        let different = broadcast("all different", &|n| format!("hist:{n}"));
        assert!(different.iter().all(|response| response["result"]["offset"] == 1));
        let same = broadcast("all the same", &|_| "long:same".into());
        assert!(same.iter().zip(1..).all(|(response, n)| response["result"]["offset"] == n));
        let unknown =
            broadcast("every second unknown", &|n| if n % 2 == 0 { "test".into() } else { format!("no:{n}") });
        assert!(unknown.iter().skip(1).step_by(2).all(|response| response["error"]["code"] == 102));
        assert!(unknown.iter().step_by(2).all(|response| *response == json!({"result": {}})));
        lives(&server);
    }
}

#[test]
fn octets_that_are_no_utf8_are_replacement_characters() {
    for server in servers() {
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        let answer = http.post("/api/publish", b"{\"channel\":\"hist:\xff\",\"data\":1}").expect("an answer");
        names.expect("octets", r#"{"result":{"offset":1,"epoch":"<e>"}}"#, answer.text());
        let same = "{\"channel\":\"hist:\u{fffd}\",\"data\":1}";
        http.expect(&mut names, "octets", "/api/publish", same, 200, r#"{"result":{"offset":2,"epoch":"<e>"}}"#);
    }
}
