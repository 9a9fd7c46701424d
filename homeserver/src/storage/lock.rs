//! One process owns the database: a locked file beside SQLite's, a session's advisory lock in
//! PostgreSQL, which goes with the connection that writes.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use diesel::{pg::PgConnection, prelude::*};

use super::{DatabaseUrl, conn::pg_try_advisory_lock};
use crate::error::{Error, Result};

/// The key of the advisory lock: "sealpost".
const SESSION_KEY: i64 = i64::from_be_bytes(*b"sealpost");

/// How long a predecessor's session may take to end after its process did.
const SESSION_PATIENCE: Duration = Duration::from_secs(3);

/// Held as long as the database is.
#[derive(Debug)]
pub(super) struct Ownership(#[expect(dead_code, reason = "the lock goes with it")] Option<File>);

impl Ownership {
    pub(super) fn take(database: &DatabaseUrl) -> Result<Self> {
        match database {
            DatabaseUrl::Sqlite(path) => lock_file(path).map(Some).map(Self),
            DatabaseUrl::Postgres(_) => Ok(Self(None)),
        }
    }
}

fn lock_file(database: &Path) -> Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    if let Some(folder) = database.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner)?;
            Err(Error::CannotOpen(format!(
                "another process (pid {}) is using {}",
                owner.trim(),
                database.display()
            )))
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Takes PostgreSQL's lock for the session.
pub(super) fn take_session(conn: &mut PgConnection) -> Result<()> {
    let start = Instant::now();
    loop {
        if diesel::select(pg_try_advisory_lock(SESSION_KEY)).get_result(conn)? {
            return Ok(());
        }
        if start.elapsed() > SESSION_PATIENCE {
            return Err(Error::CannotOpen(
                "another Sealpost process is using this PostgreSQL database".to_owned(),
            ));
        }
        thread::sleep(Duration::from_millis(50));
    }
}
