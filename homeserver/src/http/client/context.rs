//! `ruma::api::client::context`: what happened around an event.

use ruma::{api::client::context::get_context, serde::Raw};

use super::{state_events, timeline_events, viewer};
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
    service::sync::filter::EventFilter,
};

/// `GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidcontexteventid))
pub async fn get_context(
    ctx: Ctx,
    request: Ruma<get_context::v3::Request>,
) -> Result<get_context::v3::Response> {
    let Ruma { request, caller } = request;
    let wanted = EventFilter::new(&request.filter);
    let limit = usize::try_from(u64::from(request.limit)).unwrap_or(usize::MAX);
    let (room_id, event_id) = (&request.room_id, &request.event_id);
    let found = ctx.rooms.context_of(&caller, room_id, event_id, limit, wanted).await?;
    let viewer = viewer(&caller).at(ctx.clock.now_ms());
    let mut response = get_context::v3::Response::new();
    response.start = Some(found.start);
    response.end = Some(found.end);
    response.events_before = timeline_events(&found.before, viewer)?;
    response.event = Some(Raw::from_json(found.event.for_client(viewer)?));
    response.events_after = timeline_events(&found.after, viewer)?;
    response.state = state_events(&found.state, viewer)?;
    Ok(response)
}
