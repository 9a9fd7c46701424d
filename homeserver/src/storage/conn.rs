//! The connection: SQLite or PostgreSQL behind one type, how each is opened, and the statements that
//! bracket transactions.

use std::{fs::OpenOptions, io, path::Path};

use diesel::{
    connection::{
        AnsiTransactionManager, Connection, SimpleConnection, TransactionDepthChange,
        TransactionManager, TransactionManagerStatus,
    },
    pg::PgConnection,
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
    sqlite::SqliteConnection,
};

use super::{DatabaseUrl, StoreOptions, lock};
use crate::error::{Error, Result};

/// A connection to either database. Typed queries run on it as they are and keep their prepared
/// statements; what the two databases say differently goes through [`each_backend!`].
#[derive(diesel::MultiConnection)]
pub enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Compiles the body for each database: upserts, multi-row inserts, `RETURNING`.
///
/// ```ignore
/// each_backend!(conn, conn => {
///     diesel::insert_into(users::table).values(row).on_conflict_do_nothing().execute(conn)
/// })
/// ```
macro_rules! each_backend {
    ($conn:expr, $inner:ident => $body:expr) => {
        match $conn.by_ref() {
            $crate::storage::Conn::Sqlite($inner) => $body,
            $crate::storage::Conn::Postgres($inner) => $body,
        }
    };
}
pub(crate) use each_backend;

/// A statement without arguments, prepared once per connection.
macro_rules! statements {
    ($($name:ident = $sql:literal;)*) => {$(
        struct $name;

        impl<DB: diesel::backend::Backend> diesel::query_builder::QueryFragment<DB> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut pass: diesel::query_builder::AstPass<'_, 'b, DB>,
            ) -> diesel::QueryResult<()> {
                pass.push_sql($sql);
                Ok(())
            }
        }

        impl diesel::query_builder::QueryId for $name {
            type QueryId = Self;

            const HAS_STATIC_QUERY_ID: bool = true;
        }
    )*};
}
pub(crate) use statements;

/// A statement with arguments, prepared once per connection: of an `UPDATE` or an upsert diesel builds the text
/// and has it parsed each time, of an `INSERT` it builds the text. It runs by `execute_returning_count` inside
/// [`each_backend!`].
macro_rules! prepared {
    ($($name:ident $(<$life:lifetime>)? = $($sql:literal $argument:ident: $type:ty)+ => $end:literal;)*) => {$(
        struct $name $(<$life>)? {
            $($argument: $type,)+
        }

        $crate::storage::conn::prepared!(@on diesel::sqlite::Sqlite, $name $(<$life>)? =
            $($sql $argument: $type)+ => $end);
        $crate::storage::conn::prepared!(@on diesel::pg::Pg, $name $(<$life>)? =
            $($sql $argument: $type)+ => $end);

        const _: () = {
            pub struct Id;

            impl $(<$life>)? diesel::query_builder::QueryId for $name $(<$life>)? {
                type QueryId = Id;

                const HAS_STATIC_QUERY_ID: bool = true;
            }
        };
    )*};
    (@on $database:ty, $name:ident $(<$life:lifetime>)? = $($sql:literal $argument:ident: $type:ty)+ => $end:literal) => {
        impl $(<$life>)? diesel::query_builder::QueryFragment<$database> for $name $(<$life>)? {
            fn walk_ast<'b>(
                &'b self,
                mut pass: diesel::query_builder::AstPass<'_, 'b, $database>,
            ) -> diesel::QueryResult<()> {
                $(
                    pass.push_sql($sql);
                    pass.push_bind_param::<<$type as $crate::storage::conn::Argument>::Sql, $type>(
                        &self.$argument,
                    )?;
                )+
                pass.push_sql($end);
                Ok(())
            }
        }
    };
}
pub(crate) use prepared;

/// What an argument of a statement of [`prepared!`] is to the database.
pub(super) trait Argument {
    type Sql;
}

