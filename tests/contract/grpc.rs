//! Group N: the API over GRPC.

use super::config::{self, Dialect, KEY};
use super::forms::{detail, protobuf};
use super::grpc_client::{Grpc, Options, Reply};
use super::http::Api;
use crate::common::server::Server;
use corecast::api::METHODS;
use corecast::proto::api::{
    BatchRequest, BatchResponse, BroadcastResponse, Command, HistoryResponse, InfoResponse, PresenceStatsResponse,
    PublishRequest, PublishResponse,
};
use prost::Message;
use serde_json::{Value, json};

/// Servers with one core and with two, and a client of each.
fn both(key: &str, v5: Value, v6: Value) -> Vec<(Server, Grpc)> {
    let set = |(dialect, cores, changes)| {
        let (server, address) = config::start_with_grpc(dialect, cores, key, changes);
        (server, Grpc::new(address, key))
    };
    [(Dialect::V5, 1, v5), (Dialect::V6, 2, v6)].map(set).into()
}

fn plain() -> Vec<(Server, Grpc)> {
    both("", json!({}), json!({}))
}

/// The response of a call that went well; the request is JSON.
fn call<T: Message + Default>(grpc: &mut Grpc, rpc: &str, request: &str) -> T {
    let method = METHODS.iter().find(|method| method.rpc == rpc).unwrap_or_else(|| panic!("no method {rpc}"));
    let reply =
        grpc.api(rpc, &protobuf(method.name, request).1, &[]).unwrap_or_else(|e| panic!("{rpc} {request}: {e}"));
    let message = reply.message().unwrap_or_else(|e| panic!("{rpc} {request}: {e}"));
    T::decode(message).unwrap_or_else(|e| panic!("{rpc} {request}: {e}"))
}

fn publish(channel: &str, data: &[u8]) -> Vec<u8> {
    PublishRequest { channel: channel.into(), data: data.to_vec().into(), ..PublishRequest::default() }.encode_to_vec()
}

fn expect_status(name: &str, reply: Result<Reply, String>, status: u16, message: &str) {
    let reply = reply.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!((reply.status, reply.message.as_str()), (status, message), "{name}");
    assert!(reply.messages.is_empty(), "{name}: {:?}", reply.messages);
}

fn error(code: u32, message: &str) -> Option<corecast::proto::api::Error> {
    Some(corecast::proto::api::Error { code, message: message.into() })
}

