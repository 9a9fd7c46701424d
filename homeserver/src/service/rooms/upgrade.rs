//! Replacing a room by one of another version (client-server API, "Room Upgrades").
//!
//! 1. May the caller, and is the version known? Nothing is made otherwise.
//! 2. The new room with the state that moves, and a row that says what is under way, in one commit.
//! 3. [`finish`](Rooms::finish_upgrade): the tombstone; aliases and directory entry, in one commit; canonical
//!    aliases; the old room's power levels; what the upgrader keeps; further bans. Each step sees whether it is
//!    done already. The row goes with the last one.
//!
//! When the server is killed in between, the row has it go on at the next start, or when somebody asks again.

use std::sync::Arc;

use ruma::{
    OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, RoomVersionId,
    events::{StateEventType, TimelineEventType},
};
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    Rooms,
    create::{Founding, Replaced, new_room_id, rules_of},
    membership::membership_content,
    power,
    send::{Message, member, state},
    state_event,
    succession::tombstone_of,
    upgraded::{New, Old, old_levels},
    visibility::Access,
};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::{
        event::Event, room_info::RoomInfo, sessions::Session, timeline::Context,
        timeline::LocalEvent,
    },
    storage::{
        Conn, RoomNid, members,
        room_upgrades::{self, UpgradeRow},
        rooms as room_rows,
    },
};

/// How many bans go into one commit, and move before the request is answered.
const BANS_AT_ONCE: usize = 100;

