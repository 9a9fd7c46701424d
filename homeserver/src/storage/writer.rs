//! The writer: one thread that commits what waits, in groups (storage rule 3).
//!
//! 1. [`Writer::attempt`]: `BEGIN`, each job in a savepoint of its own, one `COMMIT`. A job that errs or
//!    panics is rolled back alone. The first needs no savepoint: with it the transaction is rolled back.
//! 2. [`Writer::finish`]: after the commit the effects of each job, then its position is published; then
//!    the answers.
//! 3. When the group as a whole fails, [`Writer::recover`] rolls back or reopens the connection, and each
//!    job is run again alone.
//! 4. When what is on the disk is not known any more, the writer stops for good and the process must exit.

use std::{
    collections::VecDeque,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use diesel::{QueryResult, RunQueryDsl};

use super::{
    Conn, Position, Shared, StoreOptions,
    checkpoint::Checkpointer,
    conn::{txid_current, txid_status},
    failure::{self, Failure},
    fault::{self, AFTER_COMMIT, BEFORE_COMMIT},
    lock::Ownership,
    position::{incarnation, skip_positions, take_position},
    queue::Queue,
};
use crate::error::{Error, Result};

/// A closure that holds the writer for longer is logged and counted.
const SLOW: Duration = Duration::from_millis(5);

/// How long a lost database may take to come back.
const RECONNECT_PATIENCE: Duration = Duration::from_secs(30);

type Effect = Box<dyn FnOnce() + Send>;

/// A write transaction, as a job sees it: a connection that can also take positions and leave effects.
pub struct Tx<'a> {
    conn: &'a mut Conn,
    effects: &'a mut Vec<Effect>,
    position: &'a mut Option<Position>,
}

impl Tx<'_> {
    /// Takes the next position of the stream. It is published after the commit.
    pub fn next_position(&mut self) -> Result<Position> {
        let position = take_position(self.conn)?;
        *self.position = Some(position);
        Ok(position)
    }

    /// Leaves positions before the next one free.
    pub fn skip_positions(&mut self, count: i64) -> Result<()> {
        skip_positions(self.conn, count)
    }

    /// Runs `effect` on the writer thread after the commit, in commit order, before the answer and before
    /// the job's positions are published; never when the job is rolled back. It must be short.
    pub fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.effects.push(Box::new(effect));
    }
}

impl Deref for Tx<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.conn
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn
    }
}

/// A queued write. It may be run several times and is answered once.
pub(super) trait Job: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;

    /// Answers with the error, or else with what the last run returned.
    fn answer(self: Box<Self>, outcome: Result<()>);

    /// Where it was queued.
    fn origin(&self) -> &'static Location<'static>;
}

struct Write<T, F, A> {
    write: F,
    value: Option<T>,
    answer: A,
    origin: &'static Location<'static>,
}

impl<T, F, A> Job for Write<T, F, A>
where
    T: Send,
    F: Fn(&mut Tx<'_>) -> Result<T> + Send,
    A: FnOnce(Result<T>) + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.value = None;
        self.value = Some((self.write)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { value, answer, origin, .. } = *self;
        let result = outcome.and_then(|()| value.ok_or(Error::Stopping));
        let result = result.map_err(failure::for_caller);
        if catch_unwind(AssertUnwindSafe(|| answer(result))).is_err() {
            tracing::error!(%origin, "an answer panicked");
        }
    }

    fn origin(&self) -> &'static Location<'static> {
        self.origin
    }
}

pub(super) fn job<T: Send + 'static>(
    write: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    answer: impl FnOnce(Result<T>) + Send + 'static,
    origin: &'static Location<'static>,
) -> Box<dyn Job> {
    Box::new(Write { write, value: None, answer, origin })
}

/// A job that has been run, and what it left behind.
struct Entry {
    job: Box<dyn Job>,
    effects: Vec<Effect>,
    position: Option<Position>,
    outcome: Result<()>,
}

impl Entry {
    fn new(job: Box<dyn Job>) -> Self {
        Self { job, effects: Vec::new(), position: None, outcome: Ok(()) }
    }
}

/// Why a group was not committed, or not for certain.
enum GroupError {
    /// Nothing of it is there: roll back.
    Failed(Error),
    /// The connection was lost in the COMMIT of this PostgreSQL transaction.
    InDoubt(i64),
    /// What is on the disk is not known, or not ours any more.
    Fatal(String),
}

impl From<diesel::result::Error> for GroupError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// How a group in doubt turned out.
enum Recovered {
    Committed,
    RolledBack,
}

pub(super) struct Parts {
    pub(super) conn: Conn,
    pub(super) ownership: Ownership,
    pub(super) incarnation: i64,
    pub(super) checkpointer: Checkpointer,
    pub(super) options: StoreOptions,
    pub(super) queue: Arc<Queue<Box<dyn Job>>>,
    pub(super) shared: Arc<Shared>,
}

