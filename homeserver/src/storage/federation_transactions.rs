//! Transactions received from other servers, with the answers given.

use diesel::prelude::*;

use super::{Conn, conn::each_backend, schema::federation_transactions};
use crate::error::Result;

/// The answer given, if the transaction is known.
pub fn response(conn: &mut Conn, origin: &str, transaction_id: &str) -> Result<Option<String>> {
    Ok(federation_transactions::table
        .find((origin, transaction_id))
        .select(federation_transactions::response)
        .first(conn)
        .optional()?)
}

/// Remembers an answer; the first one stays.
pub fn insert(
    conn: &mut Conn,
    origin: &str,
    transaction_id: &str,
    response: &str,
    now: i64,
) -> Result<()> {
    let row = (
        federation_transactions::origin.eq(origin),
        federation_transactions::transaction_id.eq(transaction_id),
        federation_transactions::response.eq(response),
        federation_transactions::received_at.eq(now),
    );
    each_backend!(conn, conn => {
        diesel::insert_into(federation_transactions::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(())
}

/// Forgets transactions received before `before` (milliseconds).
pub fn delete_before(conn: &mut Conn, before: i64) -> Result<usize> {
    Ok(diesel::delete(
        federation_transactions::table.filter(federation_transactions::received_at.lt(before)),
    )
    .execute(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn the_first_answer_stays_until_it_is_old() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                assert_eq!(response(tx, "b.test", "1")?, None);
                insert(tx, "b.test", "1", "first", 1_000)?;
                insert(tx, "b.test", "1", "second", 2_000)?;
                insert(tx, "c.test", "1", "other", 2_000)?;
                assert_eq!(response(tx, "b.test", "1")?.as_deref(), Some("first"));
                assert_eq!(delete_before(tx, 2_000)?, 1);
                assert_eq!(response(tx, "b.test", "1")?, None);
                assert_eq!(response(tx, "c.test", "1")?.as_deref(), Some("other"));
                Ok(())
            });
            checked.unwrap();
        });
    }
}
