//! Health and reflection, answered without the shard and without a key.

use super::Options;
use super::peer::{Exchange, Peer, options, request};
use crate::limits;
use crate::proto::health::health_check_response::ServingStatus;
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse};
use crate::proto::reflection::server_reflection_request::MessageRequest as Ask;
use crate::proto::reflection::server_reflection_response::MessageResponse;
use crate::proto::reflection::{ErrorResponse, ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse};
use crate::proto::reflection_v1alpha;
use crate::wire::grpc;
use bytes::Bytes;
use prost::Message;
use prost_types::FileDescriptorProto;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const API: &str = "centrifugal.centrifugo.api.CentrifugoApi";

fn with_key() -> Options {
    Options { key: "KEY".into(), ..options() }
}

fn named(service: &str) -> Vec<u8> {
    HealthCheckRequest { service: service.into() }.encode_to_vec()
}

fn states(exchange: &Exchange) -> Vec<ServingStatus> {
    let state = |message: Bytes| HealthCheckResponse::decode(message).expect("a response").status();
    exchange.reply.messages().into_iter().map(state).collect()
}

#[test]
fn check_names_the_state_of_the_server_and_of_the_api() {
    let mut peer = Peer::new(with_key());
    for service in ["", API] {
        let mut exchange = peer.call(request(CHECK, &[]), &named(service));
        peer.look(&mut exchange);
        assert_eq!(states(&exchange), [ServingStatus::Serving]);
        assert_eq!(exchange.reply.status().0, 0);
    }
    assert_eq!(peer.reply(request(CHECK, &[]), &named("other")).status(), (5, "unknown service"));
    assert_eq!(peer.reply(request(CHECK, &[]), b"\xff").status().0, 13);
    assert_eq!(peer.reply(request("/grpc.health.v1.Health/Nope", &[]), b"").status().0, 12);
}

#[test]
fn watch_tells_the_state_and_its_end() {
    let mut peer = Peer::new(with_key());
    let mut exchange = peer.call(request(WATCH, &[]), &named(""));
    let mut unknown = peer.call(request(WATCH, &[]), &named("other"));
    peer.look(&mut exchange);
    peer.look(&mut unknown);
    assert_eq!(states(&exchange), [ServingStatus::Serving]);
    assert_eq!(states(&unknown), [ServingStatus::ServiceUnknown]);
    assert!(!exchange.reply.is_whole);

    peer.server.shutdown(peer.now);
    peer.look(&mut exchange);
    assert_eq!(states(&exchange), [ServingStatus::Serving, ServingStatus::NotServing]);
    assert_eq!(exchange.reply.status().0, 14);
    peer.look(&mut unknown);
    assert!(peer.server.is_done(), "watchers do not keep the connection open");
}

#[test]
fn a_stopping_server_does_not_serve() {
    let mut peer = Peer::new(options());
    let _open = peer.call(request(super::peer::PUBLISH, &[]), b"");
    // The client has not heard of the stop when it asks.
    peer.is_reading = false;
    peer.server.shutdown(peer.now);
    let mut exchange = peer.call(request(CHECK, &[]), &named(""));
    peer.is_reading = true;
    peer.look(&mut exchange);
    assert_eq!(states(&exchange), [ServingStatus::NotServing]);
}

fn ask(peer: &mut Peer, path: &str, questions: &[Ask]) -> Vec<MessageResponse> {
    let encode = |ask: &Ask| {
        let request = ServerReflectionRequest { host: "h".into(), message_request: Some(ask.clone()) };
        grpc::encode(&request.encode_to_vec(), false)
    };
    let body: Vec<u8> = questions.iter().flat_map(encode).collect();
    let exchange = peer.begin(request(path, &[]), body, true);
    let reply = peer.read(exchange);
    assert_eq!(reply.status(), (0, ""));
    let answer = |(message, question): (Bytes, &Ask)| {
        let response = ServerReflectionResponse::decode(message).expect("a response");
        assert_eq!(response.valid_host, "h");
        assert_eq!(response.original_request.expect("echoed").message_request.as_ref(), Some(question));
        response.message_response.expect("an answer")
    };
    reply.messages().into_iter().zip(questions).map(answer).collect()
}

/// The name of the one file of an answer.
fn file(answer: &MessageResponse) -> String {
    let MessageResponse::FileDescriptorResponse(response) = answer else { panic!("{answer:?}") };
    let file = FileDescriptorProto::decode(response.file_descriptor_proto[0].clone()).expect("a file");
    file.name().to_string()
}

#[test]
fn reflection_lists_all_services() {
    let mut peer = Peer::new(with_key());
    for path in [V1, V1ALPHA] {
        let answers = ask(&mut peer, path, &[Ask::ListServices(String::new())]);
        let MessageResponse::ListServicesResponse(list) = &answers[0] else { panic!("a list") };
        let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
        let (v1, v1alpha) = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection");
        assert_eq!(names, [API, "grpc.health.v1.Health", v1, v1alpha]);
    }
}

