//! Stream positions: taken from one counter row inside the transaction, held to its commit, published
//! after it. So they are in commit order and without holes, on both databases (storage rule 4).

use diesel::{
    backend::Backend,
    connection::Connection,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    prelude::*,
    query_builder::Query,
    serialize::{self, Output, ToSql},
    sql_types::BigInt,
};

use super::{
    Conn,
    conn::{each_backend, statements},
    nid::big_int,
    schema::stream_counter,
};
use crate::error::Result;

big_int! {
    /// A place in the one stream of all that changes.
    Position,
}

/// The last position that the connection's snapshot holds.
pub fn current_position(conn: &mut Conn) -> Result<Position> {
    Ok(stream_counter::table.select(stream_counter::position).first(conn)?)
}

/// Takes the next position; it is only there once the transaction is committed.
pub(super) fn take_position(conn: &mut Conn) -> Result<Position> {
    match conn.by_ref() {
        // RETURNING would have SQLite make a table for its one row.
        Conn::Sqlite(conn) => {
            conn.execute_returning_count(&Advance)?;
            Ok(stream_counter::table.select(stream_counter::position).get_result(conn)?)
        }
        Conn::Postgres(conn) => Ok(TakePosition.get_result(conn)?),
    }
}

statements! {
    Advance = "UPDATE stream_counter SET position = position + 1";
    TakePosition = "UPDATE stream_counter SET position = position + 1 RETURNING position";
}

impl Query for TakePosition {
    type SqlType = BigInt;
}

impl<DB: Connection> RunQueryDsl<DB> for TakePosition {}

/// Leaves positions free, so that there is room for what is older than the next one and comes later.
pub(super) fn skip_positions(conn: &mut Conn, count: i64) -> Result<()> {
    diesel::update(stream_counter::table)
        .set(stream_counter::position.eq(stream_counter::position + Position(count)))
        .execute(conn)?;
    Ok(())
}

/// Counts the processes that have owned the database, to find out that another one did meanwhile.
pub(super) fn begin_incarnation(conn: &mut Conn) -> Result<i64> {
    Ok(each_backend!(conn, conn => {
        diesel::update(stream_counter::table)
            .set(stream_counter::incarnation.eq(stream_counter::incarnation + 1))
            .returning(stream_counter::incarnation)
            .get_result(conn)
    })?)
}

pub(super) fn incarnation(conn: &mut Conn) -> Result<i64> {
    Ok(stream_counter::table.select(stream_counter::incarnation).first(conn)?)
}
