//! `ruma::api::client::peeking`, and what else clients from before `sync` ask: `initialSync` and `events`.
//!
//! ruma's types know neither a limit nor an event stream that is not of one room.

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use ruma::{OwnedEventId, api::auth_scheme::AccessToken};
use serde::Serialize;

use super::{
    media::{in_query, number},
    room_id_of, viewer,
};
use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        ruma::{Answer as _, Call, Ctx, Json},
    },
    service::sessions::Session,
};

pub const INITIAL_SYNC: [&str; 2] =
    ["/_matrix/client/r0/initialSync", "/_matrix/client/v3/initialSync"];
pub const ROOM_INITIAL_SYNC: [&str; 2] = [
    "/_matrix/client/r0/rooms/{room_id}/initialSync",
    "/_matrix/client/v3/rooms/{room_id}/initialSync",
];
pub const EVENTS: [&str; 2] = ["/_matrix/client/r0/events", "/_matrix/client/v3/events"];
pub const EVENT: [&str; 2] =
    ["/_matrix/client/r0/events/{event_id}", "/_matrix/client/v3/events/{event_id}"];

/// How many events of a room are told, and how many at once, when nobody says.
const MESSAGES: u64 = 10;
const LISTENED_TO: u64 = 100;

/// `GET /_matrix/client/v3/initialSync`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3initialsync))
pub async fn initial_sync(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = caller(&ctx, &mut call).await?;
    let limit = count(&call, "limit", MESSAGES)?;
    let archived = in_query(&call, "archived")?.is_some_and(|text| text == "true");
    json(&ctx.sync.initial(&caller, limit, archived).await?)
}

/// `GET /_matrix/client/v3/rooms/{roomId}/initialSync`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidinitialsync))
pub async fn get_current_state(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = caller(&ctx, &mut call).await?;
    let [room_id] = call.decoded()?;
    let room_id = room_id_of(room_id)?;
    let limit = count(&call, "limit", MESSAGES)?;
    json(&ctx.sync.room_initial(&caller, &room_id, limit).await?)
}

/// `GET /_matrix/client/v3/events`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3events))
pub async fn listen_to_new_events(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = caller(&ctx, &mut call).await?;
    let room_id = in_query(&call, "room_id")?.map(room_id_of).transpose()?;
    if room_id.is_none() {
        caller.check_not_guest()?;
    }
    let from = in_query(&call, "from")?;
    let timeout = Duration::from_millis(number(&call, "timeout")?.unwrap_or_default());
    let limit = count(&call, "limit", LISTENED_TO)?;
    json(&ctx.sync.events(&caller, from.as_deref(), room_id, timeout, limit).await?)
}

/// `GET /_matrix/client/v3/events/{eventId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3eventseventid))
pub async fn get_one_event(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = caller(&ctx, &mut call).await?;
    let [event_id] = call.decoded()?;
    let event_id = OwnedEventId::try_from(event_id)
        .map_err(|_| Error::invalid_param("The event id is malformed"))?;
    let event = ctx.rooms.event_anywhere(&caller, &event_id).await?;
    json(&event.for_client(viewer(&caller).at(ctx.clock.now_ms()))?)
}

async fn caller(ctx: &Ctx, call: &mut Call) -> Result<Arc<Session>> {
    AccessToken::caller(ctx, &call.http, &mut call.body).await
}

fn count(call: &Call, name: &'static str, default: u64) -> Result<usize> {
    Ok(usize::try_from(number(call, name)?.unwrap_or(default)).unwrap_or(usize::MAX))
}

fn json(answer: &impl Serialize) -> Result<HttpResponse> {
    Json::of(answer)?.into_response()
}
