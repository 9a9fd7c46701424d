//! What this server knows by itself of a room without its members.

use std::collections::HashMap;

use ruma::{UserId, events::TimelineEventType};

use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::timeline::{Context, is_out_of_band},
    storage::{Conn, EventNid, RoomNid, events, members, partial_rooms},
};

/// How the users of this server went out of a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Departure {
    /// One is still in it.
    None,
    /// By themselves.
    Left,
    /// One was kicked or banned, by somebody of whom it is not known whether they may.
    Removed,
}

pub(super) fn departure(context: &Context, conn: &mut Conn, room: RoomNid) -> Result<Departure> {
    if members::is_resident(conn, room)? {
        return Ok(Departure::None);
    }
    let mut last: HashMap<String, bool> = HashMap::new();
    for nid in partial_rooms::events(conn, room)? {
        let event = context.events.get(conn, nid)?;
        if let Some(user) = own_member(context, &event.pdu)
            && !event.rejected
            && !event.soft_failed
        {
            last.insert(user.to_string(), *user == event.pdu.sender);
        }
    }
    Ok(match last.values().all(|by_themselves| *by_themselves) {
        true => Departure::Left,
        false => Departure::Removed,
    })
}

/// The user of this server of whom a member event tells.
fn own_member<'a>(context: &Context, pdu: &'a Pdu) -> Option<&'a UserId> {
    let user = pdu.state_key.as_deref().filter(|_| pdu.event_type == TimelineEventType::RoomMember);
    let user = <&UserId>::try_from(user?).ok()?;
    (user.server_name() == context.server_name).then_some(user)
}

/// The state before the event that entered, with the members of whom an event is here: who was learned of since, and
/// who authorises others. Of several events of a member the deepest counts.
pub(super) fn held_state(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
) -> Result<Vec<EventNid>> {
    let since = partial_rooms::events(conn, room)?;
    let Some(join) = since.first() else { return Ok(Vec::new()) };
    let before = context.events.get(conn, *join)?.state_before;
    let before = before.ok_or_else(|| Error::internal("an event that entered has no state"))?;
    let mut held: HashMap<_, _> = context.states.get(conn, before)?.iter().collect();
    for (key, nid) in events::outlying_members(conn, room)? {
        let event = context.events.get(conn, nid)?;
        if !is_out_of_band(context, conn, &event)? {
            held.insert(key, nid);
        }
    }
    Ok(held.into_values().collect())
}
