//! `ruma::api::client::state`: reading and setting a room's state.

use ruma::{
    api::client::state::{get_state_event_for_key, get_state_events, send_state_event},
    events::TimelineEventType,
    serde::Raw,
};

use super::viewer;
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/client/v3/rooms/{roomId}/state`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidstate))
pub async fn get_state_events(
    ctx: Ctx,
    request: Ruma<get_state_events::v3::Request>,
) -> Result<get_state_events::v3::Response> {
    let viewer = viewer(&request.caller).at(ctx.clock.now_ms());
    let state = ctx.rooms.state(&request.caller, &request.room_id).await?;
    let events = state.iter().map(|event| event.for_client(viewer).map(Raw::from_json));
    Ok(get_state_events::v3::Response::new(events.collect::<Result<_>>()?))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidstateeventtypestatekey))
pub async fn get_state_event_for_key(
    ctx: Ctx,
    request: Ruma<get_state_event_for_key::v3::Request>,
) -> Result<get_state_event_for_key::v3::Response> {
    use get_state_event_for_key::v3::StateEventFormat;

    let Ruma { request, caller } = request;
    let event = ctx
        .rooms
        .state_event(&caller, &request.room_id, request.event_type, request.state_key)
        .await?;
    let answer = match request.format {
        StateEventFormat::Event => event.for_client(viewer(&caller).at(ctx.clock.now_ms()))?,
        _ => event.pdu.content.clone(),
    };
    Ok(get_state_event_for_key::v3::Response::new(answer))
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey))
pub async fn send_state_event(
    ctx: Ctx,
    request: Ruma<send_state_event::v3::Request>,
) -> Result<send_state_event::v3::Response> {
    let Ruma { request, caller } = request;
    let event_type = TimelineEventType::from(request.event_type.to_string());
    let content = request.body.into_json();
    let event = ctx
        .rooms
        .send_state(&caller, &request.room_id, event_type, request.state_key, content)
        .await?;
    Ok(send_state_event::v3::Response::new(event.pdu.event_id.clone()))
}
