//! One-time keys, each handed out once, and the fallback keys for when there are none.

use diesel::{dsl::count_star, prelude::*};

use super::{
    Conn, Position, UserNid, each_backend,
    schema::{claimed_keys, fallback_keys, one_time_keys},
};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Insertable)]
#[diesel(table_name = one_time_keys)]
pub struct OneTimeKeyRow {
    pub user_nid: UserNid,
    pub device_id: String,
    pub algorithm: String,
    pub key_id: String,
    /// Of the upload: what was uploaded first is claimed first.
    pub position: Position,
    /// Over id and key.
    pub hash: Vec<u8>,
    pub json: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Insertable, AsChangeset)]
#[diesel(table_name = fallback_keys)]
pub struct FallbackKeyRow {
    pub user_nid: UserNid,
    pub device_id: String,
    pub algorithm: String,
    pub key_id: String,
    pub json: String,
    pub used: bool,
}

/// A key that was claimed: its id without the algorithm, and the key.
pub type Claimed = (String, String);

/// Of keys with these ids, those that are there: algorithm, id, hash.
pub fn with_ids(
    conn: &mut Conn,
    (user, device_id): (UserNid, &str),
    key_ids: &[&str],
) -> Result<Vec<(String, String, Vec<u8>)>> {
    Ok(one_time_keys::table
        .filter(one_time_keys::user_nid.eq(user))
        .filter(one_time_keys::device_id.eq(device_id))
        .filter(one_time_keys::key_id.eq_any(key_ids))
        .select((one_time_keys::algorithm, one_time_keys::key_id, one_time_keys::hash))
        .load(conn)?)
}

/// Of these hashes, those of keys that were claimed.
pub fn claimed(
    conn: &mut Conn,
    (user, device_id): (UserNid, &str),
    hashes: &[&[u8]],
) -> Result<Vec<Vec<u8>>> {
    Ok(claimed_keys::table
        .filter(claimed_keys::user_nid.eq(user))
        .filter(claimed_keys::device_id.eq(device_id))
        .filter(claimed_keys::hash.eq_any(hashes))
        .select(claimed_keys::hash)
        .load(conn)?)
}

