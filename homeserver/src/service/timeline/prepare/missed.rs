//! Servers that were in a room all the time, and that nobody named before its members were here: what was sent
//! meanwhile was not meant for them.

use std::collections::BTreeSet;

use ruma::{OwnedServerName, UserId, events::TimelineEventType};

use super::{Context, Tip, place::membership};
use crate::{
    error::Result,
    room::event::Pdu,
    storage::{Conn, EventNid, state::State},
};

/// The last event of this server since the room was entered, and those of `servers` that are to be sent it: they were
/// neither told then nor known by the state `before`. All other events of this server are before it, and asked for by
/// who misses them.
pub(super) fn missed(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    (before, mut servers): (&State, BTreeSet<OwnedServerName>),
    (told, events): (&[OwnedServerName], &[EventNid]),
) -> Result<Option<(EventNid, Vec<OwnedServerName>)>> {
    let Some(last) = last_sent(context, conn, tip, events)? else { return Ok(None) };
    servers.remove(&context.server_name);
    for server in told {
        servers.remove(server);
    }
    if servers.is_empty() {
        return Ok(None);
    }
    for (_, nid) in before.iter() {
        if let Some(server) = server_joined(&tip.event(context, conn, nid)?.pdu) {
            servers.remove(&server);
        }
    }
    let servers: Vec<_> = servers.into_iter().collect();
    Ok((!servers.is_empty()).then_some((last, servers)))
}

/// The server of a user who is joined by this event.
pub(super) fn server_joined(pdu: &Pdu) -> Option<OwnedServerName> {
    let is_join = pdu.event_type == TimelineEventType::RoomMember && membership(pdu) == "join";
    let user = pdu.state_key.as_deref().filter(|_| is_join)?;
    <&UserId>::try_from(user).ok().map(|user| user.server_name().to_owned())
}

/// The last event of this server after the one that entered, of those that count.
fn last_sent(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    events: &[EventNid],
) -> Result<Option<EventNid>> {
    for &nid in events.iter().skip(1).rev() {
        let event = tip.event(context, conn, nid)?;
        let is_own = event.pdu.sender.server_name() == context.server_name;
        if is_own && !event.rejected && !event.soft_failed {
            return Ok(Some(nid));
        }
    }
    Ok(None)
}
