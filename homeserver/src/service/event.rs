//! An event as the server holds it in memory: parsed once, its client format serialised once.

use std::{
    fmt::Write as _,
    ops::{Deref, Range},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use ruma::{events::room::member::MembershipState, room_version_rules::RoomVersionRules};
use serde_json::value::RawValue;

use crate::{
    error::{Error, Result},
    room::{event::Pdu, redact::redacted},
    service::sessions::Session,
    storage::{EventNid, Position, RoomNid, StateKeyNid, StateNid, UserNid},
};

/// An event with its place in the room. Everything but the position never changes.
#[derive(Debug)]
pub struct Event {
    parts: Parts,
    position: AtomicI64,
    committed: AtomicBool,
    is_parent: AtomicBool,
    client: OnceLock<ClientFormat>,
}

/// Everything of an event but its position.
#[derive(Debug)]
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
    /// The redaction, without what is known of it: redactions of redactions may go far.
    pub redacted_because: Option<Arc<Pdu>>,
    /// As signed; after a redaction, what the redaction leaves of it.
    pub pdu: Arc<Pdu>,
}

/// What everybody is told of an event, serialised once.
#[derive(Debug)]
struct ClientFormat {
    /// With the room id and without `unsigned`.
    json: String,
    /// Where the room id stands.
    room_id: Range<usize>,
    /// The fields of `unsigned`, each with a comma behind it.
    unsigned: String,
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
    /// The time, to tell the age of events by.
    pub now_ms: Option<i64>,
}

/// What is told of an event in `unsigned` that depends on who looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    /// The viewer's membership at the event.
    pub membership: Option<&'a MembershipState>,
    /// `m.relations`: bundled aggregations.
    pub relations: Option<&'a RawValue>,
}

impl<'a> Viewer<'a> {
    pub fn new(caller: &'a Session) -> Self {
        let device_id = caller.device_id.as_str();
        Self { user_nid: caller.user_nid, device_id, now_ms: None }
    }

    /// Who learns the age of events, too.
    pub fn at(self, now_ms: i64) -> Self {
        Self { now_ms: Some(now_ms), ..self }
    }
}

impl Deref for Event {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Event {
    pub fn new(parts: Parts, position: Option<Position>) -> Self {
        Self {
            parts,
            position: AtomicI64::new(position.map_or(0, |position| position.0)),
            committed: AtomicBool::new(false),
            is_parent: AtomicBool::new(false),
            client: OnceLock::new(),
        }
    }

