//! What waits to be sent to other servers.

use std::collections::BTreeMap;

use diesel::prelude::*;
use ruma::ServerName;

use super::{
    Conn, EventNid, Position, RoomNid,
    schema::{events, outbox},
};
use crate::error::Result;

/// One thing that waits: an event or an EDU.
#[derive(Clone, Debug, Queryable)]
pub struct OutboxRow {
    pub position: Position,
    pub event_nid: Option<EventNid>,
    pub edu: Option<String>,
}

/// Queues an event for a destination.
pub fn insert_event(
    conn: &mut Conn,
    destination: &ServerName,
    position: Position,
    event: EventNid,
) -> Result<()> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::destination.eq(destination.as_str()),
            outbox::position.eq(position),
            outbox::event_nid.eq(event),
        ))
        .execute(conn)?;
    Ok(())
}

/// Destinations for which something was queued after `after`.
pub fn destinations(conn: &mut Conn, after: Position) -> Result<Vec<String>> {
    Ok(outbox::table
        .filter(outbox::position.gt(after))
        .select(outbox::destination)
        .distinct()
        .load(conn)?)
}

/// The first `limit` things that wait for a destination, in order; none after `until`, when given.
pub fn waiting(
    conn: &mut Conn,
    destination: &str,
    until: Option<Position>,
    limit: i64,
) -> Result<Vec<OutboxRow>> {
    Ok(outbox::table
        .filter(outbox::destination.eq(destination))
        .filter(outbox::position.le(until.unwrap_or(Position(i64::MAX))))
        .select((outbox::position, outbox::event_nid, outbox::edu))
        .order(outbox::position)
        .limit(limit)
        .load(conn)?)
}

/// How many events wait for a destination.
pub fn waiting_events(conn: &mut Conn, destination: &str) -> Result<i64> {
    Ok(outbox::table
        .filter(outbox::destination.eq(destination))
        .filter(outbox::event_nid.is_not_null())
        .count()
        .get_result(conn)?)
}

/// Takes off what was sent.
pub fn delete_until(conn: &mut Conn, destination: &str, until: Position) -> Result<()> {
    diesel::delete(
        outbox::table
            .filter(outbox::destination.eq(destination))
            .filter(outbox::position.le(until)),
    )
    .execute(conn)?;
    Ok(())
}

/// Keeps, of the events that wait for a destination, the latest of each room. Answers how many went.
pub fn keep_latest_of_each_room(conn: &mut Conn, destination: &str) -> Result<usize> {
    let waiting: Vec<(Position, RoomNid)> = outbox::table
        .inner_join(events::table.on(outbox::event_nid.eq(events::event_nid.nullable())))
        .filter(outbox::destination.eq(destination))
        .select((outbox::position, events::room_nid))
        .order(outbox::position)
        .load(conn)?;
    let latest: BTreeMap<RoomNid, Position> =
        waiting.iter().map(|&(position, room)| (room, position)).collect();
    let mut gone = 0;
    for (position, room) in waiting {
        if latest.get(&room) != Some(&position) {
            gone += diesel::delete(outbox::table.find((destination, position))).execute(conn)?;
        }
    }
    Ok(gone)
}