impl Rooms {
    /// Replaces a room by one of another version. Answers the new room's id.
    pub async fn upgrade(
        &self,
        caller: &Session,
        room_id: &RoomId,
        version: RoomVersionId,
        additional_creators: Vec<OwnedUserId>,
    ) -> Result<OwnedRoomId> {
        let rules = rules_of(&version)?;
        let (context, id) = (self.context.clone(), room_id.to_owned());
        let known = self.context.store.read(move |conn| context.rooms.by_id(conn, &id)).await?;
        let old_info = known.ok_or_else(|| Error::not_found("There is no such room"))?;
        self.wait_for_members(room_id).await?;
        let _one_at_a_time = self.upgrading.lock(&old_info.nid).await;

        let (context, info) = (self.context.clone(), old_info.clone());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &info.id, user_nid)?;
            let tombstone = TimelineEventType::RoomTombstone;
            if !access.is_joined()
                || !power(&context, conn, &info)?.may_send(&user_id, &tombstone, true)
            {
                return Err(Error::forbidden("You may not replace this room"));
            }
            let under_way = match room_upgrades::get(conn, info.nid)? {
                Some(row) => Some((context.rooms.by_nid(conn, row.new_room_nid)?, row)),
                None => None,
            };
            Ok((under_way, old_room(&context, conn, &info)?))
        });
        let (under_way, old) = read.await?;
        if let Some((new_info, row)) = under_way {
            // It was interrupted: another attempt ends it.
            self.finish_upgrade(&old_info, &new_info, &row).await?;
            return Ok(new_info.id.clone());
        }

        let new = New { creator: &caller.user_id, additional_creators, version: &version, rules };
        let mut room_id = None;
        let mut tombstone = None;
        if let Some(new_id) = new_room_id(&self.context.server_name, rules) {
            // The new room names the event that ends the old one, which names the new room.
            if !old.has_policy {
                let message = tombstone_to(&new_id)?;
                let draft = self.draft(caller.user_id.clone(), message);
                tombstone = Some(self.timeline.propose(old_info.nid, draft).await?);
            }
            room_id = Some(new_id);
        }
        let predecessor = match &tombstone {
            Some(pdu) => json!({ "room_id": old_info.id, "event_id": pdu.event_id }),
            None => json!({ "room_id": old_info.id }),
        };
        let levels = new.levels(&old);
        let mut messages = vec![state(TimelineEventType::RoomPowerLevels, "", &levels.at_first)?];
        messages.extend(new.state(&old)?);
        for (user, reason) in old.bans.iter().take(BANS_AT_ONCE) {
            messages.push(member(user, &membership_content("ban", reason.clone()))?);
        }
        if levels.at_first != levels.at_last {
            messages.push(state(TimelineEventType::RoomPowerLevels, "", &levels.at_last)?);
        }
        let founding = Founding {
            room_id,
            create: new.create(&old, predecessor)?,
            version: version.clone(),
            rules,
            messages,
            is_public: false,
            alias: None,
            replaces: Some(Replaced { old: old_info.nid, tombstone }),
        };
        let new_info = self.found(caller, founding).await?;
        let nid = old_info.nid;
        let row = self.context.store.read(move |conn| room_upgrades::get(conn, nid)).await?;
        if let Some(row) = row {
            self.finish_upgrade(&old_info, &new_info, &row).await?;
        }
        Ok(new_info.id.clone())
    }

    /// Goes on with upgrades that were interrupted.
    pub async fn finish_upgrades(&self) -> Result<()> {
        for row in self.context.store.read(room_upgrades::all).await? {
            let _one_at_a_time = self.upgrading.lock(&row.old_room_nid).await;
            let (context, key) = (self.context.clone(), row.clone());
            let read = self.context.store.read(move |conn| {
                let still = room_upgrades::get(conn, key.old_room_nid)?.as_ref() == Some(&key);
                let old = context.rooms.by_nid(conn, key.old_room_nid)?;
                Ok((still, old, context.rooms.by_nid(conn, key.new_room_nid)?))
            });
            let (still, old, new) = read.await?;
            if !still {
                continue;
            }
            match self.finish_upgrade(&old, &new, &row).await {
                Ok(()) => {}
                Err(error @ Error::Matrix { .. }) => {
                    tracing::warn!(old = %old.id, new = %new.id, %error, "an upgrade was not ended");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Step 3.
    async fn finish_upgrade(
        &self,
        old: &Arc<RoomInfo>,
        new: &Arc<RoomInfo>,
        row: &UpgradeRow,
    ) -> Result<()> {
        let (context, user) = (self.context.clone(), row.user_nid);
        let read = self.context.store.read(move |conn| context.store.users().key(conn, user));
        let user_id = read.await?.and_then(|id| OwnedUserId::try_from(&*id).ok());
        let user_id = user_id.ok_or_else(|| Error::internal("who upgrades a room is not known"))?;
        let upgrader = Session::in_name_of(row.user_nid, user_id);

        if let Err(error) = self.end_old_room(&upgrader, old, new, row).await {
            if matches!(error, Error::Matrix { .. }) {
                // What allowed it is gone: the old room stays as it is.
                let nid = old.nid;
                self.context.store.write(move |tx| room_upgrades::delete(tx, nid)).await?;
            }
            return Err(error);
        }
        let (from, to) = (old.nid, new.nid);
        self.context.store.write(move |tx| room_rows::move_names(tx, from, to)).await?;
        self.move_canonical_alias(&upgrader, old, new).await?;
        self.silence(&upgrader, old).await?;
        self.keep_settings(upgrader.user_nid, &upgrader.user_id, new).await?;
        self.move_bans(&upgrader, old, new).await?;
        self.context.store.write(move |tx| room_upgrades::delete(tx, from)).await
    }

    async fn end_old_room(
        &self,
        upgrader: &Session,
        old: &RoomInfo,
        new: &RoomInfo,
        row: &UpgradeRow,
    ) -> Result<()> {
        let (context, nid, tombstone_id) =
            (self.context.clone(), old.nid, row.tombstone_id.clone());
        let read = self.context.store.read(move |conn| {
            let sent = match tombstone_id.and_then(|id| OwnedEventId::try_from(id).ok()) {
                Some(id) => context.events.by_id(conn, &id)?.is_some(),
                None => false,
            };
            Ok((sent, tombstone_of(&context, conn, nid)?))
        });
        let (sent, replacement) = read.await?;
        if sent || replacement.as_deref() == Some(new.id.as_str()) {
            return Ok(());
        }
        let draft = self.draft(upgrader.user_id.clone(), tombstone_to(&new.id)?);
        let signed = match (&row.tombstone_id, &row.tombstone) {
            (Some(id), Some(json)) => {
                let broken =
                    |error: String| Error::internal(format!("a stored tombstone: {error}"));
                let id = OwnedEventId::try_from(id.as_str()).map_err(|e| broken(e.to_string()))?;
                let pdu = Pdu::from_json(id, json.clone().into_boxed_str(), old.rules);
                Some(pdu.map_err(|error| broken(error.to_string()))?)
            }
            _ => None,
        };
        let sender_nid = upgrader.user_nid;
        let event = LocalEvent { draft, sender_nid, signed, transaction: None };
        self.append_one(old.nid, event).await.map(drop)
    }

    /// The new room calls itself by the aliases that have moved, the old one no longer does.
    async fn move_canonical_alias(
        &self,
        upgrader: &Session,
        old: &RoomInfo,
        new: &RoomInfo,
    ) -> Result<()> {
        let (context, from, to) = (self.context.clone(), old.nid, new.nid);
        let read = self.context.store.read(move |conn| {
            let kind = StateEventType::RoomCanonicalAlias;
            if current(&context, conn, to, kind.clone())?.is_some() {
                return Ok(None);
            }
            let Some(event) = current(&context, conn, from, kind)? else { return Ok(None) };
            let Ok(content) = event.pdu.content_as::<Map<String, Value>>() else { return Ok(None) };
            let moved = room_rows::aliases(conn, to)?;
            Ok(Some(divide(content, &moved)))
        });
        let Some((moved, stays)) = read.await? else { return Ok(()) };
        if moved.is_empty() {
            return Ok(());
        }
        for (room, content) in [(&new.id, moved), (&old.id, stays)] {
            let message = state(TimelineEventType::RoomCanonicalAlias, "", &content)?;
            self.try_send(upgrader, room, message).await?;
        }
        Ok(())
    }

    /// Has only moderators speak and invite in the old room, where the upgrader may say so.
    async fn silence(&self, upgrader: &Session, old: &RoomInfo) -> Result<()> {
        let (context, nid) = (self.context.clone(), old.nid);
        let read = self.context.store.read(move |conn| {
            let levels = current(&context, conn, nid, StateEventType::RoomPowerLevels)?;
            Ok(levels.and_then(|event| event.pdu.content_as::<Map<String, Value>>().ok()))
        });
        let Some(levels) = read.await?.and_then(old_levels) else { return Ok(()) };
        let message = state(TimelineEventType::RoomPowerLevels, "", &levels)?;
        self.try_send(upgrader, &old.id, message).await
    }

    /// Bans who is banned in the old room and not yet in the new one.
    async fn move_bans(&self, upgrader: &Session, old: &RoomInfo, new: &RoomInfo) -> Result<()> {
        let (context, from, to) = (self.context.clone(), old.nid, new.nid);
        let read = self.context.store.read(move |conn| {
            let banned: Vec<_> = members::of_room(conn, to, "ban")?;
            let banned: std::collections::HashSet<_> =
                banned.into_iter().map(|(_, user, _)| user).collect();
            let mut bans = bans(&context, conn, from)?;
            bans.retain(|(user, _)| !banned.contains(user.as_str()));
            Ok(bans)
        });
        for bans in read.await?.chunks(BANS_AT_ONCE) {
            let mut events = Vec::with_capacity(bans.len());
            for (user, reason) in bans {
                let ban = member(user, &membership_content("ban", reason.clone()))?;
                let draft = self.draft(upgrader.user_id.clone(), ban);
                let sender_nid = upgrader.user_nid;
                events.push(LocalEvent { draft, sender_nid, signed: None, transaction: None });
            }
            match self.timeline.append_local(new.nid, events).await {
                Ok(_) => {}
                Err(error @ Error::Matrix { .. }) => {
                    tracing::info!(room = %new.id, %error, "bans did not move");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what the upgrade can do without.
    async fn try_send(&self, upgrader: &Session, room: &RoomId, message: Message) -> Result<()> {
        match self.send(upgrader, room, message, None).await {
            Ok(_) => Ok(()),
            Err(error @ Error::Matrix { .. }) => {
                tracing::info!(%room, %error, "a part of an upgrade was refused");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn tombstone_to(room: &RoomId) -> Result<Message> {
    let content = json!({ "body": "This room has been replaced", "replacement_room": room });
    state(TimelineEventType::RoomTombstone, "", &content)
}

/// The event at a place of a room's current state with an empty state key.
pub(super) fn current(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    event_type: StateEventType,
) -> Result<Option<Arc<Event>>> {
    let nid = room_rows::state_nid(conn, room)?;
    let state = context.states.get(conn, nid)?;
    state_event(context, conn, &state, &event_type, "")
}

/// What moves of a room, as it stands.
fn old_room(context: &Context, conn: &mut Conn, info: &RoomInfo) -> Result<Old> {
    let nid = room_rows::state_nid(conn, info.nid)?;
    let at = context.states.get(conn, nid)?;
    let create = state_event(context, conn, &at, &StateEventType::RoomCreate, "")?
        .ok_or_else(|| Error::internal("a room has no create event"))?;
    let mut state = Vec::new();
    for (key, nid) in at.iter() {
        // Members don't move: of a large room they are most of the state.
        let key = context.store.state_keys().key(conn, key)?;
        if key.is_none_or(|key| &*key.event_type == "m.room.member") {
            continue;
        }
        let event = context.events.get(conn, nid)?;
        let content: Box<RawValue> = event.pdu.content.clone();
        let key = event.pdu.state_key.clone().unwrap_or_default();
        state.push((event.pdu.event_type.clone(), key, content));
    }
    let power = power(context, conn, info)?;
    Ok(Old {
        creators: power.creators().map(ToOwned::to_owned).collect(),
        create: create.pdu.content_as().map_err(|error| Error::internal(error.to_string()))?,
        has_policy: state_event(context, conn, &at, &StateEventType::RoomPolicy, "")?.is_some(),
        state,
        bans: bans(context, conn, info.nid)?,
    })
}

/// Who is banned from a room, and why.
fn bans(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
) -> Result<Vec<(OwnedUserId, Option<String>)>> {
    #[derive(serde::Deserialize)]
    struct Ban {
        reason: Option<String>,
    }
    let mut bans = Vec::new();
    for (_, user, nid) in members::of_room(conn, room, "ban")? {
        let Ok(user) = OwnedUserId::try_from(user) else { continue };
        let content = context.events.get(conn, nid)?.pdu.content_as::<Ban>();
        bans.push((user, content.ok().and_then(|ban| ban.reason)));
    }
    Ok(bans)
}

/// The content of `m.room.canonical_alias` with only the aliases that have moved, and without them.
fn divide(
    content: Map<String, Value>,
    moved: &[String],
) -> (Map<String, Value>, Map<String, Value>) {
    let has_moved = |alias: &Value| {
        alias.as_str().is_some_and(|alias| moved.iter().any(|moved| moved == alias))
    };
    let (mut new, mut old) = (Map::new(), content);
    if let Some(alias) = old.get("alias").filter(|alias| has_moved(alias)).cloned() {
        old.remove("alias");
        new.insert("alias".to_owned(), alias);
    }
    if let Some(Value::Array(aliases)) = old.remove("alt_aliases") {
        let (moved, stays): (Vec<_>, Vec<_>) = aliases.into_iter().partition(has_moved);
        for (content, aliases) in [(&mut new, moved), (&mut old, stays)] {
            if !aliases.is_empty() {
                content.insert("alt_aliases".to_owned(), aliases.into());
            }
        }
    }
    (new, old)
}
