//! `ruma::api::client::room`: making rooms and reading single events.

use ruma::{
    api::client::room::{
        create_room, get_event_by_timestamp, get_room_event, get_summary, upgrade_room,
    },
    serde::Raw,
};

use super::{direction, viewer};
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `POST /_matrix/client/v3/createRoom`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom))
pub async fn create_room(
    ctx: Ctx,
    request: Ruma<create_room::v3::Request>,
) -> Result<create_room::v3::Response> {
    let Ruma { request, caller } = request;
    let room_id = ctx.rooms.create(&caller, request).await?;
    ctx.presence.moved(&caller);
    Ok(create_room::v3::Response::new(room_id))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomideventeventid))
pub async fn get_room_event(
    ctx: Ctx,
    request: Ruma<get_room_event::v3::Request>,
) -> Result<get_room_event::v3::Response> {
    let event = ctx.rooms.event(&request.caller, &request.room_id, &request.event_id).await?;
    let event = event.for_client(viewer(&request.caller).at(ctx.clock.now_ms()))?;
    Ok(get_room_event::v3::Response::new(Raw::from_json(event)))
}

/// `GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event))
pub async fn get_event_by_timestamp(
    ctx: Ctx,
    request: Ruma<get_event_by_timestamp::v1::Request>,
) -> Result<get_event_by_timestamp::v1::Response> {
    let Ruma { request, caller } = request;
    let direction = direction(request.dir);
    let (room_id, at) = (&request.room_id, request.ts);
    let (event_id, time) = ctx.rooms.event_at(&caller, room_id, at, direction).await?;
    Ok(get_event_by_timestamp::v1::Response::new(event_id, time))
}

/// `GET /_matrix/client/v1/room_summary/{roomIdOrAlias}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias))
pub async fn get_summary(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_summary::v1::Request>,
) -> Result<get_summary::v1::Response> {
    let (room, via) = (request.room_id_or_alias, request.via);
    let (summary, membership) = ctx.rooms.room_summary(caller.as_deref(), &room, via).await?;
    let mut response = get_summary::v1::Response::new(summary);
    response.membership = membership;
    Ok(response)
}

/// `POST /_matrix/client/v3/rooms/{roomId}/upgrade`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidupgrade))
pub async fn upgrade_room(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<upgrade_room::v3::Request>,
) -> Result<upgrade_room::v3::Response> {
    let upgrade_room::v3::Request { room_id, new_version, additional_creators, .. } = request;
    let new = ctx.rooms.upgrade(&caller, &room_id, new_version, additional_creators).await?;
    Ok(upgrade_room::v3::Response::new(new))
}
