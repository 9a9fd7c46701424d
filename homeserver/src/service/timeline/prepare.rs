//! Prepares events for a commit: everything that can be done without writing.
//!
//! 1. [`local`]: build and sign on the tip. [`remote`]: find prev_events and auth_events, authorise
//!    against the latter.
//! 2. [`place`]: authorise against the state before the event; for others' events, against the current
//!    state (soft failure).
//! 3. Move the tip on: extremities, state after the event, current state resolved over all extremities.
//! 4. Note what that changes: state, memberships, who is to be sent the event, whom it
//!    [notifies](notify), and which event it [relates](relate) to.

mod checks;
mod notify;
mod past;
mod place;
mod prepared;
mod relate;
mod whole;

use std::sync::Arc;

use http::StatusCode;
use ruma::{
    EventId, OwnedEventId, OwnedServerName, UserId, api::error::ErrorKind,
    events::TimelineEventType, room_version_rules::EventIdFormatVersion,
};

use self::{
    checks::{authorise, authorise_by_auth_events, redaction_in_effect, redaction_target},
    place::{Merged, Placing, merge, place, prev_events},
    prepared::Rows,
    relate::check_relation,
};
use super::{
    Answer, Outcome,
    context::Context,
    out_of_band::is_out_of_band,
    resolve,
    tip::{Extremity, Tip},
};
use crate::{
    error::{Error, Result},
    room::{
        auth,
        build::{self, BuildError, Draft},
        check, dag,
        event::Pdu,
        policy::is_recommended,
        redact,
    },
    service::{
        event::{Event, Parts},
        invite_permission,
    },
    storage::{
        Conn, EventNid, Position, UserNid,
        client_transactions::{self, TransactionKey},
        events,
        state::{Entry, NewState, State},
    },
};

pub use self::whole::WholeState;
pub(super) use self::{
    notify::{Counted, Notification},
    past::past,
    place::membership,
    prepared::{MembershipChange, Prepared, Verdict},
    whole::{Rechecked, Whole, whole},
};

/// What a user of this server wants to append.
#[derive(Clone, Debug)]
pub struct LocalEvent {
    pub draft: Draft,
    pub sender_nid: UserNid,
    /// The event built from the draft, with the policy server's signature.
    pub signed: Option<Pdu>,
    /// The request it came with; a repeat gets the first one's event.
    pub transaction: Option<TransactionKey>,
}

/// An event of another server, whose format, hashes and signatures were checked.
#[derive(Clone, Debug)]
pub struct RemoteEvent {
    pub pdu: Pdu,
    pub before: Before,
    /// It came to this server alone (`send_join`): the others are to be sent it.
    pub relay: bool,
    /// It is from before what is here: its place.
    pub past: Option<Position>,
    /// It enters the room, whose members are not in the state: the other servers that are in the room.
    pub partial: Option<Arc<Vec<OwnedServerName>>>,
}

/// What is known of the room before an event of another server.
#[derive(Clone, Debug)]
pub enum Before {
    /// Its prev_events.
    PrevEvents,
    /// Some prev_events, and the state after each of the others.
    Gap(Vec<(OwnedEventId, Vec<EventNid>)>),
    /// Some prev_events. While a room's members are not here, the others are taken to be where the room stands: what
    /// they were is asked when it is checked again.
    Assumed,
    /// This server enters the room with the event, or enters it again: the state before it.
    Entry(Vec<EventNid>),
}

impl Preparation {
    fn done(outcome: Outcome) -> Self {
        Self::Done(Answer::Outcome(outcome))
    }
}

impl RemoteEvent {
    /// An event as it comes in a transaction.
    pub fn new(pdu: Pdu) -> Self {
        Self { pdu, before: Before::PrevEvents, relay: false, past: None, partial: None }
    }
}

pub(super) enum Preparation {
    Prepared(Box<Prepared>),
    /// There is nothing to commit.
    Done(Answer),
}

