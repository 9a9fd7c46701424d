//! Checkpoints of SQLite's write-ahead log, on a thread and a connection of their own: the writer only
//! says how much it has committed.

use std::{sync::Arc, thread, time::Duration};

use diesel::{
    connection::SimpleConnection, prelude::*, sql_types::Integer, sqlite::SqliteConnection,
};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    DatabaseUrl, Shared, StoreOptions,
    conn::open_sqlite,
    failure::Failure,
    fault::{self, CHECKPOINT},
    queue::Queue,
    writer::Job,
};
use crate::error::Result;

/// A checkpoint is due this long after a commit at the latest.
const DUE_AFTER: Duration = Duration::from_secs(1);

/// How long a checkpoint waits for readers before it leaves the log as it is until the next time.
const WAIT_FOR_READERS: &str = "PRAGMA busy_timeout = 200";

/// The handle that the writer holds. None of it is used with PostgreSQL.
pub(super) struct Checkpointer {
    signal: Arc<Signal>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Signal {
    due_after_jobs: usize,
    log_pages: i32,
    state: Mutex<State>,
    changed: Condvar,
    /// Held while a group is written, and while the log is to begin anew.
    writing: Mutex<()>,
}

#[derive(Default)]
struct State {
    jobs: usize,
    closing: bool,
}

impl Checkpointer {
    pub(super) fn start(
        options: &StoreOptions,
        shared: &Arc<Shared>,
        writes: &Arc<Queue<Box<dyn Job>>>,
    ) -> Result<Self> {
        let signal = Arc::new(Signal {
            due_after_jobs: options.checkpoint_after_jobs,
            log_pages: options.log_pages,
            state: Mutex::default(),
            changed: Condvar::new(),
            writing: Mutex::new(()),
        });
        let DatabaseUrl::Sqlite(path) = &options.database else {
            return Ok(Self { signal, thread: None });
        };
        let mut conn = open_sqlite(path)?;
        conn.batch_execute(&format!(
            "PRAGMA synchronous = {}; PRAGMA cache_size = -1024; {WAIT_FOR_READERS}",
            options.synchronous(),
        ))?;
        let (waiting, shared, writes) =
            (Arc::clone(&signal), Arc::clone(shared), Arc::clone(writes));
        let thread = thread::Builder::new()
            .name("checkpointer".to_owned())
            .spawn(move || serve(&mut conn, &waiting, &shared, &writes))?;
        Ok(Self { signal, thread: Some(thread) })
    }

    /// Held while a group is written.
    pub(super) fn writing(&self) -> MutexGuard<'_, ()> {
        self.signal.writing.lock()
    }

    pub(super) fn committed(&self, jobs: usize) {
        let mut state = self.signal.state.lock();
        let before = state.jobs;
        state.jobs += jobs;
        let due_after = self.signal.due_after_jobs;
        if before == 0 || (before < due_after && state.jobs >= due_after) {
            drop(state);
            self.signal.changed.notify_one();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.signal.state.lock().closing = true;
        self.signal.changed.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the checkpointer panicked");
        }
    }
}

fn serve(
    conn: &mut SqliteConnection,
    signal: &Signal,
    shared: &Shared,
    writes: &Queue<Box<dyn Job>>,
) {
    while wait(signal) {
        fault::during(CHECKPOINT);
        let result = match checkpoint(conn, "PASSIVE") {
            // While writes go on there is always something left in the log, so that it never begins anew
            // by itself. What is left by now is little.
            Ok(progress) if progress.log >= signal.log_pages => {
                let _nothing_is_written = signal.writing.lock();
                checkpoint(conn, "RESTART").map(drop)
            }
            other => other.map(drop),
        };
        match result.as_ref().map_err(Failure::of) {
            Ok(()) => {}
            // The sync of the database file may have been what failed: the log must not be overwritten.
            Err(Failure::Io) => {
                shared.fail("writing the database file failed in a checkpoint".to_owned());
                writes.abandon();
                return;
            }
            Err(_) => {
                if let Err(error) = result {
                    tracing::warn!(%error, "a checkpoint failed; the next one goes on");
                }
            }
        }
    }
    if shared.has_failed() {
        return;
    }
    if let Err(error) = checkpoint(conn, "TRUNCATE") {
        tracing::warn!(%error, "the last checkpoint failed; the next start recovers from the log");
    }
}

/// Waits until a checkpoint is due. `false`: the store closes.
fn wait(signal: &Signal) -> bool {
    let mut state = signal.state.lock();
    while state.jobs == 0 && !state.closing {
        signal.changed.wait(&mut state);
    }
    while state.jobs < signal.due_after_jobs && !state.closing {
        if signal.changed.wait_for(&mut state, DUE_AFTER).timed_out() {
            break;
        }
    }
    state.jobs = 0;
    !state.closing
}

#[derive(QueryableByName)]
struct Progress {
    #[diesel(sql_type = Integer)]
    log: i32,
}

fn checkpoint(conn: &mut SqliteConnection, mode: &str) -> QueryResult<Progress> {
    diesel::sql_query(format!("PRAGMA wal_checkpoint({mode})")).get_result(conn)
}
