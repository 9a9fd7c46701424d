//! Joins and leaves of other servers' users in rooms that this server is in: the template, then the event.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#joining-rooms>

use std::sync::Arc;

use http::StatusCode;
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedUserId, RoomId, RoomVersionId, ServerName, UInt,
    api::{
        error::{ErrorKind, IncompatibleRoomVersionErrorData},
        federation::membership::create_join_event::v2::RoomState,
    },
    events::TimelineEventType,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    Remote,
    omit_members::reduced,
    serve_events::{pdus, raw, state_at},
};
use crate::{
    error::{Error, Result},
    room::{build::Draft, event::Pdu},
    service::{
        event::Event,
        restricted::{Admission, admission, unable_to_grant},
        room_info::RoomInfo,
        timeline::{Outcome, RemoteEvent},
    },
    storage::Conn,
};

/// Where a join names who vouches for it.
const AUTHORISER: &str = "join_authorised_via_users_server";

/// The template of an event, and the version of its room.
pub struct Template {
    pub room_version: RoomVersionId,
    pub event: Box<RawValue>,
}

impl Remote {
    /// The join of `user` as it could be sent now, without hash and signature.
    pub async fn make_join(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        user: &OwnedUserId,
        versions: &[RoomVersionId],
    ) -> Result<Template> {
        self.check_sender(origin, user)?;
        let info = self.resident_room(origin, room_id).await?;
        self.check_version(&info, versions)?;
        let authoriser = self.authoriser(&info, user).await?;
        self.template(&info, user, "join", authoriser).await
    }

    /// 400 unless a server knows the version of a room.
    pub(super) fn check_version(&self, info: &RoomInfo, versions: &[RoomVersionId]) -> Result<()> {
        if versions.contains(&info.version) {
            return Ok(());
        }
        let data = IncompatibleRoomVersionErrorData::new(info.version.clone());
        Err(Error::matrix(
            StatusCode::BAD_REQUEST,
            ErrorKind::IncompatibleRoomVersion(data),
            "Your server does not know the version of this room",
        ))
    }

    /// The user of ours who vouches for a join, where it takes one.
    async fn authoriser(
        &self,
        info: &Arc<RoomInfo>,
        user: &OwnedUserId,
    ) -> Result<Option<OwnedUserId>> {
        let (context, info, user) = (self.context.clone(), info.clone(), user.clone());
        let read = self.context.store.read(move |conn| admission(&context, conn, &info, &user));
        match read.await? {
            Admission::Unaided => Ok(None),
            Admission::By(user) => Ok(Some(user)),
            Admission::Elsewhere(_) => Err(unable_to_grant()),
        }
    }

    /// The leave of `user` as it could be sent now, without hash and signature.
    pub async fn make_leave(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        user: &OwnedUserId,
    ) -> Result<Template> {
        self.check_sender(origin, user)?;
        let info = self.resident_room(origin, room_id).await?;
        self.template(&info, user, "leave", None).await
    }

    pub(super) async fn template(
        &self,
        info: &RoomInfo,
        user: &OwnedUserId,
        membership: &str,
        authoriser: Option<OwnedUserId>,
    ) -> Result<Template> {
        let mut content = json!({ "membership": membership });
        if let Some(authoriser) = authoriser {
            content[AUTHORISER] = authoriser.as_str().into();
        }
        let content = serde_json::value::to_raw_value(&content)
            .map_err(|error| Error::internal(error.to_string()))?;
        let draft = Draft {
            event_type: TimelineEventType::RoomMember,
            state_key: Some(user.to_string()),
            content,
            redacts: None,
            sender: user.clone(),
            origin_server_ts: self.timestamp(),
        };
        let pdu = self.timeline.propose(info.nid, draft).await?;
        Ok(Template { room_version: info.version.clone(), event: template(&pdu)? })
    }

    /// Takes the signed join of a user of `origin`.
    pub async fn send_join(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        event: Box<RawValue>,
    ) -> Result<Arc<Event>> {
        let info = self.resident_room(origin, room_id).await?;
        let event = self.vouch(&info, event).await?;
        self.take_member(origin, &info, event_id, event, "join").await
    }

