//! What options of a namespace make of calls: the format of payloads, the end of a history, of a subscription.

use super::clients::{Next, each_gets, many};
use super::config::{self, Dialect};
use super::http::{Api, Http};
use super::pattern::Names;
use crate::common::server::PATIENCE;
use serde_json::{Value, json};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const OK: &str = r#"{"result":{}}"#;
const BAD: &str = r#"{"error":{"code":107,"message":"bad request"}}"#;

/// Requests to namespaces `js` (json), `jo` (json_object) and `bi` (binary).
const FORMATS: &[(&str, &str, &str)] = &[
    ("publish", r#"{"channel":"js:a","data":[1]}"#, OK),
    ("publish", r#"{"channel":"js:a","b64data":"WzFd"}"#, OK),
    ("publish", r#"{"channel":"js:a","b64data":"AAEC"}"#, BAD),
    ("publish", r#"{"channel":"js:a"}"#, BAD),
    ("publish", r#"{"channel":"jo:a","data":{"a":1}}"#, OK),
    ("publish", r#"{"channel":"jo:a","data":[1]}"#, BAD),
    ("publish", r#"{"channel":"jo:a","data":null}"#, BAD),
    ("publish", r#"{"channel":"jo:a","b64data":"eyJhIjoxfQ=="}"#, OK),
    ("publish", r#"{"channel":"jo:a","b64data":"WzFd"}"#, BAD),
    ("publish", r#"{"channel":"bi:a","b64data":"AAEC"}"#, OK),
    ("publish", r#"{"channel":"bi:a"}"#, OK),
    ("publish", r#"{"channel":"bi:a","b64data":"\n"}"#, OK),
    ("publish", r#"{"channel":"bi:a","b64data":"*"}"#, BAD),
    (
        "broadcast",
        r#"{"channels":["bi:a","jo:a","js:a"],"data":{}}"#,
        r#"{"result":{"responses":[{"result":{}},{"result":{}},{"result":{}}]}}"#,
    ),
    (
        "broadcast",
        r#"{"channels":["bi:a","jo:a","js:a"],"data":[]}"#,
        r#"{"result":{"responses":[{"result":{}},{"error":{"code":107,"message":"bad request"}},{"result":{}}]}}"#,
    ),
    (
        "broadcast",
        r#"{"channels":["bi:a","test"]}"#,
        r#"{"result":{"responses":[{"result":{}},{"error":{"code":107,"message":"bad request"}}]}}"#,
    ),
    ("broadcast", r#"{"channels":["test","jo:a"]}"#, BAD),
];

#[test]
fn the_format_of_a_namespace_decides_what_is_a_payload() {
    for cores in [1, 2] {
        let namespaces = json!([
            {"name": "js", "publication_data_format": "json"},
            {"name": "jo", "publication_data_format": "json_object"},
            {"name": "bi", "publication_data_format": "binary"}
        ]);
        let server = config::start(Dialect::V6, cores, json!({"channel": {"namespaces": namespaces}}));
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        for (method, body, want) in FORMATS {
            http.expect(&mut names, "format", &format!("/api/{method}"), body, 200, want);
        }
    }
}

#[test]
fn a_history_that_has_ended_keeps_its_position() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        let namespaces = json!([{"name": "brief", "history_size": 5, "history_ttl": "1s"}]);
        let changes = match dialect {
            Dialect::V5 => json!({"namespaces": namespaces}),
            Dialect::V6 => json!({"channel": {"namespaces": namespaces}}),
        };
        let server = config::start(dialect, cores, changes);
        let (mut api, mut names) = (Api::new(server.address), Names::default());
        let got = api.call("publish", r#"{"channel":"brief:a","data":1}"#);
        names.expect("publish", r#"{"result":{"offset":1,"epoch":"<e>"}}"#, &got);
        let deadline = Instant::now() + PATIENCE;
        let over = loop {
            let got = api.call("history", r#"{"channel":"brief:a","limit":-1}"#);
            let value: Value = serde_json::from_str(&got).expect("JSON");
            if value["result"]["publications"] == json!([]) {
                break got;
            }
            assert!(Instant::now() < deadline, "it does not end: {got}");
        };
        names.expect("after the end", r#"{"result":{"publications":[],"epoch":"<e>","offset":1}}"#, &over);
        let got = api.call("publish", r#"{"channel":"brief:a","data":2}"#);
        names.expect("publish", r#"{"result":{"offset":2,"epoch":"<e>"}}"#, &got);
    }
}

#[test]
fn a_subscription_that_has_an_end_closes_the_connection_then() {
    let rows = [
        (Dialect::V5, 1, json!({"client_presence_update_interval": "1s", "client_expired_sub_close_delay": "1s"})),
        (Dialect::V6, 2, json!({"client": {"presence_update_interval": "1s", "expired_sub_close_delay": "1s"}})),
    ];
    for (dialect, cores, changes) in rows {
        let server = config::start(dialect, cores, changes);
        let (mut api, mut clients) = (Api::new(server.address), many(&server, "42"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        api.ok("subscribe", &json!({"user": "42", "channel": "chat:a", "expire_at": now + 2}).to_string());
        let push = r#"{"push":{"channel":"chat:a","subscribe":{}}}"#;
        each_gets("subscribe", &mut clients, &mut Names::default(), push);
        for client in &mut clients {
            assert_eq!(client.next(), Next::Close(3006, "subscription expired".into()));
        }
    }
}
