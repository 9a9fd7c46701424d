//! Running totals of events that notify, and where they count otherwise for a user. See `service/push.rs`.

use diesel::{connection::Connection, prelude::*};

use super::{
    Conn, EventNid, Position, RoomNid, UserNid,
    conn::prepared,
    each_backend,
    schema::{
        events, push_counters, push_exceptions, push_modes, push_redactions, push_thread_counters,
        push_threads,
    },
};
use crate::error::Result;

/// How many events notify, and how many of them are highlighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub notify: i64,
    pub highlight: i64,
}

/// An event that notifies by default.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = push_counters)]
pub struct CounterRow {
    pub room_nid: RoomNid,
    pub position: Position,
    pub thread: String,
    pub notify: i64,
    pub highlight: i64,
    pub room_notify: i64,
    pub room_highlight: i64,
    pub main_notify: i64,
    pub main_highlight: i64,
    pub actions: String,
}

/// An event that counts otherwise for a user.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = push_exceptions)]
pub struct ExceptionRow {
    pub user_nid: UserNid,
    pub room_nid: RoomNid,
    pub position: Position,
    pub thread: String,
    pub notify: i64,
    pub highlight: i64,
    pub actions: String,
}

/// An event that counts for nobody any more.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = push_redactions)]
pub struct RedactionRow {
    pub position: Position,
    pub thread: String,
    pub notify: i64,
    pub highlight: i64,
}

prepared! {
    InsertCounter<'a> = "INSERT INTO push_counters (room_nid, position, thread, notify, highlight, \
         room_notify, room_highlight, main_notify, main_highlight, actions) VALUES (" room_nid: i64
        ", " position: i64 ", " thread: &'a str ", " notify: i64 ", " highlight: i64 ", "
        room_notify: i64 ", " room_highlight: i64 ", " main_notify: i64 ", " main_highlight: i64
        ", " actions: &'a str => ")";
}

pub fn insert_counter(tx: &mut Conn, row: &CounterRow) -> Result<()> {
    let insert = InsertCounter {
        room_nid: row.room_nid.0,
        position: row.position.0,
        thread: &row.thread,
        notify: row.notify,
        highlight: row.highlight,
        room_notify: row.room_notify,
        room_highlight: row.room_highlight,
        main_notify: row.main_notify,
        main_highlight: row.main_highlight,
        actions: &row.actions,
    };
    each_backend!(tx, conn => conn.execute_returning_count(&insert))?;
    Ok(())
}

/// Sets the totals of a thread as of a position.
pub fn insert_thread_counter(
    tx: &mut Conn,
    room: RoomNid,
    thread: &str,
    position: Position,
    totals: Totals,
) -> Result<()> {
    diesel::insert_into(push_thread_counters::table)
        .values((
            push_thread_counters::room_nid.eq(room),
            push_thread_counters::thread.eq(thread),
            push_thread_counters::position.eq(position),
            push_thread_counters::notify.eq(totals.notify),
            push_thread_counters::highlight.eq(totals.highlight),
        ))
        .execute(tx)?;
    Ok(())
}

/// Notes that something in a thread notified somebody.
pub fn set_thread(tx: &mut Conn, room: RoomNid, thread: &str, position: Position) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(push_threads::table)
            .values((
                push_threads::room_nid.eq(room),
                push_threads::thread.eq(thread),
                push_threads::position.eq(position),
            ))
            .on_conflict((push_threads::room_nid, push_threads::thread))
            .do_update()
            .set(push_threads::position.eq(position))
            .execute(conn)
    })?;
    Ok(())
}

pub fn insert_exception(tx: &mut Conn, row: &ExceptionRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(push_exceptions::table).values(row).execute(conn)
    })?;
    Ok(())
}

/// From a position on, the default counts for a user in a room, or (`quiet`) does not.
pub fn set_mode(
    tx: &mut Conn,
    (user, room): (UserNid, RoomNid),
    position: Position,
    quiet: bool,
) -> Result<()> {
    diesel::insert_into(push_modes::table)
        .values((
            push_modes::user_nid.eq(user),
            push_modes::room_nid.eq(room),
            push_modes::position.eq(position),
            push_modes::quiet.eq(quiet),
        ))
        .execute(tx)?;
    Ok(())
}

