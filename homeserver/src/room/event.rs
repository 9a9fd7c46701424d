//! The persistent data unit: an event as signed, and its client format.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId,
    events::{StateEventType, TimelineEventType},
    room_version_rules::RoomVersionRules,
    state_res,
};
use sealpost_federation::canonical;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::check::is_text;

#[derive(Debug, Clone)]
pub struct Pdu {
    pub event_id: OwnedEventId,
    /// Of a create event that has none: what its own hash makes it.
    pub room_id: OwnedRoomId,
    pub sender: OwnedUserId,
    pub event_type: TimelineEventType,
    pub state_key: Option<String>,
    pub content: Box<RawValue>,
    pub origin_server_ts: MilliSecondsSinceUnixEpoch,
    pub prev_events: Vec<OwnedEventId>,
    pub auth_events: Vec<OwnedEventId>,
    pub depth: i64,
    /// What a redaction redacts, wherever the room version puts it.
    pub redacts: Option<OwnedEventId>,
    pub rejected: bool,
    /// As signed: canonical, without `unsigned`.
    pub json: Box<str>,
    /// Power levels as they are understood, where they need not be integers.
    pub(super) levels: Option<Box<RawValue>>,
    /// A create event whose hash is the room id has no field for it.
    pub(super) names_its_room: bool,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    #[error("not an event: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the event has no room")]
    NoRoom,
    #[error("the event belongs to another room")]
    OtherRoom,
    #[error("the identifier is not valid: {0}")]
    Identifier(#[from] ruma::IdParseError),
}

/// The fields, borrowed from the JSON.
#[derive(Deserialize)]
struct Fields<'a> {
    room_id: Option<OwnedRoomId>,
    sender: OwnedUserId,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    state_key: Option<String>,
    #[serde(borrow)]
    content: &'a RawValue,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    prev_events: Vec<Reference>,
    auth_events: Vec<Reference>,
    depth: i64,
    redacts: Option<&'a RawValue>,
}

/// How an event refers to another: the oldest with hashes, which nobody looks at.
struct Reference(OwnedEventId);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Reference;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an event id, alone or before hashes")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Reference, E> {
                OwnedEventId::try_from(id).map(Reference).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Reference, A::Error> {
                let id = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Reference(id))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
struct RedactionContent {
    redacts: Option<OwnedEventId>,
}

impl Pdu {
    /// Reads an event that was checked before: bytes of our own database.
    ///
    /// It may be an invite from when the room was said to be of another version: how it refers to others doesn't
    /// matter.
    pub fn from_json(
        event_id: OwnedEventId,
        json: Box<str>,
        rules: &RoomVersionRules,
    ) -> Result<Self, EventError> {
        let fields: Fields<'_> = serde_json::from_str(&json)?;
        let event_type = TimelineEventType::from(fields.event_type.as_ref());
        let names_its_room = fields.room_id.is_some();
        let room_id = match fields.room_id {
            Some(room_id) => room_id,
            None if event_type == TimelineEventType::RoomCreate
                && !rules.event_format.require_room_create_room_id =>
            {
                room_id_of_create(&event_id)?
            }
            None => return Err(EventError::NoRoom),
        };
        // A field of the wrong shape makes the redaction void, not the event.
        let redacts = match (&event_type, rules.redaction.content_field_redacts) {
            (TimelineEventType::RoomRedaction, true) => {
                serde_json::from_str::<RedactionContent>(fields.content.get())
                    .ok()
                    .and_then(|content| content.redacts)
            }
            (TimelineEventType::RoomRedaction, false) => {
                fields.redacts.and_then(|redacts| serde_json::from_str(redacts.get()).ok())
            }
            _ => None,
        };
        let redacts = redacts.filter(|id: &OwnedEventId| is_text(id.as_str()));
        Ok(Self {
            event_id,
            room_id,
            sender: fields.sender,
            state_key: fields.state_key,
            content: fields.content.to_owned(),
            origin_server_ts: fields.origin_server_ts,
            prev_events: fields.prev_events.into_iter().map(|reference| reference.0).collect(),
            auth_events: fields.auth_events.into_iter().map(|reference| reference.0).collect(),
            depth: fields.depth,
            redacts,
            rejected: false,
            levels: levels(&event_type, fields.content, rules),
            event_type,
            names_its_room,
            json,
        })
    }

