//! `presence`: of the user and of those who share a room with them.

use std::collections::HashSet;

use ruma::{events::presence::PresenceEvent, serde::Raw};
use serde_json::{json, value::to_raw_value};

use crate::{
    error::{Error, Result},
    service::sessions::Session,
    service::{
        ignored_users::Ignored, notifier::Serial, presence::Board, sync::filter::TypeFilter,
        user_rooms::Memberships,
    },
    storage::Position,
};

/// What changed after `since`; without it, all who are not offline. `since_position`: rooms that the caller
/// came into since are new to them.
pub fn presence(
    board: &Board,
    caller: &Session,
    filter: &TypeFilter,
    ignored: &Ignored,
    memberships: &Memberships,
    (since, since_position): (Option<Serial>, Option<Position>),
    now: i64,
) -> Result<Vec<Raw<PresenceEvent>>> {
    if !filter.wants_type("m.presence") {
        return Ok(Vec::new());
    }
    let rooms: HashSet<_> = memberships.joined().map(|row| row.room_nid).collect();
    let is_fresh = |at: Position| since_position.is_some_and(|since| at > since);
    let fresh = memberships.joined().filter(|row| is_fresh(row.position));
    let fresh: HashSet<_> = fresh.map(|row| row.room_nid).collect();
    let mut events = Vec::new();
    for shown in board.changed(caller.user_nid, &rooms, &fresh, since, now) {
        if !filter.wants_sender(&shown.user_id) || ignored.contains(&shown.user_id) {
            continue;
        }
        let mut content = json!({ "presence": shown.state });
        if let Some(content) = content.as_object_mut() {
            content.extend(shown.status.map(|status| ("status_msg".to_owned(), status.into())));
            let ago = shown.last_active_ago;
            content.extend(ago.map(|ago| ("last_active_ago".to_owned(), ago.into())));
            let active = shown.currently_active;
            content.extend(active.map(|active| ("currently_active".to_owned(), active.into())));
        }
        let event = json!({ "type": "m.presence", "sender": shown.user_id, "content": content });
        let event = to_raw_value(&event)
            .map_err(|error| Error::internal(format!("a presence event: {error}")))?;
        events.push(Raw::from_json(event));
    }
    Ok(events)
}
