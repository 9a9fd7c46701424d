//! A room's queue: what waits is prepared as one chain, commits overlap with preparing.
//!
//! ```text
//! push ─► waiting ─► prepare on the tip ─► commit ─┬─► answer
//!            ▲         (one at a time)   (several  │
//!            └──── prepared on what is gone ◄──────┘ on their way)
//! ```
//!
//! Preparing happens on a reader thread, which hands the commit to the writer thread, which answers: nobody
//! else is woken on the way.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    Answer,
    commit::{self, Batch},
    context::Context,
    prepare::{self, End, Ending, LocalEvent, Preparation, Prepared, RemoteEvent},
    tip::Tip,
};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::event::Event,
    storage::{Conn, RoomNid, client_transactions::TransactionKey},
};

/// How many jobs are prepared as one chain.
const CHAIN_MAX: usize = 64;
/// How many commits of a room are on their way at once.
const COMMITS_MAX: usize = 2;
/// How often a job is prepared again because the room had moved on.
pub(super) const ATTEMPTS_MAX: u32 = 10;
/// More waiting jobs than this are refused.
const WAITING_MAX: usize = 10_000;

/// What is asked of a room.
pub(super) enum Request {
    /// All or none.
    Local(Vec<LocalEvent>),
    Remote(Box<RemoteEvent>),
    Outliers(Vec<Pdu>),
    /// From before what is here.
    Past(Vec<RemoteEvent>),
    /// The room's members are here, or nobody waits for them any more.
    End(Ending),
}

pub(super) struct RoomQueue {
    room: RoomNid,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: BTreeMap<u64, Job>,
    preparing: bool,
    /// How many commits are on their way.
    commits: usize,
    tip: Option<Tip>,
    /// Bumped when the tip is dropped: what was prepared on it must not become the tip again.
    epoch: u64,
    next: u64,
    /// Transactions that are prepared and not committed: a repeat waits for them.
    in_flight: HashSet<TransactionKey>,
}

struct Job {
    number: u64,
    request: Arc<Request>,
    reply: oneshot::Sender<Result<Vec<Answer>>>,
    attempts: u32,
}

/// What preparing some jobs came to.
struct Chain {
    tip: Option<Tip>,
    /// The tip's epoch when preparing began.
    epoch: u64,
    batch: Option<Batch>,
    done: Vec<(Job, Result<Vec<Answer>>)>,
    /// Jobs that the batch commits, with the parts of their answers.
    prepared: Vec<(Job, Vec<Part>)>,
}

/// One answer of a job: known already, or the next event of the batch.
enum Part {
    Known(Answer),
    Next,
    /// The room is not partial any more with the batch.
    Ended,
}

impl RoomQueue {
    pub fn new(room: RoomNid) -> Self {
        Self { room, inner: Mutex::default() }
    }

    /// Queues a request at once; the future waits for what becomes of it.
    pub fn push(
        self: &Arc<Self>,
        context: &Arc<Context>,
        request: Request,
    ) -> impl Future<Output = Result<Vec<Answer>>> + use<> {
        let queued = self.enqueue(context, request);
        async move { queued?.await.map_err(|_| Error::Stopping)? }
    }

    fn enqueue(
        self: &Arc<Self>,
        context: &Arc<Context>,
        request: Request,
    ) -> Result<oneshot::Receiver<Result<Vec<Answer>>>> {
        let (reply, answer) = oneshot::channel();
        {
            let mut inner = self.inner.lock();
            if inner.waiting.len() >= WAITING_MAX {
                return Err(Error::LimitExceeded {
                    retry_after: std::time::Duration::from_secs(1),
                });
            }
            let number = inner.next;
            inner.next += 1;
            let job = Job { number, request: Arc::new(request), reply, attempts: 0 };
            inner.waiting.insert(number, job);
            self.start(&mut inner, context);
        }
        Ok(answer)
    }

