//! Events and their edges.

use diesel::{connection::Connection, prelude::*};
use ruma::{EventId, OwnedEventId};

use super::{
    Conn, EventNid, Position, RoomNid, StateKeyNid, StateNid, UserNid,
    conn::{each_backend, prepared},
    schema::{backward_extremities, event_edges, events, forward_extremities, redactions},
};
use crate::error::Result;

/// One event as it is kept.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct EventRow {
    pub event_nid: EventNid,
    pub event_id: String,
    pub room_nid: RoomNid,
    pub position: Option<Position>,
    pub sender_nid: UserNid,
    pub event_type: String,
    pub state_key_nid: Option<StateKeyNid>,
    pub depth: i64,
    pub origin_server_ts: i64,
    pub received_at: i64,
    pub outlier: bool,
    pub rejected: bool,
    pub soft_failed: bool,
    pub state_before_nid: Option<StateNid>,
    pub state_after_nid: Option<StateNid>,
    pub replaces_nid: Option<EventNid>,
    pub redacted_by_nid: Option<EventNid>,
    pub device_id: Option<String>,
    pub transaction_id: Option<String>,
    pub json: String,
    pub is_parent: bool,
}

/// Of so many gaps in a room's timeline, the newest, is taken note.
const GAPS_MAX: i64 = 100;
/// So many events are looked for by their ids in one query.
const IDS_AT_ONCE: usize = 500;

/// The direction in which a room's timeline is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    Backward,
    Forward,
}

prepared! {
    Insert<'a> = "INSERT INTO events (event_nid, event_id, room_nid, position, sender_nid, event_type, \
         state_key_nid, depth, origin_server_ts, received_at, outlier, rejected, soft_failed, \
         state_before_nid, state_after_nid, replaces_nid, redacted_by_nid, device_id, transaction_id, \
         json) VALUES (" event_nid: i64 ", " event_id: &'a str ", " room_nid: i64 ", "
        position: Option<i64> ", " sender_nid: i64 ", " event_type: &'a str ", "
        state_key_nid: Option<i64> ", " depth: i64 ", " origin_server_ts: i64 ", "
        received_at: i64 ", " outlier: bool ", " rejected: bool ", " soft_failed: bool ", "
        state_before_nid: Option<i64> ", " state_after_nid: Option<i64> ", "
        replaces_nid: Option<i64> ", " redacted_by_nid: Option<i64> ", "
        device_id: Option<&'a str> ", " transaction_id: Option<&'a str> ", " json: &'a str => ")";
}

pub fn insert(conn: &mut Conn, event: &EventRow) -> Result<()> {
    let insert = Insert {
        event_nid: event.event_nid.0,
        event_id: &event.event_id,
        room_nid: event.room_nid.0,
        position: event.position.map(|position| position.0),
        sender_nid: event.sender_nid.0,
        event_type: &event.event_type,
        state_key_nid: event.state_key_nid.map(|nid| nid.0),
        depth: event.depth,
        origin_server_ts: event.origin_server_ts,
        received_at: event.received_at,
        outlier: event.outlier,
        rejected: event.rejected,
        soft_failed: event.soft_failed,
        state_before_nid: event.state_before_nid.map(|nid| nid.0),
        state_after_nid: event.state_after_nid.map(|nid| nid.0),
        replaces_nid: event.replaces_nid.map(|nid| nid.0),
        redacted_by_nid: event.redacted_by_nid.map(|nid| nid.0),
        device_id: event.device_id.as_deref(),
        transaction_id: event.transaction_id.as_deref(),
        json: &event.json,
    };
    each_backend!(conn, conn => conn.execute_returning_count(&insert))?;
    Ok(())
}

pub fn by_nid(conn: &mut Conn, nid: EventNid) -> Result<Option<EventRow>> {
    Ok(events::table.find(nid).select(EventRow::as_select()).first(conn).optional()?)
}

/// Others may ask about what is no event's id: what a TEXT column of PostgreSQL cannot hold makes no error.
pub fn nid(conn: &mut Conn, event_id: &EventId) -> Result<Option<EventNid>> {
    if event_id.as_str().contains('\0') {
        return Ok(None);
    }
    Ok(events::table
        .filter(events::event_id.eq(event_id.as_str()))
        .select(events::event_nid)
        .first(conn)
        .optional()?)
}

