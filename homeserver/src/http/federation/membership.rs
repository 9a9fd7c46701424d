//! Joins, knocks and leaves of other servers' users in rooms that this server is in, and invites to this server's
//! users.

use ruma::api::federation::membership::{
    create_invite, create_join_event, create_knock_event, create_leave_event, prepare_join_event,
    prepare_knock_event, prepare_leave_event,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/federation/v1/make_join/{roomId}/{userId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1make_joinroomiduserid>
pub async fn prepare_join_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<prepare_join_event::v1::Request>,
) -> Result<prepare_join_event::v1::Response> {
    let made =
        ctx.remote.make_join(&caller, &request.room_id, &request.user_id, &request.ver).await?;
    let mut response = prepare_join_event::v1::Response::new(made.event);
    response.room_version = Some(made.room_version);
    Ok(response)
}

/// `PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid>
pub async fn create_join_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<create_join_event::v2::Request>,
) -> Result<create_join_event::v2::Response> {
    let create_join_event::v2::Request { room_id, event_id, pdu, omit_members, .. } = request;
    let state = ctx.remote.send_join(&caller, &room_id, &event_id, pdu, omit_members).await?;
    Ok(create_join_event::v2::Response::new(state))
}

/// `GET /_matrix/federation/v1/make_knock/{roomId}/{userId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1make_knockroomiduserid>
pub async fn prepare_knock_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<prepare_knock_event::v1::Request>,
) -> Result<prepare_knock_event::v1::Response> {
    let made =
        ctx.remote.make_knock(&caller, &request.room_id, &request.user_id, &request.ver).await?;
    Ok(prepare_knock_event::v1::Response::new(made.room_version, made.event))
}

/// `PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1send_knockroomideventid>
pub async fn create_knock_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<create_knock_event::v1::Request>,
) -> Result<create_knock_event::v1::Response> {
    let state =
        ctx.remote.send_knock(&caller, &request.room_id, &request.event_id, request.pdu).await?;
    Ok(create_knock_event::v1::Response::new(state))
}

/// `GET /_matrix/federation/v1/make_leave/{roomId}/{userId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1make_leaveroomiduserid>
pub async fn prepare_leave_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<prepare_leave_event::v1::Request>,
) -> Result<prepare_leave_event::v1::Response> {
    let made = ctx.remote.make_leave(&caller, &request.room_id, &request.user_id).await?;
    Ok(prepare_leave_event::v1::Response::new(Some(made.room_version), made.event))
}

/// `PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_leaveroomideventid>
pub async fn create_leave_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<create_leave_event::v2::Request>,
) -> Result<create_leave_event::v2::Response> {
    ctx.remote.send_leave(&caller, &request.room_id, &request.event_id, request.pdu).await?;
    Ok(create_leave_event::v2::Response::new())
}

/// `PUT /_matrix/federation/v2/invite/{roomId}/{eventId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2inviteroomideventid>
pub async fn create_invite(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<create_invite::v2::Request>,
) -> Result<create_invite::v2::Response> {
    Ok(create_invite::v2::Response::new(ctx.remote.take_invite(&caller, request).await?))
}