/// An event was redacted.
pub fn redact(tx: &mut Conn, room: RoomNid, event: EventNid) -> Result<()> {
    let position: Option<Option<Position>> =
        events::table.find(event).select(events::position).first(tx).optional()?;
    let Some(position) = position.flatten() else { return Ok(()) };
    let counted: Option<(String, i64, i64)> = push_counters::table
        .find((room, position))
        .select((push_counters::thread, push_counters::notify, push_counters::highlight))
        .first(tx)
        .optional()?;
    let (thread, notify, highlight) = counted.unwrap_or_default();
    each_backend!(tx, conn => {
        diesel::insert_into(push_redactions::table)
            .values((
                push_redactions::room_nid.eq(room),
                push_redactions::position.eq(position),
                push_redactions::thread.eq(&thread),
                push_redactions::notify.eq(notify),
                push_redactions::highlight.eq(highlight),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(())
}

/// The last event that notifies by default, up to a position.
pub fn counter_at(conn: &mut Conn, room: RoomNid, at: Position) -> Result<Option<CounterRow>> {
    Ok(push_counters::table
        .filter(push_counters::room_nid.eq(room))
        .filter(push_counters::position.le(at))
        .order(push_counters::position.desc())
        .select(CounterRow::as_select())
        .first(conn)
        .optional()?)
}

/// The totals of a thread as of a position.
pub fn thread_totals(conn: &mut Conn, room: RoomNid, thread: &str, at: Position) -> Result<Totals> {
    let found: Option<(i64, i64)> = push_thread_counters::table
        .filter(push_thread_counters::room_nid.eq(room))
        .filter(push_thread_counters::thread.eq(thread))
        .filter(push_thread_counters::position.le(at))
        .order(push_thread_counters::position.desc())
        .select((push_thread_counters::notify, push_thread_counters::highlight))
        .first(conn)
        .optional()?;
    let (notify, highlight) = found.unwrap_or_default();
    Ok(Totals { notify, highlight })
}

/// Threads in which something notified somebody after a position.
pub fn threads_after(conn: &mut Conn, room: RoomNid, after: Position) -> Result<Vec<String>> {
    Ok(push_threads::table
        .filter(push_threads::room_nid.eq(room))
        .filter(push_threads::position.gt(after))
        .select(push_threads::thread)
        .order(push_threads::thread)
        .load(conn)?)
}

/// A user's exceptions in a room with `after < position <= until`.
pub fn exceptions(
    conn: &mut Conn,
    (user, room): (UserNid, RoomNid),
    (after, until): (Position, Position),
) -> Result<Vec<ExceptionRow>> {
    Ok(push_exceptions::table
        .filter(push_exceptions::user_nid.eq(user))
        .filter(push_exceptions::room_nid.eq(room))
        .filter(push_exceptions::position.gt(after))
        .filter(push_exceptions::position.le(until))
        .select(ExceptionRow::as_select())
        .load(conn)?)
}

/// What was redacted of the events with `after < position <= until`.
pub fn redactions(
    conn: &mut Conn,
    room: RoomNid,
    (after, until): (Position, Position),
) -> Result<Vec<RedactionRow>> {
    Ok(push_redactions::table
        .filter(push_redactions::room_nid.eq(room))
        .filter(push_redactions::position.gt(after))
        .filter(push_redactions::position.le(until))
        .select(RedactionRow::as_select())
        .load(conn)?)
}

/// From where on which mode counts for a user, oldest first.
pub fn modes(conn: &mut Conn, user: UserNid, room: RoomNid) -> Result<Vec<(Position, bool)>> {
    Ok(push_modes::table
        .filter(push_modes::user_nid.eq(user))
        .filter(push_modes::room_nid.eq(room))
        .select((push_modes::position, push_modes::quiet))
        .order(push_modes::position)
        .load(conn)?)
}

/// Events that notify by default in one of some rooms, latest first.
pub fn counters_before(
    conn: &mut Conn,
    room: RoomNid,
    before: Position,
    limit: i64,
) -> Result<Vec<CounterRow>> {
    Ok(push_counters::table
        .filter(push_counters::room_nid.eq(room))
        .filter(push_counters::position.lt(before))
        .order(push_counters::position.desc())
        .select(CounterRow::as_select())
        .limit(limit)
        .load(conn)?)
}

/// A user's exceptions in all rooms, latest first.
pub fn exceptions_before(
    conn: &mut Conn,
    user: UserNid,
    before: Position,
    limit: i64,
) -> Result<Vec<ExceptionRow>> {
    Ok(push_exceptions::table
        .filter(push_exceptions::user_nid.eq(user))
        .filter(push_exceptions::position.lt(before))
        .order(push_exceptions::position.desc())
        .select(ExceptionRow::as_select())
        .limit(limit)
        .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn totals_are_those_of_the_last_event_before() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    let room = RoomNid(1);
                    let row = |position| CounterRow {
                        room_nid: room,
                        position: Position(position),
                        thread: "main".to_owned(),
                        notify: 1,
                        highlight: 0,
                        room_notify: position,
                        room_highlight: 0,
                        main_notify: position,
                        main_highlight: 0,
                        actions: "[]".to_owned(),
                    };
                    for position in [3, 7] {
                        insert_counter(tx, &row(position))?;
                    }
                    assert_eq!(counter_at(tx, room, Position(2))?, None);
                    assert_eq!(counter_at(tx, room, Position(6))?, Some(row(3)));
                    assert_eq!(counter_at(tx, room, Position(7))?, Some(row(7)));
                    assert_eq!(counters_before(tx, room, Position(7), 9)?, [row(3)]);
                    let totals = Totals { notify: 2, highlight: 1 };
                    insert_thread_counter(tx, room, "$a", Position(5), totals)?;
                    set_thread(tx, room, "$a", Position(4))?;
                    set_thread(tx, room, "$a", Position(5))?;
                    let at = |tx: &mut Conn, at| thread_totals(tx, room, "$a", Position(at));
                    assert_eq!(at(tx, 4)?, Totals::default());
                    assert_eq!(at(tx, 9)?, totals);
                    assert_eq!(threads_after(tx, room, Position(4))?, ["$a"]);
                    assert_eq!(threads_after(tx, room, Position(5))?, [""; 0]);
                    let exception = ExceptionRow {
                        user_nid: UserNid(1),
                        room_nid: room,
                        position: Position(3),
                        thread: "main".to_owned(),
                        notify: 0,
                        highlight: 1,
                        actions: "[]".to_owned(),
                    };
                    insert_exception(tx, &exception)?;
                    let range = (Position(2), Position(3));
                    assert_eq!(
                        exceptions(tx, (UserNid(1), room), range)?.first(),
                        Some(&exception)
                    );
                    let all = exceptions_before(tx, UserNid(1), Position(4), 9)?;
                    assert_eq!(all, [exception]);
                    set_mode(tx, (UserNid(1), room), Position(4), true)?;
                    assert_eq!(modes(tx, UserNid(1), room)?, [(Position(4), true)]);
                    assert_eq!(redactions(tx, room, (Position(0), Position(9)))?, []);
                    redact(tx, room, EventNid(99))?;
                    Ok(())
                })
                .unwrap();
        });
    }
}
