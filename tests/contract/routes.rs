//! Group A: which requests reach a method at all, and what the others are told, field by field.

use super::config::{self, Dialect};
use super::http::{Answer, Http};
use corecast::api::METHODS;
use serde_json::json;
use std::io::Write;

const JSON: &str = "Content-Type: application/json\r\n";
const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n";

/// The whole head of an answer, but for the time.
fn head(status_line: &str, fields: &str, length: usize) -> String {
    format!("HTTP/1.1 {status_line}\r\n{fields}Date: now\r\nContent-Length: {length}")
}

fn head_of(answer: &Answer) -> String {
    let date = answer.field("date").unwrap_or("missing");
    answer.head.replace(date, "now")
}

fn expect(name: &str, answer: Result<Answer, String>, status_line: &str, fields: &str, body: &str) {
    let answer = answer.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(answer.text(), body, "{name}: {}", answer.head);
    assert_eq!(head_of(&answer), head(status_line, fields, body.len()), "{name}");
}

fn expect_refused(name: &str, answer: Result<Answer, String>, status: u16) {
    match status {
        400 => expect(name, answer, "400 Bad Request", TEXT, "Bad Request\n"),
        401 => expect(name, answer, "401 Unauthorized", "", ""),
        404 => expect(name, answer, "404 Not Found", TEXT, "404 page not found\n"),
        405 => expect(name, answer, "405 Method Not Allowed", "", ""),
        _ => panic!("{name}: {status} is no refusal"),
    }
}

