//! `account_data`, of the user and of each room.

use std::collections::HashMap;

use ruma::{
    RoomId,
    events::{
        AnyGlobalAccountDataEvent, AnyRoomAccountDataEvent, push_rules::PushRulesEventContent,
    },
    push::Ruleset,
    serde::Raw,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    error::{Error, Result},
    service::{
        notifier::Subject,
        sessions::Session,
        sync::filter::{SyncFilter, TypeFilter},
        timeline::Context,
    },
    storage::{Conn, Position, RoomNid, account_data, push_rules as push_rows},
};

const PUSH_RULES: &str = "m.push_rules";

/// What changed, by where it belongs.
#[derive(Debug, Default)]
pub struct Changed {
    pub global: Vec<Raw<AnyGlobalAccountDataEvent>>,
    pub rooms: HashMap<RoomNid, Vec<Raw<AnyRoomAccountDataEvent>>>,
}

/// What the caller's devices changed after `since`; all there is without one.
pub fn changed(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    filter: &SyncFilter,
    since: Option<Position>,
    now: Position,
) -> Result<Changed> {
    let mut changed = Changed::default();
    let subject = Subject::User(caller.user_nid);
    if since.is_some_and(|since| context.notifier.last_change(subject) <= since) {
        return Ok(changed);
    }
    let range = (since.unwrap_or(Position(0)), now);
    for row in account_data::changed(conn, caller.user_nid, range)? {
        if row.room_id == account_data::GLOBAL {
            if !filter.account_data.wants_type(&row.event_type) {
                continue;
            }
            changed.global.push(Raw::from_json(event(&row.event_type, row.content)?));
        } else if let Ok(room_id) = <&RoomId>::try_from(row.room_id.as_str())
            && filter.room_account_data.wants_room(room_id)
            && filter.room_account_data.wants_type(&row.event_type)
            && let Some(info) = context.rooms.by_id(conn, room_id)?
        {
            let event = Raw::from_json(event(&row.event_type, row.content)?);
            changed.rooms.entry(info.nid).or_default().push(event);
        }
    }
    if filter.account_data.wants_type(PUSH_RULES) {
        changed.global.extend(push_rules(context, conn, caller, since, now)?);
    }
    Ok(changed)
}

/// The caller's push rules, which every user has.
fn push_rules(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    since: Option<Position>,
    now: Position,
) -> Result<Option<Raw<AnyGlobalAccountDataEvent>>> {
    if let Some(since) = since {
        let at = push_rows::get(conn, caller.user_nid)?.map(|(_, position)| position);
        if at.is_none_or(|at| at <= since || at > now) {
            return Ok(None);
        }
    }
    let rules = context.push_rules.of_user(conn, caller.user_nid, &caller.user_id)?;
    let content = serde_json::to_string(&PushRulesEventContent::new(Ruleset::clone(&rules)))
        .map_err(|error| Error::internal(format!("push rules: {error}")))?;
    Ok(Some(Raw::from_json(event(PUSH_RULES, content)?)))
}

/// All of one room, for a client that did not know the room.
pub fn of_room(
    conn: &mut Conn,
    caller: &Session,
    filter: &TypeFilter,
    room_id: &RoomId,
) -> Result<Vec<Raw<AnyRoomAccountDataEvent>>> {
    if !filter.wants_room(room_id) {
        return Ok(Vec::new());
    }
    account_data::of_room(conn, caller.user_nid, room_id.as_str())?
        .into_iter()
        .filter(|row| filter.wants_type(&row.event_type))
        .map(|row| event(&row.event_type, row.content).map(Raw::from_json))
        .collect()
}

fn event(event_type: &str, content: String) -> Result<Box<RawValue>> {
    #[derive(Serialize)]
    struct Event<'a> {
        content: &'a RawValue,
        #[serde(rename = "type")]
        event_type: &'a str,
    }
    let broken = |error: serde_json::Error| Error::internal(format!("account data: {error}"));
    let content = RawValue::from_string(content).map_err(broken)?;
    serde_json::value::to_raw_value(&Event { content: &content, event_type }).map_err(broken)
}
