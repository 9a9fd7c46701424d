//! Events of rooms that are being entered, as they were received, until they can be taken in.

use diesel::prelude::*;

use super::{Conn, Position, Tx, schema::held_events};
use crate::error::Result;

/// How many events may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one server.
    pub of_origin: usize,
    pub of_all: usize,
}

#[derive(Clone, Debug, Eq, PartialEq, Queryable)]
pub struct HeldEvent {
    pub position: Position,
    pub origin: String,
    pub json: String,
}

/// Keeps events of a room that came from `origin`: all of them, or none where too many wait. Whether it did.
pub fn insert(
    tx: &mut Tx<'_>,
    (origin, room_id): (&str, &str),
    events: &[String],
    now: i64,
    limits: Limits,
) -> Result<bool> {
    let of_origin = held_events::table.filter(held_events::origin.eq(origin));
    let of_origin: i64 = of_origin.count().get_result(&mut **tx)?;
    let of_all: i64 = held_events::table.count().get_result(&mut **tx)?;
    let fits = |held: i64, limit: usize| {
        usize::try_from(held).is_ok_and(|held| held + events.len() <= limit)
    };
    if !fits(of_origin, limits.of_origin) || !fits(of_all, limits.of_all) {
        return Ok(false);
    }
    for json in events {
        let position = tx.next_position()?;
        diesel::insert_into(held_events::table)
            .values((
                held_events::position.eq(position),
                held_events::room_id.eq(room_id),
                held_events::origin.eq(origin),
                held_events::received_at.eq(now),
                held_events::json.eq(json),
            ))
            .execute(&mut **tx)?;
    }
    Ok(true)
}

/// The rooms of which events wait, each with when the first came.
pub fn rooms(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    let rows = held_events::table
        .group_by(held_events::room_id)
        .order(held_events::room_id)
        .select((held_events::room_id, diesel::dsl::min(held_events::received_at)))
        .load::<(String, Option<i64>)>(conn)?;
    Ok(rows.into_iter().map(|(room, since)| (room, since.unwrap_or_default())).collect())
}

/// The first `limit` events of a room, in the order in which they came.
pub fn of_room(conn: &mut Conn, room_id: &str, limit: i64) -> Result<Vec<HeldEvent>> {
    Ok(held_events::table
        .filter(held_events::room_id.eq(room_id))
        .order(held_events::position)
        .select((held_events::position, held_events::origin, held_events::json))
        .limit(limit)
        .load(conn)?)
}

/// Forgets the events of a room up to a position.
pub fn delete_until(tx: &mut Conn, room_id: &str, until: Position) -> Result<()> {
    diesel::delete(
        held_events::table
            .filter(held_events::room_id.eq(room_id))
            .filter(held_events::position.le(until)),
    )
    .execute(tx)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn one_server_leaves_places_to_others_and_events_stay_in_order() {
        on_both(|store| {
            let limits = Limits { of_origin: 3, of_all: 5 };
            let events = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let hold = |origin: &'static str, room: &'static str, names: &[&str], now| {
                let events: Vec<String> = events(names);
                let insert =
                    move |tx: &mut Tx<'_>| insert(tx, (origin, room), &events, now, limits);
                store.write_blocking(insert).unwrap()
            };
            assert!(hold("b.test", "!a:x", &["1", "2"], 10));
            assert!(!hold("b.test", "!a:x", &["3", "4"], 11), "all or none");
            assert!(hold("b.test", "!b:x", &["3"], 12));
            assert!(hold("c.test", "!a:x", &["4"], 13));
            assert!(!hold("d.test", "!a:x", &["5", "6"], 14), "there are places for five");
            assert!(hold("d.test", "!a:x", &["5"], 14));

            let checked = store.write_blocking(|tx| {
                let told = |events: Vec<HeldEvent>| -> Vec<String> {
                    events.into_iter().map(|event| event.origin + &event.json).collect()
                };
                assert_eq!(rooms(tx)?, [("!a:x".to_owned(), 10), ("!b:x".to_owned(), 12)]);
                let first = of_room(tx, "!a:x", 2)?;
                let until = first[1].position;
                assert_eq!(told(first), ["b.test1", "b.test2"]);
                delete_until(tx, "!a:x", until)?;
                assert_eq!(told(of_room(tx, "!a:x", 9)?), ["c.test4", "d.test5"]);
                assert_eq!(told(of_room(tx, "!b:x", 9)?), ["b.test3"]);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
