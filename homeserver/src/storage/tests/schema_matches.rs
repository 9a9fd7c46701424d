//! `schema.rs` says what the migrations made: every table, column, type and nullability, on both
//! databases.

use std::collections::BTreeMap;

use diesel::{prelude::*, sql_types::Text};

use super::{super::*, on_both};

type Tables = BTreeMap<String, BTreeMap<String, String>>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    in_table: String,
    #[diesel(sql_type = Text)]
    named: String,
    #[diesel(sql_type = Text)]
    typed: String,
}

const SQLITE: &str = "SELECT t.name AS in_table, c.name AS named, \
    CASE c.type WHEN 'INTEGER' THEN 'BigInt' WHEN 'BIGINT' THEN 'BigInt' WHEN 'TEXT' THEN 'Text' \
        WHEN 'BOOLEAN' THEN 'Bool' WHEN 'BLOB' THEN 'Binary' ELSE c.type END \
    || CASE WHEN c.\"notnull\" = 1 THEN '' ELSE '?' END AS typed \
    FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'";

const POSTGRES: &str = "SELECT table_name::text AS in_table, column_name::text AS named, \
    CASE data_type WHEN 'bigint' THEN 'BigInt' WHEN 'text' THEN 'Text' WHEN 'boolean' THEN 'Bool' \
        WHEN 'bytea' THEN 'Binary' ELSE data_type END \
    || CASE is_nullable WHEN 'NO' THEN '' ELSE '?' END AS typed \
    FROM information_schema.columns WHERE table_schema = 'public'";

#[test]
fn schema_rs_says_what_the_migrations_made() {
    let declared = declared(include_str!("../schema.rs"));
    assert!(declared.len() > 20);
    on_both(|store| {
        let columns: Vec<Column> = store
            .read_blocking(|conn| {
                Ok(each_backend!(conn, conn => {
                    let query = if conn.is_sqlite() { SQLITE } else { POSTGRES };
                    diesel::sql_query(query).load(conn)
                })?)
            })
            .unwrap();
        let mut made = Tables::new();
        for Column { in_table, named, typed } in columns {
            made.entry(in_table).or_default().insert(named, typed);
        }
        made.remove("schema_migrations");
        assert_eq!(made, declared);
    });
}

trait IsSqlite {
    fn is_sqlite(&self) -> bool;
}

impl IsSqlite for SqliteConnection {
    fn is_sqlite(&self) -> bool {
        true
    }
}

impl IsSqlite for PgConnection {
    fn is_sqlite(&self) -> bool {
        false
    }
}

fn declared(schema: &str) -> Tables {
    let mut tables = Tables::new();
    for table in schema.split("diesel::table!").skip(1) {
        let name = table.split_whitespace().find(|word| *word != "{").unwrap();
        let columns = tables.entry(name.to_owned()).or_default();
        for (column, typed) in table.lines().filter_map(|line| line.trim().split_once(" -> ")) {
            let typed = typed.trim_end_matches(',');
            let typed = match typed.strip_prefix("Nullable<") {
                Some(inner) => format!("{}?", inner.trim_end_matches('>')),
                None => typed.to_owned(),
            };
            columns.insert(column.to_owned(), typed);
        }
    }
    tables
}