    /// Has what waits prepared, unless that is on its way or enough commits are.
    fn start(self: &Arc<Self>, inner: &mut Inner, context: &Arc<Context>) {
        if inner.preparing || inner.commits >= COMMITS_MAX || inner.waiting.is_empty() {
            return;
        }
        inner.preparing = true;
        let (queue, preparing) = (self.clone(), context.clone());
        let prepare = move |conn: &mut Conn| queue.prepare(&preparing, conn);
        let (queue, preparing) = (self.clone(), context.clone());
        context.store.read_then(prepare, move |chain| queue.prepared(&preparing, chain));
    }

    /// Prepares the next jobs. `None`: all that wait are waiting for a transaction on its way.
    fn prepare(&self, context: &Context, conn: &mut Conn) -> Result<Option<Chain>> {
        let Some((jobs, tip, epoch)) = self.take() else { return Ok(None) };
        prepare_chain(context, conn, self.room, (tip, epoch), jobs).map(Some)
    }

    /// Takes over what was prepared, and queues its commit.
    fn prepared(self: &Arc<Self>, context: &Arc<Context>, chain: Result<Option<Chain>>) {
        let mut inner = self.inner.lock();
        let chain = match chain {
            Ok(Some(chain)) => chain,
            Ok(None) => return,
            Err(error) => {
                // The jobs are gone with the closure; their callers see a dropped reply.
                tracing::error!(%error, room = self.room.0, "preparing events failed");
                inner.tip = None;
                inner.preparing = false;
                return self.start(&mut inner, context);
            }
        };
        inner.preparing = false;
        let Chain { tip, epoch, batch, done, prepared } = chain;
        if inner.epoch == epoch {
            inner.tip = tip;
        }
        for (job, answer) in done {
            let _ = job.reply.send(answer);
        }
        if let Some(batch) = batch {
            inner.in_flight.extend(prepared.iter().flat_map(|(job, _)| transactions(job)));
            inner.commits += 1;
            let batch = Arc::new(batch);
            let (queue, finishing, committed) = (self.clone(), context.clone(), batch.clone());
            commit::write(context, batch, move |result| {
                queue.finish(&finishing, &committed, prepared, result);
            });
        }
        self.start(&mut inner, context);
    }

    /// The next jobs that can be prepared, or none.
    fn take(&self) -> Option<(Vec<Job>, Option<Tip>, u64)> {
        let mut inner = self.inner.lock();
        // Of the requests of one transaction, one goes on and the others wait for what becomes of it.
        let (mut ready, mut claimed) = (Vec::new(), HashSet::new());
        for (number, job) in &inner.waiting {
            // That is a batch of its own.
            let is_end = matches!(*job.request, Request::End(_));
            if is_end && !ready.is_empty() {
                break;
            }
            let free = |key| !inner.in_flight.contains(&key) && !claimed.contains(&key);
            if ready.len() < CHAIN_MAX && transactions(job).all(free) {
                ready.push(*number);
                claimed.extend(transactions(job));
            }
            if is_end {
                break;
            }
        }
        if ready.is_empty() {
            // What waits for a transaction on its way is started again when that is committed: perhaps now.
            inner.preparing = false;
            return None;
        }
        let jobs = ready.iter().filter_map(|number| inner.waiting.remove(number)).collect();
        Some((jobs, inner.tip.take(), inner.epoch))
    }

    /// Answers the jobs of a commit, or queues them again.
    fn finish(
        self: &Arc<Self>,
        context: &Arc<Context>,
        batch: &Batch,
        jobs: Vec<(Job, Vec<Part>)>,
        result: Result<()>,
    ) {
        let mut inner = self.inner.lock();
        inner.commits -= 1;
        for (job, _) in &jobs {
            for key in transactions(job) {
                inner.in_flight.remove(&key);
            }
        }
        match result {
            Ok(()) => {
                let mut outcomes = commit::outcomes(&batch.events).into_iter();
                for (job, parts) in jobs {
                    let answer = parts.into_iter().filter_map(|part| match part {
                        Part::Known(answer) => Some(answer),
                        Part::Next => outcomes.next().map(Answer::Outcome),
                        Part::Ended => Some(Answer::Ended),
                    });
                    let _ = job.reply.send(Ok(answer.collect()));
                }
                if batch.end.is_some() {
                    // It counts members that were written ahead twice.
                    inner.tip = None;
                    inner.epoch += 1;
                }
            }
            Err(error) => {
                inner.tip = None;
                inner.epoch += 1;
                let again = matches!(error, Error::StaleRoom | Error::Database(_));
                for (mut job, _) in jobs {
                    job.attempts += 1;
                    if again && job.attempts < ATTEMPTS_MAX {
                        inner.waiting.insert(job.number, job);
                    } else {
                        let _ = job.reply.send(Err(repeat(&error)));
                    }
                }
            }
        }
        self.start(&mut inner, context);
    }
}

