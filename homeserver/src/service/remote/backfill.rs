//! History from before this server was in a room, or from while it was away, asked of servers that were there.
//!
//! 1. The prev_events that are missing of the event after a gap tell where to go on.
//! 2. One server after another is asked for what is before; the first answer that brings something is taken.
//! 3. The events are checked like any other, and those that authorise them fetched.
//! 4. Where an event's prev_events are not known, the state before it is asked for, a few times at most; the
//!    states of the others follow from the events.
//! 5. All get their places before the event after the gap, oldest first, in one commit: below 1 where nothing
//!    is before it, otherwise among the positions that the commit of that event has left free.

use std::{collections::HashSet, sync::Arc, time::Duration};

use ruma::{
    OwnedEventId, OwnedServerName, ServerName, UInt, api::federation::backfill::get_backfill,
};
use sealpost_federation::client::Limits;

use super::{Remote, refused};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::{
        room_info::RoomInfo,
        timeline::{Before, Direction, Outcome, RemoteEvent},
    },
    storage::{Position, events},
};

/// How many events are asked for at once.
const EVENTS: u32 = 100;
/// How many missing events are named.
const FROM_MAX: usize = 20;
/// How many servers are asked, one after another.
const SERVERS_MAX: usize = 5;
/// How many states are asked for.
const STATES_MAX: usize = 5;
/// How many events that authorise others are fetched one by one.
const AUTH_MAX: usize = 50;
/// How long somebody waits for history.
const WAIT: Duration = Duration::from_secs(40);
/// After servers had nothing, they are not asked about the same room for so long, in milliseconds.
const PAUSE_MS: i64 = 60_000;

/// A gap in a room's timeline.
struct Gap {
    /// Of the event after it.
    end: Position,
    /// Of the event before it.
    begin: Option<Position>,
    /// The prev_events of the event after it that have no place here.
    missing: Vec<OwnedEventId>,
    /// Whose the event after it is: they know what is before it.
    told_by: Option<OwnedServerName>,
}

impl Remote {
    /// Fetches history into the gap before the event at `end`. Whether there is more now.
    pub async fn backfill(&self, info: &Arc<RoomInfo>, end: Position) -> Result<bool> {
        let _one_at_a_time = self.backfilling.lock(&info.nid).await;
        let now = self.context.clock.now_ms();
        let key = (info.nid, end);
        if self.backfill_failed.get(&key).is_some_and(|at| now < at + PAUSE_MS)
            || !self.is_resident(info).await?
        {
            return Ok(false);
        }
        let gap = self.gap(info, end).await?;
        if gap.missing.is_empty() {
            // Somebody else fetched while this one waited.
            return Ok(true);
        }
        let filled = tokio::time::timeout(WAIT, self.ask_for_history(info, &gap)).await;
        let filled = filled.unwrap_or(Ok(false))?;
        if filled {
            self.backfill_failed.remove(&key);
        } else {
            self.backfill_failed.insert(key, now);
        }
        Ok(filled)
    }

