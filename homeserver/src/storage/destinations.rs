//! Servers we send to: the transaction on its way, and since when they do not answer.

use diesel::prelude::*;

use super::{Conn, Position, conn::each_backend, schema::destinations};
use crate::error::Result;

/// Where sending to a server stands.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = destinations, primary_key(destination), treat_none_as_null = true)]
pub struct DestinationRow {
    pub destination: String,
    /// The number of the last transaction that was begun.
    pub last_transaction: i64,
    /// The last position in that transaction, while it is not answered.
    pub in_flight_until: Option<Position>,
    pub failing_since: Option<i64>,
    pub failures: i64,
}

pub fn get(conn: &mut Conn, destination: &str) -> Result<Option<DestinationRow>> {
    Ok(destinations::table
        .find(destination)
        .select(DestinationRow::as_select())
        .first(conn)
        .optional()?)
}

pub fn set(conn: &mut Conn, row: &DestinationRow) -> Result<()> {
    each_backend!(conn, conn => {
        diesel::insert_into(destinations::table)
            .values(row)
            .on_conflict(destinations::destination)
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn a_destination_is_kept_as_it_was_last_set() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                assert_eq!(get(tx, "b.test")?, None);
                let mut row = DestinationRow {
                    destination: "b.test".to_owned(),
                    last_transaction: 7,
                    in_flight_until: Some(Position(9)),
                    failing_since: Some(1_000),
                    failures: 3,
                };
                set(tx, &row)?;
                assert_eq!(get(tx, "b.test")?.as_ref(), Some(&row));
                row.in_flight_until = None;
                row.failing_since = None;
                set(tx, &row)?;
                assert_eq!(get(tx, "b.test")?, Some(row));
                Ok(())
            });
            checked.unwrap();
        });
    }
}
