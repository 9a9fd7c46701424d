//! HTTP: from a request to a call of one service method, and back.
//!
//! To add a client endpoint: find its ruma type, write a handler of at most 20 lines in the same-named file
//! under `client/`, and add a line to `routes.rs`. A handler extracts, calls a service, wraps the answer.
//!
//! ```text
//! server.rs: listener, CORS, metrics ─► router.rs: raw path ─► ruma.rs: caller (auth.rs), body, types ─► handler
//!                                                                         Error ─► error.rs
//! ```

pub mod app;
mod assets;
pub mod auth;
mod client;
mod content;
mod error;
mod federation;
mod limits;
pub mod metrics;
mod proxy;
mod restrictions;
pub mod router;
pub mod routes;
pub mod ruma;
pub mod server;
mod synapse_admin;
pub mod tls;
mod well_known;

pub use self::limits::RateLimits;
