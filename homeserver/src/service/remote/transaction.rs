//! Transactions of other servers: each once, those of one server one after another, the events of one
//! room in order, an answer for each event.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use ruma::{
    OwnedEventId, OwnedRoomId, OwnedServerName, ServerName,
    api::federation::transactions::send_transaction_message::v1::{Request, Response},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Remote, postponed_events::Waiting, receive::event_ids};
use crate::{
    error::{Error, Result},
    service::timeline::{Outcome, RemoteEvent},
    storage::federation_transactions,
};

/// How many rooms of a transaction are worked on at once.
const ROOMS_AT_ONCE: usize = 5;

/// How long a transaction waits for a join of this server: then its events are held.
const JOIN_WAIT: Duration = Duration::from_secs(5);

/// What a server is told that sends more transactions before the last is answered.
const BUSY: Error = Error::LimitExceeded { retry_after: Duration::from_secs(2) };

/// What became of each event: nothing to say, or an error.
type Answers = BTreeMap<OwnedEventId, Result<(), String>>;

/// What became of the events of one room.
#[derive(Default)]
pub(super) struct Taken {
    answers: Answers,
    /// Those of which what they stand on, or the keys to check them with, cannot be had now.
    pub(super) waiting: Vec<Waiting>,
}

impl Remote {
    /// Takes in a transaction. It goes on when the caller loses patience: the repeat finds the answer.
    pub async fn transaction(
        self: &Arc<Self>,
        origin: OwnedServerName,
        request: Request,
    ) -> Result<Response> {
        sealpost_federation::transaction::check_limits(request.pdus.len(), request.edus.len())
            .map_err(|error| Error::bad_json(error.to_string()))?;
        let entered = self.pending.enter(&origin).ok_or(BUSY)?;
        let remote = Arc::clone(self);
        let take_in = async move {
            let _entered = entered;
            remote.take_in(origin, request).await
        };
        tokio::spawn(take_in)
            .await
            .map_err(|error| Error::internal(format!("a transaction did not end: {error}")))?
    }

    async fn take_in(
        self: &Arc<Self>,
        origin: OwnedServerName,
        request: Request,
    ) -> Result<Response> {
        let _one_at_a_time = self.origins.lock(&origin).await;
        let (from, id) = (origin.to_string(), request.transaction_id.to_string());
        let known = {
            let (from, id) = (from.clone(), id.clone());
            let read = move |conn: &mut _| federation_transactions::response(conn, &from, &id);
            self.context.store.read(read).await?
        };
        if let Some(known) = known {
            return Ok(Response::new(recall(&known)?));
        }
        let edus = self.take_in_edus(&origin, request.edus).await?;
        let answers = self.take_in_events(&origin, request.pdus).await?;
        self.take_in_edus_of_rooms(&origin, edus).await?;
        let answer = remember(&answers)?;
        let now = self.context.clock.now_ms();
        self.context
            .store
            .write(move |tx| federation_transactions::insert(tx, &from, &id, &answer, now))
            .await?;
        Ok(Response::new(answers))
    }

    async fn take_in_events(
        self: &Arc<Self>,
        origin: &OwnedServerName,
        pdus: Vec<Box<RawValue>>,
    ) -> Result<Answers> {
        let mut rooms: BTreeMap<OwnedRoomId, Vec<Box<RawValue>>> = BTreeMap::new();
        for pdu in pdus {
            match room_of(&pdu) {
                Some(room_id) => rooms.entry(room_id).or_default().push(pdu),
                None => tracing::debug!(%origin, "an event without a room"),
            }
        }
        let answers: Vec<Result<Answers>> = stream::iter(rooms)
            .map(|(room_id, pdus)| self.take_in_room_or_hold(origin, room_id, pdus))
            .buffer_unordered(ROOMS_AT_ONCE)
            .collect()
            .await;
        let mut all = Answers::new();
        for answer in answers {
            all.extend(answer?);
        }
        Ok(all)
    }

    /// [`Remote::take_in_room`], for a room that is being entered when that is done: who sends events of it saw the
    /// join before this server has the room. What takes longer than a server should wait is written down, answered, and
    /// taken in later.
    async fn take_in_room_or_hold(
        &self,
        origin: &OwnedServerName,
        room_id: OwnedRoomId,
        pdus: Vec<Box<RawValue>>,
    ) -> Result<Answers> {
        if self.is_being_entered(&room_id).await? {
            match tokio::time::timeout(JOIN_WAIT, self.entering(&room_id)).await {
                Ok(entered) => drop(entered),
                Err(_) if self.hold(origin, room_id, &pdus).await? => return Ok(Answers::new()),
                Err(_) => return Err(BUSY),
            }
        }
        let taken = self.take_in_room(origin, room_id.clone(), pdus).await?;
        self.postpone(origin, &room_id, taken.waiting).await?;
        Ok(taken.answers)
    }

