//! The client-server API: one file for each module of `ruma::api::client`.

pub mod account;
pub mod admin;
pub mod alias;
pub mod backup;
pub mod capabilities;
pub mod config;
pub mod context;
pub mod dehydrated_device;
pub mod device;
pub mod directory;
pub mod discovery;
pub mod filter;
pub mod keys;
pub mod knock;
pub mod media;
pub mod membership;
pub mod message;
pub mod peeking;
pub mod prekeys;
pub mod presence;
pub mod profile;
pub mod push;
pub mod read_marker;
pub mod receipt;
pub mod register;
pub mod relations;
pub mod reporting;
pub mod room;
pub mod sender_keys;
pub mod session;
pub mod sliding_sync;
pub mod space;
pub mod state;
pub mod sync;
pub mod tag;
pub mod threads;
pub mod to_device;
pub mod typing;
mod uiaa;
pub mod user_directory;
pub mod voip;

use std::sync::Arc;

use ruma::{
    OwnedRoomId,
    api::Direction as RequestedDirection,
    events::{AnyStateEvent, AnyTimelineEvent},
    serde::Raw,
};

use crate::{
    error::{Error, Result},
    service::{
        event::{Event, Viewer},
        rooms::Shown,
        sessions::Session,
        timeline::Direction,
    },
};

/// The one who looks at an event.
fn viewer(caller: &Session) -> Viewer<'_> {
    Viewer::new(caller)
}

fn room_id_of(text: String) -> Result<OwnedRoomId> {
    OwnedRoomId::try_from(text).map_err(|_| Error::invalid_param("The room id is malformed"))
}

pub(in crate::http) fn direction(requested: RequestedDirection) -> Direction {
    match requested {
        RequestedDirection::Backward => Direction::Backward,
        RequestedDirection::Forward => Direction::Forward,
    }
}

fn timeline_events(events: &[Shown], viewer: Viewer<'_>) -> Result<Vec<Raw<AnyTimelineEvent>>> {
    events.iter().map(|shown| shown.for_client(viewer).map(Raw::from_json)).collect()
}

fn state_events(events: &[Arc<Event>], viewer: Viewer<'_>) -> Result<Vec<Raw<AnyStateEvent>>> {
    events.iter().map(|event| event.for_client(viewer).map(Raw::from_json)).collect()
}