/// Builds, signs and places an event of a user of this server.
pub(super) fn local(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    event: &LocalEvent,
) -> Result<Preparation> {
    if let Some(key) = &event.transaction
        && let Some(event_id) = client_transactions::response(conn, key)?
    {
        let event_id = OwnedEventId::try_from(event_id)
            .map_err(|_| Error::internal("a transaction's event id is broken"))?;
        let event = context.events.by_id(conn, &event_id)?;
        let event = event.ok_or_else(|| Error::internal("a transaction's event is missing"))?;
        return Ok(Preparation::done(Outcome::Known(event)));
    }

    let (pdu, prev, (state_before, row)) = match &event.signed {
        Some(pdu) => {
            let prev = known_prev(context, conn, tip, pdu)?.0;
            let forks: Vec<State> = prev.iter().map(|prev| prev.state_after.clone()).collect();
            (pdu.clone(), prev, merge(context, conn, tip, &forks)?)
        }
        None => build_on(context, conn, tip, &event.draft)?,
    };
    if let Some(policy) = tip.policy()
        && event.signed.is_none()
        && !is_recommended(policy, &pdu, tip.info.rules)
    {
        let needed = Answer::NeedsSignature(Box::new(pdu), policy.clone());
        return Ok(Preparation::Done(needed));
    }

    check_invite(context, conn, &pdu)?;
    check_relation(context, conn, tip, (&pdu, event.sender_nid))?;
    let redacts = redaction_target(context, conn, tip, &pdu, redact::may_be_asked_for)?;
    let placing = Placing {
        pdu,
        existing: None,
        sender_nid: Some(event.sender_nid),
        prev,
        missing_prev: Vec::new(),
        state_before,
        states: row.into_iter().collect(),
        transaction: event.transaction.clone(),
        redacts,
        rejected: None,
        entry: false,
        relay: false,
        past: None,
        followed: false,
        learned: Vec::new(),
        partial: None,
    };
    let prepared = place(context, conn, tip, placing)?;
    match &prepared.verdict {
        Verdict::Rejected(reason) => Err(Error::forbidden(reason.clone())),
        Verdict::SoftFailed => Err(Error::forbidden("The room does not allow this event any more")),
        _ => Ok(Preparation::Prepared(Box::new(prepared))),
    }
}

/// Refuses to invite a user of this server who blocks invites.
fn check_invite(context: &Context, conn: &mut Conn, pdu: &Pdu) -> Result<()> {
    let invited = pdu.state_key.as_deref().and_then(|user| <&UserId>::try_from(user).ok());
    if let Some(invited) = invited
        && pdu.event_type == TimelineEventType::RoomMember
        && invited.server_name() == context.server_name
        && membership(pdu) == "invite"
        && let Some(invited) = context.store.users().find(conn, invited)?
    {
        invite_permission::check(conn, invited)?;
    }
    Ok(())
}

/// Builds and signs an event that could be placed on the tip.
pub(super) fn propose(context: &Context, conn: &mut Conn, tip: &Tip, draft: &Draft) -> Result<Pdu> {
    let (pdu, _, (state, _)) = build_on(context, conn, tip, draft)?;
    match authorise(context, conn, tip, &pdu, &state)? {
        Ok(()) => Ok(pdu),
        Err(reason) => Err(Error::forbidden(reason)),
    }
}

/// Builds and signs an event on the tip. Answers it, its prev_events and the state before it.
fn build_on(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    draft: &Draft,
) -> Result<(Pdu, Vec<Extremity>, Merged)> {
    check_text(&draft.event_type, draft.state_key.as_deref())?;
    let rules = tip.info.rules;
    let (prev, state) = prev_events(context, conn, tip)?;
    let types = auth::auth_types(draft, rules).map_err(|error| Error::bad_json(error.0))?;
    let mut auth_events = Vec::with_capacity(4);
    for (event_type, state_key) in types {
        if let Some(event) = tip.state_event(context, conn, &state.0, &event_type, &state_key)? {
            auth_events.push(event.pdu.event_id.clone());
        }
    }
    let old = match rules.event_id_format {
        EventIdFormatVersion::V1 => {
            let named = prev.iter().map(|prev| &prev.event_id).chain(&auth_events);
            Some(old_fields(context, conn, tip, named)?)
        }
        _ => None,
    };
    let pdu = build::build_old(
        draft.clone(),
        old,
        Some(&tip.info.id),
        prev.iter().map(|prev| prev.event_id.clone()).collect(),
        auth_events,
        dag::depth_after(prev.iter().map(|prev| prev.depth)),
        context.keys.current().pair(),
        &context.server_name,
        rules,
    )
    .map_err(refused)?;
    Ok((pdu, prev, state))
}

/// What an event of the oldest versions has besides, naming these.
fn old_fields<'a>(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    named: impl Iterator<Item = &'a OwnedEventId>,
) -> Result<build::Old> {
    let mut old = build::Old::new(&context.server_name);
    for id in named {
        if let Some(event) = tip.event_by_id(context, conn, id)? {
            let hash = check::reference_hash(&event.pdu, tip.info.rules);
            let hash = hash.map_err(|error| Error::internal(format!("hash of {id}: {error}")))?;
            old.hashes.insert(id.clone(), hash);
        }
    }
    Ok(old)
}

