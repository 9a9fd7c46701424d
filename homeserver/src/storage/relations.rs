//! Which event relates to which, and how; threads by their newest event. See `service/relations.rs`.

mod fill;

use diesel::{
    connection::Connection,
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};
use ruma::EventId;

use super::{
    Conn, EventNid, Position, RoomNid, UserNid,
    conn::prepared,
    each_backend,
    events::Direction,
    schema::{event_relations, threads},
};
use crate::error::Result;

pub use self::fill::fill;

/// One event's relation to another.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = event_relations)]
pub struct RelationRow {
    pub event_nid: EventNid,
    pub room_nid: RoomNid,
    pub parent_nid: Option<EventNid>,
    pub parent_id: Option<String>,
    pub rel_type: String,
    pub event_type: String,
    pub sender_nid: UserNid,
    pub position: Position,
    pub origin_server_ts: i64,
    pub annotation_key: Option<String>,
    pub is_bundled: bool,
}

pub fn insert(tx: &mut Conn, row: &RelationRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(event_relations::table).values(row).execute(conn)
    })?;
    if let (Some(root), true) = (row.parent_nid, row.is_bundled && row.rel_type == "m.thread") {
        set_thread(tx, row.room_nid, root, row.position)?;
    }
    Ok(())
}

prepared! {
    SetThread = "INSERT INTO threads (root_nid, room_nid, position) VALUES (" root: i64 ", " room: i64
        ", " position: i64 => ") ON CONFLICT (root_nid) DO UPDATE SET position = excluded.position \
         WHERE threads.position < excluded.position";
    Adopt<'a> = "UPDATE event_relations SET parent_id = NULL, parent_nid = " parent: i64
        " WHERE parent_id = " parent_id: &'a str " AND room_nid = " room: i64 => "";
}

/// Notes that a thread goes on up to a position.
fn set_thread(tx: &mut Conn, room: RoomNid, root: EventNid, position: Position) -> Result<()> {
    let set = SetThread { root: root.0, room: room.0, position: position.0 };
    each_backend!(tx, conn => conn.execute_returning_count(&set))?;
    Ok(())
}

/// Gives a parent that has just arrived to the children that waited for it; `has_thread`: whether it may be a
/// thread's root. Whether there are some to bundle.
pub fn adopt(
    tx: &mut Conn,
    room: RoomNid,
    (parent, parent_id): (EventNid, &EventId),
    has_thread: bool,
) -> Result<bool> {
    let adopt = Adopt { parent: parent.0, parent_id: parent_id.as_str(), room: room.0 };
    let adopted = each_backend!(tx, conn => conn.execute_returning_count(&adopt))?;
    if adopted == 0 {
        return Ok(false);
    }
    if has_thread && let Some(newest) = newest_in_thread(tx, parent)? {
        set_thread(tx, room, parent, newest)?;
    }
    Ok(true)
}

/// A redacted event has no relation any more.
pub fn forget(tx: &mut Conn, event: EventNid) -> Result<()> {
    type Thread = (Option<EventNid>, String);
    let related: Option<Thread> = event_relations::table
        .find(event)
        .select((event_relations::parent_nid, event_relations::rel_type))
        .first(tx)
        .optional()?;
    let Some((parent, rel_type)) = related else { return Ok(()) };
    diesel::delete(event_relations::table.find(event)).execute(tx)?;
    if let Some(root) = parent.filter(|_| rel_type == "m.thread") {
        match newest_in_thread(tx, root)? {
            Some(newest) => diesel::update(threads::table.find(root))
                .set(threads::position.eq(newest))
                .execute(tx)?,
            None => diesel::delete(threads::table.find(root)).execute(tx)?,
        };
    }
    Ok(())
}

fn newest_in_thread(tx: &mut Conn, root: EventNid) -> Result<Option<Position>> {
    Ok(event_relations::table
        .filter(event_relations::parent_nid.eq(root))
        .filter(event_relations::rel_type.eq("m.thread"))
        .filter(event_relations::is_bundled.eq(true))
        .order(event_relations::position.desc())
        .select(event_relations::position)
        .first(tx)
        .optional()?)
}

/// The annotations of an event by one user with a key.
pub fn annotations(
    conn: &mut Conn,
    parent: EventNid,
    sender: UserNid,
    (event_type, key): (&str, &str),
) -> Result<Vec<EventNid>> {
    Ok(event_relations::table
        .filter(event_relations::parent_nid.eq(parent))
        .filter(event_relations::rel_type.eq("m.annotation"))
        .filter(event_relations::sender_nid.eq(sender))
        .filter(event_relations::event_type.eq(event_type))
        .filter(event_relations::annotation_key.eq(key))
        .select(event_relations::event_nid)
        .limit(1)
        .load(conn)?)
}

/// Which children of an event are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub parent: EventNid,
    pub rel_type: Option<String>,
    pub event_type: Option<String>,
    /// How many relations may lie between child and parent, that of the child included.
    pub depth: i64,
}

/// Children of an event with `after < position <= until`, in the order of `direction`.
pub fn children(
    conn: &mut Conn,
    wanted: &Wanted,
    (after, until): (Position, Position),
    direction: Direction,
    limit: i64,
) -> Result<Vec<(EventNid, Position)>> {
    if wanted.depth > 1 {
        return descendants(conn, wanted, (after, until), direction, limit);
    }
    Ok(each_backend!(conn, conn => {
        let mut rows = event_relations::table
            .filter(event_relations::parent_nid.eq(wanted.parent))
            .filter(event_relations::position.gt(after))
            .filter(event_relations::position.le(until))
            .select((event_relations::event_nid, event_relations::position))
            .limit(limit)
            .into_boxed();
        if let Some(rel_type) = &wanted.rel_type {
            rows = rows.filter(event_relations::rel_type.eq(rel_type));
        }
        if let Some(event_type) = &wanted.event_type {
            rows = rows.filter(event_relations::event_type.eq(event_type));
        }
        let rows = match direction {
            Direction::Backward => rows.order(event_relations::position.desc()),
            Direction::Forward => rows.order(event_relations::position.asc()),
        };
        rows.load(conn)
    })?)
}