    /// The event in the client format. `unsigned` is a JSON object.
    ///
    /// A redaction says what it redacts in both places, for clients older and newer than the room version.
    pub fn client_json(&self, include_room_id: bool, unsigned: Option<&str>) -> String {
        let content = self.content.get();
        let unsigned_length = unsigned.map_or(0, str::len);
        let mut out = String::with_capacity(content.len() + unsigned_length + 320);
        out.push_str(r#"{"content":"#);
        match &self.redacts {
            Some(redacts) if !has_redacts(content) => {
                let rest = content.strip_prefix('{').unwrap_or(content).trim_start();
                out.push_str(r#"{"redacts":"#);
                push_string(&mut out, redacts.as_str());
                if !rest.starts_with('}') {
                    out.push(',');
                }
                out.push_str(rest);
            }
            _ => out.push_str(content),
        }
        out.push_str(r#","event_id":"#);
        push_string(&mut out, self.event_id.as_str());
        let _ = write!(out, r#","origin_server_ts":{}"#, self.origin_server_ts.get());
        if let Some(redacts) = &self.redacts {
            out.push_str(r#","redacts":"#);
            push_string(&mut out, redacts.as_str());
        }
        if include_room_id {
            out.push_str(r#","room_id":"#);
            push_string(&mut out, self.room_id.as_str());
        }
        out.push_str(r#","sender":"#);
        push_string(&mut out, self.sender.as_str());
        if let Some(state_key) = &self.state_key {
            out.push_str(r#","state_key":"#);
            push_string(&mut out, state_key);
        }
        out.push_str(r#","type":"#);
        push_string(&mut out, &self.event_type.to_string());
        if let Some(unsigned) = unsigned {
            out.push_str(r#","unsigned":"#);
            out.push_str(unsigned);
        }
        out.push('}');
        out
    }

    /// Its place in the state, when it is a state event.
    pub fn state_key_pair(&self) -> Option<(StateEventType, &str)> {
        let state_key = self.state_key.as_deref()?;
        Some((StateEventType::from(self.event_type.to_string()), state_key))
    }

    pub fn is_state(&self) -> bool {
        self.state_key.is_some()
    }

    /// A field of the content, when it is there and of that shape.
    pub fn content_as<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.content.get())
    }
}

/// What a field `levels` holds for an event.
pub(super) fn levels(
    event_type: &TimelineEventType,
    content: &RawValue,
    rules: &RoomVersionRules,
) -> Option<Box<RawValue>> {
    if rules.authorization.strict_canonical_json
        || *event_type != TimelineEventType::RoomPowerLevels
    {
        return None;
    }
    RawValue::from_string(canonical::with_integers(content.get())?).ok()
}

/// The id of the room whose create event this is, in versions where the one is the other's hash.
pub fn room_id_of_create(event_id: &EventId) -> Result<OwnedRoomId, ruma::IdParseError> {
    RoomId::new_v2(event_id.as_str().strip_prefix('$').unwrap_or_default())
}

/// The id of the create event of a room, in versions where the one is the other's hash.
pub fn create_of_room_id(room_id: &RoomId) -> Result<OwnedEventId, ruma::IdParseError> {
    EventId::new_v2_or_v3(room_id.strip_sigil())
}

/// Appends a JSON string. What an identifier holds needs no escape, mostly.
pub(super) fn push_string(out: &mut String, value: &str) {
    out.push('"');
    let mut rest = value;
    // Byte by byte: what is escaped is ASCII.
    while let Some(at) = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < b' ') {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let mut characters = tail.chars();
        match characters.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            None => break,
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn has_redacts(content: &str) -> bool {
    #[derive(Deserialize)]
    struct Content {
        redacts: Option<IgnoredAny>,
    }
    serde_json::from_str::<Content>(content).is_ok_and(|content| content.redacts.is_some())
}

impl state_res::Event for Pdu {
    type Id = OwnedEventId;

    fn event_id(&self) -> &Self::Id {
        &self.event_id
    }

    fn room_id(&self) -> Option<&RoomId> {
        self.names_its_room.then_some(&*self.room_id)
    }

    fn sender(&self) -> &UserId {
        &self.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.origin_server_ts
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.event_type
    }

    fn content(&self) -> &RawValue {
        self.levels.as_ref().unwrap_or(&self.content)
    }

    fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Box::new(self.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Box::new(self.auth_events.iter())
    }

    fn redacts(&self) -> Option<&Self::Id> {
        self.redacts.as_ref()
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}