fn expect_ok(name: &str, answer: Result<Answer, String>) {
    expect(name, answer, "200 OK", JSON, r#"{"result":{}}"#);
}

/// Fields and query of a request for `info`, and the status that they lead to.
const KEYS: &[(&str, &str, &str, u16)] = &[
    ("A1", "", "", 401),
    ("A2", "X-API-Key: secret\r\n", "", 200),
    ("A2.case", "x-api-KEY: secret\r\n", "", 200),
    ("A3", "X-API-Key: bad\r\n", "", 401),
    ("A3.case", "X-API-Key: SECRET\r\n", "", 401),
    ("A3.longer", "X-API-Key: secrets\r\n", "", 401),
    ("A4", "Authorization: apikey secret\r\n", "", 200),
    ("A5", "Authorization: ApiKey   secret\r\n", "", 200),
    ("A6.three", "Authorization: apikey secret x\r\n", "", 401),
    ("A6.bearer", "Authorization: Bearer secret\r\n", "", 401),
    ("A6.one", "Authorization: apikeysecret\r\n", "", 401),
    ("A6.case", "Authorization: apikey SECRET\r\n", "", 401),
    ("A6.none", "Authorization: apikey\r\n", "", 401),
    ("A7", "X-API-Key: bad\r\nAuthorization: apikey secret\r\n", "", 401),
    ("A7.empty", "X-API-Key:\r\nAuthorization: apikey secret\r\n", "", 200),
    ("A7a.wrong_first", "X-API-Key: bad\r\nX-API-Key: secret\r\n", "", 401),
    ("A7a.right_first", "X-API-Key: secret\r\nX-API-Key: bad\r\n", "", 200),
    ("A8", "", "?api_key=secret", 200),
    ("A8.escaped", "", "?a=1&api_key=s%65cret", 200),
    ("A8.first", "", "?api_key=secret&api_key=bad", 200),
    ("A8.second", "", "?api_key=bad&api_key=secret", 401),
    ("A8.case", "", "?API_KEY=secret", 401),
    ("A9", "X-API-Key: bad\r\n", "?api_key=secret", 200),
    ("A9.authorization", "Authorization: Bearer x\r\n", "?api_key=secret", 200),
    ("A10", "", "?api_key=bad", 401),
    ("A10.empty", "", "?api_key=", 401),
];

#[test]
fn a_key_opens_the_api_in_three_places() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        let server = config::start(dialect, cores, json!({}));
        let mut http = Http::new(server.address);
        for (name, fields, query, status) in KEYS {
            let answer = http.request("POST", &format!("/api/info{query}"), fields, b"{}");
            match status {
                200 => {
                    let answer = answer.unwrap_or_else(|e| panic!("{name}: {e}"));
                    assert!(
                        answer.status == 200 && answer.text().contains(r#""nodes":[{"uid":"#),
                        "{name}: {answer:?}"
                    );
                }
                status => expect_refused(name, answer, *status),
            }
            // The legacy endpoint asks for the same key.
            let answer = http.request("POST", &format!("/api{query}"), fields, br#"{"method":"channels","params":{}}"#);
            let answer = answer.unwrap_or_else(|e| panic!("A26 {name}: {e}"));
            assert_eq!(answer.status, *status, "A26 {name}: {}", answer.text());
        }
    }
}

#[test]
fn without_a_configured_key_nobody_is_let_in() {
    let server = config::start(Dialect::V6, 1, json!({"http_api": {"key": ""}}));
    let mut http = Http::new(server.address);
    for (name, fields, query) in [
        ("A11.query", "", "?api_key="),
        ("A11.field", "X-API-Key:\r\n", ""),
        ("A11.authorization", "Authorization: apikey\r\n", ""),
        ("A11.none", "", ""),
        ("A11.some", "X-API-Key: secret\r\n", "?api_key=secret"),
    ] {
        expect_refused(name, http.request("POST", &format!("/api/info{query}"), fields, b"{}"), 401);
    }
}

#[test]
fn an_insecure_api_looks_at_no_key() {
    for changes in
        [(Dialect::V5, json!({"api_insecure": true})), (Dialect::V6, json!({"http_api": {"insecure": true}}))]
    {
        let server = config::start(changes.0, 1, changes.1);
        let mut http = Http::new(server.address);
        for (name, fields) in
            [("A25", ""), ("A25.wrong", "X-API-Key: bad\r\n"), ("A25.bearer", "Authorization: Bearer x\r\n")]
        {
            expect_ok(name, http.request("POST", "/api/publish", fields, br#"{"channel":"a","data":1}"#));
            let answer =
                http.request("POST", "/api", fields, br#"{"method":"publish","params":{"channel":"a","data":1}}"#);
            expect_ok(name, answer);
        }
    }
}

#[test]
fn only_post_is_a_method_and_no_other_is_named() {
    let server = config::start(Dialect::V5, 1, json!({}));
    let mut http = Http::new(server.address);
    let paths = METHODS.iter().map(|method| format!("/api/{}", method.name));
    for path in paths.chain(["/api".into(), "/api/batch".into()]) {
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "post"] {
            for fields in ["", "X-API-Key: secret\r\n"] {
                let name = format!("A12 {method} {path} {fields:?}");
                let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n");
                expect_refused(&name, http.exchange(request.as_bytes()), 405);
            }
        }
        let answer = http.exchange(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes());
        assert_eq!(answer.map(|answer| answer.status), Ok(405), "A12 HEAD {path}");
    }
}

const PRO: &[&str] = &[
    "connections",
    "update_user_status",
    "get_user_status",
    "delete_user_status",
    "block_user",
    "unblock_user",
    "revoke_token",
    "invalidate_user_tokens",
    "device_register",
    "device_update",
    "device_remove",
    "device_list",
    "device_topic_list",
    "device_topic_update",
    "user_topic_list",
    "user_topic_update",
    "send_push_notification",
    "update_push_status",
    "cancel_push",
    "rate_limit",
];

#[test]
fn other_paths_are_not_found_whoever_asks() {
    let server = config::start(Dialect::V6, 2, json!({}));
    let mut http = Http::new(server.address);
    let odd =
        ["/api/unknown", "/api/", "/api/publish/", "/API/publish", "/api/Publish", "/api%2Fpublish", "/apis", "/"];
    for path in odd.map(String::from).into_iter().chain(PRO.iter().map(|name| format!("/api/{name}"))) {
        for fields in ["", "X-API-Key: secret\r\n", "X-API-Key: bad\r\n"] {
            let name = format!("A13 {path} {fields:?}");
            expect_refused(&name, http.request("POST", &path, fields, b"{}"), 404);
        }
        let answer = http.exchange(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes());
        expect_refused(&format!("A13 GET {path}"), answer, 404);
    }
    let answer = http.post("/api/publis%68", br#"{"channel":"a","data":1}"#);
    expect_ok("A13 an escaped letter", answer);
    for path in ["//api/publish", "/api/../api/publish", "/api/./publish"] {
        let answer = http.post(path, br#"{"channel":"a","data":1}"#).expect(path);
        assert!(matches!(answer.status, 301 | 307 | 308 | 404), "A13 {path}: {answer:?}");
    }
}

#[test]
fn a_body_that_is_no_object_is_a_bad_request() {
    let server = config::start(Dialect::V5, 2, json!({}));
    let mut http = Http::new(server.address);
    let bodies = ["", " \r\n", "[]", "\"x\"", "1", "true", "{", "{} x", "{}{}", "\u{feff}{}", "{}\0", "nul"];
    for method in METHODS.iter().map(|method| method.name).chain(["batch"]) {
        for body in bodies {
            let name = format!("A14/A15/A17 {method} {body:?}");
            expect_refused(&name, http.post(&format!("/api/{method}"), body.as_bytes()), 400);
        }
        let answer = http.request("POST", &format!("/api/{method}"), "", b"[]");
        expect_refused(&format!("the key is looked at before the body: {method}"), answer, 401);
    }
    let error = r#"{"error":{"code":107,"message":"bad request"}}"#;
    expect("A16", http.post("/api/publish", b"null"), "200 OK", JSON, error);
    expect("A16 blanks", http.post("/api/publish", b" \r\n\t{} \n"), "200 OK", JSON, error);
    let info = http.post("/api/info", b"null").expect("A18");
    assert!(info.status == 200 && info.text().contains("nodes"), "A18: {}", info.text());
}

#[test]
fn the_type_and_the_coding_of_a_body_are_not_looked_at() {
    let server = config::start(Dialect::V6, 2, json!({}));
    let mut http = Http::new(server.address);
    let body = br#"{"channel":"a","data":1}"#;
    let key = "X-API-Key: secret\r\n";
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", "nonsense"] {
        let fields = format!("{key}Content-Type: {kind}\r\n");
        expect_ok(&format!("A19 {kind}"), http.request("POST", "/api/publish", &fields, body));
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body).expect("memory");
    let fields = format!("{key}Content-Encoding: gzip\r\n");
    expect_refused("A20", http.request("POST", "/api/publish", &fields, &gzip.finish().expect("memory")), 400);
    let fields = format!("{key}Accept-Encoding: gzip, deflate, br\r\nOrigin: https://elsewhere.example\r\n");
    expect_ok("nothing is compressed, origins do not count", http.request("POST", "/api/publish", &fields, body));
    let chunked = "Transfer-Encoding: chunked\r\n";
    let head = format!("POST /api/publish HTTP/1.1\r\nHost: test\r\n{key}{chunked}\r\n");
    let chunks = "7\r\n{\"chann\r\n10;ext=1\r\nel\":\"a\",\"data\":1\r\n1\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n";
    expect_ok("A21", http.exchange(format!("{head}{chunks}").as_bytes()));
}

#[test]
fn a_caller_that_asks_first_is_told_to_go_on() {
    let server = config::start(Dialect::V5, 1, json!({}));
    let mut http = Http::new(server.address);
    let body = r#"{"channel":"a","data":1}"#;
    let fields = format!("X-API-Key: secret\r\nExpect: 100-continue\r\nContent-Length: {}\r\n", body.len());
    http.send(format!("POST /api/publish HTTP/1.1\r\nHost: test\r\n{fields}\r\n").as_bytes()).expect("sent");
    assert_eq!(http.interim().as_deref(), Ok("HTTP/1.1 100 Continue"));
    expect_ok("the body behind it", http.exchange(body.as_bytes()));
}

#[test]
fn large_and_deep_bodies_are_taken_as_far_as_the_bounds_go() {
    let server = config::start(Dialect::V6, 2, json!({}));
    let mut http = Http::new(server.address);
    let publish = |data: &str| format!(r#"{{"channel":"a","data":{data}}}"#).into_bytes();
    let large = publish(&format!("\"{}\"", "x".repeat(20 << 20)));
    expect_ok("A22", http.post("/api/publish", &large));
    let deep = |depth: usize| publish(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    expect_ok("A23 at the bound", http.post("/api/publish", &deep(9999)));
    expect_refused("A23", http.post("/api/publish", &deep(10001)), 400);
    expect_refused("A23 unclosed", http.post("/api/publish", &publish(&"[".repeat(1 << 20))), 400);
    expect_ok("the server lives", http.post("/api/publish", &publish("1")));
}

#[test]
fn a_body_beyond_the_option_is_too_large() {
    let server = config::start(Dialect::V6, 1, json!({"corecast": {"http_api": {"max_body_size": 1000}}}));
    let mut http = Http::new(server.address);
    let publish = |length: usize| format!(r#"{{"channel":"a","data":"{}"}}"#, "x".repeat(length)).into_bytes();
    expect_ok("within", http.post("/api/publish", &publish(900)));
    for path in ["/api/publish", "/api/batch", "/api"] {
        let answer = http.post(path, &publish(1000)).expect(path);
        assert_eq!(answer.status, 413, "{path}: {}", answer.text());
    }
    expect_ok("the server lives", http.post("/api/publish", &publish(1)));
}

#[test]
fn requests_of_one_connection_are_answered_in_their_order() {
    let server = config::start(Dialect::V5, 2, json!({}));
    let mut http = Http::new(server.address);
    let request = |n: usize| {
        let body = format!(r#"{{"channel":"long:p","data":{n}}}"#);
        let length = body.len();
        format!("POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: secret\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let all: String = (0..200).map(request).collect();
    http.send(all.as_bytes()).expect("sent");
    for n in 1..=200 {
        let answer = http.answer(false).unwrap_or_else(|e| panic!("request {n}: {e}"));
        assert!(answer.text().starts_with(&format!(r#"{{"result":{{"offset":{n},"#)), "request {n}: {}", answer.text());
    }
}