pub(super) fn start(parts: Parts) -> Result<thread::JoinHandle<()>> {
    let Parts { conn, ownership, incarnation, checkpointer, options, queue, shared } = parts;
    let writer = Writer { conn: Some(conn), incarnation, checkpointer, options, queue, shared };
    Ok(thread::Builder::new().name("writer".to_owned()).spawn(move || {
        writer.serve();
        // Only now that connection and checkpointer are closed may another process come.
        drop(ownership);
    })?)
}

struct Writer {
    /// `None` while it is being reopened.
    conn: Option<Conn>,
    incarnation: i64,
    checkpointer: Checkpointer,
    options: StoreOptions,
    queue: Arc<Queue<Box<dyn Job>>>,
    shared: Arc<Shared>,
}

impl Writer {
    fn serve(mut self) {
        loop {
            let mut waiting = self.queue.take(self.options.group_limit);
            if waiting.is_empty() {
                break;
            }
            while !waiting.is_empty() {
                if let Err(reason) = self.commit_group(&mut waiting) {
                    self.shared.fail(reason);
                    self.queue.abandon();
                    waiting.clear();
                }
            }
        }
        if self.shared.has_failed() {
            // The last connection to SQLite's database checkpoints when it is closed, from a log that
            // cannot be trusted: this one stays open until the process ends.
            std::mem::forget(self.conn.take());
        }
    }

    /// Commits jobs from the front of `waiting`. An error is final.
    fn commit_group(&mut self, waiting: &mut VecDeque<Box<dyn Job>>) -> Result<(), String> {
        let mut group = Vec::with_capacity(waiting.len());
        let Err(error) = self.attempt(waiting, &mut group) else {
            self.finish(group);
            return Ok(());
        };
        let worth_another_try = group.len() > 1 || !matches!(error, GroupError::Failed(_));
        match self.recover(&error)? {
            Recovered::Committed => self.finish(group),
            Recovered::RolledBack if worth_another_try || is_connection(&error) => {
                for entry in group {
                    self.commit_alone(entry.job)?;
                }
            }
            Recovered::RolledBack => fail(group, error),
        }
        Ok(())
    }

    fn commit_alone(&mut self, job: Box<dyn Job>) -> Result<(), String> {
        let mut group = Vec::with_capacity(1);
        match self.attempt(&mut VecDeque::from([job]), &mut group) {
            Ok(()) => self.finish(group),
            Err(error) => match self.recover(&error)? {
                Recovered::Committed => self.finish(group),
                Recovered::RolledBack => fail(group, error),
            },
        }
        Ok(())
    }

    /// Runs and commits. Whatever happens, each job taken from `waiting` is in `group`.
    fn attempt(
        &mut self,
        waiting: &mut VecDeque<Box<dyn Job>>,
        group: &mut Vec<Entry>,
    ) -> Result<(), GroupError> {
        // One that cannot even begin still has somebody to answer.
        group.extend(waiting.pop_front().map(Entry::new));
        let conn = self.conn.as_mut().ok_or(Error::Stopping).map_err(GroupError::Failed)?;
        let _log_stays = self.checkpointer.writing();
        let start = Instant::now();
        conn.begin_write()?;
        let (mut next, mut undo) = (0, Undo::Transaction);
        while let Some(entry) = group.get_mut(next) {
            run(conn, entry, undo, &self.shared)?;
            if entry.outcome.is_ok() {
                undo = Undo::Savepoint;
            }
            next += 1;
            if start.elapsed() < self.options.group_time {
                group.extend(waiting.pop_front().map(Entry::new));
            }
        }
        commit(conn)
    }

    /// After the commit: effects and positions in order, then the answers.
    fn finish(&self, mut group: Vec<Entry>) {
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        for entry in group.iter_mut().filter(|entry| entry.outcome.is_ok()) {
            for effect in entry.effects.drain(..) {
                if catch_unwind(AssertUnwindSafe(effect)).is_err() {
                    tracing::error!(origin = %entry.job.origin(), "an effect panicked");
                }
            }
            if let Some(position) = entry.position {
                self.shared.position.store(position.0, Ordering::Release);
            }
        }
        let jobs = group.len();
        for Entry { job, outcome, .. } in group {
            job.answer(outcome);
        }
        self.checkpointer.committed(jobs);
    }

    /// Brings the connection back to where a group can begin.
    fn recover(&mut self, error: &GroupError) -> Result<Recovered, String> {
        let in_doubt = match error {
            GroupError::Fatal(reason) => return Err(reason.clone()),
            GroupError::InDoubt(transaction) => Some(*transaction),
            GroupError::Failed(error) => {
                tracing::warn!(%error, "a group of writes failed; its jobs are run again alone");
                let rolled_back = self.conn.as_mut().is_some_and(|conn| conn.rollback().is_ok());
                if rolled_back && Failure::of_job(error) != Failure::Connection {
                    return Ok(Recovered::RolledBack);
                }
                None
            }
        };
        self.reopen()?;
        match (in_doubt, self.conn.as_mut()) {
            (Some(transaction), Some(conn)) => outcome_of(conn, transaction),
            _ => Ok(Recovered::RolledBack),
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.conn = None;
        let start = Instant::now();
        let mut conn = loop {
            match Conn::open_writer(&self.options) {
                Ok(conn) => break conn,
                Err(error) if start.elapsed() > RECONNECT_PATIENCE => {
                    return Err(format!("the database did not come back: {error}"));
                }
                Err(error) => {
                    tracing::warn!(%error, "the database is not there; trying again");
                    thread::sleep(Duration::from_millis(200));
                }
            }
        };
        match incarnation(&mut conn) {
            Ok(incarnation) if incarnation == self.incarnation => {}
            Ok(_) => return Err("another process has used the database meanwhile".to_owned()),
            Err(error) => return Err(format!("the database did not come back: {error}")),
        }
        tracing::info!("the database connection is open again");
        self.conn = Some(conn);
        Ok(())
    }
}

/// How a job's work is undone. A savepoint costs a copy of every page that the job changes.
#[derive(Clone, Copy, Debug)]
enum Undo {
    /// Nothing but the job's work is in it.
    Transaction,
    Savepoint,
}

impl Undo {
    fn begin(self, conn: &mut Conn) -> QueryResult<()> {
        match self {
            Self::Transaction => Ok(()),
            Self::Savepoint => conn.savepoint(),
        }
    }

