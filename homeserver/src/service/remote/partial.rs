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

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use ruma::{OwnedEventId, OwnedServerName, ServerName, events::TimelineEventType};

use super::{Remote, join::answered_wrong};
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

impl Remote {
    /// Rooms that were entered without their members.
    pub fn partial_rooms(&self) -> &PartialRooms {
        &self.context.partial_rooms
    }

    /// Tries to make a room whole. Each `attempt` begins with another of the servers that were in the room.
    pub async fn complete(&self, room: RoomNid, attempt: usize) -> Result<Completed> {
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let row = partial_rooms::get(conn, room)?.filter(|row| row.whole_at.is_none());
            let Some(row) = row else { return Ok(None) };
            let join = context.events.get(conn, row.join_nid)?.pdu.event_id.clone();
            Ok(Some((context.rooms.by_nid(conn, room)?, row.join_nid, join, row.servers)))
        });
        let Some((info, join_nid, join, servers)) = read.await? else { return Ok(Completed::Done) };
        if !self.is_resident(&info).await? {
            return self.give_up(&info, join_nid).await;
        }
        let servers: Vec<OwnedServerName> =
            servers_of(&servers).into_iter().filter(|server| self.policy.allows(server)).collect();
        // All of few are asked each time.
        let step = if servers.len() > SERVERS_MAX { SERVERS_MAX } else { 1 };
        let from = attempt.saturating_mul(step).checked_rem(servers.len()).unwrap_or(0);
        for server in servers.iter().cycle().skip(from).take(servers.len().min(SERVERS_MAX)) {
            match self.complete_through(server, &info, (join_nid, &join)).await {
                Ok(()) => return Ok(Completed::Done),
                Err(error @ Error::Matrix { .. }) => {
                    tracing::info!(%server, room_id = %info.id, %error, "no members of a room from this server");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Completed::NotYet)
    }

    /// Waits until nobody of this server is in a partial room, or it is not partial any more.
    pub async fn left(&self, room: RoomNid) {
        loop {
            self.context.partial_rooms.member_change(room).await;
            let read = self.context.store.read(move |conn| members::is_resident(conn, room));
            if !self.context.partial_rooms.is_partial(room) || !read.await.unwrap_or(true) {
                return;
            }
        }
    }

    /// Nobody of this server is in the room any more.
    async fn give_up(&self, info: &RoomInfo, join: EventNid) -> Result<Completed> {
        let (context, room) = (self.context.clone(), info.nid);
        let write = self.context.store.write(move |tx| {
            // It may have been entered again since.
            if partial_rooms::get(tx, room)?.is_none_or(|row| row.join_nid != join) {
                return Ok(());
            }
            partial_rooms::delete(tx, room)?;
            let context = context.clone();
            tx.after_commit(move || context.partial_rooms.forget(room));
            Ok(())
        });
        write.await?;
        tracing::info!(room_id = %info.id, "a room was left before its members were here");
        Ok(Completed::Done)
    }

    async fn complete_through(
        &self,
        server: &ServerName,
        info: &Arc<RoomInfo>,
        (join_nid, join): (EventNid, &OwnedEventId),
    ) -> Result<()> {
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
        let gaps = self.gaps_of(server, info).await?;
        self.timeline.write_members_ahead(info.nid, members).await?;
        let told = WholeState { join: join_nid, state, gaps };
        if self.timeline.complete(info.nid, told).await? {
            tracing::info!(room_id = %info.id, count, "all members of a room are here");
        }
        Ok(())
    }

    /// The states after the events that are missing in a room since it was entered, as far as `server` tells.
    async fn gaps_of(
        &self,
        server: &ServerName,
        info: &Arc<RoomInfo>,
    ) -> Result<HashMap<OwnedEventId, Vec<EventNid>>> {
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| missing(&context, conn, room));
        let mut gaps = HashMap::new();
        for prev in read.await?.into_iter().take(GAPS_MAX) {
            match self.state_after(server, info, &prev).await {
                Ok(state) => {
                    gaps.insert(prev, state);
                }
                Err(error @ Error::Matrix { .. }) => {
                    tracing::info!(%server, event_id = %prev, %error, "no state after a missing event");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(gaps)
    }
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
