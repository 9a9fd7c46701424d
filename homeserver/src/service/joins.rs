//! Joining a room, or knocking on it, by id or alias, here or with another server's help.

use std::sync::Arc;

use ruma::{
    OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomId, RoomOrAliasId,
    api::client::membership::ThirdPartySigned,
};
use serde_json::{Map, Value};

use super::{
    remote::{Remote, join::Joiner},
    rooms::{LocalJoin, Rooms},
    sessions::Session,
};
use crate::{
    error::{Error, Result},
    storage::{accounts, members},
};

pub struct Joins {
    rooms: Arc<Rooms>,
    remote: Arc<Remote>,
}

impl Joins {
    pub fn new(rooms: Arc<Rooms>, remote: Arc<Remote>) -> Self {
        Self { rooms, remote }
    }

    /// Joins `room`. `via` are servers that may help; `signed` proves an invite of who the caller is elsewhere.
    pub async fn join(
        &self,
        caller: &Arc<Session>,
        room: &RoomOrAliasId,
        via: Vec<OwnedServerName>,
        reason: Option<String>,
        signed: Option<ThirdPartySigned>,
    ) -> Result<OwnedRoomId> {
        let (room_id, mut via) = self.find(room, via).await?;
        if let Some(signed) = signed {
            let user = &caller.user_id;
            self.remote.accept_third_party_invite(&room_id, &via, user, signed).await?;
        }
        match self.rooms.join_local(caller, &room_id, reason.clone()).await? {
            LocalJoin::Joined(info) => {
                self.rooms.keep_settings(caller.user_nid, &caller.user_id, &info).await?;
                return Ok(info.id.clone());
            }
            LocalJoin::Elsewhere(servers) => via.extend(servers),
        }
        via.extend(self.inviter(caller, &room_id).await?);
        let via = named(&room_id, via);
        if caller.is_guest {
            self.rooms.check_guests_may_join(caller, &room_id, &via).await?;
        }
        let joiner = self.joiner(caller, reason).await?;
        let info = self.remote.join(&room_id, &via, &joiner).await?;
        if caller.is_guest {
            // What was told of the room may be false, or old.
            self.rooms.context().guest_access.notify_one();
        }
        self.rooms.keep_settings(caller.user_nid, &caller.user_id, &info).await?;
        Ok(info.id.clone())
    }

    /// Knocks on `room`. `via` are servers that may help.
    pub async fn knock(
        &self,
        caller: &Arc<Session>,
        room: &RoomOrAliasId,
        via: Vec<OwnedServerName>,
        reason: Option<String>,
    ) -> Result<OwnedRoomId> {
        let (room_id, via) = self.find(room, via).await?;
        if !self.rooms.knock_local(caller, &room_id, reason.clone()).await? {
            let knocker = self.joiner(caller, reason).await?;
            let via = named(&room_id, via);
            self.remote.knock(&room_id, &via, caller.user_nid, &knocker).await?;
        }
        Ok(room_id)
    }

    /// The room that is meant, and servers that may help to enter it.
    async fn find(
        &self,
        room: &RoomOrAliasId,
        mut via: Vec<OwnedServerName>,
    ) -> Result<(OwnedRoomId, Vec<OwnedServerName>)> {
        if room.is_room_id() {
            let room_id = OwnedRoomId::try_from(room.to_owned())
                .map_err(|_| Error::invalid_param("The room id is malformed"))?;
            return Ok((room_id, via));
        }
        let alias = OwnedRoomAliasId::try_from(room.to_owned())
            .map_err(|_| Error::invalid_param("The alias is malformed"))?;
        if alias.server_name() == self.rooms.context().server_name {
            let found = self.rooms.by_alias(&alias).await?;
            let room_id = found.ok_or_else(|| Error::not_found("There is no such alias"))?;
            return Ok((room_id, via));
        }
        let (room_id, servers) = self.remote.by_alias(&alias).await?;
        via.push(alias.server_name().to_owned());
        via.extend(servers);
        Ok((room_id, via))
    }

    /// The server of the user who invited the caller.
    async fn inviter(&self, caller: &Session, room_id: &RoomId) -> Result<Option<OwnedServerName>> {
        let (context, room_id) = (self.rooms.context().clone(), room_id.to_owned());
        let user = caller.user_nid;
        let read = self.rooms.context().store.read(move |conn| {
            let Some(info) = context.rooms.by_id(conn, &room_id)? else { return Ok(None) };
            let membership = members::get(conn, info.nid, user)?;
            let Some(invite) = membership.filter(|row| row.membership == "invite") else {
                return Ok(None);
            };
            let sender = context.events.get(conn, invite.event_nid)?.pdu.sender.clone();
            Ok(Some(sender.server_name().to_owned()))
        });
        read.await
    }

    async fn joiner(&self, caller: &Session, reason: Option<String>) -> Result<Joiner> {
        let user = caller.user_nid;
        let read = self.rooms.context().store.read(move |conn| accounts::find(conn, user));
        let profile = read.await?;
        let (displayname, avatar_url) =
            profile.map(|profile| (profile.displayname, profile.avatar_url)).unwrap_or_default();
        let fields = [("displayname", displayname), ("avatar_url", avatar_url), ("reason", reason)];
        let content: Map<String, Value> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
            .collect();
        Ok(Joiner { user_id: caller.user_id.clone(), content })
    }
}

/// Servers that may help, each once; last the one that the room's id names.
fn named(room_id: &RoomId, via: Vec<OwnedServerName>) -> Vec<OwnedServerName> {
    let mut named = Vec::with_capacity(via.len() + 1);
    for server in via.into_iter().chain(room_id.server_name().map(ToOwned::to_owned)) {
        if !named.contains(&server) {
            named.push(server);
        }
    }
    named
}
