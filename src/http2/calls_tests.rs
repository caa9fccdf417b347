//! Calls of the server API: what reaches the shard and how answers come back (server-api 4, 8.N).

use super::peer::{PUBLISH, Peer, options, request};
use super::{Answer, Form, Options, Status, Target, status_of_error};
use crate::api::{ApiError, ErrorMode, METHODS, Method, Outcome};
use crate::channel::Rules;
use crate::clock::Mono;
use crate::limits;
use crate::proto::api::{Error, PublishRequest, PublishResponse, PublishResult};
use crate::transport::api::Outcomes;
use crate::wire::grpc::{self, Code};
use bytes::Bytes;
use prost::Message;
use std::time::Duration;

fn answer(method: &'static Method, outcome: &Outcome, mode: ErrorMode) -> Answer {
    Form::Method(method, mode).answer(Outcomes::One(outcome.clone()))
}

fn with_key() -> Options {
    Options { key: "KEY".into(), ..options() }
}

fn path(rpc: &str) -> String {
    format!("/centrifugal.centrifugo.api.CentrifugoApi/{rpc}")
}

#[test]
fn a_call_goes_out_and_its_answer_comes_back() {
    let mut peer = Peer::new(options());
    let asked = PublishRequest { channel: "a".into(), ..PublishRequest::default() };
    let exchange = peer.call(request(PUBLISH, &[]), &asked.encode_to_vec());
    let (_, call) = &peer.calls[0];
    assert!(matches!(call.target, Target::Method(method) if method.rpc == "Publish"));
    assert_eq!(PublishRequest::decode(call.message.clone()), Ok(asked));
    assert_eq!((call.mode, peer.server.in_flight()), (ErrorMode::Body, 1));

    let outcome = Outcome { publish: Some(PublishResult::default()), ..Outcome::default() };
    peer.answer(answer(&METHODS[0], &outcome, ErrorMode::Body));
    let reply = peer.read(exchange);
    assert_eq!((reply.http, reply.status()), (200, (0, "")));
    assert_eq!(reply.headers["content-type"], "application/grpc");
    let response = PublishResponse::decode(reply.messages().remove(0)).expect("a response");
    assert!(response.result.is_some() && response.error.is_none());
    assert_eq!(peer.server.in_flight(), 0);
}

#[test]
fn a_call_may_come_byte_by_byte() {
    let mut peer = Peer::new(options());
    peer.piece_bytes = 1;
    let exchange = peer.call(request(PUBLISH, &[]), b"whole");
    assert_eq!(peer.calls[0].1.message, &b"whole"[..]);
    peer.answer(Answer::Message(Vec::new()));
    assert_eq!(peer.read(exchange).messages(), [Bytes::new()]);
}

#[test]
fn a_batch_is_a_target_of_its_own() {
    let mut peer = Peer::new(options());
    peer.call(request(&path("Batch"), &[]), b"");
    assert!(matches!(peer.calls[0].1.target, Target::Batch));
}

#[test]
fn a_large_request_comes_through_the_windows() {
    let mut peer = Peer::new(options());
    let message = vec![7; 3 << 20];
    peer.call(request(PUBLISH, &[]), &message);
    assert_eq!(peer.calls[0].1.message, message);
}

#[test]
fn a_large_answer_waits_for_the_peers_small_window() {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(100).initial_connection_window_size(70_000);
    let mut peer = Peer::with(options(), &builder);
    let mut exchange = peer.call(request(PUBLISH, &[]), b"");
    let message: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
    peer.answer(Answer::Message(message.clone()));
    assert!(!exchange.reply.is_whole);
    peer.look(&mut exchange);
    assert!(exchange.reply.is_whole);
    assert_eq!(exchange.reply.messages(), [message]);
    assert_eq!(exchange.reply.status(), (0, ""));
}

