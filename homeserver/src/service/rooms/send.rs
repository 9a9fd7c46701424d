//! Sending events: messages, state, redactions.

use std::sync::Arc;

use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedTransactionId, OwnedUserId, RoomId,
    UInt, UserId,
    events::{StateEventType, TimelineEventType, room::policy::RoomPolicyEventContent},
};
use serde_json::{Value, value::RawValue};

use super::{Rooms, guests::keeps_guests_out, state_event};
use crate::{
    error::{Error, Result},
    room::{build::Draft, event::Pdu},
    service::{event::Event, sessions::Session, timeline::LocalEvent},
    storage::{RoomNid, client_transactions::TransactionKey, members, rooms as room_rows},
};

/// What a client wants to send.
pub struct Message {
    pub event_type: TimelineEventType,
    pub state_key: Option<String>,
    pub content: Box<RawValue>,
    pub redacts: Option<OwnedEventId>,
}

impl Rooms {
    /// Sends a message event, once per transaction id.
    pub async fn send_message(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_type: TimelineEventType,
        content: Box<RawValue>,
        transaction_id: &OwnedTransactionId,
    ) -> Result<Arc<Event>> {
        let endpoint = format!("send/{room_id}/{event_type}");
        let message = Message { event_type, state_key: None, content, redacts: None };
        self.send(caller, room_id, message, Some((endpoint, transaction_id))).await
    }

    /// Sends a state event.
    pub async fn send_state(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_type: TimelineEventType,
        state_key: String,
        content: Box<RawValue>,
    ) -> Result<Arc<Event>> {
        if event_type == TimelineEventType::RoomCreate {
            return Err(Error::forbidden("A room is created only once"));
        }
        if event_type == TimelineEventType::RoomTombstone && leads_to(&content, room_id) {
            return Err(Error::invalid_param("A room can't be replaced by itself"));
        }
        if event_type == TimelineEventType::RoomCanonicalAlias && state_key.is_empty() {
            self.check_canonical_alias(room_id, &content).await?;
        }
        if event_type == TimelineEventType::RoomMember {
            match state_key == caller.user_id {
                true => self.wait_unless_joined(caller, room_id).await?,
                false => self.wait_for_members(room_id).await?,
            }
        }
        if let Some(event) =
            self.unchanged(caller, room_id, &event_type, &state_key, &content).await?
        {
            return Ok(event);
        }
        let dismisses = event_type == TimelineEventType::RoomGuestAccess
            && state_key.is_empty()
            && keeps_guests_out(&content);
        let message = Message { event_type, state_key: Some(state_key), content, redacts: None };
        let event = self.send(caller, room_id, message, None).await?;
        if dismisses {
            self.dismiss_guests(room_id).await?;
        }
        Ok(event)
    }

    /// The event that holds this place of the state with this content already, if it is of the caller, who is in
    /// the room: setting it again makes no event.
    async fn unchanged(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_type: &TimelineEventType,
        state_key: &str,
        content: &RawValue,
    ) -> Result<Option<Arc<Event>>> {
        let info = self.known(room_id).await?;
        let (context, user) = (self.context.clone(), caller.user_nid);
        let event_type = StateEventType::from(event_type.to_string());
        let state_key = state_key.to_owned();
        let read = self.context.store.read(move |conn| {
            if members::get(conn, info.nid, user)?.is_none_or(|row| row.membership != "join") {
                return Ok(None);
            }
            let state = room_rows::state_nid(conn, info.nid)?;
            let state = &context.states.get(conn, state)?;
            state_event(&context, conn, state, &event_type, &state_key)
        });
        let event = read.await?.filter(|event| event.pdu.sender == caller.user_id);
        let same = |event: &Arc<Event>| {
            let value = |json: &RawValue| serde_json::from_str::<Value>(json.get()).ok();
            value(&event.pdu.content) == value(content)
        };
        Ok(event.filter(same))
    }

    /// Redacts an event, once per transaction id.
    pub async fn redact(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        reason: Option<String>,
        transaction_id: &OwnedTransactionId,
    ) -> Result<Arc<Event>> {
        let content = match reason {
            Some(reason) => serde_json::json!({ "reason": reason }),
            None => serde_json::json!({}),
        };
        let message = Message {
            event_type: TimelineEventType::RoomRedaction,
            state_key: None,
            content: raw(&content)?,
            redacts: Some(event_id.to_owned()),
        };
        let endpoint = format!("redact/{room_id}/{event_id}");
        self.send(caller, room_id, message, Some((endpoint, transaction_id))).await
    }

    pub(super) async fn send(
        &self,
        caller: &Session,
        room_id: &RoomId,
        message: Message,
        transaction: Option<(String, &OwnedTransactionId)>,
    ) -> Result<Arc<Event>> {
        let info = self.known(room_id).await?;
        let transaction = transaction.map(|(endpoint, transaction_id)| TransactionKey {
            user_nid: caller.user_nid,
            device_id: caller.device_id.to_string(),
            endpoint,
            transaction_id: transaction_id.to_string(),
        });
        let event = LocalEvent {
            draft: self.draft(caller.user_id.clone(), message),
            sender_nid: caller.user_nid,
            signed: None,
            transaction,
        };
        self.append_one(info.nid, event).await
    }

    pub(super) fn draft(&self, sender: OwnedUserId, message: Message) -> Draft {
        Draft {
            event_type: message.event_type,
            state_key: message.state_key,
            content: message.content,
            redacts: message.redacts,
            sender,
            origin_server_ts: self.timestamp(),
        }
    }

    pub(super) async fn append_one(&self, room: RoomNid, event: LocalEvent) -> Result<Arc<Event>> {
        let ask = async |pdu: &Pdu, policy: &RoomPolicyEventContent| {
            self.remote.ask_policy_server(policy, pdu).await
        };
        self.timeline.append_asking(room, event, ask).await
    }

    fn timestamp(&self) -> MilliSecondsSinceUnixEpoch {
        let now = u64::try_from(self.context.clock.now_ms()).unwrap_or(0);
        MilliSecondsSinceUnixEpoch(UInt::new_saturating(now))
    }
}

/// JSON of our own making as raw JSON.
pub(super) fn raw(content: &impl serde::Serialize) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(content)
        .map_err(|error| Error::internal(format!("content does not serialise: {error}")))
}

/// A message that sets a piece of state.
pub(super) fn state(
    event_type: TimelineEventType,
    state_key: &str,
    content: &impl serde::Serialize,
) -> Result<Message> {
    Ok(Message {
        event_type,
        state_key: Some(state_key.to_owned()),
        content: raw(content)?,
        redacts: None,
    })
}

/// A message that sets a user's membership.
pub(super) fn member(user: &UserId, content: &impl serde::Serialize) -> Result<Message> {
    state(TimelineEventType::RoomMember, user.as_str(), content)
}

/// Whether this content of `m.room.tombstone` names a room.
fn leads_to(content: &RawValue, room_id: &RoomId) -> bool {
    #[derive(serde::Deserialize)]
    struct Content {
        replacement_room: String,
    }
    let content: Option<Content> = serde_json::from_str(content.get()).ok();
    content.is_some_and(|content| content.replacement_room == room_id.as_str())
}
