//! What sliding sync tells besides rooms' events, each if it is asked for: from the same streams as v3.

use std::collections::BTreeMap;

use ruma::{
    OwnedRoomId,
    api::client::sync::sync_events::v5::response::{self, Extensions},
    events::AnySyncEphemeralRoomEvent,
    serde::Raw,
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::to_raw_value};

use super::{
    connection::State,
    lists::{Found, Relevant},
    request::{self, OfRooms},
    response::Room,
};
use crate::{
    error::{Error, Result},
    service::keys::counts::Counts,
    service::sync::{
        filter::{SyncFilter, TypeFilter},
        streams::{
            Scope, account_data, device_lists, ephemeral,
            to_device::{self, to_device},
        },
        token::SyncToken,
    },
    storage::Conn,
};

pub(super) struct Part<'a> {
    pub wanted: &'a request::Extensions,
    /// What the client knew before.
    pub before: Option<&'a State>,
    pub found: &'a Found<'a>,
    /// What is told of rooms in the same answer.
    pub rooms: &'a BTreeMap<OwnedRoomId, Room>,
    pub now: SyncToken,
}

pub(super) fn extensions(
    scope: &Scope<'_>,
    conn: &mut Conn,
    part: &Part<'_>,
) -> Result<Extensions> {
    let mut extensions = Extensions::default();
    if let Some(wanted) = &part.wanted.to_device {
        let Scope { context, caller, .. } = *scope;
        let range = (wanted.since, part.now.position);
        let limit = wanted.limit.unwrap_or(to_device::AT_ONCE);
        let messages = to_device(context, conn, caller, range, limit)?;
        let mut block = response::ToDevice::default();
        block.next_batch = messages.until.to_string();
        block.events = messages.events;
        extensions.to_device = Some(block);
    }
    if part.wanted.e2ee {
        extensions.e2ee = part.e2ee(scope, conn)?;
    }
    if part.wanted.account_data.is_some() {
        extensions.account_data = part.account_data(scope, conn)?;
    }
    if let Some(of) = &part.wanted.receipts {
        for room in part.rooms(of) {
            let new = part.is_new(room, |before| before.receipts.is_some());
            let since = part.before.filter(|_| !new).map(|before| before.token.position);
            let Scope { context, caller, .. } = *scope;
            let nid = room.row.room_nid;
            let events = ephemeral::receipts(context, conn, caller, nid, since, part.now.position)?;
            let shown = part.rooms.get(&room.info.id).filter(|_| new);
            if let Some(event) = merged(&events, shown, scope.caller.user_id.as_str())? {
                extensions.receipts.rooms.insert(room.info.id.clone(), event);
            }
        }
    }
    if let Some(of) = &part.wanted.typing {
        for room in part.rooms(of) {
            let new = part.is_new(room, |before| before.typing.is_some());
            let since = part.before.filter(|_| !new).map(|before| before.token.serial);
            let Scope { context, caller, streams } = *scope;
            let nid = room.row.room_nid;
            let event = ephemeral::typing(context, conn, caller, &streams.typing, nid, since)?;
            if let Some(event) = event {
                extensions.typing.rooms.insert(room.info.id.clone(), event.cast_unchecked());
            }
        }
    }
    Ok(extensions)
}

