//! What lists and names of rooms are made of: a room's name, kind, counts of members and heroes, in memory,
//! bounded, computed again when the room's state has changed.

use std::sync::Arc;

use quick_cache::sync::Cache;
use ruma::{OwnedUserId, events::StateEventType};
use serde::Deserialize;

use super::{notifier::Subject, rooms::state_event, timeline::Context};
use crate::{
    error::Result,
    storage::{
        Conn, EventNid, Position, RoomNid, UserNid, current_position, members, rooms as room_rows,
        state::State,
    },
};

/// By these a room without a name is named.
pub const HEROES: usize = 5;
const ROOMS: usize = 20_000;

#[derive(Debug)]
pub struct RoomDigest {
    at: Position,
    pub name: Option<String>,
    pub avatar: Option<String>,
    pub has_alias: bool,
    pub room_type: Option<String>,
    pub is_encrypted: bool,
    pub joined: u64,
    pub invited: u64,
    /// Of those joined or invited, the first.
    members: Vec<Hero>,
    /// Of those who left, the first.
    former: Vec<Hero>,
}

#[derive(Debug)]
pub struct Hero {
    pub user_nid: UserNid,
    pub user_id: OwnedUserId,
    pub event_nid: EventNid,
}

impl RoomDigest {
    /// Others than `user` who stand for the room.
    pub fn heroes(&self, user: UserNid) -> impl Iterator<Item = &Hero> {
        let others = self.members.iter().any(|hero| hero.user_nid != user);
        let heroes = if others { &self.members } else { &self.former };
        heroes.iter().filter(move |hero| hero.user_nid != user).take(HEROES)
    }

    /// Whether the room has a name of its own.
    pub fn is_named(&self) -> bool {
        self.name.is_some() || self.has_alias
    }
}

pub struct RoomDigests {
    cache: Cache<RoomNid, Arc<RoomDigest>>,
}

impl Default for RoomDigests {
    fn default() -> Self {
        Self { cache: Cache::new(ROOMS) }
    }
}

impl RoomDigests {
    /// A room's digest as of the snapshot of `conn`, or later.
    pub fn get(
        &self,
        context: &Context,
        conn: &mut Conn,
        room: RoomNid,
    ) -> Result<Arc<RoomDigest>> {
        if let Some(digest) = self.cache.get(&room)
            && context.notifier.last_change(Subject::State(room)) <= digest.at
        {
            return Ok(digest);
        }
        let at = current_position(conn)?;
        let state = room_rows::state_nid(conn, room)?;
        let state = context.states.get(conn, state)?;
        let digest = Arc::new(digest(context, conn, room, &state, at)?);
        self.cache.insert(room, digest.clone());
        Ok(digest)
    }
}

fn digest(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    state: &State,
    at: Position,
) -> Result<RoomDigest> {
    #[derive(Deserialize)]
    struct Name {
        name: Option<String>,
    }
    #[derive(Deserialize)]
    struct Avatar {
        url: Option<String>,
    }
    #[derive(Deserialize)]
    struct Alias {
        alias: Option<String>,
    }
    #[derive(Deserialize)]
    struct Create {
        #[serde(rename = "type")]
        room_type: Option<String>,
    }
    let mut of_type = |event_type| state_event(context, conn, state, &event_type, "");
    let name = of_type(StateEventType::RoomName)?;
    let avatar = of_type(StateEventType::RoomAvatar)?;
    let alias = of_type(StateEventType::RoomCanonicalAlias)?;
    let create = of_type(StateEventType::RoomCreate)?;
    let is_encrypted = of_type(StateEventType::RoomEncryption)?.is_some();
    let name = name.and_then(|event| event.pdu.content_as::<Name>().ok()?.name);
    let avatar = avatar.and_then(|event| event.pdu.content_as::<Avatar>().ok()?.url);
    let alias = alias.and_then(|event| event.pdu.content_as::<Alias>().ok()?.alias);
    let counts = members::counts(conn, room)?;
    let count = |membership: &str| {
        let found = counts.iter().find(|(name, _)| name == membership);
        found.and_then(|(_, count)| u64::try_from(*count).ok()).unwrap_or(0)
    };
    let (joined, invited) = (count("join"), count("invite"));
    let first = |conn: &mut Conn, memberships| -> Result<Vec<Hero>> {
        let rows = members::first(conn, room, memberships, HEROES as i64 + 1)?;
        let heroes = rows.into_iter().filter_map(|(user_nid, user_id, event_nid)| {
            let user_id = OwnedUserId::try_from(user_id).ok()?;
            Some(Hero { user_nid, user_id, event_nid })
        });
        Ok(heroes.collect())
    };
    let members = first(conn, ("join", "invite"))?;
    // They matter only to the last one in the room.
    let former = if joined + invited < 2 { first(conn, ("leave", "ban"))? } else { Vec::new() };
    Ok(RoomDigest {
        at,
        name: name.filter(|name| !name.is_empty()),
        avatar: avatar.filter(|avatar| !avatar.is_empty()),
        has_alias: alias.is_some_and(|alias| !alias.is_empty()),
        room_type: create.and_then(|event| event.pdu.content_as::<Create>().ok()?.room_type),
        is_encrypted,
        joined,
        invited,
        members,
        former,
    })
}
