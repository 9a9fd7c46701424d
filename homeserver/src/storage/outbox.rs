//! What waits to be sent to other servers.

use diesel::{connection::Connection, prelude::*};
use ruma::{OwnedServerName, ServerName};

use super::{
    Conn, EventNid, Position,
    conn::{each_backend, prepared},
    schema::outbox,
};
use crate::error::Result;

/// Rows of one statement, so that their arguments are within what a database takes.
const ROWS_MAX: usize = 1_000;

/// One thing that waits: an event or an EDU.
#[derive(Clone, Debug, Queryable)]
pub struct OutboxRow {
    pub position: Position,
    pub event_nid: Option<EventNid>,
    pub edu: Option<String>,
}

/// Until when an EDU waits for a server that does not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Somebody who reads on will say so again.
    Day,
    /// Who was away for longer asks anew for devices, and has no use for the keys of that time.
    Month,
}

impl Worth {
    fn until(self, now: i64) -> i64 {
        let days = match self {
            Self::Day => 1,
            Self::Month => 30,
        };
        now.saturating_add(days * 24 * 3600 * 1000)
    }
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

/// Queues the same event for several destinations.
pub fn insert_events(
    conn: &mut Conn,
    destinations: &[OwnedServerName],
    position: Position,
    event: EventNid,
) -> Result<()> {
    let row = |destination: &OwnedServerName| {
        (
            outbox::destination.eq(destination.to_string()),
            outbox::position.eq(position),
            outbox::event_nid.eq(event),
        )
    };
    for destinations in destinations.chunks(ROWS_MAX) {
        let rows: Vec<_> = destinations.iter().map(row).collect();
        each_backend!(conn, conn => {
            diesel::insert_into(outbox::table).values(rows).execute(conn)
        })?;
    }
    Ok(())
}

/// Queues an EDU, `{"edu_type": …, "content": …}`, for a destination.
pub fn insert_edu(
    conn: &mut Conn,
    destination: &ServerName,
    position: Position,
    edu: &str,
    (worth, now): (Worth, i64),
) -> Result<()> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::destination.eq(destination.as_str()),
            outbox::position.eq(position),
            outbox::edu.eq(edu),
            outbox::expires_at.eq(worth.until(now)),
            outbox::short_lived.eq(worth == Worth::Day),
        ))
        .execute(conn)?;
    Ok(())
}

