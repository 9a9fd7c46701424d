//! The members of rooms that were entered without them ([decision 49]).
//!
//! 1. The state before the event that entered, from a server that was in the room: `state_ids`, and what is not known
//!    of it.
//! 2. The states after events that are missing between that event and those that came since.
//! 3. The memberships that this makes, written ahead in chunks.
//! 4. One commit makes the room whole (`timeline/whole.rs`).
//!
//! All of it may be interrupted at any time: what is kept by then is not fetched again.
//!
//! [decision 49]: ../../../../docs/decisions/0049-rooms-without-their-members.md

mod held;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use http::StatusCode;
use ruma::{
    OwnedEventId, OwnedServerName, ServerName, api::federation::discovery::get_server_version,
    events::TimelineEventType,
};
use sealpost_federation::client::Limits;

use self::held::{Departure, departure, held_state};
use super::{Remote, join::answered_wrong, without_members};
use crate::{
    error::{Error, Result},
    service::{
        partial_rooms::PartialRooms,
        room_info::RoomInfo,
        timeline::{Context, WholeState, servers_of},
    },
    storage::{Conn, EventNid, RoomNid, members, partial_rooms},
};

/// How many servers are asked, one after another, before it is waited.
const SERVERS_MAX: usize = 5;
/// After so long, in milliseconds, all of them are, so many at most in one try; and if nobody is left who has the
/// members, the room is what is known of it.
const WITHOUT_THEM_AFTER: i64 = 24 * 60 * 60 * 1000;
const OLD_SERVERS_MAX: usize = 200;
/// The states after so many missing events are asked for.
const GAPS_MAX: usize = 20;

/// What became of a try to make a room whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completed {
    /// There is nothing more to do: the room is whole, or left.
    Done,
    /// No server helped.
    NotYet,
}

/// A room without its members.
struct PartialRoom {
    info: Arc<RoomInfo>,
    /// The event that entered, and when that was.
    join_nid: EventNid,
    join: OwnedEventId,
    since: i64,
    /// Who may know the members.
    servers: Vec<OwnedServerName>,
    departure: Departure,
}

/// What servers said that did not help: once a room is old, in as many tries as it takes to ask all of them.
#[derive(Default)]
pub struct Refusals(HashMap<OwnedServerName, Refusal>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    /// This server is not in the room, they say.
    NotInRoom,
    /// They are not there, or have no members themselves.
    Without,
    Other,
}

impl Refusals {
    fn are_of_all(&self, servers: &[OwnedServerName]) -> bool {
        servers.iter().all(|server| self.0.contains_key(server))
    }

    /// Whether all servers say the same.
    fn all_say(&self, servers: &[OwnedServerName], refusal: Refusal) -> bool {
        servers.iter().all(|server| self.0.get(server) == Some(&refusal))
    }
}

impl Remote {
    /// Rooms that were entered without their members.
    pub fn partial_rooms(&self) -> &PartialRooms {
        &self.context.partial_rooms
    }

