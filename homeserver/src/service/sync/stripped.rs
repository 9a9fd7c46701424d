//! Stripped state: what a user is told of a room that they are not in, as the inviting server sent it, or
//! from our own state.

use ruma::{
    events::{AnyStrippedStateEvent, StateEventType},
    serde::Raw,
};
use serde_json::{json, value::RawValue};

use crate::{
    error::{Error, Result},
    service::{event::Event, rooms::state_event, timeline::Context},
    storage::{Conn, members::MembershipRow, rooms, state::State},
};

/// The state that an invited or knocking user is told of a room, besides their own membership.
const STRIPPED: [StateEventType; 8] = [
    StateEventType::RoomCreate,
    StateEventType::RoomName,
    StateEventType::RoomAvatar,
    StateEventType::RoomTopic,
    StateEventType::RoomJoinRules,
    StateEventType::RoomCanonicalAlias,
    StateEventType::RoomEncryption,
    StateEventType::RoomTombstone,
];

pub(super) fn stripped_state(
    context: &Context,
    conn: &mut Conn,
    row: &MembershipRow,
) -> Result<Vec<Raw<AnyStrippedStateEvent>>> {
    if let Some(stripped) = &row.stripped_state {
        return serde_json::from_str(stripped)
            .map_err(|error| Error::internal(format!("stored stripped state: {error}")));
    }
    let membership = context.events.get(conn, row.event_nid)?;
    let mut events = Vec::new();
    let state = match membership.state_before {
        Some(before) => before,
        // It came with the state of a room that somebody else here has joined.
        None => rooms::state_nid(conn, row.room_nid)?,
    };
    let state: State = context.states.get(conn, state)?;
    for event_type in &STRIPPED {
        if let Some(event) = state_event(context, conn, &state, event_type, "")? {
            events.push(stripped(&event)?);
        }
    }
    let sender = membership.pdu.sender.as_str();
    if membership.pdu.state_key.as_deref() != Some(sender)
        && let Some(sender) =
            state_event(context, conn, &state, &StateEventType::RoomMember, sender)?
    {
        events.push(stripped(&sender)?);
    }
    events.push(stripped(&membership)?);
    Ok(events)
}

fn stripped(event: &Event) -> Result<Raw<AnyStrippedStateEvent>> {
    let stripped: Box<RawValue> = serde_json::value::to_raw_value(&json!({
        "type": event.pdu.event_type,
        "state_key": event.pdu.state_key,
        "sender": event.pdu.sender,
        "content": event.pdu.content,
    }))
    .map_err(|error| Error::internal(format!("stripped state: {error}")))?;
    Ok(Raw::from_json(stripped))
}
