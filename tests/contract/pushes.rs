//! What subscribers get of `publish` and `broadcast`, byte for byte, wherever their cores are (B5, B27, B29–B35).

use super::clients::{Client, Next, each_gets, each_got_nothing, many};
use super::config::{self, Dialect};
use super::forms::protobuf;
use super::grpc_client::Grpc;
use super::http::Api;
use super::pattern::Names;
use crate::common::server::Server;
use corecast::proto::api::PublishRequest;
use prost::Message;
use serde_json::{Value, json};

/// A server, the API, and clients of user `s` on all cores that are subscribed to these channels.
fn both(channels: &[&str]) -> Vec<(Server, Api, Vec<Client>)> {
    let set = |(dialect, cores)| {
        let server = config::start(dialect, cores, json!({}));
        let (mut api, mut clients) = (Api::new(server.address), many(&server, "s"));
        for channel in channels {
            api.ok("subscribe", &json!({"user": "s", "channel": channel}).to_string());
            let want = format!(r#"{{"push":{{"channel":"{channel}","subscribe":{{}}}}}}"#);
            clients.iter_mut().for_each(|client| assert_eq!(client.line("subscribe"), want));
        }
        (server, api, clients)
    };
    [(Dialect::V5, 1), (Dialect::V6, 2)].map(set).into()
}

#[test]
fn payloads_arrive_byte_for_byte() {
    let payloads = [
        r#"{ "b" : 1.0, "a":"\u0041\/<&>",  "a": 1e2 }"#,
        r#""<script>\u2028 ""#,
        "[1e400,-0,12345678901234567890123456789012345678901234567890]",
        "null",
        "\"\"",
        "\t{\t\"a\" :\r1 }",
    ];
    for (_server, mut api, mut clients) in both(&["t"]) {
        for payload in payloads {
            let data = payload.trim();
            api.ok("publish", &format!(r#"{{"channel":"t","data":{payload}}}"#));
            let want = format!(r#"{{"push":{{"channel":"t","pub":{{"data":{data}}}}}}}"#);
            clients.iter_mut().for_each(|client| assert_eq!(client.line("B29"), want, "B29 {payload}"));
        }
    }
}

#[test]
fn only_line_breaks_are_taken_out() {
    for (_server, mut api, mut clients) in both(&["t"]) {
        api.ok("publish", "{\"channel\":\"t\",\"data\":{ \"a\" :\n1 ,\r\n \"b\":[\n]}}");
        // The same as octets: they are JSON too.
        api.ok("publish", r#"{"channel":"t","b64data":"eyAiYSIgOgoxIH0="}"#);
        for client in &mut clients {
            assert_eq!(
                client.line("B30"),
                "{\"push\":{\"channel\":\"t\",\"pub\":{\"data\":{ \"a\" :1 ,\r \"b\":[]}}}}"
            );
            assert_eq!(client.line("B30 octets"), r#"{"push":{"channel":"t","pub":{"data":{ "a" :1 }}}}"#);
        }
    }
}

#[test]
fn positions_and_versions_go_along() {
    for (_server, mut api, mut clients) in both(&["hist:s", "t"]) {
        let mut names = Names::default();
        let first = api.call("publish", r#"{"channel":"hist:s","data":1}"#);
        names.expect("B31", r#"{"result":{"offset":1,"epoch":"<e>"}}"#, &first);
        api.ok("publish", r#"{"channel":"hist:s","data":2,"skip_history":true}"#);
        api.call("publish", r#"{"channel":"hist:s","data":3}"#);
        for client in &mut clients {
            let wants = [
                r#"{"push":{"channel":"hist:s","pub":{"data":1,"offset":1,"epoch":"<e>"}}}"#,
                r#"{"push":{"channel":"hist:s","pub":{"data":2}}}"#,
                r#"{"push":{"channel":"hist:s","pub":{"data":3,"offset":2}}}"#,
            ];
            wants.iter().for_each(|want| assert_eq!(client.line("B31"), names.fill(want), "B31"));
        }
        api.ok("publish", r#"{"channel":"t","data":4,"version":5}"#);
        let want = r#"{"push":{"channel":"t","pub":{"data":4,"version":5}}}"#;
        clients.iter_mut().for_each(|client| assert_eq!(client.line("version"), want));
    }
}

#[test]
fn what_is_not_newer_than_the_top_is_not_delivered() {
    for (_server, mut api, mut clients) in both(&["hist:v"]) {
        for version in [5, 5, 4, 6] {
            let body = json!({"channel": "hist:v", "data": version, "version": version});
            api.call("publish", &body.to_string());
        }
        for client in &mut clients {
            let mut names = Names::default();
            client.expect(
                "5",
                &mut names,
                r#"{"push":{"channel":"hist:v","pub":{"data":5,"offset":1,"epoch":"<e>","version":5}}}"#,
            );
            client.expect("6", &mut names, r#"{"push":{"channel":"hist:v","pub":{"data":6,"offset":2,"version":6}}}"#);
        }
    }
}

#[test]
fn tags_go_along_with_letters_of_html_escaped() {
    for (_server, mut api, mut clients) in both(&["t"]) {
        api.ok("publish", r#"{"channel":"t","data":1,"tags":{"z":"1","b":"<","\u0061":"é"}}"#);
        for client in &mut clients {
            let push = client.line("B32");
            let value: Value = serde_json::from_str(&push).expect("JSON");
            let want = json!({"push": {"channel": "t", "pub": {"data": 1, "tags": {"a": "é", "b": "<", "z": "1"}}}});
            assert_eq!(value, want, "B32");
            assert!(push.contains(r#""b":"\u003c""#), "B32: {push}");
        }
    }
}

#[test]
fn a_repeated_key_delivers_once() {
    for (_server, mut api, mut clients) in both(&["t", "hist:i"]) {
        api.ok("publish", r#"{"channel":"t","data":1,"idempotency_key":"k"}"#);
        api.ok("publish", r#"{"channel":"t","data":2,"idempotency_key":"k"}"#);
        api.ok("publish", r#"{"channel":"t","data":3}"#);
        for client in &mut clients {
            assert_eq!(client.line("B27"), r#"{"push":{"channel":"t","pub":{"data":1}}}"#);
            assert_eq!(client.line("B27"), r#"{"push":{"channel":"t","pub":{"data":3}}}"#);
        }
        let twice = r#"{"channels":["hist:i","hist:i"],"data":1,"idempotency_key":"k"}"#;
        let (first, again) = (api.call("broadcast", twice), api.call("broadcast", twice));
        assert_eq!(first, again, "C7");
        api.call("publish", r#"{"channel":"hist:i","data":2}"#);
        for client in &mut clients {
            let mut names = Names::default();
            client.expect(
                "C7",
                &mut names,
                r#"{"push":{"channel":"hist:i","pub":{"data":1,"offset":1,"epoch":"<e>"}}}"#,
            );
            client.expect("C7", &mut names, r#"{"push":{"channel":"hist:i","pub":{"data":2,"offset":2}}}"#);
        }
    }
}

#[test]
fn a_broadcast_reaches_each_channel() {
    for (_server, mut api, mut clients) in both(&["t", "u"]) {
        api.call("broadcast", r#"{"channels":["t","nope:x","u","t"],"data":{"n":1},"tags":{"a":"b"}}"#);
        for client in &mut clients {
            let mut pushes: Vec<String> = (0..3).map(|_| client.line("broadcast")).collect();
            pushes.sort();
            let push = |channel| {
                format!(r#"{{"push":{{"channel":"{channel}","pub":{{"data":{{"n":1}},"tags":{{"a":"b"}}}}}}}}"#)
            };
            assert_eq!(pushes, [push("t"), push("t"), push("u")]);
        }
        each_got_nothing("broadcast", &mut clients, &mut api, "s");
    }
}

#[test]
fn octets_reach_protobuf_and_end_json() {
    for (server, mut api, mut clients) in both(&["t"]) {
        let mut octets: Vec<Client> = (0..16).map(|_| Client::connect_protobuf(&server, "p")).collect();
        api.ok("subscribe", r#"{"user":"p","channel":"t","data":{"x":1}}"#);
        for client in &mut octets {
            let push = client.reply("subscribe").push.expect("a push");
            assert_eq!(
                (push.channel.as_str(), &push.subscribe.expect("a subscribe").data[..]),
                ("t", &b"{\"x\":1}"[..])
            );
        }
        api.ok("publish", r#"{"channel":"t","data":{"a": 1}}"#);
        clients
            .iter_mut()
            .for_each(|client| assert_eq!(client.line("JSON"), r#"{"push":{"channel":"t","pub":{"data":{"a": 1}}}}"#));
        api.ok("publish", r#"{"channel":"t","data":{},"b64data":"AAEC"}"#);
        for client in &mut clients {
            assert_eq!(client.next(), Next::Close(3506, "inappropriate protocol".into()), "B5");
        }
        for client in &mut octets {
            for want in [&b"{\"a\": 1}"[..], b"\0\x01\x02"] {
                let publication = client.reply("publication").push.and_then(|push| push.r#pub).expect("a publication");
                assert_eq!(&publication.data[..], want, "B5");
            }
        }
    }
}

#[test]
fn a_publication_over_grpc_is_the_same_push() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        let (server, address) = config::start_with_grpc(dialect, cores, "", json!({}));
        let (mut grpc, mut clients) = (Grpc::new(address, ""), many(&server, "s"));
        let mut call = |name: &str, rpc: &str, request: &str| {
            let reply = grpc.api(rpc, &protobuf(name, request).1, &[]).unwrap_or_else(|e| panic!("{rpc}: {e}"));
            assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "{rpc} {request}");
        };
        let mut names = Names::default();
        call("subscribe", "Subscribe", r#"{"user":"s","channel":"t","data":{"x":1},"info":{"i":1}}"#);
        each_gets("D17", &mut clients, &mut names, r#"{"push":{"channel":"t","subscribe":{"data":{"x":1}}}}"#);
        call("publish", "Publish", "{\"channel\":\"t\",\"data\":{ \"a\" :\n1 }}");
        for client in &mut clients {
            assert_eq!(client.line("B30"), r#"{"push":{"channel":"t","pub":{"data":{ "a" :1 }}}}"#);
        }
        call("unsubscribe", "Unsubscribe", r#"{"user":"s","channel":"t"}"#);
        let want = r#"{"push":{"channel":"t","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;
        each_gets("D18", &mut clients, &mut names, want);
        call("refresh", "Refresh", r#"{"user":"s"}"#);
        each_gets("F128b", &mut clients, &mut names, r#"{"push":{"refresh":{}}}"#);
        call("subscribe", "Subscribe", r#"{"user":"s","channel":"t"}"#);
        each_gets("D24", &mut clients, &mut names, r#"{"push":{"channel":"t","subscribe":{}}}"#);
        let octets = PublishRequest { channel: "t".into(), data: b"\0\x01"[..].into(), ..PublishRequest::default() };
        let reply = grpc.api("Publish", &octets.encode_to_vec(), &[]).expect("octets");
        assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "the publish itself succeeds");
        for client in &mut clients {
            assert_eq!(client.next(), Next::Close(3506, "inappropriate protocol".into()));
        }
    }
}

#[test]
fn no_client_of_json_is_sent_what_is_no_json() {
    let rows = [
        ("data", "t", r#"{"user":"s","channel":"t","b64data":"AAEC"}"#),
        ("info", "jl:x", r#"{"user":"s","channel":"jl:x","b64info":"AAEC"}"#),
    ];
    for (name, channel, body) in rows {
        for (server, mut api, mut clients) in both(&[]) {
            let mut other = Client::connect_protobuf(&server, "p");
            api.ok("subscribe", &json!({"user": "p", "channel": channel}).to_string());
            // A connection that fails makes the whole call fail.
            let answer = api.call("subscribe", body);
            assert!(answer == r#"{"result":{}}"# || answer.contains(r#""code":100,"#), "{name}: {answer}");
            api.ok("unsubscribe", r#"{"user":"s","channel":"chat:marker"}"#);
            clients.iter_mut().for_each(|client| read_json(name, client));
            let push = other.reply(name).push.expect("a push");
            assert!(push.subscribe.is_some(), "{name}: {push:?}");
        }
    }
}

/// Reads up to the marker or to the end for octets; every line is JSON.
fn read_json(name: &str, client: &mut Client) {
    loop {
        match client.next() {
            Next::Line(line) => {
                let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"));
                if value["push"]["channel"] == "chat:marker" {
                    return;
                }
            }
            end => return assert_eq!(end, Next::Close(3506, "inappropriate protocol".into()), "{name}"),
        }
    }
}
