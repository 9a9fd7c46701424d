//! What a client wants to see: a filter, ready to be asked.

use std::collections::HashSet;

use ruma::{
    OwnedRoomId, OwnedUserId, RoomId, UserId,
    api::client::filter::{
        EventFormat, Filter, FilterDefinition, LazyLoadOptions, RoomEventFilter, UrlFilter,
    },
};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::{
    error::{Error, Result},
    service::event::{Event, Extra, Viewer},
};

/// How many events of a room a client gets when it does not say.
const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 1_000;

#[derive(Clone, Debug, Default)]
pub struct SyncFilter {
    rooms: Rooms,
    pub include_leave: bool,
    pub timeline: EventFilter,
    pub state: EventFilter,
    pub account_data: TypeFilter,
    pub room_account_data: TypeFilter,
    pub ephemeral: TypeFilter,
    pub presence: TypeFilter,
    pub unread_thread_notifications: bool,
    pub format: Format,
}

/// In which shape events are told.
#[derive(Clone, Debug, Default)]
pub struct Format {
    /// Only these fields, each the names on the way to it.
    fields: Option<Vec<Vec<String>>>,
    federation: bool,
}

/// Which things that are no events of a room's graph.
#[derive(Clone, Debug, Default)]
pub struct TypeFilter {
    rooms: Rooms,
    types: Option<Vec<String>>,
    not_types: Vec<String>,
    senders: Option<HashSet<OwnedUserId>>,
    not_senders: HashSet<OwnedUserId>,
}

/// Which events of which rooms.
#[derive(Clone, Debug)]
pub struct EventFilter {
    rooms: Rooms,
    types: Option<Vec<String>>,
    not_types: Vec<String>,
    senders: Option<HashSet<OwnedUserId>>,
    not_senders: HashSet<OwnedUserId>,
    url: Option<bool>,
    pub lazy: LazyLoadOptions,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
struct Rooms {
    only: Option<HashSet<OwnedRoomId>>,
    not: HashSet<OwnedRoomId>,
}

impl SyncFilter {
    pub fn new(definition: &FilterDefinition) -> Self {
        let room = &definition.room;
        Self {
            rooms: Rooms::new(room.rooms.as_deref(), &room.not_rooms),
            include_leave: room.include_leave,
            timeline: EventFilter::new(&room.timeline),
            state: EventFilter::new(&room.state),
            account_data: TypeFilter::new(&definition.account_data),
            room_account_data: TypeFilter::of_rooms(&room.account_data),
            ephemeral: TypeFilter::of_rooms(&room.ephemeral),
            presence: TypeFilter::new(&definition.presence),
            unread_thread_notifications: room.timeline.unread_thread_notifications,
            format: Format {
                fields: definition
                    .event_fields
                    .as_ref()
                    .map(|fields| fields.iter().map(|field| path(field)).collect()),
                federation: definition.event_format == EventFormat::Federation,
            },
        }
    }

    pub fn wants_room(&self, room: &RoomId) -> bool {
        self.rooms.contains(room)
    }
}

impl Format {
    /// The event as the client wants to see it.
    pub fn show(
        &self,
        event: &Event,
        viewer: Viewer<'_>,
        extra: Extra<'_>,
    ) -> Result<Box<RawValue>> {
        let json = if self.federation {
            RawValue::from_string(event.pdu.json.to_string()).map_err(broken)?
        } else {
            event.for_sync_with(viewer, extra)?
        };
        let Some(fields) = &self.fields else { return Ok(json) };
        let whole: Value = serde_json::from_str(json.get()).map_err(broken)?;
        let mut shown = Value::Object(Map::new());
        for field in fields {
            copy(field, &whole, &mut shown);
        }
        to_raw_value(&shown).map_err(broken)
    }
}

/// The names of a field such as `content.body`; a dot that belongs to a name has a backslash before it.
fn path(field: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        let Some(last) = names.last_mut() else { break };
        match character {
            '.' => names.push(String::new()),
            '\\' => last.extend(characters.next()),
            other => last.push(other),
        }
    }
    names
}

fn copy(path: &[String], from: &Value, to: &mut Value) {
    let Some((name, rest)) = path.split_first() else { return };
    let (Some(from), Some(to)) = (from.get(name), to.as_object_mut()) else { return };
    if rest.is_empty() {
        to.insert(name.clone(), from.clone());
    } else if from.is_object() {
        copy(rest, from, to.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())));
    }
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("an event does not serialise: {error}"))
}

