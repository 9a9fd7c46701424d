//! `ruma::api::client::message` and `redact`: sending, and reading a room's timeline.

use ruma::{
    api::client::{
        message::{get_message_events, send_message_event},
        redact::redact_event,
    },
    events::TimelineEventType,
};

use super::{direction, state_events, timeline_events, viewer};
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
    service::{rooms::PageRequest, sync::filter::EventFilter},
};

/// `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid))
pub async fn send_message_event(
    ctx: Ctx,
    request: Ruma<send_message_event::v3::Request>,
) -> Result<send_message_event::v3::Response> {
    let Ruma { request, caller } = request;
    let event_type = TimelineEventType::from(request.event_type.to_string());
    ctx.presence.active(&caller);
    let content = request.body.into_json();
    let event = ctx
        .rooms
        .send_message(&caller, &request.room_id, event_type, content, &request.txn_id)
        .await?;
    Ok(send_message_event::v3::Response::new(event.pdu.event_id.clone()))
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidredacteventidtxnid))
pub async fn redact_event(
    ctx: Ctx,
    request: Ruma<redact_event::v3::Request>,
) -> Result<redact_event::v3::Response> {
    let Ruma { request, caller } = request;
    if caller.check_not_suspended().is_err() {
        let event = ctx.rooms.event(&caller, &request.room_id, &request.event_id).await?;
        if event.event.pdu.sender != caller.user_id {
            caller.check_not_suspended()?;
        }
    }
    let event = ctx
        .rooms
        .redact(&caller, &request.room_id, &request.event_id, request.reason, &request.txn_id)
        .await?;
    Ok(redact_event::v3::Response::new(event.pdu.event_id.clone()))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/messages`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmessages))
pub async fn get_message_events(
    ctx: Ctx,
    request: Ruma<get_message_events::v3::Request>,
) -> Result<get_message_events::v3::Response> {
    let Ruma { request, caller } = request;
    let limit = request.filter.limit.map_or(request.limit, |limit| limit.min(request.limit));
    let page = PageRequest {
        from: request.from,
        to: request.to,
        direction: direction(request.dir),
        limit: usize::try_from(u64::from(limit)).unwrap_or(usize::MAX),
        wanted: EventFilter::new(&request.filter),
    };
    let page = ctx.rooms.messages(&caller, &request.room_id, page).await?;
    let viewer = viewer(&caller).at(ctx.clock.now_ms());
    let mut response = get_message_events::v3::Response::default();
    response.start = page.start;
    response.end = page.end;
    response.chunk = timeline_events(&page.events, viewer)?;
    response.state = state_events(&page.state, viewer)?;
    Ok(response)
}
