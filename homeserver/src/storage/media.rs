//! Uploaded content: who uploaded it, what it is, and the hash that its file is named by.

use std::collections::HashSet;

use diesel::{dsl::sql, prelude::*, sql_types::BigInt};

use super::{Conn, UserNid, schema::media};
use crate::error::Result;

/// One media id of this server.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = media)]
pub struct Media {
    pub user_nid: UserNid,
    pub created_at: i64,
    /// Set while nothing has been uploaded.
    pub expires_at: Option<i64>,
    #[diesel(embed)]
    pub upload: Upload,
}

/// What the upload set; all `None` before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Queryable, Selectable, AsChangeset, Insertable)]
#[diesel(table_name = media, treat_none_as_default_value = false)]
pub struct Upload {
    pub sha256: Option<Vec<u8>>,
    pub size: Option<i64>,
    pub content_type: Option<String>,
    pub filename: Option<String>,
}

/// A new id with its content.
pub fn insert(
    conn: &mut Conn,
    media_id: &str,
    user_nid: UserNid,
    now: i64,
    upload: &Upload,
) -> Result<()> {
    diesel::insert_into(media::table)
        .values((
            media::media_id.eq(media_id),
            media::user_nid.eq(user_nid),
            media::created_at.eq(now),
            upload,
        ))
        .execute(conn)?;
    Ok(())
}

/// A new id whose content is to come before `expires_at`.
pub fn insert_pending(
    conn: &mut Conn,
    media_id: &str,
    user_nid: UserNid,
    now: i64,
    expires_at: i64,
) -> Result<()> {
    diesel::insert_into(media::table)
        .values((
            media::media_id.eq(media_id),
            media::user_nid.eq(user_nid),
            media::created_at.eq(now),
            media::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Gives a pending id its content; `false` when it is not pending any more.
pub fn complete(conn: &mut Conn, media_id: &str, upload: &Upload) -> Result<bool> {
    let pending = media::table.find(media_id).filter(media::expires_at.is_not_null());
    let changed =
        diesel::update(pending).set((upload, media::expires_at.eq(None::<i64>))).execute(conn)?;
    Ok(changed > 0)
}

pub fn find(conn: &mut Conn, media_id: &str) -> Result<Option<Media>> {
    Ok(media::table.find(media_id).select(Media::as_select()).first(conn).optional()?)
}

/// How many ids of a user wait for content at `now`.
pub fn count_pending(conn: &mut Conn, user_nid: UserNid, now: i64) -> Result<i64> {
    Ok(media::table
        .filter(media::user_nid.eq(user_nid))
        .filter(media::size.is_null())
        .filter(media::expires_at.gt(now))
        .count()
        .get_result(conn)?)
}

/// How many bytes a user has uploaded.
pub fn bytes_of(conn: &mut Conn, user_nid: UserNid) -> Result<i64> {
    let total = sql::<BigInt>("CAST(COALESCE(SUM(size), 0) AS BIGINT)");
    Ok(media::table.filter(media::user_nid.eq(user_nid)).select(total).first(conn)?)
}

/// Forgets ids whose time is over, at most so many; returns how many.
pub fn delete_expired(conn: &mut Conn, now: i64, at_most: i64) -> Result<usize> {
    let expired: Vec<String> = media::table
        .filter(media::expires_at.le(now))
        .select(media::media_id)
        .limit(at_most)
        .load(conn)?;
    Ok(diesel::delete(media::table.filter(media::media_id.eq_any(expired))).execute(conn)?)
}

/// Those of `hashes` that a row names.
pub fn known(conn: &mut Conn, hashes: &[Vec<u8>]) -> Result<HashSet<Vec<u8>>> {
    let known: Vec<Option<Vec<u8>>> = media::table
        .filter(media::sha256.eq_any(hashes))
        .select(media::sha256)
        .distinct()
        .load(conn)?;
    Ok(known.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{schema::users, tests::on_both};

    const ALICE: UserNid = UserNid(1);

    fn upload(hash: u8, size: i64) -> Upload {
        let filename = Some("a.txt".to_owned());
        Upload { sha256: Some(vec![hash; 32]), size: Some(size), content_type: None, filename }
    }

    #[test]
    fn an_id_is_pending_until_its_content_is_there_or_its_time_is_over() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    diesel::insert_into(users::table)
                        .values((users::user_nid.eq(ALICE), users::user_id.eq("@alice:x")))
                        .execute(&mut **tx)?;
                    for (id, expires_at) in [("a", 10), ("b", 10), ("c", 30)] {
                        insert_pending(tx, id, ALICE, 0, expires_at)?;
                    }
                    assert_eq!(count_pending(tx, ALICE, 9)?, 3);
                    assert_eq!(count_pending(tx, ALICE, 10)?, 1);
                    assert_eq!(count_pending(tx, UserNid(2), 0)?, 0);

                    assert!(complete(tx, "a", &upload(7, 5))?);
                    assert!(!complete(tx, "a", &upload(8, 5))?);
                    assert!(!complete(tx, "unknown", &upload(8, 5))?);
                    let a = find(tx, "a")?.unwrap();
                    assert_eq!((a.user_nid, a.expires_at), (ALICE, None));
                    assert_eq!(a.upload, upload(7, 5));

                    assert_eq!(delete_expired(tx, 20, 500)?, 1);
                    assert_eq!(find(tx, "b")?, None);
                    assert!(find(tx, "c")?.is_some_and(|c| c.upload == Upload::default()));
                    Ok(())
                })
                .unwrap();
        });
    }

    #[test]
    fn the_bytes_of_a_user_are_counted_and_known_hashes_told() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    diesel::insert_into(users::table)
                        .values((users::user_nid.eq(ALICE), users::user_id.eq("@alice:x")))
                        .execute(&mut **tx)?;
                    assert_eq!(bytes_of(tx, ALICE)?, 0);
                    insert(tx, "a", ALICE, 0, &upload(1, 5))?;
                    insert(tx, "b", ALICE, 0, &upload(1, 5))?;
                    insert(tx, "c", ALICE, 0, &upload(2, 90))?;
                    insert_pending(tx, "d", ALICE, 0, 10)?;
                    assert_eq!(bytes_of(tx, ALICE)?, 100);
                    let asked = [vec![1; 32], vec![3; 32]];
                    assert_eq!(known(tx, &asked)?, HashSet::from([vec![1; 32]]));
                    Ok(())
                })
                .unwrap();
        });
    }
}
