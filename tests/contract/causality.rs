//! A call that has been answered has taken effect, for whoever calls next and wherever that is.

use super::clients::{Client, each_gets, many};
use super::config::{self, Dialect};
use super::http::Api;
use super::pattern::Names;
use crate::common::server::Server;
use serde_json::json;

/// Connections to the API, so many that each core has some; each call takes the next.
struct Callers {
    apis: Vec<Api>,
    turn: usize,
}

impl Callers {
    fn new(server: &Server) -> Callers {
        Callers { apis: (0..16).map(|_| Api::new(server.address)).collect(), turn: 0 }
    }

    fn call(&mut self, method: &str, body: &str) -> String {
        self.turn += 1;
        let count = self.apis.len();
        self.apis[self.turn * 7 % count].call(method, body)
    }

    fn ok(&mut self, method: &str, body: &str) {
        assert_eq!(self.call(method, body), r#"{"result":{}}"#, "{method} {body}");
    }
}

fn both() -> impl Iterator<Item = (Server, Callers)> {
    [(Dialect::V5, 1), (Dialect::V6, 2)].into_iter().map(|(dialect, cores)| {
        let server = config::start(dialect, cores, json!({}));
        let callers = Callers::new(&server);
        (server, callers)
    })
}

#[test]
fn who_is_subscribed_gets_what_is_published_next_and_who_is_not_does_not() {
    for (server, mut callers) in both() {
        let mut clients = many(&server, "42");
        for n in 0..50 {
            callers.ok("subscribe", r#"{"user":"42","channel":"chat:a"}"#);
            callers.ok("publish", &format!(r#"{{"channel":"chat:a","data":{n}}}"#));
            callers.ok("unsubscribe", r#"{"user":"42","channel":"chat:a"}"#);
            callers.ok("publish", r#"{"channel":"chat:a","data":"lost"}"#);
        }
        for client in &mut clients {
            for n in 0..50 {
                assert_eq!(client.line("subscribe"), r#"{"push":{"channel":"chat:a","subscribe":{}}}"#, "{n}");
                let publication = format!(r#"{{"push":{{"channel":"chat:a","pub":{{"data":{n}}}}}}}"#);
                assert_eq!(client.line("publication"), publication);
                let want = r#"{"push":{"channel":"chat:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;
                assert_eq!(client.line("unsubscribe"), want, "{n}");
            }
        }
    }
}

#[test]
fn the_last_word_arrives_before_the_close() {
    for (server, mut callers) in both() {
        for n in 0..20 {
            let mut clients = many(&server, "42");
            let channel = format!("chat:{n}");
            callers.ok("subscribe", &json!({"user": "42", "channel": channel}).to_string());
            callers.ok("publish", &json!({"channel": channel, "data": "bye"}).to_string());
            callers.ok("disconnect", r#"{"user":"42","disconnect":{"code":4500,"reason":"bye"}}"#);
            let mut names = Names::default();
            let subscribed = format!(r#"{{"push":{{"channel":"{channel}","subscribe":{{}}}}}}"#);
            each_gets("subscribe", &mut clients, &mut names, &subscribed);
            let said = format!(r#"{{"push":{{"channel":"{channel}","pub":{{"data":"bye"}}}}}}"#);
            each_gets("publication", &mut clients, &mut names, &said);
            clients.iter_mut().for_each(|client| client.expect_close("disconnect", 4500, "bye"));
        }
    }
}

#[test]
fn what_is_published_is_in_the_history() {
    for (_server, mut callers) in both() {
        let mut names = Names::default();
        for n in 1..=50 {
            let got = callers.call("publish", &format!(r#"{{"channel":"long:a","data":{n}}}"#));
            names.expect("publish", &format!(r#"{{"result":{{"offset":{n},"epoch":"<e>"}}}}"#), &got);
            let got = callers.call("history", r#"{"channel":"long:a","limit":1,"reverse":true}"#);
            let want =
                format!(r#"{{"result":{{"publications":[{{"data":{n},"offset":{n}}}],"epoch":"<e>","offset":{n}}}}}"#);
            names.expect("history", &want, &got);
        }
        callers.ok("history_remove", r#"{"channel":"long:a"}"#);
        let got = callers.call("history", r#"{"channel":"long:a","limit":-1}"#);
        names.expect("history_remove", r#"{"result":{"publications":[],"epoch":"<e>","offset":50}}"#, &got);
    }
}

#[test]
fn a_repeated_key_is_known_wherever_it_is_repeated() {
    for (_server, mut callers) in both() {
        let body = r#"{"channel":"hist:k","data":1,"idempotency_key":"k"}"#;
        let first = callers.call("publish", body);
        (0..50).for_each(|_| assert_eq!(callers.call("publish", body), first));
    }
}

#[test]
fn presence_and_channels_follow_at_once() {
    for (server, mut callers) in both() {
        let mut clients: Vec<Client> = many(&server, "42");
        for _ in 0..20 {
            callers.ok("subscribe", r#"{"user":"42","channel":"pres:a"}"#);
            let stats = callers.call("presence_stats", r#"{"channel":"pres:a"}"#);
            assert_eq!(stats, r#"{"result":{"num_clients":16,"num_users":1}}"#);
            let channels = callers.call("channels", "{}");
            assert_eq!(channels, r#"{"result":{"channels":{"pres:a":{"num_clients":16}}}}"#);
            callers.ok("unsubscribe", r#"{"user":"42","channel":"pres:a"}"#);
            let stats = callers.call("presence_stats", r#"{"channel":"pres:a"}"#);
            assert_eq!(stats, r#"{"result":{"num_clients":0,"num_users":0}}"#);
            assert_eq!(callers.call("channels", "{}"), r#"{"result":{"channels":{}}}"#);
        }
        for _ in 0..20 {
            let mut names = Names::default();
            each_gets("subscribe", &mut clients, &mut names, r#"{"push":{"channel":"pres:a","subscribe":{}}}"#);
            let want = r#"{"push":{"channel":"pres:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;
            each_gets("unsubscribe", &mut clients, &mut names, want);
        }
    }
}

#[test]
fn a_key_that_many_use_at_once_publishes_once() {
    for (server, mut callers) in both() {
        let mut clients = many(&server, "42");
        callers.ok("subscribe", r#"{"user":"42","channel":"hist:once"}"#);
        for n in 1..=20 {
            let body = format!(r#"{{"channel":"hist:once","data":{n},"idempotency_key":"{n}"}}"#);
            let answers: Vec<String> = std::thread::scope(|scope| {
                let call = |api| scope.spawn(|| Api::call(api, "publish", &body));
                let threads: Vec<_> = callers.apis.iter_mut().map(call).collect();
                threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
            });
            assert!(answers[0].starts_with(&format!(r#"{{"result":{{"offset":{n},"#)), "{n}: {}", answers[0]);
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{n}: {answers:?}");
        }
        let command = r#"{"publish":{"channel":"hist:once","data":21,"idempotency_key":"21"}}"#;
        let batch = format!(r#"{{"parallel":true,"commands":[{}]}}"#, vec![command; 1000].join(","));
        let answer = callers.call("batch", &batch);
        assert_eq!(answer.matches(r#""offset":21,"#).count(), 1000, "in one batch");
        for client in &mut clients {
            assert_eq!(client.line("subscribe"), r#"{"push":{"channel":"hist:once","subscribe":{}}}"#);
            for n in 1..=21 {
                let push = client.line("publication");
                assert!(push.contains(&format!(r#""data":{n},"offset":{n}"#)), "{n}: {push}");
            }
        }
    }
}
