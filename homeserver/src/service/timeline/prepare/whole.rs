//! Makes a room whole that was entered without its members ([decision 49]): what was accepted since is checked
//! again, in order, on the state as it is now known.
//!
//! 1. The state before the event that entered: what was told of it then, and the members.
//! 2. Each event since: the state before it, from its prev_events; its auth events, that state, the state of the
//!    room at that point (soft failure), as when it came.
//! 3. What that changes: verdicts, states and what holds places in them, the room's ends, memberships.
//!
//! [decision 49]: ../../../../../docs/decisions/0049-rooms-without-their-members.md

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use ruma::{OwnedEventId, OwnedServerName, UserId, events::TimelineEventType};

use super::{
    Context, Extremity, Tip,
    after::Beyond,
    checks::{authorise, authorise_by_auth_events, redaction_in_effect, redaction_of},
    find_all, known_prev,
    missed::{missed, server_joined},
    notify,
    place::{change_state, membership, merge},
    prepared::{MembershipChange, Prepared, Rows, Verdict},
    relate::relate,
    told::told_state,
};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::event::{Event, Parts, Replaced},
    storage::{
        Conn, EventNid, Interned, UserNid, members,
        state::{Change, NewState, State},
    },
};

/// What was missing of a room.
#[derive(Clone, Debug)]
pub struct WholeState {
    /// The event that entered.
    pub join: EventNid,
    /// The state before it.
    pub state: Vec<EventNid>,
    /// The states after events that are missing between it and others.
    pub gaps: HashMap<OwnedEventId, Vec<EventNid>>,
}

/// Why a room is not partial any more.
#[derive(Clone, Debug)]
pub(in crate::service::timeline) enum Ending {
    Whole(Box<WholeState>),
    /// Everybody here has left, who came in with this event.
    Left(EventNid),
}

/// What that writes.
pub(in crate::service::timeline) enum End {
    Whole(Whole),
    Left,
}

/// What making a room whole writes.
#[derive(Default)]
pub(in crate::service::timeline) struct Whole {
    /// Events that stay what they were, or are none any more.
    pub rechecked: Vec<Rechecked>,
    /// Events that were refused and are not now.
    pub accepted: Vec<Prepared>,
    pub states: Vec<NewState>,
    pub hot_states: Vec<State>,
    pub users: Vec<Interned<Arc<str>, UserNid>>,
    pub state_changes: Vec<Change>,
    pub memberships: Vec<MembershipChange>,
    /// The last event of this server, and the servers that no event since the room was entered was meant for.
    pub missed: Option<(EventNid, Vec<OwnedServerName>)>,
}

pub(in crate::service::timeline) struct Rechecked {
    pub event: Arc<Event>,
    /// It was accepted, and is not now.
    pub refused: bool,
    /// An event that it redacted, and another redaction of that one, which counts instead.
    pub redacted: Option<(EventNid, Option<EventNid>)>,
}

/// Ends a room's being partial. `None`: it is not, or not by that event, or somebody is in it who should not be.
pub(in crate::service::timeline) fn end(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    ending: &Ending,
) -> Result<Option<End>> {
    let join = match ending {
        Ending::Whole(told) => {
            return Ok(whole(context, conn, tip, told)?.map(End::Whole));
        }
        Ending::Left(join) => join,
    };
    let partial = tip.partial.as_ref();
    let is_left = partial.is_some_and(|partial| partial.events.first() == Some(join))
        && tip.locals.is_empty();
    if is_left {
        tip.partial = None;
        tip.generation += 1;
    }
    Ok(is_left.then_some(End::Left))
}

