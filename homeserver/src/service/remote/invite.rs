//! Invites between servers: of others' users by ours, of ours by others'.
//!
//! The invited user's server signs the invite before it enters the room.
//! <https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room>

use std::sync::Arc;

use http::StatusCode;
use ruma::{
    RoomVersionId, ServerName, UserId,
    api::{
        error::{ErrorKind, IncompatibleRoomVersionErrorData},
        federation::membership::{RawStrippedState, create_invite},
    },
    events::{StateEventType, TimelineEventType},
    room_version_rules::RoomVersionRules,
};
use sealpost_federation::{canonical, client::Limits};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Remote, invite_v1, refused, serve_events::raw};
use crate::{
    error::{Error, Result},
    room::{build::Draft, event::Pdu, version},
    service::{
        event::Event,
        invite_permission,
        room_info::RoomInfo,
        timeline::{OutOfBand, Outcome, RemoteEvent},
    },
    storage::{accounts, members, rooms},
};

/// What an invited user learns of the room, beside the inviter.
const STRIPPED: [StateEventType; 7] = [
    StateEventType::RoomCreate,
    StateEventType::RoomJoinRules,
    StateEventType::RoomName,
    StateEventType::RoomAvatar,
    StateEventType::RoomTopic,
    StateEventType::RoomCanonicalAlias,
    StateEventType::RoomEncryption,
];

/// An invite tells no more of the room than this, in events and in bytes: it comes with every first sync.
const ROOM_STATE_MAX: usize = 100;
const ROOM_STATE_BYTES_MAX: usize = 256 * 1024;
/// So many invites of a user by users of one server wait for an answer.
const PENDING_MAX: i64 = 200;

impl Remote {
    /// Invites a user of another server to a room that this one is in.
    pub async fn invite(
        &self,
        info: &Arc<RoomInfo>,
        invited: &UserId,
        draft: Draft,
    ) -> Result<Arc<Event>> {
        let server = invited.server_name();
        self.check_policy(server)?;
        let pdu = self.proposed(info.nid, draft).await?;
        let stripped = self.stripped_state(info, Some(&pdu.sender)).await?;
        let request = create_invite::v2::Request::new(
            info.id.clone(),
            pdu.event_id.clone(),
            info.version.clone(),
            raw(&pdu.json)?,
            stripped.into_iter().map(RawStrippedState::Pdu).collect(),
        );
        let answer = self.client.send(server, request.clone(), Limits::SMALL).await;
        let signed = match answer.map(|answer| answer.event) {
            Err(error) if invite_v1::is_wanted(&info.version, &error) => {
                match self.send_invite_v1(server, request).await {
                    // It knows version 2 alone, and said what it has to say.
                    Err(again) if again.kind() == Some(&ErrorKind::Unrecognized) => Err(error),
                    answer => answer,
                }
            }
            answer => answer,
        };
        let signed = signed.map_err(|error| match refused(server, error) {
            // Clients know one code for it.
            Error::Matrix { kind: ErrorKind::IncompatibleRoomVersion(_), status, message } => {
                Error::Matrix { kind: ErrorKind::UnsupportedRoomVersion, status, message }
            }
            error => error,
        })?;
        let checked = self.check(info, vec![signed]).await?.into_iter().next();
        let signed = match checked {
            Some(Ok(signed)) if signed.event_id == pdu.event_id => signed,
            _ => {
                let message = format!("{server} answered another invite");
                return Err(Error::matrix(StatusCode::BAD_GATEWAY, ErrorKind::Unknown, message));
            }
        };
        match self.append(server, info, RemoteEvent::new(signed)).await? {
            Outcome::Accepted(event) | Outcome::Known(event) => Ok(event),
            Outcome::SoftFailed(_) => {
                Err(Error::forbidden("The room no longer allows this invite"))
            }
            outcome => Err(outcome.into_refusal()),
        }
    }

