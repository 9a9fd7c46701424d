//! Writes what was prepared, in one job of the writer, and publishes it after the COMMIT.

use std::sync::Arc;

use http::StatusCode;
use ruma::{api::error::ErrorKind, events::TimelineEventType};

use super::{
    NewRoom, Outcome,
    context::Context,
    prepare::{End, MembershipChange, Notification, Prepared, Verdict},
    tip::Tip,
    whole,
};
use crate::{
    error::{Error, Result},
    room::relation::may_have_thread,
    service::{event::Event, notifier::Subject, thread::Thread},
    storage::{
        EventNid, Position, RoomNid, StateNid, Tx,
        auth_chains::{self, Placer},
        client_transactions,
        events::{self, EventRow},
        members::{self, MembershipRow},
        outbox, partial_rooms,
        push_counts::{self, CounterRow, ExceptionRow},
        read_positions, redacted_events,
        relations::{self, RelationRow},
        room_upgrades, rooms, state,
    },
};

/// Events of one room, prepared as one chain.
pub(super) struct Batch {
    pub room_nid: RoomNid,
    /// The generation that the first was prepared on, and the one after the last.
    pub generations: (i64, i64),
    pub state_nid: StateNid,
    pub extremities_removed: Vec<EventNid>,
    pub extremities_added: Vec<EventNid>,
    pub events: Vec<Prepared>,
    /// The room is not partial any more; nothing else is in the batch then.
    pub end: Option<End>,
}

impl Batch {
    pub fn new(before: &Tip, after: &Tip, events: Vec<Prepared>) -> Self {
        let differs = |a: &Tip, b: &Tip| {
            a.extremities
                .iter()
                .map(|at| at.nid)
                .filter(|nid| !b.extremities.iter().any(|other| other.nid == *nid))
                .collect()
        };
        Self {
            room_nid: after.info.nid,
            generations: (before.generation, after.generation),
            state_nid: after.state.nid(),
            extremities_removed: differs(before, after),
            extremities_added: differs(after, before),
            events,
            end: None,
        }
    }
}

/// Queues the commit of a batch at once; `then` runs on the writer thread when it has succeeded or failed.
pub(super) fn write(
    context: &Arc<Context>,
    batch: Arc<Batch>,
    then: impl FnOnce(Result<()>) + Send + 'static,
) {
    let writing = context.clone();
    let commit = move |tx: &mut Tx<'_>| {
        let (from, to) = batch.generations;
        if !rooms::advance(tx, batch.room_nid, from, to, batch.state_nid)? {
            return Err(Error::StaleRoom);
        }
        write_batch(tx, &writing, &batch)
    };
    context.store.write_then(commit, then);
}

/// Commits a new room with its first events.
pub(super) async fn create(
    context: &Arc<Context>,
    tip: Tip,
    events: Vec<Prepared>,
    room: NewRoom,
) -> Result<Vec<Arc<Event>>> {
    let answer = events.iter().map(|prepared| prepared.event.clone()).collect();
    let batch = Arc::new(Batch::new(&Tip::new(tip.info.clone()), &tip, events));
    let writing = context.clone();
    context
        .store
        .write(move |tx| {
            rooms::insert(
                tx,
                &rooms::RoomRow {
                    room_nid: room.info.nid,
                    room_id: room.info.id.to_string(),
                    version: room.info.version.to_string(),
                    generation: batch.generations.1,
                    state_nid: batch.state_nid,
                    is_public: room.is_public,
                },
            )?;
            write_batch(tx, &writing, &batch)?;
            if let Some(row) = &room.replaces {
                room_upgrades::insert(tx, row)?;
            }
            if let Some((alias, creator)) = &room.alias {
                let is_free = rooms::insert_alias(tx, alias.as_str(), room.info.nid, *creator)?;
                if !is_free {
                    let message = "The alias is already taken";
                    return Err(Error::matrix(
                        StatusCode::BAD_REQUEST,
                        ErrorKind::RoomInUse,
                        message,
                    ));
                }
            }
            Ok(())
        })
        .await?;
    Ok(answer)
}

