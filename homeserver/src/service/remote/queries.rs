//! What other servers may look up here: aliases and profiles.

use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedRoomId, OwnedServerName, RoomAliasId, UserId,
    api::federation::{discovery::ServerSigningKeys, query::get_profile_information},
    profile::ProfileFieldName,
    serde::Raw,
};

use std::time::Duration;

use sealpost_federation::client::Limits;
use serde_json::{Map, Value};

use super::{Remote, keys, refused};
use crate::{
    error::{Error, Result},
    service::profiles,
    storage::{members, rooms},
};

/// A profile is small, and somebody waits for it.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), max_bytes: 256 * 1024 };

/// How many servers are named as ways into a room.
const SERVERS_MAX: usize = 20;

impl Remote {
    /// Our keys, signed.
    pub fn own_keys(&self) -> Result<Raw<ServerSigningKeys>> {
        keys::own_keys(&self.context.server_name, &self.keys, self.context.clock.now_ms())
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
    pub async fn profile_for(&self, user: &UserId) -> Result<Map<String, Value>> {
        if user.server_name() != self.context.server_name {
            return Err(Error::invalid_param("The user is not of this server"));
        }
        let user = user.to_owned();
        self.context.store.read(move |conn| profiles::of_local(conn, &user)).await
    }

    /// The profile of a user of another server, or one field of it.
    pub async fn profile_of(
        &self,
        user: &UserId,
        field: Option<&str>,
    ) -> Result<Map<String, Value>> {
        let server = user.server_name();
        self.check_policy(server)?;
        let mut request = get_profile_information::v1::Request::new(user.to_owned());
        request.field = field.map(ProfileFieldName::from);
        let answer = self.ask(server, request, LIMITS).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        Ok(answer.data.into_iter().collect())
    }
}
