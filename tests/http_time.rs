//! Slow senders over HTTP, in virtual time: each wait has its limit, and a drip of bytes gains nothing.

mod common;

use common::pure::Pure;
use common::server::parse_answer;
use std::time::Duration;

const CONFIG: &str = r#"{"http_api": {"key": "k"}, "health": {"enabled": true}}"#;
const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: t\r\n\r\n";

fn second(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_head_that_drips_is_refused_after_ten_seconds() {
    let mut pure = Pure::new(&common::load(CONFIG), 1);
    let connection = pure.open();
    for byte in HEALTH.bytes().take(9) {
        pure.send(connection, vec![byte]);
        pure.advance(second(1));
    }
    assert!(!pure.is_over(connection) && pure.take(connection).is_empty());
    pure.advance(second(2));
    assert_eq!(parse_answer(&pure.take(connection)), (408, String::new()));
    assert!(pure.is_over(connection));
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let mut pure = Pure::new(&common::load(CONFIG), 1);
    let connection = pure.open();
    pure.advance(second(11));
    assert!(pure.is_over(connection) && pure.take(connection).is_empty());
}

#[test]
fn a_body_that_stops_is_refused_after_half_a_minute_and_one_that_flows_is_not() {
    let mut pure = Pure::new(&common::load(CONFIG), 1);
    let head = "POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: 24\r\n\r\n";
    let body = r#"{"channel":"a","data":1}"#;
    let connection = pure.open();
    let long = format!(r#"{{"channel":"a","data":"{}"}}"#, "x".repeat(60_000));
    pure.send(connection, head.replace("24", &long.len().to_string()).into());
    for piece in long.as_bytes().chunks(10_100) {
        pure.advance(second(20));
        pure.send(connection, piece.into());
    }
    assert_eq!(parse_answer(&pure.take(connection)), (200, r#"{"result":{}}"#.into()));
    pure.send(connection, head.into());
    pure.send(connection, body.as_bytes()[..5].to_vec());
    pure.advance(second(31));
    assert_eq!(parse_answer(&pure.take(connection)).0, 408);
}

#[test]
fn a_body_that_drips_is_refused_though_it_is_never_silent() {
    let mut pure = Pure::new(&common::load(CONFIG), 2);
    let connection = pure.open();
    let head = "POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: 100\r\n\r\n";
    pure.send(connection, head.into());
    for _ in 0..29 {
        pure.send(connection, vec![b' ']);
        pure.advance(second(1));
    }
    assert!(!pure.is_over(connection) && pure.take(connection).is_empty());
    pure.advance(second(2));
    assert_eq!(parse_answer(&pure.take(connection)).0, 408);
    assert!(pure.is_over(connection));
}

#[test]
fn an_idle_connection_is_kept_for_five_minutes() {
    let mut pure = Pure::new(&common::load(CONFIG), 2);
    let connection = pure.open();
    for _ in 0..3 {
        pure.send(connection, HEALTH.into());
        assert_eq!(parse_answer(&pure.take(connection)), (200, "{}".into()));
        pure.advance(second(290));
    }
    assert!(!pure.is_over(connection));
    pure.advance(second(20));
    assert!(pure.is_over(connection) && pure.take(connection).is_empty());
}

#[test]
fn a_peer_that_closes_its_side_still_gets_its_answers() {
    let mut pure = Pure::new(&common::load(CONFIG), 2);
    let connection = pure.open();
    pure.send(connection, HEALTH.repeat(3).into());
    pure.hang_up(connection);
    let answers = String::from_utf8(pure.take(connection)).expect("text");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3);
    assert!(pure.is_over(connection));
}