/// The prev_events of an event that have a place here, and those that don't.
fn known_prev(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
) -> Result<(Vec<Extremity>, Vec<OwnedEventId>)> {
    let (known, mut missing) = find_all(context, conn, tip, &pdu.prev_events)?;
    let mut prev = Vec::with_capacity(known.len());
    for event in known {
        if event.outlier {
            missing.push(event.pdu.event_id.clone());
        } else if let Some(at) = tip.extremities.iter().find(|at| at.nid == event.nid) {
            prev.push(at.clone());
        } else {
            prev.push(tip.extremity(context, conn, &event)?);
        }
    }
    Ok((prev, missing))
}

/// Places the first event of a room that is being made here.
pub(super) fn create_event(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    pdu: Pdu,
) -> Result<Prepared> {
    let prepared = place(context, conn, tip, Placing::first(pdu))?;
    match &prepared.verdict {
        Verdict::Rejected(reason) => Err(Error::forbidden(reason.clone())),
        _ => Ok(prepared),
    }
}

/// Checks and places an event of another server.
pub(super) fn remote(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    remote: &RemoteEvent,
) -> Result<Preparation> {
    check_text(&remote.pdu.event_type, remote.pdu.state_key.as_deref())?;
    let pdu = &remote.pdu;
    let existing = match tip.event_by_id(context, conn, &pdu.event_id)? {
        Some(event) if !event.outlier => return Ok(Preparation::done(Outcome::Known(event))),
        other => other,
    };

    let (auth_events, missing) = find_all(context, conn, tip, &pdu.auth_events)?;
    if !missing.is_empty() {
        return Ok(Preparation::done(Outcome::MissingAuth(missing)));
    }
    let rejected = authorise_by_auth_events(context, conn, tip, pdu, &auth_events)?;

    let (prev, mut missing_prev) = known_prev(context, conn, tip, pdu)?;
    let mut states = Vec::new();
    let state_before = if let Before::Entry(events) = &remote.before {
        let (state, row) = told_state(context, conn, tip, &[&tip.state], events)?;
        states.push(row);
        state
    } else {
        let mut forks: Vec<State> = prev.iter().map(|prev| prev.state_after.clone()).collect();
        let given: &[_] = match &remote.before {
            Before::Gap(given) => given,
            _ => &[],
        };
        let is_given = |id: &OwnedEventId| given.iter().any(|(given, _)| given == id);
        let is_assumed = tip.partial.is_some()
            && matches!(remote.before, Before::Assumed)
            && !missing_prev.is_empty();
        if is_assumed {
            forks.push(tip.state.clone());
        } else if missing_prev.iter().any(|id| !is_given(id))
            || (forks.is_empty() && given.is_empty())
        {
            missing_prev.retain(|id| !is_given(id));
            return Ok(Preparation::done(Outcome::MissingPrev(missing_prev)));
        }
        for (_, events) in given.iter().filter(|(id, _)| missing_prev.contains(id)) {
            let (state, row) = told_state(context, conn, tip, &[&tip.state], events)?;
            states.push(row);
            forks.push(state);
        }
        let (state, row) = merge(context, conn, tip, &forks)?;
        states.extend(row);
        state
    };
    let is_partial = match remote.before {
        Before::Entry(_) => remote.partial.is_some(),
        _ => tip.partial.is_some(),
    };
    let learned = match is_partial && rejected.is_none() {
        true => members_among(&auth_events),
        false => Vec::new(),
    };
    let (state_before, row) = learn(context, tip, state_before, &learned);
    states.extend(row);
    let redacts = redaction_in_effect(context, conn, tip, pdu)?;
    let placing = Placing {
        pdu: pdu.clone(),
        existing: existing.map(|event| event.nid),
        sender_nid: None,
        prev,
        missing_prev,
        state_before,
        states,
        transaction: None,
        redacts,
        rejected,
        entry: matches!(remote.before, Before::Entry(_)),
        relay: remote.relay,
        past: None,
        followed: is_followed(context, conn, tip, &pdu.event_id)?,
        learned,
        partial: remote.partial.clone(),
    };
    Ok(Preparation::Prepared(Box::new(place(context, conn, tip, placing)?)))
}