    fn keep(self, conn: &mut Conn) -> QueryResult<()> {
        match self {
            Self::Transaction => Ok(()),
            Self::Savepoint => conn.release_savepoint(),
        }
    }

    fn roll_back(self, conn: &mut Conn) -> QueryResult<()> {
        match self {
            Self::Transaction => conn.rollback().and_then(|()| conn.begin_write()),
            Self::Savepoint => conn.rollback_savepoint(),
        }
    }
}

/// Runs one job so that it can be undone. An error is one of the whole group.
fn run(conn: &mut Conn, entry: &mut Entry, undo: Undo, shared: &Shared) -> Result<(), GroupError> {
    undo.begin(conn)?;
    let start = Instant::now();
    let Entry { job, effects, position, outcome } = entry;
    let mut tx = Tx { conn, effects, position };
    let result = catch_unwind(AssertUnwindSafe(|| job.run(&mut tx)))
        .unwrap_or_else(|_| Err(Error::internal("a write panicked")));
    let elapsed = start.elapsed();
    if elapsed > SLOW {
        shared.slow_writes.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            origin = %job.origin(),
            elapsed_ms = elapsed.as_millis() as u64,
            "a write closure held the writer for too long"
        );
    }
    let result = result.and_then(|()| Ok(undo.keep(conn)?));
    let Err(error) = result else { return Ok(()) };
    effects.clear();
    *position = None;
    if Failure::of_job(&error) != Failure::Statement {
        return Err(GroupError::Failed(error));
    }
    if undo.roll_back(conn).is_err() {
        return Err(GroupError::Failed(error));
    }
    *outcome = Err(error);
    Ok(())
}

fn commit(conn: &mut Conn) -> Result<(), GroupError> {
    // Known before the COMMIT, it tells after a broken one what became of it.
    let transaction: Option<i64> = match conn {
        Conn::Sqlite(_) => None,
        Conn::Postgres(conn) => Some(diesel::select(txid_current()).get_result(conn)?),
    };
    fault::point(BEFORE_COMMIT);
    let committed: QueryResult<()> = conn.commit();
    fault::point(AFTER_COMMIT);
    let Err(error) = committed else { return Ok(()) };
    match (Failure::of(&error), transaction) {
        // The sync may be what failed, and the kernel may call the lost pages clean: no second try.
        (Failure::Io, None) => Err(GroupError::Fatal(format!("a commit failed: {error}"))),
        (_, Some(transaction)) if conn.rollback().is_err() => Err(GroupError::InDoubt(transaction)),
        (Failure::Connection, Some(transaction)) => Err(GroupError::InDoubt(transaction)),
        _ => Err(GroupError::Failed(error.into())),
    }
}

/// Asks PostgreSQL what became of a transaction whose COMMIT got no answer.
fn outcome_of(conn: &mut Conn, transaction: i64) -> Result<Recovered, String> {
    let Conn::Postgres(conn) = conn else { return Ok(Recovered::RolledBack) };
    let start = Instant::now();
    while start.elapsed() < RECONNECT_PATIENCE {
        let status: QueryResult<Option<String>> =
            diesel::select(txid_status(transaction)).get_result(conn);
        match status.as_ref().map(|status| status.as_deref()) {
            Ok(Some("committed")) => return Ok(Recovered::Committed),
            Ok(Some("aborted")) => return Ok(Recovered::RolledBack),
            // The server has not yet noticed that its client is gone.
            Ok(Some(_)) => thread::sleep(Duration::from_millis(50)),
            Ok(None) | Err(_) => break,
        }
    }
    Err("the outcome of a commit cannot be found out".to_owned())
}

fn is_connection(error: &GroupError) -> bool {
    matches!(error, GroupError::Failed(error) if Failure::of_job(error) == Failure::Connection)
}

/// Answers a job that failed alone.
fn fail(group: Vec<Entry>, error: GroupError) {
    let GroupError::Failed(error) = error else { return };
    let mut error = Some(error);
    for entry in group {
        entry.job.answer(Err(error.take().unwrap_or(Error::Stopping)));
    }
}
