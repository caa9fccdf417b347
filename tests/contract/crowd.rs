//! What is counted and told over all cores: presence, join and leave, `channels`, `info`.

use super::clients::{Client, each_gets, each_got_nothing, many};
use super::config::{self, Dialect};
use super::http::Api;
use super::pattern::Names;
use crate::common::server::{PATIENCE, Server};
use serde_json::{Value, json};
use std::time::Instant;

fn both() -> impl Iterator<Item = (Server, Api)> {
    [(Dialect::V5, 1), (Dialect::V6, 2)].into_iter().map(|(dialect, cores)| {
        let server = config::start(dialect, cores, json!({}));
        let api = Api::new(server.address);
        (server, api)
    })
}

/// Clients of users `u0`, `u1` and so on: so many that each core has some.
fn different(server: &Server) -> Vec<Client> {
    (0..16).map(|n| Client::connect(server, &format!("u{n}"))).collect()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Calls until the answer is so; nothing promises when figures follow.
fn until(api: &mut Api, method: &str, body: &str, is_so: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = api.call(method, body);
        if is_so(&value(&answer)["result"]) {
            return;
        }
        assert!(Instant::now() < deadline, "{method} {body} stays at {answer}");
    }
}

#[test]
fn presence_has_the_clients_of_all_cores() {
    for (server, mut api) in both() {
        let (mut different, mut same) = (different(&server), many(&server, "same"));
        for client in different.iter().chain(&same) {
            api.ok("subscribe", &json!({"user": client.user, "client": client.id, "channel": "pres:x"}).to_string());
        }
        let presence = value(&api.call("presence", r#"{"channel":"pres:x"}"#));
        let entries = presence["result"]["presence"].as_object().expect("presence");
        assert_eq!(entries.len(), 32);
        for client in different.iter().chain(&same) {
            assert_eq!(entries.get(&client.id), Some(&json!({"user": client.user, "client": client.id})));
        }
        let stats = api.call("presence_stats", r#"{"channel":"pres:x"}"#);
        assert_eq!(stats, r#"{"result":{"num_clients":32,"num_users":17}}"#);
        api.ok("unsubscribe", r#"{"user":"same","channel":"pres:x"}"#);
        let stats = api.call("presence_stats", r#"{"channel":"pres:x"}"#);
        assert_eq!(stats, r#"{"result":{"num_clients":16,"num_users":16}}"#);
        api.ok("disconnect", r#"{"user":"u0"}"#);
        different.remove(0);
        until(&mut api, "presence_stats", r#"{"channel":"pres:x"}"#, |stats| stats["num_clients"] == 15);
        drop(different);
        until(&mut api, "presence_stats", r#"{"channel":"pres:x"}"#, |stats| stats["num_clients"] == 0);
        each_gets("subscribed", &mut same, &mut Names::default(), r#"{"push":{"channel":"pres:x","subscribe":{}}}"#);
    }
}

#[test]
fn channels_and_info_count_over_all_cores() {
    for (server, mut api) in both() {
        let (different, same) = (different(&server), many(&server, "same"));
        api.ok("subscribe", r#"{"user":"same","channel":"chat:same"}"#);
        for client in &different {
            let own = format!("chat:{}", client.user);
            for channel in [own.as_str(), "news", "chat:same"] {
                api.ok("subscribe", &json!({"user": client.user, "channel": channel}).to_string());
            }
        }
        let channels = value(&api.call("channels", "{}"))["result"]["channels"].clone();
        let mut want = json!({"news": {"num_clients": 16}, "chat:same": {"num_clients": 32}});
        different.iter().for_each(|client| want[format!("chat:{}", client.user)] = json!({"num_clients": 1}));
        assert_eq!(channels, want);
        let figures = |clients: u32, users: u32, channels: u32, subs: u32| {
            move |result: &Value| {
                let node = &result["nodes"][0];
                node["num_clients"] == clients
                    && node["num_users"] == users
                    && node["num_channels"] == channels
                    && node["num_subs"] == subs
            }
        };
        until(&mut api, "info", "{}", figures(32, 17, 18, 64));
        drop(same);
        until(&mut api, "info", "{}", figures(16, 16, 18, 48));
        drop(different);
        until(&mut api, "info", "{}", figures(0, 0, 0, 0));
        assert_eq!(api.call("channels", "{}"), r#"{"result":{"channels":{}}}"#);
    }
}

#[test]
fn info_names_the_node() {
    let rows = [(Dialect::V5, json!({"name": "the node"})), (Dialect::V6, json!({"node": {"name": "the node"}}))];
    for (dialect, changes) in rows {
        let server = config::start(dialect, 2, changes);
        let node = value(&Api::new(server.address).call("info", "{}"))["result"]["nodes"][0].clone();
        assert_eq!(node["name"], "the node");
        let (uid, version) = (node["uid"].as_str().expect("a uid"), node["version"].as_str().expect("a version"));
        let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
        assert!(uid.len() == 36 && uid.chars().all(is_hex) && uid.as_bytes()[14] == b'4', "{uid}");
        assert_eq!(version.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{version}");
    }
}

/// The push of a join or a leave.
fn event(kind: &str, client: &Client, n: usize) -> String {
    let (user, id) = (&client.user, &client.id);
    format!(
        r#"{{"push":{{"channel":"jl:x","{kind}":{{"info":{{"user":"{user}","client":"{id}","conn_info":{{"c":{n}}},"chan_info":{{"s":{n}}}}}}}}}}}"#
    )
}

#[test]
fn joins_and_leaves_reach_all_cores_but_no_leave_reaches_its_own_client() {
    for (server, mut api) in both() {
        let mut clients: Vec<Client> = (0..16)
            .map(|n| {
                let user = format!("u{n}");
                Client::connect_with(&server, &user, json!({"sub": user, "info": {"c": n}}))
            })
            .collect();
        for n in 0..clients.len() {
            let body = json!({"user": clients[n].user, "channel": "jl:x", "info": {"s": n}});
            api.ok("subscribe", &body.to_string());
            let join = event("join", &clients[n], n);
            assert_eq!(clients[n].line("own subscribe"), r#"{"push":{"channel":"jl:x","subscribe":{}}}"#);
            clients[..=n].iter_mut().for_each(|client| assert_eq!(client.line("join"), join));
        }
        // One unsubscribes, one is disconnected, one goes.
        let mut unsubscribed = clients.remove(0);
        api.ok("unsubscribe", r#"{"user":"u0","channel":"jl:x"}"#);
        let leave = event("leave", &unsubscribed, 0);
        clients.iter_mut().for_each(|client| assert_eq!(client.line("leave"), leave));
        let want = r#"{"push":{"channel":"jl:x","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;
        assert_eq!(unsubscribed.line("own unsubscribe"), want);
        each_got_nothing("no own leave", &mut [unsubscribed], &mut api, "u0");
        let leave = event("leave", &clients[0], 1);
        api.ok("disconnect", r#"{"user":"u1"}"#);
        clients.remove(0).expect_close("disconnect", 3503, "force disconnect");
        clients.iter_mut().for_each(|client| assert_eq!(client.line("leave"), leave));
        let leave = event("leave", &clients[0], 2);
        drop(clients.remove(0));
        clients.iter_mut().for_each(|client| assert_eq!(client.line("leave"), leave));
    }
}

#[test]
fn a_call_may_turn_joins_on_and_off() {
    for (server, mut api) in both() {
        let (mut quiet, mut loud) = (Client::connect(&server, "quiet"), Client::connect(&server, "loud"));
        let mut names = Names::default();
        names.set("loud", &loud.id);
        let off = r#"{"user":"quiet","channel":"jl:x","override":{"force_push_join_leave":{}}}"#;
        api.ok("subscribe", off);
        quiet.expect("off", &mut names, r#"{"push":{"channel":"jl:x","subscribe":{}}}"#);
        api.ok("subscribe", r#"{"user":"loud","channel":"jl:x"}"#);
        loud.expect("on", &mut names, r#"{"push":{"channel":"jl:x","subscribe":{}}}"#);
        loud.expect(
            "on",
            &mut names,
            r#"{"push":{"channel":"jl:x","join":{"info":{"user":"loud","client":"<loud>"}}}}"#,
        );
        let on = r#"{"user":"loud","channel":"pres:x","override":{"join_leave":{"value":true},"force_push_join_leave":{"value":true}}}"#;
        api.ok("subscribe", on);
        loud.expect("on", &mut names, r#"{"push":{"channel":"pres:x","subscribe":{}}}"#);
        loud.expect(
            "on",
            &mut names,
            r#"{"push":{"channel":"pres:x","join":{"info":{"user":"loud","client":"<loud>"}}}}"#,
        );
        // Whoever joins without `join_leave` is not told of.
        api.ok("subscribe", r#"{"user":"quiet","channel":"pres:x"}"#);
        quiet.expect("off", &mut names, r#"{"push":{"channel":"pres:x","subscribe":{}}}"#);
        each_got_nothing("off", std::slice::from_mut(&mut quiet), &mut api, "quiet");
        each_got_nothing("off", std::slice::from_mut(&mut loud), &mut api, "loud");
    }
}
