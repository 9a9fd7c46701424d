//! Events and states of rooms that other servers share with this one.

use ruma::api::federation::event::{
    get_event, get_event_by_timestamp, get_missing_events, get_room_state, get_room_state_ids,
};

use crate::{
    error::Result,
    http::{
        client::direction,
        limits::answers::{Large, Size},
        ruma::{Ctx, Ruma},
    },
    service::remote::serve_events::{ids, pdus},
};

/// `GET /_matrix/federation/v1/event/{eventId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1eventeventid>
pub async fn get_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_event::v1::Request>,
) -> Result<get_event::v1::Response> {
    let pdu = ctx.remote.event_for(&caller, &request.event_id).await?;
    let (origin, now) = ctx.remote.origin();
    Ok(get_event::v1::Response::new(origin, now, pdu))
}

/// `GET /_matrix/federation/v1/state/{roomId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1stateroomid>
pub async fn get_room_state(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_room_state::v1::Request>,
) -> Result<Large<get_room_state::v1::Response>> {
    let place = ctx.rate_limits.answer(&caller, Size::Whole).await?;
    let at = ctx.remote.state_for(&caller, &request.room_id, &request.event_id).await?;
    Ok(Large(get_room_state::v1::Response::new(pdus(&at.auth_chain)?, pdus(&at.state)?), place))
}

/// `GET /_matrix/federation/v1/state_ids/{roomId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1state_idsroomid>
pub async fn get_room_state_ids(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_room_state_ids::v1::Request>,
) -> Result<Large<get_room_state_ids::v1::Response>> {
    let place = ctx.rate_limits.answer(&caller, Size::Whole).await?;
    let at = ctx.remote.state_for(&caller, &request.room_id, &request.event_id).await?;
    Ok(Large(get_room_state_ids::v1::Response::new(ids(&at.auth_chain), ids(&at.state)), place))
}

/// `POST /_matrix/federation/v1/get_missing_events/{roomId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1get_missing_eventsroomid>
pub async fn get_missing_events(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_missing_events::v1::Request>,
) -> Result<Large<get_missing_events::v1::Response>> {
    let place = ctx.rate_limits.answer(&caller, Size::Few).await?;
    let events = ctx.remote.missing_events_for(&caller, request).await?;
    Ok(Large(get_missing_events::v1::Response::new(events), place))
}

/// `GET /_matrix/federation/v1/timestamp_to_event/{roomId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1timestamp_to_eventroomid>
pub async fn get_event_by_timestamp(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_event_by_timestamp::v1::Request>,
) -> Result<get_event_by_timestamp::v1::Response> {
    let direction = direction(request.dir);
    let event = ctx.remote.event_at_for(&caller, &request.room_id, request.ts, direction).await?;
    let (event_id, time) = (event.pdu.event_id.clone(), event.pdu.origin_server_ts);
    Ok(get_event_by_timestamp::v1::Response::new(event_id, time))
}
