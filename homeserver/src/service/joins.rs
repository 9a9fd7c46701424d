//! Joining a room by id or alias, here or with another server's help.

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedServerName, RoomOrAliasId};

use super::{rooms::Rooms, sessions::Session};
use crate::error::{Error, Result};

pub struct Joins {
    rooms: Arc<Rooms>,
}

impl Joins {
    pub fn new(rooms: Arc<Rooms>) -> Self {
        Self { rooms }
    }

    /// Joins `room`. `via` are servers that may help.
    pub async fn join(
        &self,
        caller: &Arc<Session>,
        room: &RoomOrAliasId,
        _via: Vec<OwnedServerName>,
        reason: Option<String>,
    ) -> Result<OwnedRoomId> {
        let room_id = if room.is_room_id() {
            OwnedRoomId::try_from(room.to_owned())
        } else {
            let alias = ruma::OwnedRoomAliasId::try_from(room.to_owned())
                .map_err(|_| Error::invalid_param("The alias is malformed"))?;
            let found = self.rooms.by_alias(&alias).await?;
            Ok(found.ok_or_else(|| Error::not_found("There is no such alias"))?)
        };
        let room_id = room_id.map_err(|_| Error::invalid_param("The room id is malformed"))?;
        match self.rooms.join_local(caller, &room_id, reason).await? {
            Some(info) => Ok(info.id.clone()),
            None => Err(Error::not_found("No server is known that could let you in")),
        }
    }
}