/// [`nid`] of several events: those that are there.
pub fn nids(conn: &mut Conn, event_ids: &[&EventId]) -> Result<Vec<(String, EventNid)>> {
    let mut nids = Vec::with_capacity(event_ids.len());
    for event_ids in event_ids.chunks(IDS_AT_ONCE) {
        let ids = event_ids.iter().map(|id| id.as_str()).filter(|id| !id.contains('\0'));
        nids.extend(
            events::table
                .filter(events::event_id.eq_any(ids))
                .select((events::event_id, events::event_nid))
                .load::<(String, EventNid)>(conn)?,
        );
    }
    Ok(nids)
}

/// Events of a room's timeline with `after < position <= until`, in the order of `direction`.
pub fn timeline(
    conn: &mut Conn,
    room: RoomNid,
    (after, until): (Position, Position),
    direction: Direction,
    limit: i64,
) -> Result<Vec<(EventNid, Position)>> {
    let rows = events::table
        .filter(events::room_nid.eq(room))
        .filter(events::position.gt(after))
        .filter(events::position.le(until))
        .select((events::event_nid, events::position.assume_not_null()))
        .limit(limit);
    Ok(match direction {
        Direction::Backward => rows.order(events::position.desc()).load(conn)?,
        Direction::Forward => rows.order(events::position.asc()).load(conn)?,
    })
}

/// The first event of a room's timeline in a direction.
fn end(
    conn: &mut Conn,
    room: RoomNid,
    direction: Direction,
) -> Result<Option<(EventNid, Position)>> {
    let everything = (Position(i64::MIN), Position(i64::MAX));
    Ok(timeline(conn, room, everything, direction, 1)?.first().copied())
}

/// Position and type of a room's newest events, but for what was backfilled.
pub fn newest_types(conn: &mut Conn, room: RoomNid, limit: i64) -> Result<Vec<(Position, String)>> {
    Ok(events::table
        .filter(events::room_nid.eq(room))
        .filter(events::position.gt(Position(0)))
        .select((events::position.assume_not_null(), events::event_type))
        .order(events::position.desc())
        .limit(limit)
        .load(conn)?)
}

/// The place in a room's timeline before which times are below `bound`, found by halving: exact where times
/// rise with the places.
pub fn place_of_time(conn: &mut Conn, room: RoomNid, bound: i64) -> Result<Position> {
    let (Some((_, first)), Some((_, last))) =
        (end(conn, room, Direction::Forward)?, end(conn, room, Direction::Backward)?)
    else {
        return Ok(Position(i64::MIN));
    };
    // All up to `low` are before the bound; all after `high` are not.
    let (mut low, mut high) = (Position(first.0 - 1), last);
    while low < high {
        let middle = Position(low.0 + (high.0 - low.0 + 1) / 2);
        let below: Option<(Position, i64)> = events::table
            .filter(events::room_nid.eq(room))
            .filter(events::position.gt(low))
            .filter(events::position.le(middle))
            .order(events::position.desc())
            .select((events::position.assume_not_null(), events::origin_server_ts))
            .first(conn)
            .optional()?;
        match below {
            Some((position, time)) if time >= bound => high = Position(position.0 - 1),
            _ => low = middle,
        }
    }
    Ok(low)
}

/// Marks an event as redacted; its content stays until it is erased.
pub fn set_redacted(conn: &mut Conn, event: EventNid, by: EventNid) -> Result<()> {
    diesel::update(events::table.find(event)).set(events::redacted_by_nid.eq(by)).execute(conn)?;
    Ok(())
}

/// What a second check makes of an event.
#[derive(Debug)]
pub struct Rechecked {
    pub event_nid: EventNid,
    pub rejected: bool,
    pub soft_failed: bool,
    pub state_before_nid: Option<StateNid>,
    pub state_after_nid: Option<StateNid>,
    pub replaces_nid: Option<EventNid>,
}

