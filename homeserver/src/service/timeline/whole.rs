//! Writes that a room is entered without its members, and that it is whole.

use std::{collections::HashMap, sync::Arc};

use ruma::OwnedServerName;

use super::{
    commit::{Batch, Written, change_gaps, publish_event, write_event, write_memberships},
    context::Context,
    prepare::{End, Rechecked, Whole},
};
use crate::{
    error::{Error, Result},
    service::notifier::Subject,
    storage::{
        EventNid, Position, RoomNid, Tx,
        auth_chains::Placer,
        events::{self, Rechecked as RecheckedRow},
        members, outbox,
        partial_rooms::{self, PartialRoomRow},
        push_counts, redacted_events, relations, state,
    },
};

/// A room is entered with an event; without its members, `servers` are in it.
pub(super) fn enter(
    tx: &mut Tx<'_>,
    room_nid: RoomNid,
    join_nid: EventNid,
    servers: Option<&Vec<OwnedServerName>>,
) -> Result<()> {
    // Nothing that was known of an earlier stay counts.
    partial_rooms::delete(tx, room_nid)?;
    let Some(servers) = servers else { return Ok(()) };
    let servers = serde_json::to_string(servers)
        .map_err(|error| Error::internal(format!("names of servers: {error}")))?;
    partial_rooms::insert(tx, &PartialRoomRow { room_nid, join_nid, servers, whole_at: None })
}

/// Writes a batch after which its room is not partial any more.
pub(super) fn write(tx: &mut Tx<'_>, context: &Arc<Context>, batch: &Arc<Batch>) -> Result<()> {
    let room = batch.room_nid;
    match &batch.end {
        Some(End::Whole(whole)) => write_whole(tx, context, batch, whole),
        Some(End::Left) => {
            partial_rooms::delete(tx, room)?;
            let context = context.clone();
            tx.after_commit(move || context.partial_rooms.forget(room));
            Ok(())
        }
        None => Ok(()),
    }
}

fn write_whole(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    batch: &Arc<Batch>,
    whole: &Whole,
) -> Result<()> {
    let room = batch.room_nid;
    for user in &whole.users {
        context.store.users().insert(tx, user)?;
    }
    for row in &whole.states {
        state::insert(tx, row)?;
    }
    let positions: HashMap<_, _> = partial_rooms::positions(tx, room)?.into_iter().collect();
    for rechecked in &whole.rechecked {
        recheck(tx, room, rechecked)?;
    }
    let mut written = Vec::with_capacity(whole.accepted.len());
    let mut placer = Placer::default();
    for prepared in &whole.accepted {
        let position = tx.next_position()?;
        written.push(write_event(tx, context, (room, &mut placer), prepared, Some(position))?);
    }
    let position = tx.next_position()?;
    members::insert_state_changes(tx, room, position, &whole.state_changes)?;
    write_memberships(tx, room, position, &whole.memberships)?;
    partial_rooms::set_whole(tx, room, position)?;
    // An event may have lost or got a place before which something is missing.
    change_gaps(tx, context, room)?;
    if let Some((event, servers)) = &whole.missed {
        outbox::insert_events(tx, servers, position, *event)?;
    }
    let (context, batch) = (context.clone(), batch.clone());
    tx.after_commit(move || {
        if let Some(End::Whole(whole)) = &batch.end {
            publish(&context, room, whole, &positions, &written, position);
        }
    });
    Ok(())
}

/// Writes what a second check made of an event. One that is refused now takes along what it did.
fn recheck(tx: &mut Tx<'_>, room: RoomNid, rechecked: &Rechecked) -> Result<()> {
    let event = &rechecked.event;
    if rechecked.refused {
        push_counts::redact(tx, room, event.nid)?;
        relations::forget(tx, event.nid)?;
        if let Some((target, other)) = rechecked.redacted
            && events::unredact(tx, target, event.nid, other)?
            && other.is_none()
        {
            redacted_events::delete(tx, target)?;
        }
    }
    let row = RecheckedRow {
        event_nid: event.nid,
        rejected: event.rejected,
        soft_failed: event.soft_failed,
        state_before_nid: event.state_before,
        state_after_nid: event.state_after,
        replaces_nid: event.replaces.as_ref().map(|replaced| replaced.nid),
    };
    events::recheck(tx, &row)
}

/// Makes it visible in memory and wakes who waits for the room.
fn publish(
    context: &Context,
    room: RoomNid,
    whole: &Whole,
    positions: &HashMap<EventNid, Option<Position>>,
    written: &[Written],
    position: Position,
) {
    for state in &whole.hot_states {
        context.states.insert(state.clone());
    }
    for rechecked in &whole.rechecked {
        let event = &rechecked.event;
        let kept = positions.get(&event.nid).copied().flatten();
        if let Some(position) = kept.filter(|_| !event.rejected && !event.soft_failed) {
            event.set_position(position);
        }
        event.set_committed();
        context.events.insert(event.clone());
        if let Some((target, _)) = rechecked.redacted {
            context.events.forget(target);
        }
    }
    for (prepared, written) in whole.accepted.iter().zip(written) {
        publish_event(context, prepared, written);
        if let Some(target) = prepared.redacts {
            context.events.forget(target);
        }
    }
    let mut subjects = vec![Subject::Room(room), Subject::State(room)];
    for change in whole.memberships.iter().filter(|change| change.local) {
        context.user_rooms.forget(change.user_nid);
        subjects.push(Subject::User(change.user_nid));
    }
    if whole.missed.is_some() {
        subjects.push(Subject::Outbox);
    }
    // Guests may have been let in who would not be now.
    context.guest_access.notify_one();
    context.partial_rooms.complete(room, position);
    context.notifier.advance(position, subjects);
}
