//! Events from before what this server has of a room, as another server tells them: they get a place before
//! all others, and change nothing of where the room stands.

use super::{
    Before, Context, Outcome, Preparation, RemoteEvent, Tip,
    checks::{authorise_by_auth_events, redaction_in_effect},
    find_all, known_prev,
    place::{Placing, merge, place},
    told::told_state,
};
use crate::{
    error::Result,
    storage::{
        Conn, Position,
        events::{self, Direction},
        state::State,
    },
};

/// Prepares an event from before. Its prev_events must be known, or the state before it told
/// ([`Before::Entry`]).
pub(in crate::service::timeline) fn past(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    remote: &RemoteEvent,
) -> Result<Preparation> {
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
    let (prev, missing_prev) = known_prev(context, conn, tip, pdu)?;
    let mut states = Vec::new();
    let state_before = match &remote.before {
        Before::Entry(events) => {
            let after = after(context, conn, tip, remote)?;
            let known: Vec<&State> = after.iter().chain([&tip.state]).collect();
            let (state, row) = told_state(context, conn, tip, &known, events)?;
            states.push(row);
            state
        }
        _ if !missing_prev.is_empty() => {
            return Ok(Preparation::done(Outcome::MissingPrev(missing_prev)));
        }
        _ => {
            let forks: Vec<State> = prev.iter().map(|prev| prev.state_after.clone()).collect();
            let (state, row) = merge(context, conn, tip, &forks)?;
            states.extend(row);
            state
        }
    };
    let redacts = redaction_in_effect(context, conn, tip, pdu)?;
    let placing = Placing {
        existing: existing.map(|event| event.nid),
        prev,
        missing_prev,
        state_before,
        states,
        redacts,
        rejected,
        past: remote.past,
        ..Placing::first(pdu.clone())
    };
    Ok(Preparation::Prepared(Box::new(place(context, conn, tip, placing)?)))
}

/// The state before the event that comes next in the timeline.
fn after(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    remote: &RemoteEvent,
) -> Result<Option<State>> {
    let Some(place) = remote.past else { return Ok(None) };
    let range = (place, Position(i64::MAX));
    let next = events::timeline(conn, tip.info.nid, range, Direction::Forward, 1)?;
    let Some((next, _)) = next.first() else { return Ok(None) };
    let before = context.events.get(conn, *next)?.state_before;
    before.map(|state| context.states.get(conn, state)).transpose()
}
