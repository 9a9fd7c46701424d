//! `ephemeral` of a room: receipts, in one event, and who is typing.

use std::collections::BTreeMap;

use ruma::{OwnedUserId, events::AnySyncEphemeralRoomEvent, serde::Raw};
use serde::Serialize;
use serde_json::{json, value::to_raw_value};

use crate::{
    error::{Error, Result},
    service::{
        notifier::{Serial, Subject},
        receipts::PRIVATE,
        sessions::Session,
        timeline::Context,
        typing,
    },
    storage::{Conn, Position, RoomNid, receipts},
};

#[derive(Serialize)]
struct Receipt {
    ts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_id: Option<String>,
}

/// The receipts that changed after `since`; all there are without one. Of private ones only the caller's own.
/// One event, and more only where somebody has read the same event in several threads.
pub fn receipts(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    room: RoomNid,
    since: Option<Position>,
    now: Position,
) -> Result<Vec<Raw<AnySyncEphemeralRoomEvent>>> {
    if since.is_some_and(|since| context.notifier.last_change(Subject::Receipts(room)) <= since) {
        return Ok(Vec::new());
    }
    type Content = BTreeMap<String, BTreeMap<String, BTreeMap<String, Receipt>>>;
    let mut contents: Vec<Content> = Vec::new();
    let range = (since.unwrap_or(Position(0)), now);
    for (row, user_id) in receipts::changed(conn, room, range)? {
        if row.receipt_type == PRIVATE && row.user_nid != caller.user_nid {
            continue;
        }
        let thread_id = Some(row.thread).filter(|thread| !thread.is_empty());
        let receipt = Receipt { ts: row.ts, thread_id };
        let is_taken = |content: &Content| {
            let users = content.get(&row.event_id).and_then(|types| types.get(&row.receipt_type));
            users.is_some_and(|users| users.contains_key(&user_id))
        };
        let free = contents.iter().position(|content| !is_taken(content));
        let at = free.unwrap_or_else(|| {
            contents.push(Content::new());
            contents.len() - 1
        });
        if let Some(content) = contents.get_mut(at) {
            let types = content.entry(row.event_id).or_default();
            types.entry(row.receipt_type).or_default().insert(user_id, receipt);
        }
    }
    let events = contents.into_iter();
    events.map(|content| event(&json!({ "type": "m.receipt", "content": content }))).collect()
}

/// Who is typing, if that changed after `since`.
pub fn typing(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    rooms: &typing::Rooms,
    room: RoomNid,
    since: Option<Serial>,
) -> Result<Option<Raw<AnySyncEphemeralRoomEvent>>> {
    let Some(mut users) = rooms.changed(room, since) else { return Ok(None) };
    let ignored = context.ignored_users.of_user(conn, caller.user_nid)?;
    users.retain(|user: &OwnedUserId| !ignored.contains(user));
    event(&json!({ "type": "m.typing", "content": { "user_ids": users } })).map(Some)
}

fn event(json: &serde_json::Value) -> Result<Raw<AnySyncEphemeralRoomEvent>> {
    to_raw_value(json)
        .map(Raw::from_json)
        .map_err(|error| Error::internal(format!("an ephemeral event: {error}")))
}
