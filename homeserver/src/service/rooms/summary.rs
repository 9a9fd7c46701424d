//! What is told of a room to those who are not in it: in the directory, in the hierarchy of a space, on
//! asking for one room. In memory, bounded, computed again when the room's state has changed.

use std::sync::Arc;

use quick_cache::sync::Cache;
use ruma::{
    EventEncryptionAlgorithm, OwnedMxcUri, OwnedRoomAliasId, UInt,
    events::{
        StateEventType,
        room::{history_visibility::HistoryVisibility, join_rules::JoinRule},
        space::child::HierarchySpaceChildEvent,
    },
    room::{JoinRuleSummary, RoomSummary, RoomType},
    room_version_rules::RoomVersionRules,
    serde::Raw,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{json, value::to_raw_value};

use super::{state_event, visibility::history_visibility};
use crate::{
    error::{Error, Result},
    service::{
        event::Event,
        notifier::Subject,
        room_info::RoomInfo,
        space::{Child, children},
        timeline::Context,
    },
    storage::{
        Conn, EventNid, Position, RoomNid, current_position, members, rooms as room_rows,
        state::State,
    },
};

const ROOMS: usize = 20_000;

/// A room's summary, and when it was made.
#[derive(Debug)]
pub struct Summary {
    at: Position,
    pub room: RoomSummary,
    /// Of a space, with the events that name them.
    pub children: Vec<(Child, EventNid)>,
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
    let join_rule = content::<JoinRule>(context, conn, state, StateEventType::RoomJoinRules)?;
    let guests = content::<GuestAccess>(context, conn, state, StateEventType::RoomGuestAccess)?;
    let visibility = history_visibility(context, conn, state)?;
    let counts = members::counts(conn, info.nid)?;
    let joined = counts.iter().find(|(membership, _)| membership == "join").map(|row| row.1);
    let joined = UInt::new_saturating(u64::try_from(joined.unwrap_or(0)).unwrap_or(0));
    let mut room = RoomSummary::new(
        info.id.clone(),
        join_rule_summary(join_rule, info.rules),
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
    let children = match room.room_type {
        Some(RoomType::Space) => children_in(context, conn, state)?,
        _ => Vec::new(),
    };
    Ok(Summary { at, room, children })
}

/// What a join rule comes to in a version: one that the version does not know lets nobody in.
fn join_rule_summary(rule: Option<JoinRule>, rules: &RoomVersionRules) -> JoinRuleSummary {
    let knows = &rules.authorization;
    match rule {
        Some(JoinRule::Public) => JoinRuleSummary::Public,
        Some(JoinRule::Private) => JoinRuleSummary::Private,
        Some(JoinRule::Knock) if knows.knocking => JoinRuleSummary::Knock,
        Some(rule @ JoinRule::Restricted(_)) if knows.restricted_join_rule => rule.into(),
        Some(rule @ JoinRule::KnockRestricted(_)) if knows.knock_restricted_join_rule => {
            rule.into()
        }
        _ => JoinRuleSummary::Invite,
    }
}

fn children_in(
    context: &Context,
    conn: &mut Conn,
    state: &State,
) -> Result<Vec<(Child, EventNid)>> {
    let mut events = Vec::new();
    for (key, nid) in state.iter() {
        let key = context.store.state_keys().key(conn, key)?;
        if key.is_some_and(|key| &*key.event_type == "m.space.child") {
            events.push((child_event(&*context.events.get(conn, nid)?)?, nid));
        }
    }
    Ok(children(events))
}

/// An `m.space.child` as those are told of it who look at the space from outside.
pub(super) fn child_event(event: &Event) -> Result<Raw<HierarchySpaceChildEvent>> {
    to_raw_value(&json!({
        "type": event.pdu.event_type,
        "state_key": event.pdu.state_key,
        "sender": event.pdu.sender,
        "origin_server_ts": event.pdu.origin_server_ts,
        "content": event.pdu.content,
    }))
    .map(Raw::from_json)
    .map_err(|error| Error::internal(format!("a child of a space: {error}")))
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
