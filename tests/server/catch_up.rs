//! One slow client among hundreds on one channel, over real sockets: nobody waits for it, and it loses nothing.

use super::common::server::Server;
use super::common::socket::Socket;
use std::sync::{Arc, OnceLock};

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true, "queue_max_size": 200000},
  "websocket": {"write_timeout": "60s"},
  "http_api": {"key": "k"},
  "prometheus": {"enabled": true},
  "channel": {"namespaces": [
    {"name": "feed", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
     "history_size": 10000, "history_ttl": "300s", "force_recovery": true, "corecast_slow_consumer": "catch_up"}
  ]}
}"#;

/// Clients that read as fast as they can.
const FAST: usize = 300;

/// The offset of a publication.
fn offset(text: &str) -> usize {
    let rest = text.rsplit_once("\"offset\":").expect("an offset").1;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).expect("an end")].parse().expect("a number")
}

/// Reads publications until the one at `last`; every one must come, in order.
fn read_from(socket: &mut Socket, first: usize, last: usize) {
    for expected in first..=last {
        assert_eq!(offset(&socket.text().expect("it is kept")), expected);
    }
}

fn counter(server: &Server, name: &str) -> u64 {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).expect("a counter");
    line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

fn one_slow_among_hundreds(cores: usize) {
    let server = Server::start(CONFIG, cores);
    let data = "y".repeat(8_000);
    let publish = || {
        let answer = server.api("publish", &format!(r#"{{"channel":"feed:a","data":"{data}"}}"#));
        assert_eq!(answer.0, 200);
    };
    let mut slow = Socket::subscribed(&server, &["feed:a"]);
    let fast: Vec<Socket> = (0..FAST).map(|_| Socket::subscribed(&server, &["feed:a"])).collect();
    // Readers go on until they are told how many there are; the last publication comes behind that.
    let count = Arc::new(OnceLock::new());
    let readers: Vec<_> = fast
        .into_iter()
        .map(|mut socket| {
            let count = count.clone();
            std::thread::spawn(move || {
                let mut next = 1;
                while count.get().is_none_or(|count| next <= *count) {
                    read_from(&mut socket, next, next);
                    next += 1;
                }
                socket
            })
        })
        .collect();
    let mut published = 0;
    while counter(&server, "corecast_catch_up_dropped_publications_total") == 0 {
        (0..20).for_each(|_| publish());
        published += 20;
        assert!(published < 5_000, "its socket must be full now");
    }
    (0..50).for_each(|_| publish());
    published += 50;
    count.set(published + 1).expect("once");
    publish();
    // The fast ones have everything before the slow one reads at all.
    let mut fast: Vec<Socket> = readers.into_iter().map(|reader| reader.join().expect("a fast one")).collect();
    read_from(&mut slow, 1, published / 2);
    (0..20).for_each(|_| publish());
    read_from(&mut slow, published / 2 + 1, published + 21);
    publish();
    read_from(&mut slow, published + 22, published + 22);
    read_from(&mut fast[0], published + 2, published + 22);
    assert_eq!(counter(&server, "corecast_slow_clients_total"), 0);
    let counts = ["begun", "completed", "failed"].map(|n| counter(&server, &format!("corecast_catch_ups_{n}_total")));
    assert!(counts[0] >= 1 && counts[0] == counts[1] && counts[2] == 0, "{counts:?}");
}

#[test]
fn one_slow_client_among_hundreds_loses_nothing_on_one_core() {
    one_slow_among_hundreds(1);
}

#[test]
fn one_slow_client_among_hundreds_loses_nothing_on_two_cores() {
    one_slow_among_hundreds(2);
}