/// The same, with children of children, which are wanted like them.
fn descendants(
    conn: &mut Conn,
    wanted: &Wanted,
    (after, until): (Position, Position),
    direction: Direction,
    limit: i64,
) -> Result<Vec<(EventNid, Position)>> {
    let order = match direction {
        Direction::Backward => " ORDER BY position DESC LIMIT ",
        Direction::Forward => " ORDER BY position ASC LIMIT ",
    };
    // A relation names an event by its hash, so that there is no circle; in the oldest rooms there may be.
    let query = sql::<(BigInt, BigInt)>(
        "WITH RECURSIVE tree (event_nid, position, depth) AS (\
           SELECT event_nid, position, CAST(1 AS BIGINT) FROM event_relations WHERE parent_nid = ",
    )
    .bind::<BigInt, _>(wanted.parent)
    .sql(" AND rel_type = COALESCE(")
    .bind::<Nullable<Text>, _>(wanted.rel_type.as_deref())
    .sql(", rel_type) AND event_type = COALESCE(")
    .bind::<Nullable<Text>, _>(wanted.event_type.as_deref())
    .sql(
        ", event_type) UNION ALL \
           SELECT child.event_nid, child.position, tree.depth + 1 FROM event_relations AS child \
           JOIN tree ON child.parent_nid = tree.event_nid WHERE tree.depth < ",
    )
    .bind::<BigInt, _>(wanted.depth)
    .sql(" AND child.rel_type = COALESCE(")
    .bind::<Nullable<Text>, _>(wanted.rel_type.as_deref())
    .sql(", child.rel_type) AND child.event_type = COALESCE(")
    .bind::<Nullable<Text>, _>(wanted.event_type.as_deref())
    .sql(
        ", child.event_type)) \
         SELECT DISTINCT event_nid, position FROM tree WHERE event_nid <> ",
    )
    .bind::<BigInt, _>(wanted.parent)
    .sql(" AND position > ")
    .bind::<BigInt, _>(after)
    .sql(" AND position <= ")
    .bind::<BigInt, _>(until)
    .sql(order)
    .bind::<BigInt, _>(limit);
    Ok(each_backend!(conn, conn => query.load(conn))?)
}

/// Children of one event that have type and sender in common: how many, and one of the newest.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Bundled {
    pub parent_nid: EventNid,
    pub rel_type: String,
    pub event_type: String,
    pub sender_nid: UserNid,
    pub event_nid: EventNid,
    pub position: Position,
    pub count: i64,
    /// Where the oldest of them is.
    pub oldest: Position,
}

/// What may be bundled with events, of what is there up to a position. Of edits the newest of each sender (all of
/// them, if several are), of threads the newest event of each sender, of references up to `references` of each.
pub fn bundled(
    conn: &mut Conn,
    parents: &[EventNid],
    until: Position,
    references: i64,
) -> Result<Vec<Bundled>> {
    let Some((first, rest)) = parents.split_first() else { return Ok(Vec::new()) };
    let mut list = first.to_string();
    for parent in rest {
        list.push(',');
        list.push_str(&parent.to_string());
    }
    let query = sql::<(BigInt, Text, Text, BigInt, BigInt, BigInt, BigInt, BigInt)>(&format!(
        "SELECT parent_nid, rel_type, event_type, sender_nid, event_nid, position, alike, \
           oldest FROM (\
           SELECT parent_nid, rel_type, event_type, sender_nid, event_nid, position, \
             count(*) OVER (PARTITION BY parent_nid, rel_type, event_type, sender_nid) AS alike, \
             min(position) OVER (PARTITION BY parent_nid, rel_type, event_type, sender_nid) AS oldest, \
             rank() OVER (PARTITION BY parent_nid, rel_type, event_type, sender_nid ORDER BY \
               CASE rel_type WHEN 'm.replace' THEN origin_server_ts ELSE position END DESC) AS place \
           FROM event_relations \
           WHERE parent_nid IN ({list}) AND is_bundled AND position <= "
    ))
    .bind::<BigInt, _>(until)
    .sql(") AS ranked WHERE place = 1 OR (rel_type = 'm.reference' AND place <= ")
    .bind::<BigInt, _>(references)
    .sql(")");
    Ok(each_backend!(conn, conn => query.load(conn))?)
}

/// Threads of a room whose newest event is at `position <= until`, newest first.
pub fn threads(
    conn: &mut Conn,
    room: RoomNid,
    until: Position,
    limit: i64,
) -> Result<Vec<(EventNid, Position)>> {
    Ok(threads::table
        .filter(threads::room_nid.eq(room))
        .filter(threads::position.le(until))
        .order(threads::position.desc())
        .select((threads::root_nid, threads::position))
        .limit(limit)
        .load(conn)?)
}

/// In which of these threads a user sent something.
pub fn participated(conn: &mut Conn, roots: &[EventNid], user: UserNid) -> Result<Vec<EventNid>> {
    let roots: Vec<i64> = roots.iter().map(|root| root.0).collect();
    let found: Vec<Option<EventNid>> = each_backend!(conn, conn => {
        event_relations::table
            .filter(event_relations::parent_nid.eq_any(&roots))
            .filter(event_relations::rel_type.eq("m.thread"))
            .filter(event_relations::sender_nid.eq(user))
            .select(event_relations::parent_nid)
            .distinct()
            .load(conn)
    })?;
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
