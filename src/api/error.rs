//! Errors of the server API and their statuses in transport error mode (server-api 1.6, 5).

use super::Outcome;
use crate::proto::api::Error;

/// An error of the server API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// The number that backends look at.
    pub code: u32,
    /// Its fixed text; clients compare it.
    pub message: &'static str,
    /// HTTP status in transport error mode.
    pub status: u16,
}

impl ApiError {
    /// Something failed that is not the caller's doing.
    pub const INTERNAL: ApiError = ApiError { code: 100, message: "internal server error", status: 500 };
    /// The channel's namespace is not configured.
    pub const UNKNOWN_CHANNEL: ApiError = ApiError { code: 102, message: "unknown channel", status: 404 };
    /// No such method.
    pub const NOT_FOUND: ApiError = ApiError { code: 104, message: "not found", status: 404 };
    /// The request lacks something.
    pub const BAD_REQUEST: ApiError = ApiError { code: 107, message: "bad request", status: 400 };
    /// The feature is switched off for this channel.
    pub const NOT_AVAILABLE: ApiError = ApiError { code: 108, message: "not available", status: 400 };
    /// The server is short of memory; later it will do. 429 as HTTP has it.
    pub const TOO_MANY_REQUESTS: ApiError = ApiError { code: 111, message: "too many requests", status: 429 };
    /// The position belongs to another epoch.
    pub const UNRECOVERABLE_POSITION: ApiError = ApiError { code: 112, message: "unrecoverable position", status: 416 };
    /// Defined for clients of maps; no method answers it.
    pub const CONFLICT: ApiError = ApiError { code: 113, message: "conflict", status: 409 };

    /// All of them.
    pub const ALL: &[ApiError] = &[
        ApiError::INTERNAL,
        ApiError::UNKNOWN_CHANNEL,
        ApiError::NOT_FOUND,
        ApiError::BAD_REQUEST,
        ApiError::NOT_AVAILABLE,
        ApiError::TOO_MANY_REQUESTS,
        ApiError::UNRECOVERABLE_POSITION,
        ApiError::CONFLICT,
    ];

    /// As a message.
    pub fn message(self) -> Error {
        Error { code: self.code, message: self.message.into() }
    }

    /// As the outcome of a method.
    pub fn outcome(self) -> Outcome {
        Outcome { error: Some(self.message()), ..Outcome::default() }
    }

    /// The status for an error code in transport error mode; codes without one of their own count as 500.
    pub fn status_of(code: u32) -> u16 {
        ApiError::ALL.iter().find(|error| error.code == code).map_or(500, |error| error.status)
    }
}

/// How API errors travel over HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorMode {
    /// Status 200 and an `error` member.
    Body,
    /// The error's status and the bare error object.
    Transport,
}
