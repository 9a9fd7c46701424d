//! What a room's state and an event's auth events say to the event.

use std::sync::Arc;

use ruma::{EventId, events::StateEventType};

use super::{Context, Tip};
use crate::{
    error::{Error, Result},
    room::{
        auth,
        event::{Pdu, create_of_room_id},
        power::Power,
        redact,
    },
    service::event::Event,
    storage::{Conn, EventNid, events as event_rows, state::State},
};

/// Checks an event against a state of its room.
pub(super) fn authorise(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
    state: &State,
) -> Result<Result<(), String>> {
    let types = match auth::state_types(pdu, tip.info.rules) {
        Ok(types) => types,
        Err(reason) => return Ok(Err(reason.0)),
    };
    let mut events = Vec::with_capacity(types.len());
    for (event_type, state_key) in types {
        if let Some(event) = tip.state_event(context, conn, state, &event_type, &state_key)? {
            events.push((event_type, state_key, event));
        }
    }
    Ok(auth::authorise(tip.info.rules, pdu, |event_type, state_key| {
        events
            .iter()
            .find(|(t, k, _)| t == event_type && k == state_key)
            .map(|(_, _, event)| event.pdu.clone())
    })
    .map_err(|reason| reason.0))
}

/// Checks another server's event against the auth events it names. `Some` says why it is rejected.
pub(super) fn authorise_by_auth_events(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
    auth_events: &[Arc<Event>],
) -> Result<Option<String>> {
    let mut pdus: Vec<Arc<Pdu>> = auth_events.iter().map(|event| event.pdu.clone()).collect();
    if tip.info.rules.authorization.room_create_event_id_as_room_id
        && let Ok(create) = create_of_room_id(&tip.info.id)
        && let Some(create) = tip.event_by_id(context, conn, &create)?
    {
        pdus.push(create.pdu.clone());
    }
    let fetch = |id: &EventId| pdus.iter().find(|pdu| pdu.event_id == id).cloned();
    Ok(auth::check_auth_events(tip.info.rules, pdu, fetch)
        .and_then(|()| auth::authorise_by_auth_events(tip.info.rules, pdu, fetch))
        .err()
        .map(|reason| reason.0))
}

/// Whether a redaction may touch its target, by the power before it.
type RedactionRule = fn(&Pdu, &Pdu, &Power) -> bool;

/// What a redaction is to be applied to, now. An error says why its sender may not.
pub(super) fn redaction_target(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
    rule: RedactionRule,
) -> Result<Option<EventNid>> {
    let Some(redacts) = &pdu.redacts else { return Ok(None) };
    let Some(target) = tip.event_by_id(context, conn, redacts)? else { return Ok(None) };
    if target.room_nid != tip.info.nid {
        return Err(Error::not_found("The event to redact is not in this room"));
    }
    may_redact(context, conn, tip, (pdu, &target.pdu), rule)?
        .then_some(Some(target.nid))
        .ok_or_else(|| Error::forbidden("You don't have permission to redact this event"))
}

/// What a redaction takes effect on, now: nothing, if its sender may not redact that.
pub(super) fn redaction_in_effect(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
) -> Result<Option<EventNid>> {
    match redaction_target(context, conn, tip, pdu, redact::takes_effect) {
        Err(Error::Matrix { .. }) => Ok(None),
        target => target,
    }
}

/// A redaction that arrived before what it redacts. Nobody knows the id of an event of this server before it.
pub(super) fn redaction_before(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
) -> Result<Option<Arc<Event>>> {
    if pdu.sender.server_name() == context.server_name {
        return Ok(None);
    }
    redaction_of(context, conn, tip, pdu)
}

/// A redaction that takes effect on an event, of those that are known.
pub(super) fn redaction_of(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
) -> Result<Option<Arc<Event>>> {
    for nid in event_rows::redactions_of(conn, &pdu.event_id)? {
        let redaction = tip.event(context, conn, nid)?;
        if redaction.room_nid == tip.info.nid
            && !redaction.rejected
            && !redaction.soft_failed
            && may_redact(context, conn, tip, (&redaction.pdu, pdu), redact::takes_effect)?
        {
            return Ok(Some(redaction));
        }
    }
    Ok(None)
}

fn may_redact(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    (redaction, target): (&Pdu, &Pdu),
    rule: RedactionRule,
) -> Result<bool> {
    let state = tip.state.clone();
    let levels = tip.state_event(context, conn, &state, &StateEventType::RoomPowerLevels, "")?;
    let create = tip.state_event(context, conn, &state, &StateEventType::RoomCreate, "")?;
    let Some(create) = create else { return Ok(false) };
    let levels = levels.as_ref().map(|event| &*event.pdu);
    Ok(Power::new(&create.pdu, levels, tip.info.rules)
        .is_ok_and(|power| rule(redaction, target, &power)))
}