/// Queues the same EDU for several destinations.
pub fn insert_edus(
    conn: &mut Conn,
    destinations: &[OwnedServerName],
    position: Position,
    edu: &str,
    (worth, now): (Worth, i64),
) -> Result<()> {
    let row = |destination: &OwnedServerName| {
        (
            outbox::destination.eq(destination.to_string()),
            outbox::position.eq(position),
            outbox::edu.eq(edu.to_owned()),
            outbox::expires_at.eq(worth.until(now)),
            outbox::short_lived.eq(worth == Worth::Day),
        )
    };
    for destinations in destinations.chunks(ROWS_MAX) {
        let rows: Vec<_> = destinations.iter().map(row).collect();
        each_backend!(conn, conn => {
            diesel::insert_into(outbox::table).values(rows).execute(conn)
        })?;
    }
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

/// Drops, of the EDUs that wait for a destination after `after`, those that are of no worth any more, and the oldest of
/// those that are of worth for a day where there are more than `most`. Answers how many went.
pub fn drop_stale(
    conn: &mut Conn,
    destination: &str,
    after: Position,
    now: i64,
    most: i64,
) -> Result<usize> {
    let edus = || {
        outbox::table.filter(
            outbox::destination
                .eq(destination)
                .and(outbox::position.gt(after))
                .and(outbox::edu.is_not_null()),
        )
    };
    let expired = diesel::delete(edus().filter(outbox::expires_at.lt(now))).execute(conn)?;
    let short_lived = || edus().filter(outbox::short_lived.eq(true));
    let last_too_many: Option<Position> = short_lived()
        .select(outbox::position)
        .order(outbox::position.desc())
        .offset(most)
        .first(conn)
        .optional()?;
    let too_many = match last_too_many {
        Some(last) => {
            diesel::delete(short_lived().filter(outbox::position.le(last))).execute(conn)?
        }
        None => 0,
    };
    Ok(expired + too_many)
}

prepared! {
    KeepLatest<'a> = "DELETE FROM outbox WHERE destination = " destination: &'a str
        " AND event_nid IS NOT NULL AND position NOT IN (SELECT max(waiting.position) \
         FROM outbox AS waiting JOIN events ON events.event_nid = waiting.event_nid \
         WHERE waiting.destination = " same: &'a str => " GROUP BY events.room_nid)";
}

/// Keeps, of the events that wait for a destination, the latest of each room. Answers how many went.
pub fn keep_latest_of_each_room(conn: &mut Conn, destination: &str) -> Result<usize> {
    let keep = KeepLatest { destination, same: destination };
    Ok(each_backend!(conn, conn => conn.execute_returning_count(&keep))?)
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;
    use crate::storage::{
        RoomNid, StateNid, UserNid,
        events::EventRow,
        rooms::{self, RoomRow},
        schema::users,
        tests::on_both,
    };

    fn insert_room(conn: &mut Conn, nid: i64) {
        let room = RoomRow {
            room_nid: RoomNid(nid),
            room_id: format!("!{nid}:a.test"),
            version: "12".to_owned(),
            generation: 0,
            state_nid: StateNid(0),
            is_public: false,
        };
        rooms::insert(conn, &room).unwrap();
    }

    /// Queues event `nid` of `room` at the same position for `destination`.
    fn queue(conn: &mut Conn, destination: &ServerName, room: i64, nid: i64) {
        let event = EventRow {
            event_nid: EventNid(nid),
            event_id: format!("${nid}"),
            room_nid: RoomNid(room),
            position: Some(Position(nid)),
            sender_nid: UserNid(1),
            event_type: "m.room.message".to_owned(),
            state_key_nid: None,
            depth: nid,
            origin_server_ts: 0,
            received_at: 0,
            outlier: false,
            rejected: false,
            soft_failed: false,
            state_before_nid: None,
            state_after_nid: None,
            replaces_nid: None,
            redacted_by_nid: None,
            device_id: None,
            transaction_id: None,
            json: "{}".to_owned(),
            is_parent: false,
        };
        crate::storage::events::insert(conn, &event).unwrap();
        insert_event(conn, destination, Position(nid), EventNid(nid)).unwrap();
    }

    fn queue_edu(conn: &mut Conn, destination: &ServerName, position: i64) {
        diesel::insert_into(outbox::table)
            .values((
                outbox::destination.eq(destination.as_str()),
                outbox::position.eq(Position(position)),
                outbox::edu.eq("{}"),
            ))
            .execute(conn)
            .unwrap();
    }

    fn positions(conn: &mut Conn, destination: &str, until: Option<i64>) -> Vec<i64> {
        let rows = waiting(conn, destination, until.map(Position), 100).unwrap();
        rows.into_iter().map(|row| row.position.0).collect()
    }

    /// Events of two rooms and an EDU for b, one event for c.
    fn filled(conn: &mut Conn) {
        diesel::insert_into(users::table)
            .values((users::user_nid.eq(1), users::user_id.eq("@a:a.test")))
            .execute(conn)
            .unwrap();
        insert_room(conn, 1);
        insert_room(conn, 2);
        let (b, c) = (server_name!("b.test"), server_name!("c.test"));
        queue(conn, b, 1, 1);
        queue(conn, b, 2, 2);
        queue(conn, c, 1, 3);
        queue_edu(conn, b, 4);
        queue(conn, b, 1, 5);
    }

    #[test]
    fn a_destination_gets_its_own_in_order() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                filled(tx);
                assert_eq!(positions(tx, "b.test", None), [1, 2, 4, 5]);
                assert_eq!(positions(tx, "b.test", Some(2)), [1, 2]);
                assert_eq!(waiting_events(tx, "b.test")?, 3);
                delete_until(tx, "b.test", Position(4))?;
                assert_eq!(positions(tx, "b.test", None), [5]);
                assert_eq!(positions(tx, "c.test", None), [3]);
                Ok(())
            });
            checked.unwrap();
        });
    }

    #[test]
    fn only_destinations_with_something_new_are_named() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                filled(tx);
                let mut all = destinations(tx, Position(0))?;
                all.sort();
                assert_eq!(all, ["b.test", "c.test"]);
                assert_eq!(destinations(tx, Position(3))?, ["b.test"]);
                assert!(destinations(tx, Position(5))?.is_empty());
                Ok(())
            });
            checked.unwrap();
        });
    }

    #[test]
    fn what_is_stale_goes_and_too_much_for_a_day_but_no_event_and_nothing_on_its_way() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                filled(tx);
                let b = server_name!("b.test");
                let day = 24 * 3600 * 1000;
                use Worth::{Day, Month};
                let queued = [(6, Day), (7, Month), (8, Day), (9, Month), (10, Day)];
                for (position, worth) in queued {
                    insert_edu(tx, b, Position(position), "{}", (worth, 0))?;
                }
                // The one at 4 is of before there was an age.
                assert_eq!(drop_stale(tx, "b.test", Position(0), 0, 3)?, 0);
                assert_eq!(drop_stale(tx, "b.test", Position(10), 0, 0)?, 0);
                assert_eq!(drop_stale(tx, "b.test", Position(0), 0, 2)?, 1);
                assert_eq!(positions(tx, "b.test", None), [1, 2, 4, 5, 7, 8, 9, 10]);
                assert_eq!(drop_stale(tx, "b.test", Position(0), day, 2)?, 0);
                assert_eq!(drop_stale(tx, "b.test", Position(8), day + 1, 2)?, 1);
                assert_eq!(drop_stale(tx, "b.test", Position(0), day + 1, 2)?, 1);
                // What is of worth for a month stays however much there is.
                assert_eq!(drop_stale(tx, "b.test", Position(0), day + 1, 0)?, 0);
                assert_eq!(positions(tx, "b.test", None), [1, 2, 4, 5, 7, 9]);
                assert_eq!(drop_stale(tx, "b.test", Position(0), 29 * day + 1, 0)?, 0);
                assert_eq!(drop_stale(tx, "b.test", Position(0), 30 * day + 1, 0)?, 2);
                assert_eq!(positions(tx, "b.test", None), [1, 2, 4, 5]);
                assert_eq!(positions(tx, "c.test", None), [3]);
                Ok(())
            });
            checked.unwrap();
        });
    }

    #[test]
    fn the_latest_event_of_each_room_stays_and_so_does_what_is_no_event() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                filled(tx);
                assert_eq!(keep_latest_of_each_room(tx, "b.test")?, 1);
                assert_eq!(positions(tx, "b.test", None), [2, 4, 5]);
                assert_eq!(positions(tx, "c.test", None), [3]);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
