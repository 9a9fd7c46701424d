//! Events that are kept without a place in the graph, as others' auth events or state.

use std::{collections::HashMap, sync::Arc};

use ruma::OwnedEventId;

use super::{
    Context, Outcome, Preparation, Tip,
    checks::authorise_by_auth_events,
    find_all, is_out_of_band, nids,
    prepared::{Prepared, Rows, Verdict},
};
use crate::{
    error::Result,
    room::event::Pdu,
    service::event::{Event, Parts},
    storage::{Conn, EventNid, StateKey},
};

/// Which of several events are there, looked up all at once, as are their users and state keys.
pub(in crate::service::timeline) fn known_outliers(
    context: &Context,
    conn: &mut Conn,
    pdus: &[Pdu],
) -> Result<HashMap<OwnedEventId, EventNid>> {
    let users = pdus.iter().map(|pdu| Arc::from(pdu.sender.as_str()));
    context.store.users().reserve_all(conn, users)?;
    let state_keys = pdus.iter().filter_map(|pdu| {
        let state_key = Arc::from(pdu.state_key.as_deref()?);
        Some(StateKey { event_type: Arc::from(pdu.event_type.to_string()), state_key })
    });
    context.store.state_keys().reserve_all(conn, state_keys)?;
    context.events.nids(conn, pdus.iter().map(|pdu| &*pdu.event_id))
}

/// Prepares an event to be kept without a place in the graph.
pub(in crate::service::timeline) fn outlier(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    pdu: &Pdu,
    known: &HashMap<OwnedEventId, EventNid>,
) -> Result<Preparation> {
    let existing = match known.contains_key(&pdu.event_id) || tip.is_held(&pdu.event_id) {
        true => tip.event_by_id(context, conn, &pdu.event_id)?,
        false => None,
    };
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
