//! The timelines of rooms: the one way in ([`append`](queue)), and how to read them.
//!
//! ```text
//! send.rs ─┐                     room's queue              reader thread        writer thread
//!          ├─► Timeline::append ─► waiting jobs ─► prepare chain on the tip ─► commit in a group
//! remote/ ─┘                                        (build, sign, authorise,    (insert rows, then
//!                                                    resolve)                    publish, answer)
//! ```
//!
//! All that waits for a room is prepared as one chain on an in-memory [`tip`], without waiting for the
//! commits before it. Each commit names the generation it was prepared on; when the room stands elsewhere
//! the tip is dropped and the jobs are prepared again.

mod commit;
pub mod context;
mod entry;
mod out_of_band;
pub mod prepare;
pub mod queue;
pub mod resolve;
mod tip;
mod whole;

pub use crate::storage::events::Direction;

use std::sync::Arc;

use quick_cache::sync::Cache;
use ruma::{OwnedEventId, OwnedRoomAliasId, events::room::policy::RoomPolicyEventContent};

pub(in crate::service) use self::tip::servers_of;
pub use self::{
    context::Context,
    out_of_band::{OutOfBand, is_out_of_band},
    prepare::{Before, LocalEvent, RemoteEvent, WholeState},
};
use self::{
    prepare::{Ending, Preparation},
    queue::{ATTEMPTS_MAX, Request, RoomQueue},
    tip::Tip,
};
use super::{event::Event, room_info::RoomInfo};
use crate::{
    error::{Error, Result},
    room::{build::Draft, event::Pdu, policy::with_signature},
    storage::{Conn, EventNid, RoomNid, UserNid, room_upgrades::UpgradeRow},
};

/// How many rooms keep their queue and tip in memory.
const QUEUES: usize = 10_000;

/// What became of an event that was appended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is in the room's timeline.
    Accepted(Arc<Event>),
    /// It was there before.
    Known(Arc<Event>),
    /// It is kept, but neither shown nor built upon: the current state forbids it.
    SoftFailed(Arc<Event>),
    /// It is kept as rejected: its auth events or the state before it forbid it.
    Rejected(Arc<Event>, String),
    /// It can't be placed: these prev_events are not known here.
    MissingPrev(Vec<OwnedEventId>),
    /// It can't be checked: these auth_events are not known here.
    MissingAuth(Vec<OwnedEventId>),
    /// It would be accepted with the signature of the room's policy server, which was not asked for it yet.
    Unsigned(Arc<RoomPolicyEventContent>),
}

/// What the queue answers for an event.
#[derive(Debug)]
enum Answer {
    Outcome(Outcome),
    /// A local event that the room's policy server has to sign first.
    NeedsSignature(Box<Pdu>, Arc<RoomPolicyEventContent>),
    /// The room is not partial any more.
    Ended,
    /// The room was whole, or was entered by another event since.
    NotPartial,
}

impl Answer {
    /// Of an event that needs no signature of a policy server, or has it.
    fn outcome(self) -> Result<Outcome> {
        match self {
            Self::Outcome(outcome) => Ok(outcome),
            Self::NeedsSignature(pdu, _) => {
                let id = &pdu.event_id;
                Err(Error::internal(format!("{id} needs a policy server's signature")))
            }
            Self::Ended | Self::NotPartial => Err(Error::internal("an answer of another request")),
        }
    }
}

/// A room to be made.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub info: Arc<RoomInfo>,
    /// The signed create event.
    pub create: Pdu,
    pub is_public: bool,
    pub alias: Option<(OwnedRoomAliasId, UserNid)>,
    /// It takes another's place; what has to move is noted in the same commit.
    pub replaces: Option<UpgradeRow>,
}

impl Outcome {
    /// The event, or why a user of this server is refused.
    fn accepted(self) -> Result<Arc<Event>> {
        match self {
            Self::Accepted(event) | Self::Known(event) => Ok(event),
            other => Err(other.into_refusal()),
        }
    }

    /// The error for a user of this server whose event was not accepted.
    pub fn into_refusal(self) -> Error {
        match self {
            Self::Rejected(_, reason) => Error::forbidden(reason),
            other => Error::internal(format!("a local event became {other:?}")),
        }
    }
}

