//! Patterns of `channels` (server-api 2.11): each with channels that fit and channels that do not.

use super::clients::Client;
use super::config::{self, Dialect};
use super::http::Api;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Pattern, names that fit, names that do not.
const ROWS: &[(&str, &[&str], &[&str])] = &[
    ("chat:*", &["chat:", "chat:a:b", "chat:1", "chat:\n"], &["chat", "xchat"]),
    ("chat:**", &["chat:", "chat:a:b"], &["chat"]),
    ("a*b", &["ab", "axb", "a/b"], &["b", "abc"]),
    ("chat:?", &["chat:1", "chat:é", "chat:\n"], &["chat:", "chat:10"]),
    ("?", &["é", "c"], &["ab"]),
    ("[a,b]", &[",", "a", "b"], &["c"]),
    ("[*]", &["*"], &["a"]),
    ("[-a]", &["-", "a"], &["b"]),
    ("[^a]", &["^", "a"], &["b"]),
    ("user#[0-9]*", &["user#42"], &["user#x"]),
    ("[а-я]", &["ж"], &["a"]),
    ("[!abc]", &["d"], &["a", "b", "c"]),
    ("[!a-c]", &["d"], &["b"]),
    ("[!!]", &["a"], &["!"]),
    ("chat:{1,2,room-*}", &["chat:1", "chat:room-7"], &["chat:10"]),
    ("{,x}y", &["y", "xy"], &["x"]),
    ("{a,{b,c}}", &["a", "b", "c"], &["d"]),
    ("\\*", &["*"], &["a"]),
    ("{a\\,b}", &["a,b"], &["a", "b"]),
    ("[\\]]", &["]"], &["a"]),
    ("[a\\-z]", &["a", "-", "z"], &["b"]),
    ("ab\\", &["ab"], &["ab\\"]),
    ("$*", &["$x"], &["x"]),
    ("a,b", &["a,b"], &["a"]),
    ("a}", &["a}"], &["a"]),
    ("a]", &["a]"], &["a"]),
    ("{a", &["a"], &["{a"]),
    ("CHAT:*", &[], &["chat:1"]),
    ("chat", &["chat"], &["chat:1"]),
    ("(a|b)+.", &["(a|b)+."], &["a", "ab"]),
];

#[test]
fn patterns_fit_whole_names() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        let changes = match dialect {
            Dialect::V5 => json!({"client_channel_limit": 1000}),
            Dialect::V6 => json!({"client": {"channel_limit": 1000}}),
        };
        let server = config::start(dialect, cores, changes);
        let _client = Client::connect(&server, "42");
        let mut api = Api::new(server.address);
        let names: BTreeSet<&str> = ROWS.iter().flat_map(|(_, fit, other)| fit.iter().chain(*other)).copied().collect();
        for name in &names {
            api.ok("subscribe", &json!({"user": "42", "channel": name}).to_string());
        }
        for (pattern, fit, other) in ROWS {
            let answer = api.call("channels", &json!({"pattern": pattern}).to_string());
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            let found = answer["result"]["channels"].as_object().unwrap_or_else(|| panic!("{pattern}: {answer}"));
            fit.iter()
                .for_each(|name| assert_eq!(found.get(*name), Some(&json!({"num_clients": 1})), "{pattern} {name}"));
            other.iter().for_each(|name| assert_eq!(found.get(*name), None, "{pattern} {name}"));
        }
        let all = api.call("channels", "{}");
        let all: Value = serde_json::from_str(&all).expect("JSON");
        assert_eq!(all["result"]["channels"].as_object().map(serde_json::Map::len), Some(names.len()));
    }
}
