//! A user's profile in the rooms they are in: it stands in their membership.

use ruma::{UserId, events::StateEventType};
use serde_json::{Map, Value};

use super::{Rooms, send::member, state_event};
use crate::{
    error::{Error, Result},
    service::timeline::LocalEvent,
    storage::{RoomNid, UserNid, rooms as room_rows},
};

impl Rooms {
    /// Puts `fields` into the membership of a user who has joined a room; `None` takes a field away.
    pub(in crate::service) async fn update_profile(
        &self,
        room: RoomNid,
        (user, user_id): (UserNid, &UserId),
        fields: &[(&str, Option<String>)],
    ) -> Result<()> {
        let (context, name) = (self.context.clone(), user_id.to_string());
        let read = self.context.store.read(move |conn| {
            let state = room_rows::state_nid(conn, room)?;
            let state = context.states.get(conn, state)?;
            state_event(&context, conn, &state, &StateEventType::RoomMember, &name)
        });
        let Some(membership) = read.await? else { return Ok(()) };
        let before: Map<String, Value> = serde_json::from_str(membership.pdu.content.get())
            .map_err(|error| Error::internal(format!("stored membership: {error}")))?;
        if before.get("membership").and_then(Value::as_str) != Some("join") {
            return Ok(());
        }
        let mut content = before.clone();
        for (key, value) in fields {
            match value {
                Some(value) => content.insert((*key).to_owned(), value.as_str().into()),
                None => content.remove(*key),
            };
        }
        if content == before {
            return Ok(());
        }
        let event = LocalEvent {
            draft: self.draft(user_id.to_owned(), member(user_id, &Value::Object(content))?),
            sender_nid: user,
            signed: None,
            transaction: None,
        };
        self.append_one(room, event).await.map(drop)
    }
}