pub struct Timeline {
    context: Arc<Context>,
    queues: Cache<RoomNid, Arc<RoomQueue>>,
}

impl Timeline {
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, queues: Cache::new(QUEUES) }
    }

    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Appends events of this server's users, all or none, in order, in one commit.
    pub async fn append_local(
        &self,
        room: RoomNid,
        events: Vec<LocalEvent>,
    ) -> Result<Vec<Arc<Event>>> {
        let answers = self.queue(room).push(&self.context, Request::Local(events)).await?;
        answers.into_iter().map(|answer| answer.outcome()?.accepted()).collect()
    }

    /// Appends an event of a user of this server. Where the room wants a policy server's signature on it,
    /// `ask` gets it, while nobody waits for this room's queue.
    pub async fn append_asking(
        &self,
        room: RoomNid,
        event: LocalEvent,
        ask: impl AsyncFnOnce(&Pdu, &RoomPolicyEventContent) -> Result<String>,
    ) -> Result<Arc<Event>> {
        let first =
            self.queue(room).push(&self.context, Request::Local(vec![event.clone()])).await?;
        let (pdu, policy) = match first.into_iter().next() {
            Some(Answer::Outcome(outcome)) => return outcome.accepted(),
            Some(Answer::NeedsSignature(pdu, policy)) => (pdu, policy),
            other => return Err(Error::internal(format!("no outcome for an event: {other:?}"))),
        };
        let signed = self.signed(room, &pdu, &policy, ask).await?;
        let event = LocalEvent { signed: Some(signed), ..event };
        let events = self.append_local(room, vec![event]).await?;
        events.into_iter().next().ok_or_else(|| Error::internal("no outcome for an event"))
    }

    /// The event with the policy server's signature, which `ask` gets.
    async fn signed(
        &self,
        room: RoomNid,
        pdu: &Pdu,
        policy: &RoomPolicyEventContent,
        ask: impl AsyncFnOnce(&Pdu, &RoomPolicyEventContent) -> Result<String>,
    ) -> Result<Pdu> {
        let signature = ask(pdu, policy).await?;
        let context = self.context.clone();
        let info = self.context.store.read(move |conn| context.rooms.by_nid(conn, room)).await?;
        with_signature(pdu, policy, &signature, info.rules)
            .map_err(|error| Error::internal(format!("a policy signature: {error}")))
    }

    /// Appends an event of another server, whose format, hashes and signatures were checked.
    pub async fn append_remote(&self, room: RoomNid, event: RemoteEvent) -> Result<Outcome> {
        let answers =
            self.queue(room).push(&self.context, Request::Remote(Box::new(event))).await?;
        let answer = answers.into_iter().next();
        answer.ok_or_else(|| Error::internal("no outcome for an event"))?.outcome()
    }

    /// [`Timeline::append_remote`] of several events, in order: what can be is written in one commit.
    pub async fn append_remotes(
        &self,
        room: RoomNid,
        events: Vec<RemoteEvent>,
    ) -> Vec<Result<Outcome>> {
        let queue = self.queue(room);
        let push = |event| queue.push(&self.context, Request::Remote(Box::new(event)));
        let waiting: Vec<_> = events.into_iter().map(push).collect();
        let mut outcomes = Vec::with_capacity(waiting.len());
        for answers in waiting {
            let answer = answers.await.and_then(|answers| {
                let answer = answers.into_iter().next();
                answer.ok_or_else(|| Error::internal("no outcome for an event"))?.outcome()
            });
            outcomes.push(answer);
        }
        outcomes
    }

    /// Keeps events without a place in the room's graph, as others' auth events or state.
    ///
    /// `events` are in an order in which each comes after its auth events.
    pub async fn append_outliers(&self, room: RoomNid, events: Vec<Pdu>) -> Result<Vec<Outcome>> {
        let answers = self.queue(room).push(&self.context, Request::Outliers(events)).await?;
        answers.into_iter().map(Answer::outcome).collect()
    }

    /// Gives events from before what is here their places: before all others, oldest first, in one commit.
    /// Nothing of the room's current state changes, and nobody is told.
    ///
    /// `events` are in an order in which each comes after its prev_events.
    pub async fn append_past(
        &self,
        room: RoomNid,
        events: Vec<RemoteEvent>,
    ) -> Result<Vec<Outcome>> {
        let answers = self.queue(room).push(&self.context, Request::Past(events)).await?;
        answers.into_iter().map(Answer::outcome).collect()
    }

    /// Makes a room whole that was entered without its members: what was accepted since is checked again. False when
    /// the room is not partial any more.
    pub async fn complete(&self, room: RoomNid, told: WholeState) -> Result<bool> {
        self.end_partial(room, Ending::Whole(Box::new(told))).await
    }

    /// Waits no longer for the members of a room that was entered with `join` and that everybody here has left. False
    /// when somebody is in it, or it was entered again since.
    pub async fn give_up(&self, room: RoomNid, join: EventNid) -> Result<bool> {
        self.end_partial(room, Ending::Left(join)).await
    }

    async fn end_partial(&self, room: RoomNid, ending: Ending) -> Result<bool> {
        let answers = self.queue(room).push(&self.context, Request::End(ending)).await?;
        Ok(answers.iter().any(|answer| matches!(answer, Answer::Ended)))
    }

    /// Builds and signs an event that could be appended now, without appending it.
    pub async fn propose(&self, room: RoomNid, draft: Draft) -> Result<Pdu> {
        let context = self.context.clone();
        let propose = move |conn: &mut Conn| {
            let tip = Tip::load(&context, conn, room)?;
            prepare::propose(&context, conn, &tip, &draft)
        };
        self.context.store.read(propose).await
    }

    /// [`Timeline::propose`] of an event that goes to other servers before it is appended: where the room wants a
    /// policy server's signature on it, `ask` gets it.
    pub async fn propose_asking(
        &self,
        room: RoomNid,
        draft: Draft,
        ask: impl AsyncFnOnce(&Pdu, &RoomPolicyEventContent) -> Result<String>,
    ) -> Result<Pdu> {
        let context = self.context.clone();
        let propose = move |conn: &mut Conn| {
            let tip = Tip::load(&context, conn, room)?;
            let pdu = prepare::propose(&context, conn, &tip, &draft)?;
            let policy = tip.policy_without(&pdu).cloned();
            Ok((pdu, policy))
        };
        match self.context.store.read(propose).await? {
            (pdu, Some(policy)) => self.signed(room, &pdu, &policy, ask).await,
            (pdu, None) => Ok(pdu),
        }
    }

    /// Makes a room of this server's with its first events, all or none, in one commit.
    pub async fn create(&self, room: NewRoom, events: Vec<LocalEvent>) -> Result<Vec<Arc<Event>>> {
        let mut attempts = 1;
        loop {
            match self.try_create(room.clone(), events.clone()).await {
                Err(Error::StaleRoom) if attempts < ATTEMPTS_MAX => attempts += 1,
                result => return result,
            }
        }
    }

    async fn try_create(&self, room: NewRoom, events: Vec<LocalEvent>) -> Result<Vec<Arc<Event>>> {
        let context = self.context.clone();
        let (tip, prepared, room) = self
            .context
            .store
            .read(move |conn| {
                let mut tip = Tip::new(room.info.clone());
                let mut prepared =
                    vec![prepare::create_event(&context, conn, &mut tip, room.create.clone())?];
                for event in &events {
                    match prepare::local(&context, conn, &mut tip, event)? {
                        Preparation::Prepared(event) => prepared.push(*event),
                        Preparation::Done(answer) => return Err(answer.outcome()?.into_refusal()),
                    }
                }
                Ok((tip, prepared, room))
            })
            .await?;
        commit::create(&self.context, tip, prepared, room).await
    }

    fn queue(&self, room: RoomNid) -> Arc<RoomQueue> {
        if let Some(queue) = self.queues.get(&room) {
            return queue;
        }
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(RoomQueue::new(room)));
        match self.queues.get_or_insert_with(&room, fresh) {
            Ok(queue) => queue,
        }
    }
}

#[cfg(test)]
mod tests;
