//! What a user keeps of a room when they come into the one that replaces it: its tags, that it is a direct
//! chat, and push rules about it.
//!
//! Only where the old room says itself that it was replaced by the new one: anybody may claim a predecessor.

use std::sync::Arc;

use ruma::{OwnedRoomId, RoomId, UserId, events::StateEventType};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Rooms, upgrade::current};
use crate::{
    error::Result,
    service::{notifier::Subject, push, room_info::RoomInfo, timeline::Context},
    storage::{
        Conn, RoomNid, Tx, UserNid,
        account_data::{self, AccountDataRow, GLOBAL},
        members,
    },
};

const TAG: &str = "m.tag";
const DIRECT: &str = "m.direct";

impl Rooms {
    /// Takes a user's settings along into a room that they have joined, if it replaces one that they were in.
    pub(in crate::service) async fn keep_settings(
        &self,
        user: UserNid,
        user_id: &UserId,
        new: &Arc<RoomInfo>,
    ) -> Result<()> {
        let (context, info) = (self.context.clone(), new.clone());
        let read = self.context.store.read(move |conn| predecessor(&context, conn, user, &info));
        let Some(old) = read.await? else { return Ok(()) };
        let (context, user_id, new) = (self.context.clone(), user_id.to_owned(), new.id.clone());
        let write = self.context.store.write(move |tx| {
            let follow = |rules: &mut _| push::follow::follow(rules, &old, &new);
            push::change_rules(tx, &context, (user, &user_id), follow)?;
            copy_tags(tx, &context, user, (&old, &new))?;
            extend_direct(tx, &context, user, (&old, &new))
        });
        write.await
    }
}

/// The room that `info` replaces, if the user was in it and it says the same.
fn predecessor(
    context: &Context,
    conn: &mut Conn,
    user: UserNid,
    info: &RoomInfo,
) -> Result<Option<OwnedRoomId>> {
    #[derive(Deserialize)]
    struct Create {
        predecessor: Option<Predecessor>,
    }
    #[derive(Deserialize)]
    struct Predecessor {
        room_id: OwnedRoomId,
    }
    let create = current(context, conn, info.nid, StateEventType::RoomCreate)?;
    let create = create.and_then(|event| event.pdu.content_as::<Create>().ok());
    let Some(predecessor) = create.and_then(|create| create.predecessor) else { return Ok(None) };
    let Some(old) = context.rooms.by_id(conn, &predecessor.room_id)? else { return Ok(None) };
    if members::get(conn, old.nid, user)?.is_none() {
        return Ok(None);
    }
    let replaced = tombstone_of(context, conn, old.nid)?.as_deref() == Some(info.id.as_str());
    Ok(replaced.then_some(predecessor.room_id))
}

/// The room that a room's tombstone names.
pub(super) fn tombstone_of(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Tombstone {
        replacement_room: String,
    }
    let event = current(context, conn, room, StateEventType::RoomTombstone)?;
    let content = event.and_then(|event| event.pdu.content_as::<Tombstone>().ok());
    Ok(content.map(|content| content.replacement_room))
}

/// The new room has the old one's tags, unless it has some of its own.
fn copy_tags(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    user: UserNid,
    (old, new): (&RoomId, &RoomId),
) -> Result<()> {
    let known = account_data::get(tx, user, new.as_str(), TAG)?;
    let Some(tags) = account_data::get(tx, user, old.as_str(), TAG)? else { return Ok(()) };
    if known.is_some() {
        return Ok(());
    }
    set(tx, context, user, (new.as_str(), TAG), tags)
}

/// The new room is a direct chat with those with whom the old one is.
fn extend_direct(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    user: UserNid,
    (old, new): (&RoomId, &RoomId),
) -> Result<()> {
    let Some(content) = account_data::get(tx, user, GLOBAL, DIRECT)? else { return Ok(()) };
    let Ok(mut direct) = serde_json::from_str::<Map<String, Value>>(&content) else {
        return Ok(());
    };
    let mut changed = false;
    for rooms in direct.values_mut().filter_map(Value::as_array_mut) {
        let has = |room: &RoomId| rooms.iter().any(|known| known.as_str() == Some(room.as_str()));
        if has(old) && !has(new) {
            rooms.push(new.as_str().into());
            changed = true;
        }
    }
    match changed {
        true => set(tx, context, user, (GLOBAL, DIRECT), Value::Object(direct).to_string()),
        false => Ok(()),
    }
}

fn set(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    user_nid: UserNid,
    (room_id, event_type): (&str, &str),
    content: String,
) -> Result<()> {
    let position = tx.next_position()?;
    let (room_id, event_type) = (room_id.to_owned(), event_type.to_owned());
    account_data::set(tx, &AccountDataRow { user_nid, room_id, event_type, content, position })?;
    let context = context.clone();
    tx.after_commit(move || context.notifier.advance(position, [Subject::User(user_nid)]));
    Ok(())
}