#[test]
fn reflection_finds_files_by_name_and_by_symbol() {
    let mut peer = Peer::new(options());
    let symbol = |name: &str| Ask::FileContainingSymbol(name.into());
    let questions = [
        Ask::FileByFilename("api.proto".into()),
        symbol(API),
        symbol("centrifugal.centrifugo.api.CentrifugoApi.Publish"),
        symbol("centrifugal.centrifugo.api.PublishRequest"),
        symbol("centrifugal.centrifugo.api.PublishRequest.TagsEntry"),
        symbol("centrifugal.centrifugo.api.Command.MethodType"),
        symbol("grpc.health.v1.HealthCheckResponse.ServingStatus"),
        symbol("grpc.reflection.v1alpha.ServerReflection"),
    ];
    let files: Vec<String> = ask(&mut peer, V1, &questions).iter().map(file).collect();
    assert_eq!(files[..6], ["api.proto"; 6]);
    assert_eq!(files[6..], ["health.proto", "reflection_v1alpha.proto"]);
}

#[test]
fn reflection_says_what_it_does_not_find() {
    let mut peer = Peer::new(options());
    let api = "centrifugal.centrifugo.api";
    let extension = ExtensionRequest { containing_type: format!("{api}.Error"), extension_number: 1 };
    let questions = [
        Ask::FileByFilename("client.proto".into()),
        Ask::FileContainingSymbol(format!("{api}.Nope")),
        Ask::FileContainingSymbol(String::new()),
        Ask::FileContainingExtension(extension),
        Ask::AllExtensionNumbersOfType(format!("{api}.Nope")),
    ];
    for answer in ask(&mut peer, V1, &questions) {
        let not_found = ErrorResponse { error_code: 5, error_message: "not found".into() };
        assert_eq!(answer, MessageResponse::ErrorResponse(not_found));
    }
    let known = ask(&mut peer, V1, &[Ask::AllExtensionNumbersOfType(format!("{api}.Error"))]);
    let MessageResponse::AllExtensionNumbersResponse(numbers) = &known[0] else { panic!("numbers") };
    assert!(numbers.extension_number.is_empty());
}

#[test]
fn reflection_is_a_conversation() {
    let mut peer = Peer::new(options());
    let list = Ask::ListServices(String::new());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(list) }.encode_to_vec();
    let mut exchange = peer.begin(request(V1, &[]), grpc::encode(&question, false), false);
    for count in 1..4 {
        peer.look(&mut exchange);
        assert_eq!(exchange.reply.messages().len(), count);
        exchange.out.send_data(grpc::encode(&question, false), false).expect("open");
    }
    exchange.out.send_data(grpc::encode(b"\xff", false), true).expect("open");
    peer.look(&mut exchange);
    assert_eq!((exchange.reply.messages().len(), exchange.reply.status().0), (4, 13));
}

#[test]
fn reflection_reads_on_when_its_answers_have_left() {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1000);
    let mut peer = Peer::with(options(), &builder);
    let file = Ask::FileByFilename("api.proto".into());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(file) }.encode_to_vec();
    let questions = grpc::encode(&question, false).repeat(50);
    let mut exchange = peer.begin(request(V1, &[]), questions, true);
    peer.look(&mut exchange);
    assert_eq!((exchange.reply.messages().len(), exchange.reply.status().0), (50, 0));
}

#[test]
fn a_peer_that_asks_and_never_reads_is_not_read_either() {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let mut peer = Peer::with(options(), &builder);
    let file = Ask::FileByFilename("api.proto".into());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(file) }.encode_to_vec();
    // The answers would be 3 GB.
    let _exchange = peer.begin(request(V1, &[]), grpc::encode(&question, false).repeat(100_000), true);
    assert!(peer.sent < 2 * limits::HTTP2_STREAM_WINDOW_BYTES as usize, "{}", peer.sent);
}

#[test]
fn both_versions_of_reflection_are_the_same_bytes() {
    let list = reflection_v1alpha::server_reflection_request::MessageRequest::ListServices("*".into());
    let old = reflection_v1alpha::ServerReflectionRequest { host: "h".into(), message_request: Some(list) };
    let new = ServerReflectionRequest { host: "h".into(), message_request: Some(Ask::ListServices("*".into())) };
    assert_eq!(old.encode_to_vec(), new.encode_to_vec());
}

#[test]
fn reflection_that_is_off_is_an_unknown_service() {
    let mut peer = Peer::new(Options { reflection: false, ..options() });
    let reply = peer.reply(request(V1, &[]), b"");
    assert_eq!(reply.status(), (12, "unknown service grpc.reflection.v1.ServerReflection"));
}