/// The members among an event's auth events.
fn members_among(auth_events: &[Arc<Event>]) -> Vec<Entry> {
    let members = auth_events
        .iter()
        .filter(|event| event.pdu.event_type == TimelineEventType::RoomMember && !event.rejected);
    members.filter_map(|event| Some((event.state_key_nid?, event.nid))).collect()
}

/// A state of a room whose members are not here, with those of `members` of whom it says nothing.
fn learn(
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

/// Whether an event that came over a gap follows this one: it comes late, and where the room goes on is after
/// that one. Soft-failed and rejected events end nothing.
fn is_followed(context: &Context, conn: &mut Conn, tip: &Tip, event_id: &EventId) -> Result<bool> {
    let follows = |event: &Event| {
        let counts = !event.outlier && !event.rejected && !event.soft_failed;
        counts && event.pdu.prev_events.iter().any(|prev| prev == event_id)
    };
    if tip.pending().any(|event| follows(event)) {
        return Ok(true);
    }
    let (room, anywhere) = (tip.info.nid, (Position(i64::MIN), Position(i64::MAX)));
    // Nothing is missing in most rooms, which costs no query.
    Ok(context.gaps.newest(conn, room, anywhere)?.is_some()
        && events::is_followed(conn, room, event_id)?)
}

/// A state of the room as another server told it, kept as a difference from the nearest of `known` where that is
/// small.
fn told_state(
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

/// Prepares an event to be kept without a place in the graph.
pub(super) fn outlier(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    pdu: &Pdu,
) -> Result<Preparation> {
    check_text(&pdu.event_type, pdu.state_key.as_deref())?;
    let existing = tip.event_by_id(context, conn, &pdu.event_id)?;
    if let Some(event) = &existing
        && (event.room_nid != tip.info.nid || !is_out_of_band(context, conn, event)?)
    {
        return Ok(Preparation::done(Outcome::Known(event.clone())));
    }
    let (auth_events, missing) = find_all(context, conn, tip, &pdu.auth_events)?;
    if !missing.is_empty() {
        return Ok(Preparation::done(Outcome::MissingAuth(missing)));
    }
    let rejected = authorise_by_auth_events(context, conn, tip, pdu, &auth_events)?;
    let mut rows = Rows::default();
    let mut pdu = pdu.clone();
    pdu.rejected = rejected.is_some();
    let nid = existing.as_ref().map_or_else(|| context.store.nids().event(), |event| event.nid);
    let parts = Parts {
        nid,
        room_nid: tip.info.nid,
        sender_nid: rows.user(context, conn, &pdu.sender)?,
        state_key_nid: rows.state_key(context, conn, &pdu)?,
        state_before: None,
        state_after: None,
        replaces: None,
        outlier: true,
        rejected: rejected.is_some(),
        soft_failed: false,
        received_at: context.clock.now_ms(),
        sent_with: None,
        redacted_because: None,
        pdu: Arc::new(pdu),
    };
    let event = Arc::new(Event::new(parts, None));
    tip.hold(event.clone(), None);
    let auth = if event.pdu.state_key.is_some() { nids(&auth_events) } else { Vec::new() };
    Ok(Preparation::Prepared(Box::new(Prepared {
        verdict: rejected.map_or(Verdict::Outlier, Verdict::Rejected),
        known: existing.is_some(),
        auth,
        ..Prepared::bare(event, rows)
    })))
}

/// Refuses what a PostgreSQL TEXT column cannot hold.
fn check_text(event_type: &TimelineEventType, state_key: Option<&str>) -> Result<()> {
    let nul = |text: &str| text.contains('\0');
    if nul(&event_type.to_string()) || state_key.is_some_and(nul) {
        return Err(Error::bad_json("An event's type and state key can't contain NUL"));
    }
    Ok(())
}

/// Why a draft can't become an event.
pub fn refused(error: BuildError) -> Error {
    match error {
        BuildError::TooLarge => Error::matrix(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::TooLarge,
            "The event is too large",
        ),
        error => Error::bad_json(error.to_string()),
    }
}

/// The events with these ids, and the ids that are not known.
fn find_all(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    ids: &[OwnedEventId],
) -> Result<(Vec<Arc<Event>>, Vec<OwnedEventId>)> {
    let (mut found, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        match tip.event_by_id(context, conn, id)? {
            Some(event) if !is_out_of_band(context, conn, &event)? => found.push(event),
            _ => missing.push(id.clone()),
        }
    }
    Ok((found, missing))
}

fn nids(events: &[Arc<Event>]) -> Vec<EventNid> {
    events.iter().map(|event| event.nid).collect()
}
