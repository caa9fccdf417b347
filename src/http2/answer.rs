//! How calls are answered: messages, statuses, and the header fields that carry them.
//!
//! An error of the API is a message like any other, unless the caller asked for transport mode (server-api 1.6); then it
//! is a status with the error as a detail.

use crate::api::{self, ErrorMode, Method, Outcome, batch};
use crate::proto::api::Error;
use crate::transport::api::Outcomes;
use crate::wire::grpc::{self, Code};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use prost::Message;
use std::borrow::Cow;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What is sent back for a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// An encoded `<Rpc>Response` or `BatchResponse`, and status OK.
    Message(Vec<u8>),
    /// Another status and no message.
    Status(Status),
}

/// Why a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// GRPC's number.
    pub code: Code,
    /// For people.
    pub message: Cow<'static, str>,
    /// An encoded `google.rpc.Status`.
    pub details: Option<Vec<u8>>,
}

impl Status {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Status {
        Status { code, message: message.into(), details: None }
    }

    /// The request is no message of its type, or a text in it is not UTF-8.
    pub fn undecodable() -> Status {
        Status::new(Code::Internal, "the request message cannot be decoded")
    }

    /// As header fields at the end of a stream.
    pub(super) fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(3);
        self.write(&mut fields);
        fields
    }

    fn write(&self, fields: &mut HeaderMap) {
        fields.insert(GRPC_STATUS, HeaderValue::from(self.code as u16));
        if !self.message.is_empty() {
            fields.insert(GRPC_MESSAGE, printable(&grpc::percent_encode(&self.message)));
        }
        if let Some(details) = &self.details {
            fields.insert(GRPC_STATUS_DETAILS, printable(&grpc::binary(details)));
        }
    }
}

fn printable(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("printable ASCII")
}

/// The header block of a stream that messages follow in.
pub(super) fn head(is_gzip: bool) -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if is_gzip {
        response.headers_mut().insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// The header block of a stream that ends with it.
pub(super) fn refusal(http: StatusCode, status: &Status) -> Response<()> {
    let mut response = head(false);
    *response.status_mut() = http;
    status.write(response.headers_mut());
    if status.code == Code::Unimplemented {
        // Whatever was not understood: these encodings are.
        response.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    }
    response
}

/// How the outcomes of a call become its answer.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// One method, and how its error travels.
    Method(&'static Method, ErrorMode),
    /// A batch: errors stay in its replies in either mode.
    Batch,
}

impl Form {
    /// The answer for these outcomes.
    pub fn answer(self, outcomes: Outcomes) -> Answer {
        match (self, outcomes) {
            (Form::Method(method, mode), Outcomes::One(outcome)) => answer(method, &outcome, mode),
            (Form::Batch, Outcomes::Many(replies)) => Answer::Message(batch::encode_message(replies)),
            _ => unreachable!("one method has one outcome, a batch has many"),
        }
    }
}

/// The answer to one method.
fn answer(method: &Method, outcome: &Outcome, mode: ErrorMode) -> Answer {
    match (&outcome.error, mode) {
        (Some(error), ErrorMode::Transport) => status_of_error(error),
        _ => Answer::Message(api::encode_response(method, outcome)),
    }
}

/// `google.rpc.Status`, which has no file of ours.
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// An error of the API as a status.
pub fn status_of_error(error: &Error) -> Answer {
    let code = code_of_error(error.code);
    let detail = prost_types::Any {
        type_url: "type.googleapis.com/centrifugal.centrifugo.api.Error".into(),
        value: error.encode_to_vec(),
    };
    let details = Details { code: code as i32, message: error.message.clone(), details: vec![detail] };
    let details = Some(details.encode_to_vec());
    Answer::Status(Status { code, message: error.message.clone().into(), details })
}

/// The right column of server-api 1.6.
fn code_of_error(code: u32) -> Code {
    match code {
        102 | 104 => Code::NotFound,
        107 | 108 => Code::InvalidArgument,
        111 => Code::ResourceExhausted,
        112 => Code::OutOfRange,
        113 => Code::AlreadyExists,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ApiError;

    #[test]
    fn both_columns_of_transport_mode_say_the_same() {
        for error in ApiError::ALL {
            let code = match error.status {
                400 => Code::InvalidArgument,
                404 => Code::NotFound,
                409 => Code::AlreadyExists,
                416 => Code::OutOfRange,
                429 => Code::ResourceExhausted,
                _ => Code::Internal,
            };
            assert_eq!(code_of_error(error.code), code, "{error:?}");
        }
        assert_eq!(code_of_error(112), Code::OutOfRange);
        assert_eq!(code_of_error(113), Code::AlreadyExists);
    }

    #[test]
    fn the_error_itself_is_a_detail_of_its_status() {
        let error = ApiError::UNKNOWN_CHANNEL.message();
        let Answer::Status(status) = status_of_error(&error) else { panic!("a status") };
        assert_eq!((status.code, &*status.message), (Code::NotFound, "unknown channel"));
        let details = Details::decode(&*status.details.expect("details")).expect("google.rpc.Status");
        assert_eq!((details.code, details.message.as_str()), (5, "unknown channel"));
        assert!(details.details[0].type_url.ends_with("/centrifugal.centrifugo.api.Error"));
        assert_eq!(Error::decode(&*details.details[0].value), Ok(error));
    }
}
