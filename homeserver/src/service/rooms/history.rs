//! Reading a room's timeline: one event, or a page of it.
//!
//! A token names a place between events: after the one with its position. `s` tokens come from sync, `t`
//! tokens from here; either serves.

use std::sync::Arc;

use ruma::{EventId, RoomId};

use super::{
    Rooms,
    visibility::{Access, Filter},
};
use crate::{
    error::{Error, Result},
    service::{event::Event, sessions::Session, sync::token::SyncToken},
    storage::{
        Position, current_position,
        events::{self, Direction},
    },
};

/// A client gets no more events than this at once.
const PAGE_MAX: usize = 1_000;

pub struct PageRequest {
    /// Where to begin; the end or the beginning of the room if there is none.
    pub from: Option<String>,
    /// Where to stop.
    pub to: Option<String>,
    pub direction: Direction,
    pub limit: usize,
    /// Keeps the events that the request asked for.
    pub wanted: Box<dyn Fn(&Event) -> bool + Send>,
}

pub struct Page {
    pub start: String,
    /// None at the end of what there is.
    pub end: Option<String>,
    pub events: Vec<Arc<Event>>,
}

impl Rooms {
    /// One event; 404 where there is none that the caller may see.
    pub async fn event(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<Arc<Event>> {
        let context = self.context.clone();
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let (room_id, event_id) = (room_id.to_owned(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            let not_found = || Error::not_found("There is no such event");
            let access =
                Access::load(&context, conn, &room_id, user_nid).map_err(|_| not_found())?;
            let event = context.events.by_id(conn, &event_id)?.ok_or_else(not_found)?;
            let placed = event.room_nid == access.info.nid && event.position().is_some();
            let filter = Filter::new(conn, &user_id, access.membership.as_ref())?;
            if placed && filter.allows(&context, conn, &event)? {
                Ok(event)
            } else {
                Err(not_found())
            }
        });
        read.await
    }

    /// A page of a room's timeline.
    pub async fn messages(
        &self,
        caller: &Session,
        room_id: &RoomId,
        request: PageRequest,
    ) -> Result<Page> {
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &room_id, user_nid)?;
            access.check_history(&context, conn)?;
            let filter = Filter::new(conn, &user_id, access.membership.as_ref())?;
            let now = current_position(conn)?;
            let newest = access.until().unwrap_or(now).min(now);
            let from = request.from.as_deref().map(position).transpose()?;
            let to = request.to.as_deref().map(position).transpose()?;
            let backward = request.direction == Direction::Backward;
            let mut at = from.unwrap_or(if backward { newest } else { Position(i64::MIN) });
            let start = token(at);
            let limit = request.limit.min(PAGE_MAX);
            let mut found = Vec::with_capacity(limit);
            let mut more = true;
            while found.len() < limit && more {
                let wanted = limit - found.len();
                let range = if backward {
                    (to.unwrap_or(Position(i64::MIN)), at.min(newest))
                } else {
                    (at, to.unwrap_or(newest).min(newest))
                };
                let rows = events::timeline(
                    conn,
                    access.info.nid,
                    range,
                    request.direction,
                    wanted as i64,
                )?;
                more = rows.len() == wanted;
                for (nid, position) in rows {
                    at = if backward { Position(position.0 - 1) } else { position };
                    let event = context.events.get(conn, nid)?;
                    if (request.wanted)(&event) && filter.allows(&context, conn, &event)? {
                        found.push(event);
                    }
                }
            }
            Ok(Page { start, end: more.then(|| token(at)), events: found })
        });
        read.await
    }
}

/// The token of a place.
pub fn token(position: Position) -> String {
    format!("t{}", position.0)
}

/// The place of a token.
pub fn position(token: &str) -> Result<Position> {
    Ok(SyncToken::parse(token)?.position)
}
