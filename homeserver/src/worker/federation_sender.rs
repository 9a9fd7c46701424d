//! Sends to other servers what waits in the outbox.
//!
//! ```text
//! outbox rows ─► one loop: which destinations have something new?
//!                   └─► one task per destination with something to send: fix a transaction, send it,
//!                       take it off; on failure sleep until it is time, or the server is heard from
//! ```
//!
//! With that goes what is not kept: who types, who is there. It is tried again while it is of worth; alone it
//! wakes nobody who did not answer lately.
//!
//! A destination with nothing to send has no task. Those that are down sleep; how many send at once is
//! bounded ([`Lanes`]).

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};
use sealpost_federation::{
    Error as FederationError,
    destination::{Destination, Failure, Next, PATIENT_MS},
};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{lanes::Lanes, marks::Marks};
use crate::{
    clock::Clock,
    error::{Error, Result},
    service::remote::{
        Remote,
        outbox::{Seen, WIDEST},
    },
};

/// What is not kept is not tried again so soon with a server that answered with an error, in milliseconds.
const REFUSING_MS: i64 = 60_000;
/// A pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

pub struct FederationSender {
    remote: Arc<Remote>,
    clock: Clock,
    stopping: CancellationToken,
    /// The tasks that are there, with what tells them that more waits.
    active: Mutex<HashMap<OwnedServerName, Arc<Notify>>>,
    /// Servers that lately answered with an error: like those that did not answer, they are left alone with what is not
    /// kept.
    refusing: Marks,
    lanes: Lanes,
    tasks: TaskTracker,
}

/// Where sending to one destination stands.
struct Sending<'a> {
    destination: &'a ServerName,
    state: Destination,
    /// How many events wait, roughly.
    waiting: usize,
    /// How many things the next transaction may have: fewer after the server refused one, to find out which.
    width: usize,
}

