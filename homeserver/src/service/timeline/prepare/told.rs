//! What other servers tell of states of a room.

use super::{Context, Tip};
use crate::{
    error::Result,
    storage::{
        Conn, EventNid,
        state::{Entry, NewState, State},
    },
};

/// A state of the room as another server told it, kept as a difference from the nearest of `known` where that is
/// small.
pub(super) fn told_state(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    known: &[&State],
    events: &[EventNid],
) -> Result<(State, NewState)> {
    let mut entries = Vec::with_capacity(events.len());
    for &nid in events {
        let event = tip.event(context, conn, nid)?;
        entries.extend(event.state_key_nid.map(|key| (key, nid)));
    }
    entries.sort_unstable();
    entries.dedup_by_key(|(key, _)| *key);
    let (nid, room) = (context.store.nids().state(), tip.info.nid);
    let (told, whole) = State::snapshot(entries, nid, room);
    let differences = known.iter().map(|known| (known, known.changes_to(&told)));
    Ok(match differences.min_by_key(|(_, changes)| changes.len()) {
        Some((known, changes)) => known.with(&changes, nid, room),
        None => (told, whole),
    })
}

/// A state of a room whose members are not here, with those of `members` of whom it says nothing.
pub(super) fn learn(
    context: &Context,
    tip: &Tip,
    state: State,
    members: &[Entry],
) -> (State, Option<NewState>) {
    let unknown = members.iter().filter(|(key, _)| state.get(*key).is_none());
    let changes: Vec<_> = unknown.map(|&(key, event)| (key, Some(event))).collect();
    if changes.is_empty() {
        return (state, None);
    }
    let (state, row) = state.with(&changes, context.store.nids().state(), tip.info.nid);
    (state, Some(row))
}