    pub(super) async fn take_in_room(
        &self,
        origin: &OwnedServerName,
        room_id: OwnedRoomId,
        pdus: Vec<Box<RawValue>>,
    ) -> Result<Taken> {
        let mut taken = Taken::default();
        let Taken { answers, waiting } = &mut taken;
        let info = match self.room(&room_id).await {
            Ok(info) => info,
            Err(Error::Matrix { .. }) => {
                // Without the room's version the events have no ids to answer with.
                tracing::debug!(%origin, %room_id, "events of a room that is not known");
                return Ok(taken);
            }
            Err(error) => return Err(error),
        };
        if !self.may_take_part(origin, &info).await? {
            tracing::debug!(%origin, %room_id, "events of a server that the room does not allow");
            let ids = event_ids(&info, pdus).await?;
            let denied = "The room's access control list does not allow your server";
            answers.extend(ids.into_iter().map(|id| (id, Err(denied.to_owned()))));
            return Ok(taken);
        }
        let resident = self.is_resident(&info).await?;
        let checked = self.check(&info, pdus).await?;
        let mut outcomes = Vec::new();
        if resident {
            let fit = checked.iter().flatten().cloned().map(RemoteEvent::new).collect();
            outcomes = self.timeline.append_remotes(info.nid, fit).await;
        }
        let mut outcomes = outcomes.into_iter();
        for checked in checked {
            let pdu = match checked {
                Ok(pdu) => pdu,
                Err(unfit) => {
                    if self.may_log(origin) {
                        tracing::info!(%origin, %room_id, ?unfit, "event refused");
                    }
                    waiting.extend(unfit.awaits_keys.filter(|_| resident));
                    answers.extend(unfit.event_id.map(|id| (id, Err(unfit.reason))));
                    continue;
                }
            };
            let event_id = pdu.event_id.clone();
            if !resident {
                let is_taken = self.take_refusal(origin, &info, &pdu).await?;
                let stranger = || "This server is not in that room".to_owned();
                answers.insert(event_id, is_taken.then_some(()).ok_or_else(stranger));
                continue;
            }
            let outcome = match outcomes.next() {
                // What it stands on or lacks is fetched, and it is tried again; so are those that stand on it.
                Some(Ok(
                    Outcome::MissingPrev(_) | Outcome::MissingAuth(_) | Outcome::Unsigned(_),
                ))
                | None => {
                    let json = pdu.json.clone();
                    let outcome = self.receive(origin, &info, pdu).await;
                    if stands_on_what_is_missing(&outcome) {
                        waiting.push(Waiting { event_id: event_id.clone(), json });
                    }
                    outcome
                }
                Some(outcome) => {
                    if let Ok(Outcome::Accepted(event)) = &outcome {
                        self.placed(info.nid, &event.pdu.event_id).await?;
                    }
                    outcome
                }
            };
            let answer = match outcome {
                Ok(outcome) => self.verdict(origin, &outcome),
                Err(Error::Matrix { message, .. }) => Err(message.into_owned()),
                Err(error) => return Err(error),
            };
            if let Err(reason) = &answer
                && self.may_log(origin)
            {
                tracing::info!(%origin, %room_id, %event_id, reason, "event not taken");
            }
            answers.insert(event_id, answer);
        }
        Ok(taken)
    }

    /// What the sender of an event is told. Rejected and soft-failed events are kept: not an error of theirs.
    fn verdict(&self, origin: &ServerName, outcome: &Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Accepted(_) | Outcome::Known(_) | Outcome::SoftFailed(_) => Ok(()),
            Outcome::Rejected(event, reason) => {
                if self.may_log(origin) {
                    tracing::info!(event_id = %event.pdu.event_id, reason, "event rejected");
                }
                Ok(())
            }
            Outcome::MissingPrev(_) | Outcome::MissingAuth(_) | Outcome::Unsigned(_) => {
                Err("Events before this one cannot be had".to_owned())
            }
        }
    }
}

/// Whether an event may be taken in once what it stands on can be had.
fn stands_on_what_is_missing(outcome: &Result<Outcome>) -> bool {
    matches!(
        outcome,
        Ok(Outcome::MissingPrev(_) | Outcome::MissingAuth(_) | Outcome::Unsigned(_))
            | Err(Error::Matrix { .. })
    )
}

fn room_of(pdu: &RawValue) -> Option<OwnedRoomId> {
    #[derive(Deserialize)]
    struct Room {
        room_id: OwnedRoomId,
    }
    serde_json::from_str::<Room>(pdu.get()).ok().map(|room| room.room_id)
}

fn remember(answers: &Answers) -> Result<String> {
    let plain: BTreeMap<_, _> =
        answers.iter().map(|(id, answer)| (id, answer.as_ref().err())).collect();
    serde_json::to_string(&plain)
        .map_err(|error| Error::internal(format!("a transaction's answer: {error}")))
}

fn recall(json: &str) -> Result<Answers> {
    let plain: BTreeMap<OwnedEventId, Option<String>> = serde_json::from_str(json)
        .map_err(|error| Error::internal(format!("a stored transaction's answer: {error}")))?;
    Ok(plain.into_iter().map(|(id, error)| (id, error.map_or(Ok(()), Err))).collect())
}
