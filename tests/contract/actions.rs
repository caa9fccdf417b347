//! What `subscribe`, `unsubscribe`, `disconnect` and `refresh` do to clients, wherever their cores are (group D).

use super::clients::{Client, Next, each_gets, each_got_nothing, many};
use super::config::{self, Dialect};
use super::http::Api;
use super::pattern::Names;
use crate::common::server::Server;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const UNSUBSCRIBED: &str = r#"{"push":{"channel":"chat","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;

/// A server, the API, and clients of user 42 on all its cores.
struct Stage {
    server: Server,
    api: Api,
    clients: Vec<Client>,
    names: Names,
}

impl Stage {
    /// With one core, then with two.
    fn both() -> impl Iterator<Item = Stage> {
        [(Dialect::V5, 1), (Dialect::V6, 2)].into_iter().map(|(dialect, cores)| {
            let server = config::start(dialect, cores, json!({}));
            let (api, clients) = (Api::new(server.address), many(&server, "42"));
            Stage { server, api, clients, names: Names::default() }
        })
    }

    fn ok(&mut self, method: &str, body: &str) {
        let body = self.names.fill(body);
        self.api.ok(method, &body);
    }

    /// Every client gets this next.
    fn each_gets(&mut self, context: &str, want: &str) {
        each_gets(context, &mut self.clients, &mut self.names, want);
    }

    fn each_got_nothing(&mut self, context: &str) {
        each_got_nothing(context, &mut self.clients, &mut self.api, "42");
    }

    /// Publishes; the answer is a pattern.
    fn publish(&mut self, body: &str, want: &str) {
        let got = self.api.call("publish", body);
        self.names.expect(body, want, &got);
    }
}

