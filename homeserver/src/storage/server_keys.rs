//! Signing keys of other servers.

use diesel::prelude::*;

use super::{
    Conn,
    conn::each_backend,
    schema::{server_key_answers, server_keys},
};
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

/// What a server answered last about its keys.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = server_key_answers, primary_key(server_name))]
pub struct KeyAnswer {
    pub server_name: String,
    /// Signed by the server.
    pub json: String,
    pub valid_until: i64,
    pub fetched_at: i64,
}

/// Those of `servers` whose answers are kept.
pub fn answers(conn: &mut Conn, servers: &[String]) -> Result<Vec<KeyAnswer>> {
    Ok(server_key_answers::table
        .filter(server_key_answers::server_name.eq_any(servers))
        .select(KeyAnswer::as_select())
        .load(conn)?)
}

/// Keeps an answer in place of the one before.
pub fn set_answer(conn: &mut Conn, row: &KeyAnswer) -> Result<()> {
    each_backend!(conn, conn => {
        diesel::insert_into(server_key_answers::table)
            .values(row)
            .on_conflict(server_key_answers::server_name)
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
    fn a_key_takes_the_place_of_an_older_one_with_its_id() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                let mut row = ServerKeyRow {
                    server_name: "b.test".to_owned(),
                    key_id: "ed25519:1".to_owned(),
                    public_key: "AAAA".to_owned(),
                    valid_until: 2_000,
                    expired_at: None,
                    fetched_at: 1_000,
                };
                set(tx, &row)?;
                set(tx, &ServerKeyRow { key_id: "ed25519:2".to_owned(), ..row.clone() })?;
                row.expired_at = Some(1_500);
                set(tx, &row)?;
                let keys = of_server(tx, "b.test")?;
                assert_eq!(keys.len(), 2);
                assert!(keys.contains(&row));
                assert!(of_server(tx, "c.test")?.is_empty());

                let mut answer = KeyAnswer {
                    server_name: "b.test".to_owned(),
                    json: "{}".to_owned(),
                    valid_until: 2_000,
                    fetched_at: 1_000,
                };
                set_answer(tx, &answer)?;
                answer.valid_until = 3_000;
                set_answer(tx, &answer)?;
                let asked = ["a.test".to_owned(), "b.test".to_owned()];
                assert_eq!(answers(tx, &asked)?, [answer]);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