    /// The answer to a join that was taken: the room's state before it, without its members where the server can do
    /// without them.
    pub async fn room_before(&self, event: Arc<Event>, omit_members: bool) -> Result<RoomState> {
        let before = event
            .state_before
            .ok_or_else(|| Error::internal("an accepted join without a state before it"))?;
        let context = self.context.clone();
        let mut answer = RoomState::new();
        answer.event = Some(raw(&event.pdu.json)?);
        if omit_members {
            let read = move |conn: &mut Conn| reduced(&context, conn, before, &event);
            let told = self.context.store.read(read).await?;
            answer.members_omitted = true;
            answer.state = pdus(&told.state)?;
            answer.auth_chain = pdus(&told.auth_chain)?;
            answer.servers_in_room = Some(told.servers);
            return Ok(answer);
        }
        let state = self.context.store.read(move |conn| state_at(&context, conn, before)).await?;
        answer.state = pdus(&state.state)?;
        answer.auth_chain = pdus(&state.auth_chain)?;
        Ok(answer)
    }

    /// Takes the signed leave of a user of `origin`.
    pub async fn send_leave(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        event: Box<RawValue>,
    ) -> Result<()> {
        let info = self.resident_room(origin, room_id).await?;
        self.take_member(origin, &info, event_id, event, "leave").await.map(drop)
    }

    /// A join with our signature added where it names a user of ours who vouches for it, and still may.
    async fn vouch(&self, info: &Arc<RoomInfo>, event: Box<RawValue>) -> Result<Box<RawValue>> {
        #[derive(Deserialize)]
        struct Join {
            sender: OwnedUserId,
            content: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            #[serde(rename = "join_authorised_via_users_server")]
            authoriser: Option<OwnedUserId>,
        }
        // Without a place for the field, the checks that follow say what is wrong.
        let Ok(join) = serde_json::from_str::<Join>(event.get()) else { return Ok(event) };
        let Some(authoriser) = join.content.authoriser else { return Ok(event) };
        if authoriser.server_name() != self.context.server_name {
            return Err(Error::invalid_param(
                "The user who vouches for the join is not of this server",
            ));
        }
        self.authoriser(info, &join.sender).await?;
        self.sign(&event, info.rules)
    }

    /// Appends a user's own membership, made of our template, and has the other servers sent it.
    pub(super) async fn take_member(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        event_id: &EventId,
        event: Box<RawValue>,
        membership: &str,
    ) -> Result<Arc<Event>> {
        let checked = self.check(info, vec![event]).await?.into_iter().next();
        let pdu = match checked {
            Some(Ok(pdu)) => pdu,
            Some(Err(unfit)) => return Err(unfit.refusal(Error::invalid_param)),
            None => return Err(Error::internal("a check without an outcome")),
        };
        self.check_member(origin, event_id, &pdu, membership)?;
        let arrived = RemoteEvent { relay: true, ..RemoteEvent::new(pdu) };
        match self.append(origin, info, arrived).await? {
            Outcome::Accepted(event) | Outcome::Known(event) => Ok(event),
            Outcome::Rejected(_, reason) => Err(Error::forbidden(reason)),
            Outcome::SoftFailed(_) => Err(Error::forbidden("The room no longer allows this")),
            Outcome::MissingPrev(_) | Outcome::MissingAuth(_) | Outcome::Unsigned(_) => {
                Err(Error::invalid_param("The event is not made after this server's events"))
            }
        }
    }

    fn check_member(
        &self,
        origin: &ServerName,
        event_id: &EventId,
        pdu: &Pdu,
        membership: &str,
    ) -> Result<()> {
        #[derive(Deserialize)]
        struct Member {
            membership: String,
        }
        if pdu.sender.server_name() != origin {
            return Err(Error::invalid_param("The user is not of your server"));
        }
        if pdu.event_id != event_id {
            return Err(Error::invalid_param("The event has another id"));
        }
        let fits = pdu.event_type == TimelineEventType::RoomMember
            && pdu.state_key.as_deref() == Some(pdu.sender.as_str())
            && pdu.content_as::<Member>().is_ok_and(|member| member.membership == membership);
        if !fits {
            return Err(Error::invalid_param("The event is not the sender's own membership"));
        }
        Ok(())
    }

    pub(super) fn timestamp(&self) -> MilliSecondsSinceUnixEpoch {
        let now = u64::try_from(self.context.clock.now_ms()).unwrap_or_default();
        MilliSecondsSinceUnixEpoch(UInt::new_saturating(now))
    }
}

/// An event without what its sender's server adds.
fn template(pdu: &Pdu) -> Result<Box<RawValue>> {
    let broken = |error: serde_json::Error| Error::internal(format!("a template: {error}"));
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&pdu.json).map_err(broken)?;
    object.remove("hashes");
    object.remove("signatures");
    serde_json::value::to_raw_value(&object).map_err(broken)
}