impl FederationSender {
    pub fn new(remote: Arc<Remote>, clock: Clock, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            remote,
            clock,
            stopping,
            active: Mutex::default(),
            refusing: Marks::default(),
            lanes: Lanes::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Sends until the token is cancelled and what is on its way is answered or given up.
    pub async fn run(self: Arc<Self>) {
        let stopping = self.stopping.clone();
        let _ = stopping.run_until_cancelled(self.distribute()).await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Starts a task for each destination that has something new, or tells the one that is there.
    async fn distribute(self: &Arc<Self>) {
        let mut seen = Seen::default();
        loop {
            match self.remote.queued_after(seen).await {
                Ok((destinations, now)) => {
                    for destination in destinations {
                        self.wake(destination);
                    }
                    seen = now;
                }
                Err(Error::Stopping) => return,
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be read");
                    tokio::time::sleep(DATABASE_PAUSE).await;
                    continue;
                }
            }
            loop {
                tokio::select! {
                    () = self.remote.queued(seen) => break,
                    () = self.remote.others().told() => {}
                }
                let now = self.clock.now_ms();
                for destination in self.remote.others().destinations() {
                    let is_active = self.active.lock().contains_key(&destination);
                    let is_left_alone = self.refusing.counts(&destination, now)
                        || self.remote.is_silent(&destination);
                    if !is_active && !is_left_alone {
                        self.wake(destination);
                    }
                }
            }
            if self.stopping.is_cancelled() {
                return;
            }
        }
    }

    fn wake(self: &Arc<Self>, destination: OwnedServerName) {
        let mut active = self.active.lock();
        if let Some(more) = active.get(&destination) {
            more.notify_one();
            return;
        }
        let more = Arc::new(Notify::new());
        active.insert(destination.clone(), Arc::clone(&more));
        let (sender, stopping) = (Arc::clone(self), self.stopping.clone());
        self.tasks.spawn(async move {
            let send_all = sender.send_all(&destination, &more);
            if let Some(Err(error)) = stopping.run_until_cancelled(send_all).await {
                tracing::error!(%destination, %error, "sending to a server ended");
                sender.active.lock().remove(&destination);
            }
            sender.remote.unwatch(&destination);
        });
    }

    /// Sends everything that waits for one destination, then ends.
    async fn send_all(&self, destination: &ServerName, more: &Notify) -> Result<()> {
        let heard = self.remote.watch(destination);
        let (outage, waiting) = self.remote.outage(destination).await?;
        let state = Destination::restored(outage);
        let mut sending = Sending { destination, state, waiting, width: WIDEST };
        sending.state.queued();
        loop {
            match sending.state.next(self.clock.now_ms()) {
                Next::Send => {
                    self.send_next(&mut sending).await?;
                    // Its error was a sign of life, of a server that was there all the time.
                    if sending.state.has_answered() {
                        let _ = heard.notified().now_or_never();
                    }
                }
                Next::Sleep(until) => {
                    let pause = u64::try_from(until - self.clock.now_ms()).unwrap_or_default();
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(pause)) => {}
                        () = heard.notified() => sending.state.heard_from(),
                        () = more.notified() => sending.waiting += 1,
                    }
                }
                Next::Idle => {
                    // What is queued from here on finds no task and starts one.
                    if !self.ends(destination, more) {
                        sending.state.queued();
                        continue;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// One attempt.
    async fn send_next(&self, sending: &mut Sending<'_>) -> Result<()> {
        let Sending { destination, state, waiting, width } = sending;
        let place = self.lanes.place(destination, state.is_doubtful(), self.clock.now_ms()).await;
        let now = self.clock.now_ms();
        let backlog = state.backlog(now, *waiting);
        let kept = self.remote.next_transaction(destination, backlog, *width).await?;
        let transaction = match kept {
            Some(transaction) => Some(transaction),
            None => self.remote.fleeting_transaction(destination)?,
        };
        let Some(mut transaction) = transaction else {
            state.succeeded(false);
            *waiting = 0;
            return Ok(());
        };
        let was_down = state.outage().is_some();
        state.started(now);
        match place.send(self.remote.send_transaction(destination, &transaction)).await {
            Err(error) if !error.is_taken() => {
                if !was_down && self.remote.may_log(destination) {
                    tracing::info!(%destination, %error, "a server does not take a transaction");
                }
                let now = self.clock.now_ms();
                if !error.is_refusal() {
                    let fleeting = std::mem::take(&mut transaction.fleeting);
                    self.remote.others().give_back(destination, fleeting);
                }
                let failure = match error {
                    FederationError::Status { .. } => {
                        self.refusing.set(destination, now, REFUSING_MS);
                        Failure::Answered
                    }
                    _ => Failure::Silent,
                };
                state.failed(now, failure, rand::random());
                let Some(outage) = state.outage() else { return Ok(()) };
                self.remote.not_sent(destination, outage).await?;
                if error.is_refusal() {
                    let patient = now.saturating_sub(outage.since) < PATIENT_MS;
                    *width = self.remote.refused(destination, &transaction, patient).await?;
                }
            }
            outcome => {
                if let Err(error) = outcome {
                    if self.remote.may_log(destination) {
                        tracing::warn!(%destination, %error, "a server's answer cannot be read");
                    }
                } else if was_down && self.remote.may_log(destination) {
                    tracing::info!(%destination, "a server answers again");
                }
                self.refusing.remove(destination);
                let more = self.remote.sent(destination, &transaction).await?;
                state.succeeded(more);
                *waiting = if more { *waiting } else { 0 };
                *width = (*width * 2).min(WIDEST);
            }
        }
        Ok(())
    }

    /// Takes the task off the list, unless more was queued meanwhile.
    fn ends(&self, destination: &ServerName, more: &Notify) -> bool {
        let mut active = self.active.lock();
        let told =
            more.notified().now_or_never().is_some() || self.remote.others().has_for(destination);
        if !told {
            active.remove(destination);
        }
        !told
    }
}