    /// What somebody who is not in a room is told of it.
    pub(super) async fn stripped_state(
        &self,
        info: &RoomInfo,
        inviter: Option<&UserId>,
    ) -> Result<Vec<Box<RawValue>>> {
        let (context, room) = (self.context.clone(), info.nid);
        let inviter = inviter.map(ToOwned::to_owned);
        let read = self.context.store.read(move |conn| {
            let nid = rooms::state_nid(conn, room)?;
            let state = context.states.get(conn, nid)?;
            let mut stripped = Vec::new();
            let places = STRIPPED.iter().map(|event_type| (event_type.clone(), ""));
            let inviter = inviter.as_ref().map(|user| (StateEventType::RoomMember, user.as_str()));
            for (event_type, state_key) in places.chain(inviter) {
                let key = (&*event_type.to_string(), state_key);
                let key = context.store.state_keys().find(conn, key)?;
                if let Some(nid) = key.and_then(|key| state.get(key)) {
                    stripped.push(raw(&context.events.get(conn, nid)?.pdu.json)?);
                }
            }
            Ok(stripped)
        });
        read.await
    }

    /// Takes an invite of a user of this server, and answers it with our signature added.
    pub async fn take_invite(
        &self,
        origin: &ServerName,
        request: create_invite::v2::Request,
    ) -> Result<Box<RawValue>> {
        let create_invite::v2::Request { room_id, event_id, room_version, event, .. } = request;
        let rules = version::rules(&room_version).ok_or_else(|| incompatible(&room_version))?;
        if !version::fits(&room_id, rules) {
            return Err(Error::invalid_param("A room of this version has no such id"));
        }
        match self.room(&room_id).await {
            Ok(known) => self.check_acl(origin, &known).await?,
            Err(Error::Matrix { .. }) => {}
            Err(error) => return Err(error),
        }
        if fitting(&request.invite_room_state).count() < request.invite_room_state.len() {
            return Err(Error::invalid_param("`invite_room_state` is too large"));
        }
        let info = RoomInfo {
            nid: self.context.store.nids().room(),
            id: room_id,
            version: room_version,
            rules,
        };
        let signed = self.sign(&event, rules)?;
        let pdu = match self.check(&info, vec![event]).await?.into_iter().next() {
            Some(Ok(pdu)) if pdu.event_id == event_id => pdu,
            Some(Err(unfit)) => return Err(unfit.refusal(Error::invalid_param)),
            _ => return Err(Error::invalid_param("The event has another id")),
        };
        self.check_room_state(&info, &request.invite_room_state).await?;
        let invited = self.check_invite(origin, &pdu)?;
        let (id, user, server) = (info.id.clone(), invited.clone(), origin.to_owned());
        let read = self.context.store.read(move |conn| {
            let account = accounts::find_by_id(conn, user.as_str())?;
            if let Some(account) = &account {
                invite_permission::check(conn, account.user_nid)?;
                if members::invites_by(conn, account.user_nid, server.as_str())? >= PENDING_MAX {
                    return Err(Error::forbidden("The user has too many invites of your server"));
                }
            }
            let resident = match rooms::by_id(conn, &id)? {
                Some(room) => members::is_resident(conn, room.room_nid)?,
                None => false,
            };
            Ok((account, resident))
        });
        let (account, resident) = read.await?;
        let account = account
            .filter(|account| account.deactivated_at.is_none())
            .ok_or_else(|| Error::not_found("This server has no such user"))?;
        // In a room that we are in, the invite comes again with the other events.
        if !resident {
            let stripped_state = Some(told(&request.invite_room_state, &pdu));
            let membership = "invite".to_owned();
            let invite = OutOfBand { user_nid: account.user_nid, pdu, membership, stripped_state };
            self.timeline.append_out_of_band(Arc::new(info), invite).await?;
        }
        Ok(signed)
    }

