//! What a database error means for the group it happened in.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// One statement: its job fails, the group goes on.
    Statement,
    /// No space: the group fails, its jobs are run alone.
    DiskFull,
    /// Reading or writing failed: as `DiskFull`; in a COMMIT it may have been the sync.
    Io,
    /// The connection is gone: reopen it.
    Connection,
}

impl Failure {
    pub(super) fn of(error: &DieselError) -> Self {
        let DieselError::DatabaseError(kind, information) = error else {
            return match error {
                DieselError::BrokenTransactionManager => Self::Connection,
                _ => Self::Statement,
            };
        };
        if matches!(
            kind,
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand
        ) {
            return Self::Connection;
        }
        // Neither database's code gets through diesel; these are SQLite's words for FULL and IOERR, and
        // what PostgreSQL says of ENOSPC and EIO.
        let message = information.message();
        let says = |words: &str| message.contains(words);
        if says("database or disk is full") || says("No space left on device") {
            Self::DiskFull
        } else if says("disk I/O error") || says("Input/output error") {
            Self::Io
        } else if says("terminating connection") || says("server closed the connection") {
            Self::Connection
        } else {
            Self::Statement
        }
    }

    pub(super) fn of_job(error: &Error) -> Self {
        match error {
            Error::Database(error) => Self::of(error),
            Error::DiskFull => Self::DiskFull,
            _ => Self::Statement,
        }
    }
}

/// The error as the caller gets it: a full disk has a name of its own.
pub(super) fn for_caller(error: Error) -> Error {
    match Failure::of_job(&error) {
        Failure::DiskFull => Error::DiskFull,
        _ => error,
    }
}