#[test]
fn the_key_is_spelled_in_one_way() {
    let mut peer = Peer::new(with_key());
    for value in ["apikey wrong", "ApiKey KEY", "KEY", "apikey  KEY", "apikey KEYS", "apikey ", ""] {
        let reply = peer.reply(request(PUBLISH, &[("authorization", value)]), b"");
        assert_eq!((reply.http, reply.status()), (200, (16, "unauthenticated")), "{value}");
    }
    for fields in [&[][..], &[("x-api-key", "KEY")], &[("authorization", "Bearer x"), ("x-api-key", "KEY")]] {
        assert_eq!(peer.reply(request(PUBLISH, fields), b"").status().0, 16);
    }
    assert!(peer.calls.is_empty());
    peer.call(request(PUBLISH, &[("authorization", "apikey KEY")]), b"");
    assert_eq!(peer.calls.len(), 1);
}

#[test]
fn the_first_of_several_keys_decides() {
    let mut peer = Peer::new(with_key());
    let mut both = request(PUBLISH, &[("authorization", "apikey KEY")]);
    both.headers_mut().append("authorization", "apikey wrong".parse().expect("a value"));
    peer.call(both, b"");
    assert_eq!(peer.calls.len(), 1);
    let mut other = request(PUBLISH, &[("authorization", "apikey wrong")]);
    other.headers_mut().append("authorization", "apikey KEY".parse().expect("a value"));
    assert_eq!(peer.reply(other, b"").status().0, 16);
}