    /// What a redaction would leave of it, for one who is not to see more.
    pub fn hidden(&self, rules: &RoomVersionRules) -> Result<Self> {
        let pdu = redacted(&self.pdu, rules)
            .map_err(|error| Error::internal(format!("redaction: {error}")))?;
        let parts = Parts {
            nid: self.nid,
            room_nid: self.room_nid,
            sender_nid: self.sender_nid,
            state_key_nid: self.state_key_nid,
            state_before: self.state_before,
            state_after: self.state_after,
            replaces: None,
            outlier: self.outlier,
            rejected: self.rejected,
            soft_failed: self.soft_failed,
            received_at: self.received_at,
            sent_with: None,
            redacted_because: self.redacted_because.clone(),
            pdu: Arc::new(pdu),
        };
        let hidden = Self::new(parts, self.position());
        if self.is_parent() {
            hidden.set_parent();
        }
        Ok(hidden)
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

    /// Has it children that are bundled with it? May say yes when they are redacted since.
    pub fn is_parent(&self) -> bool {
        self.is_parent.load(Ordering::Acquire)
    }

    /// Called once it has some.
    pub fn set_parent(&self) {
        self.is_parent.store(true, Ordering::Release);
    }

    /// The format of `/sync`: without the room id.
    pub fn for_sync(&self, viewer: Viewer<'_>) -> Result<Box<RawValue>> {
        self.for_sync_with(viewer, Extra::default())
    }

    /// The same, with what depends on the viewer.
    pub fn for_sync_with(&self, viewer: Viewer<'_>, extra: Extra<'_>) -> Result<Box<RawValue>> {
        let mut out = String::new();
        self.write(&mut out, false, viewer, extra)?;
        RawValue::from_string(out).map_err(broken)
    }

    /// The format of every other client endpoint: with the room id.
    pub fn for_client(&self, viewer: Viewer<'_>) -> Result<Box<RawValue>> {
        self.for_client_with(viewer, Extra::default())
    }

    /// The same, with what depends on the viewer.
    pub fn for_client_with(&self, viewer: Viewer<'_>, extra: Extra<'_>) -> Result<Box<RawValue>> {
        let mut out = String::new();
        self.write_for_client(&mut out, viewer, extra)?;
        RawValue::from_string(out).map_err(broken)
    }

    /// Appends the format with the room id: for long lists.
    pub fn write_for_client(
        &self,
        out: &mut String,
        viewer: Viewer<'_>,
        extra: Extra<'_>,
    ) -> Result<()> {
        self.write(out, true, viewer, extra)
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

    fn write(
        &self,
        out: &mut String,
        with_room_id: bool,
        viewer: Viewer<'_>,
        extra: Extra<'_>,
    ) -> Result<()> {
        let shared = match self.client.get() {
            Some(shared) => shared,
            None => {
                let shared = self.format()?;
                self.client.get_or_init(|| shared)
            }
        };
        let json = shared.json.as_str();
        let relations = extra.relations.map_or("", RawValue::get);
        out.reserve(json.len() + shared.unsigned.len() + relations.len() + 160);
        // The closing brace comes after `unsigned`.
        let end = json.len() - 1;
        let skipped = if with_room_id { end..end } else { shared.room_id.clone() };
        out.push_str(json.get(..skipped.start).unwrap_or_default());
        out.push_str(json.get(skipped.end..end).unwrap_or_default());
        out.push_str(r#","unsigned":{"#);
        let begin = out.len();
        out.push_str(&shared.unsigned);
        if let Some(now) = viewer.now_ms {
            let age = now - i64::from(self.pdu.origin_server_ts.get());
            let _ = write!(out, r#""age":{age},"#);
        }
        if let Some(membership) = extra.membership {
            let membership = serde_json::to_string(membership).map_err(broken)?;
            let _ = write!(out, r#""membership":{membership},"#);
        }
        if let Some(transaction_id) = self.transaction_id_for(viewer) {
            let transaction_id = serde_json::to_string(transaction_id).map_err(broken)?;
            let _ = write!(out, r#""transaction_id":{transaction_id},"#);
        }
        if extra.relations.is_some() {
            let _ = write!(out, r#""m.relations":{relations},"#);
        }
        if out.len() == begin {
            out.truncate(begin - r#","unsigned":{"#.len());
            out.push('}');
        } else {
            out.pop();
            out.push_str("}}");
        }
        Ok(())
    }

    fn format(&self) -> Result<ClientFormat> {
        let json = self.pdu.client_json(true, None);
        let without = self.pdu.client_json(false, None);
        // One is the other with a piece put in: it begins where they part, or before.
        let parts = json.bytes().zip(without.bytes()).take_while(|(a, b)| a == b).count();
        let room_id = parts..parts + (json.len() - without.len());
        let mut unsigned = String::new();
        if let Some(replaces) = &self.replaces {
            let sender = serde_json::to_string(&replaces.sender).map_err(broken)?;
            let event_id = serde_json::to_string(&replaces.event_id).map_err(broken)?;
            let _ = write!(
                unsigned,
                r#""prev_content":{},"prev_sender":{sender},"replaces_state":{event_id},"#,
                replaces.content.get()
            );
        }
        if let Some(redaction) = &self.redacted_because {
            let because = redaction.client_json(true, None);
            let by = serde_json::to_string(&redaction.event_id).map_err(broken)?;
            let _ = write!(unsigned, r#""redacted_because":{because},"redacted_by":{by},"#);
        }
        Ok(ClientFormat { json, room_id, unsigned })
    }
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("a stored event does not serialise: {error}"))
}
