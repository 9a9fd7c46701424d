//! `ruma::api::client::relations`: events that relate to an event.

use ruma::{
    OwnedEventId, OwnedRoomId, UInt,
    api::{
        Direction,
        client::relations::{
            get_relating_events, get_relating_events_with_rel_type,
            get_relating_events_with_rel_type_and_event_type,
        },
    },
    events::AnyMessageLikeEvent,
    serde::Raw,
};

use super::{direction, viewer};
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
    service::{rooms::RelationsRequest, sessions::Session},
};

/// `GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventid))
pub async fn get_relating_events(
    ctx: Ctx,
    request: Ruma<get_relating_events::v1::Request>,
) -> Result<get_relating_events::v1::Response> {
    let Ruma { request, caller } = request;
    let asked = Asked {
        room_id: request.room_id,
        event_id: request.event_id,
        kinds: (None, None),
        range: (request.from, request.to),
        direction: request.dir,
        limit: request.limit,
        recurse: request.recurse,
    };
    let page = page(&ctx, &caller, asked).await?;
    let mut response = get_relating_events::v1::Response::new(page.chunk);
    response.next_batch = page.next_batch;
    response.prev_batch = page.prev_batch;
    response.recursion_depth = page.recursion_depth;
    Ok(response)
}

/// `GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventidreltype))
pub async fn get_relating_events_with_rel_type(
    ctx: Ctx,
    request: Ruma<get_relating_events_with_rel_type::v1::Request>,
) -> Result<get_relating_events_with_rel_type::v1::Response> {
    let Ruma { request, caller } = request;
    let asked = Asked {
        room_id: request.room_id,
        event_id: request.event_id,
        kinds: (Some(request.rel_type.to_string()), None),
        range: (request.from, request.to),
        direction: request.dir,
        limit: request.limit,
        recurse: request.recurse,
    };
    let page = page(&ctx, &caller, asked).await?;
    let mut response = get_relating_events_with_rel_type::v1::Response::new(page.chunk);
    response.next_batch = page.next_batch;
    response.prev_batch = page.prev_batch;
    response.recursion_depth = page.recursion_depth;
    Ok(response)
}

/// `GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventidreltypeeventtype))
pub async fn get_relating_events_with_rel_type_and_event_type(
    ctx: Ctx,
    request: Ruma<get_relating_events_with_rel_type_and_event_type::v1::Request>,
) -> Result<get_relating_events_with_rel_type_and_event_type::v1::Response> {
    let Ruma { request, caller } = request;
    let asked = Asked {
        room_id: request.room_id,
        event_id: request.event_id,
        kinds: (Some(request.rel_type.to_string()), Some(request.event_type.to_string())),
        range: (request.from, request.to),
        direction: request.dir,
        limit: request.limit,
        recurse: request.recurse,
    };
    let page = page(&ctx, &caller, asked).await?;
    let mut response =
        get_relating_events_with_rel_type_and_event_type::v1::Response::new(page.chunk);
    response.next_batch = page.next_batch;
    response.prev_batch = page.prev_batch;
    response.recursion_depth = page.recursion_depth;
    Ok(response)
}

/// What all three ask for.
struct Asked {
    room_id: OwnedRoomId,
    event_id: OwnedEventId,
    /// `relType` and `eventType`.
    kinds: (Option<String>, Option<String>),
    range: (Option<String>, Option<String>),
    direction: Direction,
    limit: Option<UInt>,
    recurse: bool,
}

/// What all three answer.
struct Page {
    chunk: Vec<Raw<AnyMessageLikeEvent>>,
    next_batch: Option<String>,
    prev_batch: Option<String>,
    recursion_depth: Option<UInt>,
}

async fn page(ctx: &Ctx, caller: &Session, asked: Asked) -> Result<Page> {
    let prev_batch = asked.range.0.clone();
    let limit = asked.limit.map(|limit| usize::try_from(u64::from(limit)).unwrap_or(usize::MAX));
    let request = RelationsRequest {
        rel_type: asked.kinds.0,
        event_type: asked.kinds.1,
        from: asked.range.0,
        to: asked.range.1,
        direction: direction(asked.direction),
        limit,
        recurse: asked.recurse,
    };
    let found = ctx.rooms.relations(caller, &asked.room_id, &asked.event_id, request).await?;
    let viewer = viewer(caller).at(ctx.clock.now_ms());
    let chunk = found.events.iter().map(|shown| shown.for_client(viewer).map(Raw::from_json));
    Ok(Page {
        chunk: chunk.collect::<Result<_>>()?,
        next_batch: found.end,
        prev_batch,
        recursion_depth: found.depth.map(UInt::from),
    })
}