#[test]
fn the_key_comes_before_what_a_method_is_but_after_its_name() {
    let key = [("authorization", "apikey KEY")];
    let mut peer = Peer::new(with_key());
    let mut status = |path: &str, fields: &[(&'static str, &str)]| {
        let reply = peer.reply(request(path, fields), b"\xff");
        (reply.status().0, reply.status().1.to_string())
    };
    assert_eq!(status(&path("Connections"), &[]), (16, "unauthenticated".into()));
    assert_eq!(status(&path("Connections"), &key), (12, "method Connections not implemented".into()));
    for fields in [&[][..], &key] {
        let text = "unknown method Nope for service centrifugal.centrifugo.api.CentrifugoApi";
        assert_eq!(status(&path("Nope"), fields), (12, text.into()));
        assert_eq!(status("/a.B/C", fields), (12, "unknown service a.B".into()));
        assert_eq!(status("/nothing", fields).0, 12);
    }
}

#[test]
fn transport_mode_is_asked_for_by_option_or_by_request() {
    let mut peer = Peer::new(options());
    peer.call(request(PUBLISH, &[("x-centrifugo-error-mode", "transport")]), b"");
    peer.call(request(PUBLISH, &[("x-centrifugo-error-mode", "Transport")]), b"");
    let mut always = Peer::new(Options { error_mode: ErrorMode::Transport, ..options() });
    always.call(request(PUBLISH, &[("x-centrifugo-error-mode", "other")]), b"");
    let modes: Vec<_> = peer.calls.iter().chain(&always.calls).map(|(_, call)| call.mode).collect();
    assert_eq!(modes, [ErrorMode::Transport, ErrorMode::Body, ErrorMode::Transport]);
}

#[test]
fn an_error_in_transport_mode_is_a_status_without_a_message() {
    let mut peer = Peer::new(options());
    let exchange = peer.call(request(PUBLISH, &[]), b"");
    peer.answer(status_of_error(&ApiError::UNKNOWN_CHANNEL.message()));
    let reply = peer.read(exchange);
    assert_eq!((reply.http, reply.status()), (200, (5, "unknown channel")));
    assert!(reply.body.is_empty() && reply.trailers.is_none() && reply.is_whole);
    let details = reply.headers["grpc-status-details-bin"].to_str().expect("text");
    assert!(!details.contains('='), "padding");
}

#[test]
fn an_error_in_body_mode_is_a_message_and_status_ok() {
    let outcome = ApiError::BAD_REQUEST.outcome();
    let Answer::Message(message) = answer(&METHODS[0], &outcome, ErrorMode::Body) else { panic!("a message") };
    let response = PublishResponse::decode(&*message).expect("a response");
    assert_eq!(response.error, Some(Error { code: 107, message: "bad request".into() }));
    assert!(response.result.is_none());
    assert!(matches!(answer(&METHODS[0], &outcome, ErrorMode::Transport), Answer::Status(_)));
}

#[test]
fn texts_of_statuses_are_escaped() {
    let mut peer = Peer::new(options());
    let exchange = peer.call(request(PUBLISH, &[]), b"");
    peer.answer(Answer::Status(Status::new(Code::Internal, "50% ü")));
    assert_eq!(peer.read(exchange).status(), (13, "50%25 %C3%BC"));
}

#[test]
fn only_posts_of_grpc_are_calls() {
    let mut peer = Peer::new(options());
    let mut get = request(PUBLISH, &[]);
    *get.method_mut() = http::Method::GET;
    assert_eq!(peer.reply(get, b"").http, 405);
    for value in ["application/json", "application/grpcx", "text/plain"] {
        assert_eq!(peer.reply(request(PUBLISH, &[("content-type", value)]), b"").http, 415, "{value}");
    }
    for value in ["application/grpc+proto", "application/grpc;charset=x", "Application/gRPC"] {
        peer.call(request(PUBLISH, &[("content-type", value)]), b"");
    }
    assert_eq!(peer.calls.len(), 3);
}

#[test]
fn what_is_no_call_is_answered_when_it_is_whole() {
    let mut peer = Peer::new(options());
    let mut exchange = peer.begin(request(PUBLISH, &[("content-type", "text/plain")]), &b"abc"[..], false);
    peer.look(&mut exchange);
    assert_eq!((exchange.reply.http, exchange.reply.is_whole), (0, false));
    exchange.out.send_data((&b"def"[..]).into(), true).expect("an open stream");
    peer.turn();
    let reply = peer.read(exchange);
    assert_eq!((reply.http, &reply.headers["content-type"]), (415, &"text/plain; charset=utf-8".parse().unwrap()));
    assert_eq!(String::from_utf8_lossy(&reply.body), "the content type is not application/grpc\n");
    // A body that never ends does not keep its stream for ever.
    let mut endless = peer.begin(request(PUBLISH, &[("content-type", "text/plain")]), &b"abc"[..], false);
    peer.now = peer.now + std::time::Duration::from_millis(crate::limits::HTTP_BODY_TIMEOUT_MS);
    peer.server.expire(peer.now);
    peer.turn();
    peer.look(&mut endless);
    assert_eq!(endless.reply.http, 415);
}

#[test]
fn gzip_is_understood_and_answered_in_kind() {
    let mut peer = Peer::new(options());
    let message = vec![b'x'; 10_000];
    let gzip = [("grpc-encoding", "gzip")];
    let exchange = peer.begin(request(PUBLISH, &gzip), grpc::encode(&message, true), true);
    assert_eq!(peer.calls[0].1.message, message);
    peer.answer(Answer::Message(message.clone()));
    let reply = peer.read(exchange);
    assert_eq!(reply.headers["grpc-encoding"], "gzip");
    assert!(reply.body[0] == 1 && reply.body.len() < 1000);
    assert_eq!(reply.messages(), std::slice::from_ref(&message));

    // Who says that gzip cannot be read gets none.
    let fields = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,deflate")];
    let exchange = peer.begin(request(PUBLISH, &fields), grpc::encode(&message, true), true);
    peer.answer(Answer::Message(message.clone()));
    let reply = peer.read(exchange);
    assert!(!reply.headers.contains_key("grpc-encoding"));
    assert_eq!(reply.body[0], 0);
}

#[test]
fn other_encodings_are_refused_with_those_that_are_known() {
    let mut peer = Peer::new(options());
    let reply = peer.reply(request(PUBLISH, &[("grpc-encoding", "snappy")]), b"");
    assert_eq!(reply.status().0, 12);
    assert_eq!(reply.headers["grpc-accept-encoding"], "identity,gzip");
    let unannounced = peer.begin(request(PUBLISH, &[]), Bytes::from_static(&[1, 0, 0, 0, 0]), true);
    assert_eq!(peer.read(unannounced).status().0, 13);
    let no_gzip = Bytes::from_static(&[1, 0, 0, 0, 1, 9]);
    let no_gzip = peer.begin(request(PUBLISH, &[("grpc-encoding", "gzip")]), no_gzip, true);
    assert_eq!(peer.read(no_gzip).status().0, 13);
}

#[test]
fn a_message_over_the_bound_is_refused_before_it_is_read() {
    let mut peer = Peer::new(options());
    let length = 5_242_885u32.to_be_bytes();
    let prefix = [&[0][..], &length].concat();
    let exchange = peer.begin(request(PUBLISH, &[]), prefix, false);
    let text = "grpc: received message larger than max (5242885 vs. 4194304)";
    assert_eq!(peer.read(exchange).status(), (8, text));

    let mut small = Peer::new(Options { message_bytes_max: 1000, ..options() });
    let bomb = grpc::encode(&[0; 10_000], true);
    assert!(bomb.len() < 1000);
    let exchange = small.begin(request(PUBLISH, &[("grpc-encoding", "gzip")]), bomb, true);
    assert_eq!(small.read(exchange).status(), (8, "the inflated message is larger than max (1000)"));
}

#[test]
fn a_call_has_exactly_one_message() {
    let mut peer = Peer::new(options());
    let message = grpc::encode(b"a", false);
    let twice = [&message[..], &message[..]].concat();
    for (body, text) in [
        (Vec::new(), "no request message"),
        (message[..5].to_vec(), "a cut request message"),
        (twice, "more than one request message"),
    ] {
        let exchange = peer.begin(request(PUBLISH, &[]), body, true);
        assert_eq!(peer.read(exchange).status(), (13, text));
    }
    assert!(peer.calls.is_empty());
}

#[test]
fn what_is_no_message_of_its_type_is_an_internal_error() {
    let mut peer = Peer::new(options());
    let rules = Rules::new(&Default::default(), &Default::default()).expect("defaults");
    for message in [&b"\xff"[..], b"\x0a\x02\xff\xfe"] {
        peer.call(request(PUBLISH, &[]), message);
        let (_, call) = peer.calls.remove(0);
        let Err(Answer::Status(status)) = call.decode(&rules) else { panic!("refused") };
        assert_eq!(status.code, Code::Internal);
    }
}

#[test]
fn a_call_past_its_deadline_is_answered_and_forgotten() {
    let mut peer = Peer::new(options());
    let exchange = peer.call(request(PUBLISH, &[("grpc-timeout", "50m")]), b"");
    let at = Mono(0) + Duration::from_millis(50);
    assert_eq!(peer.server.deadline(), at);
    peer.server.expire(at);
    assert_eq!(peer.read(exchange).status(), (4, "deadline exceeded"));
    assert_eq!(peer.cancelled.len(), 1);
    // The answer that comes late finds nobody.
    peer.answer(Answer::Message(Vec::new()));
    assert!(peer.server.deadline() > at);
    assert_eq!(peer.reply(request(PUBLISH, &[("grpc-timeout", "soon")]), b"").status().0, 13);
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let mut peer = Peer::new(options());
    let exchange = peer.begin(request(PUBLISH, &[]), Bytes::from_static(&[0, 0]), false);
    let at = Mono(0) + Duration::from_millis(limits::HTTP_BODY_TIMEOUT_MS);
    assert_eq!(peer.server.deadline(), at);
    peer.server.expire(at);
    assert_eq!(peer.read(exchange).status().0, 4);
    assert!(peer.cancelled.is_empty());
}

#[test]
fn a_call_that_the_peer_gives_up_is_forgotten() {
    let mut peer = Peer::new(options());
    let mut exchange = peer.call(request(PUBLISH, &[]), b"");
    exchange.out.send_reset(h2::Reason::CANCEL);
    peer.turn();
    assert_eq!(peer.cancelled, [peer.calls[0].0]);
    assert_eq!(peer.server.in_flight(), 0);
    peer.answer(Answer::Message(Vec::new()));
    assert!(peer.end.is_none());
}