macro_rules! arguments {
    ($($type:ty = $sql:ty;)*) => {$(
        impl Argument for $type {
            type Sql = $sql;
        }
    )*};
}

arguments! {
    i64 = BigInt;
    bool = Bool;
    &str = Text;
    Option<i64> = Nullable<BigInt>;
    Option<&str> = Nullable<Text>;
}

statements! {
    Begin = "BEGIN";
    BeginImmediate = "BEGIN IMMEDIATE";
    BeginReadOnly = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    Savepoint = "SAVEPOINT job";
    Release = "RELEASE SAVEPOINT job";
    RollbackTo = "ROLLBACK TO SAVEPOINT job";
    Commit = "COMMIT";
    Rollback = "ROLLBACK";
}

impl Conn {
    /// The one connection that writes. On PostgreSQL it holds the ownership lock.
    pub(super) fn open_writer(options: &StoreOptions) -> Result<Self> {
        match &options.database {
            DatabaseUrl::Sqlite(path) => {
                create_private(path)?;
                let mut conn = open_sqlite(path)?;
                // Without spilling, the log is written and synced in COMMIT only: what fails elsewhere
                // was no sync.
                conn.batch_execute(&format!(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = {}; PRAGMA cache_spill = OFF; \
                     PRAGMA cache_size = -32768; PRAGMA journal_size_limit = 67108864;",
                    options.synchronous(),
                ))?;
                Ok(Self::Sqlite(conn))
            }
            DatabaseUrl::Postgres(url) => {
                let mut conn = open_postgres(url)?;
                lock::take_session(&mut conn)?;
                Ok(Self::Postgres(conn))
            }
        }
    }

    /// A connection that only reads.
    pub(super) fn open_reader(database: &DatabaseUrl) -> Result<Self> {
        match database {
            DatabaseUrl::Sqlite(path) => {
                let mut conn = open_sqlite(path)?;
                conn.batch_execute(
                    "PRAGMA query_only = ON; PRAGMA cache_size = -4096; \
                     PRAGMA mmap_size = 134217728;",
                )?;
                Ok(Self::Sqlite(conn))
            }
            DatabaseUrl::Postgres(url) => open_postgres(url).map(Self::Postgres),
        }
    }

    /// Itself; through a transaction, its connection. For [`each_backend!`].
    pub fn by_ref(&mut self) -> &mut Self {
        self
    }

    pub(super) fn begin_read(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(conn) => conn.execute_returning_count(&Begin)?,
            Self::Postgres(conn) => conn.execute_returning_count(&BeginReadOnly)?,
        };
        self.enter_transaction()
    }

    pub(super) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(conn) => conn.execute_returning_count(&BeginImmediate)?,
            Self::Postgres(conn) => conn.execute_returning_count(&Begin)?,
        };
        self.enter_transaction()
    }

    pub(super) fn savepoint(&mut self) -> QueryResult<()> {
        each_backend!(self, conn => conn.execute_returning_count(&Savepoint)).map(drop)
    }

    pub(super) fn release_savepoint(&mut self) -> QueryResult<()> {
        each_backend!(self, conn => conn.execute_returning_count(&Release)).map(drop)
    }

    /// Undoes what was done since the savepoint, and the savepoint.
    pub(super) fn rollback_savepoint(&mut self) -> QueryResult<()> {
        each_backend!(self, conn => conn.execute_returning_count(&RollbackTo))?;
        self.enter_transaction()?;
        self.release_savepoint()
    }

    pub(super) fn commit(&mut self) -> QueryResult<()> {
        each_backend!(self, conn => conn.execute_returning_count(&Commit))?;
        *self.manager_status() = TransactionManagerStatus::default();
        Ok(())
    }

    pub(super) fn rollback(&mut self) -> QueryResult<()> {
        // SQLite ends a transaction by itself on some failures.
        let rolled_back = match each_backend!(self, conn => conn.execute_returning_count(&Rollback))
        {
            Err(diesel::result::Error::DatabaseError(_, information))
                if information.message().contains("no transaction is active") =>
            {
                Ok(())
            }
            other => other.map(drop),
        };
        *self.manager_status() = TransactionManagerStatus::default();
        rolled_back
    }

    /// Tells diesel that a transaction is open, so that one of its own inside becomes a savepoint.
    fn enter_transaction(&mut self) -> QueryResult<()> {
        let status = self.manager_status();
        *status = TransactionManagerStatus::default();
        status.transaction_state()?.change_transaction_depth(TransactionDepthChange::IncreaseDepth)
    }

    fn manager_status(&mut self) -> &mut TransactionManagerStatus {
        match self {
            Self::Sqlite(conn) => AnsiTransactionManager::transaction_manager_status_mut(conn),
            Self::Postgres(conn) => AnsiTransactionManager::transaction_manager_status_mut(conn),
        }
    }
}

