//! What is told of a room to those who are not in it: in the directory, in the hierarchy of a space, on
//! asking for one room. In memory, bounded, computed again when the room's state has changed.

use std::sync::Arc;

use quick_cache::sync::Cache;
use ruma::{
    EventEncryptionAlgorithm, OwnedMxcUri, OwnedRoomAliasId, UInt,
    events::{
        StateEventType,
        room::{history_visibility::HistoryVisibility, join_rules::JoinRule},
    },
    room::{JoinRuleSummary, RoomSummary, RoomType},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{state_event, visibility::history_visibility};
use crate::{
    error::Result,
    service::{notifier::Subject, room_info::RoomInfo, timeline::Context},
    storage::{
        Conn, Position, RoomNid, current_position, members, rooms as room_rows, state::State,
    },
};

const ROOMS: usize = 20_000;

/// A room's summary, and when it was made.
#[derive(Debug)]
pub struct Summary {
    at: Position,
    pub room: RoomSummary,
}

pub struct Summaries {
    cache: Cache<RoomNid, Arc<Summary>>,
}

impl Default for Summaries {
    fn default() -> Self {
        Self { cache: Cache::new(ROOMS) }
    }
}

impl Summaries {
    /// A room's summary as of the snapshot of `conn`, or later.
    pub fn get(&self, context: &Context, conn: &mut Conn, info: &RoomInfo) -> Result<Arc<Summary>> {
        if let Some(summary) = self.cache.get(&info.nid)
            && context.notifier.last_change(Subject::State(info.nid)) <= summary.at
        {
            return Ok(summary);
        }
        let at = current_position(conn)?;
        let summary = Arc::new(summary(context, conn, info, at)?);
        self.cache.insert(info.nid, summary.clone());
        Ok(summary)
    }
}

#[derive(Deserialize)]
struct Name {
    name: Option<String>,
}
#[derive(Deserialize)]
struct Topic {
    topic: Option<String>,
}
#[derive(Deserialize)]
struct Avatar {
    url: Option<OwnedMxcUri>,
}
#[derive(Deserialize)]
struct CanonicalAlias {
    alias: Option<OwnedRoomAliasId>,
}
#[derive(Deserialize)]
struct Create {
    #[serde(rename = "type")]
    room_type: Option<RoomType>,
}
#[derive(Deserialize)]
struct GuestAccess {
    guest_access: String,
}
#[derive(Deserialize)]
struct Encryption {
    algorithm: Option<EventEncryptionAlgorithm>,
}

fn summary(context: &Context, conn: &mut Conn, info: &RoomInfo, at: Position) -> Result<Summary> {
    let state = room_rows::state_nid(conn, info.nid)?;
    let state = &context.states.get(conn, state)?;
    let join_rule = content::<JoinRule>(context, conn, state, StateEventType::RoomJoinRules)?
        .unwrap_or(JoinRule::Invite);
    let guests = content::<GuestAccess>(context, conn, state, StateEventType::RoomGuestAccess)?;
    let visibility = history_visibility(context, conn, state)?;
    let counts = members::counts(conn, info.nid)?;
    let joined = counts.iter().find(|(membership, _)| membership == "join").map(|row| row.1);
    let joined = UInt::new_saturating(u64::try_from(joined.unwrap_or(0)).unwrap_or(0));
    let mut room = RoomSummary::new(
        info.id.clone(),
        JoinRuleSummary::from(join_rule),
        guests.is_some_and(|content| content.guest_access == "can_join"),
        joined,
        visibility == HistoryVisibility::WorldReadable,
    );
    let filled = |text: &String| !text.is_empty();
    let name = content::<Name>(context, conn, state, StateEventType::RoomName)?;
    room.name = name.and_then(|content| content.name).filter(filled);
    let topic = content::<Topic>(context, conn, state, StateEventType::RoomTopic)?;
    room.topic = topic.and_then(|content| content.topic).filter(filled);
    let avatar = content::<Avatar>(context, conn, state, StateEventType::RoomAvatar)?;
    room.avatar_url = avatar.and_then(|content| content.url).filter(|url| url.is_valid());
    let alias =
        content::<CanonicalAlias>(context, conn, state, StateEventType::RoomCanonicalAlias)?;
    room.canonical_alias = alias.and_then(|content| content.alias);
    let create = content::<Create>(context, conn, state, StateEventType::RoomCreate)?;
    room.room_type = create.and_then(|content| content.room_type);
    let encryption = content::<Encryption>(context, conn, state, StateEventType::RoomEncryption)?;
    room.encryption = encryption.and_then(|content| content.algorithm);
    room.room_version = Some(info.version.clone());
    Ok(Summary { at, room })
}

/// What a piece of a room's state says, if it is there and well formed.
fn content<T: DeserializeOwned>(
    context: &Context,
    conn: &mut Conn,
    state: &State,
    event_type: StateEventType,
) -> Result<Option<T>> {
    let event = state_event(context, conn, state, &event_type, "")?;
    Ok(event.and_then(|event| event.pdu.content_as::<T>().ok()))
}
