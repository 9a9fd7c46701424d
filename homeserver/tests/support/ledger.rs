//! What the crash and power-loss tests write, and how they find out whether all of it is there: each job
//! takes a position and leaves a user and an outbox row.

use std::collections::HashMap;

use diesel::prelude::*;
use sealpost_homeserver::{
    error::Result,
    storage::{
        Answer, Position, Store, check_integrity, current_position,
        schema::{outbox, users},
    },
};

/// Queues the entry of `nid`; it is acknowledged by the answer.
pub fn write(store: &Store, nid: i64) -> Answer<Position> {
    store.write(move |tx| {
        let position = tx.next_position()?;
        diesel::insert_into(users::table)
            .values((users::user_nid.eq(nid), users::user_id.eq(user_id(nid))))
            .execute(&mut **tx)?;
        diesel::insert_into(outbox::table)
            .values((
                outbox::destination.eq("ledger"),
                outbox::position.eq(position),
                outbox::edu.eq(nid.to_string()),
            ))
            .execute(&mut **tx)?;
        Ok(position)
    })
}

fn user_id(nid: i64) -> String {
    format!("@{}{nid}:example.org", "x".repeat(nid as usize % 700))
}

/// Says what is wrong, if anything: each acknowledged entry must be there once at its position, the
/// positions must have no holes, and the file must be sound.
pub fn verify(store: &Store, acknowledged: &HashMap<i64, i64>) -> Result<Vec<String>> {
    let (mut faults, rows, users, position) = store.read_blocking(|conn| {
        let rows: Vec<(i64, Option<String>)> = outbox::table
            .filter(outbox::destination.eq("ledger"))
            .select((outbox::position, outbox::edu))
            .order(outbox::position)
            .load(conn)?;
        let users: Vec<(i64, String)> = users::table.order(users::user_nid).load(conn)?;
        Ok((check_integrity(conn)?, rows, users, current_position(conn)?))
    })?;
    for (expected, (position, _)) in (1..).zip(&rows) {
        if *position != expected {
            faults.push(format!("position {expected} is missing"));
            break;
        }
    }
    if rows.last().map_or(0, |(position, _)| *position) != position.0 {
        faults.push(format!("the counter stands at {position}, the rows do not"));
    }
    let mut found = HashMap::new();
    for (position, edu) in rows {
        let nid: i64 = edu.and_then(|edu| edu.parse().ok()).unwrap_or_default();
        if found.insert(nid, position).is_some() {
            faults.push(format!("{nid} is there twice"));
        }
    }
    for (nid, position) in acknowledged {
        if found.get(nid) != Some(position) {
            faults.push(format!("{nid} was acknowledged and is not at {position}"));
        }
    }
    if users.len() != found.len() {
        faults.push(format!("{} users, {} outbox rows", users.len(), found.len()));
    }
    if let Some((nid, _)) = users.iter().find(|(nid, id)| *id != user_id(*nid)) {
        faults.push(format!("user {nid} has another's id"));
    }
    Ok(faults)
}
