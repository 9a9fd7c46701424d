//! Asking another server for events, auth chains and states of a room that both are in.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use http::StatusCode;
use ruma::{
    OwnedEventId, ServerName, UInt,
    api::{
        error::ErrorKind,
        federation::{
            authorization::get_event_authorization,
            event::{get_event, get_missing_events, get_room_state, get_room_state_ids},
        },
    },
};
use sealpost_federation::client::Limits;
use serde_json::value::RawValue;

use super::{Remote, receive::blocking, refused};
use crate::{
    error::{Error, Result},
    room::{dag, event::Pdu},
    service::{room_info::RoomInfo, timeline::is_out_of_band},
    storage::{EventNid, events},
};

/// How many missing events are asked for before the state is.
const MISSING_MAX: u32 = 20;
/// Up to this many missing events of a state are fetched one by one, otherwise the state as a whole.
pub(super) const SINGLE_MAX: usize = 40;
/// How many single events are fetched at once.
const SINGLE_AT_ONCE: usize = 8;
/// A state or an auth chain of more events is not taken.
const STATE_MAX: usize = 200_000;
/// How many outliers go into one commit (storage rule 1): of each there are half a dozen rows.
const OUTLIERS_AT_ONCE: usize = 100;
/// After so many of them the log is told how far it is.
const TOLD_EVERY: usize = 5_000;

/// Whether a state is asked for as a whole where some of its events are not to be had one by one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Thorough {
    Yes,
    No,
}

