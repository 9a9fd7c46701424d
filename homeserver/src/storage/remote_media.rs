//! Content of other servers that is kept for a time.

use std::collections::HashSet;

use diesel::{dsl::sql, prelude::*, sql_types::BigInt};

use super::{Conn, each_backend, schema::remote_media};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = remote_media, treat_none_as_default_value = false)]
pub struct RemoteMedia {
    pub server_name: String,
    pub media_id: String,
    pub fetched_at: i64,
    pub sha256: Vec<u8>,
    pub size: i64,
    pub content_type: Option<String>,
    pub filename: Option<String>,
}

/// Keeps content; what is known of it already stays.
pub fn insert(conn: &mut Conn, row: &RemoteMedia) -> Result<()> {
    each_backend!(conn, conn => {
        diesel::insert_into(remote_media::table).values(row).on_conflict_do_nothing().execute(conn)
    })?;
    Ok(())
}

pub fn find(conn: &mut Conn, server_name: &str, media_id: &str) -> Result<Option<RemoteMedia>> {
    Ok(remote_media::table
        .find((server_name, media_id))
        .select(RemoteMedia::as_select())
        .first(conn)
        .optional()?)
}

/// Forgets what was fetched before `before`, at most so much; returns how much.
pub fn delete_fetched_before(conn: &mut Conn, before: i64, at_most: i64) -> Result<usize> {
    let old: Vec<(String, String)> = remote_media::table
        .filter(remote_media::fetched_at.lt(before))
        .select((remote_media::server_name, remote_media::media_id))
        .limit(at_most)
        .load(conn)?;
    for key in &old {
        diesel::delete(remote_media::table.find((&key.0, &key.1))).execute(conn)?;
    }
    Ok(old.len())
}

/// How many bytes all takes. Goes through all rows.
pub fn total_size(conn: &mut Conn) -> Result<i64> {
    let total = sql::<BigInt>("CAST(COALESCE(SUM(size), 0) AS BIGINT)");
    Ok(remote_media::table.select(total).first(conn)?)
}

/// Forgets the oldest until so many bytes are gone, at most so much; returns how much.
pub fn delete_oldest(conn: &mut Conn, mut bytes: i64, at_most: i64) -> Result<usize> {
    let oldest: Vec<(String, String, i64)> = remote_media::table
        .select((remote_media::server_name, remote_media::media_id, remote_media::size))
        .order(remote_media::fetched_at)
        .limit(at_most)
        .load(conn)?;
    let mut deleted = 0;
    for (server_name, media_id, size) in &oldest {
        if bytes <= 0 {
            break;
        }
        diesel::delete(remote_media::table.find((server_name, media_id))).execute(conn)?;
        bytes -= size;
        deleted += 1;
    }
    Ok(deleted)
}

/// Those of `hashes` that a row names.
pub fn known(conn: &mut Conn, hashes: &[Vec<u8>]) -> Result<HashSet<Vec<u8>>> {
    let known: Vec<Vec<u8>> = remote_media::table
        .filter(remote_media::sha256.eq_any(hashes))
        .select(remote_media::sha256)
        .distinct()
        .load(conn)?;
    Ok(known.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn content_is_kept_until_it_is_old() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    let row = |media_id: &str, fetched_at| RemoteMedia {
                        server_name: "a.test".to_owned(),
                        media_id: media_id.to_owned(),
                        fetched_at,
                        sha256: vec![7; 32],
                        size: 5,
                        content_type: None,
                        filename: Some("a.txt".to_owned()),
                    };
                    insert(tx, &row("old", 10))?;
                    insert(tx, &row("old", 99))?;
                    insert(tx, &row("new", 20))?;
                    assert_eq!(find(tx, "a.test", "old")?, Some(row("old", 10)));
                    assert_eq!(find(tx, "b.test", "old")?, None);
                    assert_eq!(known(tx, &[vec![7; 32], vec![8; 32]])?.len(), 1);
                    assert_eq!(delete_fetched_before(tx, 20, 500)?, 1);
                    assert_eq!(find(tx, "a.test", "old")?, None);
                    assert_eq!(find(tx, "a.test", "new")?, Some(row("new", 20)));
                    Ok(())
                })
                .unwrap();
        });
    }

    #[test]
    fn the_oldest_goes_where_all_takes_too_much() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    for number in 1..=5_u8 {
                        let row = RemoteMedia {
                            server_name: "a.test".to_owned(),
                            media_id: number.to_string(),
                            fetched_at: 100 - i64::from(number),
                            sha256: vec![number; 32],
                            size: 10,
                            content_type: None,
                            filename: None,
                        };
                        insert(tx, &row)?;
                    }
                    let delete_beyond = |tx: &mut Conn, most: i64, at_most: i64| {
                        let too_much = total_size(tx)? - most;
                        delete_oldest(tx, too_much, at_most)
                    };
                    assert_eq!(delete_beyond(tx, 50, 500)?, 0);
                    assert_eq!(delete_beyond(tx, 49, 500)?, 1);
                    assert_eq!(find(tx, "a.test", "5")?, None);
                    assert_eq!(delete_beyond(tx, 0, 2)?, 2);
                    assert!(find(tx, "a.test", "2")?.is_some());
                    assert_eq!(find(tx, "a.test", "3")?, None);
                    Ok(())
                })
                .unwrap();
        });
    }
}
