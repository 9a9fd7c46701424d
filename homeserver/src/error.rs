//! The one error of the server. Its mapping to HTTP is in `http/error.rs`.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use ruma::api::error::ErrorKind;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An answer that the specification has a code for.
    #[error("{kind:?}: {message}")]
    Matrix { status: StatusCode, kind: ErrorKind, message: Cow<'static, str> },

    /// 401 with the flows and the session of user-interactive authentication, as JSON.
    #[error("user-interactive authentication required")]
    Uia(Box<serde_json::Value>),

    /// The caller asks too often.
    #[error("too many requests")]
    LimitExceeded { retry_after: Duration },

    /// What was prepared stands on a room that has moved on: prepare again.
    #[error("the room has changed since this was prepared")]
    StaleRoom,

    /// No space is left for the database; reads go on.
    #[error("the disk is full")]
    DiskFull,

    /// The server is stopping, or its writer has stopped.
    #[error("the server is stopping")]
    Stopping,

    /// The database cannot be opened as it is; the message says what to do.
    #[error("{0}")]
    CannotOpen(String),

    #[error("database: {0}")]
    Database(#[from] diesel::result::Error),

    #[error("database connection: {0}")]
    Connection(#[from] diesel::result::ConnectionError),

    #[error("I/O: {0}")]
    Io(#[from] std::io::Error),

    /// A defect: never the caller's fault.
    #[error("internal: {0}")]
    Internal(Cow<'static, str>),
}

impl Error {
    pub fn matrix(
        status: StatusCode,
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Matrix { status, kind, message: message.into() }
    }

    /// 403 `M_FORBIDDEN`.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::matrix(StatusCode::FORBIDDEN, ErrorKind::Forbidden, message)
    }

    /// 401 `M_USER_LOCKED`, with a soft logout: the client keeps what it has.
    pub fn user_locked() -> Self {
        Self::matrix(StatusCode::UNAUTHORIZED, ErrorKind::UserLocked, "This account is locked")
    }

    /// 404 `M_NOT_FOUND`.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::matrix(StatusCode::NOT_FOUND, ErrorKind::NotFound, message)
    }

    /// 400 `M_INVALID_PARAM`.
    pub fn invalid_param(message: impl Into<Cow<'static, str>>) -> Self {
        Self::matrix(StatusCode::BAD_REQUEST, ErrorKind::InvalidParam, message)
    }

    /// 400 `M_BAD_JSON`.
    pub fn bad_json(message: impl Into<Cow<'static, str>>) -> Self {
        Self::matrix(StatusCode::BAD_REQUEST, ErrorKind::BadJson, message)
    }

    /// 400 `M_INVALID_SIGNATURE`.
    pub fn invalid_signature(message: impl Into<Cow<'static, str>>) -> Self {
        // ruma has no name for this code.
        let kind = serde_json::from_value(serde_json::json!({ "errcode": "M_INVALID_SIGNATURE" }));
        let kind = kind.unwrap_or(ErrorKind::InvalidParam);
        Self::matrix(StatusCode::BAD_REQUEST, kind, message)
    }

    /// 500: a defect of ours; the message goes to the log, not to the caller.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Internal(message.into())
    }
}
