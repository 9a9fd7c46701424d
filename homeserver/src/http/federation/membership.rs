//! Joins, knocks and leaves of other servers' users in rooms that this server is in, and invites to this server's
//! users.

use actix_web::HttpResponse;
use ruma::{
    OwnedEventId, OwnedRoomId,
    api::federation::{
        authentication::ServerSignatures,
        membership::{
            create_invite, create_join_event, create_knock_event, create_leave_event,
            prepare_join_event, prepare_knock_event, prepare_leave_event,
        },
    },
};
use serde_json::value::RawValue;

use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        limits::{
            answers::{Large, Size},
            check_depth,
        },
        ruma::{Answer as _, Call, Ctx, Json, Ruma},
    },
};

pub const INVITE_V1: &str = "/_matrix/federation/v1/invite/{room_id}/{event_id}";

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
) -> Result<Large<create_join_event::v2::Response>> {
    let create_join_event::v2::Request { room_id, event_id, pdu, omit_members, .. } = request;
    // None is taken that could not be answered. What it lacks is asked of its server, which may take its time.
    drop(ctx.rate_limits.answer(&caller, Size::Whole).await?);
    let join = ctx.remote.send_join(&caller, &room_id, &event_id, pdu).await?;
    let place = ctx.rate_limits.answer(&caller, Size::Whole).await?;
    let state = ctx.remote.room_before(join, omit_members).await?;
    Ok(Large(create_join_event::v2::Response::new(state), place))
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

/// `PUT /_matrix/federation/v1/invite/{roomId}/{eventId}`. The body is the event.
///
/// <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1inviteroomideventid>
pub async fn create_invite_v1(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let origin = ServerSignatures::caller(&ctx, &call.http, &mut call.body).await?;
    let [room_id, event_id] = call.decoded()?;
    let malformed = |error: ruma::IdParseError| Error::invalid_param(error.to_string());
    let room_id = OwnedRoomId::try_from(room_id).map_err(malformed)?;
    let event_id = OwnedEventId::try_from(event_id).map_err(malformed)?;
    let body = call.body.read().await?;
    check_depth(&body)?;
    let event: Box<RawValue> =
        serde_json::from_slice(&body).map_err(|error| Error::bad_json(error.to_string()))?;
    let event = ctx.remote.take_invite_v1(&origin, room_id, &event_id, event).await?;
    Json(format!(r#"[200,{{"event":{event}}}]"#).into()).into_response()
}