/// Adds keys, none of which is there.
pub fn insert(tx: &mut Conn, rows: &[OneTimeKeyRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    each_backend!(tx, conn => {
        diesel::insert_into(one_time_keys::table).values(rows).execute(conn)
    })?;
    Ok(())
}

/// How many keys of each algorithm can be claimed.
pub fn counts(conn: &mut Conn, user: UserNid, device_id: &str) -> Result<Vec<(String, i64)>> {
    Ok(one_time_keys::table
        .filter(one_time_keys::user_nid.eq(user))
        .filter(one_time_keys::device_id.eq(device_id))
        .group_by(one_time_keys::algorithm)
        .select((one_time_keys::algorithm, count_star()))
        .load(conn)?)
}

/// Takes the oldest key of a device, and keeps its hash.
pub fn claim(
    tx: &mut Conn,
    user: UserNid,
    device_id: &str,
    algorithm: &str,
) -> Result<Option<Claimed>> {
    let oldest: Option<(String, String, Vec<u8>, Position)> = one_time_keys::table
        .filter(one_time_keys::user_nid.eq(user))
        .filter(one_time_keys::device_id.eq(device_id))
        .filter(one_time_keys::algorithm.eq(algorithm))
        .order((one_time_keys::position, one_time_keys::key_id))
        .select((
            one_time_keys::key_id,
            one_time_keys::json,
            one_time_keys::hash,
            one_time_keys::position,
        ))
        .first(tx)
        .optional()?;
    let Some((key_id, json, hash, position)) = oldest else { return Ok(None) };
    diesel::delete(one_time_keys::table.find((user, device_id, algorithm, position, &key_id)))
        .execute(tx)?;
    diesel::insert_into(claimed_keys::table)
        .values((
            claimed_keys::user_nid.eq(user),
            claimed_keys::device_id.eq(device_id),
            claimed_keys::hash.eq(hash),
            claimed_keys::position.eq(position),
        ))
        .execute(tx)?;
    Ok(Some((key_id, json)))
}

/// When more than `most` claimed keys of a device are remembered, forgets those of the oldest uploads, down to about
/// half as many.
pub fn forget_oldest(tx: &mut Conn, (user, device_id): (UserNid, &str), most: i64) -> Result<()> {
    let of_device = claimed_keys::user_nid.eq(user).and(claimed_keys::device_id.eq(device_id));
    let beyond: Option<Position> = claimed_keys::table
        .filter(of_device)
        .select(claimed_keys::position)
        .offset(most)
        .first(tx)
        .optional()?;
    if beyond.is_none() {
        return Ok(());
    }
    let middle: Option<Position> = claimed_keys::table
        .filter(of_device)
        .order(claimed_keys::position.desc())
        .select(claimed_keys::position)
        .offset(most / 2)
        .first(tx)
        .optional()?;
    if let Some(middle) = middle {
        let oldest =
            claimed_keys::table.filter(of_device).filter(claimed_keys::position.le(middle));
        diesel::delete(oldest).execute(tx)?;
    }
    Ok(())
}

/// The fallback key of a device, and whether this is its first use.
pub fn use_fallback(
    tx: &mut Conn,
    user: UserNid,
    device_id: &str,
    algorithm: &str,
) -> Result<Option<(Claimed, bool)>> {
    let found: Option<(String, String, bool)> = fallback_keys::table
        .find((user, device_id, algorithm))
        .select((fallback_keys::key_id, fallback_keys::json, fallback_keys::used))
        .first(tx)
        .optional()?;
    let Some((key_id, json, used)) = found else { return Ok(None) };
    if !used {
        diesel::update(fallback_keys::table.find((user, device_id, algorithm)))
            .set(fallback_keys::used.eq(true))
            .execute(tx)?;
    }
    Ok(Some(((key_id, json), !used)))
}

/// Sets a device's fallback key of an algorithm. The same one again stays used if it is.
pub fn set_fallback(tx: &mut Conn, row: &FallbackKeyRow) -> Result<()> {
    let key = (row.user_nid, &row.device_id, &row.algorithm);
    let known: Option<(String, String)> = fallback_keys::table
        .find(key)
        .select((fallback_keys::key_id, fallback_keys::json))
        .first(tx)
        .optional()?;
    if known.is_some_and(|(key_id, json)| key_id == row.key_id && json == row.json) {
        return Ok(());
    }
    each_backend!(tx, conn => {
        diesel::insert_into(fallback_keys::table)
            .values(row)
            .on_conflict((
                fallback_keys::user_nid,
                fallback_keys::device_id,
                fallback_keys::algorithm,
            ))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

/// The algorithms of a device's fallback keys, and whether each was used.
pub fn fallbacks(conn: &mut Conn, user: UserNid, device_id: &str) -> Result<Vec<(String, bool)>> {
    Ok(fallback_keys::table
        .filter(fallback_keys::user_nid.eq(user))
        .filter(fallback_keys::device_id.eq(device_id))
        .select((fallback_keys::algorithm, fallback_keys::used))
        .order(fallback_keys::algorithm)
        .load(conn)?)
}

/// Forgets all keys of a device, and which were claimed: it has another identity.
pub fn delete_all(tx: &mut Conn, user: UserNid, device_id: &str) -> Result<()> {
    diesel::delete(
        one_time_keys::table
            .filter(one_time_keys::user_nid.eq(user))
            .filter(one_time_keys::device_id.eq(device_id)),
    )
    .execute(tx)?;
    diesel::delete(
        fallback_keys::table
            .filter(fallback_keys::user_nid.eq(user))
            .filter(fallback_keys::device_id.eq(device_id)),
    )
    .execute(tx)?;
    diesel::delete(
        claimed_keys::table
            .filter(claimed_keys::user_nid.eq(user))
            .filter(claimed_keys::device_id.eq(device_id)),
    )
    .execute(tx)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, devices, tests::on_both};

    const USER: UserNid = UserNid(1);

    fn key(key_id: &str, position: i64) -> OneTimeKeyRow {
        OneTimeKeyRow {
            user_nid: USER,
            device_id: "D".to_owned(),
            algorithm: "a".to_owned(),
            key_id: key_id.to_owned(),
            position: Position(position),
            hash: key_id.as_bytes().to_vec(),
            json: format!("\"{key_id}\""),
        }
    }

    fn insert_device(tx: &mut Conn) -> Result<()> {
        insert_account(tx, USER)?;
        devices::tests::insert_device(tx, USER, "D")
    }

    #[test]
    fn keys_are_claimed_in_the_order_of_their_uploads_and_remembered() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                insert_device(tx)?;
                insert(tx, &[key("z", 1)])?;
                insert(tx, &[key("b", 2), key("y", 2)])?;
                assert_eq!(counts(tx, USER, "D")?, [("a".to_owned(), 3)]);
                let first = claim(tx, USER, "D", "a")?;
                assert_eq!(first, Some(("z".to_owned(), "\"z\"".to_owned())));
                assert_eq!(claimed(tx, (USER, "D"), &[b"z", b"b"])?, [b"z".to_vec()]);
                assert_eq!(with_ids(tx, (USER, "D"), &["z", "b"])?.len(), 1);
                claim(tx, USER, "D", "a")?;
                claim(tx, USER, "D", "a")?;
                assert_eq!(claim(tx, USER, "D", "a")?, None);
                assert!(counts(tx, USER, "D")?.is_empty());
                // What belongs to a device goes with it.
                devices::delete(tx, USER, "D")?;
                assert!(claimed(tx, (USER, "D"), &[b"z"])?.is_empty());
                Ok(())
            });
            checked.unwrap();
        });
    }

    #[test]
    fn of_very_many_claimed_keys_those_of_the_oldest_uploads_are_forgotten() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                insert_device(tx)?;
                for upload in 0..6_u8 {
                    insert(tx, &[key(&upload.to_string(), upload.into())])?;
                    claim(tx, USER, "D", "a")?;
                }
                let left = |tx: &mut Conn| -> Result<Vec<Vec<u8>>> {
                    let mut left = claimed(tx, (USER, "D"), &[b"0", b"1", b"2", b"3", b"4", b"5"])?;
                    left.sort();
                    Ok(left)
                };
                forget_oldest(tx, (USER, "D"), 6)?;
                assert_eq!(left(tx)?.len(), 6);
                forget_oldest(tx, (USER, "D"), 5)?;
                assert_eq!(left(tx)?, [b"4", b"5"]);
                Ok(())
            });
            checked.unwrap();
        });
    }

    #[test]
    fn a_fallback_key_stays_and_is_used_for_the_first_time_once() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                insert_device(tx)?;
                let mut row = FallbackKeyRow {
                    user_nid: USER,
                    device_id: "D".to_owned(),
                    algorithm: "a".to_owned(),
                    key_id: "1".to_owned(),
                    json: "{}".to_owned(),
                    used: false,
                };
                set_fallback(tx, &row)?;
                let key = ("1".to_owned(), "{}".to_owned());
                assert_eq!(use_fallback(tx, USER, "D", "a")?, Some((key.clone(), true)));
                set_fallback(tx, &row)?;
                assert_eq!(use_fallback(tx, USER, "D", "a")?, Some((key, false)));
                assert_eq!(fallbacks(tx, USER, "D")?, [("a".to_owned(), true)]);
                row.key_id = "2".to_owned();
                set_fallback(tx, &row)?;
                assert_eq!(fallbacks(tx, USER, "D")?, [("a".to_owned(), false)]);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
