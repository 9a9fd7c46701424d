//! The checks of an event from another server that need nothing but the event and keys.

use std::collections::BTreeSet;

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, EventId, OwnedEventId, OwnedServerName, RoomId,
    UserId,
    canonical_json::redact_in_place,
    room_version_rules::{EventIdFormatVersion, EventsReferenceFormatVersion, RoomVersionRules},
    signatures::{
        JsonError, PublicKeyMap, VerificationError, Verified,
        required_server_signatures_to_verify_event,
    },
};
use sealpost_federation::canonical;

use super::event::{EventError, Pdu};

/// The whole event, with signatures, as canonical JSON.
pub const MAX_PDU_BYTES: usize = 65_536;
/// Of `sender`, `room_id`, `state_key`, `type` and `event_id`, in bytes.
pub const MAX_FIELD_BYTES: usize = 255;
pub const MAX_PREV_EVENTS: usize = 20;
pub const MAX_AUTH_EVENTS: usize = 10;
/// The largest integer of canonical JSON.
pub const MAX_DEPTH: i64 = (1 << 53) - 1;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    #[error("malformed event: {0}")]
    Format(String),
    #[error("the signatures do not hold: {0}")]
    Signatures(#[from] VerificationError),
    #[error("the event has no hash: {0}")]
    Hash(#[from] JsonError),
    #[error(transparent)]
    Event(#[from] EventError),
}

impl CheckError {
    fn format(message: impl Into<String>) -> Self {
        Self::Format(message.into())
    }

    /// The server without whose keys the signatures cannot be checked.
    pub fn without_keys_of(&self) -> Option<&str> {
        match self {
            Self::Signatures(VerificationError::NoPublicKeysForEntity(server)) => Some(server),
            _ => None,
        }
    }
}

/// Checks 1 to 3 on receipt. An event whose content hash is wrong comes back redacted.
///
/// `keys` hold the keys of [`required_servers`] that were valid when the event was made. `room_id` is the room
/// it is expected in.
pub fn receive(
    mut object: CanonicalJsonObject,
    room_id: Option<&RoomId>,
    rules: &RoomVersionRules,
    keys: &PublicKeyMap,
) -> Result<Pdu, CheckError> {
    object.remove("unsigned");
    format(&object, rules)?;
    let event_id = event_id(&object, rules)?;
    receive_as(event_id, object, room_id, rules, keys)
}

/// The same of an event whose [id](event_id) is known.
pub fn receive_as(
    event_id: OwnedEventId,
    mut object: CanonicalJsonObject,
    room_id: Option<&RoomId>,
    rules: &RoomVersionRules,
    keys: &PublicKeyMap,
) -> Result<Pdu, CheckError> {
    object.remove("unsigned");
    let mut json = canonical::to_string(&object, rules).map_err(EventError::from)?;
    format_of(&object, json.len(), rules)?;
    if canonical::verify(keys, &object, rules)? == Verified::Signatures {
        redact_in_place(&mut object, &rules.redaction, None)
            .map_err(|error| CheckError::format(error.to_string()))?;
        json = canonical::to_string(&object, rules).map_err(EventError::from)?;
    }
    let pdu = Pdu::from_json(event_id, json.into_boxed_str(), rules)?;
    if room_id.is_some_and(|room_id| room_id != pdu.room_id) {
        return Err(EventError::OtherRoom.into());
    }
    Ok(pdu)
}

/// The servers whose signatures an event needs.
pub fn required_servers(
    object: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<BTreeSet<OwnedServerName>, CheckError> {
    Ok(required_server_signatures_to_verify_event(object, &rules.signatures)?)
}

/// The id that an event's content makes for it; in the oldest versions, the one that its server gave it.
pub fn event_id(
    object: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<OwnedEventId, CheckError> {
    match rules.event_id_format {
        EventIdFormatVersion::V1 => {
            let id = required_string(object, "event_id")?;
            Ok(EventId::parse(id).map_err(EventError::from)?)
        }
        _ => {
            let id = EventId::new_v2_or_v3(&canonical::reference_hash(object, rules)?);
            Ok(id.map_err(EventError::from)?)
        }
    }
}

/// The hash by which events of the oldest versions refer to this one, besides by its id.
pub fn reference_hash(pdu: &Pdu, rules: &RoomVersionRules) -> Result<String, CheckError> {
    let object = canonical::parse(&pdu.json, rules).map_err(EventError::from)?;
    Ok(canonical::reference_hash(&object, rules)?)
}

/// Is it an event at all: presence, types and limits of its fields.
pub fn format(object: &CanonicalJsonObject, rules: &RoomVersionRules) -> Result<(), CheckError> {
    let length = canonical::to_string(object, rules).map_err(EventError::from)?.len();
    format_of(object, length, rules)
}

fn format_of(
    object: &CanonicalJsonObject,
    length: usize,
    rules: &RoomVersionRules,
) -> Result<(), CheckError> {
    if length > MAX_PDU_BYTES {
        return Err(CheckError::format("larger than 65536 bytes"));
    }
    let event_type = required_string(object, "type")?;
    UserId::parse(required_string(object, "sender")?)
        .map_err(|error| CheckError::format(format!("`sender`: {error}")))?;
    if event_type != "m.room.create" || rules.event_format.require_room_create_room_id {
        RoomId::parse(required_string(object, "room_id")?)
            .map_err(|error| CheckError::format(format!("`room_id`: {error}")))?;
    }
    string(object, "state_key")?;
    if rules.event_format.require_event_id {
        let id = required_string(object, "event_id")?;
        if EventId::parse(id).is_ok_and(|id| id.server_name().is_none()) {
            return Err(CheckError::format("`event_id` names no server"));
        }
    }
    event_ids(object, "prev_events", MAX_PREV_EVENTS, rules)?;
    let auth_events = event_ids(object, "auth_events", MAX_AUTH_EVENTS, rules)?;
    if !rules.event_format.allow_room_create_in_auth_events
        && let Some(room_id) = string(object, "room_id")?
        && let Some(hash) = room_id.strip_prefix('!')
        && auth_events.iter().any(|id| id.as_str().is_some_and(|id| id.get(1..) == Some(hash)))
    {
        return Err(CheckError::format("the create event is in `auth_events`"));
    }
    match object.get("depth") {
        Some(depth) if canonical::natural(depth).is_some() => {}
        _ => return Err(CheckError::format("`depth` is not a natural number")),
    }
    match object.get("origin_server_ts") {
        Some(CanonicalJsonValue::Integer(ts)) if i64::from(*ts) >= 0 => {}
        _ => return Err(CheckError::format("`origin_server_ts` is not a natural number")),
    }
    for field in ["content", "hashes", "signatures"] {
        if !matches!(object.get(field), Some(CanonicalJsonValue::Object(_))) {
            return Err(CheckError::format(format!("`{field}` is not an object")));
        }
    }
    Ok(())
}

fn string<'a>(object: &'a CanonicalJsonObject, field: &str) -> Result<Option<&'a str>, CheckError> {
    match object.get(field) {
        None => Ok(None),
        Some(CanonicalJsonValue::String(value)) if value.len() > MAX_FIELD_BYTES => {
            Err(CheckError::format(format!("`{field}` is longer than 255 bytes")))
        }
        Some(CanonicalJsonValue::String(value)) if !is_text(value) => {
            Err(CheckError::format(format!("`{field}` contains NUL")))
        }
        Some(CanonicalJsonValue::String(value)) => Ok(Some(value)),
        Some(_) => Err(CheckError::format(format!("`{field}` is not a string"))),
    }
}

/// Whether a PostgreSQL TEXT column can hold it.
pub fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

fn required_string<'a>(
    object: &'a CanonicalJsonObject,
    field: &str,
) -> Result<&'a str, CheckError> {
    string(object, field)?.ok_or_else(|| CheckError::format(format!("`{field}` is missing")))
}

fn event_ids<'a>(
    object: &'a CanonicalJsonObject,
    field: &str,
    limit: usize,
    rules: &RoomVersionRules,
) -> Result<&'a [CanonicalJsonValue], CheckError> {
    let Some(CanonicalJsonValue::Array(ids)) = object.get(field) else {
        return Err(CheckError::format(format!("`{field}` is not a list")));
    };
    if ids.len() > limit {
        return Err(CheckError::format(format!("`{field}` has more than {limit} entries")));
    }
    let id = |entry: &'a CanonicalJsonValue| match rules.events_reference_format {
        EventsReferenceFormatVersion::V1 => match entry {
            CanonicalJsonValue::Array(pair) => match &**pair {
                [id, CanonicalJsonValue::Object(_hashes)] => id.as_str(),
                _ => None,
            },
            _ => None,
        },
        _ => entry.as_str(),
    };
    let is_id = |id: &str| is_text(id) && EventId::parse(id).is_ok();
    if ids.iter().any(|entry| !id(entry).is_some_and(is_id)) {
        return Err(CheckError::format(format!("`{field}` has an entry that is no event id")));
    }
    Ok(ids)
}