    async fn gap(&self, info: &RoomInfo, end: Position) -> Result<Gap> {
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| {
            let mut missing = events::missing_before(conn, room, end)?;
            missing.truncate(FROM_MAX);
            let until_end = (Position(i64::MIN), end);
            let mut rows = events::timeline(conn, room, until_end, Direction::Backward, 2)?;
            rows.reverse();
            let told_by = match rows.pop() {
                Some((nid, at)) if at == end => {
                    let event = context.events.get(conn, nid)?;
                    Some(event.pdu.sender.server_name().to_owned())
                }
                _ => None,
            };
            let begin = rows.pop().map(|(_, position)| position);
            Ok(Gap { end, begin, missing, told_by })
        });
        read.await
    }

    async fn ask_for_history(&self, info: &Arc<RoomInfo>, gap: &Gap) -> Result<bool> {
        for server in self.servers_in(info, gap.told_by.as_deref()).await? {
            match self.history_from(&server, info, gap).await {
                Ok(0) => {}
                Ok(count) => {
                    tracing::debug!(%server, room_id = %info.id, count, "history fetched");
                    return Ok(true);
                }
                Err(error @ Error::Matrix { .. }) => {
                    tracing::debug!(%server, room_id = %info.id, %error, "no history fetched");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Other servers in a room that we talk to, a few: first `preferred`, then those who came first.
    pub(super) async fn servers_in(
        &self,
        info: &RoomInfo,
        preferred: Option<&ServerName>,
    ) -> Result<Vec<OwnedServerName>> {
        let (context, others, room) = (self.context.clone(), self.others.clone(), info.nid);
        let read = self.context.store.read(move |conn| others.in_room(&context, conn, room));
        let mut servers = (*read.await?).clone();
        let at = servers.iter().position(|server| Some(&**server) == preferred);
        if let Some(first) = at.and_then(|at| servers.get_mut(..=at)) {
            first.rotate_right(1);
        }
        servers.truncate(SERVERS_MAX);
        Ok(servers)
    }

    /// Takes what one server tells. How many events got their place.
    async fn history_from(
        &self,
        server: &ServerName,
        info: &Arc<RoomInfo>,
        gap: &Gap,
    ) -> Result<usize> {
        let from = gap.missing.clone();
        let request = get_backfill::v1::Request::new(info.id.clone(), from, UInt::from(EVENTS));
        let answer = self.client.send(server, request, Limits::EVENTS).await;
        let mut told = answer.map_err(|error| refused(server, error))?.pdus;
        told.truncate(EVENTS as usize);
        let told = self.check_fit(info, told).await?;
        let told = self.leading_to(&gap.missing, told).await?;
        self.fetch_authorising(server, info, &told).await?;
        let events = gap.place(self.with_states(server, info, told).await?);
        if events.is_empty() {
            return Ok(0);
        }
        let outcomes = self.timeline.append_past(info.nid, events).await?;
        let placed = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Accepted(_) | Outcome::Rejected(..)));
        Ok(placed.count())
    }

    /// Fetches those auth events of `told` that are neither known nor among them.
    async fn fetch_authorising(
        &self,
        server: &ServerName,
        info: &Arc<RoomInfo>,
        told: &[Pdu],
    ) -> Result<()> {
        let own: HashSet<&OwnedEventId> = told.iter().map(|event| &event.event_id).collect();
        let named = told.iter().flat_map(|event| &event.auth_events);
        let named: HashSet<OwnedEventId> = named.filter(|id| !own.contains(id)).cloned().collect();
        let missing = self.unknown(named.into_iter().collect()).await?;
        if missing.is_empty() {
            return Ok(());
        }
        if missing.len() > AUTH_MAX {
            // The newest event's auth chain has what is needed of all of them, or nearly.
            return match told.last() {
                Some(last) => self.fetch_auth_chain(server, info, &last.event_id).await,
                None => Ok(()),
            };
        }
        self.fetch_events(server, info, missing).await.map(drop)
    }

    /// The events that follow known ones or whose state before could be had.
    async fn with_states(
        &self,
        server: &ServerName,
        info: &Arc<RoomInfo>,
        told: Vec<Pdu>,
    ) -> Result<Vec<RemoteEvent>> {
        let named = told.iter().flat_map(|event| event.prev_events.iter().cloned()).collect();
        let unplaced = self.unplaced(named).await?;
        let mut events: Vec<RemoteEvent> = Vec::with_capacity(told.len());
        let mut placed: HashSet<OwnedEventId> = HashSet::new();
        let mut asked = 0;
        for pdu in told {
            let follows =
                pdu.prev_events.iter().all(|id| placed.contains(id) || !unplaced.contains(id));
            let before = if follows {
                Before::PrevEvents
            } else if asked < STATES_MAX {
                asked += 1;
                match self.state_before(server, info, &pdu.event_id).await {
                    Ok(state) => Before::Entry(state),
                    Err(error @ Error::Matrix { .. }) => {
                        tracing::debug!(%server, event_id = %pdu.event_id, %error, "no state");
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            } else {
                continue;
            };
            placed.insert(pdu.event_id.clone());
            events.push(RemoteEvent { before, ..RemoteEvent::new(pdu) });
        }
        Ok(events)
    }
}

impl Gap {
    /// Gives events, the oldest first, their places; those for which there is none are left out.
    fn place(&self, mut events: Vec<RemoteEvent>) -> Vec<RemoteEvent> {
        let (top, free) = match self.begin {
            None => (self.end.0.min(1), usize::MAX),
            Some(begin) => {
                let free = self.end.0.saturating_sub(begin.0).saturating_sub(1);
                (self.end.0, usize::try_from(free).unwrap_or(0))
            }
        };
        events.drain(..events.len().saturating_sub(free));
        for (event, place) in events.iter_mut().rev().zip(1..) {
            event.past = Some(Position(top.saturating_sub(place)));
        }
        events
    }
}