fn write_batch(tx: &mut Tx<'_>, context: &Arc<Context>, batch: &Arc<Batch>) -> Result<()> {
    let mut written = Vec::with_capacity(batch.events.len());
    let mut placer = Placer::default();
    for prepared in &batch.events {
        for &beside in &prepared.beside {
            let position = tx.next_position()?;
            let server = prepared.event.pdu.sender.server_name();
            outbox::insert_event(tx, server, position, beside)?;
        }
        let position = match prepared.verdict {
            Verdict::Accepted => {
                if prepared.leaves_free > 0 {
                    tx.skip_positions(prepared.leaves_free)?;
                }
                Some(tx.next_position()?)
            }
            Verdict::Past => prepared.past,
            _ => None,
        };
        written.push(write_event(tx, context, (batch.room_nid, &mut placer), prepared, position)?);
    }
    let (removed, added) = (&batch.extremities_removed, &batch.extremities_added);
    let replaced = removed.len().min(added.len());
    for (&old, &new) in removed.iter().zip(added) {
        events::replace_forward_extremity(tx, batch.room_nid, old, new)?;
    }
    for &nid in removed.iter().skip(replaced) {
        events::delete_forward_extremity(tx, batch.room_nid, nid)?;
    }
    for &nid in added.iter().skip(replaced) {
        events::insert_forward_extremity(tx, batch.room_nid, nid)?;
    }
    if written.iter().any(|written| written.changes_gaps) {
        change_gaps(tx, context, batch.room_nid)?;
    }
    if batch.end.is_some() {
        return whole::write(tx, context, batch);
    }
    let (context, batch) = (context.clone(), batch.clone());
    tx.after_commit(move || publish(&context, &batch, &written));
    Ok(())
}

/// The room's timeline has other gaps now.
pub(super) fn change_gaps(tx: &mut Tx<'_>, context: &Arc<Context>, room: RoomNid) -> Result<()> {
    let gaps = events::gaps(tx, room)?;
    context.gaps.change(room);
    let context = context.clone();
    tx.after_commit(move || context.gaps.set(room, gaps));
    Ok(())
}

/// What became of one event.
#[derive(Default)]
pub(super) struct Written {
    /// Soft-failed, rejected and outlying events have none.
    position: Option<Position>,
    /// Events that have children to bundle now, and had none before.
    new_parents: Vec<EventNid>,
    /// The room's timeline has other gaps now.
    changes_gaps: bool,
}

/// Writes one event, at its position if it has one.
pub(super) fn write_event(
    tx: &mut Tx<'_>,
    context: &Context,
    (room, placer): (RoomNid, &mut Placer),
    prepared: &Prepared,
    position: Option<Position>,
) -> Result<Written> {
    let event = &prepared.event;
    let mut written = Written::default();
    for user in &prepared.users {
        context.store.users().insert(tx, user)?;
    }
    if let Some(state_key) = &prepared.state_key {
        context.store.state_keys().insert(tx, state_key)?;
    }
    for row in &prepared.states {
        state::insert(tx, row)?;
    }
    let row = row(prepared, position);
    if prepared.known {
        events::place(tx, &row)?;
        if prepared.redacted_by.is_some() {
            redacted_events::insert(tx, event.nid, event.received_at)?;
        }
    } else {
        events::insert(tx, &row)?;
    }
    // One that came to its user alone was kept without what authorises it.
    if event.pdu.state_key.is_some() && !(prepared.known && auth_chains::is_placed(tx, event.nid)?)
    {
        for &auth in &prepared.auth {
            events::insert_auth(tx, event.nid, auth)?;
        }
        placer.place(tx, context.store.nids(), (room, event.nid), &prepared.auth)?;
    }
    for &prev in &prepared.prev {
        events::insert_edge(tx, event.nid, prev)?;
    }
    written.changes_gaps = !prepared.missing_prev.is_empty();
    for prev in &prepared.missing_prev {
        events::insert_backward_extremity(tx, room, event.nid, prev)?;
    }
    // One of the past that is rejected is nowhere to be had: nobody asks for it again.
    if prepared.past.is_some() || (position.is_some() && !prepared.fresh) {
        let filled = events::delete_backward_extremities(tx, room, &event.pdu.event_id)?;
        written.changes_gaps |= filled;
    }
    if let Some(partial) = &prepared.enters {
        whole::enter(tx, room, event.nid, partial.as_deref())?;
    }
    if let Some(generation) = prepared.partial {
        partial_rooms::insert_event(tx, room, generation, event.nid)?;
    }
    if let Some(redacts) = &event.pdu.redacts
        && !prepared.known
    {
        events::insert_redaction(tx, redacts, event.nid, room)?;
    }
    if let Some(target) = prepared.redacts {
        events::set_redacted(tx, target, event.nid)?;
        redacted_events::insert(tx, target, event.received_at)?;
        relations::forget(tx, target)?;
        push_counts::redact(tx, room, target)?;
    }
    if let Some(position) = position {
        members::insert_state_changes(tx, room, position, &prepared.state_changes)?;
        write_memberships(tx, room, position, &prepared.memberships)?;
        if let Some(notification) = &prepared.notification {
            write_notification(tx, room, position, notification)?;
        }
        written.new_parents = write_relations(tx, context, room, position, prepared)?;
        for destination in &prepared.destinations {
            outbox::insert_event(tx, destination, position, event.nid)?;
        }
    }
    if let Some(key) = &prepared.transaction {
        client_transactions::insert(tx, key, event.pdu.event_id.as_str(), event.received_at)?;
    }
    written.position = position;
    Ok(written)
}

