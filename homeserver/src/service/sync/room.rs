//! One room's part of a sync: its timeline, and the state that goes with it.
//!
//! ```text
//! since ──────────────┬───────────── now        limited: `state` is what changed in between,
//!     (left out)      │   timeline              `timeline` are the newest events
//!                prev_batch
//! ```

use std::{collections::BTreeMap, sync::Arc};

use ruma::{
    api::client::sync::sync_events::v3::{
        JoinedRoom, LeftRoom, State as StateBlock, StateEvents, Timeline,
    },
    events::{AnySyncStateEvent, AnySyncTimelineEvent},
    serde::Raw,
};

use super::{SyncRequest, filter::EventFilter};
use crate::{
    error::Result,
    service::{
        event::{Event, Viewer},
        notifier::Subject,
        room_info::RoomInfo,
        rooms::{history, visibility::Filter},
        sessions::Session,
        timeline::Context,
    },
    storage::{
        Conn, EventNid, Position, StateKeyNid,
        events::{self, Direction},
        members::{self, MembershipRow},
        rooms as room_rows,
    },
};

/// Which part of the stream a sync is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub since: Option<Position>,
    pub now: Position,
}

/// The newest events of a range, oldest first.
struct Newest {
    events: Vec<Arc<Event>>,
    /// There are more in the range, before these.
    limited: bool,
    /// Just before the first of them.
    start: Position,
}

#[expect(clippy::too_many_arguments, reason = "what one room of one sync depends on")]
pub(super) fn joined(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    request: &SyncRequest,
    range: Range,
    info: &RoomInfo,
    row: &MembershipRow,
    newly: bool,
) -> Result<JoinedRoom> {
    let filter = &request.filter;
    // A room that is new to the client begins with its newest events, whenever they were sent.
    let after = range.since.filter(|_| !newly);
    let newest = newest(context, conn, caller, &filter.timeline, info, row, after, range.now)?;
    let full = newly || request.full_state;
    let state =
        state(context, conn, caller, request, info, after.filter(|_| !full), range.now, &newest)?;
    let mut room = JoinedRoom::default();
    room.timeline = timeline(caller, newest, newly && range.since.is_some())?;
    room.state = state;
    Ok(room)
}

/// A room that the user is no longer in, up to their leaving; `None` if there is nothing to tell.
pub(super) fn left(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    request: &SyncRequest,
    range: Range,
    info: &RoomInfo,
    row: &MembershipRow,
) -> Result<Option<LeftRoom>> {
    let until = row.position.min(range.now);
    let changes = members::changes(conn, row.room_nid, row.user_nid)?;
    let was_joined = changes.iter().any(|(_, membership)| membership == "join");
    let joined_at_since = range.since.is_some_and(|since| {
        let before = changes.iter().rfind(|(position, _)| *position <= since);
        before.is_some_and(|(_, membership)| membership == "join")
    });
    let after = range.since.filter(|_| joined_at_since);
    let mut room = LeftRoom::default();
    let newest = if was_joined {
        newest(context, conn, caller, &request.filter.timeline, info, row, after, until)?
    } else {
        // Never in the room: only their own membership is theirs to see.
        let event = context.events.get(conn, row.event_nid)?;
        let start = Position(until.0 - 1);
        let events = if event.position().is_some() { vec![event] } else { Vec::new() };
        Newest { events, limited: false, start }
    };
    if was_joined {
        room.state = state(context, conn, caller, request, info, after, until, &newest)?;
    }
    room.timeline = timeline(caller, newest, false)?;
    Ok(Some(room))
}

#[expect(clippy::too_many_arguments, reason = "which events of which room for whom")]
fn newest(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    wanted: &EventFilter,
    info: &RoomInfo,
    row: &MembershipRow,
    after: Option<Position>,
    until: Position,
) -> Result<Newest> {
    let mut found = Newest { events: Vec::new(), limited: false, start: until };
    if !wanted.wants_room(&info.id) {
        return Ok(found);
    }
    let visible = Filter::new(conn, &caller.user_id, Some(row))?;
    let after = after.unwrap_or(Position(i64::MIN));
    let mut at = until;
    'pages: loop {
        // One more than asked for tells whether there are more.
        let page = (wanted.limit - found.events.len() + 1) as i64;
        let rows = events::timeline(conn, info.nid, (after, at), Direction::Backward, page)?;
        let last_page = (rows.len() as i64) < page;
        for (nid, position) in rows {
            let event = context.events.get(conn, nid)?;
            if wanted.wants(&event) && visible.allows(context, conn, &event)? {
                if found.events.len() == wanted.limit {
                    found.limited = true;
                    break 'pages;
                }
                found.events.push(event);
            }
            at = Position(position.0 - 1);
            found.start = at;
        }
        if last_page {
            break;
        }
    }
    found.events.reverse();
    Ok(found)
}