impl StoreOptions {
    #[cfg(not(feature = "fault-injection"))]
    pub(super) const fn synchronous(&self) -> &'static str {
        "FULL"
    }

    #[cfg(feature = "fault-injection")]
    pub(super) const fn synchronous(&self) -> &'static str {
        self.danger_synchronous
    }
}

pub(super) fn open_sqlite(path: &Path) -> Result<SqliteConnection> {
    let path = std::path::absolute(path)?;
    let name = path
        .to_str()
        .ok_or_else(|| Error::CannotOpen(format!("{} is not valid UTF-8", path.display())))?;
    let mut conn = SqliteConnection::establish(name)
        .map_err(|error| Error::CannotOpen(format!("cannot open {name}: {error}")))?;
    conn.batch_execute(
        "PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
         PRAGMA wal_autocheckpoint = 0; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(conn)
}

fn open_postgres(url: &str) -> Result<PgConnection> {
    let mut conn = PgConnection::establish(url)
        .map_err(|error| Error::CannotOpen(format!("cannot connect to PostgreSQL: {error}")))?;
    conn.batch_execute(
        "SET application_name = 'sealpost'; SET synchronous_commit = on; \
         SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;",
    )?;
    Ok(conn)
}

/// The file holds password hashes and messages: only its owner may read it. SQLite gives the files
/// beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// What the database's own check of its files finds wrong; PostgreSQL has none to ask.
pub fn check_integrity(conn: &mut Conn) -> Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct Finding {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }

    #[derive(QueryableByName)]
    struct Orphan {
        #[diesel(sql_type = Text)]
        table: String,
        #[diesel(sql_type = BigInt)]
        parent_missing: i64,
    }

    let Conn::Sqlite(conn) = conn else { return Ok(Vec::new()) };
    let findings: Vec<Finding> = diesel::sql_query("PRAGMA integrity_check").load(conn)?;
    let orphans: Vec<Orphan> = diesel::sql_query(
        "SELECT \"table\", count(*) AS parent_missing FROM pragma_foreign_key_check \
         GROUP BY \"table\"",
    )
    .load(conn)?;
    Ok(findings
        .into_iter()
        .map(|finding| finding.integrity_check)
        .filter(|finding| finding != "ok")
        .chain(orphans.into_iter().map(|orphan| {
            format!("{} rows of {} refer to nothing", orphan.parent_missing, orphan.table)
        }))
        .collect())
}

diesel::define_sql_function! {
    /// The number of the running transaction.
    fn txid_current() -> BigInt;
}
diesel::define_sql_function! {
    /// How a transaction ended: `committed`, `aborted` or `in progress`; NULL when long ago.
    fn txid_status(transaction: BigInt) -> diesel::sql_types::Nullable<Text>;
}
diesel::define_sql_function! {
    fn pg_try_advisory_lock(key: BigInt) -> diesel::sql_types::Bool;
}
