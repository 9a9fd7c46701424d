//! [`Error`] as an answer: status and JSON. The one place that maps it, and that logs what is our fault.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode as ActixStatus, header},
};
use ruma::api::{
    OutgoingResponseExt as _,
    error::{
        DeserializationError, Error as MatrixError, ErrorBody, ErrorKind, LimitExceededErrorData,
        RetryAfter, StandardErrorBody,
    },
};

use super::ruma::into_actix;
use crate::error::Error;

/// The answer for an error. `route` names the endpoint in the log.
pub fn respond(error: &Error, route: &str) -> HttpResponse {
    match error {
        Error::Matrix { status, kind, message } => standard(*status, kind.clone(), message),
        Error::Uia(body) => {
            HttpResponse::Unauthorized().content_type("application/json").body(body.to_string())
        }
        Error::LimitExceeded { retry_after } => {
            let mut data = LimitExceededErrorData::new();
            data.retry_after = Some(RetryAfter::Delay(*retry_after));
            standard(
                http::StatusCode::TOO_MANY_REQUESTS,
                ErrorKind::LimitExceeded(data),
                "Too many requests",
            )
        }
        Error::DiskFull => unavailable("The server's disk is full"),
        Error::Stopping => unavailable("The server is stopping"),
        Error::StaleRoom
        | Error::CannotOpen(_)
        | Error::Database(_)
        | Error::Connection(_)
        | Error::Io(_)
        | Error::Internal(_) => {
            tracing::error!(route, %error, "request failed");
            standard(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                ErrorKind::Unknown,
                "Internal server error",
            )
        }
    }
}

fn unavailable(message: &str) -> HttpResponse {
    standard(http::StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unknown, message)
}

fn standard(status: http::StatusCode, kind: ErrorKind, message: &str) -> HttpResponse {
    let body = ErrorBody::Standard(StandardErrorBody::new(kind, message.to_owned()));
    match MatrixError::new(status, body).try_into_http_response::<Vec<u8>>() {
        Ok(response) => into_actix(response),
        Err(_) => HttpResponseBuilder::new(ActixStatus::INTERNAL_SERVER_ERROR)
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .body(r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#),
    }
}

/// `404 M_UNRECOGNIZED`: no such path.
pub fn unknown_path() -> HttpResponse {
    standard(http::StatusCode::NOT_FOUND, ErrorKind::Unrecognized, "Unrecognized request")
}

/// `405 M_UNRECOGNIZED`: the path is known, the method is not.
pub fn unknown_method() -> HttpResponse {
    standard(http::StatusCode::METHOD_NOT_ALLOWED, ErrorKind::Unrecognized, "Unrecognized request")
}

/// What is wrong with a request that does not fit its type.
pub fn malformed(error: &DeserializationError) -> Error {
    let kind = match error {
        DeserializationError::Json(json) if json.is_data() => ErrorKind::BadJson,
        DeserializationError::Json(_) | DeserializationError::Utf8(_) => ErrorKind::NotJson,
        _ => ErrorKind::InvalidParam,
    };
    Error::matrix(http::StatusCode::BAD_REQUEST, kind, error.to_string())
}
