//! `invite` as it was before its version 2: the event alone, in rooms of the versions 1 and 2.
//!
//! The body is the event as its server has signed it, of which ruma's type knows some fields only. Sent are invites
//! in version 2, which every server has had since 2019.
//! <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1inviteroomideventid>

use ruma::{
    EventId, OwnedRoomId, RoomVersionId, ServerName,
    api::federation::membership::{RawStrippedState, create_invite},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Remote;
use crate::error::{Error, Result};

impl Remote {
    /// Takes an invite in version 1, and answers it with our signature added.
    pub async fn take_invite_v1(
        &self,
        origin: &ServerName,
        room_id: OwnedRoomId,
        event_id: &EventId,
        event: Box<RawValue>,
    ) -> Result<Box<RawValue>> {
        let told: Told = serde_json::from_str(event.get())
            .map_err(|error| Error::bad_json(error.to_string()))?;
        let state = told.unsigned.invite_room_state;
        let version = version(&state);
        if !matches!(version, RoomVersionId::V1 | RoomVersionId::V2) {
            let message = "An invite to a room of this version needs version 2 of the endpoint";
            return Err(Error::invalid_param(message));
        }
        let event_id = event_id.to_owned();
        let request = create_invite::v2::Request::new(room_id, event_id, version, event, state);
        self.take_invite(origin, request).await
    }
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    unsigned: Unsigned,
}

#[derive(Default, Deserialize)]
struct Unsigned {
    #[serde(default)]
    invite_room_state: Vec<RawStrippedState>,
}

/// The version that the create event names; the first where there is none.
fn version(state: &[RawStrippedState]) -> RoomVersionId {
    let mut told = state.iter().filter_map(super::invite::stripped);
    told.find(|event| event["type"] == "m.room.create")
        .and_then(|create| RoomVersionId::try_from(create["content"]["room_version"].as_str()?).ok())
        .unwrap_or(RoomVersionId::V1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_create_event_tells_the_version() {
        let state = |content: Value| -> Vec<RawStrippedState> {
            let create = json!({
                "type": "m.room.create", "state_key": "", "sender": "@a:a.test", "content": content,
            });
            serde_json::from_value(json!([create])).unwrap()
        };
        assert_eq!(version(&[]), RoomVersionId::V1);
        assert_eq!(version(&state(json!({}))), RoomVersionId::V1);
        assert_eq!(version(&state(json!({ "room_version": "2" }))), RoomVersionId::V2);
        assert_eq!(version(&state(json!({ "room_version": "11" }))), RoomVersionId::V11);
    }
}
