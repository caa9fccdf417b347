//! Group H: many commands in one request.

use super::clients::Client;
use super::config::{self, Dialect};
use super::http::{Api, Http};
use super::pattern::Names;
use serde_json::json;

const E104: &str = r#"{"replies":[{"error":{"code":104,"message":"not found"}}]}"#;
const E107: &str = r#"{"replies":[{"error":{"code":107,"message":"bad request"}}]}"#;
const NO_JSON: &str = "Bad Request\n";

/// The members of the body but `parallel`, status, answer.
const ROWS: &[(&str, &str, u16, &str)] = &[
    (
        "H1",
        r#""commands":[{"publish":{"channel":"test1","data":{}}},{"publish":{"channel":"x:test2","data":{}}}]"#,
        200,
        r#"{"replies":[{"publish":{}},{"error":{"code":102,"message":"unknown channel"}}]}"#,
    ),
    ("H2", r#""commands":[]"#, 200, "{}"),
    ("H2.none", r#""x":1"#, 200, "{}"),
    ("H2.null", r#""commands":null"#, 200, "{}"),
    ("H3", r#""commands":[{}]"#, 200, E104),
    ("H3.unknown", r#""commands":[{"foo":{}}]"#, 200, E104),
    ("H3.null", r#""commands":[{"publish":null}]"#, 200, E104),
    ("H3.pro", r#""commands":[{"connections":{}}]"#, 200, E104),
    ("H3.batch", r#""commands":[{"batch":{"commands":[]}}]"#, 200, E104),
    ("H3.method", r#""commands":[{"method":5}]"#, 200, E104),
    ("H4", r#""commands":[{"publish":{}}]"#, 200, E107),
    ("H5", r#""commands":[{"method":"publish","params":{"channel":"a","data":1}}]"#, 200, E104),
    ("H6", r#""commands":[{"info":{},"publish":{"channel":"a","data":1}}]"#, 200, r#"{"replies":[{"publish":{}}]}"#),
    (
        "H6.order",
        r#""commands":[{"channels":{},"refresh":{},"rpc":{"method":"x"}},{"channels":{},"refresh":{}},
            {"info":{},"presence_stats":{"channel":"pres:a"}},{"presence":{"channel":"pres:a"},"presence_stats":{}},
            {"history_remove":{"channel":"hist:z"},"presence":{}},{"history":{},"history_remove":{"channel":"hist:z"}},
            {"disconnect":{"user":"x"},"history":{}},{"unsubscribe":{},"disconnect":{}},{"subscribe":{},"unsubscribe":{}},
            {"broadcast":{},"subscribe":{"channel":"a"}}]"#,
        200,
        r#"{"replies":[{"error":{"code":104,"message":"not found"}},{"refresh":{}},
            {"presence_stats":{"num_clients":0,"num_users":0}},{"presence":{"presence":{}}},{"history_remove":{}},
            {"error":{"code":107,"message":"bad request"}},{"disconnect":{}},{"unsubscribe":{}},
            {"error":{"code":107,"message":"bad request"}},{"error":{"code":107,"message":"bad request"}}]}"#,
    ),
    ("H7", r#""commands":[{"id":7,"publish":{"channel":"a","data":1}}]"#, 200, r#"{"replies":[{"publish":{}}]}"#),
    (
        "H8",
        r#""commands":[{"subscribe":{"user":"x","channel":"chat:1"}},{"unsubscribe":{"user":"x"}},
            {"disconnect":{"user":"x"}},{"refresh":{"user":"x"}}]"#,
        200,
        r#"{"replies":[{"subscribe":{}},{"unsubscribe":{}},{"disconnect":{}},{"refresh":{}}]}"#,
    ),
    (
        "H9",
        r#""commands":[{"presence":{"channel":"pres:empty"}},{"presence_stats":{"channel":"pres:empty"}}]"#,
        200,
        r#"{"replies":[{"presence":{"presence":{}}},{"presence_stats":{"num_clients":0,"num_users":0}}]}"#,
    ),
    (
        "H11",
        r#""commands":[{"channels":{"pattern":"news"}}]"#,
        200,
        r#"{"replies":[{"channels":{"channels":{"news":{"num_clients":3}}}}]}"#,
    ),
    (
        "H12",
        r#""commands":[{"broadcast":{"channels":["a","nope:b"],"data":1}}]"#,
        200,
        r#"{"replies":[{"broadcast":{"responses":[{"result":{}},{"error":{"code":102,"message":"unknown channel"}}]}}]}"#,
    ),
    ("H13", r#""commands":[{"rpc":{"method":"z"}}]"#, 200, E104),
    ("H14", r#""commands":[{"publish":{"channel":"hist:h14","data":1}},{"publish":{"channel":1}}]"#, 400, NO_JSON),
    (
        "H14.untouched",
        r#""commands":[{"history":{"channel":"hist:h14"}}]"#,
        200,
        r#"{"replies":[{"history":{"publications":[],"epoch":"<h14>","offset":0}}]}"#,
    ),
    ("H16", r#""commands":[null]"#, 200, E107),
    (
        "H16.between",
        r#""commands":[{"publish":{"channel":"a","data":1}},null,{"publish":{"channel":"a","data":1}}]"#,
        200,
        r#"{"replies":[{"publish":{}},{"error":{"code":107,"message":"bad request"}},{"publish":{}}]}"#,
    ),
    ("H17", r#""commands":{}"#, 400, NO_JSON),
    ("H17.text", r#""commands":[""]"#, 400, NO_JSON),
    ("H17.list", r#""commands":[{"publish":[]}]"#, 400, NO_JSON),
    ("H19", r#""commands":[{"method":"nope"}]"#, 200, E104),
    ("H20", r#""commands":[{"id":-7,"publish":{"channel":"a","data":1}}]"#, 400, NO_JSON),
    ("H21.case", r#""Commands":[{"Publish":{"Channel":"a","Data":1}}]"#, 200, r#"{"replies":[{"publish":{}}]}"#),
    (
        "H22",
        r#""commands":[{"history":{"channel":"hist:h22","since":{"epoch":"bad"}}},{"presence":{"channel":"a"}}]"#,
        200,
        r#"{"replies":[{"error":{"code":112,"message":"unrecoverable position"}},
            {"error":{"code":108,"message":"not available"}}]}"#,
    ),
];

#[test]
fn commands_of_a_batch_are_answered_in_their_order() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        let server = config::start(dialect, cores, json!({}));
        let _clients = readers_of_news(&server);
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        for parallel in ["", r#""parallel":false,"#, r#""parallel":true,"#] {
            for (name, body, status, want) in ROWS {
                let name = format!("{name} with {parallel:?}");
                http.expect(&mut names, &name, "/api/batch", &format!("{{{parallel}{body}}}"), *status, want);
            }
        }
        http.expect(&mut names, "H2", "/api/batch", "null", 200, "{}");
        http.expect(&mut names, "H15", "/api/batch", r#"{"parallel":"yes","commands":[]}"#, 400, NO_JSON);
    }
}

/// Three clients that the API has subscribed to `news`.
fn readers_of_news(server: &crate::common::server::Server) -> Vec<Client> {
    let clients: Vec<Client> = (0..3).map(|_| Client::connect(server, "n")).collect();
    Api::new(server.address).ok("subscribe", r#"{"user":"n","channel":"news"}"#);
    clients
}

#[test]
fn a_command_sees_what_earlier_ones_did() {
    for cores in [1, 2] {
        let server = config::start(Dialect::V6, cores, json!({}));
        let mut http = Http::new(server.address);
        let body = r#"{"commands":[{"publish":{"channel":"hist:ba","data":1}},{"history":{"channel":"hist:ba","limit":1}},
            {"history_remove":{"channel":"hist:ba"}},{"history":{"channel":"hist:ba","limit":1}}]}"#;
        let want = r#"{"replies":[{"publish":{"offset":1,"epoch":"<ba>"}},
            {"history":{"publications":[{"data":1,"offset":1}],"epoch":"<ba>","offset":1}},{"history_remove":{}},
            {"history":{"publications":[],"epoch":"<ba>","offset":1}}]}"#;
        http.expect(&mut Names::default(), "H10", "/api/batch", body, 200, want);
    }
}

#[test]
fn a_binary_history_spoils_the_whole_batch() {
    let server = config::start(Dialect::V5, 2, json!({}));
    let mut http = Http::new(server.address);
    let mut names = Names::default();
    for parallel in [false, true] {
        let publish = r#"{"commands":[{"publish":{"channel":"hist:bin","b64data":"AAEC","idempotency_key":"k"}}]}"#;
        let want = r#"{"replies":[{"publish":{"offset":1,"epoch":"<bin>"}}]}"#;
        http.expect(&mut names, "H18", "/api/batch", publish, 200, want);
        let read = format!(
            r#"{{"parallel":{parallel},"commands":[{{"info":{{}}}},{{"history":{{"channel":"hist:bin","limit":1}}}}]}}"#
        );
        http.expect(&mut names, "H18", "/api/batch", &read, 500, "Internal Server Error\n");
    }
}

#[test]
fn a_batch_may_have_ten_thousand_commands() {
    for (cores, parallel) in [(1, false), (1, true), (2, false), (2, true)] {
        let server = config::start(Dialect::V6, cores, json!({}));
        let mut http = Http::new(server.address);
        let name = format!("{cores} cores, parallel {parallel}");
        // Each channel gets one publication; the last command fails.
        let command = |n| format!(r#"{{"publish":{{"channel":"hist:{n}","data":{n}}}}}"#);
        let mut commands: Vec<String> = (1..10_000).map(command).collect();
        commands.push(r#"{"publish":{"channel":"nope:x","data":1}}"#.into());
        let body = format!(r#"{{"parallel":{parallel},"commands":[{}]}}"#, commands.join(","));
        let answer = http.post("/api/batch", body.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(answer.status, 200, "{name}");
        let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let replies = value["replies"].as_array().expect("replies");
        assert_eq!(replies.len(), 10_000, "{name}");
        assert!(replies[..9_999].iter().all(|reply| reply["publish"]["offset"] == 1), "{name}");
        assert_eq!(replies[9_999]["error"]["code"], 102, "{name}");
        // To one channel, in order.
        let command = |n| format!(r#"{{"publish":{{"channel":"long:one","data":{n}}}}}"#);
        let commands: Vec<String> = (1..=10_000).map(command).collect();
        let body = format!(r#"{{"commands":[{}]}}"#, commands.join(","));
        let answer = http.post("/api/batch", body.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let value: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let replies = value["replies"].as_array().expect("replies");
        assert!(replies.iter().zip(1..).all(|(reply, n)| reply["publish"]["offset"] == n), "{name}");
    }
}
