//! One event of another server, from its bytes to its place in the room.
//!
//! 1. Format, signatures, hash: [`Remote::check`], off the async threads, keys fetched before. What fails for keys that
//!    may be had later is tried again (`postponed_events.rs`).
//! 2. Append. What is missing is named in the outcome, and the room's queue is left:
//!    - auth events: fetched, kept as outliers, append again;
//!    - prev events: first the events between what we have and this one (`get_missing_events`), each
//!      appended; where a gap stays, the state after the missing event (`state_ids`), then append on that.
//!      A server that has none of them is not asked for a state.
//!      While the room's members are not here, the gap is taken to change nothing;
//!    - the signature of the room's policy server: asked for, once.

use std::sync::Arc;

use ruma::{
    CanonicalJsonObject, OwnedEventId, OwnedServerName, ServerName,
    room_version_rules::RoomVersionRules,
};
use sealpost_federation::{canonical, event::needed_keys, keyring::EventKeys};
use serde_json::value::RawValue;

use super::{Remote, fetch::SINGLE_MAX, postponed_events::Waiting};
use crate::{
    error::{Error, Result},
    room::{check, event::Pdu},
    service::{
        room_info::RoomInfo,
        timeline::{Before, Outcome, RemoteEvent},
    },
};

/// How often an event's missing auth events are fetched before it is given up.
const AUTH_ATTEMPTS: usize = 3;

/// For how many missing events the state is asked for on the way to one event, and how many of these are
/// kept for that event itself.
const GAP_STATES_MAX: usize = 10;
const GAP_STATES_MIN: usize = 5;

/// An event that failed a check, with its id where it has one.
#[derive(Debug, Default)]
pub struct Unfit {
    pub event_id: Option<OwnedEventId>,
    pub reason: String,
    /// A server that should have signed it, whose keys cannot be had.
    pub without_keys_of: Option<OwnedServerName>,
    /// The event, where these keys may be had later.
    pub(super) awaits_keys: Option<Waiting>,
}

impl Unfit {
    /// What its server is told: what has no id is no event at all.
    pub(super) fn refusal(self, of_event: impl FnOnce(String) -> Error) -> Error {
        match self.event_id {
            Some(_) => of_event(self.reason),
            None => Error::bad_json(self.reason),
        }
    }
}

impl Remote {
    /// Checks 1 to 3 on receipt of events of one room, in order.
    pub(super) async fn check(
        &self,
        info: &RoomInfo,
        events: Vec<Box<RawValue>>,
    ) -> Result<Vec<Result<Pdu, Unfit>>> {
        let rules = info.rules;
        let parsed = blocking(move || {
            events.into_iter().map(|raw| parse(raw.get(), rules)).collect::<Vec<_>>()
        })
        .await?;
        let needed: Vec<_> = parsed.iter().flatten().map(|parsed| parsed.needed.clone()).collect();
        let keys = self.keyring.event_keys(&needed, self.context.clock.now_ms()).await;
        let room_id = info.id.clone();
        blocking(move || {
            let mut keys = keys.into_iter();
            let check = |parsed: Result<Parsed, Unfit>| {
                let Parsed { object, event_id, needed } = parsed?;
                let EventKeys { keys, awaited } = keys.next().unwrap_or_default();
                let signed = (!awaited.is_empty()).then(|| object.clone());
                let checked =
                    check::receive_as(event_id.clone(), object, Some(&room_id), rules, &keys);
                checked.map_err(|error| {
                    let mut servers = needed.servers.into_keys();
                    let without_keys_of = servers.find(|name| !keys.contains_key(name.as_str()));
                    let awaits = |name: &str| awaited.iter().any(|awaited| awaited == name);
                    let awaits_keys = signed
                        .filter(|_| error.without_keys_of().is_some_and(awaits))
                        .and_then(|object| Waiting::new(event_id.clone(), object, rules));
                    let reason = error.to_string();
                    Unfit { event_id: Some(event_id), reason, without_keys_of, awaits_keys }
                })
            };
            parsed.into_iter().map(check).collect()
        })
        .await
    }

    /// [`Remote::check`] of several events of which those that fail are left out.
    pub(super) async fn check_fit(
        &self,
        info: &RoomInfo,
        events: Vec<Box<RawValue>>,
    ) -> Result<Vec<Pdu>> {
        self.check_each(info, events, |_| {}).await
    }

    /// The same, where `left_out` is told of those that fail.
    pub(super) async fn check_each(
        &self,
        info: &RoomInfo,
        events: Vec<Box<RawValue>>,
        mut left_out: impl FnMut(Unfit),
    ) -> Result<Vec<Pdu>> {
        let mut fit = Vec::with_capacity(events.len());
        for checked in self.check(info, events).await? {
            match checked {
                Ok(pdu) => fit.push(pdu),
                Err(unfit) => {
                    tracing::debug!(room = %info.id, ?unfit, "event left out");
                    left_out(unfit);
                }
            }
        }
        Ok(fit)
    }