impl Remote {
    /// Events between what this server has and `pdu`, oldest first. `None`: `origin` has none of them, or keeps them
    /// back.
    ///
    /// A way that leads around the event with which this server came into the room leads on into the time before:
    /// that is history, which is [fetched](Remote::backfill) when somebody reads it, and no news.
    pub(super) async fn missing_events(
        &self,
        origin: &ServerName,
        info: &RoomInfo,
        pdu: &Pdu,
    ) -> Result<Option<Vec<Pdu>>> {
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| {
            let mut ids = Vec::new();
            for nid in events::forward_extremities(conn, room)? {
                ids.push(context.events.get(conn, nid)?.pdu.event_id.clone());
            }
            Ok((ids, events::depth_of_beginning(conn, room)?.unwrap_or(0)))
        });
        let (have, begin) = read.await?;
        let mut request =
            get_missing_events::v1::Request::new(info.id.clone(), have, vec![pdu.event_id.clone()]);
        request.limit = UInt::from(MISSING_MAX);
        let answer = self
            .client
            .send(origin, request, Limits::EVENTS)
            .await
            .map_err(|error| refused(origin, error))?;
        let mut found = answer.events;
        found.truncate(MISSING_MAX as usize);
        let mut waiting = Vec::new();
        let found = self.check_each(info, found, |unfit| waiting.extend(unfit.awaits_keys)).await?;
        self.postpone(origin, &info.id, waiting).await?;
        let mut found = self.leading_to(&pdu.prev_events, found).await?;
        if found.is_empty() {
            return Ok(None);
        }
        found.retain(|event| event.depth >= begin);
        Ok(Some(found))
    }

    /// Those of `ids` that have no place here.
    pub(super) async fn unplaced(
        &self,
        ids: HashSet<OwnedEventId>,
    ) -> Result<HashSet<OwnedEventId>> {
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let mut unplaced = HashSet::new();
            for id in ids {
                if context.events.by_id(conn, &id)?.is_none_or(|event| event.outlier) {
                    unplaced.insert(id);
                }
            }
            Ok(unplaced)
        });
        read.await
    }

    /// Those of `told` that are among `missing`, or lead there by way of events that have no place here; the
    /// oldest first. Others belong elsewhere: what is before an event that has its place is not news.
    pub(super) async fn leading_to(
        &self,
        missing: &[OwnedEventId],
        told: Vec<Pdu>,
    ) -> Result<Vec<Pdu>> {
        let unplaced = told.iter().map(|event| event.event_id.clone()).collect();
        let unplaced = self.unplaced(unplaced).await?;
        let told = told.into_iter().filter(|event| unplaced.contains(&event.event_id));
        let mut by_id: HashMap<_, _> = told.map(|event| (event.event_id.clone(), event)).collect();
        let mut todo = missing.to_vec();
        let mut found = Vec::new();
        while let Some(id) = todo.pop() {
            if let Some(event) = by_id.remove(&id) {
                todo.extend(event.prev_events.iter().cloned());
                found.push(event);
            }
        }
        Ok(sorted(found, |event| &event.prev_events))
    }

    /// Fetches the auth chain of an event and keeps it as outliers.
    pub(super) async fn fetch_auth_chain(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        event_id: &OwnedEventId,
    ) -> Result<()> {
        let request = get_event_authorization::v1::Request::new(info.id.clone(), event_id.clone());
        let answer = self.spooled(origin, info, request, Limits::AUTH_CHAIN).await?;
        self.keep_checked(info, answer.auth_chain).await
    }

    /// The state after an event that is missing here, as `origin` tells it.
    pub(super) async fn state_after(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        event_id: &OwnedEventId,
    ) -> Result<Vec<EventNid>> {
        let also = Some(event_id);
        let mut state = self.state_ids(origin, info, event_id, also, Thorough::No).await?;
        state.push(event_id.clone());
        self.state_of(info, state).await
    }

    /// The state before an event, as `origin` tells it.
    pub(super) async fn state_before(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        event_id: &OwnedEventId,
    ) -> Result<Vec<EventNid>> {
        let state = self.state_ids(origin, info, event_id, None, Thorough::No).await?;
        self.state_of(info, state).await
    }

    /// The same, told as a whole where events of it are not to be had one by one.
    pub(super) async fn whole_state_before(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        event_id: &OwnedEventId,
    ) -> Result<Vec<EventNid>> {
        let state = self.state_ids(origin, info, event_id, None, Thorough::Yes).await?;
        self.state_of(info, state).await
    }

    /// The ids of the state before an event, with all of it fetched that is not known here, and `also`.
    async fn state_ids(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        event_id: &OwnedEventId,
        also: Option<&OwnedEventId>,
        thorough: Thorough,
    ) -> Result<Vec<OwnedEventId>> {
        let failed = |error| refused(origin, error);
        let request = get_room_state_ids::v1::Request::new(event_id.clone(), info.id.clone());
        let ids = self.client.send(origin, request, Limits::EVENT_IDS).await.map_err(failed)?;
        if ids.pdu_ids.len() + ids.auth_chain_ids.len() > STATE_MAX {
            return Err(Error::forbidden("The room's state is too large"));
        }
        let mut wanted = ids.auth_chain_ids;
        wanted.extend(ids.pdu_ids.iter().cloned());
        wanted.extend(also.cloned());
        let missing = self.unknown(wanted).await?;
        let count = missing.len();
        let mut as_a_whole = count > SINGLE_MAX;
        if !as_a_whole {
            as_a_whole = match self.fetch_events(origin, info, missing).await {
                Ok(found) => thorough == Thorough::Yes && found < count,
                // Without those that were not answered it would be another state, for ever.
                Err(Error::Matrix { .. }) => true,
                Err(error) => return Err(error),
            };
        }
        if as_a_whole {
            let request = get_room_state::v1::Request::new(event_id.clone(), info.id.clone());
            let told = self.spooled(origin, info, request, Limits::STATE).await?;
            let mut awaits_keys = told.awaits_keys;
            let mut events = told.auth_chain;
            events.extend(told.state);
            if let Some(also) = also {
                let also = self.event(origin, also).await?.into_iter().collect();
                let left_out = |unfit| awaits_keys |= self.is_worth_waiting_for(&unfit);
                events.extend(self.check_each(info, also, left_out).await?);
            }
            self.keep_checked(info, events).await?;
            if awaits_keys {
                return Err(keys_awaited());
            }
        }
        Ok(ids.pdu_ids)
    }

    /// The numbers of state events, later ones in the place of earlier ones; rejected ones left out.
    pub(super) async fn state_of(
        &self,
        info: &RoomInfo,
        ids: Vec<OwnedEventId>,
    ) -> Result<Vec<EventNid>> {
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| {
            let mut state = HashMap::new();
            let nids = context.events.nids(conn, ids.iter().map(|id| &**id))?;
            for nid in ids.iter().filter_map(|id| nids.get(id)) {
                let event = context.events.get(conn, *nid)?;
                if event.room_nid == room
                    && !event.rejected
                    && !is_out_of_band(&context, conn, &event)?
                    && let Some(key) = event.state_key_nid
                {
                    state.insert(key, event.nid);
                }
            }
            Ok(state.into_values().collect())
        });
        read.await
    }

    /// Checks events and keeps them as outliers, each after its auth events. An error where one of them is to be waited
    /// for.
    async fn keep(&self, info: &Arc<RoomInfo>, events: Vec<Box<RawValue>>) -> Result<()> {
        if events.len() > STATE_MAX {
            return Err(Error::forbidden("The list of events is too large"));
        }
        let mut awaits_keys = false;
        let left_out = |unfit| awaits_keys |= self.is_worth_waiting_for(&unfit);
        let events = self.check_each(info, events, left_out).await?;
        self.keep_checked(info, events).await?;
        if awaits_keys { Err(keys_awaited()) } else { Ok(()) }
    }

    /// Keeps checked events as outliers, each after its auth events.
    pub(super) async fn keep_checked(&self, info: &Arc<RoomInfo>, events: Vec<Pdu>) -> Result<()> {
        let mut events = blocking(move || sorted(events, |event| &event.auth_events)).await?;
        let count = events.len();
        while !events.is_empty() {
            let kept = count - events.len();
            if kept > 0 && kept % TOLD_EVERY == 0 {
                tracing::info!(room_id = %info.id, "{kept} of {count} events of a room are kept");
            }
            let rest = events.split_off(events.len().min(OUTLIERS_AT_ONCE));
            self.timeline.append_outliers(info.nid, events).await?;
            events = rest;
        }
        Ok(())
    }

    /// Fetches events one by one, as far as `origin` has them, and keeps them as outliers. How many it had. The caller
    /// sees to it that they are few. An error where it does not answer for one of them: it may have it.
    pub(super) async fn fetch_events(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        ids: impl IntoIterator<Item = OwnedEventId>,
    ) -> Result<usize> {
        let asked: Vec<_> = stream::iter(ids)
            .map(|id| async move { self.event(origin, &id).await })
            .buffer_unordered(SINGLE_AT_ONCE)
            .collect()
            .await;
        let (mut found, mut whole) = (Vec::with_capacity(asked.len()), Ok(()));
        for event in asked {
            match event {
                Ok(event) => found.extend(event),
                Err(error) => whole = Err(error),
            }
        }
        let count = found.len();
        // They need not be fetched again.
        self.keep(info, found).await?;
        whole.map(|()| count)
    }

    /// `None`: `origin` does not have it, or keeps it back.
    async fn event(&self, origin: &ServerName, id: &OwnedEventId) -> Result<Option<Box<RawValue>>> {
        let request = get_event::v1::Request::new(id.clone());
        match self.client.send(origin, request, Limits::SMALL).await {
            Ok(answer) => Ok(Some(answer.pdu)),
            Err(error) => {
                tracing::debug!(%origin, event_id = %id, %error, "not fetched");
                match error.is_outage() {
                    true => Err(refused(origin, error)),
                    false => Ok(None),
                }
            }
        }
    }

    /// Those of `ids` that are not known here.
    pub(super) async fn unknown(&self, ids: Vec<OwnedEventId>) -> Result<BTreeSet<OwnedEventId>> {
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let mut unknown = BTreeSet::new();
            for id in ids {
                match context.events.by_id(conn, &id)? {
                    Some(event) if !is_out_of_band(&context, conn, &event)? => {}
                    _ => {
                        unknown.insert(id);
                    }
                }
            }
            Ok(unknown)
        });
        read.await
    }
}

fn keys_awaited() -> Error {
    let message = "An event of the room's state cannot be checked now";
    Error::matrix(StatusCode::BAD_GATEWAY, ErrorKind::Unknown, message)
}

/// Events in an order in which each comes after those it names, without repeats.
pub(super) fn sorted(events: Vec<Pdu>, edges: impl Fn(&Pdu) -> &Vec<OwnedEventId>) -> Vec<Pdu> {
    let mut events: HashMap<OwnedEventId, Pdu> =
        events.into_iter().map(|event| (event.event_id.clone(), event)).collect();
    let order = dag::sort(
        events.keys().cloned().collect::<Vec<_>>(),
        |id| events.get(id).map(|event| edges(event).clone()).unwrap_or_default(),
        |id| events.get(id).map_or(0, |event| event.depth),
    );
    order.into_iter().filter_map(|id| events.remove(&id)).collect()
}