/// The transactions of a job's events.
fn transactions(job: &Job) -> impl Iterator<Item = TransactionKey> + '_ {
    let events: &[LocalEvent] = match &*job.request {
        Request::Local(events) => events,
        Request::Remote(_) | Request::Outliers(_) | Request::Past(_) | Request::End(_) => &[],
    };
    events.iter().filter_map(|event| event.transaction.clone())
}

/// Prepares jobs, each on the tip that the one before left.
fn prepare_chain(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    (tip, epoch): (Option<Tip>, u64),
    jobs: Vec<Job>,
) -> Result<Chain> {
    let loaded = match tip {
        Some(tip) => Ok(tip),
        None => Tip::load(context, conn, room),
    };
    let mut tip = match loaded {
        Ok(tip) => tip,
        Err(error) => {
            let done = jobs.into_iter().map(|job| (job, Err(repeat(&error)))).collect();
            return Ok(Chain { tip: None, epoch, batch: None, done, prepared: Vec::new() });
        }
    };
    tip.release(Event::is_committed);
    let before = tip.clone();
    let (mut events, mut done, mut prepared) = (Vec::new(), Vec::new(), Vec::new());
    let mut end = None;
    for job in jobs {
        let undo = tip.clone();
        match prepare_job(context, conn, &mut tip, &job.request, (&mut events, &mut end)) {
            Ok(parts) if parts.iter().any(|part| !matches!(part, Part::Known(_))) => {
                prepared.push((job, parts));
            }
            Ok(parts) => {
                let known = parts.into_iter().filter_map(|part| match part {
                    Part::Known(answer) => Some(answer),
                    Part::Next | Part::Ended => None,
                });
                let known = known.collect();
                done.push((job, Ok(known)));
            }
            Err(error) => {
                tip = undo;
                done.push((job, Err(error)));
            }
        }
    }
    let batch = (!events.is_empty() || end.is_some())
        .then(|| Batch { end, ..Batch::new(&before, &tip, events) });
    Ok(Chain { tip: Some(tip), epoch, batch, done, prepared })
}

/// Prepares one job. Its events join `events` only if all of them could be prepared.
fn prepare_job(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    request: &Request,
    (events, end): (&mut Vec<Prepared>, &mut Option<End>),
) -> Result<Vec<Part>> {
    let mut own = Vec::new();
    let mut parts = Vec::new();
    let mut keep = |preparation: Preparation| match preparation {
        Preparation::Prepared(prepared) => {
            own.push(*prepared);
            parts.push(Part::Next);
        }
        Preparation::Done(answer) => parts.push(Part::Known(answer)),
    };
    match request {
        Request::Local(drafts) => {
            for draft in drafts {
                keep(prepare::local(context, conn, tip, draft)?);
            }
        }
        Request::Remote(event) => keep(prepare::remote(context, conn, tip, event)?),
        Request::Outliers(pdus) => {
            let known = prepare::known_outliers(context, conn, pdus)?;
            for pdu in pdus {
                keep(prepare::outlier(context, conn, tip, pdu, &known)?);
            }
        }
        Request::Past(events) => {
            for event in events {
                keep(prepare::past(context, conn, tip, event)?);
            }
        }
        Request::End(ending) => {
            *end = prepare::end(context, conn, tip, ending)?;
            parts.push(match end {
                Some(_) => Part::Ended,
                None => Part::Known(Answer::NotPartial),
            });
        }
    }
    events.append(&mut own);
    Ok(parts)
}

/// The same failure for each of several callers.
fn repeat(error: &Error) -> Error {
    match error {
        Error::DiskFull => Error::DiskFull,
        Error::Stopping => Error::Stopping,
        other => Error::internal(other.to_string()),
    }
}
