//! Events of rooms that are being entered, as they were received, until they can be taken in.

use std::collections::HashSet;

use diesel::{dsl::sql, prelude::*, sql_types::BigInt};
use sha2::{Digest as _, Sha256};

use super::{Conn, Position, Tx, schema::held_events};
use crate::error::Result;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one server.
    pub of_origin: Size,
    pub of_all: Size,
}

#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub events: i64,
    pub bytes: i64,
}

impl Size {
    fn has_room(self, for_that: Size, beside: (i64, i64)) -> bool {
        beside.0 + for_that.events <= self.events && beside.1 + for_that.bytes <= self.bytes
    }
}

/// An event as it came.
#[derive(Clone, Debug)]
pub struct Incoming {
    json: String,
    /// Tells when the same comes again.
    digest: String,
}

impl Incoming {
    pub fn new(json: &str) -> Self {
        let digest = Sha256::digest(json.as_bytes());
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { json: json.to_owned(), digest }
    }
}

#[derive(Clone, Debug, Eq, PartialEq, Queryable)]
pub struct HeldEvent {
    pub position: Position,
    pub origin: String,
    pub json: String,
}

/// Keeps events of a room that came from `origin`, but for those of which it has sent the same before: all of them, or
/// none where too much waits. Whether it did.
pub fn insert(
    tx: &mut Tx<'_>,
    (origin, room_id): (&str, &str),
    events: &[Incoming],
    now: i64,
    limits: Limits,
) -> Result<bool> {
    let theirs = || held_events::table.filter(held_events::origin.eq(origin));
    let known = theirs().filter(held_events::room_id.eq(room_id)).select(held_events::digest);
    let mut known: HashSet<String> = known.load(&mut **tx)?.into_iter().collect();
    let events: Vec<&Incoming> =
        events.iter().filter(|event| known.insert(event.digest.clone())).collect();
    let bytes = |event: &Incoming| i64::try_from(event.json.len()).unwrap_or(i64::MAX);
    let come = Size {
        events: i64::try_from(events.len()).unwrap_or(i64::MAX),
        bytes: events.iter().map(|event| bytes(event)).sum(),
    };
    let size = || sql::<(BigInt, BigInt)>("COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT)");
    let of_origin = theirs().select(size()).first(&mut **tx)?;
    let of_all = held_events::table.select(size()).first(&mut **tx)?;
    if !limits.of_origin.has_room(come, of_origin) || !limits.of_all.has_room(come, of_all) {
        return Ok(false);
    }
    for event in events {
        let position = tx.next_position()?;
        diesel::insert_into(held_events::table)
            .values((
                held_events::position.eq(position),
                held_events::room_id.eq(room_id),
                held_events::origin.eq(origin),
                held_events::received_at.eq(now),
                held_events::json.eq(&event.json),
                held_events::digest.eq(&event.digest),
                held_events::bytes.eq(bytes(event)),
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
    use crate::storage::{Store, tests::on_both};

    const fn most(events: i64, bytes: i64) -> Size {
        Size { events, bytes }
    }

    fn hold(
        store: &Store,
        limits: Limits,
        (origin, room): (&'static str, &'static str),
        names: &[&str],
    ) -> bool {
        let events: Vec<Incoming> = names.iter().map(|name| Incoming::new(name)).collect();
        let insert = move |tx: &mut Tx<'_>| insert(tx, (origin, room), &events, 10, limits);
        store.write_blocking(insert).unwrap()
    }

    fn told(store: &Store, room: &'static str) -> Vec<String> {
        let events = store.write_blocking(move |tx| of_room(tx, room, 9)).unwrap();
        events.into_iter().map(|event| event.origin + &event.json).collect()
    }

    #[test]
    fn one_server_leaves_places_to_others_and_events_stay_in_order() {
        on_both(|store| {
            let limits = Limits { of_origin: most(3, 99), of_all: most(5, 99) };
            let hold = |from, names: &[&str]| hold(store, limits, from, names);
            assert!(hold(("b.test", "!a:x"), &["1", "2"]));
            assert!(!hold(("b.test", "!a:x"), &["3", "4"]), "all or none");
            assert!(hold(("b.test", "!b:x"), &["3"]));
            assert!(hold(("c.test", "!a:x"), &["4"]));
            assert!(!hold(("d.test", "!a:x"), &["5", "6"]), "there are places for five");
            assert!(hold(("d.test", "!a:x"), &["5"]));

            let checked = store.write_blocking(|tx| {
                assert_eq!(rooms(tx)?, [("!a:x".to_owned(), 10), ("!b:x".to_owned(), 10)]);
                let until = of_room(tx, "!a:x", 2)?[1].position;
                delete_until(tx, "!a:x", until)
            });
            checked.unwrap();
            assert_eq!(told(store, "!a:x"), ["c.test4", "d.test5"]);
            assert_eq!(told(store, "!b:x"), ["b.test3"]);
        });
    }

    #[test]
    fn bytes_are_bounded_and_the_same_again_takes_none() {
        on_both(|store| {
            let limits = Limits { of_origin: most(9, 10), of_all: most(9, 14) };
            let hold = |from, names: &[&str]| hold(store, limits, from, names);
            assert!(hold(("b.test", "!a:x"), &["€uro", "four"]));
            assert!(!hold(("b.test", "!a:x"), &["1"]), "a euro sign is three bytes");
            assert!(hold(("b.test", "!a:x"), &["four", "€uro", "four"]));
            assert!(hold(("c.test", "!a:x"), &["four"]));
            assert!(!hold(("c.test", "!a:x"), &["1"]), "all together are bounded too");
            assert_eq!(told(store, "!a:x"), ["b.test€uro", "b.testfour", "c.testfour"]);
        });
    }
}