#[test]
fn results_and_errors_travel_in_the_response() {
    for (_server, mut grpc) in plain() {
        let none: PublishResponse = call(&mut grpc, "Publish", r#"{"data":1}"#);
        assert_eq!((none.error, none.result), (error(107, "bad request"), None), "N1");
        let done: PublishResponse = call(&mut grpc, "Publish", r#"{"channel":"a","data":1}"#);
        assert_eq!((done.error, done.result), (None, Some(Default::default())), "N2");
        let unknown: PublishResponse = call(&mut grpc, "Publish", r#"{"channel":"no:a","data":1}"#);
        assert_eq!((unknown.error, unknown.result), (error(102, "unknown channel"), None), "N3");
        let info: InfoResponse = call(&mut grpc, "Info", "{}");
        let nodes = info.result.expect("N4").nodes;
        assert!(info.error.is_none() && nodes.len() == 1 && nodes[0].uid.len() == 36, "N4: {nodes:?}");
        let broadcast: BroadcastResponse = call(&mut grpc, "Broadcast", r#"{"channels":["a"]}"#);
        assert_eq!((broadcast.error, broadcast.result), (error(107, "bad request"), None), "N13");
    }
}

#[test]
fn an_empty_result_is_two_bytes_and_zeros_are_not_sent() {
    for (_server, mut grpc) in plain() {
        let reply = grpc.api("Publish", &publish("a", b"1"), &[]).expect("an answer");
        assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "N2");
        let stats = protobuf("presence_stats", r#"{"channel":"pres:a"}"#).1;
        assert_eq!(grpc.api("PresenceStats", &stats, &[]).expect("an answer").message(), Ok(&b"\x12\0"[..]), "N16");
        let stats: PresenceStatsResponse = call(&mut grpc, "PresenceStats", r#"{"channel":"pres:a"}"#);
        assert!(stats.error.is_none() && stats.result.is_some(), "N16");
        let history = protobuf("history", r#"{"channel":"hist:unused"}"#).1;
        let reply = grpc.api("History", &history, &[]).expect("an answer");
        let message = reply.message().expect("a message");
        let result = HistoryResponse::decode(message).expect("a response").result.expect("a result");
        // Field 2, and in it nothing but the epoch.
        let length = result.epoch.len();
        assert_eq!(message[..4], [0x12, length as u8 + 2, 0x12, length as u8], "N16: {message:?}");
        assert_eq!(message.len(), length + 4, "N16: {message:?}");
    }
}

#[test]
fn the_key_is_one_field_in_one_form() {
    for (_server, mut grpc) in both(KEY, json!({}), json!({})) {
        let message = publish("a", b"1");
        let wrong: &[(&str, &[(&str, &str)])] = &[
            ("N5.none", &[]),
            ("N5.wrong", &[("authorization", "apikey wrong")]),
            ("N5.case", &[("authorization", "ApiKey secret")]),
            ("N5.bare", &[("authorization", "secret")]),
            ("N5.two_blanks", &[("authorization", "apikey  secret")]),
            ("N5.longer", &[("authorization", "apikey secrets")]),
            ("N5.bearer", &[("authorization", "Bearer secret")]),
            ("N5.other_field", &[("x-api-key", "secret")]),
            ("N15.second", &[("authorization", "apikey wrong"), ("authorization", "apikey secret")]),
        ];
        let right: &[(&str, &[(&str, &str)])] = &[
            ("N6", &[("authorization", "apikey secret")]),
            ("N15.first", &[("authorization", "apikey secret"), ("authorization", "apikey wrong")]),
            ("N6.other_field", &[("x-api-key", "wrong"), ("authorization", "apikey secret")]),
        ];
        grpc.authorization = None;
        for (name, metadata) in wrong {
            expect_status(name, grpc.api("Publish", &message, metadata), 16, "unauthenticated");
            // Before the message is looked at, and before a method that is not served is refused.
            expect_status(name, grpc.api("Publish", b"\xff", metadata), 16, "unauthenticated");
            expect_status("N8a", grpc.api("Connections", b"", metadata), 16, "unauthenticated");
            assert_eq!(grpc.api("Nothing", b"", metadata).expect("N8a").status, 12, "N8a {name}");
        }
        for (name, metadata) in right {
            let reply = grpc.api("Publish", &message, metadata).expect(name);
            assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "{name}");
        }
    }
}

#[test]
fn without_a_configured_key_everybody_is_let_in() {
    for (_server, mut grpc) in plain() {
        for metadata in [&[][..], &[("authorization", "apikey wrong")]] {
            let reply = grpc.api("Publish", &publish("a", b"1"), metadata).expect("an answer");
            assert_eq!(reply.message(), Ok(&b"\x12\0"[..]));
        }
    }
}

/// Requests, and what they are told in transport error mode.
const TRANSPORT: &[(&str, &str, &str, u16, u32, &str)] = &[
    ("N7", "Publish", r#"{"channel":"no:a","data":1}"#, 5, 102, "unknown channel"),
    ("N7.bad", "Publish", "{}", 3, 107, "bad request"),
    ("N7.off", "History", r#"{"channel":"a"}"#, 3, 108, "not available"),
    ("N7.not_found", "RPC", r#"{"method":"x"}"#, 5, 104, "not found"),
    ("N7.position", "History", r#"{"channel":"hist:a","since":{"epoch":"x"}}"#, 11, 112, "unrecoverable position"),
    ("N7.internal", "Channels", r#"{"pattern":"["}"#, 13, 100, "internal server error"),
];

fn expect_transport(grpc: &mut Grpc, metadata: &[(&str, &str)]) {
    for (name, rpc, request, status, code, message) in TRANSPORT {
        let method = METHODS.iter().find(|method| method.rpc == *rpc).expect("listed");
        let reply =
            grpc.api(rpc, &protobuf(method.name, request).1, metadata).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((reply.status, reply.message.as_str()), (*status, *message), "{name}");
        assert!(reply.messages.is_empty(), "{name}");
        let (inner, text, error) = detail(&reply.details().expect(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((inner, text.as_str()), (*status, *message), "{name}");
        assert_eq!((error.code, error.message.as_str()), (*code, *message), "{name}");
    }
    // What a batch or a broadcast holds inside is no error of the call.
    let bad = Command { publish: Some(PublishRequest::default()), ..Command::default() };
    let batch = BatchRequest { commands: vec![bad], parallel: false }.encode_to_vec();
    let reply = grpc.api("Batch", &batch, metadata).expect("N10");
    let response = BatchResponse::decode(reply.message().expect("N10")).expect("N10");
    assert_eq!(response.replies[0].error, error(107, "bad request"), "N10");
    let inner = protobuf("broadcast", r#"{"channels":["no:a"],"data":1}"#).1;
    let reply = grpc.api("Broadcast", &inner, metadata).expect("broadcast");
    let response = BroadcastResponse::decode(reply.message().expect("broadcast")).expect("broadcast");
    assert_eq!(response.result.expect("a result").responses[0].error, error(102, "unknown channel"));
}

#[test]
fn errors_are_statuses_when_the_call_or_the_option_asks_for_it() {
    for (_server, mut grpc) in plain() {
        expect_transport(&mut grpc, &[("x-centrifugo-error-mode", "transport")]);
        for other in ["Transport", "x", ""] {
            let reply =
                grpc.api("Publish", &publish("no:a", b"1"), &[("x-centrifugo-error-mode", other)]).expect(other);
            let response = PublishResponse::decode(reply.message().expect(other)).expect(other);
            assert_eq!(response.error, error(102, "unknown channel"), "{other:?}");
        }
    }
    let v6 = json!({"grpc_api": {"error_mode": "transport"}});
    for (_server, mut grpc) in both("", json!({"grpc_api_error_mode": "transport"}), v6) {
        expect_transport(&mut grpc, &[]);
        expect_transport(&mut grpc, &[("x-centrifugo-error-mode", "other")]);
    }
}

const PRO: &[&str] = &[
    "Connections",
    "UpdateUserStatus",
    "GetUserStatus",
    "DeleteUserStatus",
    "BlockUser",
    "UnblockUser",
    "RevokeToken",
    "InvalidateUserTokens",
    "DeviceRegister",
    "DeviceUpdate",
    "DeviceRemove",
    "DeviceList",
    "DeviceTopicList",
    "DeviceTopicUpdate",
    "UserTopicList",
    "UserTopicUpdate",
    "SendPushNotification",
    "UpdatePushStatus",
    "CancelPush",
];

#[test]
fn what_is_not_served_is_unimplemented() {
    for (_server, mut grpc) in plain() {
        for rpc in PRO {
            expect_status("N8", grpc.api(rpc, b"", &[]), 12, &format!("method {rpc} not implemented"));
        }
        for path in [
            "/centrifugal.centrifugo.api.CentrifugoApi/Nothing",
            "/centrifugal.centrifugo.api.CentrifugoApi/publish",
            "/centrifugal.centrifugo.api.CentrifugoApi/",
            "/other.Service/Publish",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            let reply = grpc.call(path, &[b""], Options::default()).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(reply.status, 12, "{path}: {}", reply.message);
        }
    }
}

#[test]
fn payloads_are_octets() {
    for (server, mut grpc) in plain() {
        let octets: Vec<u8> = (0..=255).collect();
        let reply = grpc.api("Publish", &publish("hist:a", &octets), &[]).expect("an answer");
        let position = PublishResponse::decode(reply.message().expect("N9")).expect("N9").result.expect("N9");
        assert!(position.offset == 1 && !position.epoch.is_empty(), "N9");
        let history: HistoryResponse = call(&mut grpc, "History", r#"{"channel":"hist:a","limit":1}"#);
        let result = history.result.expect("N9");
        assert_eq!((result.offset, &result.epoch), (1, &position.epoch), "N9");
        assert_eq!(result.publications[0].data[..], octets, "N9");
        let body = r#"{"channel":"hist:b","data":{ "a" : "<" }}"#;
        Api::new(server.address).call("publish", body);
        let history: HistoryResponse = call(&mut grpc, "History", r#"{"channel":"hist:b","limit":1}"#);
        assert_eq!(&history.result.expect("N14").publications[0].data[..], br#"{ "a" : "<" }"#, "N14");
    }
}

#[test]
fn a_message_beyond_the_bound_is_refused_and_one_within_is_not() {
    let v6 = json!({"grpc_api": {"max_receive_message_size": 8 << 20}});
    for (_server, mut grpc) in plain() {
        let reply = grpc.api("Publish", &publish("a", &vec![b'1'; 4 << 20]), &[]).expect("N11");
        assert_eq!(reply.status, 8, "N11: {}", reply.message);
        let reply = grpc.api("Publish", &publish("a", &vec![b'1'; 5 << 20]), &[]).expect("N11");
        assert_eq!(reply.status, 8, "N11: {}", reply.message);
        let reply = grpc.api("Publish", &publish("a", &vec![b'1'; (4 << 20) - 100]), &[]).expect("within");
        assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "within");
        // What is small on the wire counts by what it unpacks to.
        let zeros = publish("a", &vec![0; 5 << 20]);
        let options = Options { gzip: true, ..Options::default() };
        let reply = grpc.call("/centrifugal.centrifugo.api.CentrifugoApi/Publish", &[&zeros], options).expect("gzip");
        assert_eq!(reply.status, 8, "gzip: {}", reply.message);
        let reply = grpc.api("Publish", &publish("a", b"1"), &[]).expect("the server lives");
        assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "the server lives");
    }
    for (_server, mut grpc) in both("", json!({"grpc_api_max_receive_message_size": 8 << 20}), v6) {
        let reply = grpc.api("Publish", &publish("a", &vec![b'1'; 5 << 20]), &[]).expect("within the option");
        assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "within the option");
    }
}

#[test]
fn a_message_that_cannot_be_read_is_an_internal_error() {
    for (_server, mut grpc) in plain() {
        let not_utf8 = [b"\x0a\x02\xff\xfe".to_vec(), b"\x12\x01\x31".to_vec()].concat();
        let rows: &[(&str, &[u8])] = &[
            ("N12.cut_off", b"\x0a\x05a"),
            ("N12.key", b"\xff\xff\xff"),
            ("N12.wire_type", b"\x0f"),
            ("N12.utf8", &not_utf8),
            ("N12.group", b"\x0b\x0b\x0b"),
        ];
        for (name, message) in rows {
            let reply = grpc.api("Publish", message, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(reply.status, 13, "{name}: {}", reply.message);
        }
        let reply = grpc.api("Batch", b"\x0a\x03\x22\x05a", &[]).expect("batch");
        assert_eq!(reply.status, 13, "N12.batch: {}", reply.message);
        // Unknown fields are no fault.
        let newer = [publish("a", b"1"), b"\xfa\x07\x01x".to_vec()].concat();
        assert_eq!(grpc.api("Publish", &newer, &[]).expect("newer").message(), Ok(&b"\x12\0"[..]), "unknown fields");
    }
}

#[test]
fn bodies_that_are_no_single_message_are_answered() {
    let path = "/centrifugal.centrifugo.api.CentrifugoApi/Publish";
    for (_server, mut grpc) in plain() {
        let two = [publish("a", b"1"), publish("a", b"2")];
        let messages: Vec<&[u8]> = two.iter().map(Vec::as_slice).collect();
        let rows: Vec<(&str, Vec<u8>)> = vec![
            ("nothing", Vec::new()),
            ("half a head", b"\0\0\0".to_vec()),
            ("half a message", b"\0\0\0\0\x05ab".to_vec()),
            ("an unknown flag", b"\x02\0\0\0\x01a".to_vec()),
            ("compressed without saying how", b"\x01\0\0\0\x01a".to_vec()),
        ];
        for (name, body) in rows {
            let reply = grpc.call_raw(path, body, Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_ne!(reply.status, 0, "{name}");
        }
        let reply = grpc.call(path, &messages, Options::default()).expect("two messages");
        assert!(reply.messages.len() <= 1, "two messages: {reply:?}");
        let reply = grpc.api("Publish", &publish("a", b"1"), &[]).expect("the server lives");
        assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "the server lives");
    }
}

#[test]
fn messages_may_be_compressed() {
    for (_server, mut grpc) in plain() {
        let text = "y".repeat(100_000);
        let message = publish("hist:zip", format!("\"{text}\"").as_bytes());
        let options = Options { gzip: true, ..Options::default() };
        let reply = grpc.call("/centrifugal.centrifugo.api.CentrifugoApi/Publish", &[&message], options).expect("gzip");
        reply.message().expect("gzip");
        let request = protobuf("history", r#"{"channel":"hist:zip","limit":1}"#).1;
        let reply = grpc.call("/centrifugal.centrifugo.api.CentrifugoApi/History", &[&request], options).expect("gzip");
        let response = HistoryResponse::decode(reply.message().expect("gzip")).expect("gzip");
        assert_eq!(response.result.expect("a result").publications[0].data.len(), text.len() + 2);
        assert!(reply.was_compressed, "the answer to a compressed call is compressed");
        assert_eq!(reply.head.get("grpc-encoding").map(http::HeaderValue::as_bytes), Some(&b"gzip"[..]));
        // A caller that does not compress is answered plainly.
        let reply = grpc.api("History", &request, &[]).expect("plain");
        assert!(!reply.was_compressed && reply.message().is_ok());
        let metadata = [("grpc-encoding", "snappy")];
        let reply = grpc.call_raw(
            "/centrifugal.centrifugo.api.CentrifugoApi/Publish",
            b"\x01\0\0\0\x01a".to_vec(),
            Options { metadata: &metadata, ..Options::default() },
        );
        assert_eq!(reply.expect("snappy").status, 12, "a coding that is not known");
    }
}

#[test]
fn the_head_of_an_answer_is_that_of_grpc() {
    for (_server, mut grpc) in plain() {
        let reply = grpc.api("Publish", &publish("a", b"1"), &[]).expect("an answer");
        assert_eq!(reply.head.get("content-type").map(http::HeaderValue::as_bytes), Some(&b"application/grpc"[..]));
        assert_eq!(reply.trailers.get("grpc-status").map(http::HeaderValue::as_bytes), Some(&b"0"[..]));
        for deadline in ["20S", "1H", "2000m"] {
            let reply = grpc.api("Publish", &publish("a", b"1"), &[("grpc-timeout", deadline)]).expect(deadline);
            assert_eq!(reply.message(), Ok(&b"\x12\0"[..]), "{deadline}");
        }
        // What cannot be done in time may be given up.
        let reply = grpc.api("Publish", &publish("a", b"1"), &[("grpc-timeout", "1n")]).expect("1n");
        assert!(matches!(reply.status, 0 | 4), "{reply:?}");
        for deadline in ["", "x", "123456789S", "1"] {
            let reply = grpc.api("Publish", &publish("a", b"1"), &[("grpc-timeout", deadline)]);
            let is_answered = reply.as_ref().map_or_else(|e| e.contains("HTTP status 400"), |_| true);
            assert!(is_answered, "{deadline:?}: {reply:?}");
        }
    }
}

#[test]
fn a_batch_keeps_its_order() {
    for (_server, mut grpc) in plain() {
        for parallel in [false, true] {
            let channel = |n: u32| if n % 10 == 9 { "no:x".into() } else { format!("hist:{parallel}{n}") };
            let command = |n: u32| {
                let data = n.to_string().into_bytes().into();
                let publish = PublishRequest { channel: channel(n), data, ..PublishRequest::default() };
                Command { id: n, publish: Some(publish), ..Command::default() }
            };
            let mut commands: Vec<Command> = (0..1000).map(command).collect();
            commands.push(Command::default());
            let batch = BatchRequest { commands, parallel }.encode_to_vec();
            let reply = grpc.api("Batch", &batch, &[]).expect("a batch");
            let response = BatchResponse::decode(reply.message().expect("a batch")).expect("a batch");
            assert_eq!(response.replies.len(), 1001);
            for (n, reply) in response.replies.iter().take(1000).enumerate() {
                let (offset, code) = (reply.publish.as_ref().map(|p| p.offset), reply.error.as_ref().map(|e| e.code));
                let want = if n % 10 == 9 { (None, Some(102)) } else { (Some(1), None) };
                assert_eq!((offset, code, reply.id), (want.0, want.1, 0), "{n}");
            }
            assert_eq!(response.replies[1000].error, error(104, "not found"));
        }
    }
}

#[test]
fn calls_of_one_connection_go_on_when_one_breaks_off() {
    for (_server, mut grpc) in plain() {
        for n in 0..50 {
            let reply = grpc.api("Publish", b"\xff", &[]).unwrap_or_else(|e| panic!("{n}: {e}"));
            assert_eq!(reply.status, 13);
            let reply = grpc.api("Publish", &publish("a", b"1"), &[]).unwrap_or_else(|e| panic!("{n}: {e}"));
            assert_eq!(reply.message(), Ok(&b"\x12\0"[..]));
        }
    }
}
