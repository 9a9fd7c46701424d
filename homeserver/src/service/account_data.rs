//! What users keep about themselves: account data, and the tags of rooms, which are part of it.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use ruma::{RoomId, api::error::ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ignored_users, notifier::Subject, sessions::Session, timeline::Context};
use crate::{
    error::{Error, Result},
    storage::{
        Position, Tx, UserNid,
        account_data::{self, AccountDataRow, GLOBAL},
        ignored_users as ignored_rows,
    },
};

/// The longest name of a type, and of a tag, in bytes.
const NAME_LENGTH: usize = 255;
/// The server itself keeps these.
const SERVER_KEPT: [&str; 2] = ["m.fully_read", "m.push_rules"];
const TAG: &str = "m.tag";
/// A room has no more tags than this.
const TAGS_MAX: usize = 100;

pub struct AccountData {
    context: Arc<Context>,
}

/// The content of `m.tag`.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Tags {
    #[serde(default)]
    tags: BTreeMap<String, Box<RawValue>>,
}

impl AccountData {
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Sets what the caller keeps under a type, for all or for a room.
    pub async fn set(
        &self,
        caller: &Session,
        room_id: Option<&RoomId>,
        event_type: String,
        content: Box<RawValue>,
    ) -> Result<()> {
        if SERVER_KEPT.contains(&event_type.as_str()) {
            let message = format!("{event_type} can't be set here");
            return Err(Error::matrix(StatusCode::METHOD_NOT_ALLOWED, ErrorKind::BadJson, message));
        }
        if event_type.len() > NAME_LENGTH {
            return Err(Error::invalid_param("The type is too long"));
        }
        if !content.get().trim_start().starts_with('{') {
            return Err(Error::bad_json("The content is not a JSON object"));
        }
        let ignored = match (room_id, event_type.as_str()) {
            (None, ignored_users::TYPE) => Some(ignored_users::read(&content)?),
            _ => None,
        };
        let room_id = room_id.map_or(GLOBAL, RoomId::as_str).to_owned();
        let (context, user_nid) = (self.context.clone(), caller.user_nid);
        let write = self.context.store.write(move |tx| {
            if let Some(ignored) = &ignored {
                ignored_rows::set(tx, user_nid, ignored)?;
            }
            let position = tx.next_position()?;
            let row = AccountDataRow {
                user_nid,
                room_id: room_id.clone(),
                event_type: event_type.clone(),
                content: content.get().to_owned(),
                position,
            };
            account_data::set(tx, &row)?;
            if ignored.is_some() {
                let context = context.clone();
                tx.after_commit(move || context.ignored_users.forget(position));
            }
            tell(tx, &context, user_nid, position);
            Ok(())
        });
        write.await
    }

    /// What the caller keeps under a type; 404 if there is nothing.
    pub async fn get(
        &self,
        caller: &Session,
        room_id: Option<&RoomId>,
        event_type: String,
    ) -> Result<Box<RawValue>> {
        let room_id = room_id.map_or(GLOBAL, RoomId::as_str).to_owned();
        let user_nid = caller.user_nid;
        let read = self
            .context
            .store
            .read(move |conn| account_data::get(conn, user_nid, &room_id, &event_type));
        let content = read.await?.ok_or_else(|| Error::not_found("Nothing is kept there"))?;
        RawValue::from_string(content).map_err(broken)
    }

    /// The caller's tags of a room.
    pub async fn tags(
        &self,
        caller: &Session,
        room_id: &RoomId,
    ) -> Result<BTreeMap<String, Box<RawValue>>> {
        let (room_id, user_nid) = (room_id.to_string(), caller.user_nid);
        let read =
            self.context.store.read(move |conn| account_data::get(conn, user_nid, &room_id, TAG));
        Ok(tags(read.await?).tags)
    }

    /// Gives a room a tag.
    pub async fn set_tag(
        &self,
        caller: &Session,
        room_id: &RoomId,
        tag: String,
        info: Box<RawValue>,
    ) -> Result<()> {
        if tag.len() > NAME_LENGTH {
            return Err(Error::invalid_param("The tag has more than 255 bytes"));
        }
        self.change_tags(caller, room_id, move |tags| {
            tags.insert(tag.clone(), info.clone());
            tags.len() <= TAGS_MAX
        })
        .await
    }

    /// Takes a tag from a room.
    pub async fn delete_tag(&self, caller: &Session, room_id: &RoomId, tag: String) -> Result<()> {
        self.change_tags(caller, room_id, move |tags| {
            tags.remove(&tag);
            true
        })
        .await
    }

    async fn change_tags(
        &self,
        caller: &Session,
        room_id: &RoomId,
        change: impl Fn(&mut BTreeMap<String, Box<RawValue>>) -> bool + Send + 'static,
    ) -> Result<()> {
        let (context, room_id) = (self.context.clone(), room_id.to_string());
        let user_nid = caller.user_nid;
        let write = self.context.store.write(move |tx| {
            let mut tags = tags(account_data::get(tx, user_nid, &room_id, TAG)?);
            if !change(&mut tags.tags) {
                return Err(Error::invalid_param("The room has too many tags"));
            }
            let position = tx.next_position()?;
            let row = AccountDataRow {
                user_nid,
                room_id: room_id.clone(),
                event_type: TAG.to_owned(),
                content: serde_json::to_string(&tags).map_err(broken)?,
                position,
            };
            account_data::set(tx, &row)?;
            tell(tx, &context, user_nid, position);
            Ok(())
        });
        write.await
    }
}

/// Wakes the user's devices after the commit.
fn tell(tx: &mut Tx<'_>, context: &Arc<Context>, user: UserNid, position: Position) {
    let context = context.clone();
    tx.after_commit(move || context.notifier.advance(position, [Subject::User(user)]));
}

/// Clients may have set anything under the type.
fn tags(content: Option<String>) -> Tags {
    content.and_then(|content| serde_json::from_str(&content).ok()).unwrap_or_default()
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("account data: {error}"))
}
