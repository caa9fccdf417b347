//! Keys stay where they were written: a full life of the server says none of them, in its log, its metrics or its answers.

use super::common::server::{Server, free_port};
use super::common::socket::Socket;
use std::io::{Read, Write};

/// Each secret is one of a kind.
const SECRETS: [&str; 7] = [
    "canary-api-key-1f6a",
    "canary-grpc-key-77c2",
    "canary-hmac-9d31",
    "canary-previous-hmac-04be",
    "canary-subscription-hmac-e8d0",
    "canary-in-a-token-5a5b",
    "canary-in-the-query-3c3c",
];

fn config(more: &str) -> String {
    let ([api, grpc, hmac, previous, subscription, ..], port) = (SECRETS, free_port());
    format!(
        r#"{{{more} "log": {{"level": "debug"}}, "prometheus": {{"enabled": true}}, "health": {{"enabled": true}},
        "swagger": {{"enabled": true}}, "http_api": {{"key": "{api}"}},
        "grpc_api": {{"enabled": true, "address": "127.0.0.1", "port": {port}, "key": "{grpc}"}},
        "client": {{"token": {{"hmac_secret_key": "{hmac}", "hmac_previous_secret_key": "{previous}"}},
            "subscription_token": {{"enabled": true, "hmac_secret_key": "{subscription}"}}}}}}"#
    )
}

fn says_none(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} says {secret}: {text}");
    }
}

#[test]
fn a_whole_life_of_the_server_says_no_secret() {
    let mut server = Server::start(&config(""), 2);
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnktaW4tYS10b2tlbi01YTViIn0.AAAA";
    let wrong = format!("X-API-Key: {}\r\n", SECRETS[1]);
    let right = format!("X-API-Key: {}\r\n", SECRETS[0]);
    let query = format!("/api/info?api_key={}", SECRETS[6]);
    let requests = [
        ("POST", "/api/info", &right[..], "{}"),
        ("POST", "/api/info", &wrong[..], "{}"),
        ("POST", &query[..], "", "{}"),
        ("POST", "/api/publish", &right[..], r#"{"channel":1}"#),
        ("GET", "/metrics", "", ""),
        ("GET", "/openapi.json", "", ""),
        ("GET", "/nothing/canary-in-the-query-3c3c", "", ""),
    ];
    for (method, path, fields, body) in requests {
        says_none(path, &server.request(method, path, fields, body).1);
    }
    let mut socket = Socket::open(&server);
    socket.send(&format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#));
    assert_eq!(socket.closed(), Some((3500, "invalid token".into())));
    // A reload with a bad value, one with a good one, and the end.
    server.rewrite_config(&config(r#""http_server": {"port": "x"},"#));
    server.signal("HUP");
    says_none("the log", &server.wait_for_log("not reloaded"));
    server.rewrite_config(&config(""));
    server.signal("HUP");
    says_none("the log", &server.wait_for_log("successfully reloaded"));
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let log = server.whole_log();
    assert!(log.contains("shutting down"), "{log}");
    says_none("the log", &log);
}

#[test]
fn a_secret_of_the_wrong_kind_is_not_repeated_in_the_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for (bad, key) in [
        (r#"{"http_api": {"key": ["canary-api-key-1f6a"]}}"#, "http_api.key"),
        (r#"{"client": {"token": {"hmac_secret_key": {"is": "canary-hmac-9d31"}}}}"#, "hmac_secret_key"),
        (r#"{"client": {"token": {"rsa_public_key": "canary-hmac-9d31"}}}"#, "rsa_public_key"),
        (r#"{"http_server": {"tls": {"enabled": true, "cert_pem": "x", "key_pem": "canary-hmac-9d31"}}}"#, "pem"),
    ] {
        let file = folder.path().join("config.json");
        std::fs::write(&file, bad).expect("the configuration");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_corecast"))
            .args(["--config", file.to_str().expect("a path"), "--port", "0"])
            .output()
            .expect("the binary");
        let text = String::from_utf8_lossy(&output.stdout).to_string() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(key), "{text}");
        says_none("the error", &text);
    }
}

#[test]
fn every_switch_that_takes_a_protection_away_is_warned_about() {
    let config = r#"{"client": {"insecure": true, "insecure_skip_token_signature_verify": true,
            "token": {"hmac_secret_key": "s"}},
        "http_api": {"insecure": true}, "corecast": {"echo": {"enabled": true}}}"#;
    let mut server = Server::start(config, 1);
    assert_eq!(server.end("TERM"), Some(0));
    let log = server.whole_log();
    for key in
        ["client.insecure", "client.insecure_skip_token_signature_verify", "http_api.insecure", "corecast.echo.enabled"]
    {
        let is_warning =
            |line: &&str| line.contains(r#""level":"warn""#) && line.contains(&format!(r#""key":"{key}""#));
        assert_eq!(log.lines().filter(is_warning).count(), 1, "{key}: {log}");
    }
}

#[test]
fn what_a_client_sends_stands_in_no_page_and_no_log_line_as_it_is() {
    let mut server = Server::start(&config(""), 1);
    let evil = "/%3Cscript%3Ealert(1)%3C/script%3E";
    let mut stream = server.connect();
    let request = format!(
        "GET {evil}?<script>=1 HTTP/1.1\r\nHost: t\r\nUser-Agent: <script>\x1b[31m\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).to_string();
    assert!(!answer.contains("<script>") && !answer.contains('\x1b'), "{answer}");
    for path in ["/swagger/", "/openapi.json", "/metrics"] {
        let body = server.request("GET", &format!("{path}?x=<script>alert(1)</script>"), "", "").1;
        assert!(!body.contains("<script>alert(1)"), "{path}");
    }
    assert_eq!(server.end("TERM"), Some(0));
    let log = server.whole_log();
    assert!(!log.contains("<script>") && !log.contains('\x1b'), "{log}");
}
