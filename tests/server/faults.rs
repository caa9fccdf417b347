//! Peers and surroundings that fail, in numbers: what is left behind is nothing, and bystanders notice nothing.

use super::CONFIG;
use super::common::server::{PATIENCE, Server};
use super::common::socket::Socket;
use super::common::ws::upgrade;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not counted")).parse().expect("a number")
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what}");
    }
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("alive").count()
}

/// TCP ends with RST.
fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("an option");
}

#[test]
fn clients_that_reset_while_they_are_written_to_leave_nothing_behind() {
    for cores in [1, 2] {
        let server = Server::start(CONFIG, cores);
        let mut bystander = Socket::subscribed(&server, &["open:quiet"]);
        for round in 0..10 {
            let crowd: Vec<Socket> = (0..50).map(|_| Socket::subscribed(&server, &["open:flood"])).collect();
            for n in 0..5 {
                let data = format!(r#"{{"channel":"open:flood","data":"{}"}}"#, "y".repeat(20_000));
                assert_eq!(server.api("publish", &data).0, 200, "round {round}, {n}");
            }
            crowd.iter().for_each(|socket| reset(&socket.stream));
        }
        wait_until("somebody is still there", || metric(&server, "centrifugo_node_num_clients") == 1);
        assert_eq!(metric(&server, "centrifugo_node_num_subscriptions"), 1);
        // What was written last is forgotten with the next pass.
        let held = || metric(&server, r#"corecast_memory_bytes{purpose="output"}"#);
        wait_until("what waited for them is kept", || held() < 64 << 10);
        assert_eq!(server.api("publish", r#"{"channel":"open:quiet","data":1}"#).0, 200);
        assert!(bystander.text().is_some_and(|text| text.contains(r#""data":1"#)));
    }
}

#[test]
fn thousands_of_half_sent_requests_cost_little_and_disturb_nobody() {
    let server = Server::start(CONFIG, 2);
    let mut bystander = Socket::subscribed(&server, &["open:a"]);
    let before = server.anonymous_memory_kib();
    let crowd: Vec<TcpStream> = (0..4_000)
        .map(|n| {
            let mut stream = server.connect();
            let half = upgrade("", &format!("X-Number: {n}\r\n"));
            stream.write_all(&half[..half.len() - 10]).expect("open");
            stream
        })
        .collect();
    wait_until("they are not all there", || metric(&server, "corecast_sockets") >= 4_000);
    let grown = server.anonymous_memory_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB for {} of them", crowd.len());
    let mut slowest = Duration::ZERO;
    for n in 0..50 {
        let began = Instant::now();
        assert_eq!(server.api("publish", &format!(r#"{{"channel":"open:a","data":{n}}}"#)).0, 200);
        assert!(bystander.text().is_some_and(|text| text.ends_with(&format!(r#""data":{n}}}}}}}"#))));
        slowest = slowest.max(began.elapsed());
    }
    println!("{grown} KiB; the slowest of 50 publications took {slowest:?}");
}

#[test]
fn a_crowd_that_never_reads_shares_what_waits_for_it_and_is_cut() {
    let server = Server::start(CONFIG, 2);
    let mut silent: Vec<Socket> = (0..300).map(|_| Socket::subscribed(&server, &["open:flood"])).collect();
    let mut reader = Socket::subscribed(&server, &["open:flood"]);
    let before = server.anonymous_memory_kib();
    let data = format!(r#"{{"channel":"open:flood","data":"{}"}}"#, "y".repeat(60_000));
    let mut most = 0;
    for _ in 0..200 {
        assert_eq!(server.api("publish", &data).0, 200);
        assert!(reader.text().is_some_and(|text| text.len() > 60_000), "who reads gets everything");
        most = most.max(server.anonymous_memory_kib());
    }
    wait_until("they are kept", || metric(&server, "corecast_slow_clients_total") == 300);
    let grown = most.saturating_sub(before);
    println!("{grown} KiB for 300 clients that read nothing");
    assert!(grown < 32 << 10, "{grown} KiB: each had a mebibyte of its own");
    assert_eq!(silent[7].closed(), Some((3008, "slow".into())));
}

/// What each of these leaves behind, in four ways of ending, must be less than any block of memory: 16 bytes.
const COMING_AND_GOING: usize = 2_000;
const TRACE_KIB: u64 = 16 * COMING_AND_GOING as u64 / 1024;

/// So often memory may grow until the allocator has seen all its pages.
const ROUNDS: usize = 40;

#[test]
fn connections_come_and_go_without_a_trace() {
    // Memory is counted in pages, so they must not be of 2 MiB.
    let small_pages = ["/usr/bin/env", "MIMALLOC_ALLOW_THP=0"];
    let server = Server::start_under(&small_pages, CONFIG, &["--cores", "2"]);
    let cycle = || {
        for n in 0..COMING_AND_GOING {
            match n % 4 {
                0 => drop(Socket::subscribed(&server, &["open:a"])),
                1 => {
                    let socket = Socket::subscribed(&server, &["open:b"]);
                    reset(&socket.stream);
                }
                2 => {
                    let mut stream = server.connect();
                    stream.write_all(&upgrade("", "")[..40]).expect("open");
                    reset(&stream);
                }
                _ => {
                    let mut socket = Socket::subscribed(&server, &[]);
                    socket.close(1000);
                    assert!(socket.closed().is_some());
                }
            }
        }
        wait_until("somebody is still there", || metric(&server, "corecast_sockets") == 1);
        server.anonymous_memory_kib()
    };
    let mut memory = cycle();
    let open = descriptors(&server);
    let comes_to_rest = (0..ROUNDS).any(|_| {
        let before = std::mem::replace(&mut memory, cycle());
        println!("{before} KiB, then {memory} KiB");
        memory < before + TRACE_KIB
    });
    assert!(comes_to_rest, "each round leaves more than {TRACE_KIB} KiB behind");
    wait_until("descriptors stay open", || descriptors(&server) <= open);
    assert_eq!(metric(&server, "corecast_connection_panics_total"), 0);
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let config = CONFIG.replacen('{', r#"{"log": {"level": "debug", "file": "/dev/full"},"#, 1);
    let server = Server::start_silently(&config, 1);
    let mut socket = Socket::subscribed(&server, &["open:a"]);
    server.signal("HUP");
    assert_eq!(server.api("publish", r#"{"channel":"open:a","data":1}"#).0, 200);
    assert!(socket.text().is_some_and(|text| text.contains(r#""data":1"#)));
    assert!(metric(&server, "corecast_log_lines_lost_total") > 0);
}
