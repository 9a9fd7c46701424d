//! The database, under the storage rules of `ARCHITECTURE.md`: one writer thread that commits jobs in
//! groups, reader threads that give each request one snapshot, SQLite or PostgreSQL behind one
//! connection type.
//!
//! ```text
//! Store::write ──► queue ──► writer: BEGIN · SAVEPOINT job · … · COMMIT ──► effects ──► answers
//! Store::read  ──► queue ──► one of N readers: BEGIN · closure · answer · COMMIT
//!                            checkpointer (SQLite): write-ahead log → database, off the writer
//! ```
//!
//! To add a table: the same folder under both `migrations/`, its `table!` in `schema.rs`, and sync
//! functions on `&mut Conn` in `storage/<noun>.rs` with a test on both databases. What differs between
//! the databases (upserts, multi-row inserts) goes through [`each_backend!`].

pub mod access_tokens;
pub mod account_data;
pub mod account_tokens;
pub mod accounts;
pub mod auth_chains;
pub mod backup;
pub mod belongings;
mod checkpoint;
pub mod client_transactions;
mod conn;
pub mod cross_signing;
pub mod dehydrated_devices;
pub mod destinations;
pub mod device_keys;
pub mod device_lists;
pub mod devices;
pub mod events;
mod failure;
mod fault;
pub mod federation_transactions;
pub mod filters;
pub mod held_events;
pub mod ignored_users;
mod interner;
pub mod key_backup;
mod lock;
pub mod media;
pub mod members;
mod migrate;
mod nid;
pub mod old_signing_keys;
pub mod one_time_keys;
pub mod outbox;
pub mod partial_rooms;
mod position;
pub mod postponed_events;
pub mod profiles;
pub mod push_counts;
pub mod push_rules;
mod queue;
pub mod read_positions;
mod readers;
pub mod receipts;
pub mod received_messages;
pub mod redacted_events;
pub mod refresh_tokens;
pub mod registration_tokens;
pub mod relations;
pub mod remote_devices;
pub mod remote_media;
pub mod reports;
pub mod room_upgrades;
pub mod rooms;
pub mod schema;
pub mod sender_keys;
pub mod server_keys;
pub mod state;
#[cfg(test)]
#[path = "../tests/support/database.rs"]
pub(crate) mod test_database;
#[cfg(test)]
pub(crate) mod tests;
pub mod to_device;
pub mod user_directory;
mod writer;

use std::{
    future::Future,
    panic::Location,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

pub(crate) use self::conn::each_backend;
use self::{checkpoint::Checkpointer, lock::Ownership, queue::Queue, writer::Job};
pub use self::{
    conn::{Conn, check_integrity},
    interner::{Interned, Interner, StateKey, StateKeyRef, StateKeys, UserRef, Users},
    migrate::{Direction, migrate, migration_versions},
    nid::{ChainNid, EventNid, Nids, RoomNid, StateKeyNid, StateNid, UserNid},
    position::{Position, current_position},
    writer::Tx,
};
pub use crate::config::DatabaseUrl;
use crate::error::{Error, Result};

/// How to open a [`Store`].
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub database: DatabaseUrl,
    /// Reader threads, each with a connection of its own.
    pub readers: usize,
    /// The most jobs in one commit.
    pub group_limit: usize,
    /// A group is committed once it has run for this long, whatever else waits.
    pub group_time: Duration,
    /// SQLite: jobs after which a checkpoint is due at once; otherwise one is within a second.
    pub checkpoint_after_jobs: usize,
    /// SQLite: pages in the write-ahead log from which it begins anew after a checkpoint.
    pub log_pages: i32,
    /// How many users and how many state keys the interners keep in memory.
    pub interned: usize,
    /// `PRAGMA synchronous`, for the test that shows what a weaker one loses.
    #[cfg(feature = "fault-injection")]
    pub danger_synchronous: &'static str,
}

impl StoreOptions {
    pub fn new(database: DatabaseUrl) -> Self {
        let readers = thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        Self {
            database,
            readers,
            group_limit: 256,
            group_time: Duration::from_millis(20),
            checkpoint_after_jobs: 2_000,
            log_pages: 8_192,
            interned: 20_000,
            #[cfg(feature = "fault-injection")]
            danger_synchronous: "FULL",
        }
    }
}

/// What store, writer, readers and checkpointer share.
pub(crate) struct Shared {
    position: AtomicI64,
    failed: watch::Sender<Option<String>>,
    slow_writes: AtomicU64,
    commits: AtomicU64,
}

impl Shared {
    /// The writer can no longer promise anything: the process is to exit and recover at its next start.
    fn fail(&self, reason: String) {
        tracing::error!(reason, "the database failed; the process must exit and recover");
        self.failed.send_if_modified(|failed| failed.is_none() && failed.replace(reason).is_none());
    }

    fn has_failed(&self) -> bool {
        self.failed.borrow().is_some()
    }
}

