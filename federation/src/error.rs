//! What can go wrong between two servers.

use std::net::IpAddr;

use http::StatusCode;
use ruma::{
    OwnedServerName,
    api::error::{ErrorBody, ErrorKind, StandardErrorBody},
};

/// Why a request to another server brought no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request could not be built or signed.
    #[error("cannot build the request: {0}")]
    Request(String),

    /// The body of a request that came in is no JSON that could have been signed.
    #[error("the body cannot be read: {0}")]
    Body(String),

    /// The server's name leads to no address.
    #[error("cannot find {server}: {reason}")]
    Discovery {
        /// The server looked for.
        server: OwnedServerName,
        /// What failed.
        reason: String,
    },

    /// The name leads to an address of a private network, which is refused.
    #[error("the address {0} is private")]
    PrivateAddress(IpAddr),

    /// The configuration says not to talk to that server.
    #[error("this server does not talk to {0}")]
    NotAllowed(OwnedServerName),

    /// No connection, or it broke off.
    #[error("cannot reach the server: {0}")]
    Connection(String),

    /// The server took too long.
    #[error("the server did not answer in time")]
    Timeout,

    /// The server did not answer others a moment ago, and was not asked.
    #[error("the server did not answer lately")]
    Silent,

    /// The answer has more bytes than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The server answered with an error.
    #[error("the server answered {status}: {message}")]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// The Matrix error code, when the body had one.
        kind: Option<Box<ErrorKind>>,
        /// The Matrix error message, or the start of the body.
        message: String,
    },

    /// The answer is not what the endpoint answers.
    #[error("the answer cannot be understood: {0}")]
    Response(String),

    /// The server's keys, or the signature made with them, do not prove what they should.
    #[error("{0}")]
    Unauthenticated(String),

    /// The server's keys cannot be had now; it may have those that are wanted.
    #[error("the keys of {server} cannot be had now: {reason}")]
    KeysAwaited {
        /// The server whose keys they are.
        server: OwnedServerName,
        /// What failed.
        reason: String,
    },

    /// The key store failed.
    #[error("key store: {0}")]
    KeyStore(Box<dyn std::error::Error + Send + Sync>),

    /// A file could not be read, written or understood.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The TLS configuration is unusable.
    #[error("TLS: {0}")]
    Tls(String),
}

impl Error {
    /// Whether the other server is to blame for not being there, so that the request is worth repeating
    /// later: no connection, no answer in time, an error of its own (5xx) or "too many requests".
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Discovery { .. } | Self::Connection(_) | Self::Timeout | Self::Silent => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }

    /// Whether the other server took the request in, so that repeating it changes nothing: it answered
    /// something that cannot be read.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Response(_) | Self::TooLarge { .. })
    }

    /// Whether the other server says that there is something wrong with what was sent. Other refusals are about
    /// who asks, or about the server, and may pass.
    pub fn is_refusal(&self) -> bool {
        let of_content = [
            StatusCode::BAD_REQUEST,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ];
        matches!(self, Self::Status { status, .. } if of_content.contains(status))
    }

    /// The Matrix error code that the other server gave, if it did.
    pub fn kind(&self) -> Option<&ErrorKind> {
        match self {
            Self::Status { kind, .. } => kind.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn from_answer(error: ruma::api::error::Error) -> Self {
        let status = error.status_code;
        match error.body {
            ErrorBody::Standard(StandardErrorBody { kind, message, .. }) => {
                Self::Status { status, kind: Some(Box::new(kind)), message }
            }
            ErrorBody::Json(json) => {
                Self::Status { status, kind: None, message: shortened(&json.to_string()) }
            }
            ErrorBody::NotJson { bytes, .. } => Self::Status {
                status,
                kind: None,
                message: shortened(&String::from_utf8_lossy(&bytes)),
            },
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
