//! Knocking over federation: of our users on rooms of others, and of others' users on rooms that we are in;
//! and the end that others put to an invite or a knock of a user of ours.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#knocking-rooms>

use std::sync::Arc;

use ruma::{
    EventId, OwnedUserId, RoomId, RoomVersionId, ServerName, UserId,
    api::federation::membership::{RawStrippedState, create_knock_event, prepare_knock_event},
    events::TimelineEventType,
};
use sealpost_federation::client::Limits;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Remote,
    helpers::Answers,
    invite::told,
    join::{Joiner, Made, Refusals, Template as Foreign},
    leave::servers_of,
    refused,
    serve_join::Template,
    unsupported_version,
};
use crate::{
    error::{Error, Result},
    room::{event::Pdu, version},
    service::{room_info::RoomInfo, timeline::OutOfBand},
    storage::{UserNid, members},
};

impl Remote {
    /// Knocks on a room that this server is not in, through the first of `via` that can help.
    pub async fn knock(
        &self,
        room_id: &RoomId,
        via: &[ruma::OwnedServerName],
        user_nid: UserNid,
        knocker: &Joiner,
    ) -> Result<()> {
        let room_id = &room_id.to_owned();
        let _one_at_a_time = self.entering(room_id).await;
        let mut refusals = Refusals::default();
        let mut answers = Answers::new(self.helpers(via), |server| async move {
            (server, self.made_knock(server, room_id, knocker).await)
        });
        while let Some((server, made)) = answers.next().await {
            let knocked = match made {
                Ok(made) => {
                    answers.beside(self.knock_through(server, room_id, user_nid, made)).await
                }
                Err(error) => Err(error),
            };
            match knocked {
                Ok(()) => return Ok(()),
                Err(error) => refusals.add(server, error),
            }
        }
        Err(refusals.into_error())
    }

    async fn knock_through(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        user_nid: UserNid,
        made: Made,
    ) -> Result<()> {
        let failed = |error| refused(server, error);
        let info = self.not_entered(server, room_id, made.version.clone()).await?;
        let request = create_knock_event::v1::Request::new(
            room_id.to_owned(),
            made.event_id.clone(),
            made.event.clone(),
        );
        let answer = self.client.send(server, request, Limits::SMALL).await.map_err(failed)?;
        let pdu = match self.check(&info, vec![made.event]).await?.into_iter().next() {
            Some(Ok(pdu)) => pdu,
            unfit => return Err(Error::internal(format!("a knock of our own: {unfit:?}"))),
        };
        let stripped_state = Some(told(&answer.knock_room_state, &pdu));
        let knock = OutOfBand { user_nid, pdu, membership: "knock".to_owned(), stripped_state };
        self.timeline.append_out_of_band(info, knock).await
    }

    async fn made_knock(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        knocker: &Joiner,
    ) -> Result<Made> {
        self.check_policy(server)?;
        let mut request =
            prepare_knock_event::v1::Request::new(room_id.to_owned(), knocker.user_id.clone());
        request.ver = version::SUPPORTED.to_vec();
        let answer = self.client.send(server, request, Limits::SMALL).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        let version = answer.room_version;
        let rules = version::rules(&version).ok_or_else(|| unsupported_version(&version))?;
        let template = Foreign { room_id, membership: "knock", rules, event: &answer.event };
        let (event_id, event) = self.fill_in(server, template, knocker)?;
        Ok(Made { version, event_id, event })
    }

    /// The knock of `user` as it could be sent now, without hash and signature.
    pub async fn make_knock(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        user: &OwnedUserId,
        versions: &[RoomVersionId],
    ) -> Result<Template> {
        self.check_sender(origin, user)?;
        let info = self.resident_room(origin, room_id).await?;
        self.check_version(&info, versions)?;
        self.template(&info, user, "knock", None).await
    }

    /// Takes the signed knock of a user of `origin` and answers what they may know of the room.
    pub async fn send_knock(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        event: Box<RawValue>,
    ) -> Result<Vec<RawStrippedState>> {
        let info = self.resident_room(origin, room_id).await?;
        self.take_member(origin, &info, event_id, event, "knock").await?;
        let state = self.stripped_state(&info, None).await?;
        Ok(state.into_iter().map(RawStrippedState::Pdu).collect())
    }

    /// Takes the end of an invite or a knock of a user of ours, in a room that this server is not in, from a
    /// server that is in the room as far as we were told. False: it is none.
    pub(super) async fn take_refusal(
        &self,
        origin: &ServerName,
        info: &Arc<RoomInfo>,
        pdu: &Pdu,
    ) -> Result<bool> {
        #[derive(Deserialize)]
        struct Member {
            membership: String,
        }
        let membership = pdu.content_as::<Member>().map(|member| member.membership);
        let Ok(membership) = membership else { return Ok(false) };
        let user = pdu.state_key.as_deref().and_then(|user| UserId::parse(user).ok());
        let Some(user) = user.filter(|user| user.server_name() == self.context.server_name) else {
            return Ok(false);
        };
        let refuses = matches!(&*membership, "leave" | "ban")
            && pdu.event_type == TimelineEventType::RoomMember
            && pdu.sender.server_name() == origin;
        if !refuses {
            return Ok(false);
        }
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| {
            let Some(nid) = context.store.users().find(conn, &*user)? else { return Ok(None) };
            let Some(row) = members::get(conn, room, nid)? else { return Ok(None) };
            if !matches!(&*row.membership, "invite" | "knock") {
                return Ok(None);
            }
            let sender = context.events.get(conn, row.event_nid)?.pdu.sender.clone();
            let mut servers: Vec<_> = servers_of(row.stripped_state.as_deref()).collect();
            servers.push(sender.server_name().to_owned());
            Ok(Some((nid, servers)))
        });
        let Some((user_nid, servers)) = read.await? else { return Ok(false) };
        if !servers.iter().any(|server| server == origin) {
            return Ok(false);
        }
        let refusal = OutOfBand { user_nid, pdu: pdu.clone(), membership, stripped_state: None };
        self.timeline.append_out_of_band(info.clone(), refusal).await?;
        Ok(true)
    }
}
