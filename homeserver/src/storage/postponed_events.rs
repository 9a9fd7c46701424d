//! Events of which what they stand on could not be had when they came, until they are tried again.

use std::collections::HashSet;

use diesel::prelude::*;

use super::{Conn, Position, Tx, schema::postponed_events};
use crate::error::Result;

/// How many may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one server in one room, and of one server: the oldest make way.
    pub of_room: usize,
    pub of_origin: usize,
    /// Of all servers: there is no place for more.
    pub of_all: i64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Incoming {
    pub event_id: String,
    pub json: String,
}

#[derive(Clone, Debug, Eq, PartialEq, Queryable)]
pub struct PostponedEvent {
    pub position: Position,
    pub room_id: String,
    pub origin: String,
    pub received_at: i64,
    pub tries: i64,
    pub json: String,
}

/// Keeps events of a room that came from `origin` until `next_at`, but for those that wait already.
pub fn insert(
    tx: &mut Tx<'_>,
    (origin, room_id): (&str, &str),
    events: &[Incoming],
    (now, next_at): (i64, i64),
    limits: Limits,
) -> Result<()> {
    let theirs = || postponed_events::table.filter(postponed_events::origin.eq(origin));
    let of_room = || theirs().filter(postponed_events::room_id.eq(room_id));
    let known = of_room().select(postponed_events::event_id).load(&mut **tx)?;
    let mut known: HashSet<String> = known.into_iter().collect();
    let waiting: i64 = postponed_events::table.count().get_result(&mut **tx)?;
    let places = usize::try_from(limits.of_all - waiting).unwrap_or(0);
    let fresh = events.iter().filter(|event| known.insert(event.event_id.clone()));
    for event in fresh.take(places) {
        let position = tx.next_position()?;
        diesel::insert_into(postponed_events::table)
            .values((
                postponed_events::position.eq(position),
                postponed_events::room_id.eq(room_id),
                postponed_events::origin.eq(origin),
                postponed_events::event_id.eq(&event.event_id),
                postponed_events::received_at.eq(now),
                postponed_events::tries.eq(0),
                postponed_events::next_at.eq(next_at),
                postponed_events::json.eq(&event.json),
            ))
            .execute(&mut **tx)?;
    }
    let newest_first = postponed_events::position.desc();
    let of_room: Vec<Position> =
        of_room().order(newest_first).select(postponed_events::position).load(&mut **tx)?;
    for position in of_room.into_iter().skip(limits.of_room) {
        delete(tx, position)?;
    }
    let of_origin: Vec<Position> =
        theirs().order(newest_first).select(postponed_events::position).load(&mut **tx)?;
    for position in of_origin.into_iter().skip(limits.of_origin) {
        delete(tx, position)?;
    }
    Ok(())
}

/// The first `limit` events that are to be tried again by now, in the order in which they came.
pub fn due(conn: &mut Conn, now: i64, limit: i64) -> Result<Vec<PostponedEvent>> {
    Ok(postponed_events::table
        .filter(postponed_events::next_at.le(now))
        .order(postponed_events::position)
        .select((
            postponed_events::position,
            postponed_events::room_id,
            postponed_events::origin,
            postponed_events::received_at,
            postponed_events::tries,
            postponed_events::json,
        ))
        .limit(limit)
        .load(conn)?)
}

/// When the next is to be tried again.
pub fn next_at(conn: &mut Conn) -> Result<Option<i64>> {
    let next_at = diesel::dsl::min(postponed_events::next_at);
    Ok(postponed_events::table.select(next_at).first(conn)?)
}

/// An event was tried so often, and is again then.
pub fn postpone(tx: &mut Conn, position: Position, tries: i64, next_at: i64) -> Result<()> {
    diesel::update(postponed_events::table.filter(postponed_events::position.eq(position)))
        .set((postponed_events::tries.eq(tries), postponed_events::next_at.eq(next_at)))
        .execute(tx)?;
    Ok(())
}

pub fn delete(tx: &mut Conn, position: Position) -> Result<()> {
    diesel::delete(postponed_events::table.filter(postponed_events::position.eq(position)))
        .execute(tx)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Store, tests::on_both};

    fn keep(store: &Store, from: (&'static str, &'static str), names: &[&str]) {
        let limits = Limits { of_room: 2, of_origin: 3, of_all: 5 };
        let incoming =
            |name: &&str| Incoming { event_id: format!("${name}"), json: (*name).to_owned() };
        let events: Vec<Incoming> = names.iter().map(incoming).collect();
        let insert = move |tx: &mut Tx<'_>| insert(tx, from, &events, (10, 20), limits);
        store.write_blocking(insert).unwrap();
    }

    fn told(store: &Store, now: i64) -> Vec<String> {
        let events = store.write_blocking(move |tx| due(tx, now, 9)).unwrap();
        events.into_iter().map(|event| event.origin + &event.room_id + &event.json).collect()
    }

    #[test]
    fn the_newest_of_each_server_and_room_wait_and_others_keep_their_places() {
        on_both(|store| {
            keep(store, ("b.test", "!a"), &["1", "2", "3", "3"]);
            assert_eq!(told(store, 20), ["b.test!a2", "b.test!a3"]);
            keep(store, ("b.test", "!b"), &["4", "5"]);
            assert_eq!(told(store, 20), ["b.test!a3", "b.test!b4", "b.test!b5"]);
            keep(store, ("c.test", "!a"), &["3"]);
            keep(store, ("d.test", "!a"), &["6", "7"]);
            let all = ["b.test!a3", "b.test!b4", "b.test!b5", "c.test!a3", "d.test!a6"];
            assert_eq!(told(store, 20), all);
            assert!(told(store, 19).is_empty());
        });
    }

    #[test]
    fn what_was_tried_waits_longer() {
        on_both(|store| {
            keep(store, ("b.test", "!a"), &["1", "2"]);
            let checked = store.write_blocking(|tx| {
                let events = due(tx, 20, 9)?;
                postpone(tx, events[0].position, 1, 50)?;
                assert_eq!(next_at(tx)?, Some(20));
                delete(tx, events[1].position)?;
                assert_eq!(next_at(tx)?, Some(50));
                let again = due(tx, 50, 9)?;
                assert_eq!((again.len(), again[0].tries, again[0].received_at), (1, 1, 10));
                Ok(())
            });
            checked.unwrap();
        });
    }
}
