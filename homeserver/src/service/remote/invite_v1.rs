//! `invite` as it was before its version 2: the event alone, in rooms of the versions 1 and 2.
//!
//! The body is the event as its server has signed it, of which ruma's types know some fields only.
//! <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1inviteroomideventid>

use http::header;
use ruma::{
    EventId, OwnedEventId, OwnedRoomId, RoomVersionId, ServerName,
    api::{
        BytesBody, IncomingResponse, Metadata, OutgoingRequest,
        error::{DeserializationError, IntoHttpError},
        federation::{
            authentication::ServerSignatures,
            membership::{RawStrippedState, create_invite},
        },
    },
    metadata,
};
use sealpost_federation::{Error as FederationError, client::Limits};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::Remote;
use crate::error::{Error, Result};

/// A request to sign an invite.
#[derive(Clone, Debug)]
pub struct Request {
    pub room_id: OwnedRoomId,
    pub event_id: OwnedEventId,
    /// What is told of the room is in its `unsigned`, as `invite_room_state`.
    pub event: Box<RawValue>,
}

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: ServerSignatures,
    path: "/_matrix/federation/v1/invite/{room_id}/{event_id}",
}

impl OutgoingRequest for Request {
    type Body = BytesBody;
    type EndpointError = ruma::api::error::Error;
    type IncomingResponse = Response;

    fn try_into_http_request_inner(
        self,
        base_url: &str,
        (): (),
    ) -> Result<http::Request<BytesBody>, IntoHttpError> {
        let url = Self::make_endpoint_url((), base_url, &[&self.room_id, &self.event_id], "")?;
        let request = http::Request::put(url).header(header::CONTENT_TYPE, "application/json");
        Ok(request.body(BytesBody(self.event.get().as_bytes().to_vec()))?)
    }
}

/// The event with the signature of the invited user's server added, in a list after the number 200.
#[derive(Debug)]
pub struct Response {
    pub event: Box<RawValue>,
}

impl IncomingResponse for Response {
    type EndpointError = ruma::api::error::Error;

    fn try_from_http_response_inner(
        response: http::Response<&[u8]>,
    ) -> Result<Self, DeserializationError> {
        #[derive(Deserialize)]
        struct Signed {
            event: Box<RawValue>,
        }
        let (_, Signed { event }): (u16, Signed) = serde_json::from_slice(response.body())?;
        Ok(Self { event })
    }
}

/// Whether a server may know no version 2, as an error says, of a room that may be told in version 1.
pub(super) fn is_wanted(version: &RoomVersionId, error: &FederationError) -> bool {
    let FederationError::Status { status, .. } = error else { return false };
    is_old(version) && matches!(status.as_u16(), 400 | 404 | 405)
}

fn is_old(version: &RoomVersionId) -> bool {
    matches!(version, RoomVersionId::V1 | RoomVersionId::V2)
}

impl Remote {
    /// Sends an invite in version 1.
    pub(super) async fn send_invite_v1(
        &self,
        server: &ServerName,
        request: create_invite::v2::Request,
    ) -> Result<Box<RawValue>, FederationError> {
        let create_invite::v2::Request { room_id, event_id, event, invite_room_state, .. } =
            request;
        let event = with_state(&event, &invite_room_state)
            .map_err(|error| FederationError::Request(error.to_string()))?;
        let request = Request { room_id, event_id, event };
        Ok(self.client.send(server, request, Limits::SMALL).await?.event)
    }

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
        if !is_old(&version) {
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
        .and_then(|create| {
            RoomVersionId::try_from(create["content"]["room_version"].as_str()?).ok()
        })
        .unwrap_or(RoomVersionId::V1)
}

/// The event with what is told of the room.
fn with_state(event: &RawValue, state: &[RawStrippedState]) -> serde_json::Result<Box<RawValue>> {
    let mut event: serde_json::Map<String, Value> = serde_json::from_str(event.get())?;
    let state = serde_json::to_value(state)?;
    event.insert("unsigned".to_owned(), serde_json::json!({ "invite_room_state": state }));
    serde_json::value::to_raw_value(&event)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use ruma::api::error::ErrorKind;
    use serde_json::json;

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

    #[test]
    fn version_1_is_for_old_rooms_and_servers_that_do_not_know_version_2() {
        let error = |status: u16, kind: Option<ErrorKind>| FederationError::Status {
            status: StatusCode::from_u16(status).unwrap(),
            kind: kind.map(Box::new),
            message: String::new(),
        };
        let old = &RoomVersionId::V1;
        assert!(is_wanted(old, &error(404, None)));
        assert!(is_wanted(old, &error(400, Some(ErrorKind::Unrecognized))));
        assert!(!is_wanted(&RoomVersionId::V3, &error(404, None)));
        assert!(is_wanted(old, &error(400, Some(ErrorKind::BadJson))));
        assert!(is_wanted(old, &error(404, Some(ErrorKind::NotFound))));
        assert!(!is_wanted(old, &error(403, Some(ErrorKind::Forbidden))));
        assert!(!is_wanted(old, &FederationError::Timeout));
    }
}
