//! Group M: errors as HTTP statuses.

use super::config::{self, Dialect, KEY};
use super::http::Http;
use super::pattern::Names;
use serde_json::json;

/// Requests, and what they are told in transport error mode.
const ROWS: &[(&str, &str, &str, u16, &str)] = &[
    ("M1", "publish", "{}", 400, r#"{"code":107,"message":"bad request"}"#),
    ("M2", "publish", r#"{"channel":"x:y","data":1}"#, 404, r#"{"code":102,"message":"unknown channel"}"#),
    ("M3", "history", r#"{"channel":"test"}"#, 400, r#"{"code":108,"message":"not available"}"#),
    ("M4", "rpc", r#"{"method":"a"}"#, 404, r#"{"code":104,"message":"not found"}"#),
    (
        "M5",
        "history",
        r#"{"channel":"hist:m","since":{"offset":0,"epoch":"bad"}}"#,
        416,
        r#"{"code":112,"message":"unrecoverable position"}"#,
    ),
    ("M6", "channels", r#"{"pattern":"["}"#, 500, r#"{"code":100,"message":"internal server error"}"#),
    (
        "M6.reverse",
        "history",
        r#"{"channel":"hist:m","since":{"offset":0},"reverse":true}"#,
        500,
        r#"{"code":100,"message":"internal server error"}"#,
    ),
    ("M7", "broadcast", r#"{"channels":[]}"#, 400, r#"{"code":107,"message":"bad request"}"#),
    (
        "M7.inner",
        "broadcast",
        r#"{"channels":["x:y"],"data":1}"#,
        200,
        r#"{"result":{"responses":[{"error":{"code":102,"message":"unknown channel"}}]}}"#,
    ),
    (
        "M8",
        "batch",
        r#"{"commands":[{"publish":{}}]}"#,
        200,
        r#"{"replies":[{"error":{"code":107,"message":"bad request"}}]}"#,
    ),
    ("M11", "publish", r#"{"channel":"a","data":1}"#, 200, r#"{"result":{}}"#),
];

fn check(http: &mut Http, fields: &str) {
    for (name, method, body, status, want) in ROWS {
        let name = format!("{name} with {fields:?}");
        let fields = format!("X-API-Key: {KEY}\r\n{fields}");
        let answer = http.request("POST", &format!("/api/{method}"), &fields, body.as_bytes());
        let answer = answer.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((answer.status, answer.text()), (*status, *want), "{name}");
        assert_eq!(answer.field("content-type"), Some("application/json"), "{name}");
    }
    let legacy = http.request(
        "POST",
        "/api",
        &format!("X-API-Key: {KEY}\r\n{fields}"),
        br#"{"method":"publish","params":{"channel":"x:y","data":1}}"#,
    );
    let legacy = legacy.expect("L15");
    let want = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
    assert_eq!((legacy.status, legacy.text()), (200, want), "L15 with {fields:?}");
}

#[test]
fn a_field_asks_for_statuses_in_one_request() {
    for cores in [1, 2] {
        let server = config::start(Dialect::V5, cores, json!({}));
        let mut http = Http::new(server.address);
        check(&mut http, "X-Centrifugo-Error-Mode: transport\r\n");
        check(&mut http, "x-centrifugo-error-mode: transport\r\n");
        for value in ["Transport", "TRANSPORT", "", "status"] {
            let fields = format!("X-API-Key: {KEY}\r\nX-Centrifugo-Error-Mode: {value}\r\n");
            let answer = http.request("POST", "/api/publish", &fields, b"{}").expect("an answer");
            let want = r#"{"error":{"code":107,"message":"bad request"}}"#;
            assert_eq!((answer.status, answer.text()), (200, want), "M9 {value:?}");
        }
    }
}

#[test]
fn the_option_asks_for_statuses_in_all_requests() {
    for (dialect, changes) in [
        (Dialect::V5, json!({"api_error_mode": "transport"})),
        (Dialect::V6, json!({"http_api": {"error_mode": "transport"}})),
    ] {
        let server = config::start(dialect, 2, changes);
        let mut http = Http::new(server.address);
        check(&mut http, "");
        check(&mut http, "X-Centrifugo-Error-Mode: other\r\n");
    }
}

#[test]
fn what_is_refused_before_a_method_is_the_same_in_both_modes() {
    let server = config::start(Dialect::V6, 1, json!({"http_api": {"error_mode": "transport"}}));
    let mut http = Http::new(server.address);
    let mut names = Names::default();
    http.expect(&mut names, "type", "/api/publish", r#"{"channel":1}"#, 400, "Bad Request\n");
    http.expect(&mut names, "path", "/api/nope", "{}", 404, "404 page not found\n");
    http.expect(
        &mut names,
        "publish",
        "/api/publish",
        r#"{"channel":"hist:b","b64data":"AAEC"}"#,
        200,
        r#"{"result":{"offset":1,"epoch":"<e>"}}"#,
    );
    http.expect(&mut names, "F21", "/api/history", r#"{"channel":"hist:b","limit":1}"#, 500, "Internal Server Error\n");
}