/// Checks all again. `None`: the room is not partial, or not by that event.
fn whole(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    told: &WholeState,
) -> Result<Option<Whole>> {
    let Some(partial) = &tip.partial else { return Ok(None) };
    let (events, told_servers) = (partial.events.clone(), partial.servers.clone());
    if events.first() != Some(&told.join) {
        return Ok(None);
    }
    let mut whole = Whole::default();
    let full = full_state(context, conn, tip, told, &mut whole)?;
    let mut at = tip.clone();
    at.extremities.clear();
    at.state = full.clone();
    let mut again = Again { told, full, at, named: HashSet::new(), whole };
    for &nid in &*events {
        again.check(context, conn, nid)?;
    }
    let Again { mut at, mut whole, .. } = again;
    // One line of them all: others decide how many they are.
    let refused = whole.rechecked.iter().filter(|event| event.refused).count();
    if refused > 0 {
        tracing::info!(room_id = %tip.info.id, refused, "events are refused by the whole state");
    }

    let before = tip.state.clone();
    let state = std::mem::replace(&mut at.state, before.clone());
    *tip = at;
    let mut rows = Rows::default();
    let changes = change_state(context, conn, tip, &mut rows, state.clone())?;
    let (mut known, mut servers) = (HashSet::new(), BTreeSet::new());
    for &(key, event) in &changes.state {
        let was = before.get(key);
        let Some(holder) = event.or(was) else { continue };
        let holder = tip.event(context, conn, holder)?;
        let is_member = holder.pdu.event_type == TimelineEventType::RoomMember;
        servers.extend(event.and_then(|_| server_joined(&holder.pdu)));
        if is_member
            && was.is_some()
            && let Some(Ok(user)) = holder.pdu.state_key.as_deref().map(<&UserId>::try_from)
        {
            known.extend(context.store.users().find_reserved(conn, user)?);
        }
        // Of members whom nothing was known of clients are told when they ask, or with the room as a whole.
        if !is_member || was.is_some() {
            whole.state_changes.push((key, event));
        }
    }
    whole.memberships = unwritten(context, conn, tip, (changes.memberships, &known))?;
    whole.missed =
        missed(context, conn, tip, (&before, servers), (&told_servers[..], &events[..]))?;
    whole.users = rows.users;
    whole.hot_states.push(state);
    tip.partial = None;
    tip.generation += 1;
    Ok(Some(whole))
}

/// The state before the event that entered: the members as they are told now, the rest as it was told then. What was
/// learned of members by what authorises events need not be the last that happened to them.
fn full_state(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    told: &WholeState,
    whole: &mut Whole,
) -> Result<State> {
    let missing = || Error::internal("an event that entered a room has no state");
    let join = tip.event(context, conn, told.join)?;
    let first = context.states.get(conn, join.state_before.ok_or_else(missing)?)?;
    let (full, row) = told_state(context, conn, tip, &[], &told.state)?;
    let mut changes: Vec<Change> = Vec::new();
    for (key, nid) in first.iter().filter(|&(key, event)| full.get(key) != Some(event)) {
        let event = tip.event(context, conn, nid)?;
        if event.pdu.event_type != TimelineEventType::RoomMember {
            changes.push((key, Some(nid)));
        }
    }
    whole.states.push(row);
    if changes.is_empty() {
        return Ok(full);
    }
    let (full, row) = full.with(&changes, context.store.nids().state(), tip.info.nid);
    whole.states.push(row);
    Ok(full)
}

/// Of the memberships that change those that are not written yet: all of `known` users; others are written ahead
/// (`timeline/entry.rs`). And the end of those that were written ahead as a server told them whose state this is not.
fn unwritten(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    (mut changes, known): (Vec<MembershipChange>, &HashSet<UserNid>),
) -> Result<Vec<MembershipChange>> {
    let mut rows = HashMap::new();
    for (user, user_id, membership, event) in members::all(conn, tip.info.nid)? {
        rows.insert(user, (user_id, membership, event));
    }
    changes.retain(|change| match rows.remove(&change.user_nid) {
        Some((_, membership, event)) if !known.contains(&change.user_nid) => {
            change.local || membership != change.membership || event != change.event_nid
        }
        _ => true,
    });
    for (user, (user_id, membership, event)) in rows {
        let is_own = <&UserId>::try_from(user_id.as_str())
            .is_ok_and(|user| user.server_name() == context.server_name);
        if is_own || membership == "leave" {
            continue;
        }
        let key = tip.event(context, conn, event)?.state_key_nid;
        if key.is_none_or(|key| tip.state.get(key).is_none()) {
            changes.push(MembershipChange::of_other(user, "leave".to_owned(), event));
        }
    }
    Ok(changes)
}

