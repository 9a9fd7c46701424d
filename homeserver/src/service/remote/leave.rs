//! Declining an invite to a room that this server is not in, and taking back a knock on one.
//!
//! A server in the room gives a template and takes the signed leave; where none can be had, the invite or knock
//! ends here alone.

use std::{sync::Arc, time::Duration};

use ruma::{
    OwnedServerName, OwnedUserId, RoomVersionId, ServerName,
    api::federation::membership::{create_leave_event, prepare_leave_event},
};
use sealpost_federation::client::Limits;
use serde::Deserialize;

use super::{
    Remote,
    join::{Joiner, Template},
    refused,
};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::{event::Event, room_info::RoomInfo, timeline::OutOfBand},
    storage::{UserNid, members},
};

/// How long other servers are asked, all together: who invites may name any.
const WITHIN: Duration = Duration::from_secs(30);

impl Remote {
    /// Ends the invite of `leaver` to a room, or their knock on it.
    pub async fn decline(
        &self,
        info: &Arc<RoomInfo>,
        user_nid: UserNid,
        leaver: &Joiner,
    ) -> Result<Arc<Event>> {
        let (before, servers) = self.membership(info, user_nid).await?;
        let asking = async {
            for server in self.helpers(&servers) {
                match self.leave_through(server, info, leaver).await {
                    Ok(told) => return Some(told),
                    Err(error) => {
                        tracing::info!(%server, room_id = %info.id, %error, "a leave was not taken");
                    }
                }
            }
            None
        };
        let left = tokio::time::timeout(WITHIN, asking).await.unwrap_or_default();
        let (pdu, info) = left.unwrap_or_else(|| (Pdu::clone(&before.pdu), info.clone()));
        let membership = "leave".to_owned();
        let leave = OutOfBand { user_nid, pdu, membership, stripped_state: None };
        self.timeline.append_out_of_band(info.clone(), leave).await?;
        Ok(self.membership(&info, user_nid).await?.0)
    }

    /// The leave, and the room as that server says it is.
    async fn leave_through(
        &self,
        server: &ServerName,
        info: &RoomInfo,
        leaver: &Joiner,
    ) -> Result<(Pdu, Arc<RoomInfo>)> {
        self.check_policy(server)?;
        let failed = |error| refused(server, error);
        let request =
            prepare_leave_event::v1::Request::new(info.id.clone(), leaver.user_id.clone());
        let answer = self.client.send(server, request, Limits::SMALL).await.map_err(failed)?;
        let version = answer.room_version.unwrap_or(RoomVersionId::V1);
        let info = self.not_entered(server, &info.id, version).await?;
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
        match self.check(&info, vec![event]).await?.into_iter().next() {
            Some(Ok(pdu)) => Ok((pdu, info)),
            unfit => Err(Error::internal(format!("a leave of our own: {unfit:?}"))),
        }
    }

    /// The event of a user's membership, and servers that are in the room as far as it tells.
    async fn membership(
        &self,
        info: &RoomInfo,
        user: UserNid,
    ) -> Result<(Arc<Event>, Vec<OwnedServerName>)> {
        let (context, room) = (self.context.clone(), info.nid);
        let read = self.context.store.read(move |conn| {
            let row = members::get(conn, room, user)?;
            let row = row.ok_or_else(|| Error::forbidden("You are not invited to this room"))?;
            let event = context.events.get(conn, row.event_nid)?;
            let mut servers = vec![event.pdu.sender.server_name().to_owned()];
            servers.extend(servers_of(row.stripped_state.as_deref()));
            Ok((event, servers))
        });
        let (event, mut servers) = read.await?;
        servers.extend(info.id.server_name().map(ToOwned::to_owned));
        let mut named = Vec::with_capacity(servers.len());
        for server in servers {
            if !named.contains(&server) {
                named.push(server);
            }
        }
        Ok((event, named))
    }
}

/// The servers of those who sent what a user was told of a room: JSON as it is stored.
pub(super) fn servers_of(stripped: Option<&str>) -> impl Iterator<Item = OwnedServerName> {
    #[derive(Deserialize)]
    struct Sent {
        sender: OwnedUserId,
    }
    let events = stripped.and_then(|json| serde_json::from_str::<Vec<Sent>>(json).ok());
    events.unwrap_or_default().into_iter().map(|event| event.sender.server_name().to_owned())
}
