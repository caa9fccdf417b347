//! `grpc.reflection.v1.ServerReflection` and the same under `v1alpha`: what `grpcurl` and its like ask before they can
//! call anything. On the wire the two are the same messages, so one set of types answers both.

use super::answer::Status;
use super::descriptors::Descriptors;
use crate::proto::reflection::server_reflection_request::MessageRequest;
use crate::proto::reflection::server_reflection_response::MessageResponse;
use crate::proto::reflection::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use crate::wire::grpc::Code;
use bytes::Bytes;
use prost::Message;

/// The answer to one question.
///
/// # Errors
/// It cannot be decoded.
pub(super) fn answer(question: Bytes) -> Result<Vec<u8>, Status> {
    let request = ServerReflectionRequest::decode(question).map_err(|_| Status::undecodable())?;
    let response = ServerReflectionResponse {
        valid_host: request.host.clone(),
        message_response: Some(respond(request.message_request.as_ref())),
        original_request: Some(request),
    };
    Ok(response.encode_to_vec())
}

fn respond(asked: Option<&MessageRequest>) -> MessageResponse {
    let index = Descriptors::get();
    match asked {
        Some(MessageRequest::ListServices(_)) => services(index),
        Some(MessageRequest::FileByFilename(name)) => file(index.file(name)),
        Some(MessageRequest::FileContainingSymbol(name)) => file(index.file_of(name)),
        Some(MessageRequest::AllExtensionNumbersOfType(name)) if index.is_message(name) => {
            let base_type_name = name.clone();
            let none = ExtensionNumberResponse { base_type_name, extension_number: Vec::new() };
            MessageResponse::AllExtensionNumbersResponse(none)
        }
        // proto3 has no extensions.
        Some(MessageRequest::FileContainingExtension(_) | MessageRequest::AllExtensionNumbersOfType(_)) => file(None),
        None => error(Code::InvalidArgument, "nothing was asked"),
    }
}

fn services(index: &Descriptors) -> MessageResponse {
    let service = index.services().map(|name| ServiceResponse { name: name.clone() }).collect();
    MessageResponse::ListServicesResponse(ListServiceResponse { service })
}

fn file(found: Option<Bytes>) -> MessageResponse {
    match found {
        Some(file) => {
            MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto: vec![file] })
        }
        None => error(Code::NotFound, "not found"),
    }
}

fn error(code: Code, text: &str) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse { error_code: code as i32, error_message: text.into() })
}