/// Writes what a second check made of an event. One that failed it loses its place in the timeline.
pub fn recheck(conn: &mut Conn, event: &Rechecked) -> Result<()> {
    let failed = event.rejected || event.soft_failed;
    diesel::update(events::table.find(event.event_nid))
        .set((
            failed.then(|| events::position.eq(None::<Position>)),
            events::rejected.eq(event.rejected),
            events::soft_failed.eq(event.soft_failed),
            events::state_before_nid.eq(event.state_before_nid),
            events::state_after_nid.eq(event.state_after_nid),
            events::replaces_nid.eq(event.replaces_nid),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes back a redaction, as far as its target's content is not erased; `other` is one that stays. Whether it was by
/// that event.
pub fn unredact(
    conn: &mut Conn,
    event: EventNid,
    by: EventNid,
    other: Option<EventNid>,
) -> Result<bool> {
    let updated = diesel::update(events::table.find(event))
        .filter(events::redacted_by_nid.eq(by))
        .set(events::redacted_by_nid.eq(other))
        .execute(conn)?;
    Ok(updated > 0)
}

/// The member events of a room that are kept without a place, with what they are about; the deepest last.
pub fn outlying_members(conn: &mut Conn, room: RoomNid) -> Result<Vec<(StateKeyNid, EventNid)>> {
    Ok(events::table
        .filter(events::room_nid.eq(room))
        .filter(events::event_type.eq("m.room.member"))
        .filter(events::outlier.eq(true))
        .filter(events::rejected.eq(false))
        .filter(events::state_key_nid.is_not_null())
        .order((events::depth, events::event_nid))
        .select((events::state_key_nid.assume_not_null(), events::event_nid))
        .load(conn)?)
}

/// Notes that an event has children that are bundled with it.
pub fn set_parent(conn: &mut Conn, event: EventNid) -> Result<()> {
    diesel::update(events::table.find(event)).set(events::is_parent.eq(true)).execute(conn)?;
    Ok(())
}

pub fn insert_redaction(
    conn: &mut Conn,
    redacts: &EventId,
    event: EventNid,
    room: RoomNid,
) -> Result<()> {
    diesel::insert_into(redactions::table)
        .values((
            redactions::redacts.eq(redacts.as_str()),
            redactions::event_nid.eq(event),
            redactions::room_nid.eq(room),
        ))
        .execute(conn)?;
    Ok(())
}

/// Redactions of `event_id` that arrived before it did.
pub fn redactions_of(conn: &mut Conn, event_id: &EventId) -> Result<Vec<EventNid>> {
    Ok(redactions::table
        .filter(redactions::redacts.eq(event_id.as_str()))
        .select(redactions::event_nid)
        .order(redactions::event_nid)
        .load(conn)?)
}

pub fn insert_edge(conn: &mut Conn, event: EventNid, prev: EventNid) -> Result<()> {
    each_backend!(conn, conn => {
        diesel::insert_into(event_edges::table)
            .values((event_edges::event_nid.eq(event), event_edges::prev_nid.eq(prev)))
            .execute(conn)
    })?;
    Ok(())
}

prepared! {
    InsertAuth = "INSERT INTO event_auth (event_nid, auth_nid) VALUES (" event: i64 ", "
        auth: i64 => ")";
}

pub fn insert_auth(conn: &mut Conn, event: EventNid, auth: EventNid) -> Result<()> {
    let insert = InsertAuth { event: event.0, auth: auth.0 };
    each_backend!(conn, conn => conn.execute_returning_count(&insert))?;
    Ok(())
}

pub fn forward_extremities(conn: &mut Conn, room: RoomNid) -> Result<Vec<EventNid>> {
    Ok(forward_extremities::table
        .filter(forward_extremities::room_nid.eq(room))
        .select(forward_extremities::event_nid)
        .order(forward_extremities::event_nid)
        .load(conn)?)
}

pub fn insert_forward_extremity(conn: &mut Conn, room: RoomNid, event: EventNid) -> Result<()> {
    diesel::insert_into(forward_extremities::table)
        .values((forward_extremities::room_nid.eq(room), forward_extremities::event_nid.eq(event)))
        .execute(conn)?;
    Ok(())
}

prepared! {
    ReplaceForwardExtremity = "UPDATE forward_extremities SET event_nid = " new: i64
        " WHERE room_nid = " room: i64 " AND event_nid = " old: i64 => "";
}

/// The usual case: an event follows the only one that none followed.
pub fn replace_forward_extremity(
    conn: &mut Conn,
    room: RoomNid,
    old: EventNid,
    new: EventNid,
) -> Result<()> {
    let replace = ReplaceForwardExtremity { new: new.0, room: room.0, old: old.0 };
    each_backend!(conn, conn => conn.execute_returning_count(&replace))?;
    Ok(())
}

pub fn delete_forward_extremity(conn: &mut Conn, room: RoomNid, event: EventNid) -> Result<()> {
    diesel::delete(forward_extremities::table.find((room, event))).execute(conn)?;
    Ok(())
}

/// Notes that an event names a prev_event that has no place here. Where an earlier event named it already, the gap is
/// before that one: what is missing goes there.
pub fn insert_backward_extremity(
    conn: &mut Conn,
    room: RoomNid,
    event: EventNid,
    prev: &EventId,
) -> Result<()> {
    if is_followed(conn, room, prev)? {
        return Ok(());
    }
    diesel::insert_into(backward_extremities::table)
        .values((
            backward_extremities::room_nid.eq(room),
            backward_extremities::event_nid.eq(event),
            backward_extremities::prev_event_id.eq(prev.as_str()),
        ))
        .execute(conn)?;
    Ok(())
}

/// An event that was missing is there now. Whether one was.
pub fn delete_backward_extremities(conn: &mut Conn, room: RoomNid, prev: &EventId) -> Result<bool> {
    let deleted = diesel::delete(
        backward_extremities::table
            .filter(backward_extremities::prev_event_id.eq(prev.as_str()))
            .filter(backward_extremities::room_nid.eq(room)),
    )
    .execute(conn)?;
    Ok(deleted > 0)
}

/// The places of a room's events that name prev_events without a place here, the newest first.
pub fn gaps(conn: &mut Conn, room: RoomNid) -> Result<Vec<Position>> {
    Ok(backward_extremities::table
        .inner_join(events::table.on(events::event_nid.eq(backward_extremities::event_nid)))
        .filter(backward_extremities::room_nid.eq(room))
        .filter(events::position.is_not_null())
        .select(events::position.assume_not_null())
        .distinct()
        .order(events::position.desc())
        .limit(GAPS_MAX)
        .load(conn)?)
}

/// The depth of the first event that this server has of a room, where something is missing before it.
pub fn depth_of_beginning(conn: &mut Conn, room: RoomNid) -> Result<Option<i64>> {
    let Some((first, _)) = end(conn, room, Direction::Forward)? else { return Ok(None) };
    Ok(backward_extremities::table
        .inner_join(events::table.on(events::event_nid.eq(backward_extremities::event_nid)))
        .filter(backward_extremities::event_nid.eq(first))
        .select(events::depth)
        .first(conn)
        .optional()?)
}

/// The prev_events without a place here of the event at `position`.
pub fn missing_before(
    conn: &mut Conn,
    room: RoomNid,
    position: Position,
) -> Result<Vec<OwnedEventId>> {
    let ids: Vec<String> = backward_extremities::table
        .inner_join(events::table.on(events::event_nid.eq(backward_extremities::event_nid)))
        .filter(backward_extremities::room_nid.eq(room))
        .filter(events::room_nid.eq(room))
        .filter(events::position.eq(position))
        .select(backward_extremities::prev_event_id)
        .load(conn)?;
    Ok(ids.into_iter().filter_map(|id| OwnedEventId::try_from(id).ok()).collect())
}

/// Whether an event that was missing is followed by one that is here and counts.
pub fn is_followed(conn: &mut Conn, room: RoomNid, event: &EventId) -> Result<bool> {
    let followers = backward_extremities::table
        .inner_join(events::table.on(events::event_nid.eq(backward_extremities::event_nid)))
        .filter(backward_extremities::prev_event_id.eq(event.as_str()))
        .filter(backward_extremities::room_nid.eq(room))
        .filter(events::position.is_not_null());
    Ok(diesel::select(diesel::dsl::exists(followers)).get_result(conn)?)
}

/// Gives an outlier its place.
pub fn place(conn: &mut Conn, event: &EventRow) -> Result<()> {
    diesel::update(events::table.find(event.event_nid))
        .set((
            events::position.eq(event.position),
            events::outlier.eq(event.outlier),
            events::rejected.eq(event.rejected),
            events::soft_failed.eq(event.soft_failed),
            events::state_before_nid.eq(event.state_before_nid),
            events::state_after_nid.eq(event.state_after_nid),
            events::replaces_nid.eq(event.replaces_nid),
            events::redacted_by_nid.eq(event.redacted_by_nid),
        ))
        .execute(conn)?;
    Ok(())
}