/// Writes memberships that change, with what that means to users of this server.
pub(super) fn write_memberships(
    tx: &mut Tx<'_>,
    room: RoomNid,
    position: Position,
    changes: &[MembershipChange],
) -> Result<()> {
    for change in changes {
        write_membership(tx, room, position, change)?;
        if change.local && change.joins {
            read_positions::set(tx, (change.user_nid, room), read_positions::ALL, position)?;
        }
        if let Some(quiet) = change.quiet {
            push_counts::set_mode(tx, (change.user_nid, room), position, quiet)?;
        }
    }
    Ok(())
}

pub(super) fn write_membership(
    tx: &mut Tx<'_>,
    room: RoomNid,
    position: Position,
    change: &MembershipChange,
) -> Result<()> {
    let membership = MembershipRow {
        room_nid: room,
        user_nid: change.user_nid,
        membership: change.membership.clone(),
        event_nid: change.event_nid,
        position,
        forgotten: false,
        stripped_state: None,
    };
    members::set(tx, &membership)
}

/// Writes which event this one relates to, and gives it to those that relate to it. Returns who is a parent now
/// and was not.
fn write_relations(
    tx: &mut Tx<'_>,
    context: &Context,
    room: RoomNid,
    position: Position,
    prepared: &Prepared,
) -> Result<Vec<EventNid>> {
    let pdu = &prepared.event.pdu;
    let mut new_parents = Vec::new();
    if let Some(related) = &prepared.related {
        relations::insert(tx, &RelationRow { position, ..related.row.clone() })?;
        new_parents.extend(related.new_parent);
    }
    // Nobody knows the id of an event of this server before it.
    if pdu.sender.server_name() != context.server_name {
        let parent = (prepared.event.nid, &*pdu.event_id);
        if relations::adopt(tx, room, parent, may_have_thread(&pdu.content))? {
            new_parents.push(parent.0);
        }
    }
    for &parent in &new_parents {
        events::set_parent(tx, parent)?;
    }
    Ok(new_parents)
}

/// Writes whom an event notifies.
fn write_notification(
    tx: &mut Tx<'_>,
    room: RoomNid,
    position: Position,
    notification: &Notification,
) -> Result<()> {
    let thread = notification.thread.as_str();
    if let Some(user) = notification.read_by {
        read_positions::set(tx, (user, room), thread, position)?;
    }
    if let Some(counted) = &notification.default {
        let row = CounterRow {
            room_nid: room,
            position,
            thread: thread.to_owned(),
            notify: counted.outcome.counts.notify,
            highlight: counted.outcome.counts.highlight,
            room_notify: counted.room.notify,
            room_highlight: counted.room.highlight,
            main_notify: counted.main.notify,
            main_highlight: counted.main.highlight,
            actions: counted.outcome.actions.clone(),
        };
        push_counts::insert_counter(tx, &row)?;
        if notification.thread != Thread::Main {
            push_counts::insert_thread_counter(tx, room, thread, position, counted.thread)?;
        }
    }
    for (user, outcome) in &notification.exceptions {
        let row = ExceptionRow {
            user_nid: *user,
            room_nid: room,
            position,
            thread: thread.to_owned(),
            notify: outcome.counts.notify,
            highlight: outcome.counts.highlight,
            actions: outcome.actions.clone(),
        };
        push_counts::insert_exception(tx, &row)?;
    }
    let is_counted = notification.default.is_some() || !notification.exceptions.is_empty();
    if notification.thread != Thread::Main && is_counted {
        push_counts::set_thread(tx, room, thread, position)?;
    }
    Ok(())
}

