//! The client-server API: one file for each module of `ruma::api::client`.

pub mod account;
pub mod admin;
pub mod capabilities;
pub mod config;
pub mod discovery;
pub mod filter;
pub mod media;
pub mod membership;
pub mod message;
pub mod presence;
pub mod profile;
pub mod push;
pub mod read_marker;
pub mod receipt;
pub mod register;
pub mod reporting;
pub mod room;
pub mod session;
pub mod sliding_sync;
pub mod state;
pub mod sync;
pub mod tag;
pub mod typing;
mod uiaa;
pub mod user_directory;
pub mod voip;

use crate::service::{event::Viewer, sessions::Session};

/// The one who looks at an event.
fn viewer(caller: &Session) -> Viewer<'_> {
    Viewer::new(caller)
}
