//! `grpc.health.v1.Health`: asked by load balancers, so it needs no key. The server as a whole (service "") and the API
//! are in one state: they serve until the server stops.

use super::answer::{Answer, Status};
use super::request::API;
use crate::proto::health::health_check_response::ServingStatus;
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse};
use crate::wire::grpc::Code;
use bytes::Bytes;
use prost::Message;

/// The state of the service that a request names.
///
/// # Errors
/// The request cannot be decoded.
pub(super) fn state(request: Bytes, is_stopping: bool) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest::decode(request).map_err(|_| Status::undecodable())?;
    Ok(match request.service.as_str() {
        "" | API if is_stopping => ServingStatus::NotServing,
        "" | API => ServingStatus::Serving,
        _ => ServingStatus::ServiceUnknown,
    })
}

/// The answer to `Check`.
pub(super) fn check(request: Bytes, is_stopping: bool) -> Answer {
    match state(request, is_stopping) {
        Ok(ServingStatus::ServiceUnknown) => Answer::Status(Status::new(Code::NotFound, "unknown service")),
        Ok(state) => Answer::Message(message(state)),
        Err(status) => Answer::Status(status),
    }
}

/// A state as a message.
pub(super) fn message(state: ServingStatus) -> Vec<u8> {
    HealthCheckResponse { status: state.into() }.encode_to_vec()
}
