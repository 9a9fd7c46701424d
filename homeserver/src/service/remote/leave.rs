//! Declining an invite to a room that this server is not in.
//!
//! The inviter's server gives a template and takes the signed leave; where it can't be had, the invite is
//! declined here alone.

use std::sync::Arc;

use ruma::{
    RoomVersionId,
    api::federation::membership::{create_leave_event, prepare_leave_event},
};
use sealpost_federation::client::Limits;

use super::{
    Remote,
    join::{Joiner, Template, answered_wrong},
    refused,
};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::{event::Event, room_info::RoomInfo, timeline::OutOfBand},
    storage::{UserNid, members},
};

impl Remote {
    /// Declines the invite of `leaver` to a room.
    pub async fn decline(
        &self,
        info: &Arc<RoomInfo>,
        user_nid: UserNid,
        leaver: &Joiner,
    ) -> Result<Arc<Event>> {
        let invite = self.membership(info, user_nid).await?;
        let pdu = match self.leave_through(info, &invite, leaver).await {
            Ok(pdu) => pdu,
            Err(error) => {
                tracing::info!(room_id = %info.id, %error, "invite declined here alone");
                Pdu::clone(&invite.pdu)
            }
        };
        let membership = "leave".to_owned();
        let leave = OutOfBand { user_nid, pdu, membership, stripped_state: None };
        self.timeline.append_out_of_band(info.clone(), leave).await?;
        self.membership(info, user_nid).await
    }

    async fn leave_through(&self, info: &RoomInfo, invite: &Event, leaver: &Joiner) -> Result<Pdu> {
        let server = invite.pdu.sender.server_name();
        self.policy.check(server)?;
        let failed = |error| refused(server, error);
        let request =
            prepare_leave_event::v1::Request::new(info.id.clone(), leaver.user_id.clone());
        let answer = self.client.send(server, request, Limits::SMALL).await.map_err(failed)?;
        if answer.room_version.unwrap_or(RoomVersionId::V1) != info.version {
            return Err(answered_wrong(server, "a template of another room version"));
        }
        let template = Template {
            room_id: &info.id,
            membership: "leave",
            rules: info.rules,
            event: &answer.event,
        };
        let (event_id, event) = self.fill_in(server, template, leaver)?;
        let request =
            create_leave_event::v2::Request::new(info.id.clone(), event_id, event.clone());
        self.client.send(server, request, Limits::SMALL).await.map_err(failed)?;
        match self.check(info, vec![event]).await?.into_iter().next() {
            Some(Ok(pdu)) => Ok(pdu),
            unfit => Err(Error::internal(format!("a leave of our own: {unfit:?}"))),
        }
    }

    /// The event of a user's membership.
    async fn membership(&self, info: &RoomInfo, user: UserNid) -> Result<Arc<Event>> {
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| {
            let row = members::get(conn, room, user)?;
            let row = row.ok_or_else(|| Error::forbidden("You are not invited to this room"))?;
            context.events.get(conn, row.event_nid)
        });
        read.await
    }
}
