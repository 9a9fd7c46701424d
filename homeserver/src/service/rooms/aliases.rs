//! Names of rooms: the aliases of this server, and which of them a room may call its own.

use std::collections::BTreeSet;

use http::StatusCode;
use ruma::{
    OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId,
    api::error::ErrorKind,
    events::{StateEventType, TimelineEventType},
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Rooms, power, send::state, state_event, visibility::Access};
use crate::{
    error::{Error, Result},
    service::{sessions::Session, timeline::Context},
    storage::{Conn, RoomNid, rooms as room_rows},
};

/// The aliases that `m.room.canonical_alias` names.
#[derive(Default, Deserialize)]
struct Named {
    alias: Option<String>,
    #[serde(default)]
    alt_aliases: Vec<String>,
}

impl Named {
    fn all(self) -> BTreeSet<String> {
        self.alias.into_iter().filter(|alias| !alias.is_empty()).chain(self.alt_aliases).collect()
    }
}

impl Rooms {
    /// Gives a room a name of this server; 409 if it is taken.
    pub async fn create_alias(
        &self,
        caller: &Session,
        alias: &RoomAliasId,
        room_id: &RoomId,
    ) -> Result<()> {
        self.check_own(alias)?;
        let (context, room_id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let read =
            self.context.store.read(move |conn| Access::load(&context, conn, &room_id, user));
        let access = read.await?;
        if !access.is_joined() && !caller.is_admin {
            return Err(Error::forbidden("You are not in this room"));
        }
        let (alias, room) = (alias.to_string(), access.info.nid);
        let write = self
            .context
            .store
            .write(move |tx| room_rows::insert_alias(tx, &alias, room, user))
            .await?;
        match write {
            true => Ok(()),
            false => {
                let message = "The alias is already taken";
                Err(Error::matrix(StatusCode::CONFLICT, ErrorKind::Unknown, message))
            }
        }
    }

    /// Takes a name of this server away: for who gave it, for those who may set the room's aliases, for
    /// administrators of the server. The room no longer calls itself by it, where the caller may say so.
    pub async fn delete_alias(&self, caller: &Session, alias: &RoomAliasId) -> Result<()> {
        self.check_own(alias)?;
        let (context, name) = (self.context.clone(), alias.to_string());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let read = self.context.store.read(move |conn| {
            let no_alias = || Error::not_found("There is no such alias");
            let room = room_rows::by_alias(conn, &name)?.ok_or_else(no_alias)?;
            let made_by = room_rows::alias_creator(conn, &name)?;
            let info = context.rooms.by_nid(conn, room)?;
            let joined = Access::load(&context, conn, &info.id, user_nid)?.is_joined();
            let may_set = joined
                && power(&context, conn, &info)?.may_send(
                    &user_id,
                    &TimelineEventType::RoomCanonicalAlias,
                    true,
                );
            let without = match may_set {
                true => without_alias(&context, conn, room, &name)?,
                false => None,
            };
            Ok((info, made_by == Some(user_nid) || may_set, without))
        });
        let (info, allowed, without) = read.await?;
        if !allowed && !caller.is_admin {
            return Err(Error::forbidden("You may not delete this alias"));
        }
        let name = alias.to_string();
        self.context.store.write(move |tx| room_rows::delete_alias(tx, &name)).await?;
        if let Some(content) = without {
            let message = state(TimelineEventType::RoomCanonicalAlias, "", &content)?;
            if let Err(error) = self.send(caller, &info.id, message, None).await {
                tracing::info!(room = %info.id, %error, "the room still names a deleted alias");
            }
        }
        Ok(())
    }

    /// The room that an alias of any server points to, and servers that are in it.
    pub async fn resolve_alias(
        &self,
        alias: &RoomAliasId,
    ) -> Result<(OwnedRoomId, Vec<OwnedServerName>)> {
        match alias.server_name() == self.context.server_name {
            true => self.remote.alias_for(alias).await,
            false => self.remote.by_alias(alias).await,
        }
    }

    /// The names that this server has for a room; for those who may see its state.
    pub async fn aliases(
        &self,
        caller: &Session,
        room_id: &RoomId,
    ) -> Result<Vec<OwnedRoomAliasId>> {
        let (context, room_id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &room_id, user)?;
            if !access.is_joined() && !access.is_world_readable(&context, conn)? {
                return Err(Error::forbidden("You are not in this room"));
            }
            let aliases = room_rows::aliases(conn, access.info.nid)?;
            Ok(aliases.into_iter().filter_map(|alias| alias.try_into().ok()).collect())
        });
        read.await
    }

    /// Refuses an `m.room.canonical_alias` that newly names aliases which don't point to the room.
    pub(super) async fn check_canonical_alias(
        &self,
        room_id: &RoomId,
        content: &RawValue,
    ) -> Result<()> {
        let named: Named = serde_json::from_str(content.get()).map_err(|_| {
            Error::bad_json("alias is not a string, or alt_aliases not a list of strings")
        })?;
        let named = named.all();
        if named.is_empty() {
            return Ok(());
        }
        let info = self.known(room_id).await?;
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let nid = room_rows::state_nid(conn, info.nid)?;
            let state = context.states.get(conn, nid)?;
            state_event(&context, conn, &state, &StateEventType::RoomCanonicalAlias, "")
        });
        let before = read.await?.and_then(|event| event.pdu.content_as::<Named>().ok());
        let before = before.unwrap_or_default().all();
        for alias in named.difference(&before) {
            let parsed = RoomAliasId::parse(alias)
                .map_err(|_| Error::invalid_param(format!("{alias:?} is not an alias")))?;
            let points_here =
                self.resolve_alias(&parsed).await.is_ok_and(|(room, _)| room == *room_id);
            if !points_here {
                let message = format!("{alias} does not point to this room");
                return Err(Error::matrix(StatusCode::BAD_REQUEST, ErrorKind::BadAlias, message));
            }
        }
        Ok(())
    }

    fn check_own(&self, alias: &RoomAliasId) -> Result<()> {
        match alias.server_name() == self.context.server_name {
            true => Ok(()),
            false => Err(Error::invalid_param("The alias is of another server")),
        }
    }
}

/// What `m.room.canonical_alias` says, without one of its aliases; `None` if it does not name it.
fn without_alias(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    alias: &str,
) -> Result<Option<Map<String, Value>>> {
    let nid = room_rows::state_nid(conn, room)?;
    let state = context.states.get(conn, nid)?;
    let event = state_event(context, conn, &state, &StateEventType::RoomCanonicalAlias, "")?;
    let content = event.and_then(|event| event.pdu.content_as::<Map<String, Value>>().ok());
    let Some(before) = content else { return Ok(None) };
    let mut content = before.clone();
    if content.get("alias").and_then(Value::as_str) == Some(alias) {
        content.remove("alias");
    }
    if let Some(others) = content.get_mut("alt_aliases").and_then(Value::as_array_mut) {
        others.retain(|other| other.as_str() != Some(alias));
        if others.is_empty() {
            content.remove("alt_aliases");
        }
    }
    Ok((content != before).then_some(content))
}