impl TypeFilter {
    fn new(filter: &Filter) -> Self {
        Self {
            rooms: Rooms::default(),
            types: filter.types.clone(),
            not_types: filter.not_types.clone(),
            senders: filter.senders.as_ref().map(|senders| senders.iter().cloned().collect()),
            not_senders: filter.not_senders.iter().cloned().collect(),
        }
    }

    fn of_rooms(filter: &RoomEventFilter) -> Self {
        Self {
            rooms: Rooms::new(filter.rooms.as_deref(), &filter.not_rooms),
            types: filter.types.clone(),
            not_types: filter.not_types.clone(),
            ..Self::default()
        }
    }

    pub fn wants_room(&self, room: &RoomId) -> bool {
        self.rooms.contains(room)
    }

    pub fn wants_type(&self, event_type: &str) -> bool {
        let matches = |pattern: &String| glob(pattern, event_type);
        self.types.as_ref().is_none_or(|types| types.iter().any(matches))
            && !self.not_types.iter().any(matches)
    }

    pub fn wants_sender(&self, user: &UserId) -> bool {
        self.senders.as_ref().is_none_or(|senders| senders.contains(user))
            && !self.not_senders.contains(user)
    }
}

impl EventFilter {
    /// Everything, up to this many.
    pub fn newest(limit: usize) -> Self {
        Self { limit: limit.min(LIMIT_MAX), ..Self::default() }
    }

    pub fn new(filter: &RoomEventFilter) -> Self {
        let limit = filter.limit.and_then(|limit| usize::try_from(u64::from(limit)).ok());
        Self {
            rooms: Rooms::new(filter.rooms.as_deref(), &filter.not_rooms),
            types: filter.types.clone(),
            not_types: filter.not_types.clone(),
            senders: filter.senders.as_ref().map(|senders| senders.iter().cloned().collect()),
            not_senders: filter.not_senders.iter().cloned().collect(),
            url: filter.url_filter.as_ref().map(|url| *url == UrlFilter::EventsWithUrl),
            lazy: filter.lazy_load_options,
            limit: limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX),
        }
    }

    /// Whether events of this room are wanted at all.
    pub fn wants_room(&self, room: &RoomId) -> bool {
        self.rooms.contains(room)
    }

    pub fn wants(&self, event: &Event) -> bool {
        let pdu = &event.pdu;
        if self.senders.as_ref().is_some_and(|senders| !senders.contains(&pdu.sender))
            || self.not_senders.contains(&pdu.sender)
        {
            return false;
        }
        if self.types.is_some() || !self.not_types.is_empty() {
            let event_type = pdu.event_type.to_string();
            let matches = |pattern: &String| glob(pattern, &event_type);
            if self.types.as_ref().is_some_and(|types| !types.iter().any(matches))
                || self.not_types.iter().any(matches)
            {
                return false;
            }
        }
        self.url.is_none_or(|wanted| wanted == has_url(event))
    }
}

impl Default for EventFilter {
    fn default() -> Self {
        Self::new(&RoomEventFilter::default())
    }
}

impl Rooms {
    fn new(only: Option<&[OwnedRoomId]>, not: &[OwnedRoomId]) -> Self {
        Self {
            only: only.map(|rooms| rooms.iter().cloned().collect()),
            not: not.iter().cloned().collect(),
        }
    }

    fn contains(&self, room: &RoomId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(room)) && !self.not.contains(room)
    }
}

fn has_url(event: &Event) -> bool {
    #[derive(serde::Deserialize)]
    struct Content {
        #[expect(dead_code, reason = "only its being a string is of interest")]
        url: String,
    }
    event.pdu.content_as::<Content>().is_ok()
}

/// `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{copy, glob, path};

    #[test]
    fn a_field_is_found_by_the_names_on_its_way() {
        assert_eq!(path("content.body"), ["content", "body"]);
        assert_eq!(path(r"content.m\.relates_to.x"), ["content", "m.relates_to", "x"]);
        let mut shown = json!({});
        let whole = json!({ "content": { "body": "a", "other": 1 }, "type": "t" });
        copy(&path("content.body"), &whole, &mut shown);
        copy(&path("content.body.deeper"), &whole, &mut shown);
        copy(&path("nothing"), &whole, &mut shown);
        assert_eq!(shown, json!({ "content": { "body": "a" } }));
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(glob("m.room.*", "m.room.message"));
        assert!(glob("*", ""));
        assert!(glob("m.*.mess*e", "m.room.message"));
        assert!(glob("m.room.message", "m.room.message"));
        assert!(!glob("m.room", "m.room.message"));
        assert!(!glob("m.*m.room", "m.room"));
        assert!(!glob("*.member", "m.room.message"));
    }
}
