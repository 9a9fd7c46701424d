//! What other servers may look up here: aliases and profiles.

use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedRoomId, OwnedServerName, RoomAliasId, UserId,
    api::federation::discovery::ServerSigningKeys, profile::ProfileFieldName, serde::Raw,
};

use super::{Remote, keys};
use crate::{
    error::{Error, Result},
    storage::{accounts, members, rooms},
};

/// How many servers are named as ways into a room.
const SERVERS_MAX: usize = 20;

impl Remote {
    /// Our key, signed.
    pub fn own_keys(&self) -> Result<Raw<ServerSigningKeys>> {
        keys::own_keys(&self.context.server_name, &self.key, self.context.clock.now_ms())
    }

    /// Who answers, and when.
    pub fn origin(&self) -> (OwnedServerName, MilliSecondsSinceUnixEpoch) {
        (self.context.server_name.clone(), self.timestamp())
    }

    /// The room that an alias of this server points to, and servers that are in it.
    pub async fn alias_for(
        &self,
        alias: &RoomAliasId,
    ) -> Result<(OwnedRoomId, Vec<OwnedServerName>)> {
        let (context, alias) = (self.context.clone(), alias.to_owned());
        let read = self.context.store.read(move |conn| {
            let Some(nid) = rooms::by_alias(conn, alias.as_str())? else {
                return Err(Error::not_found("This server has no such alias"));
            };
            let mut servers = vec![context.server_name.clone()];
            for (_, user, _) in members::of_room(conn, nid, "join")? {
                if servers.len() == SERVERS_MAX {
                    break;
                }
                if let Ok(user) = <&UserId>::try_from(user.as_str())
                    && !servers.iter().any(|server| server == user.server_name())
                {
                    servers.push(user.server_name().to_owned());
                }
            }
            Ok((context.rooms.by_nid(conn, nid)?.id.clone(), servers))
        });
        read.await
    }

    /// The profile of a user of this server.
    pub async fn profile_for(&self, user: &UserId) -> Result<Vec<(ProfileFieldName, String)>> {
        if user.server_name() != self.context.server_name {
            return Err(Error::invalid_param("The user is not of this server"));
        }
        let (context, user) = (self.context.clone(), user.to_owned());
        let read = self.context.store.read(move |conn| {
            let nid = context.store.users().find(conn, &*user)?;
            match nid {
                Some(nid) => accounts::find(conn, nid),
                None => Ok(None),
            }
        });
        let account =
            read.await?.ok_or_else(|| Error::not_found("This server has no such user"))?;
        let fields = [
            (ProfileFieldName::DisplayName, account.displayname),
            (ProfileFieldName::AvatarUrl, account.avatar_url),
        ];
        Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}
