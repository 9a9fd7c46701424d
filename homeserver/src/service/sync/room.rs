//! One room's part of a v3 sync: its timeline, and the state that goes with it.
//!
//! ```text
//! since ──────────────┬───────────── now        limited: `state` is what changed in between,
//!     (left out)      │   timeline              `timeline` are the newest events
//!                prev_batch
//! ```

use std::collections::BTreeMap;

use ruma::{
    api::client::{
        filter::LazyLoadOptions,
        sync::sync_events::v3::{JoinedRoom, LeftRoom, State as StateBlock, StateEvents, Timeline},
    },
    events::{AnySyncStateEvent, AnySyncTimelineEvent, room::member::MembershipState},
    serde::Raw,
};

use super::{
    SyncRequest,
    streams::{Scope, summary},
    timeline::{Newest, Shown, newest},
};
use crate::{
    error::Result,
    service::{
        event::{Extra, Viewer},
        notifier::Subject,
        room_digest::RoomDigest,
        room_info::RoomInfo,
        rooms::history,
    },
    storage::{
        Conn, EventNid, Position, StateKeyNid,
        members::{self, MembershipRow},
        rooms as room_rows,
        state::{Change, Entry, State},
    },
};

/// Which part of the stream a sync is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub since: Option<Position>,
    pub now: Position,
}

/// The state that a client knows, and that it is to know.
struct Known {
    /// What it knew before; `None`: nothing, so it is told all.
    after: Option<Position>,
    /// What changed since.
    changes: Vec<(Position, Change)>,
    /// At the end.
    end: State,
    /// Members that it needs besides those in the timeline.
    heroes: Vec<EventNid>,
}

pub(super) fn joined(
    scope: &Scope<'_>,
    conn: &mut Conn,
    request: &SyncRequest,
    range: Range,
    info: &RoomInfo,
    row: &MembershipRow,
    newly: bool,
) -> Result<JoinedRoom> {
    let context = scope.context;
    // A room that is new to the client begins with its newest events, whenever they were sent.
    let after = range.since.filter(|_| !newly);
    let newest = newest(scope, conn, &request.filter.timeline, info, row, after, range.now)?;
    let full = newly || request.full_state;
    let changes = changes(scope, conn, info, after, range.now)?;
    let mut room = JoinedRoom::default();
    let mut heroes = Vec::new();
    let is_whole_since = |after| context.partial_rooms.is_whole_since(info.nid, after);
    let counts_anew = after.is_some_and(is_whole_since);
    if full || counts_anew || summary::is_changed(scope, conn, &changes)? {
        let digest = scope.streams.digests.get(context, conn, info.nid)?;
        room.summary = summary::summary(scope, &digest);
        heroes = members_of(scope, &digest);
    }
    let end = room_rows::state_nid(conn, info.nid)?;
    let end = context.states.get(conn, end)?;
    let known = Known { after: after.filter(|_| !full), changes, end, heroes };
    room.state = state(scope, conn, request, info, range.now, known, &newest)?;
    room.timeline = timeline(scope, request, newest, newly && range.since.is_some())?;
    Ok(room)
}

/// The member events of those whom a room without a name is named after.
fn members_of(scope: &Scope<'_>, digest: &RoomDigest) -> Vec<EventNid> {
    match digest.is_named() {
        true => Vec::new(),
        false => digest.heroes(scope.caller.user_nid).map(|hero| hero.event_nid).collect(),
    }
}

