//! The reduced answer to a join ([`omit_members`]): the state without its members, but for those who name a room
//! that has neither name nor alias.
//!
//! [`omit_members`]: https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use ruma::{UserId, events::TimelineEventType};

use super::serve_events::auth_chain;
use crate::{
    error::Result,
    service::{event::Event, room_digest::HEROES, timeline::Context},
    storage::{Conn, EventNid, StateNid, members},
};

/// What is answered.
pub(super) struct Reduced {
    pub state: Vec<Arc<Event>>,
    /// Without what is in the state.
    pub auth_chain: Vec<Arc<Event>>,
    /// The servers that were in the room before the join.
    pub servers: Vec<String>,
}

/// The state `before` a join, reduced.
pub(super) fn reduced(
    context: &Context,
    conn: &mut Conn,
    before: StateNid,
    join: &Arc<Event>,
) -> Result<Reduced> {
    let room = join.room_nid;
    let mut heroes: HashSet<EventNid> = HashSet::new();
    // One more than the heroes: the one who joins may be among the first.
    for (_, user, event) in members::first(conn, room, ("join", "invite"), HEROES as i64 + 1)? {
        if user != join.pdu.sender.as_str() && heroes.len() < HEROES {
            heroes.insert(event);
        }
    }
    let entries: Vec<_> = context.states.get(conn, before)?.iter().collect();
    let (mut state, mut naming) = (Vec::new(), Vec::new());
    let mut is_named = false;
    for (_, nid) in entries {
        let event = context.events.get(conn, nid)?;
        match event.pdu.event_type {
            TimelineEventType::RoomMember if heroes.contains(&nid) => naming.push(event),
            TimelineEventType::RoomMember => {}
            TimelineEventType::RoomName | TimelineEventType::RoomCanonicalAlias => {
                is_named |= event.pdu.state_key.as_deref() == Some("");
                state.push(event);
            }
            _ => state.push(event),
        }
    }
    if !is_named {
        state.extend(naming);
    }
    let mut servers = BTreeSet::new();
    for (_, user, _) in members::of_room(conn, room, "join")? {
        if let Ok(user) = <&UserId>::try_from(user.as_str())
            && user != join.pdu.sender
        {
            servers.insert(user.server_name().to_string());
        }
    }
    let told: HashSet<EventNid> = state.iter().map(|event| event.nid).collect();
    let mut chain = auth_chain(context, conn, state.iter().chain([join]).cloned())?;
    chain.retain(|event| !told.contains(&event.nid));
    Ok(Reduced { state, auth_chain: chain, servers: servers.into_iter().collect() })
}
