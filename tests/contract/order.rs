//! One order for all: what is published to a channel by many at once arrives everywhere in the order of its history.

use super::clients::{Client, many};
use super::config::{self, Dialect};
use super::http::{Api, Http};
use super::pattern::Names;
use crate::common::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::thread;

const PUBLISHERS: usize = 8;
const EACH: usize = 200;

#[test]
fn publications_arrive_in_the_order_of_the_history() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        let server = config::start(dialect, cores, json!({}));
        let mut subscribers = subscribed(&server, "long:order");
        publish_at_once(&server, "long:order");
        let heard: Vec<Vec<Value>> = subscribers.iter_mut().map(hear).collect();
        let history = Api::new(server.address).call("history", r#"{"channel":"long:order","limit":-1}"#);
        let history: Value = serde_json::from_str(&history).expect("JSON");
        let history = history["result"]["publications"].as_array().expect("publications");
        assert_eq!(history.len(), PUBLISHERS * EACH);
        for (at, publication) in history.iter().enumerate() {
            assert_eq!(publication["offset"], at + 1);
            for (subscriber, heard) in heard.iter().enumerate() {
                let (data, offset) = (&heard[at]["data"], &heard[at]["offset"]);
                assert_eq!(
                    (data, offset),
                    (&publication["data"], &publication["offset"]),
                    "{cores} cores, {subscriber}"
                );
            }
        }
        check_publishers(history.iter().map(|publication| &publication["data"]));
    }
}

#[test]
fn publications_without_history_arrive_in_one_order_too() {
    for (dialect, cores) in [(Dialect::V6, 1), (Dialect::V5, 2)] {
        let server = config::start(dialect, cores, json!({}));
        let mut subscribers = subscribed(&server, "chat:order");
        publish_at_once(&server, "chat:order");
        let heard: Vec<Vec<Value>> = subscribers.iter_mut().map(hear).collect();
        for (subscriber, others) in heard.iter().enumerate() {
            assert_eq!(others, &heard[0], "{cores} cores, {subscriber}");
        }
        check_publishers(heard[0].iter().map(|publication| &publication["data"]));
    }
}

fn subscribed(server: &Server, channel: &str) -> Vec<Client> {
    let mut clients = many(server, "s");
    Api::new(server.address).ok("subscribe", &json!({"user": "s", "channel": channel}).to_string());
    let want = format!(r#"{{"push":{{"channel":"{channel}","subscribe":{{}}}}}}"#);
    super::clients::each_gets("subscribe", &mut clients, &mut Names::default(), &want);
    clients
}

/// Each publisher on its own connection, through each form of HTTP by turns.
fn publish_at_once(server: &Server, channel: &str) {
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let mut http = Http::new(server.address);
            scope.spawn(move || {
                for n in 0..EACH {
                    let request = format!(r#"{{"channel":"{channel}","data":[{publisher},{n}]}}"#);
                    let (path, body) = match n % 3 {
                        0 => ("/api/publish", request),
                        1 => ("/api/batch", format!(r#"{{"commands":[{{"publish":{request}}}]}}"#)),
                        _ => ("/api", format!(r#"{{"method":"publish","params":{request}}}"#)),
                    };
                    let answer = http.post(path, body.as_bytes()).unwrap_or_else(|e| panic!("{body}: {e}"));
                    assert!(answer.status == 200 && !answer.text().contains("error"), "{body}: {}", answer.text());
                }
            });
        }
    });
}

fn hear(client: &mut Client) -> Vec<Value> {
    let hear_one = |_| {
        let push: Value = serde_json::from_str(&client.line("publication")).expect("JSON");
        push["push"]["pub"].clone()
    };
    (0..PUBLISHERS * EACH).map(hear_one).collect()
}

/// Nothing is lost, nothing comes twice, and what one publisher published keeps its order: each call was answered before
/// the next.
fn check_publishers<'a>(data: impl Iterator<Item = &'a Value>) {
    let mut next = [0; PUBLISHERS];
    let mut seen = BTreeSet::new();
    for data in data {
        let [publisher, n] = [0, 1].map(|at| data[at].as_u64().expect("a number") as usize);
        assert!(seen.insert((publisher, n)), "{data} twice");
        assert_eq!(n, next[publisher], "{data} out of turn");
        next[publisher] += 1;
    }
    assert_eq!(next, [EACH; PUBLISHERS]);
}
