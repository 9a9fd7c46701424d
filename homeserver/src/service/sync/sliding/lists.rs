//! Which rooms the lists and subscriptions of a request are about: all that concern the user, the most active
//! first; of these the ones that a list's filters let through; of these the ones in its window.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use ruma::{OwnedRoomId, RoomId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    activity::Activities,
    connection::State,
    request::{Filters, RoomConfig, Wanted},
    response::ListResult,
};
use crate::{
    error::Result,
    service::{
        room_info::RoomInfo,
        sync::streams::{Scope, invites},
        user_rooms::Memberships,
    },
    storage::{
        Conn, Position, RoomNid, account_data,
        members::{self, MembershipRow},
        rooms as room_rows,
    },
};

/// A room that a request asks for.
pub(super) struct Relevant<'a> {
    pub info: Arc<RoomInfo>,
    pub row: &'a MembershipRow,
    pub config: RoomConfig,
    pub lists: Vec<String>,
    pub subscribed: bool,
    pub is_dm: bool,
}

pub(super) struct Found<'a> {
    pub counts: Vec<(String, ListResult)>,
    pub rooms: BTreeMap<RoomNid, Relevant<'a>>,
    /// Rooms that two people have to themselves.
    pub direct: HashSet<OwnedRoomId>,
}

/// A room that concerns the user.
struct Candidate<'a> {
    row: &'a MembershipRow,
    info: Arc<RoomInfo>,
    recency: Position,
}

pub(super) fn find<'a>(
    scope: &Scope<'_>,
    conn: &mut Conn,
    activities: &Activities,
    memberships: &'a Memberships,
    wanted: &Wanted,
    state: Option<&State>,
) -> Result<Found<'a>> {
    let direct = direct_rooms(scope, conn)?;
    let mut found = Found { counts: Vec::new(), rooms: BTreeMap::new(), direct };
    if !wanted.lists.is_empty() {
        let mut candidates = candidates(scope, conn, activities, memberships, state)?;
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.recency));
        for (name, list) in &wanted.lists {
            let filter = Filter::new(scope, conn, memberships, &list.filters)?;
            let mut count = 0;
            for candidate in &candidates {
                if !filter.passes(scope, conn, candidate, &found.direct)? {
                    continue;
                }
                if list.ranges.iter().any(|&(first, last)| (first..=last).contains(&count)) {
                    let room = found.add(candidate.row, candidate.info.clone());
                    room.config.combine(&list.config);
                    room.lists.push(name.clone());
                }
                count += 1;
            }
            found.counts.push((name.clone(), ListResult { count }));
        }
    }
    for (room_id, config) in &wanted.subscriptions {
        let Some(info) = scope.context.rooms.by_id(conn, room_id)? else { continue };
        let Some(row) = memberships.rows.iter().find(|row| row.room_nid == info.nid) else {
            continue;
        };
        if concerns(scope, conn, row, state)? {
            let room = found.add(row, info);
            room.config.combine(config);
            room.subscribed = true;
        }
    }
    Ok(found)
}

impl<'a> Found<'a> {
    fn add(&mut self, row: &'a MembershipRow, info: Arc<RoomInfo>) -> &mut Relevant<'a> {
        let is_dm = self.direct.contains(&info.id);
        self.rooms.entry(row.room_nid).or_insert_with(|| Relevant {
            info,
            row,
            config: RoomConfig::default(),
            lists: Vec::new(),
            subscribed: false,
            is_dm,
        })
    }
}

fn candidates<'a>(
    scope: &Scope<'_>,
    conn: &mut Conn,
    activities: &Activities,
    memberships: &'a Memberships,
    state: Option<&State>,
) -> Result<Vec<Candidate<'a>>> {
    let mut candidates = Vec::with_capacity(memberships.rows.len());
    for row in &memberships.rows {
        if !concerns(scope, conn, row, state)? {
            continue;
        }
        let recency = match &*row.membership {
            "join" => activities.get(scope.context, conn, row.room_nid)?.last,
            _ => row.position,
        };
        let info = scope.context.rooms.by_nid(conn, row.room_nid)?;
        candidates.push(Candidate { row, info, recency });
    }
    Ok(candidates)
}

/// Whether the user is in the room, may join it, was thrown out of it, or left after the client was told of it.
fn concerns(
    scope: &Scope<'_>,
    conn: &mut Conn,
    row: &MembershipRow,
    state: Option<&State>,
) -> Result<bool> {
    match &*row.membership {
        "join" | "knock" => Ok(true),
        "invite" => invites::is_shown(scope.context, conn, scope.caller, row),
        _ => {
            let sent = state.and_then(|state| state.rooms.get(&row.room_nid));
            if sent.is_some_and(|sent| sent.membership == "join" || sent.at < row.position) {
                return Ok(true);
            }
            let event = scope.context.events.get(conn, row.event_nid)?;
            if event.pdu.sender == scope.caller.user_id {
                return Ok(false);
            }
            let changes = members::changes(conn, row.room_nid, row.user_nid)?;
            Ok(changes.iter().any(|(_, membership)| membership == "join"))
        }
    }
}

/// What `m.direct` names.
fn direct_rooms(scope: &Scope<'_>, conn: &mut Conn) -> Result<HashSet<OwnedRoomId>> {
    let user = scope.caller.user_nid;
    let content = account_data::get(conn, user, account_data::GLOBAL, "m.direct")?;
    let rooms = content.and_then(|content| {
        serde_json::from_str::<BTreeMap<String, Vec<OwnedRoomId>>>(&content).ok()
    });
    Ok(rooms.into_iter().flatten().flat_map(|(_, rooms)| rooms).collect())
}