fn row(prepared: &Prepared, position: Option<Position>) -> EventRow {
    let event = &prepared.event;
    EventRow {
        event_nid: event.nid,
        event_id: event.pdu.event_id.to_string(),
        room_nid: event.room_nid,
        position,
        sender_nid: event.sender_nid,
        event_type: event.pdu.event_type.to_string(),
        state_key_nid: event.state_key_nid,
        depth: event.pdu.depth,
        origin_server_ts: event.pdu.origin_server_ts.get().into(),
        received_at: event.received_at,
        outlier: event.outlier,
        rejected: event.rejected,
        soft_failed: event.soft_failed,
        state_before_nid: event.state_before,
        state_after_nid: event.state_after,
        replaces_nid: event.replaces.as_ref().map(|replaced| replaced.nid),
        redacted_by_nid: prepared.redacted_by,
        device_id: event.sent_with.as_ref().map(|sent| sent.device_id.clone()),
        transaction_id: event.sent_with.as_ref().map(|sent| sent.transaction_id.clone()),
        json: event.pdu.json.to_string(),
        is_parent: false,
    }
}

/// Makes a commit visible in memory and wakes who waits for it.
fn publish(context: &Context, batch: &Batch, written: &[Written]) {
    let mut subjects = vec![Subject::Room(batch.room_nid)];
    for (prepared, written) in batch.events.iter().zip(written) {
        if let Some(target) = prepared.redacts {
            context.events.forget(target);
            // It may be of the state: what is made of that is made again.
            subjects.push(Subject::State(batch.room_nid));
        }
        publish_event(context, prepared, written);
        for change in prepared.memberships.iter().filter(|change| change.local) {
            subjects.push(Subject::User(change.user_nid));
        }
        if !prepared.destinations.is_empty() || !prepared.beside.is_empty() {
            subjects.push(Subject::Outbox);
        }
        if !prepared.state_changes.is_empty() {
            subjects.push(Subject::State(batch.room_nid));
        }
        if may_dismiss_guests(prepared) {
            context.guest_access.notify_one();
        }
    }
    for prepared in &batch.events {
        for change in prepared.memberships.iter().filter(|change| change.local) {
            context.user_rooms.forget(change.user_nid);
            context.partial_rooms.member_changed(batch.room_nid);
        }
        match &prepared.enters {
            Some(Some(_)) => context.partial_rooms.enter(batch.room_nid),
            Some(None) => context.partial_rooms.forget(batch.room_nid),
            None => {}
        }
    }
    let news = batch.events.iter().zip(written).filter(|(prepared, _)| prepared.past.is_none());
    if let Some(position) = news.rev().find_map(|(_, written)| written.position) {
        context.notifier.advance(position, subjects);
    }
}

/// Makes one event visible in memory.
pub(super) fn publish_event(context: &Context, prepared: &Prepared, written: &Written) {
    if let Some(position) = written.position {
        prepared.event.set_position(position);
    }
    prepared.event.set_committed();
    for state in &prepared.hot_states {
        context.states.insert(state.clone());
    }
    if prepared.redacted_by.is_some() {
        context.events.forget(prepared.event.nid);
    } else {
        context.events.insert(prepared.event.clone());
    }
    for &parent in &written.new_parents {
        context.events.set_parent(parent);
    }
}

/// Whether the room may let guests in no more: this says so, or states were resolved.
fn may_dismiss_guests(prepared: &Prepared) -> bool {
    let own = usize::from(prepared.event.pdu.is_state());
    let is_guest_access = prepared.event.pdu.event_type == TimelineEventType::RoomGuestAccess;
    prepared.state_changes.len() > own || (is_guest_access && !prepared.state_changes.is_empty())
}

/// What the jobs of a batch are answered.
pub(super) fn outcomes(events: &[Prepared]) -> Vec<Outcome> {
    events.iter().map(Prepared::outcome).collect()
}