/// A room that the user is no longer in, up to their leaving; `None` if there is nothing to tell.
pub(super) fn left(
    scope: &Scope<'_>,
    conn: &mut Conn,
    request: &SyncRequest,
    range: Range,
    info: &RoomInfo,
    row: &MembershipRow,
) -> Result<Option<LeftRoom>> {
    let context = scope.context;
    let until = row.position.min(range.now);
    let changes_of_membership = members::changes(conn, row.room_nid, row.user_nid)?;
    let was_joined = changes_of_membership.iter().any(|(_, membership)| membership == "join");
    let joined_at_since = range.since.is_some_and(|since| {
        let before = changes_of_membership.iter().rfind(|(position, _)| *position <= since);
        before.is_some_and(|(_, membership)| membership == "join")
    });
    let after = range.since.filter(|_| joined_at_since);
    let mut room = LeftRoom::default();
    let leave = context.events.get(conn, row.event_nid)?;
    let end = leave.state_after;
    let newest = if was_joined {
        let wanted = &request.filter.timeline;
        let mut newest = newest(scope, conn, wanted, info, row, after, until)?;
        // A ban that is lifted: it happened while they were out, and yet is the last that they are told.
        let is_shown = newest.events.last().is_some_and(|shown| shown.event.nid == leave.nid);
        if !newest.events.is_empty() && !is_shown && wanted.wants(&leave) {
            let membership = Some(MembershipState::from(&*row.membership));
            newest.events.push(Shown { event: leave, membership, bundle: None });
        }
        newest
    } else {
        // Never in the room: only their own membership is theirs to see.
        Newest::only(leave)
    };
    if was_joined && let Some(end) = end {
        let changes = changes(scope, conn, info, after, until)?;
        let end = context.states.get(conn, end)?;
        let known = Known { after, changes, end, heroes: Vec::new() };
        room.state = state(scope, conn, request, info, range.now, known, &newest)?;
    }
    room.timeline = timeline(scope, request, newest, false)?;
    Ok(Some(room))
}

fn timeline(
    scope: &Scope<'_>,
    request: &SyncRequest,
    newest: Newest,
    gap: bool,
) -> Result<Timeline> {
    let viewer = viewer(scope);
    let mut timeline = Timeline::default();
    timeline.limited = newest.limited || gap;
    timeline.prev_batch = Some(history::token(newest.start));
    for shown in &newest.events {
        let event = request.filter.format.show(&shown.event, viewer, shown.extra())?;
        timeline.events.push(Raw::<AnySyncTimelineEvent>::from_json(event));
    }
    if timeline.events.is_empty() && !timeline.limited {
        timeline.prev_batch = None;
    }
    Ok(timeline)
}

/// The state at the start of the timeline, or what changed of it after `known.after`; with
/// `use_state_after`, the same at the end of the timeline.
fn state(
    scope: &Scope<'_>,
    conn: &mut Conn,
    request: &SyncRequest,
    info: &RoomInfo,
    now: Position,
    known: Known,
    newest: &Newest,
) -> Result<StateBlock> {
    let context = scope.context;
    let at_end = request.use_state_after;
    let filter = &request.filter.state;
    let mut block = StateEvents::default();
    if filter.wants_room(&info.id) {
        let start = match newest.events.first().and_then(|first| first.event.state_before) {
            Some(before) if !at_end => context.states.get(conn, before)?,
            _ => known.end.clone(),
        };
        let mut entries = match known.after {
            None if at_end => known.end.iter().collect(),
            None => before_timeline(&start, &known.end, newest),
            Some(_) if at_end => latest(&known.changes, &[]),
            Some(_) => latest(&known.changes, &newest.events),
        };
        if let LazyLoadOptions::Enabled { include_redundant_members } = filter.lazy {
            let lazy = Lazy { include_redundant_members, start: &start, known: &known, now };
            lazy.apply(scope, conn, info, newest, &mut entries)?;
        }
        let viewer = viewer(scope);
        for (_, nid) in entries {
            let event = context.events.get(conn, nid)?;
            if filter.wants(&event) {
                let event = request.filter.format.show(&event, viewer, Extra::default())?;
                block.events.push(Raw::<AnySyncStateEvent>::from_json(event));
            }
        }
    }
    Ok(if at_end { StateBlock::After(block) } else { StateBlock::Before(block) })
}

