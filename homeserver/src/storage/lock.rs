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

/// How long a predecessor may take to end, and PostgreSQL to notice it.
const PATIENCE: Duration = Duration::from_secs(2);

const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Held as long as the database is.
#[derive(Debug)]
pub(super) struct Ownership(Option<File>);

impl Ownership {
    pub(super) fn take(database: &DatabaseUrl) -> Result<Self> {
        match database {
            DatabaseUrl::Sqlite(path) => lock_file(path).map(Some).map(Self),
            DatabaseUrl::Postgres(_) => Ok(Self(None)),
        }
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        // Closing would not do where a process being forked holds the file open until it is another.
        if let Some(Err(error)) = self.0.as_ref().map(File::unlock) {
            tracing::warn!(%error, "cannot unlock the database's lock file");
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
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                thread::sleep(TRY_AGAIN_AFTER);
            }
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner)?;
                return Err(Error::CannotOpen(format!(
                    "another process (pid {}) is using {}",
                    owner.trim(),
                    database.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Takes PostgreSQL's lock for the session.
pub(super) fn take_session(conn: &mut PgConnection) -> Result<()> {
    let start = Instant::now();
    loop {
        if diesel::select(pg_try_advisory_lock(SESSION_KEY)).get_result(conn)? {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(Error::CannotOpen(
                "another Sealpost process is using this PostgreSQL database".to_owned(),
            ));
        }
        thread::sleep(TRY_AGAIN_AFTER);
    }
}
