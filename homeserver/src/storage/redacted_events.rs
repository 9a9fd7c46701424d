//! Redacted events whose content waits to be erased.

use diesel::{connection::SimpleConnection, prelude::*};

use super::{
    Conn, EventNid, each_backend,
    schema::{events, redacted_events},
};
use crate::error::Result;

/// Notes that an event was redacted at a time (milliseconds).
pub fn insert(tx: &mut Conn, event: EventNid, at: i64) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(redacted_events::table)
            .values((redacted_events::event_nid.eq(event), redacted_events::redacted_at.eq(at)))
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(())
}

/// The redaction was taken back.
pub fn delete(tx: &mut Conn, event: EventNid) -> Result<()> {
    diesel::delete(redacted_events::table.find(event)).execute(tx)?;
    Ok(())
}

/// Up to `limit` events that were redacted before a time, oldest first.
pub fn before(conn: &mut Conn, time: i64, limit: i64) -> Result<Vec<EventNid>> {
    Ok(redacted_events::table
        .filter(redacted_events::redacted_at.lt(time))
        .order(redacted_events::redacted_at)
        .select(redacted_events::event_nid)
        .limit(limit)
        .load(conn)?)
}

/// Puts what is left of events in the place of what they were.
pub fn erase(tx: &mut Conn, left: &[(EventNid, String)]) -> Result<()> {
    // SQLite leaves what it overwrites in the pages of its file unless it is told otherwise.
    secure_delete(tx, "ON")?;
    for (event, json) in left {
        diesel::update(events::table.find(event)).set(events::json.eq(json)).execute(tx)?;
        diesel::delete(redacted_events::table.find(event)).execute(tx)?;
    }
    secure_delete(tx, "OFF")
}

fn secure_delete(tx: &mut Conn, mode: &str) -> Result<()> {
    if let Conn::Sqlite(conn) = tx {
        conn.batch_execute(&format!("PRAGMA secure_delete = {mode}"))?;
    }
    Ok(())
}
