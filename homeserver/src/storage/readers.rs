//! The reader threads: a connection each, one snapshot per request.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use tokio::sync::oneshot;

use super::{Conn, DatabaseUrl, StoreOptions, queue::Queue};
use crate::error::{Error, Result};

/// Runs on the connection, or answers why there is none.
pub(super) type Job = Box<dyn FnOnce(Result<&mut Conn>) + Send>;

pub(super) fn job<T: Send + 'static>(
    read: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    answer: oneshot::Sender<Result<T>>,
) -> Job {
    Box::new(move |conn| {
        if answer.is_closed() {
            return;
        }
        // The caller may have gone away.
        let _ = answer.send(run(conn, read));
    })
}

pub(super) fn job_then<T: Send + 'static>(
    read: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    then: impl FnOnce(Result<T>) + Send + 'static,
) -> Job {
    Box::new(move |conn| {
        let result = run(conn, read);
        if catch_unwind(AssertUnwindSafe(|| then(result))).is_err() {
            tracing::error!("what follows a read panicked");
        }
    })
}

fn run<T>(conn: Result<&mut Conn>, read: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
    conn.and_then(|conn| {
        catch_unwind(AssertUnwindSafe(|| read(conn)))
            .unwrap_or_else(|_| Err(Error::internal("a read panicked")))
    })
}

pub(super) fn start(
    options: &StoreOptions,
    queue: &Arc<Queue<Job>>,
) -> Result<Vec<thread::JoinHandle<()>>> {
    (0..options.readers.max(1))
        .map(|number| {
            let conn = Conn::open_reader(&options.database)?;
            let database = options.database.clone();
            let queue = Arc::clone(queue);
            let thread = thread::Builder::new()
                .name(format!("reader {number}"))
                .spawn(move || serve(conn, &database, &queue))?;
            Ok(thread)
        })
        .collect()
}

fn serve(conn: Conn, database: &DatabaseUrl, queue: &Queue<Job>) {
    let mut conn = Some(conn);
    while let Some(job) = queue.pop() {
        match begin(&mut conn, database) {
            Ok(begun) => {
                job(Ok(begun));
                if begun.commit().is_err() && begun.rollback().is_err() {
                    conn = None;
                }
            }
            Err(error) => job(Err(error)),
        }
    }
}

/// Opens a snapshot, on a new connection where the old one is broken.
fn begin<'conn>(conn: &'conn mut Option<Conn>, database: &DatabaseUrl) -> Result<&'conn mut Conn> {
    let begun = match conn {
        Some(open) => open.begin_read().is_ok(),
        None => false,
    };
    if !begun {
        *conn = None;
        let mut opened = Conn::open_reader(database)?;
        opened.begin_read()?;
        *conn = Some(opened);
    }
    conn.as_mut().ok_or(Error::Stopping)
}
