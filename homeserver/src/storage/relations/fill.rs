//! Relations of events that were there before the tables. A part of the migration that makes them: it names the
//! columns of that time only.

use diesel::prelude::*;
use ruma::EventId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{RelationRow, insert};
use crate::{
    error::Result,
    room::relation::Relation,
    storage::{
        Conn, EventNid, Position, RoomNid, StateKeyNid, UserNid,
        events::{nid, set_parent},
        schema::events,
    },
};

/// Rows read at once.
const CHUNK: i64 = 500;

type Row = (EventNid, RoomNid, Position, UserNid, String, Option<StateKeyNid>, i64, String);

pub fn fill(conn: &mut Conn) -> Result<()> {
    let mut last = EventNid(i64::MIN);
    loop {
        let rows: Vec<Row> = events::table
            .filter(events::event_nid.gt(last))
            .filter(events::position.is_not_null())
            .filter(events::redacted_by_nid.is_null())
            .filter(events::json.like("%\"m.relates_to\"%"))
            .order(events::event_nid)
            .select((
                events::event_nid,
                events::room_nid,
                events::position.assume_not_null(),
                events::sender_nid,
                events::event_type,
                events::state_key_nid,
                events::origin_server_ts,
                events::json,
            ))
            .limit(CHUNK)
            .load(conn)?;
        for row in &rows {
            relate(conn, row)?;
        }
        match rows.last() {
            Some(row) if rows.len() as i64 == CHUNK => last = row.0,
            _ => return Ok(()),
        }
    }
}

fn relate(conn: &mut Conn, row: &Row) -> Result<()> {
    let (event_nid, room_nid, position, sender_nid, event_type, state_key, time, json) = row;
    let Some((relation, content)) = relation_in(json) else { return Ok(()) };
    let mut is_bundled = relation.is_bundled(event_type, state_key.is_some(), content);
    let parent = parent(conn, &relation.parent)?;
    if let Some((_, room, json)) = &parent {
        if room != room_nid {
            return Ok(());
        }
        is_bundled &= relation.rel_type != "m.thread" || relation_in(json).is_none();
    }
    let parent = parent.map(|(nid, ..)| nid);
    let row = RelationRow {
        event_nid: *event_nid,
        room_nid: *room_nid,
        parent_nid: parent,
        parent_id: parent.is_none().then(|| relation.parent.to_string()),
        rel_type: relation.rel_type,
        event_type: event_type.clone(),
        sender_nid: *sender_nid,
        position: *position,
        origin_server_ts: *time,
        annotation_key: relation.key,
        is_bundled,
    };
    insert(conn, &row)?;
    match parent.filter(|_| is_bundled) {
        Some(parent) => set_parent(conn, parent),
        None => Ok(()),
    }
}

fn parent(conn: &mut Conn, id: &EventId) -> Result<Option<(EventNid, RoomNid, String)>> {
    let Some(nid) = nid(conn, id)? else { return Ok(None) };
    let parent = events::table.find(nid).select((events::room_nid, events::json));
    let parent: Option<(RoomNid, String)> = parent.first(conn).optional()?;
    Ok(parent.map(|(room, json)| (nid, room, json)))
}

fn relation_in(json: &str) -> Option<(Relation, &RawValue)> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        content: &'a RawValue,
    }
    let fields: Fields<'_> = serde_json::from_str(json).ok()?;
    Some((Relation::of(fields.content)?, fields.content))
}
