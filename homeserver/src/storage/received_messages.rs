//! Messages to devices that came from other servers: each is taken in once.

use diesel::prelude::*;

use super::{Conn, each_backend, schema::received_messages};
use crate::error::Result;

/// Remembers a message of a server. Returns whether it was not known.
pub fn insert_if_new(conn: &mut Conn, origin: &str, message_id: &str, now: i64) -> Result<bool> {
    let row = (
        received_messages::origin.eq(origin),
        received_messages::message_id.eq(message_id),
        received_messages::received_at.eq(now),
    );
    let inserted = each_backend!(conn, conn => {
        diesel::insert_into(received_messages::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(inserted > 0)
}

/// Forgets up to `limit` messages received before `before` (milliseconds). Returns how many.
pub fn delete_before(conn: &mut Conn, before: i64, limit: i64) -> Result<usize> {
    let old: Vec<(String, String)> = received_messages::table
        .filter(received_messages::received_at.lt(before))
        .select((received_messages::origin, received_messages::message_id))
        .limit(limit)
        .load(conn)?;
    for (origin, message_id) in &old {
        diesel::delete(received_messages::table.find((origin, message_id))).execute(conn)?;
    }
    Ok(old.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn a_message_is_new_once_until_it_is_forgotten() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                assert!(insert_if_new(tx, "b.test", "1", 1)?);
                assert!(!insert_if_new(tx, "b.test", "1", 2)?);
                assert!(insert_if_new(tx, "c.test", "1", 2)?);
                assert_eq!(delete_before(tx, 2, 9)?, 1);
                assert!(insert_if_new(tx, "b.test", "1", 3)?);
                assert!(!insert_if_new(tx, "c.test", "1", 3)?);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