#[test]
fn subscribe_and_unsubscribe_are_pushed_every_time() {
    for mut stage in Stage::both() {
        stage.ok("subscribe", r#"{"user":"42","channel":"chat","data":{"x":1}}"#);
        stage.each_gets("D17", r#"{"push":{"channel":"chat","subscribe":{"data":{"x":1}}}}"#);
        stage.ok("subscribe", r#"{"user":"42","channel":"chat","b64data":"eyJ5IjoyfQ=="}"#);
        stage.each_gets("D17 b64data", r#"{"push":{"channel":"chat","subscribe":{"data":{"y":2}}}}"#);
        for _ in 0..2 {
            stage.ok("subscribe", r#"{"user":"42","channel":"chat"}"#);
            stage.each_gets("D24", r#"{"push":{"channel":"chat","subscribe":{}}}"#);
        }
        // However often, a publication arrives once.
        stage.ok("publish", r#"{"channel":"chat","data":1}"#);
        stage.each_gets("F126d", r#"{"push":{"channel":"chat","pub":{"data":1}}}"#);
        for client in &mut stage.clients {
            let reply = client.subscribe("chat");
            assert!(reply.contains(r#""code":105"#), "F126: {reply}");
        }
        for _ in 0..2 {
            stage.ok("unsubscribe", r#"{"user":"42","channel":"chat"}"#);
            stage.each_gets("D18", UNSUBSCRIBED);
        }
        stage.ok("publish", r#"{"channel":"chat","data":2}"#);
        stage.each_got_nothing("D18: unsubscribed");
    }
}

#[test]
fn subscriptions_of_the_client_side_are_overwritten_and_undone_alike() {
    for mut stage in Stage::both() {
        for client in &mut stage.clients {
            assert_eq!(client.subscribe("open:a"), r#"{"id":2,"subscribe":{}}"#);
        }
        stage.ok("subscribe", r#"{"user":"42","channel":"open:a"}"#);
        stage.each_gets("D24", r#"{"push":{"channel":"open:a","subscribe":{}}}"#);
        stage.ok("publish", r#"{"channel":"open:a","data":1}"#);
        stage.each_gets("D24", r#"{"push":{"channel":"open:a","pub":{"data":1}}}"#);
        stage.ok("unsubscribe", r#"{"user":"42","channel":"open:a"}"#);
        let want = r#"{"push":{"channel":"open:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;
        stage.each_gets("F125", want);
        for client in &mut stage.clients {
            assert_eq!(client.subscribe("open:a"), r#"{"id":2,"subscribe":{}}"#);
        }
        stage.ok("unsubscribe", r#"{"user":"42","channel":"open:a"}"#);
        stage.each_gets("F125", want);
        stage.ok("publish", r#"{"channel":"open:a","data":2}"#);
        stage.each_got_nothing("F125");
    }
}

#[test]
fn an_empty_channel_is_pushed_and_changes_nothing() {
    for mut stage in Stage::both() {
        stage.ok("subscribe", r#"{"user":"42","channel":"chat"}"#);
        stage.each_gets("D24", r#"{"push":{"channel":"chat","subscribe":{}}}"#);
        stage.ok("unsubscribe", r#"{"user":"42"}"#);
        stage.each_gets("D29", r#"{"push":{"unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#);
        stage.ok("publish", r#"{"channel":"chat","data":1}"#);
        stage.each_gets("D29", r#"{"push":{"channel":"chat","pub":{"data":1}}}"#);
    }
}

#[test]
fn filters_are_all_to_be_passed() {
    for mut stage in Stage::both() {
        let chosen = stage.clients[0].id.clone();
        stage.names.set("chosen", &chosen);
        stage.ok("subscribe", r#"{"user":"42","client":"<chosen>","channel":"chat"}"#);
        stage.clients[0].expect("client", &mut stage.names, r#"{"push":{"channel":"chat","subscribe":{}}}"#);
        for filter in [
            r#"{"user":"43","client":"<chosen>","channel":"chat""#,
            r#"{"client":"<chosen>","channel":"chat""#,
            r#"{"user":"42","session":"unknown","channel":"chat""#,
            r#"{"user":"42","client":"unknown","channel":"chat""#,
            r#"{"user":"","channel":"chat""#,
        ] {
            stage.ok("subscribe", &format!("{filter}}}"));
            stage.ok("unsubscribe", &format!("{filter}}}"));
            stage.ok("disconnect", &format!("{filter}}}"));
            stage.ok("refresh", &format!("{filter},\"expired\":true}}"));
        }
        // D32: a client alone is not found under another user, least of all under none.
        stage.each_got_nothing("D32");
        stage.ok("disconnect", r#"{"user":"42","client":"<chosen>","disconnect":{"code":4100,"reason":"you"}}"#);
        stage.clients.remove(0).expect_close("client", 4100, "you");
        stage.each_got_nothing("the others stay");
    }
}

#[test]
fn users_without_a_name_are_one_user() {
    for mut stage in Stage::both() {
        let mut nameless = many(&stage.server, "");
        stage.ok("subscribe", r#"{"channel":"chat"}"#);
        each_gets("D3", &mut nameless, &mut stage.names, r#"{"push":{"channel":"chat","subscribe":{}}}"#);
        stage.ok("refresh", "{}");
        each_gets("D15", &mut nameless, &mut stage.names, r#"{"push":{"refresh":{}}}"#);
        stage.ok("disconnect", r#"{"disconnect":{"code":4200,"reason":"nobody"}}"#);
        nameless.iter_mut().for_each(|client| client.expect_close("D12", 4200, "nobody"));
        stage.each_got_nothing("user 42 is another");
    }
}

#[test]
fn disconnect_closes_with_code_and_reason() {
    let reason = "é".repeat(61) + "x";
    let rows = [
        ("D19", r#"{"user":"42"}"#.to_string(), 3503, "force disconnect"),
        ("F127 code", r#"{"user":"42","disconnect":{"code":4001}}"#.into(), 4001, ""),
        ("F127", r#"{"user":"42","disconnect":{"code":4500,"reason":"bye"}}"#.into(), 4500, "bye"),
        (
            "D31 123 bytes",
            json!({"user": "42", "disconnect": {"code": 4000, "reason": reason}}).to_string(),
            4000,
            &reason,
        ),
    ];
    for (name, body, code, reason) in &rows {
        for mut stage in Stage::both() {
            let mut others = many(&stage.server, "43");
            stage.ok("disconnect", body);
            stage.clients.iter_mut().for_each(|client| client.expect_close(name, *code, reason));
            each_got_nothing(name, &mut others, &mut stage.api, "43");
        }
    }
}

/// The payload of a close frame; `None` when the stream ends without one.
type Close = Option<&'static [u8]>;

#[test]
fn odd_codes_are_passed_on_as_they_are() {
    let reason = "x".repeat(124);
    let rows: &[(&str, String, &[Close])] = &[
        // 3503 would be as good: no client can depend on 0.
        ("D31 code 0", r#"{"disconnect":{}}"#.into(), &[Some(b"\0\0"), Some(b"\x0d\xafforce disconnect")]),
        (
            "F127 code 0",
            r#"{"disconnect":{"reason":"zero"}}"#.into(),
            &[Some(b"\0\0zero"), Some(b"\x0d\xafforce disconnect")],
        ),
        ("D31 code 1", r#"{"disconnect":{"code":1}}"#.into(), &[Some(b"\0\x01")]),
        ("F127 code 42", r#"{"disconnect":{"code":42}}"#.into(), &[Some(b"\0\x2a")]),
        ("D31 code 70000", r#"{"disconnect":{"code":70000}}"#.into(), &[Some(b"\x11\x70")]),
        ("F127 code 3000", r#"{"disconnect":{"code":3000,"reason":"x"}}"#.into(), &[None]),
        ("D31 124 bytes", json!({"disconnect": {"code": 4000, "reason": reason}}).to_string(), &[None]),
    ];
    for (name, body, wants) in rows {
        for mut stage in Stage::both() {
            let body = body.replacen('{', r#"{"user":"42","#, 1);
            stage.ok("disconnect", &body);
            for client in &mut stage.clients {
                let got = client.raw_frame();
                let is_close = got.as_ref().is_none_or(|(first, _)| *first == 0x88);
                let payload = got.as_ref().map(|(_, payload)| payload.as_slice());
                assert!(is_close && wants.contains(&payload), "{name}: {got:?}");
            }
        }
    }
}

#[test]
fn a_whitelist_spares_clients() {
    for mut stage in Stage::both() {
        let (first, last) = (stage.clients[0].id.clone(), stage.clients[15].id.clone());
        stage.names.set("first", &first);
        stage.names.set("last", &last);
        stage.ok("disconnect", r#"{"user":"42","whitelist":["<first>","<last>","unknown"]}"#);
        let mut closed: Vec<Client> = stage.clients.drain(1..15).collect();
        closed.iter_mut().for_each(|client| client.expect_close("D20", 3503, "force disconnect"));
        stage.each_got_nothing("D20");
        stage.ok("disconnect", r#"{"user":"42","client":"<first>","whitelist":["<first>"]}"#);
        stage.each_got_nothing("D20: both filters");
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

#[test]
fn refresh_is_pushed_or_closes() {
    for mut stage in Stage::both() {
        stage.ok("refresh", r#"{"user":"42"}"#);
        stage.each_gets("F128b", r#"{"push":{"refresh":{}}}"#);
        stage.ok("refresh", r#"{"user":"42","expire_at":-5}"#);
        stage.each_gets("D30", r#"{"push":{"refresh":{}}}"#);
        stage.ok("refresh", &json!({"user": "42", "expire_at": now() + 60}).to_string());
        for client in &mut stage.clients {
            let push = client.line("D22");
            let fits =
                (59..=61).any(|ttl| push == format!(r#"{{"push":{{"refresh":{{"expires":true,"ttl":{ttl}}}}}}}"#));
            assert!(fits, "D22: {push}");
        }
    }
    let past = json!({"user": "42", "expire_at": now() - 60}).to_string();
    let rows = [
        ("D21", r#"{"user":"42","expired":true}"#.to_string()),
        ("D21 with a time", json!({"user": "42", "expired": true, "expire_at": now() + 60}).to_string()),
        ("D30", past),
    ];
    for (name, body) in rows {
        for mut stage in Stage::both() {
            stage.ok("refresh", &body);
            stage.clients.iter_mut().for_each(|client| client.expect_close(name, 3005, "connection expired"));
        }
    }
}

#[test]
fn info_of_a_refresh_shows_in_later_subscriptions() {
    for mut stage in Stage::both() {
        stage.ok("refresh", &json!({"user": "42", "expire_at": now() + 600, "info": {"v": 2}}).to_string());
        stage.each_gets("refresh", r#"{"push":{"refresh":{"expires":true,"ttl":"<NUMBER>"}}}"#);
        stage.ok("subscribe", r#"{"user":"42","channel":"pres:x"}"#);
        stage.each_gets("subscribe", r#"{"push":{"channel":"pres:x","subscribe":{}}}"#);
        let presence: serde_json::Value =
            serde_json::from_str(&stage.api.call("presence", r#"{"channel":"pres:x"}"#)).expect("JSON");
        for client in &stage.clients {
            let want = json!({"user": "42", "client": client.id, "conn_info": {"v": 2}});
            assert_eq!(presence["result"]["presence"][&client.id], want);
        }
    }
}

#[test]
fn a_subscription_that_has_expired_already_is_an_error_and_nothing_happens() {
    for mut stage in Stage::both() {
        let error = r#"{"error":{"code":100,"message":"internal server error"}}"#;
        let past = json!({"user": "42", "channel": "chat", "expire_at": now() - 1}).to_string();
        assert_eq!(stage.api.call("subscribe", &past), error, "D23");
        stage.each_got_nothing("D23");
        stage.ok("publish", r#"{"channel":"chat","data":1}"#);
        stage.each_got_nothing("D23: not subscribed");
        assert_eq!(stage.api.call("channels", "{}"), r#"{"result":{"channels":{}}}"#, "D23");
        let ahead = json!({"user": "42", "channel": "chat", "expire_at": now() + 600}).to_string();
        stage.ok("subscribe", &ahead);
        stage.each_gets("F126e", r#"{"push":{"channel":"chat","subscribe":{}}}"#);
    }
}

#[test]
fn positions_are_told_when_the_namespace_or_the_call_asks_for_them() {
    for mut stage in Stage::both() {
        let rows: &[(&str, &str, &str)] = &[
            ("F126b", r#""channel":"rec:new""#, r#"{"recoverable":true,"epoch":"<new>","positioned":true}"#),
            ("D25 positioning", r#""channel":"pos:x""#, r#"{"epoch":"<pos>","positioned":true}"#),
            ("D27", r#""channel":"rec:x","override":{"force_recovery":{}}"#, "{}"),
            ("D27 positioning", r#""channel":"pos:x","override":{"force_positioning":{"value":false}}"#, "{}"),
            (
                "override recovery",
                r#""channel":"hist:x","override":{"force_recovery":{"value":true}}"#,
                r#"{"recoverable":true,"epoch":"<hist>","positioned":true}"#,
            ),
            (
                "override positioning",
                r#""channel":"hist:x","override":{"force_positioning":{"value":true}}"#,
                r#"{"epoch":"<hist>","positioned":true}"#,
            ),
            ("no recovery", r#""channel":"hist:x","recover_since":{"offset":1,"epoch":"x"}"#, "{}"),
        ];
        for (name, members, push) in rows {
            stage.ok("subscribe", &format!(r#"{{"user":"42",{members}}}"#));
            let channel = members.split('"').nth(3).expect("a channel");
            stage.each_gets(name, &format!(r#"{{"push":{{"channel":"{channel}","subscribe":{push}}}}}"#));
        }
    }
}

#[test]
fn recovery_tells_the_position_and_delivers_nothing() {
    for mut stage in Stage::both() {
        let subscribe = |since: &str| format!(r#"{{"user":"42","channel":"rec:x"{since}}}"#);
        let push = |offset: u32| {
            format!(
                r#"{{"push":{{"channel":"rec:x","subscribe":{{"recoverable":true,"epoch":"<e>","offset":{offset},"positioned":true}}}}}}"#
            )
        };
        stage.publish(r#"{"channel":"rec:x","data":1}"#, r#"{"result":{"offset":1,"epoch":"<e>"}}"#);
        stage.ok("subscribe", &subscribe(""));
        stage.each_gets("D25", &push(1));
        stage.publish(r#"{"channel":"rec:x","data":2}"#, r#"{"result":{"offset":2,"epoch":"<e>"}}"#);
        stage.each_gets("live", r#"{"push":{"channel":"rec:x","pub":{"data":2,"offset":2}}}"#);
        stage.ok("subscribe", &subscribe(r#","recover_since":{"offset":1,"epoch":"<e>"}"#));
        stage.each_gets("D26", &push(1));
        stage.ok("subscribe", &subscribe(r#","recover_since":{"offset":1,"epoch":"zzz"}"#));
        stage.each_gets("D26 other epoch", &push(2));
        stage.publish(r#"{"channel":"rec:x","data":3}"#, r#"{"result":{"offset":3,"epoch":"<e>"}}"#);
        stage.each_gets("F126c", r#"{"push":{"channel":"rec:x","pub":{"data":3,"offset":3}}}"#);
        stage.each_got_nothing("F126c");
    }
}

#[test]
fn a_call_may_turn_presence_on_and_off() {
    for mut stage in Stage::both() {
        let id = stage.clients[0].id.clone();
        stage.names.set("id", &id);
        let rows = [
            (
                "D28",
                r#""channel":"pres:x","info":{"i":1}"#,
                r#"{"<id>":{"user":"42","client":"<id>","chan_info":{"i":1}}}"#,
            ),
            ("D28 off", r#""channel":"pres:y","info":{"i":1},"override":{"presence":{"value":false}}"#, "{}"),
            ("D28 empty", r#""channel":"pres:z","override":{"presence":{}}"#, "{}"),
        ];
        for (name, members, presence) in rows {
            stage.ok("subscribe", &format!(r#"{{"user":"42","client":"<id>",{members}}}"#));
            let channel = members.split('"').nth(3).expect("a channel");
            let got = stage.api.call("presence", &format!(r#"{{"channel":"{channel}"}}"#));
            stage.names.expect(name, &format!(r#"{{"result":{{"presence":{presence}}}}}"#), &got);
        }
    }
}

#[test]
fn the_limit_of_channels_ends_a_connection() {
    let rows = [
        (Dialect::V5, 1, json!({"client_channel_limit": 2})),
        (Dialect::V6, 2, json!({"client": {"channel_limit": 2}})),
    ];
    for (dialect, cores, changes) in rows {
        let server = config::start(dialect, cores, changes);
        let (mut api, mut clients) = (Api::new(server.address), many(&server, "42"));
        let mut names = Names::default();
        for channel in ["chat:1", "chat:2"] {
            api.ok("subscribe", &format!(r#"{{"user":"42","channel":"{channel}"}}"#));
            let want = format!(r#"{{"push":{{"channel":"{channel}","subscribe":{{}}}}}}"#);
            each_gets("within the limit", &mut clients, &mut names, &want);
        }
        api.ok("subscribe", r#"{"user":"42","channel":"chat:3"}"#);
        for client in &mut clients {
            assert_eq!(client.next(), Next::Close(3505, "channel limit".into()));
        }
    }
}