/// The state from which the timeline leads to `end`: what it does not touch is as at the end, also where the
/// room's forks were resolved otherwise than along the timeline.
fn before_timeline(start: &State, end: &State, newest: &Newest) -> Vec<Entry> {
    let touched: Vec<StateKeyNid> =
        newest.events.iter().filter_map(|shown| shown.event.state_key_nid).collect();
    let mut entries: Vec<Entry> = end.iter().filter(|(key, _)| !touched.contains(key)).collect();
    let before = touched.iter().filter_map(|&key| Some((key, start.get(key)?)));
    entries.extend(before);
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// Lazily loaded members.
struct Lazy<'a> {
    include_redundant_members: bool,
    start: &'a State,
    known: &'a Known,
    now: Position,
}

impl Lazy<'_> {
    /// Of all members keeps the user's own, the heroes and those whose events are in the timeline; to what
    /// changed adds those of the latter that the client does not know yet.
    fn apply(
        &self,
        scope: &Scope<'_>,
        conn: &mut Conn,
        info: &RoomInfo,
        newest: &Newest,
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        let state_keys = scope.context.store.state_keys();
        let lazy = &scope.streams.lazy;
        let mut wanted = Vec::new();
        let mut senders: Vec<&str> =
            newest.events.iter().map(|shown| shown.event.pdu.sender.as_str()).collect();
        senders.sort_unstable();
        senders.dedup();
        for sender in senders {
            wanted.extend(state_keys.find(conn, ("m.room.member", sender))?);
        }
        for &hero in &self.known.heroes {
            wanted.extend(scope.context.events.get(conn, hero)?.state_key_nid);
        }
        let mut sent: Vec<Entry> = Vec::new();
        if let Some(after) = self.known.after {
            for &key in &wanted {
                let Some(event) = self.start.get(key) else { continue };
                let entry = (key, event);
                let repeated = !self.include_redundant_members
                    && lazy.knows(scope.caller, info.nid, entry, after);
                if !repeated && !entries.iter().any(|&(known, _)| known == key) {
                    entries.push(entry);
                }
            }
            sent.extend(entries.iter().filter(|(key, _)| wanted.contains(key)));
        } else {
            wanted.extend(state_keys.find(conn, ("m.room.member", scope.caller.user_id.as_str()))?);
            let mut kept = Vec::with_capacity(entries.len().min(64));
            for entry in entries.drain(..) {
                if wanted.contains(&entry.0) {
                    sent.push(entry);
                    kept.push(entry);
                } else {
                    let key = state_keys.key(conn, entry.0)?;
                    if key.is_none_or(|key| &*key.event_type != "m.room.member") {
                        kept.push(entry);
                    }
                }
            }
            *entries = kept;
        }
        let in_timeline = newest.events.iter().filter_map(|shown| {
            let key = shown.event.state_key_nid?;
            wanted.contains(&key).then_some((key, shown.event.nid))
        });
        sent.extend(in_timeline);
        lazy.sent(scope.caller, info.nid, &sent, self.now);
        Ok(())
    }
}

/// What of a room's current state changed in a range; nothing is read when nothing did.
fn changes(
    scope: &Scope<'_>,
    conn: &mut Conn,
    info: &RoomInfo,
    after: Option<Position>,
    until: Position,
) -> Result<Vec<(Position, Change)>> {
    match after {
        Some(after) if scope.context.notifier.last_change(Subject::State(info.nid)) > after => {
            members::state_changes(conn, info.nid, (after, until))
        }
        _ => Ok(Vec::new()),
    }
}

/// What holds the places that changed, as of the first event of `timeline`: what is shown there is left out,
/// unless the room's forks were resolved otherwise.
fn latest(changes: &[(Position, Change)], timeline: &[Shown]) -> Vec<Entry> {
    let first = timeline.first().and_then(|shown| shown.event.position());
    let mut latest: BTreeMap<StateKeyNid, EventNid> = BTreeMap::new();
    for &(position, (key, event)) in changes {
        let Some(event) = event else { continue };
        let shown = timeline.iter().any(|shown| shown.event.nid == event);
        if first.is_none_or(|first| position < first) || !shown {
            latest.insert(key, event);
        }
    }
    latest.into_iter().collect()
}

fn viewer<'a>(scope: &Scope<'a>) -> Viewer<'a> {
    Viewer::new(scope.caller).at(scope.context.clock.now_ms())
}
