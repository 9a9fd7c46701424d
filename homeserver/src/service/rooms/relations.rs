//! Events that relate to an event (client-server API, "Relationships API").

use ruma::{EventId, RoomId};

use super::{
    Rooms,
    history::{BEGINNING, Shown, View, position, token},
};
use crate::{
    error::{Error, Result},
    service::{event::Viewer, sessions::Session},
    storage::{
        Conn, Position,
        events::Direction,
        relations::{self, Wanted},
    },
};

/// How many events are told when a client does not say, and at most.
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 500;
/// How many events are looked at for one page, however few of them are visible.
const LOOKED_AT_MAX: usize = 5_000;
/// How many relations are followed from an event when a client asks for those of its children, too.
const DEPTH: u32 = 3;

pub struct RelationsRequest {
    pub rel_type: Option<String>,
    pub event_type: Option<String>,
    /// Where to begin; the end or the beginning of the room if there is none.
    pub from: Option<String>,
    /// Where to stop.
    pub to: Option<String>,
    pub direction: Direction,
    pub limit: Option<usize>,
    pub recurse: bool,
}

pub struct Relations {
    pub events: Vec<Shown>,
    /// None at the end of what there is.
    pub end: Option<String>,
    /// How many relations were followed, where more than one was asked for.
    pub depth: Option<u32>,
}

impl Rooms {
    /// A page of the events that relate to an event; 404 where the caller may not see that.
    pub async fn relations(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        request: RelationsRequest,
    ) -> Result<Relations> {
        let context = self.context.clone();
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let device_id = caller.device_id.clone();
        let (room_id, event_id) = (room_id.to_owned(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            let not_found = || Error::not_found("There is no such event");
            let view = View::load(&context, conn, &room_id, (user_nid, &user_id))
                .map_err(|_| not_found())?;
            let parent = view.event(conn, &event_id)?.event.nid;
            let from = request.from.as_deref().map(position).transpose()?;
            let to = request.to.as_deref().map(position).transpose()?;
            let depth = request.recurse.then_some(DEPTH);
            let wanted = Wanted {
                parent,
                rel_type: request.rel_type,
                event_type: request.event_type,
                depth: depth.unwrap_or(1).into(),
            };
            let limit = request.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
            let (mut events, end) =
                page(&view, conn, &wanted, (from, to), request.direction, limit)?;
            let viewer = Viewer { user_nid, device_id: device_id.as_str(), now_ms: None };
            view.bundle(conn, viewer.at(context.clock.now_ms()), &mut events)?;
            Ok(Relations { events, end: end.map(token), depth })
        });
        read.await
    }
}

/// The children of an event that the user may see, and where to go on.
fn page(
    view: &View<'_>,
    conn: &mut Conn,
    wanted: &Wanted,
    (from, to): (Option<Position>, Option<Position>),
    direction: Direction,
    limit: usize,
) -> Result<(Vec<Shown>, Option<Position>)> {
    let (mut after, mut until) = match direction {
        Direction::Backward => (to.unwrap_or(BEGINNING), from.unwrap_or(view.newest)),
        Direction::Forward => (from.unwrap_or(BEGINNING), to.unwrap_or(view.newest)),
    };
    until = until.min(view.newest);
    let (mut events, mut looked_at) = (Vec::new(), 0);
    loop {
        let missing = limit - events.len();
        // One more than is missing tells whether there is more.
        let rows =
            relations::children(conn, wanted, (after, until), direction, missing as i64 + 1)?;
        let more = rows.len() > missing;
        looked_at += rows.len();
        for (nid, at) in rows.into_iter().take(missing) {
            match direction {
                Direction::Backward => until = Position(at.0 - 1),
                Direction::Forward => after = at,
            }
            let event = view.context.events.get(conn, nid)?;
            events.extend(view.show(conn, event)?);
        }
        if !more {
            return Ok((events, None));
        }
        if events.len() == limit || looked_at >= LOOKED_AT_MAX {
            let end = match direction {
                Direction::Backward => until,
                Direction::Forward => after,
            };
            return Ok((events, Some(end)));
        }
    }
}
