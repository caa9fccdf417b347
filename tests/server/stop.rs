//! The orderly end, and the one that is not.

use super::CONFIG;
use super::common::server::Server;
use super::common::socket::Socket;
use std::io::{Read, Write};

#[test]
fn sigterm_tells_every_client_and_exits_with_zero() {
    for (cores, signal) in [(1, "TERM"), (2, "INT")] {
        let mut server = Server::start(CONFIG, cores);
        let mut sockets: Vec<Socket> = (0..20).map(|_| Socket::subscribed(&server, &["open:end"])).collect();
        assert_eq!(server.api("publish", r#"{"channel":"open:end","data":"last"}"#).0, 200);
        server.signal(signal);
        for socket in &mut sockets {
            assert!(socket.text().is_some_and(|text| text.contains("last")), "what was published comes first");
            assert_eq!(socket.closed(), Some((3001, "shutdown".into())));
            socket.close(3001);
        }
        assert_eq!(server.wait(), Some(0));
    }
}

#[test]
fn an_idle_http_connection_ends_with_the_server() {
    let mut server = Server::start(CONFIG, 1);
    let mut stream = server.connect();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n").expect("open");
    let mut answer = [0; 4096];
    assert!(stream.read(&mut answer).expect("an answer") > 0);
    server.signal("TERM");
    assert_eq!(stream.read(&mut answer).expect("the end"), 0);
    drop(stream);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_request_whose_head_was_read_is_answered_before_the_end() {
    let mut server = Server::start(CONFIG, 2);
    let mut subscriber = Socket::subscribed(&server, &["open:last"]);
    let mut stream = server.connect();
    let body = r#"{"channel":"open:last","data":1}"#;
    let head =
        format!("POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).expect("open");
    stream.write_all(&body.as_bytes()[..5]).expect("open");
    // The head is with the server when something sent behind it on another connection is answered.
    while !server.request("GET", "/metrics", "", "").1.contains("corecast_sockets 3\n") {}
    server.signal("TERM");
    server.wait_for_log("shutting down");
    stream.write_all(&body.as_bytes()[5..]).expect("open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let (status, text) = super::common::server::parse_answer(&answer);
    assert_eq!((status, text.as_str()), (200, r#"{"result":{}}"#));
    drop(stream);
    assert!(subscriber.text().is_some_and(|text| text.contains(r#""data":1"#)));
    assert_eq!(subscriber.closed(), Some((3001, "shutdown".into())));
    subscriber.close(3001);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_client_that_does_not_let_go_is_cut_at_the_time_limit() {
    let config = CONFIG.replacen('{', r#"{"shutdown": {"timeout": "1s"},"#, 1);
    let mut server = Server::start(&config, 1);
    let mut socket = Socket::subscribed(&server, &[]);
    server.signal("TERM");
    assert_eq!(socket.closed(), Some((3001, "shutdown".into())));
    // It answers nothing and does not close.
    assert_eq!(server.wait(), Some(1));
    let line = server.wait_for_log("shutdown.timeout");
    assert!(line.contains("1 connections were cut"), "{line}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(CONFIG, 1);
    let mut socket = Socket::subscribed(&server, &[]);
    server.signal("TERM");
    assert_eq!(socket.closed(), Some((3001, "shutdown".into())));
    server.signal("TERM");
    assert_eq!(server.wait(), Some(1));
    let line = server.wait_for_log("a second signal");
    assert!(line.contains("1 connections were cut on 1 cores"), "{line}");
}

fn status_of(server: &Server, path: &str) -> u16 {
    server.request("GET", path, "", "").0
}

#[test]
fn a_node_that_will_stop_says_so_and_serves_on() {
    let config = CONFIG.replacen('{', r#"{"shutdown": {"termination_delay": "3s"},"#, 1);
    let mut server = Server::start(&config, 2);
    assert_eq!(server.request("GET", "/health/ready", "", ""), (200, "{}".into()));
    server.signal("TERM");
    server.wait_for_log("not ready any more");
    let deadline = std::time::Instant::now() + super::common::server::PATIENCE;
    while status_of(&server, "/health/ready") != 503 {
        assert!(std::time::Instant::now() < deadline, "it is ready for ever");
    }
    assert_eq!(status_of(&server, "/health"), 200, "as Centrifugo has it");
    let mut late = Socket::subscribed(&server, &["open:late"]);
    assert_eq!(server.api("publish", r#"{"channel":"open:late","data":1}"#).0, 200);
    assert!(late.text().is_some_and(|text| text.contains(r#""data":1"#)));
    assert_eq!(late.closed(), Some((3001, "shutdown".into())));
    late.close(3001);
    assert_eq!(server.wait(), Some(0));
    server.wait_for_log("nothing was cut");
}

#[test]
fn clients_are_told_one_after_another_and_those_who_wait_are_served_meanwhile() {
    let config = CONFIG.replacen('{', r#"{"shutdown": {"spread": "1500ms"},"#, 1);
    for cores in [1, 2] {
        let mut server = Server::start(&config, cores);
        let mut sockets: Vec<Socket> = (0..30).map(|_| Socket::subscribed(&server, &["open:spread"])).collect();
        server.signal("TERM");
        server.wait_for_log("shutting down");
        let began = std::time::Instant::now();
        let ends = std::thread::scope(|scope| {
            let wait = |socket: &mut Socket| {
                let closed = socket.closed();
                let ended = began.elapsed();
                socket.close(3001);
                (closed, ended)
            };
            let threads: Vec<_> = sockets.iter_mut().map(|socket| scope.spawn(move || wait(socket))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a reader")).collect::<Vec<_>>()
        });
        assert!(ends.iter().all(|(closed, _)| *closed == Some((3001, "shutdown".into()))), "{ends:?}");
        let mut times: Vec<_> = ends.into_iter().map(|(_, time)| time).collect();
        times.sort();
        let spread = times[29] - times[0];
        assert!(spread > std::time::Duration::from_millis(1000), "{times:?}");
        let in_first_half = times.iter().filter(|time| **time < times[0] + spread / 2).count();
        assert!((8..=22).contains(&in_first_half), "evenly: {times:?}");
        assert_eq!(server.wait(), Some(0));
    }
}

#[test]
fn a_reload_that_does_not_hold_keeps_the_old_rules_and_one_that_holds_replaces_them() {
    let mut server = Server::start(CONFIG, 2);
    let mut socket = Socket::subscribed(&server, &[]);
    server.rewrite_config("{ not json");
    server.signal("HUP");
    server.wait_for_log("not reloaded");
    socket.send(r#"{"id":50,"subscribe":{"channel":"late:a"}}"#);
    assert!(socket.text().is_some_and(|text| text.contains("102")));
    server.rewrite_config(&CONFIG.replace("\"open\"", "\"late\""));
    server.signal("HUP");
    server.wait_for_log("reloaded");
    // The line is written when every core has been told; each takes the rules over with its next turn.
    let deadline = std::time::Instant::now() + super::common::server::PATIENCE;
    let mut reply = String::new();
    while reply != r#"{"id":51,"subscribe":{}}"# {
        assert!(std::time::Instant::now() < deadline, "{reply}");
        socket.send(r#"{"id":51,"subscribe":{"channel":"late:a"}}"#);
        reply = socket.text().expect("a reply");
    }
}
