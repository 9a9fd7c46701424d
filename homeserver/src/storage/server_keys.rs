//! Signing keys of other servers.

use diesel::prelude::*;

use super::{Conn, conn::each_backend, schema::server_keys};
use crate::error::Result;

/// One key. Times are milliseconds since the Unix epoch; `public_key` is unpadded base64.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = server_keys, primary_key(server_name, key_id), treat_none_as_null = true)]
pub struct ServerKeyRow {
    pub server_name: String,
    pub key_id: String,
    pub public_key: String,
    pub valid_until: i64,
    pub expired_at: Option<i64>,
    pub fetched_at: i64,
}

/// All keys known of a server.
pub fn of_server(conn: &mut Conn, server_name: &str) -> Result<Vec<ServerKeyRow>> {
    Ok(server_keys::table
        .filter(server_keys::server_name.eq(server_name))
        .select(ServerKeyRow::as_select())
        .load(conn)?)
}

/// Adds a key, in place of an older one with the same id.
pub fn set(conn: &mut Conn, row: &ServerKeyRow) -> Result<()> {
    each_backend!(conn, conn => {
        diesel::insert_into(server_keys::table)
            .values(row)
            .on_conflict((server_keys::server_name, server_keys::key_id))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}