impl Part<'_> {
    /// The rooms that an extension is about which the user is in.
    fn rooms<'a>(&'a self, of: &'a OfRooms) -> impl Iterator<Item = &'a Relevant<'a>> {
        let joined = self.found.rooms.values().filter(|room| room.row.membership == "join");
        joined.filter(move |room| {
            let listed = room.lists.iter().any(|name| {
                of.lists.as_ref().is_none_or(|lists| lists.iter().any(|l| l == "*" || l == name))
            });
            let subscribed = room.subscribed
                && of.rooms.as_ref().is_none_or(|rooms| {
                    rooms.iter().any(|name| name == "*" || *name == room.info.id.as_str())
                });
            listed || subscribed
        })
    }

    /// Whether the client has not been told of the room's share of an extension before.
    fn is_new(
        &self,
        room: &Relevant<'_>,
        was_wanted: impl Fn(&request::Extensions) -> bool,
    ) -> bool {
        self.before.is_none_or(|before| {
            !was_wanted(&before.wanted.extensions)
                || before.rooms.get(&room.row.room_nid).is_none_or(|sent| sent.membership != "join")
        })
    }

    /// Device lists only with something before: who begins asks for all that it wants to know.
    fn e2ee(&self, scope: &Scope<'_>, conn: &mut Conn) -> Result<response::E2EE> {
        let Scope { context, caller, streams } = *scope;
        let counts = streams.key_counts.get(context, conn, caller)?;
        let mut block = response::E2EE::default();
        add_key_counts(&mut block, &counts);
        if let Some(before) = self.before {
            let now = self.now.position;
            let memberships = context.user_rooms.at(conn, caller.user_nid, now)?;
            let range = (before.token.position, now);
            block.device_lists = device_lists::changed(context, conn, caller, &memberships, range)?;
        }
        Ok(block)
    }

    fn account_data(&self, scope: &Scope<'_>, conn: &mut Conn) -> Result<response::AccountData> {
        let Scope { context, caller, .. } = *scope;
        let before = self.before.filter(|before| before.wanted.extensions.account_data.is_some());
        let since = before.map(|before| before.token.position);
        let filter = SyncFilter::default();
        let changed =
            account_data::changed(context, conn, caller, &filter, since, self.now.position)?;
        let mut block = response::AccountData::default();
        block.global = changed.global;
        let Some(of) = &self.wanted.account_data else { return Ok(block) };
        // What changed of a room that the client knows is told wherever the room is now.
        for (nid, events) in changed.rooms {
            if before.is_some_and(|before| before.rooms.contains_key(&nid)) {
                let info = context.rooms.by_nid(conn, nid)?;
                block.rooms.insert(info.id.clone(), events);
            }
        }
        for room in self.rooms(of) {
            if self.is_new(room, |before| before.account_data.is_some()) {
                let id = &room.info.id;
                let events = account_data::of_room(conn, caller, &TypeFilter::default(), id)?;
                if !events.is_empty() {
                    block.rooms.insert(id.clone(), events);
                }
            }
        }
        Ok(block)
    }
}

pub(super) fn add_key_counts(block: &mut response::E2EE, counts: &Counts) {
    block.device_one_time_keys_count = counts.one_time.clone();
    block.device_unused_fallback_key_types = Some(counts.unused_fallback.clone());
}

/// One receipt event out of those of several threads. Of a room that is new to the client, only the receipts
/// of `own` and those of events that it is shown.
fn merged<T>(
    events: &[Raw<AnySyncEphemeralRoomEvent>],
    shown: Option<&Room>,
    own: &str,
) -> Result<Option<Raw<T>>> {
    #[derive(Deserialize)]
    struct Event {
        content: Map<String, Value>,
    }
    let broken = |error: serde_json::Error| Error::internal(format!("receipts: {error}"));
    let shown = shown.map(|room| {
        let ids =
            room.timeline.iter().filter_map(|event| event.get_field::<String>("event_id").ok());
        ids.flatten().collect::<Vec<_>>()
    });
    let mut content = Map::new();
    for event in events {
        let event: Event = serde_json::from_str(event.json().get()).map_err(broken)?;
        for (id, mut types) in event.content {
            if shown.as_ref().is_some_and(|shown| !shown.contains(&id)) {
                retain_own(&mut types, own);
            }
            if types.as_object().is_some_and(|types| !types.is_empty()) {
                merge(content.entry(id).or_insert_with(|| json!({})), types);
            }
        }
    }
    if content.is_empty() {
        return Ok(None);
    }
    let event = json!({ "type": "m.receipt", "content": content });
    Ok(Some(Raw::from_json(to_raw_value(&event).map_err(broken)?)))
}

fn retain_own(types: &mut Value, own: &str) {
    let Some(types) = types.as_object_mut() else { return };
    for users in types.values_mut() {
        if let Some(users) = users.as_object_mut() {
            users.retain(|user, _| user == own);
        }
    }
    types.retain(|_, users| users.as_object().is_some_and(|users| !users.is_empty()));
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert_with(|| json!({})), value);
            }
        }
        (into, from) => *into = from,
    }
}