/// The open database. Clones share it; it is closed by [`Store::close`] or when the last one is dropped.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    writes: Arc<Queue<Box<dyn Job>>>,
    reads: Arc<Queue<readers::Job>>,
    nids: Arc<Nids>,
    users: Interner<Users>,
    state_keys: Interner<StateKeys>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Store {
    /// Takes the lock, migrates and starts the threads. Blocks.
    pub fn open(options: StoreOptions) -> Result<Self> {
        let ownership = Ownership::take(&options.database)?;
        let mut conn = Conn::open_writer(&options)?;
        migrate(&mut conn, Direction::Up)?;
        let incarnation = position::begin_incarnation(&mut conn)?;
        let nids = Arc::new(Nids::load(&mut conn)?);
        let shared = Arc::new(Shared {
            position: AtomicI64::new(current_position(&mut conn)?.0),
            failed: watch::Sender::new(None),
            slow_writes: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        });

        let reads = Arc::new(Queue::default());
        let mut threads = readers::start(&options, &reads)?;
        let writes = Arc::new(Queue::default());
        let checkpointer = Checkpointer::start(&options, &shared, &writes)?;
        threads.push(writer::start(writer::Parts {
            conn,
            ownership,
            incarnation,
            checkpointer,
            options: options.clone(),
            queue: Arc::clone(&writes),
            shared: Arc::clone(&shared),
        })?);
        Ok(Self(Arc::new(Inner {
            users: Interner::new(options.interned, Arc::clone(&nids)),
            state_keys: Interner::new(options.interned, Arc::clone(&nids)),
            shared,
            writes,
            reads,
            nids,
            threads: Mutex::new(threads),
        })))
    }

    /// Runs `read` on a reader thread, inside one snapshot.
    pub fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        self.0.reads.push(readers::job(read, sender));
        Answer(answer)
    }

    /// Queues `write` at once: jobs commit in the order of these calls. The future is the answer, which
    /// comes after the commit; dropping it does not take the job back. `write` may be run again, so it
    /// has no side effects but those of [`Tx::after_commit`], and it passes database errors on.
    #[track_caller]
    pub fn write<T: Send + 'static>(
        &self,
        write: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        // The caller may have gone away.
        let then = |result| drop(sender.send(result));
        self.0.writes.push(writer::job(write, then, Location::caller()));
        Answer(answer)
    }

    /// [`Store::read`] without anybody who waits: `then` takes the result, on the reader thread.
    pub fn read_then<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
        then: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        self.0.reads.push(readers::job_then(read, then));
    }

    /// [`Store::write`] without anybody who waits: `then` takes the answer, on the writer thread, and must be
    /// short. When the store is closed first, it is dropped.
    #[track_caller]
    pub fn write_then<T: Send + 'static>(
        &self,
        write: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
        then: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        self.0.writes.push(writer::job(write, then, Location::caller()));
    }

    /// [`Store::read`] for commands and tests: blocks the thread.
    pub fn read_blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read(read).blocking()
    }

    /// [`Store::write`] for commands and tests: blocks the thread.
    #[track_caller]
    pub fn write_blocking<T: Send + 'static>(
        &self,
        write: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write(write).blocking()
    }

    /// The allocators of surrogate ids.
    pub fn nids(&self) -> &Nids {
        &self.0.nids
    }

    pub fn users(&self) -> &Interner<Users> {
        &self.0.users
    }

    pub fn state_keys(&self) -> &Interner<StateKeys> {
        &self.0.state_keys
    }

    /// The last published position: all up to it is committed and its effects have run.
    pub fn position(&self) -> Position {
        Position(self.0.shared.position.load(Ordering::Acquire))
    }

    /// Resolves with the reason when the database has failed in a way that only a restart recovers from.
    pub fn failed(&self) -> impl Future<Output = String> + Send + use<> {
        let mut failed = self.0.shared.failed.subscribe();
        async move {
            let reason = failed.wait_for(Option::is_some).await.ok().and_then(|r| r.clone());
            match reason {
                Some(reason) => reason,
                None => std::future::pending().await,
            }
        }
    }

    /// Commits so far, for the metrics.
    pub fn commits(&self) -> u64 {
        self.0.shared.commits.load(Ordering::Relaxed)
    }

    /// Write closures so far that held the writer for too long, for the metrics.
    pub fn slow_writes(&self) -> u64 {
        self.0.shared.slow_writes.load(Ordering::Relaxed)
    }

    /// Commits what waits, checkpoints and releases the lock. Later calls answer [`Error::Stopping`].
    pub async fn close(&self) {
        let store = self.clone();
        let joined = tokio::task::spawn_blocking(move || store.close_blocking()).await;
        if joined.is_err() {
            tracing::error!("closing the database panicked");
        }
    }

    /// [`Store::close`] for commands and tests: blocks the thread.
    pub fn close_blocking(&self) {
        self.0.close();
    }
}

/// The answer to a queued read or write. The work goes on when it is dropped.
#[must_use = "the answer may be an error"]
pub struct Answer<T>(oneshot::Receiver<Result<T>>);

impl<T> Answer<T> {
    /// Blocks the thread until the answer is there.
    pub fn blocking(self) -> Result<T> {
        self.0.blocking_recv().unwrap_or(Err(Error::Stopping))
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(Error::Stopping)))
    }
}

impl Inner {
    fn close(&self) {
        self.writes.close();
        self.reads.close();
        for thread in self.threads.lock().drain(..) {
            // The last handle may be dropped by an effect, on the writer itself.
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a database thread panicked");
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