fn timeline(caller: &Session, newest: Newest, gap: bool) -> Result<Timeline> {
    let viewer = viewer(caller);
    let mut timeline = Timeline::default();
    timeline.limited = newest.limited || gap;
    timeline.prev_batch = Some(history::token(newest.start));
    timeline.events = newest
        .events
        .iter()
        .map(|event| event.for_sync(viewer).map(Raw::<AnySyncTimelineEvent>::from_json))
        .collect::<Result<_>>()?;
    if timeline.events.is_empty() && !timeline.limited {
        timeline.prev_batch = None;
    }
    Ok(timeline)
}

/// The state at the start of the timeline, or what changed of it after `after`; with
/// `use_state_after`, the same at the end of the timeline.
#[expect(clippy::too_many_arguments, reason = "which state of which room for whom")]
fn state(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    request: &SyncRequest,
    info: &RoomInfo,
    after: Option<Position>,
    until: Position,
    newest: &Newest,
) -> Result<StateBlock> {
    let at_end = request.use_state_after;
    let nids: Vec<EventNid> = match (after, newest.events.first()) {
        (Some(after), _) if context.notifier.last_change(Subject::State(info.nid)) <= after => {
            Vec::new()
        }
        (Some(after), _) if at_end => changed(conn, info, after, until, &[])?,
        (Some(after), _) => changed(conn, info, after, until, &newest.events)?,
        (None, Some(first)) if !at_end => match first.state_before {
            Some(before) => context.states.get(conn, before)?.iter().map(|(_, nid)| nid).collect(),
            None => Vec::new(),
        },
        (None, _) => {
            let current = room_rows::state_nid(conn, info.nid)?;
            context.states.get(conn, current)?.iter().map(|(_, nid)| nid).collect()
        }
    };
    let filter = &request.filter.state;
    let viewer = viewer(caller);
    let mut block = StateEvents::default();
    if filter.wants_room(&info.id) {
        for nid in nids {
            let event = context.events.get(conn, nid)?;
            if filter.wants(&event) && wanted_member(filter, caller, newest, &event) {
                let event = event.for_sync(viewer)?;
                block.events.push(Raw::<AnySyncStateEvent>::from_json(event));
            }
        }
    }
    Ok(if at_end { StateBlock::After(block) } else { StateBlock::Before(block) })
}

/// With lazily loaded members, only those whose events are in the timeline, and the user's own.
fn wanted_member(filter: &EventFilter, caller: &Session, newest: &Newest, event: &Event) -> bool {
    use ruma::events::TimelineEventType::RoomMember;

    let Some(state_key) = event.pdu.state_key.as_deref() else { return false };
    !filter.lazy_load_members
        || event.pdu.event_type != RoomMember
        || state_key == caller.user_id.as_str()
        || newest.events.iter().any(|shown| shown.pdu.sender.as_str() == state_key)
}

/// What holds the places that changed in a range, as of the first event of `timeline`: what is shown
/// there is left out, unless the room's forks were resolved otherwise.
fn changed(
    conn: &mut Conn,
    info: &RoomInfo,
    after: Position,
    until: Position,
    timeline: &[Arc<Event>],
) -> Result<Vec<EventNid>> {
    let first = timeline.first().and_then(|event| event.position());
    let mut latest: BTreeMap<StateKeyNid, EventNid> = BTreeMap::new();
    for (position, (key, event)) in members::state_changes(conn, info.nid, (after, until))? {
        let Some(event) = event else { continue };
        let shown = timeline.iter().any(|shown| shown.nid == event);
        if first.is_none_or(|first| position < first) || !shown {
            latest.insert(key, event);
        }
    }
    Ok(latest.into_values().collect())
}

fn viewer(caller: &Session) -> Viewer<'_> {
    Viewer::new(caller)
}