    /// What an invite tells of the room, where the version of the room makes it provable: events of this very room,
    /// signed, the create event among them.
    async fn check_room_state(&self, info: &RoomInfo, state: &[RawStrippedState]) -> Result<()> {
        if !info.rules.authorization.room_create_event_id_as_room_id {
            return Ok(());
        }
        let checked =
            self.check(info, state.iter().map(|event| json_of(event).to_owned()).collect());
        let mut has_create = false;
        for event in checked.await? {
            let event = event.map_err(|unfit| {
                Error::invalid_param(format!("The state of the room: {}", unfit.reason))
            })?;
            has_create |= event.event_type == TimelineEventType::RoomCreate;
        }
        if !has_create {
            return Err(Error::invalid_param("The state of the room has no create event"));
        }
        Ok(())
    }

    fn check_invite(&self, origin: &ServerName, pdu: &Pdu) -> Result<ruma::OwnedUserId> {
        #[derive(Deserialize)]
        struct Member {
            membership: String,
        }
        self.check_sender(origin, &pdu.sender)?;
        let invites = pdu.event_type == TimelineEventType::RoomMember
            && pdu.content_as::<Member>().is_ok_and(|member| member.membership == "invite");
        let invited = pdu.state_key.as_deref().and_then(|user| UserId::parse(user).ok());
        match invited {
            Some(invited) if invites && invited.server_name() == self.context.server_name => {
                Ok(invited)
            }
            _ => Err(Error::invalid_param("The event is not an invite of a user of this server")),
        }
    }

    /// The event with our signature added.
    pub(super) fn sign(&self, event: &RawValue, rules: &RoomVersionRules) -> Result<Box<RawValue>> {
        let malformed = |error: &dyn std::fmt::Display| Error::bad_json(error.to_string());
        let mut object = canonical::parse(event.get(), rules).map_err(|error| malformed(&error))?;
        canonical::sign(
            &mut object,
            self.context.server_name.as_str(),
            &self.keys.current(),
            rules,
        )
        .map_err(|error| malformed(&error))?;
        let signed = canonical::to_string(&object, rules).map_err(|error| malformed(&error))?;
        RawValue::from_string(signed).map_err(|error| malformed(&error))
    }
}

/// What a client is shown of a room that its user is not in, with their own membership, as JSON.
pub(super) fn told(state: &[RawStrippedState], own: &Pdu) -> String {
    let mut events: Vec<Value> = fitting(state).filter_map(stripped).collect();
    let own = stripped_event(&own.json);
    events.extend(own.filter(|own| !events.contains(own)));
    Value::from(events).to_string()
}

/// The first events of what is told of a room, as far as there are not too many.
fn fitting(state: &[RawStrippedState]) -> impl Iterator<Item = &RawStrippedState> {
    let mut bytes = 0;
    state.iter().take(ROOM_STATE_MAX).take_while(move |event| {
        bytes += json_of(event).get().len();
        bytes <= ROOM_STATE_BYTES_MAX
    })
}

/// What a client is shown of an event in an invite's state.
pub(super) fn stripped(event: &RawStrippedState) -> Option<Value> {
    stripped_event(json_of(event).get())
}

fn json_of(event: &RawStrippedState) -> &RawValue {
    #[expect(deprecated, reason = "servers older than v1.16 still send it")]
    match event {
        RawStrippedState::Stripped(event) => event.json(),
        RawStrippedState::Pdu(event) => event,
        _ => RawValue::NULL,
    }
}

fn stripped_event(json: &str) -> Option<Value> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(rename = "type")]
        event_type: String,
        state_key: String,
        sender: String,
        content: Value,
    }
    let Fields { event_type, state_key, sender, content } = serde_json::from_str(json).ok()?;
    Some(json!({
        "type": event_type, "state_key": state_key, "sender": sender, "content": content,
    }))
}

fn incompatible(version: &RoomVersionId) -> Error {
    let data = IncompatibleRoomVersionErrorData::new(version.clone());
    Error::matrix(
        StatusCode::BAD_REQUEST,
        ErrorKind::IncompatibleRoomVersion(data),
        "The version of this room is not supported here",
    )
}
