//! Judges the header block of a request: which service it asks for, whether it may, how its messages are to be read.
//! Everything that can be refused is refused here, before a byte of the body is kept.
//!
//! The order of checks is server-api 4: an unknown name is 12 with or without a key; the key comes before anything else
//! about a known one.

use super::Options;
use super::answer::Status;
use super::descriptors::Descriptors;
use crate::api::{ErrorMode, METHODS, Method};
use crate::wire::grpc::{self, Code};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{Method as Verb, StatusCode};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The service of the server API.
pub(super) const API: &str = "centrifugal.centrifugo.api.CentrifugoApi";
const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: [&str; 2] = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// What of the API is called.
#[derive(Clone, Copy)]
pub enum Target {
    /// One method.
    Method(&'static Method),
    /// Many commands in one request.
    Batch,
}

/// What a stream is for.
#[derive(Clone, Copy)]
pub(super) enum Service {
    Api(Target, ErrorMode),
    HealthCheck,
    HealthWatch,
    Reflection,
    /// None: the request is no call. Its answer waits for its end, so that h2 has judged all of it.
    Refused(StatusCode),
}

/// A request whose body is worth reading.
pub(super) struct Admitted {
    pub(super) service: Service,
    /// Its messages may be compressed.
    pub(super) is_gzip: bool,
    /// So may the answers.
    pub(super) takes_gzip: bool,
    pub(super) timeout: Option<Duration>,
}

/// A request that is answered by its header block.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) http: StatusCode,
    pub(super) status: Status,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        Refused { http: StatusCode::OK, status }
    }
}

/// Reads the header block.
///
/// # Errors
/// The answer to a request whose body nobody reads.
pub(super) fn judge(head: &Parts, options: &Options) -> Result<Admitted, Refused> {
    if head.method != Verb::POST {
        let status = Status::new(Code::Internal, "calls are made with POST");
        return Err(Refused { http: StatusCode::METHOD_NOT_ALLOWED, status });
    }
    if !is_grpc(&head.headers) {
        let status = Status::new(Code::InvalidArgument, "the content type is not application/grpc");
        return Err(Refused { http: StatusCode::UNSUPPORTED_MEDIA_TYPE, status });
    }
    let service = find(head, options)?;
    let is_gzip = match head.headers.get("grpc-encoding").map(|value| value.as_bytes()) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => return Err(Status::new(Code::Unimplemented, "unknown grpc-encoding").into()),
    };
    let timeout = match head.headers.get("grpc-timeout") {
        None => None,
        Some(value) => match grpc::timeout(value.as_bytes()) {
            None => return Err(Status::new(Code::Internal, "malformed grpc-timeout").into()),
            some => some,
        },
    };
    Ok(Admitted { service, is_gzip, takes_gzip: is_gzip && takes_gzip(&head.headers), timeout })
}

/// `application/grpc`, alone or with a message format.
fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    match value.split_at_checked(b"application/grpc".len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';'))
        }
        None => false,
    }
}

/// A peer that compresses can inflate, unless it says what it takes and gzip is not there.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get("grpc-accept-encoding") else { return true };
    value.as_bytes().split(|byte| *byte == b',').any(|name| name.trim_ascii() == b"gzip")
}

/// What a path stands for.
fn find(head: &Parts, options: &Options) -> Result<Service, Status> {
    let path = head.uri.path();
    let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.rsplit_once('/')) else {
        return Err(Status::new(Code::Unimplemented, format!("malformed method name: {path:?}")));
    };
    let unknown = || Status::new(Code::Unimplemented, format!("unknown method {method} for service {service}"));
    match service {
        API => api(method, &head.headers, options)?.ok_or_else(unknown),
        HEALTH if method == "Check" => Ok(Service::HealthCheck),
        HEALTH if method == "Watch" => Ok(Service::HealthWatch),
        HEALTH => Err(unknown()),
        name if options.reflection && REFLECTION.contains(&name) => match method {
            "ServerReflectionInfo" => Ok(Service::Reflection),
            _ => Err(unknown()),
        },
        _ => Err(Status::new(Code::Unimplemented, format!("unknown service {service}"))),
    }
}

/// A method of the API; `None` when it has no such name.
fn api(rpc: &str, headers: &HeaderMap, options: &Options) -> Result<Option<Service>, Status> {
    let target = match METHODS.iter().find(|method| method.rpc == rpc) {
        Some(method) => Some(Target::Method(method)),
        None if rpc == "Batch" => Some(Target::Batch),
        None if Descriptors::get().has_method(API, rpc) => None,
        None => return Ok(None),
    };
    if !is_authorized(headers, options) {
        return Err(Status::new(Code::Unauthenticated, "unauthenticated"));
    }
    match target {
        Some(target) => Ok(Some(Service::Api(target, mode(headers, options)))),
        None => Err(Status::new(Code::Unimplemented, format!("method {rpc} not implemented"))),
    }
}

/// Unlike over HTTP there is one place for the key and one spelling; of several values the first counts.
fn is_authorized(headers: &HeaderMap, options: &Options) -> bool {
    let given = || headers.get(AUTHORIZATION)?.as_bytes().strip_prefix(b"apikey ");
    options.key.is_empty() || given().is_some_and(|key| bool::from(key.ct_eq(options.key.as_bytes())))
}

/// A request can ask for transport mode; it cannot ask it away.
fn mode(headers: &HeaderMap, options: &Options) -> ErrorMode {
    match headers.get("x-centrifugo-error-mode") {
        Some(value) if value == "transport" => ErrorMode::Transport,
        _ => options.error_mode,
    }
}
