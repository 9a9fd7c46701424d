//! What happened around an event, and around a time.

use std::sync::Arc;

use ruma::{EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId};

use super::{
    Rooms,
    history::{BEGINNING, Shown, View, Walk, members_of_senders, token},
};
use crate::{
    error::{Error, Result},
    service::{
        event::{Event, Viewer},
        room_info::RoomInfo,
        sessions::Session,
        sync::filter::EventFilter,
    },
    storage::{
        Conn, Position,
        events::{self, Direction},
    },
};

/// How many events beside a time are looked at for one that the caller may see.
const BESIDE_MAX: usize = 1_000;

/// An event and what is around it.
pub struct Surroundings {
    pub event: Shown,
    /// Newest first.
    pub before: Vec<Shown>,
    /// Oldest first.
    pub after: Vec<Shown>,
    pub start: String,
    pub end: String,
    /// After the last of them.
    pub state: Vec<Arc<Event>>,
}

impl Rooms {
    /// An event with at most `limit` others, about half of them before it, and the state after the last.
    pub async fn context_of(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        limit: usize,
        wanted: EventFilter,
    ) -> Result<Surroundings> {
        let around = (limit, &wanted);
        let (found, reached) = self.surroundings(caller, room_id, event_id, around).await?;
        match reached {
            Some((info, gap)) if self.remote.backfill(&info, gap).await? => {
                Ok(self.surroundings(caller, room_id, event_id, around).await?.0)
            }
            _ => Ok(found),
        }
    }

    /// What is here around an event, and the newest gap in what is before it, with its room.
    async fn surroundings(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        (limit, wanted): (usize, &EventFilter),
    ) -> Result<(Surroundings, Option<(Arc<RoomInfo>, Position)>)> {
        if wanted.lazy.is_disabled() {
            self.wait_for_members(room_id).await?;
        }
        let wanted = wanted.clone();
        let context = self.context.clone();
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let device_id = caller.device_id.clone();
        let (room_id, event_id) = (room_id.to_owned(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            let view = View::load(&context, conn, &room_id, (user_nid, &user_id))?;
            view.access.check_history(&context, conn)?;
            let mut event = view.event(conn, &event_id)?;
            let at = event.event.position().unwrap_or(BEGINNING);
            let walk = |start, direction, limit| Walk { start, to: None, direction, limit };
            let just_before = Position(at.0 - 1);
            let before = walk(just_before, Direction::Backward, limit / 2);
            let mut before = view.walk(conn, before, &wanted)?;
            let after = walk(at, Direction::Forward, limit - limit / 2);
            let mut after = view.walk(conn, after, &wanted)?;
            let viewer = Viewer { user_nid, device_id: device_id.as_str(), now_ms: None };
            let all = before.events.iter_mut().chain([&mut event]).chain(&mut after.events);
            view.bundle(conn, viewer.at(context.clock.now_ms()), all)?;

            let last = after.events.last().unwrap_or(&event);
            let state = match last.event.state_after {
                Some(state) => context.states.get(conn, state)?,
                None => return Err(Error::internal("a placed event has no state")),
            };
            let lazy = !wanted.lazy.is_disabled();
            let mut shown = Vec::new();
            for (_, nid) in state.iter() {
                let event = context.events.get(conn, nid)?;
                let left_out = lazy && event.pdu.event_type.to_string() == "m.room.member";
                if !left_out && wanted.wants(&event) {
                    shown.push(event);
                }
            }
            if lazy {
                for part in [&before.events[..], std::slice::from_ref(&event), &after.events[..]] {
                    for member in members_of_senders(&context, conn, part)? {
                        if !shown.iter().any(|known| known.nid == member.nid) {
                            shown.push(member);
                        }
                    }
                }
            }
            let room = &view.access.info;
            let gap = context.gaps.newest(conn, room.nid, (before.at, at))?;
            let reached = gap.filter(|_| limit > 1).map(|gap| (room.clone(), gap));
            let found = Surroundings {
                event,
                start: token(before.at),
                end: token(after.at),
                before: before.events,
                after: after.events,
                state: shown,
            };
            Ok((found, reached))
        });
        read.await
    }

    /// The event closest to a time in a direction, and its time; 404 where there is none that the caller may
    /// see. Where our own history of the room ends before it, other servers are asked.
    ///
    /// The place is found by halving, so where servers told times that do not fit the order of the events,
    /// the answer is one that is close.
    pub async fn event_at(
        &self,
        caller: &Session,
        room_id: &RoomId,
        time: MilliSecondsSinceUnixEpoch,
        direction: Direction,
    ) -> Result<(OwnedEventId, MilliSecondsSinceUnixEpoch)> {
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let read = self.context.store.read(move |conn| {
            let view = View::load(&context, conn, &room_id, (user_nid, &user_id))?;
            view.access.check_history(&context, conn)?;
            let found = closest(conn, &view, time, direction)?;
            let info = view.access.info.clone();
            // Before the first event that is here there may be one that is closer.
            let at_the_end = match (&found, direction) {
                (None, Direction::Forward) => false,
                (None, Direction::Backward) => true,
                (Some(_), Direction::Backward) => false,
                (Some(event), Direction::Forward) => {
                    let before =
                        Position(event.position().unwrap_or(BEGINNING).0.saturating_sub(1));
                    let range = (BEGINNING, before);
                    events::timeline(conn, info.nid, range, Direction::Backward, 1)?.is_empty()
                }
            };
            Ok((info, found, at_the_end && view.access.is_joined()))
        });
        let (info, found, at_the_end) = read.await?;
        if at_the_end && let Some(found) = self.remote.event_at(&info, time, direction).await? {
            return Ok(found);
        }
        let found =
            found.ok_or_else(|| Error::not_found("There is no event on that side of the time"))?;
        Ok((found.pdu.event_id.clone(), found.pdu.origin_server_ts))
    }
}

/// The event here that is closest to a time in a direction.
fn closest(
    conn: &mut Conn,
    view: &View<'_>,
    time: MilliSecondsSinceUnixEpoch,
    direction: Direction,
) -> Result<Option<Arc<Event>>> {
    let time: i64 = time.get().into();
    // The last place before the time, or after it when the time itself still counts.
    let bound = match direction {
        Direction::Forward => time,
        Direction::Backward => time.saturating_add(1),
    };
    let start = events::place_of_time(conn, view.access.info.nid, bound)?;
    let mut walk = Walk { start, to: None, direction, limit: 1 };
    for _ in 0..BESIDE_MAX {
        let walked = view.walk(conn, walk, &EventFilter::default())?;
        let Some(Shown { event, .. }) = walked.events.into_iter().next() else { break };
        let told = i64::from(event.pdu.origin_server_ts.get());
        let fits = match direction {
            Direction::Forward => told >= time,
            Direction::Backward => told <= time,
        };
        if fits {
            return Ok(Some(event));
        }
        walk = Walk { start: walked.at, to: None, direction, limit: 1 };
    }
    Ok(None)
}
