//! An event as the server holds it in memory: parsed once, its client format serialised once.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use serde_json::{json, value::RawValue};

use crate::{
    error::{Error, Result},
    room::event::Pdu,
    storage::{EventNid, Position, RoomNid, StateKeyNid, StateNid, UserNid},
};

/// An event with its place in the room. Everything but the position never changes.
#[derive(Debug)]
pub struct Event {
    pub nid: EventNid,
    pub room_nid: RoomNid,
    pub sender_nid: UserNid,
    pub state_key_nid: Option<StateKeyNid>,
    pub state_before: Option<StateNid>,
    pub state_after: Option<StateNid>,
    pub replaces: Option<Replaced>,
    pub outlier: bool,
    pub rejected: bool,
    pub soft_failed: bool,
    pub received_at: i64,
    pub sent_with: Option<SentWith>,
    pub redacted_because: Option<Arc<Event>>,
    /// As signed; after a redaction, what the redaction leaves of it.
    pub pdu: Arc<Pdu>,
    position: AtomicI64,
    committed: AtomicBool,
    client: OnceLock<Box<RawValue>>,
}

/// The state event that an event took the place of.
#[derive(Clone, Debug)]
pub struct Replaced {
    pub nid: EventNid,
    pub event_id: ruma::OwnedEventId,
    pub sender: ruma::OwnedUserId,
    pub content: Box<RawValue>,
}

/// The device and transaction id that a local event was sent with.
#[derive(Clone, Debug)]
pub struct SentWith {
    pub device_id: String,
    pub transaction_id: String,
}

/// Who looks at an event: its sender's device learns its transaction id.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    pub user_nid: UserNid,
    pub device_id: &'a str,
}

/// Everything of an event but its position.
pub struct Parts {
    pub nid: EventNid,
    pub room_nid: RoomNid,
    pub sender_nid: UserNid,
    pub state_key_nid: Option<StateKeyNid>,
    pub state_before: Option<StateNid>,
    pub state_after: Option<StateNid>,
    pub replaces: Option<Replaced>,
    pub outlier: bool,
    pub rejected: bool,
    pub soft_failed: bool,
    pub received_at: i64,
    pub sent_with: Option<SentWith>,
    pub redacted_because: Option<Arc<Event>>,
    pub pdu: Arc<Pdu>,
}

impl Event {
    pub fn new(parts: Parts, position: Option<Position>) -> Self {
        let Parts {
            nid,
            room_nid,
            sender_nid,
            state_key_nid,
            state_before,
            state_after,
            replaces,
            outlier,
            rejected,
            soft_failed,
            received_at,
            sent_with,
            redacted_because,
            pdu,
        } = parts;
        Self {
            nid,
            room_nid,
            sender_nid,
            state_key_nid,
            state_before,
            state_after,
            replaces,
            outlier,
            rejected,
            soft_failed,
            received_at,
            sent_with,
            redacted_because,
            pdu,
            position: AtomicI64::new(position.map_or(0, |position| position.0)),
            committed: AtomicBool::new(false),
            client: OnceLock::new(),
        }
    }

    /// Its place in the stream, if it has one.
    pub fn position(&self) -> Option<Position> {
        match self.position.load(Ordering::Acquire) {
            0 => None,
            position => Some(Position(position)),
        }
    }

    /// Called once, after the commit that gave the event its place.
    pub fn set_position(&self, position: Position) {
        self.position.store(position.0, Ordering::Release);
    }

    /// Has it a row by now? Asked of events that were prepared, not of those that were read.
    pub fn is_committed(&self) -> bool {
        self.committed.load(Ordering::Acquire)
    }

    /// Called once, after the commit of its row.
    pub fn set_committed(&self) {
        self.committed.store(true, Ordering::Release);
    }

    /// The format of `/sync`: without the room id.
    pub fn for_sync(&self, viewer: Viewer<'_>) -> Result<Box<RawValue>> {
        match self.transaction_id_for(viewer) {
            Some(transaction_id) => self.build(false, Some(transaction_id)),
            None => self.shared(),
        }
    }

    /// The format of every other client endpoint: with the room id.
    pub fn for_client(&self, viewer: Viewer<'_>) -> Result<Box<RawValue>> {
        self.build(true, self.transaction_id_for(viewer))
    }

    /// How many bytes the event keeps in memory, roughly.
    pub fn weight(&self) -> usize {
        512 + self.pdu.json.len() * 2
    }

    fn transaction_id_for(&self, viewer: Viewer<'_>) -> Option<&str> {
        let sent_with = self.sent_with.as_ref()?;
        (self.sender_nid == viewer.user_nid && sent_with.device_id == viewer.device_id)
            .then_some(sent_with.transaction_id.as_str())
    }

    fn shared(&self) -> Result<Box<RawValue>> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = self.build(false, None)?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    fn build(&self, with_room_id: bool, transaction_id: Option<&str>) -> Result<Box<RawValue>> {
        let mut unsigned = serde_json::Map::new();
        if let Some(transaction_id) = transaction_id {
            unsigned.insert("transaction_id".into(), transaction_id.into());
        }
        if let Some(replaces) = &self.replaces {
            let prev_content = serde_json::from_str(replaces.content.get()).map_err(broken)?;
            unsigned.insert("prev_content".into(), prev_content);
            unsigned.insert("prev_sender".into(), json!(replaces.sender));
            unsigned.insert("replaces_state".into(), json!(replaces.event_id));
        }
        if let Some(redaction) = &self.redacted_because {
            let because = redaction.pdu.client_json(true, None);
            let because = serde_json::from_str(&because).map_err(broken)?;
            unsigned.insert("redacted_because".into(), because);
            unsigned.insert("redacted_by".into(), json!(redaction.pdu.event_id));
        }
        let unsigned = if unsigned.is_empty() {
            None
        } else {
            Some(serde_json::to_string(&unsigned).map_err(broken)?)
        };
        let json = self.pdu.client_json(with_room_id, unsigned.as_deref());
        RawValue::from_string(json).map_err(broken)
    }
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("a stored event does not serialise: {error}"))
}
