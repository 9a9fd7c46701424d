//! What other servers may read of rooms that they are in: events, the graph, states, auth chains.
//!
//! An event that the room's history visibility hides from a server is served as its redaction: the graph
//! stays whole, the content does not leave.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use ruma::{
    EventId, OwnedEventId, OwnedServerName, RoomId, ServerName, UserId,
    api::federation::event::get_missing_events,
    events::{
        StateEventType,
        room::{history_visibility::HistoryVisibility, member::MembershipState},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Remote;
use crate::{
    error::{Error, Result},
    room::{redact::redacted, visibility::visible_to_server},
    service::{
        event::Event,
        room_info::RoomInfo,
        timeline::{Context, servers_of},
    },
    storage::{Conn, StateNid, members, partial_rooms},
};

/// The most events in an answer to `get_missing_events`.
const MISSING_MAX: usize = 20;
/// The most events that a request may begin at: a room has no more ends to speak of.
const FROM_MAX: usize = 50;
/// The most events in an answer to `backfill`.
const BACKFILL_MAX: usize = 100;

/// A state and what authorises it.
pub struct StateAt {
    pub state: Vec<Arc<Event>>,
    pub auth_chain: Vec<Arc<Event>>,
}

impl Remote {
    /// One event.
    pub async fn event_for(
        &self,
        origin: &ServerName,
        event_id: &EventId,
    ) -> Result<Box<RawValue>> {
        let (context, origin, event_id) =
            (self.context.clone(), origin.to_owned(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            let event = known(&context, conn, &event_id)?;
            let info = context.rooms.by_nid(conn, event.room_nid)?;
            let reader = Reader::new(&context, conn, &info, &origin)?;
            reader.json(conn, &event)
        });
        read.await
    }

    /// The state before an event, with its auth chain.
    pub async fn state_for(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<StateAt> {
        let info = self.open_room(origin, room_id).await?;
        self.check_whole(&info)?;
        let (context, origin, event_id) =
            (self.context.clone(), origin.to_owned(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            Reader::new(&context, conn, &info, &origin)?;
            let event = in_room(&context, conn, &info, &event_id)?;
            let Some(before) = event.state_before else {
                return Err(Error::not_found("The state before that event is not known here"));
            };
            state_at(&context, conn, before)
        });
        read.await
    }

    /// The auth chain of an event.
    pub async fn auth_chain_for(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<Vec<Box<RawValue>>> {
        let info = self.open_room(origin, room_id).await?;
        let (context, origin, event_id) =
            (self.context.clone(), origin.to_owned(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            Reader::new(&context, conn, &info, &origin)?;
            let event = in_room(&context, conn, &info, &event_id)?;
            let chain = auth_chain(&context, conn, [event])?;
            chain.iter().map(|event| raw(&event.pdu.json)).collect()
        });
        read.await
    }

    /// Events before `latest_events` that are not `earliest_events` or before them, oldest first.
    pub async fn missing_events_for(
        &self,
        origin: &ServerName,
        request: get_missing_events::v1::Request,
    ) -> Result<Vec<Box<RawValue>>> {
        let limit = usize::try_from(u64::from(request.limit)).unwrap_or(usize::MAX);
        let wanted = Walk {
            from: request.latest_events,
            stop: request.earliest_events,
            include_from: false,
            limit: limit.min(MISSING_MAX),
            min_depth: request.min_depth.into(),
        };
        let mut events = self.walk_for(origin, &request.room_id, wanted).await?;
        events.reverse();
        Ok(events)
    }

    /// Events from `from` backwards, newest first.
    pub async fn backfill_for(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        from: Vec<OwnedEventId>,
        limit: usize,
    ) -> Result<Vec<Box<RawValue>>> {
        let limit = limit.min(BACKFILL_MAX);
        let wanted = Walk { from, stop: Vec::new(), include_from: true, limit, min_depth: 0 };
        self.walk_for(origin, room_id, wanted).await
    }

    async fn walk_for(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        wanted: Walk,
    ) -> Result<Vec<Box<RawValue>>> {
        let info = self.open_room(origin, room_id).await?;
        let (context, origin) = (self.context.clone(), origin.to_owned());
        let read = self.context.store.read(move |conn| {
            let reader = Reader::new(&context, conn, &info, &origin)?;
            let events = walk(&context, conn, &info, wanted)?;
            events.iter().map(|event| reader.json(conn, event)).collect()
        });
        read.await
    }
}

/// A walk through the graph, backwards.
struct Walk {
    from: Vec<OwnedEventId>,
    stop: Vec<OwnedEventId>,
    include_from: bool,
    limit: usize,
    min_depth: i64,
}

/// Events newest first, each after all that name it (by depth).
fn walk(
    context: &Context,
    conn: &mut Conn,
    info: &RoomInfo,
    wanted: Walk,
) -> Result<Vec<Arc<Event>>> {
    let Walk { from, stop, include_from, limit, min_depth } = wanted;
    let mut seen: HashSet<OwnedEventId> = stop.into_iter().collect();
    let mut queue = VecDeque::new();
    for id in from.into_iter().take(FROM_MAX) {
        let event = context.events.by_id(conn, &id)?;
        let Some(event) = event.filter(|event| event.room_nid == info.nid) else { continue };
        if include_from {
            queue.push_back(id);
        } else {
            seen.insert(id);
            queue.extend(event.pdu.prev_events.iter().cloned());
        }
    }
    let mut found: Vec<Arc<Event>> = Vec::new();
    while let Some(id) = queue.pop_front() {
        if found.len() >= limit || !seen.insert(id.clone()) {
            continue;
        }
        let Some(event) = context.events.by_id(conn, &id)? else { continue };
        if event.room_nid != info.nid || event.outlier || event.rejected {
            continue;
        }
        if event.pdu.depth < min_depth {
            continue;
        }
        queue.extend(event.pdu.prev_events.iter().cloned());
        found.push(event);
    }
    found.sort_by_key(|event| std::cmp::Reverse(event.pdu.depth));
    Ok(found)
}

/// A state with its auth chain.
pub(super) fn state_at(context: &Context, conn: &mut Conn, nid: StateNid) -> Result<StateAt> {
    let entries: Vec<_> = context.states.get(conn, nid)?.iter().collect();
    let mut state = Vec::with_capacity(entries.len());
    for (_, event) in entries {
        state.push(context.events.get(conn, event)?);
    }
    let auth_chain = auth_chain(context, conn, state.iter().cloned())?;
    Ok(StateAt { state, auth_chain })
}

/// Everything that the events stand on, themselves not included unless others stand on them.
pub(super) fn auth_chain(
    context: &Context,
    conn: &mut Conn,
    events: impl IntoIterator<Item = Arc<Event>>,
) -> Result<Vec<Arc<Event>>> {
    let mut queue: Vec<Arc<Event>> = events.into_iter().collect();
    let mut seen: HashSet<OwnedEventId> = HashSet::new();
    let mut chain = Vec::new();
    while let Some(event) = queue.pop() {
        for id in &event.pdu.auth_events {
            if seen.insert(id.clone())
                && let Some(auth) = context.events.by_id(conn, id)?
            {
                chain.push(auth.clone());
                queue.push(auth);
            }
        }
    }
    Ok(chain)
}

#[derive(Deserialize)]
struct Member {
    membership: MembershipState,
}

/// A server that reads a room.
pub(super) struct Reader<'a> {
    context: &'a Context,
    info: &'a RoomInfo,
    /// Its users that have or had a membership in the room.
    users: Vec<String>,
    /// Its users are not known; it was in the room when this server came.
    unknown: bool,
}

impl<'a> Reader<'a> {
    /// 403 unless a user of the server is in the room.
    pub(super) fn new(
        context: &'a Context,
        conn: &mut Conn,
        info: &'a RoomInfo,
        server: &OwnedServerName,
    ) -> Result<Self> {
        let users: Vec<(String, String)> = members::of_server(conn, info.nid, server.as_str())?
            .into_iter()
            .filter(|(user, _)| {
                <&UserId>::try_from(user.as_str()).is_ok_and(|user| user.server_name() == server)
            })
            .collect();
        let joined = users.iter().any(|(_, membership)| membership == "join");
        let unknown = users.is_empty()
            && context.partial_rooms.is_partial(info.nid)
            && partial_rooms::get(conn, info.nid)?
                .is_some_and(|row| servers_of(&row.servers).contains(server));
        if !joined && !unknown {
            return Err(Error::forbidden("Your server is not in that room"));
        }
        let users = users.into_iter().map(|(user, _)| user).collect();
        Ok(Self { context, info, users, unknown })
    }

    /// An event as the server may have it.
    fn json(&self, conn: &mut Conn, event: &Event) -> Result<Box<RawValue>> {
        if self.may_see(conn, event)? && !self.is_erased_for(conn, event)? {
            return raw(&event.pdu.json);
        }
        let hidden = redacted(&event.pdu, self.info.rules)
            .map_err(|error| Error::internal(format!("redaction: {error}")))?;
        raw(&hidden.json)
    }

    /// Whether an event is of one who was erased, and none of the server's users was in the room when it was sent.
    fn is_erased_for(&self, conn: &mut Conn, event: &Event) -> Result<bool> {
        if !self.context.erased_users.contains(event.sender_nid) {
            return Ok(false);
        }
        let Some(state) = event.state_before else { return Ok(true) };
        let state = self.context.states.get(conn, state)?;
        for user in &self.users {
            let member = (StateEventType::RoomMember, user.as_str());
            let member = self.content::<Member>(conn, &state, member)?;
            if member.is_some_and(|member| member.membership == MembershipState::Join) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn may_see(&self, conn: &mut Conn, event: &Event) -> Result<bool> {
        #[derive(Deserialize)]
        struct Visibility {
            history_visibility: HistoryVisibility,
        }
        let Some(state) = event.state_before else { return Ok(event.pdu.is_state()) };
        // Its users' own memberships are no secret to a server.
        if self.users.iter().any(|user| event.pdu.state_key.as_deref() == Some(user)) {
            return Ok(true);
        }
        let state = self.context.states.get(conn, state)?;
        let visibility = (StateEventType::RoomHistoryVisibility, "");
        let visibility = self.content::<Visibility>(conn, &state, visibility)?;
        let visibility =
            visibility.map_or(HistoryVisibility::Shared, |content| content.history_visibility);
        let mut memberships = Vec::new();
        memberships.extend(self.unknown.then_some(MembershipState::Join));
        if !visible_to_server(&visibility, &memberships) {
            for user in &self.users {
                let member = (StateEventType::RoomMember, user.as_str());
                let member = self.content::<Member>(conn, &state, member)?;
                memberships.extend(member.map(|member| member.membership));
            }
        }
        Ok(visible_to_server(&visibility, &memberships))
    }

    fn content<T: for<'de> Deserialize<'de>>(
        &self,
        conn: &mut Conn,
        state: &crate::storage::state::State,
        (event_type, state_key): (StateEventType, &str),
    ) -> Result<Option<T>> {
        let key = (&*event_type.to_string(), state_key);
        let key = self.context.store.state_keys().find(conn, key)?;
        let Some(nid) = key.and_then(|key| state.get(key)) else { return Ok(None) };
        Ok(self.context.events.get(conn, nid)?.pdu.content_as().ok())
    }
}

fn known(context: &Context, conn: &mut Conn, id: &EventId) -> Result<Arc<Event>> {
    context
        .events
        .by_id(conn, id)?
        .filter(|event| !event.rejected)
        .ok_or_else(|| Error::not_found("This server does not have that event"))
}

fn in_room(
    context: &Context,
    conn: &mut Conn,
    info: &RoomInfo,
    id: &EventId,
) -> Result<Arc<Event>> {
    let event = known(context, conn, id)?;
    if event.room_nid != info.nid {
        return Err(Error::not_found("The event is not in that room"));
    }
    Ok(event)
}

/// The JSON of an event, as signed.
pub(super) fn raw(json: &str) -> Result<Box<RawValue>> {
    RawValue::from_string(json.to_owned())
        .map_err(|error| Error::internal(format!("a stored event is broken: {error}")))
}

/// The ids of events.
pub fn ids(events: &[Arc<Event>]) -> Vec<OwnedEventId> {
    events.iter().map(|event| event.pdu.event_id.clone()).collect()
}

/// Events as signed.
pub fn pdus(events: &[Arc<Event>]) -> Result<Vec<Box<RawValue>>> {
    events.iter().map(|event| raw(&event.pdu.json)).collect()
}
