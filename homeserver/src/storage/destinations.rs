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
