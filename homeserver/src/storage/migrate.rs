//! Migrations, embedded from `homeserver/migrations/`: each runs in one transaction and leaves a row in
//! `schema_migrations`. To add one: the same folder under `sqlite/` and `postgres/`, and a line below.

use diesel::{connection::SimpleConnection, prelude::*};

use super::{
    Conn,
    fault::{self, AFTER_MIGRATION, MIGRATION},
    relations,
};
use crate::error::{Error, Result};

struct Migration {
    version: &'static str,
    sqlite: Scripts,
    postgres: Scripts,
}

struct Scripts {
    up: &'static str,
    down: &'static str,
}

macro_rules! migrations {
    ($($version:literal,)*) => {
        &[$(Migration {
            version: $version,
            sqlite: migrations!(@scripts "sqlite", $version),
            postgres: migrations!(@scripts "postgres", $version),
        },)*]
    };
    (@scripts $backend:literal, $version:literal) => {
        Scripts {
            up: include_str!(concat!("../../migrations/", $backend, "/", $version, "/up.sql")),
            down: include_str!(concat!("../../migrations/", $backend, "/", $version, "/down.sql")),
        }
    };
}

/// In the order they are run.
const MIGRATIONS: &[Migration] = migrations![
    "2026-11-23_create_tables",
    "2026-11-24_count_unread",
    "2026-11-24_create_media",
    "2026-11-24_drop_unread_indexes",
    "2026-11-24_extend_accounts",
    "2026-11-24_keep_account_data",
    "2026-11-24_keep_profile_fields",
    "2026-11-24_keep_push_rules",
    "2026-11-24_keep_receipts",
    "2026-11-24_keep_remote_media",
    "2026-11-25_answer_for_keys",
    "2026-11-25_erase_redacted",
    "2026-11-25_keep_dehydrated_devices",
    "2026-11-25_keep_key_backups",
    "2026-11-25_keep_keys",
    "2026-11-25_keep_received_messages",
    "2026-11-25_keep_relations",
    "2026-11-25_keep_room_upgrades",
    "2026-11-25_keep_to_device",
    "2026-11-26_erase_users",
    "2026-11-26_find_guests",
    "2026-11-26_order_claimed_keys",
    "2026-11-26_remember_sender_keys",
    "2026-11-26_sort_one_time_keys",
    "2026-11-26_unindex_transactions",
    "2026-11-26_void_old_edus",
    "2026-11-26_wait_for_members",
    "2026-11-28_hold_events",
    "2026-11-28_mark_short_lived_edus",
    "2026-11-28_size_held_events",
    "2026-11-28_try_events_again",
];

/// What a migration fills in that its script can't: it runs after the script, in the same transaction.
fn fill(conn: &mut Conn, version: &str) -> Result<()> {
    match version {
        "2026-11-25_keep_relations" => relations::fill(conn),
        _ => Ok(()),
    }
}

/// The names of all migrations, in order.
pub fn migration_versions() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.version)
}

diesel::table! {
    schema_migrations (version) {
        version -> Text,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Runs what has not been run.
    Up,
    /// Undoes everything: the database is empty after it.
    Down,
}

/// Brings the database to what this binary knows; refuses one that is ahead of it.
pub fn migrate(conn: &mut Conn, direction: Direction) -> Result<()> {
    conn.batch_execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version TEXT PRIMARY KEY NOT NULL)",
    )?;
    let done: Vec<String> = schema_migrations::table
        .select(schema_migrations::version)
        .order(schema_migrations::version)
        .load(conn)?;
    let known = |version: &str| MIGRATIONS.iter().any(|migration| migration.version == version);
    if let Some(newer) = done.iter().find(|version| !known(version)) {
        return Err(Error::CannotOpen(format!(
            "the database has been migrated by a newer Sealpost ({newer} is unknown to this one)"
        )));
    }
    let is_done = |migration: &&Migration| done.iter().any(|version| version == migration.version);
    match direction {
        Direction::Up => {
            for migration in MIGRATIONS.iter().filter(|migration| !is_done(migration)) {
                run(conn, migration, direction)?;
            }
        }
        Direction::Down => {
            for migration in MIGRATIONS.iter().rev().filter(is_done) {
                run(conn, migration, direction)?;
            }
        }
    }
    Ok(())
}

fn run(conn: &mut Conn, migration: &Migration, direction: Direction) -> Result<()> {
    let scripts = match conn {
        Conn::Sqlite(_) => &migration.sqlite,
        Conn::Postgres(_) => &migration.postgres,
    };
    let script = match direction {
        Direction::Up => scripts.up,
        Direction::Down => scripts.down,
    };
    tracing::info!(version = migration.version, ?direction, "migrating the database");
    conn.begin_write()?;
    let result = apply(conn, migration.version, script, direction);
    match result {
        Ok(()) => {
            fault::point(&format!("{AFTER_MIGRATION}:{}", migration.version));
            Ok(())
        }
        Err(error) => {
            if let Err(error) = conn.rollback() {
                tracing::warn!(%error, "rolling back a migration failed");
            }
            Err(error)
        }
    }
}

fn apply(conn: &mut Conn, version: &str, script: &str, direction: Direction) -> Result<()> {
    conn.batch_execute(script)?;
    match direction {
        Direction::Up => {
            fill(conn, version)?;
            diesel::insert_into(schema_migrations::table)
                .values(schema_migrations::version.eq(version))
                .execute(conn)
        }
        Direction::Down => diesel::delete(schema_migrations::table.find(version)).execute(conn),
    }?;
    fault::point(&format!("{MIGRATION}:{version}"));
    Ok(conn.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_of_migrations_is_listed_in_order_for_both_databases() {
        let listed: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        for backend in ["sqlite", "postgres"] {
            let folder = format!("{}/migrations/{backend}", env!("CARGO_MANIFEST_DIR"));
            let mut found: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            found.sort();
            assert_eq!(found, listed, "{backend}");
        }
    }
}