/// A list's filters, with what they look up once.
struct Filter<'a> {
    filters: &'a Filters,
    /// Rooms in the spaces.
    children: Option<HashSet<OwnedRoomId>>,
    tags: HashMap<String, Vec<String>>,
}

/// What filters ask about a room that the user is not in.
#[derive(Default)]
struct Told {
    name: Option<String>,
    room_type: Option<String>,
    is_encrypted: bool,
}

impl<'a> Filter<'a> {
    fn new(
        scope: &Scope<'_>,
        conn: &mut Conn,
        memberships: &Memberships,
        filters: &'a Filters,
    ) -> Result<Self> {
        let children = match &filters.spaces {
            Some(spaces) => Some(children(scope, conn, memberships, spaces)?),
            None => None,
        };
        let tags = match filters.tags.is_some() || filters.not_tags.is_some() {
            true => tags(scope, conn)?,
            false => HashMap::new(),
        };
        Ok(Self { filters, children, tags })
    }

    fn passes(
        &self,
        scope: &Scope<'_>,
        conn: &mut Conn,
        candidate: &Candidate<'_>,
        direct: &HashSet<OwnedRoomId>,
    ) -> Result<bool> {
        let Filters { is_dm, is_encrypted, is_invite, room_types, .. } = self.filters;
        let Filters { not_room_types, room_name_like, tags, not_tags, .. } = self.filters;
        let id = &candidate.info.id;
        let invited = candidate.row.membership == "invite";
        if is_invite.is_some_and(|wanted| wanted != invited)
            || is_dm.is_some_and(|wanted| wanted != direct.contains(id))
            || self.children.as_ref().is_some_and(|children| !children.contains(id))
        {
            return Ok(false);
        }
        let has_tag = |tags: &Vec<String>| {
            let own = self.tags.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
            tags.iter().any(|tag| own.contains(tag))
        };
        if tags.as_ref().is_some_and(|tags| !has_tag(tags))
            || not_tags.as_ref().is_some_and(has_tag)
        {
            return Ok(false);
        }
        if is_encrypted.is_none()
            && room_types.is_none()
            && not_room_types.is_none()
            && room_name_like.is_none()
        {
            return Ok(true);
        }
        let told = told(scope, conn, candidate)?;
        let named = |part: &String| {
            let name = told.name.as_deref().unwrap_or_default().to_lowercase();
            name.contains(&part.to_lowercase())
        };
        Ok(is_encrypted.is_none_or(|wanted| wanted == told.is_encrypted)
            && room_types.as_ref().is_none_or(|types| types.contains(&told.room_type))
            && !not_room_types.as_ref().is_some_and(|types| types.contains(&told.room_type))
            && room_name_like.as_ref().is_none_or(named))
    }
}

fn told(scope: &Scope<'_>, conn: &mut Conn, candidate: &Candidate<'_>) -> Result<Told> {
    #[derive(Deserialize)]
    struct Stripped {
        #[serde(rename = "type")]
        event_type: String,
        content: Content,
    }
    #[derive(Deserialize)]
    struct Content {
        name: Option<String>,
        #[serde(rename = "type")]
        room_type: Option<String>,
    }
    let Some(stripped) = &candidate.row.stripped_state else {
        let digest = scope.streams.digests.get(scope.context, conn, candidate.row.room_nid)?;
        return Ok(Told {
            name: digest.name.clone(),
            room_type: digest.room_type.clone(),
            is_encrypted: digest.is_encrypted,
        });
    };
    let mut told = Told::default();
    let stripped: Vec<Box<RawValue>> = serde_json::from_str(stripped).unwrap_or_default();
    for event in stripped {
        let Ok(event) = serde_json::from_str::<Stripped>(event.get()) else { continue };
        match event.event_type.as_str() {
            "m.room.name" => told.name = event.content.name,
            "m.room.create" => told.room_type = event.content.room_type,
            "m.room.encryption" => told.is_encrypted = true,
            _ => {}
        }
    }
    Ok(told)
}

/// The rooms that spaces name which the user is in.
fn children(
    scope: &Scope<'_>,
    conn: &mut Conn,
    memberships: &Memberships,
    spaces: &[String],
) -> Result<HashSet<OwnedRoomId>> {
    #[derive(Deserialize)]
    struct Child {
        via: Vec<String>,
    }
    let context = scope.context;
    let mut children = HashSet::new();
    for space in spaces {
        let Ok(id) = <&RoomId>::try_from(space.as_str()) else { continue };
        let Some(info) = context.rooms.by_id(conn, id)? else { continue };
        if !memberships.joined().any(|row| row.room_nid == info.nid) {
            continue;
        }
        let state = room_rows::state_nid(conn, info.nid)?;
        let state = context.states.get(conn, state)?;
        for (key, event) in state.iter() {
            let Some(key) = context.store.state_keys().key(conn, key)? else { continue };
            if &*key.event_type != "m.space.child" {
                continue;
            }
            let event = context.events.get(conn, event)?;
            let child = event.pdu.content_as::<Child>();
            if child.is_ok_and(|child| !child.via.is_empty())
                && let Ok(id) = OwnedRoomId::try_from(&*key.state_key)
            {
                children.insert(id);
            }
        }
    }
    Ok(children)
}

/// The user's tags, by room.
fn tags(scope: &Scope<'_>, conn: &mut Conn) -> Result<HashMap<String, Vec<String>>> {
    #[derive(Deserialize)]
    struct Content {
        tags: BTreeMap<String, serde::de::IgnoredAny>,
    }
    let rows = account_data::of_type(conn, scope.caller.user_nid, "m.tag")?;
    let rows = rows.into_iter().filter_map(|row| {
        let content: Content = serde_json::from_str(&row.content).ok()?;
        Some((row.room_id, content.tags.into_keys().collect()))
    });
    Ok(rows.collect())
}
