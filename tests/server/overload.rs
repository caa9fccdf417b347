//! The overload ladder: what is given up when memory gets scarce, in which order, and that all of it comes back.

use super::CONFIG;
use super::common::server::{PATIENCE, Server, parse_answer};
use super::common::socket::Socket;
use super::common::ws::upgrade;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// The least that a core may have.
const BUDGET_PER_CORE: usize = 16 << 20;

/// Much may wait for a client, which takes its time; what is kept is kept for two seconds.
fn server(cores: usize) -> Server {
    let ours = format!(
        r#"{{"corecast": {{"memory": {{"budget": {}}}}}, "websocket": {{"write_timeout": "1h"}}, "#,
        cores * BUDGET_PER_CORE
    );
    let config = CONFIG.replacen('{', &ours, 1);
    let config = config.replacen(r#""client": {"#, r#""client": {"queue_max_size": 1000000000, "#, 1);
    let kept = r#"{"name": "kept", "history_size": 100000, "history_ttl": "2s", "allow_publish_for_client": true,
        "allow_publish_for_anonymous": true, "allow_subscribe_for_client": true}, {"name": "open""#;
    Server::start(&config.replacen(r#"{"name": "open""#, kept, 1), cores)
}

fn publish(server: &Server, channel: &str, bytes: usize) -> (u16, String) {
    server.api("publish", &format!(r#"{{"channel":"{channel}","data":"{}"}}"#, "y".repeat(bytes)))
}

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not counted")).parse().expect("a number")
}

fn is_ready(server: &Server) -> bool {
    server.request("GET", "/health/ready", "", "") == (200, "{}".into())
}

/// The whole ladder is climbed down again within ten seconds.
fn wait_for_calm(server: &mut Server) {
    let since = Instant::now();
    while !is_ready(server) {
        assert!(since.elapsed() < PATIENCE, "it does not recover");
    }
    server.wait_for_log("overload is over");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[test]
fn whoever_does_not_read_costs_new_clients_first_and_then_its_own_connection() {
    for cores in [1, 2] {
        let mut server = server(cores);
        let mut silent = Socket::subscribed(&server, &["open:flood"]);
        let began = Instant::now();
        while is_ready(&server) {
            assert_eq!(publish(&server, "open:flood", 60_000), (200, r#"{"result":{}}"#.into()));
            assert!(began.elapsed() < PATIENCE, "nothing is given up");
        }
        assert_eq!(server.request("GET", "/health/ready", "", ""), (503, r#"{"reason":"short of memory"}"#.into()));
        assert!(metric(&server, r#"corecast_memory_bytes{purpose="output"}"#) > BUDGET_PER_CORE as u64 / 2);
        let mut stream = server.connect();
        stream.write_all(&upgrade("", "Connection: close\r\n")).expect("open");
        let mut answer = vec![0; 4096];
        let n = stream.read(&mut answer).expect("an answer");
        assert_eq!(parse_answer(&answer[..n]).0, 503);
        assert!(String::from_utf8_lossy(&answer[..n]).contains("\r\nRetry-After: 1\r\n"));
        assert!(metric(&server, "corecast_overload_connections_refused_total") >= 1);
        assert!(metric(&server, "corecast_overload_pauses_total") >= 1, "whoever published was not read for a moment");
        // More of it, and the one who does not read is cut; everything goes on meanwhile.
        let began = Instant::now();
        while metric(&server, "corecast_overload_cuts_total") == 0 {
            publish(&server, "open:flood", 60_000);
            assert!(began.elapsed() < PATIENCE, "nobody is cut");
        }
        assert_eq!(silent.closed(), Some((3008, "slow".into())));
        wait_for_calm(&mut server);
        Socket::subscribed(&server, &["open:flood"]);
        assert_eq!(publish(&server, "open:flood", 10), (200, r#"{"result":{}}"#.into()));
    }
}

#[test]
fn a_full_history_refuses_publications_until_it_has_expired() {
    for cores in [1, 2] {
        let mut server = server(cores);
        let mut client = Socket::subscribed(&server, &[]);
        let began = Instant::now();
        let refused = loop {
            let answer = publish(&server, "kept:a", 100_000);
            if answer.1.contains("error") {
                break answer;
            }
            assert!(began.elapsed() < PATIENCE, "history grows without end");
        };
        assert_eq!(refused, (200, r#"{"error":{"code":111,"message":"too many requests"}}"#.into()));
        let fields = "X-API-Key: k\r\nX-Centrifugo-Error-Mode: transport\r\n";
        let answer = server.request("POST", "/api/broadcast", fields, r#"{"channels":["kept:a"],"data":1}"#);
        assert_eq!(answer, (429, r#"{"code":111,"message":"too many requests"}"#.into()));
        client.send(r#"{"id":9,"publish":{"channel":"open:x","data":{}}}"#);
        let expected = r#"{"id":9,"error":{"code":111,"message":"too many requests","temporary":true}}"#;
        assert_eq!(client.text().as_deref(), Some(expected));
        assert!(metric(&server, "corecast_overload_publications_refused_total") >= 3);
        let held = metric(&server, r#"corecast_memory_bytes{purpose="history"}"#);
        assert!(held < BUDGET_PER_CORE as u64 * 11 / 10, "{held}");
        wait_for_calm(&mut server);
        assert_eq!(metric(&server, r#"corecast_memory_bytes{purpose="history"}"#), 0);
        client.send(r#"{"id":10,"publish":{"channel":"open:x","data":{}}}"#);
        assert_eq!(client.text().as_deref(), Some(r#"{"id":10,"publish":{}}"#));
    }
}

#[test]
fn a_budget_that_is_too_small_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.json");
    std::fs::write(&file, r#"{"corecast": {"memory": {"budget": 1000}}}"#).expect("the configuration");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_corecast"))
        .args(["--config", file.to_str().expect("a path"), "--address", "127.0.0.1", "--port", "0", "--cores", "1"])
        .output()
        .expect("the binary");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("corecast.memory.budget is 1000: 1 cores need at least 16777216 bytes"), "{text}");
}
