//! Events of other servers: checked, and placed after those that they name.

use std::sync::Arc;

use ruma::{OwnedEventId, events::TimelineEventType};

use super::{
    Before, Context, Outcome, Preparation, RemoteEvent, Tip,
    after::is_followed,
    checks::{authorise_by_auth_events, redaction_in_effect},
    find_all, known_prev,
    place::{Placing, judge, merge, place},
    prepared::Verdict,
    told::{learn, told_state},
};
use crate::{
    error::Result,
    service::event::Event,
    storage::{
        Conn,
        state::{Entry, State},
    },
};

/// Checks and places an event of another server.
pub(in crate::service::timeline) fn remote(
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
    if !remote.asked
        && !placing.entry
        && let Some(policy) = tip.policy_without(pdu)
        && judge(context, conn, tip, &placing)? == Verdict::Accepted
    {
        return Ok(Preparation::done(Outcome::Unsigned(policy.clone())));
    }
    Ok(Preparation::Prepared(Box::new(place(context, conn, tip, placing)?)))
}

/// The members among an event's auth events.
fn members_among(auth_events: &[Arc<Event>]) -> Vec<Entry> {
    let members = auth_events
        .iter()
        .filter(|event| event.pdu.event_type == TimelineEventType::RoomMember && !event.rejected);
    members.filter_map(|event| Some((event.state_key_nid?, event.nid))).collect()
}