/// The room as it would have been.
struct Again<'a> {
    told: &'a WholeState,
    full: State,
    at: Tip,
    /// What accepted events come after.
    named: HashSet<OwnedEventId>,
    whole: Whole,
}

impl Again<'_> {
    fn check(&mut self, context: &Context, conn: &mut Conn, nid: EventNid) -> Result<()> {
        let event = self.at.event(context, conn, nid)?;
        let pdu = &*event.pdu;
        let enters = nid == self.told.join;
        let prev = known_prev(context, conn, &self.at, pdu)?.0;
        let state_before = match enters {
            true => self.full.clone(),
            false => self.state_before(context, conn, pdu, &prev)?,
        };
        let followed = self.named.contains(&pdu.event_id);
        let verdict = self.verdict(context, conn, &event, &state_before, enters || followed)?;
        if enters && verdict != Verdict::Accepted {
            self.check_banned(context, conn, &event, &state_before)?;
        }
        let rejected = matches!(verdict, Verdict::Rejected(_));
        let state_after = match event.state_key_nid {
            Some(key) if !rejected => {
                let fresh = context.store.nids().state();
                let (state, row) = state_before.with(&[(key, Some(nid))], fresh, self.at.info.nid);
                self.whole.states.push(row);
                state
            }
            _ => state_before.clone(),
        };
        let replaces = match event.state_key_nid.and_then(|key| state_before.get(key)) {
            Some(nid) => Some(Replaced::by(nid, &self.at.event(context, conn, nid)?.pdu)),
            None => None,
        };
        let pdu = match event.pdu.rejected == rejected {
            true => event.pdu.clone(),
            false => {
                let mut pdu = Pdu::clone(&event.pdu);
                pdu.rejected = rejected;
                Arc::new(pdu)
            }
        };
        let fresh = Event::new(
            Parts {
                nid,
                room_nid: event.room_nid,
                sender_nid: event.sender_nid,
                state_key_nid: event.state_key_nid,
                state_before: Some(state_before.nid()),
                state_after: Some(state_after.nid()),
                replaces,
                outlier: false,
                rejected,
                soft_failed: verdict == Verdict::SoftFailed,
                received_at: event.received_at,
                sent_with: event.sent_with.clone(),
                redacted_because: event.redacted_because.clone(),
                pdu,
            },
            None,
        );
        if event.is_parent() {
            fresh.set_parent();
        }
        let fresh = Arc::new(fresh);
        self.at.hold_again(fresh.clone(), state_after.clone());
        if verdict == Verdict::Accepted {
            self.move_over(context, conn, &fresh, state_after)?;
        }
        self.note(context, conn, &event, fresh, verdict)
    }

    /// The state refuses the event that entered, which counts if its user is banned there. Else what let them in was
    /// left out of it: any server could so have them thrown out, and another is asked.
    fn check_banned(
        &self,
        context: &Context,
        conn: &mut Conn,
        event: &Event,
        state: &State,
    ) -> Result<()> {
        let holder = event.state_key_nid.and_then(|key| state.get(key));
        let is_banned = match holder {
            Some(holder) => membership(&self.at.event(context, conn, holder)?.pdu) == "ban",
            None => false,
        };
        match is_banned {
            true => Ok(()),
            false => Err(Error::forbidden("That state does not allow what entered the room")),
        }
    }

    /// The state before an event that came after the one that entered.
    fn state_before(
        &mut self,
        context: &Context,
        conn: &mut Conn,
        pdu: &Pdu,
        prev: &[Extremity],
    ) -> Result<State> {
        let mut forks: Vec<State> = prev.iter().map(|prev| prev.state_after.clone()).collect();
        for id in &pdu.prev_events {
            if let Some(told) = self.told.gaps.get(id)
                && !prev.iter().any(|prev| prev.event_id == *id)
            {
                let (state, row) = told_state(context, conn, &self.at, &[&self.full], told)?;
                self.whole.states.push(row);
                forks.push(state);
            }
        }
        if forks.is_empty() {
            return Ok(self.at.state.clone());
        }
        let (state, row) = merge(context, conn, &self.at, &forks)?;
        self.whole.states.extend(row);
        Ok(state)
    }

    fn verdict(
        &self,
        context: &Context,
        conn: &mut Conn,
        event: &Event,
        state_before: &State,
        is_past: bool,
    ) -> Result<Verdict> {
        let (at, pdu) = (&self.at, &*event.pdu);
        let (auth_events, _) = find_all(context, conn, at, &pdu.auth_events)?;
        if let Some(reason) = authorise_by_auth_events(context, conn, at, pdu, &auth_events)? {
            return Ok(Verdict::Rejected(reason));
        }
        if let Err(reason) = authorise(context, conn, at, pdu, state_before)? {
            return Ok(Verdict::Rejected(reason));
        }
        let allowed = is_past
            || state_before.nid() == at.state.nid()
            || authorise(context, conn, at, pdu, &at.state.clone())?.is_ok();
        let lacks_signature = event.soft_failed && at.policy_without(pdu).is_some();
        Ok(match allowed && !lacks_signature {
            true => Verdict::Accepted,
            false => Verdict::SoftFailed,
        })
    }

    fn move_over(
        &mut self,
        context: &Context,
        conn: &mut Conn,
        event: &Event,
        state_after: State,
    ) -> Result<()> {
        let prev_events = &event.pdu.prev_events;
        self.named.extend(prev_events.iter().cloned());
        self.named.extend(Beyond::of(context, conn, &self.at, prev_events)?.ids);
        self.at.extremities.retain(|at| !self.named.contains(&at.event_id));
        let event_id = event.pdu.event_id.clone();
        if !self.named.contains(&event_id) {
            let (nid, depth) = (event.nid, event.pdu.depth);
            self.at.extremities.push(Extremity { nid, event_id, depth, state_after });
        }
        let forks: Vec<State> =
            self.at.extremities.iter().map(|at| at.state_after.clone()).collect();
        if !forks.is_empty() {
            let (state, row) = merge(context, conn, &self.at, &forks)?;
            self.whole.states.extend(row);
            self.at.state = state;
        }
        Ok(())
    }

    /// Takes note of what became of an event.
    fn note(
        &mut self,
        context: &Context,
        conn: &mut Conn,
        before: &Event,
        event: Arc<Event>,
        verdict: Verdict,
    ) -> Result<()> {
        let was_accepted = !before.rejected && !before.soft_failed;
        let is_accepted = verdict == Verdict::Accepted;
        let target = match (was_accepted != is_accepted, &event.pdu.redacts) {
            (true, Some(redacts)) => self.at.event_by_id(context, conn, redacts)?,
            _ => None,
        };
        if was_accepted || !is_accepted {
            let refused = was_accepted && !is_accepted;
            if refused {
                let event_id = &event.pdu.event_id;
                tracing::debug!(%event_id, ?verdict, "an event is refused by the whole state");
            }
            let redacted = match target.filter(|_| refused) {
                Some(target) => {
                    let other = redaction_of(context, conn, &self.at, &target.pdu)?;
                    Some((target.nid, other.map(|redaction| redaction.nid)))
                }
                None => None,
            };
            self.whole.rechecked.push(Rechecked { event, refused, redacted });
            return Ok(());
        }
        let redacts = redaction_in_effect(context, conn, &self.at, &event.pdu)?;
        let redacted_by = match &event.redacted_because {
            Some(redaction) => self.at.event_by_id(context, conn, &redaction.event_id)?,
            None => None,
        };
        let (mut notification, mut related) = (None, None);
        if redacted_by.is_none() {
            notification = Some(notify::notify(context, conn, &mut self.at, &event)?);
            related = relate(context, conn, &self.at, &event)?;
        }
        self.whole.accepted.push(Prepared {
            known: true,
            redacts,
            redacted_by: redacted_by.map(|event| event.nid),
            notification,
            related,
            verdict,
            ..Prepared::bare(event, Rows::default())
        });
        Ok(())
    }
}