    /// Gives a checked event its place, with what it needs fetched from `origin`.
    pub(super) async fn receive(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        pdu: Pdu,
    ) -> Result<Outcome> {
        let outcome = self.append(origin, info, RemoteEvent::new(pdu.clone())).await?;
        if !matches!(outcome, Outcome::MissingPrev(_)) {
            return Ok(outcome);
        }
        let between = match self.missing_events(origin, info, &pdu).await {
            // It does not have them either, or keeps them back: no state is taken on its word alone.
            Ok(None) => return self.append(origin, info, RemoteEvent::new(pdu)).await,
            Ok(Some(between)) => between,
            Err(error) => {
                tracing::debug!(%origin, room = %info.id, %error, "missing events not fetched");
                Vec::new()
            }
        };
        let mut states_left = GAP_STATES_MAX;
        for missing in between {
            let event_id = missing.event_id.clone();
            let appended = self.append_over_gap(origin, info, missing, &mut states_left).await;
            if let Err(error) = appended {
                tracing::debug!(%origin, %event_id, %error, "missing event not taken");
            }
        }
        let mut states_left = states_left.max(GAP_STATES_MIN);
        self.append_over_gap(origin, info, pdu, &mut states_left).await
    }

    /// Appends an event; where its prev events are missing, on the state that `origin` tells.
    async fn append_over_gap(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        pdu: Pdu,
        states_left: &mut usize,
    ) -> Result<Outcome> {
        let mut event = RemoteEvent::new(pdu);
        let missing = match self.append(origin, info, event.clone()).await? {
            Outcome::MissingPrev(missing) => missing,
            outcome => return Ok(outcome),
        };
        // Of a room whose members are not here no states are asked for: what stands over the gap is checked again.
        if self.context.partial_rooms.is_partial(info.nid) {
            event.before = Before::Assumed;
            match self.append(origin, info, event.clone()).await? {
                // The room is whole by now.
                Outcome::MissingPrev(_) => {}
                outcome => return Ok(outcome),
            }
        }
        *states_left = states_left
            .checked_sub(missing.len())
            .ok_or_else(|| Error::forbidden("Too many events before this one are missing"))?;
        let mut states = Vec::with_capacity(missing.len());
        for prev in missing {
            let state = self.state_after(origin, info, &prev).await?;
            states.push((prev, state));
        }
        event.before = Before::Gap(states);
        self.append(origin, info, event).await
    }

    /// Appends an event, with missing auth events fetched from `origin`, and the signature of the room's policy server
    /// asked for.
    pub(super) async fn append(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        event: RemoteEvent,
    ) -> Result<Outcome> {
        let (mut event, mut fetched) = (event, 0);
        // One more for the signature.
        for _ in 0..=AUTH_ATTEMPTS {
            match self.timeline.append_remote(info.nid, event.clone()).await? {
                Outcome::MissingAuth(_) if fetched == AUTH_ATTEMPTS => break,
                Outcome::MissingAuth(missing) => {
                    fetched += 1;
                    match self.fetch_auth_chain(origin, info, &event.pdu.event_id).await {
                        // It may have them all the same.
                        Err(error @ Error::Matrix { .. }) => {
                            tracing::debug!(%origin, %error, "no auth chain of an event");
                            let missing = missing.into_iter().take(SINGLE_MAX);
                            self.fetch_events(origin, info, missing).await?;
                        }
                        chain => chain?,
                    }
                }
                Outcome::Unsigned(policy) => event = self.asked(info, event, &policy).await?,
                outcome => {
                    if let Outcome::Accepted(event) = &outcome {
                        self.placed(info.nid, &event.pdu.event_id).await?;
                    }
                    return Ok(outcome);
                }
            }
        }
        Err(Error::forbidden("The events that would authorise this one cannot be had"))
    }
}

/// The ids of events as they came, unchecked; of those that have one.
pub(super) async fn event_ids(
    info: &RoomInfo,
    events: Vec<Box<RawValue>>,
) -> Result<Vec<OwnedEventId>> {
    let rules = info.rules;
    let ids = move || {
        let parsed = events.iter().filter_map(|raw| canonical::parse(raw.get(), rules).ok());
        parsed.filter_map(|object| check::event_id(&object, rules).ok()).collect()
    };
    blocking(ids).await
}

struct Parsed {
    object: CanonicalJsonObject,
    event_id: OwnedEventId,
    needed: sealpost_federation::event::NeededKeys,
}

fn parse(json: &str, rules: &RoomVersionRules) -> Result<Parsed, Unfit> {
    let unfit = |reason: String| Unfit { reason, ..Unfit::default() };
    let object = canonical::parse(json, rules).map_err(|error| unfit(error.to_string()))?;
    let event_id = check::event_id(&object, rules).map_err(|error| unfit(error.to_string()))?;
    match needed_keys(&object, rules) {
        Ok(needed) => Ok(Parsed { object, event_id, needed }),
        Err(error) => Err(Unfit { event_id: Some(event_id), ..unfit(error.to_string()) }),
    }
}

/// Runs what takes long off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal(format!("a check did not end: {error}")))
}
