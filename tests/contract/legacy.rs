//! Group L: the stream of commands at `/api`.

use super::config::{self, Dialect};
use super::http::Http;
use super::pattern::Names;
use serde_json::json;

const OK: &str = r#"{"result":{}}"#;
const BAD: &str = r#"{"error":{"code":107,"message":"bad request"}}"#;
const NOT_FOUND: &str = r#"{"error":{"code":104,"message":"not found"}}"#;
const NO_JSON: &str = "Bad Request\n";

/// Body, status, answer.
const ROWS: &[(&str, &str, u16, &str)] = &[
    ("L1", r#"{"method":"publish","params":{"channel":"test","data":{}}}"#, 200, OK),
    ("L1.upper", r#"{"method":"PUBLISH","params":{"channel":"test","data":{}}}"#, 200, OK),
    ("L1.number", r#"{"method":0,"params":{"channel":"test","data":{}}}"#, 200, OK),
    ("L1.none", r#"{"params":{"channel":"test","data":{}}}"#, 200, OK),
    ("L1.keys", r#"{"METHOD":"publish","Params":{"CHANNEL":"test","Data":{}}}"#, 200, OK),
    (
        "L1.mixed",
        r#"{"method":"Presence_Stats","params":{"channel":"pres:a"}}"#,
        200,
        r#"{"result":{"num_clients":0,"num_users":0}}"#,
    ),
    ("L1.unknown", r#"{"uid":"x","method":"publish","params":{"channel":"test","data":{}}}"#, 200, OK),
    (
        "L2",
        r#"{"id":5,"method":"publish","params":{"channel":"hist:leg","data":{}}}"#,
        200,
        r#"{"id":5,"result":{"offset":1,"epoch":"<leg>"}}"#,
    ),
    (
        "L3",
        "{\"id\":1,\"method\":\"publish\",\"params\":{\"channel\":\"hist:leg\",\"data\":{}}}\n{\"id\":2,\"method\":\"publish\",\"params\":{}}\n",
        200,
        "{\"id\":1,\"result\":{\"offset\":2,\"epoch\":\"<leg>\"}}\n{\"id\":2,\"error\":{\"code\":107,\"message\":\"bad request\"}}",
    ),
    (
        "L4",
        r#"{"method":"publish","params":{"channel":"test","data":1}}{"method":"publish","params":{"channel":"no:x","data":1}}"#,
        200,
        "{\"result\":{}}\n{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}",
    ),
    (
        "L4.blanks",
        "\n {\"id\":1,\"method\":\"publish\",\n\"params\":{\"channel\":\"test\",\"data\":1}}\t\r\n\n{\"id\":4294967295}  ",
        200,
        "{\"id\":1,\"result\":{}}\n{\"id\":4294967295,\"error\":{\"code\":107,\"message\":\"bad request\"}}",
    ),
    ("L5", r#"{"method":"unknown","params":{}}"#, 400, NO_JSON),
    ("L5.empty", r#"{"method":"","params":{}}"#, 400, NO_JSON),
    ("L5.null", r#"{"method":null,"params":{}}"#, 400, NO_JSON),
    ("L5.batch", r#"{"method":"batch","params":{"commands":[]}}"#, 400, NO_JSON),
    ("L6", r#"{"method":99,"params":{}}"#, 200, NOT_FOUND),
    ("L6.unused", r#"{"method":13}"#, 200, NOT_FOUND),
    ("L6.pro", r#"{"id":1,"method":"connections"}"#, 200, r#"{"id":1,"error":{"code":104,"message":"not found"}}"#),
    ("L6.pro_number", r#"{"method":14,"params":{}}"#, 200, NOT_FOUND),
    ("L7", r#"{"method":"info"}"#, 200, r#"{"result":{"nodes":["<OBJECT>"]}}"#),
    ("L7.string", r#"{"method":"info","params":"{}"}"#, 200, r#"{"result":{"nodes":["<OBJECT>"]}}"#),
    ("L7.list", r#"{"method":9,"params":[1]}"#, 200, r#"{"result":{"nodes":["<OBJECT>"]}}"#),
    ("L8", r#"{"method":"channels"}"#, 200, BAD),
    ("L8.object", r#"{"method":"channels","params":{}}"#, 200, r#"{"result":{"channels":{}}}"#),
    ("L8.null", r#"{"method":"channels","params":null}"#, 200, r#"{"result":{"channels":{}}}"#),
    ("L8a.unsubscribe", r#"{"method":"unsubscribe","params":null}"#, 200, OK),
    ("L8a.refresh", r#"{"method":"refresh","params":null}"#, 200, OK),
    ("L8a.disconnect", r#"{"method":"disconnect"}"#, 200, BAD),
    ("L8a.string", r#"{"method":"refresh","params":"{}"}"#, 200, BAD),
    ("L9", r#"{"method":"publish"}"#, 200, BAD),
    ("L9.null", r#"{"method":"publish","params":null}"#, 200, BAD),
    ("L9.list", r#"{"method":"publish","params":[]}"#, 200, BAD),
    ("L9.type", r#"{"method":"publish","params":{"channel":1}}"#, 200, BAD),
    ("L9.object", "{}", 200, BAD),
    ("L9.body", "null", 200, BAD),
    ("L9.named", r#"{"publish":{"channel":"a","data":1}}"#, 200, BAD),
    ("L9a.text", r#"{"method":"0","params":{"channel":"test","data":1}}"#, 400, NO_JSON),
    ("L9a.fraction", r#"{"method":1.5,"params":{}}"#, 400, NO_JSON),
    ("L9a.bool", r#"{"method":true,"params":{}}"#, 400, NO_JSON),
    ("L9a.object", r#"{"method":{},"params":{}}"#, 400, NO_JSON),
    ("L9a.blank", r#"{"method":" publish","params":{}}"#, 400, NO_JSON),
    ("L9a.negative", r#"{"method":-1,"params":{}}"#, 200, NOT_FOUND),
    ("L9a.large", r#"{"method":2147483648,"params":{}}"#, 200, NOT_FOUND),
    ("L10", "{\"method\":\"publish\",\"params\":{\"channel\":\"hist:ten\",\"data\":1}}\nbad", 400, NO_JSON),
    (
        "L10.executed",
        r#"{"method":"history","params":{"channel":"hist:ten","limit":1}}"#,
        200,
        r#"{"result":{"publications":[{"data":1,"offset":1}],"epoch":"<ten>","offset":1}}"#,
    ),
    ("L11", "", 400, NO_JSON),
    ("L11.blank", " ", 200, ""),
    ("L11.list", "[]", 400, NO_JSON),
    ("L11.text", "\"publish\"", 400, NO_JSON),
    ("L12", r#"{"id":-1,"method":"channels","params":{}}"#, 400, NO_JSON),
    ("L12.fraction", r#"{"id":1.5,"method":"channels","params":{}}"#, 400, NO_JSON),
    ("L12.text", r#"{"id":"1","method":"channels","params":{}}"#, 400, NO_JSON),
    (
        "L13",
        r#"{"id":3,"method":"presence","params":{"channel":"a"}}"#,
        200,
        r#"{"id":3,"error":{"code":108,"message":"not available"}}"#,
    ),
    (
        "L14",
        r#"{"method":"history","params":{"channel":"hist:leg","since":{"offset":1,"epoch":"bad"}}}"#,
        200,
        r#"{"error":{"code":112,"message":"unrecoverable position"}}"#,
    ),
];

#[test]
fn commands_are_answered_one_by_one() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        let server = config::start(dialect, cores, json!({}));
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        for (name, body, status, want) in ROWS {
            http.expect(&mut names, name, "/api", body, *status, want);
        }
    }
}

#[test]
fn a_binary_history_spoils_the_whole_stream() {
    let server = config::start(Dialect::V5, 1, json!({}));
    let mut http = Http::new(server.address);
    let body = concat!(
        r#"{"id":1,"method":"publish","params":{"channel":"hist:bin","b64data":"AAEC"}}"#,
        "\n",
        r#"{"id":2,"method":"history","params":{"channel":"hist:bin","limit":1}}"#
    );
    http.expect(&mut Names::default(), "F21", "/api", body, 500, "Internal Server Error\n");
}

#[test]
fn ten_thousand_commands_are_carried_out_in_their_order() {
    for cores in [1, 2] {
        let server = config::start(Dialect::V6, cores, json!({}));
        let mut http = Http::new(server.address);
        let command = |n| format!(r#"{{"id":{n},"method":"publish","params":{{"channel":"long:l","data":{n}}}}}"#);
        let body = (1..=10_000).map(command).collect::<Vec<_>>().join("\n");
        let answer = http.post("/api", body.as_bytes()).expect("an answer");
        assert_eq!(answer.status, 200);
        let lines: Vec<&str> = answer.text().split('\n').collect();
        assert_eq!(lines.len(), 10_000);
        for (at, line) in lines.iter().enumerate() {
            let n = at + 1;
            assert!(line.starts_with(&format!(r#"{{"id":{n},"result":{{"offset":{n},"epoch":"#)), "{n}: {line}");
        }
    }
}

#[test]
fn the_content_type_is_that_of_json() {
    let server = config::start(Dialect::V5, 1, json!({}));
    let answer = Http::new(server.address).post("/api", br#"{"method":"info"}"#).expect("an answer");
    assert_eq!(answer.field("content-type"), Some("application/json"));
}
