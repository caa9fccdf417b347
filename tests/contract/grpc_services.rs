//! The other services of the GRPC port: health, and reflection when it is switched on. Neither asks for the key.

use super::config::{self, Dialect, KEY};
use super::grpc_client::{Grpc, Options};
use prost::Message;
use prost::encoding::{decode_key, decode_varint};
use serde_json::{Value, json};

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: [&str; 2] = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
const API: &str = "centrifugal.centrifugo.api.CentrifugoApi";

/// A message of one text field.
fn text(field: u8, value: &str) -> Vec<u8> {
    [&[field << 3 | 2, u8::try_from(value.len()).expect("short")], value.as_bytes()].concat()
}

/// The values of a field that holds texts, octets or messages.
fn values(mut message: &[u8], wanted: u32) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (field, kind) = decode_key(&mut message).expect("a key");
        match kind {
            prost::encoding::WireType::LengthDelimited => {
                let length = decode_varint(&mut message).expect("a length") as usize;
                let (value, rest) = message.split_at(length);
                message = rest;
                if field == wanted {
                    found.push(value.to_vec());
                }
            }
            _ => _ = decode_varint(&mut message).expect("a number"),
        }
    }
    found
}

fn start(reflection: bool) -> Vec<(crate::common::server::Server, Grpc)> {
    let set = |(dialect, cores, changes): (Dialect, usize, Value)| {
        let (server, address) = config::start_with_grpc(dialect, cores, KEY, changes);
        (server, Grpc::new(address, ""))
    };
    let v6 = json!({"grpc_api": {"reflection": reflection}});
    [(Dialect::V5, 1, json!({"grpc_api_reflection": reflection})), (Dialect::V6, 2, v6)].map(set).into()
}

#[test]
fn health_is_told_without_a_key() {
    for (_server, mut grpc) in start(false) {
        for service in ["", API] {
            let request = if service.is_empty() { Vec::new() } else { text(1, service) };
            let reply = grpc.call(HEALTH, &[&request], Options::default()).expect("an answer");
            assert_eq!(reply.message(), Ok(&b"\x08\x01"[..]), "{service:?} is serving");
        }
        let reply = grpc.call(HEALTH, &[&text(1, "other.Service")], Options::default()).expect("an answer");
        assert_eq!(reply.status, 5, "a service that is not there: {}", reply.message);
    }
}

#[test]
fn reflection_is_off_unless_asked_for() {
    for (_server, mut grpc) in start(false) {
        for service in REFLECTION {
            let path = format!("/{service}/ServerReflectionInfo");
            let reply = grpc.call(&path, &[&text(7, "*")], Options::default()).expect("an answer");
            assert_eq!(reply.status, 12, "{service}");
        }
    }
}

#[test]
fn reflection_lists_and_describes_the_api() {
    for (_server, mut grpc) in start(true) {
        for service in REFLECTION {
            let path = format!("/{service}/ServerReflectionInfo");
            let requests = [
                text(7, "*"),
                text(4, API),
                text(3, "nothing.proto"),
                text(4, "centrifugal.centrifugo.api.PublishRequest"),
            ];
            let requests: Vec<&[u8]> = requests.iter().map(Vec::as_slice).collect();
            let reply = grpc.call(&path, &requests, Options::default()).expect("an answer");
            assert_eq!((reply.status, reply.messages.len()), (0, 4), "{service}: {}", reply.message);
            let list = values(&reply.messages[0], 6).pop().expect("list_services_response");
            let names = values(&list, 1).iter().map(|one| values(one, 1).concat()).collect::<Vec<_>>();
            let names: Vec<&str> = names.iter().map(|name| std::str::from_utf8(name).expect("UTF-8")).collect();
            [API, REFLECTION[0], REFLECTION[1]]
                .iter()
                .for_each(|name| assert!(names.contains(name), "{name} in {names:?}"));
            for answer in [&reply.messages[1], &reply.messages[3]] {
                let files = values(answer, 4).pop().expect("file_descriptor_response");
                let files = values(&files, 1);
                let file = prost_types::FileDescriptorProto::decode(files[0].as_slice()).expect("a descriptor");
                assert_eq!(file.package(), "centrifugal.centrifugo.api");
                let methods = &file.service[0].method;
                assert_eq!(file.service[0].name(), "CentrifugoApi");
                assert!(corecast::api::METHODS.iter().all(|m| methods.iter().any(|known| known.name() == m.rpc)));
            }
            let error = values(&reply.messages[2], 7).pop().expect("error_response");
            assert_eq!(error.first_chunk(), Some(&[0x08, 0x05]), "not found: {error:?}");
        }
    }
}