    /// Tries to make a room whole. Each `attempt` begins with another of the servers that were in the room; what those
    /// before it were told is among the `refusals`.
    pub async fn complete(
        &self,
        room: RoomNid,
        attempt: usize,
        refusals: &mut Refusals,
    ) -> Result<Completed> {
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| PartialRoom::load(&context, conn, room));
        let Some(mut partial) = read.await? else { return Ok(Completed::Done) };
        if partial.departure == Departure::Left {
            return self.give_up(&partial).await;
        }
        partial
            .servers
            .retain(|server| *server != self.context.server_name && self.policy.allows(server));
        let is_old = partial.is_old(self.context.clock.now_ms());
        let servers_max = if is_old { OLD_SERVERS_MAX } else { SERVERS_MAX };
        let servers = &partial.servers;
        let mut of_this_try = Refusals::default();
        let refusals = if is_old { refusals } else { &mut of_this_try };
        if refusals.are_of_all(servers) {
            refusals.0.clear();
        }
        // All of few are asked each time.
        let step = if servers.len() > servers_max { servers_max } else { 1 };
        let from = attempt.saturating_mul(step).checked_rem(servers.len()).unwrap_or(0);
        let in_turn = servers.iter().cycle().skip(from).take(servers.len());
        let asked: Vec<_> =
            in_turn.filter(|name| !refusals.0.contains_key(*name)).take(servers_max).collect();
        for server in asked {
            // One that answers nothing until the try is ended has had its turn.
            refusals.0.insert(server.clone(), Refusal::Other);
            match self.complete_through(server, &partial).await {
                Ok(()) => return Ok(Completed::Done),
                Err(error @ Error::Matrix { .. }) => {
                    if self.may_log(server) {
                        tracing::info!(%server, room_id = %partial.info.id, %error, "no members of a room from this server");
                    }
                    refusals.0.insert(server.clone(), self.refusal(server, &error, is_old).await);
                }
                Err(error) => return Err(error),
            }
        }
        match partial.departure {
            // Who is thrown out by somebody who might have been banned is still in the room if others say so.
            Departure::Removed if is_old || refusals.all_say(servers, Refusal::NotInRoom) => {
                self.give_up(&partial).await
            }
            Departure::None if is_old && refusals.all_say(servers, Refusal::Without) => {
                self.complete_without(&partial).await
            }
            _ => Ok(Completed::NotYet),
        }
    }

    /// Whether the server is there counts where that is asked for.
    async fn refusal(&self, server: &ServerName, error: &Error, asks_whether: bool) -> Refusal {
        if lacks_members(error) {
            Refusal::Without
        } else if says_not_in_room(error) {
            Refusal::NotInRoom
        } else if asks_whether && !self.is_there(server).await {
            Refusal::Without
        } else {
            Refusal::Other
        }
    }

    /// Waits until everybody of this server has left a partial room, or it is not partial any more.
    pub async fn left(&self, room: RoomNid) {
        loop {
            self.context.partial_rooms.member_change(room).await;
            let context = self.context.clone();
            let read = self.context.store.read(move |conn| departure(&context, conn, room));
            if !self.context.partial_rooms.is_partial(room)
                || read.await.is_ok_and(|departure| departure == Departure::Left)
            {
                return;
            }
        }
    }

    /// Nobody of this server is in the room any more.
    async fn give_up(&self, partial: &PartialRoom) -> Result<Completed> {
        let room_id = &partial.info.id;
        if !self.timeline.give_up(partial.info.nid, partial.join_nid).await? {
            return Ok(Completed::NotYet);
        }
        tracing::info!(%room_id, "a room was left before its members were here");
        Ok(Completed::Done)
    }

    /// Nobody who has the members is left: those that are known are all.
    async fn complete_without(&self, partial: &PartialRoom) -> Result<Completed> {
        let (context, room) = (self.context.clone(), partial.info.nid);
        let read = self.context.store.read(move |conn| held_state(&context, conn, room));
        let (join, gaps) = (partial.join_nid, HashMap::new());
        let told = WholeState { join, state: read.await?, gaps };
        self.timeline.complete(room, told).await?;
        tracing::warn!(room_id = %partial.info.id, "no server tells the members of a room: those that are known are taken for all");
        Ok(Completed::Done)
    }

    /// Whether a server answers anything.
    async fn is_there(&self, server: &ServerName) -> bool {
        let version = get_server_version::v1::Request::new();
        let answer = self.client.send_unsigned(server, version, Limits::SMALL).await;
        answer.err().is_none_or(|error| !error.is_outage())
    }

    async fn complete_through(&self, server: &ServerName, partial: &PartialRoom) -> Result<()> {
        let PartialRoom { info, join, join_nid, .. } = partial;
        tracing::info!(%server, room_id = %info.id, "fetching the members of a room");
        let state = self.whole_state_before(server, info, join).await?;
        let (context, told) = (self.context.clone(), state.clone());
        let read = self.context.store.read(move |conn| members_of(&context, conn, &told));
        let (members, has_create) = read.await?;
        if !has_create {
            return Err(answered_wrong(server, "a state without a create event"));
        }
        let count = members.len();
        tracing::info!(%server, room_id = %info.id, count, "the members of a room are fetched");
        let gaps = self.gaps_of(server, partial).await?;
        self.timeline.write_members_ahead(info.nid, members).await?;
        let told = WholeState { join: *join_nid, state, gaps };
        if self.timeline.complete(info.nid, told).await? {
            tracing::info!(room_id = %info.id, count, "all members of a room are here");
        }
        Ok(())
    }

    /// The states after the events that are missing in a room since it was entered, as far as `server` tells.
    async fn gaps_of(
        &self,
        server: &ServerName,
        partial: &PartialRoom,
    ) -> Result<HashMap<OwnedEventId, Vec<EventNid>>> {
        let info = &partial.info;
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| missing(&context, conn, room));
        let mut gaps = HashMap::new();
        for prev in read.await?.into_iter().take(GAPS_MAX) {
            match self.state_after(server, info, &prev).await {
                Ok(state) => {
                    gaps.insert(prev, state);
                }
                // It may be had the next time: without it the room would be another, for ever.
                Err(error @ Error::Matrix { status: StatusCode::BAD_GATEWAY, .. })
                    if !partial.is_old(self.context.clock.now_ms()) =>
                {
                    return Err(error);
                }
                Err(error @ Error::Matrix { .. }) => {
                    if self.may_log(server) {
                        tracing::info!(%server, event_id = %prev, %error, "no state after a missing event");
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(gaps)
    }
}

impl PartialRoom {
    /// Whether the room has been partial for so long that what cannot be had is gone without.
    fn is_old(&self, now: i64) -> bool {
        self.since.saturating_add(WITHOUT_THEM_AFTER) < now
    }

    /// `None`: the room is whole.
    fn load(context: &Context, conn: &mut Conn, room: RoomNid) -> Result<Option<Self>> {
        let row = partial_rooms::get(conn, room)?.filter(|row| row.whole_at.is_none());
        let Some(row) = row else { return Ok(None) };
        let join = context.events.get(conn, row.join_nid)?;
        let mut servers = servers_of(&row.servers);
        // Others came since, or were learned of.
        let told: HashSet<OwnedServerName> = servers.iter().cloned().collect();
        let known = members::servers(conn, room)?.into_iter();
        let known = known.filter_map(|name| OwnedServerName::try_from(name).ok());
        servers.extend(known.filter(|name| !told.contains(name)));
        Ok(Some(Self {
            info: context.rooms.by_nid(conn, room)?,
            join_nid: row.join_nid,
            join: join.pdu.event_id.clone(),
            since: join.received_at,
            servers,
            departure: departure(context, conn, room)?,
        }))
    }
}

fn says_not_in_room(error: &Error) -> bool {
    matches!(error, Error::Matrix { status, .. } if *status == StatusCode::FORBIDDEN)
}

/// The server does not have the members either.
fn lacks_members(error: &Error) -> bool {
    matches!(error, Error::Matrix { kind, .. } if kind.errcode() == without_members().errcode())
}

/// The member events of a state, and whether it has a create event.
fn members_of(
    context: &Context,
    conn: &mut Conn,
    state: &[EventNid],
) -> Result<(Vec<EventNid>, bool)> {
    let (mut members, mut has_create) = (Vec::with_capacity(state.len()), false);
    for &nid in state {
        match context.events.get(conn, nid)?.pdu.event_type {
            TimelineEventType::RoomMember => members.push(nid),
            TimelineEventType::RoomCreate => has_create = true,
            _ => {}
        }
    }
    Ok((members, has_create))
}

/// The prev_events, of the events since a room was entered, that have no place here.
fn missing(context: &Context, conn: &mut Conn, room: RoomNid) -> Result<BTreeSet<OwnedEventId>> {
    let mut missing = BTreeSet::new();
    for nid in partial_rooms::events(conn, room)?.into_iter().skip(1) {
        for prev in &context.events.get(conn, nid)?.pdu.prev_events {
            if context.events.by_id(conn, prev)?.is_none_or(|event| event.outlier) {
                missing.insert(prev.clone());
            }
        }
    }
    Ok(missing)
}
