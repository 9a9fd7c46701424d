//! Makes an event of our own: hash, signature, id.
//!
//! The content is serialised once, and once more as redaction leaves it; what is hashed, what is signed and
//! what is stored are put together from these two, with one signature. The string that is signed is also the
//! one whose hash is the event's id, in every room version since 4.

use std::collections::HashMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId,
    ServerName,
    canonical_json::redact_content_in_place,
    events::TimelineEventType,
    room_version_rules::{EventIdFormatVersion, RoomVersionRules},
    signatures::KeyPair,
};
use sealpost_federation::canonical;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{
    check::{MAX_AUTH_EVENTS, MAX_DEPTH, MAX_FIELD_BYTES, MAX_PDU_BYTES, MAX_PREV_EVENTS},
    event::{Pdu, levels, push_string, room_id_of_create},
};

/// What its sender decides of an event.
#[derive(Debug, Clone)]
pub struct Draft {
    pub event_type: TimelineEventType,
    pub state_key: Option<String>,
    /// A JSON object, in any form.
    pub content: Box<RawValue>,
    /// Of a redaction; put where the room version wants it.
    pub redacts: Option<OwnedEventId>,
    pub sender: OwnedUserId,
    pub origin_server_ts: MilliSecondsSinceUnixEpoch,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    #[error("the event is larger than {MAX_PDU_BYTES} bytes")]
    TooLarge,
    #[error("`{0}` is longer than {MAX_FIELD_BYTES} bytes")]
    FieldTooLong(&'static str),
    #[error("too many entries in `{0}`")]
    TooMany(&'static str),
    #[error("the content is not canonical JSON: {0}")]
    Content(#[from] serde_json::Error),
    #[error("the identifier is not valid: {0}")]
    Identifier(#[from] ruma::IdParseError),
    #[error("an event needs a room")]
    NoRoom,
}

/// `room_id` is `None` for a create event in a version where its hash becomes the room's id.
#[expect(clippy::too_many_arguments, reason = "what the room and the server add to a draft")]
pub fn build(
    draft: Draft,
    room_id: Option<&RoomId>,
    prev_events: Vec<OwnedEventId>,
    auth_events: Vec<OwnedEventId>,
    depth: i64,
    key: &impl KeyPair,
    server_name: &ServerName,
    rules: &RoomVersionRules,
) -> Result<Pdu, BuildError> {
    let old = match rules.event_id_format {
        EventIdFormatVersion::V1 => Some(Old::new(server_name)),
        _ => None,
    };
    build_old(draft, old, room_id, prev_events, auth_events, depth, key, server_name, rules)
}

/// What an event of the versions 1 and 2 has besides.
#[derive(Debug, Clone)]
pub struct Old {
    /// Made up, not computed.
    pub event_id: OwnedEventId,
    /// The reference hashes of the events that it names.
    pub hashes: HashMap<OwnedEventId, String>,
}

impl Old {
    pub fn new(server_name: &ServerName) -> Self {
        Self { event_id: EventId::new_v1(server_name), hashes: HashMap::new() }
    }
}

/// [`build`], of any version: `old` is there in the versions 1 and 2.
#[expect(clippy::too_many_arguments, reason = "what the room and the server add to a draft")]
pub fn build_old(
    draft: Draft,
    old: Option<Old>,
    room_id: Option<&RoomId>,
    prev_events: Vec<OwnedEventId>,
    auth_events: Vec<OwnedEventId>,
    depth: i64,
    key: &impl KeyPair,
    server_name: &ServerName,
    rules: &RoomVersionRules,
) -> Result<Pdu, BuildError> {
    let is_create = draft.event_type == TimelineEventType::RoomCreate;
    let room_id = match room_id {
        Some(_) if is_create && !rules.event_format.require_room_create_room_id => None,
        Some(room_id) => Some(room_id.to_owned()),
        None if is_create && !rules.event_format.require_room_create_room_id => None,
        None => return Err(BuildError::NoRoom),
    };
    if prev_events.len() > MAX_PREV_EVENTS {
        return Err(BuildError::TooMany("prev_events"));
    }
    if auth_events.len() > MAX_AUTH_EVENTS {
        return Err(BuildError::TooMany("auth_events"));
    }

    let mut content = canonical::parse(draft.content.get(), rules)?;
    let is_redaction = draft.event_type == TimelineEventType::RoomRedaction;
    let redacts = draft.redacts.filter(|_| is_redaction);
    if rules.redaction.content_field_redacts
        && let Some(redacts) = &redacts
    {
        content.insert("redacts".to_owned(), redacts.as_str().into());
    }
    let full_content = canonical::to_string(&content, rules)?;
    let event_type = draft.event_type.to_string();
    redact_content_in_place(&mut content, &rules.redaction, &event_type);
    let redacted_content = canonical::to_string(&content, rules)?;

    let form = Form {
        old,
        room_id,
        redacts: redacts.clone().filter(|_| !rules.redaction.content_field_redacts),
        depth: depth.clamp(0, MAX_DEPTH),
        event_type,
        state_key: draft.state_key,
        sender: draft.sender,
        origin_server_ts: draft.origin_server_ts,
        prev_events,
        auth_events,
    };
    form.check_lengths()?;

    let content_hash = Sha256::digest(form.write(&full_content, None, None, true).as_bytes());
    let content_hash = STANDARD_NO_PAD.encode(content_hash);
    let signed = form.write(&redacted_content, Some(&content_hash), None, false);
    let signature = key.sign(signed.as_bytes());
    let signature = (server_name.as_str(), signature.id(), signature.base64());
    let json = form.write(&full_content, Some(&content_hash), Some(&signature), true);
    if json.len() > MAX_PDU_BYTES {
        return Err(BuildError::TooLarge);
    }

    let hash = Sha256::digest(signed.as_bytes());
    let event_id = match &form.old {
        Some(old) => old.event_id.clone(),
        None if matches!(rules.event_id_format, EventIdFormatVersion::V2) => {
            EventId::new_v2_or_v3(&STANDARD_NO_PAD.encode(hash))?
        }
        None => EventId::new_v2_or_v3(&URL_SAFE_NO_PAD.encode(hash))?,
    };
    let names_its_room = form.room_id.is_some();
    let room_id = match form.room_id {
        Some(room_id) => room_id,
        None => room_id_of_create(&event_id)?,
    };
    let content = RawValue::from_string(full_content)?;
    Ok(Pdu {
        event_id,
        levels: levels(&draft.event_type, &content, rules),
        room_id,
        sender: form.sender,
        event_type: draft.event_type,
        state_key: form.state_key,
        content,
        origin_server_ts: form.origin_server_ts,
        prev_events: form.prev_events,
        auth_events: form.auth_events,
        depth: form.depth,
        redacts,
        rejected: false,
        json: json.into_boxed_str(),
        names_its_room,
    })
}

/// The fields of an event beside content, hash and signature.
struct Form {
    old: Option<Old>,
    room_id: Option<OwnedRoomId>,
    redacts: Option<OwnedEventId>,
    depth: i64,
    event_type: String,
    state_key: Option<String>,
    sender: OwnedUserId,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    prev_events: Vec<OwnedEventId>,
    auth_events: Vec<OwnedEventId>,
}

impl Form {
    fn check_lengths(&self) -> Result<(), BuildError> {
        let fields = [
            ("type", Some(self.event_type.as_str())),
            ("sender", Some(self.sender.as_str())),
            ("state_key", self.state_key.as_deref()),
            ("room_id", self.room_id.as_deref().map(RoomId::as_str)),
        ];
        match fields.into_iter().find(|(_, v)| v.is_some_and(|v| v.len() > MAX_FIELD_BYTES)) {
            Some((name, _)) => Err(BuildError::FieldTooLong(name)),
            None => Ok(()),
        }
    }

    /// The keys in canonical order. `full` is what redaction would strip: a redaction's target.
    fn write(
        &self,
        content: &str,
        hash: Option<&str>,
        signature: Option<&(&str, String, String)>,
        full: bool,
    ) -> String {
        let mut out = String::with_capacity(
            content.len() + 640 + 48 * (self.auth_events.len() + self.prev_events.len()),
        );
        out.push_str(r#"{"auth_events":"#);
        self.push_ids(&mut out, &self.auth_events);
        out.push_str(r#","content":"#);
        out.push_str(content);
        out.push_str(r#","depth":"#);
        out.push_str(&self.depth.to_string());
        if let Some(old) = &self.old {
            out.push_str(r#","event_id":"#);
            push_string(&mut out, old.event_id.as_str());
        }
        if let Some(hash) = hash {
            out.push_str(r#","hashes":{"sha256":"#);
            push_string(&mut out, hash);
            out.push('}');
        }
        out.push_str(r#","origin_server_ts":"#);
        out.push_str(&self.origin_server_ts.get().to_string());
        out.push_str(r#","prev_events":"#);
        self.push_ids(&mut out, &self.prev_events);
        if full && let Some(redacts) = &self.redacts {
            out.push_str(r#","redacts":"#);
            push_string(&mut out, redacts.as_str());
        }
        if let Some(room_id) = &self.room_id {
            out.push_str(r#","room_id":"#);
            push_string(&mut out, room_id.as_str());
        }
        out.push_str(r#","sender":"#);
        push_string(&mut out, self.sender.as_str());
        if let Some((server_name, key_id, signature)) = signature {
            out.push_str(r#","signatures":{"#);
            push_string(&mut out, server_name);
            out.push_str(":{");
            push_string(&mut out, key_id);
            out.push(':');
            push_string(&mut out, signature);
            out.push_str("}}");
        }
        if let Some(state_key) = &self.state_key {
            out.push_str(r#","state_key":"#);
            push_string(&mut out, state_key);
        }
        out.push_str(r#","type":"#);
        push_string(&mut out, &self.event_type);
        out.push('}');
        out
    }

    fn push_ids(&self, out: &mut String, ids: &[OwnedEventId]) {
        out.push('[');
        for (index, id) in ids.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let Some(old) = &self.old else {
                push_string(out, id.as_str());
                continue;
            };
            out.push('[');
            push_string(out, id.as_str());
            out.push_str(",{");
            if let Some(hash) = old.hashes.get(id) {
                out.push_str(r#""sha256":"#);
                push_string(out, hash);
            }
            out.push_str("}]");
        }
        out.push(']');
    }
}
