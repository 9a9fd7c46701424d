//! What clients from before `sync` ask: `initialSync`, of everything or of one room, and `events`.
//!
//! The same streams as those of `sync`, told as plain lists: each thing names its room, each event its sender as
//! `user_id` too, as those clients know it.

use std::{sync::Arc, time::Duration};

use ruma::{OwnedRoomId, RoomId};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, timeout_at};

use super::{
    Sync,
    filter::{EventFilter, SyncFilter},
    streams::{
        Scope, account_data,
        ephemeral::{receipts, typing},
        invites, presence,
    },
    token::SyncToken,
};
use crate::{
    error::{Error, Result},
    service::{
        event::{Event, Viewer},
        notifier::{Serial, Subject},
        rooms::{
            history::{Shown, View, Walk},
            visibility::Access,
        },
        sessions::Session,
        user_rooms::Memberships,
    },
    storage::{Conn, Position, current_position, events::Direction, rooms as room_rows},
};

/// No client waits longer than this.
const TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);
/// How many events are told at once at most, and of each room by `initialSync`.
const EVENTS_MAX: usize = 500;
const MESSAGES_MAX: usize = 100;

type Json = Box<RawValue>;

/// The answer of `initialSync`.
#[derive(Serialize)]
pub struct Initial {
    pub end: String,
    pub rooms: Vec<RoomBlock>,
    pub presence: Vec<Json>,
    pub receipts: Vec<Json>,
    pub account_data: Vec<Json>,
}

/// A room in it.
#[derive(Serialize)]
pub struct RoomBlock {
    pub room_id: OwnedRoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Vec<Json>>,
    pub visibility: &'static str,
    pub account_data: Vec<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Vec<Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Vec<Json>>,
}

/// The newest events of a room.
#[derive(Serialize)]
pub struct Messages {
    pub start: String,
    pub end: String,
    pub chunk: Vec<Json>,
}

/// The answer of `events`.
#[derive(Serialize)]
pub struct Events {
    pub start: String,
    pub end: String,
    pub chunk: Vec<Json>,
}

impl Sync {
    /// Everything: the rooms of a user with their state and `limit` events each; `archived`, those too that
    /// they have left.
    pub async fn initial(
        &self,
        caller: &Arc<Session>,
        limit: usize,
        archived: bool,
    ) -> Result<Initial> {
        self.read(caller, move |scope, conn| {
            initial(scope, conn, limit.min(MESSAGES_MAX), archived)
        })
        .await
    }

    /// One room, also one that the caller has left, or that everybody may read; 403 for others.
    pub async fn room_initial(
        &self,
        caller: &Arc<Session>,
        room_id: &RoomId,
        limit: usize,
    ) -> Result<RoomBlock> {
        let room_id = room_id.to_owned();
        let read = move |scope: &Scope<'_>, conn: &mut Conn| {
            room_initial(scope, conn, &room_id, limit.min(MESSAGES_MAX))
        };
        self.read(caller, read).await
    }

    /// What is new since a token, of all that the caller is told, or of one room that they may read; waits for
    /// something. Without a token, from now on.
    pub async fn events(
        &self,
        caller: &Arc<Session>,
        from: Option<&str>,
        room: Option<OwnedRoomId>,
        timeout: Duration,
        limit: usize,
    ) -> Result<Events> {
        let deadline = Instant::now() + timeout.min(TIMEOUT_MAX);
        let notifier = &self.context.notifier;
        let now = || token(notifier.position(), notifier.serial());
        let from = from.map(SyncToken::parse).transpose()?;
        let from = from.filter(|from| from.position <= notifier.position()).unwrap_or_else(now);
        let limit = limit.clamp(1, EVENTS_MAX);
        let start = from.to_string();
        let mut since = from;
        loop {
            let seen = now();
            let subjects = match &room {
                None => self.subjects(caller).await?,
                Some(room_id) => {
                    let (context, user, id) =
                        (self.context.clone(), caller.user_nid, room_id.clone());
                    let read = self.context.store.read(move |conn| {
                        let access = Access::load(&context, conn, &id, user)?;
                        if access.is_joined() || access.is_world_readable(&context, conn)? {
                            return Ok(access.info.nid);
                        }
                        Err(Error::forbidden("You are not in this room"))
                    });
                    vec![Subject::Room(read.await?)]
                }
            };
            if notifier.changed_since(since.position, subjects.iter().copied())
                || notifier.stirred_since(since.serial, subjects.iter().copied())
            {
                let room = room.clone();
                let read = move |scope: &Scope<'_>, conn: &mut Conn| {
                    news(scope, conn, since, room.as_deref(), limit)
                };
                let (chunk, end) = self.read(caller, read).await?;
                if !chunk.is_empty() || Instant::now() >= deadline {
                    return Ok(Events { start, end: end.to_string(), chunk });
                }
                since = end;
                continue;
            }
            if Instant::now() >= deadline || notifier.is_stopped() {
                return Ok(Events { start, end: seen.to_string(), chunk: Vec::new() });
            }
            let news = notifier.changed_or_stirred(seen.position, seen.serial, &subjects);
            tokio::select! {
                biased;
                () = caller.revoked.cancelled() => return Err(caller.revoked_error()),
                _ = timeout_at(deadline, news) => {}
            }
            since = seen;
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        caller: &Arc<Session>,
        build: impl Fn(&Scope<'_>, &mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (context, caller, streams) =
            (self.context.clone(), caller.clone(), self.streams.clone());
        let read = self.context.store.read(move |conn| {
            build(&Scope { context: &context, streams: &streams, caller: &caller }, conn)
        });
        read.await
    }
}

/// One that acknowledges no messages to the device when it comes to `sync`: they are not told here.
fn token(position: Position, serial: Serial) -> SyncToken {
    SyncToken { to_device: Some(Position(0)), ..SyncToken::new(position, serial) }
}

/// Where a snapshot stands: what is committed and not yet published is left to the next request.
fn here(scope: &Scope<'_>, conn: &mut Conn) -> Result<SyncToken> {
    let serial = scope.context.notifier.serial();
    let position = current_position(conn)?.min(scope.context.notifier.position());
    Ok(token(position, serial))
}

fn initial(scope: &Scope<'_>, conn: &mut Conn, limit: usize, archived: bool) -> Result<Initial> {
    let &Scope { context, caller, .. } = scope;
    let here = here(scope, conn)?;
    let memberships = context.user_rooms.at(conn, caller.user_nid, here.position)?;
    let filter = SyncFilter::default();
    let mut data = account_data::changed(context, conn, caller, &filter, None, here.position)?;
    let mut answer = Initial {
        end: here.to_string(),
        rooms: Vec::new(),
        presence: told_presence(scope, conn, &memberships, None)?,
        receipts: Vec::new(),
        account_data: data.global.drain(..).map(|event| event.into_json()).collect(),
    };
    for row in &memberships.rows {
        let shown = match &*row.membership {
            "join" => true,
            "invite" => invites::is_shown(context, conn, caller, row)?,
            "knock" => false,
            _ => archived,
        };
        if !shown {
            continue;
        }
        let info = context.rooms.by_nid(conn, row.room_nid)?;
        let mut block = match &*row.membership {
            "invite" => {
                let invite = context.events.get(conn, row.event_nid)?;
                let mut block = bare(conn, &info.id, Some("invite"))?;
                block.invite = Some(tell(&invite, scope)?);
                block
            }
            _ => {
                let view = View::load(context, conn, &info.id, (caller.user_nid, &caller.user_id))?;
                // Who was never in a room that they have left knows nothing of it.
                match with_history(scope, conn, &view, here, limit) {
                    Err(Error::Matrix { .. }) => continue,
                    block => block?,
                }
            }
        };
        if let Some(events) = data.rooms.remove(&row.room_nid) {
            block.account_data = events.into_iter().map(|event| event.into_json()).collect();
        }
        if row.membership == "join" {
            let told = receipts(context, conn, caller, info.nid, None, here.position)?;
            for event in told {
                answer.receipts.push(with_room(&info.id, event.json())?);
            }
        }
        answer.rooms.push(block);
    }
    Ok(answer)
}

fn room_initial(
    scope: &Scope<'_>,
    conn: &mut Conn,
    room_id: &RoomId,
    limit: usize,
) -> Result<RoomBlock> {
    let &Scope { context, caller, .. } = scope;
    let here = here(scope, conn)?;
    let view = View::load(context, conn, room_id, (caller.user_nid, &caller.user_id))?;
    let mut block = with_history(scope, conn, &view, here, limit)?;
    let (mut presence, mut told) = (Vec::new(), Vec::new());
    if let Some(row) = view.access.membership.as_ref().filter(|row| row.membership == "join") {
        let only = Memberships { at: here.position, rows: vec![row.clone()] };
        presence = told_presence(scope, conn, &only, None)?;
        for event in receipts(context, conn, caller, view.access.info.nid, None, here.position)? {
            told.push(with_room(room_id, event.json())?);
        }
    }
    let everything = &SyncFilter::default().room_account_data;
    let data = account_data::of_room(conn, caller, everything, room_id)?;
    block.account_data = data.into_iter().map(|event| event.into_json()).collect();
    (block.presence, block.receipts) = (Some(presence), Some(told));
    Ok(block)
}

fn bare(conn: &mut Conn, room_id: &RoomId, membership: Option<&str>) -> Result<RoomBlock> {
    let is_public = room_rows::by_id(conn, room_id)?.is_some_and(|row| row.is_public);
    Ok(RoomBlock {
        room_id: room_id.to_owned(),
        membership: membership.map(ToOwned::to_owned),
        invite: None,
        messages: None,
        state: None,
        visibility: if is_public { "public" } else { "private" },
        account_data: Vec::new(),
        presence: None,
        receipts: None,
    })
}

/// A room with the state that the user may see and its newest events.
fn with_history(
    scope: &Scope<'_>,
    conn: &mut Conn,
    view: &View<'_>,
    here: SyncToken,
    limit: usize,
) -> Result<RoomBlock> {
    let context = scope.context;
    let state = view.access.state(context, conn)?;
    let end = view.newest.min(here.position);
    let walk = Walk { start: end, to: None, direction: Direction::Backward, limit };
    let walked = view.walk(conn, walk, &EventFilter::default())?;
    let chunk: Result<Vec<Json>> =
        walked.events.iter().rev().map(|shown| tell_shown(shown, scope)).collect();
    let membership = view.access.membership.as_ref().map(|row| &*row.membership);
    let mut block = bare(conn, &view.access.info.id, membership)?;
    block.messages = Some(Messages {
        start: SyncToken { position: walked.at, ..here }.to_string(),
        end: SyncToken { position: end, ..here }.to_string(),
        chunk: chunk?,
    });
    let entries: Vec<_> = state.iter().collect();
    let mut events = Vec::with_capacity(entries.len());
    for (_, nid) in entries {
        events.push(tell(&*context.events.get(conn, nid)?, scope)?);
    }
    block.state = Some(events);
    Ok(block)
}

/// What happened after `since`, and where that leads.
fn news(
    scope: &Scope<'_>,
    conn: &mut Conn,
    since: SyncToken,
    only: Option<&RoomId>,
    limit: usize,
) -> Result<(Vec<Json>, SyncToken)> {
    let &Scope { context, caller, streams } = scope;
    let mut end = here(scope, conn)?;
    let memberships = context.user_rooms.at(conn, caller.user_nid, end.position)?;
    let mut found: Vec<(Position, Json)> = Vec::new();
    let mut rooms = Vec::new();
    if let Some(room_id) = only {
        rooms.push(room_id.to_owned());
    } else {
        for row in &memberships.rows {
            let changed = row.position > since.position;
            match &*row.membership {
                "join" => {}
                "invite" | "knock" if changed && invites::is_shown(context, conn, caller, row)? => {
                    let event = context.events.get(conn, row.event_nid)?;
                    found.push((row.position, tell(&event, scope)?));
                    continue;
                }
                "leave" | "ban" if changed => {}
                _ => continue,
            }
            let subject = Subject::Room(row.room_nid);
            if changed || context.notifier.changed_since(since.position, [subject]) {
                rooms.push(context.rooms.by_nid(conn, row.room_nid)?.id.clone());
            }
        }
    }
    // Of no room anything is left out: what lies beyond the first that has more comes with the next request.
    let mut until = end.position;
    for room_id in &rooms {
        let view = View::load(context, conn, room_id, (caller.user_nid, &caller.user_id))?;
        let walk = Walk {
            start: since.position,
            to: Some(end.position),
            direction: Direction::Forward,
            limit,
        };
        let walked = view.walk(conn, walk, &EventFilter::default())?;
        if walked.more {
            until = until.min(walked.at);
        }
        for shown in &walked.events {
            let position = shown.event.position().unwrap_or(end.position);
            found.push((position, tell_shown(shown, scope)?));
        }
    }
    found.sort_by_key(|(position, _)| *position);
    found.retain(|(position, _)| *position <= until);
    if found.len() > limit {
        found.truncate(limit);
        until = found.last().map_or(until, |(position, _)| *position);
    }
    let whole = until == end.position;
    end.position = until;
    if !whole {
        end.serial = since.serial;
    }
    let mut chunk: Vec<Json> = found.into_iter().map(|(_, event)| event).collect();
    for room_id in &rooms_told(scope, conn, &memberships, only)? {
        let Some(info) = context.rooms.by_id(conn, room_id)? else { continue };
        for event in receipts(context, conn, caller, info.nid, Some(since.position), until)? {
            chunk.push(with_room(room_id, event.json())?);
        }
        if whole {
            let (users, since) = (&streams.typing, Some(since.serial));
            let event = typing(context, conn, caller, users, info.nid, since)?;
            chunk.extend(event.map(|event| with_room(room_id, event.json())).transpose()?);
        }
    }
    if only.is_none() {
        let filter = SyncFilter::default();
        let since_position = Some(since.position);
        let data = account_data::changed(context, conn, caller, &filter, since_position, until)?;
        chunk.extend(data.global.into_iter().map(|event| event.into_json()));
        for (nid, events) in data.rooms {
            let info = context.rooms.by_nid(conn, nid)?;
            for event in events {
                chunk.push(with_room(&info.id, event.json())?);
            }
        }
        if whole {
            chunk.extend(told_presence(scope, conn, &memberships, Some(since))?);
        }
    }
    Ok((chunk, end))
}

/// The rooms whose receipts and typing the caller is told.
fn rooms_told(
    scope: &Scope<'_>,
    conn: &mut Conn,
    memberships: &Memberships,
    only: Option<&RoomId>,
) -> Result<Vec<OwnedRoomId>> {
    let mut rooms = Vec::new();
    for row in memberships.joined() {
        let info = scope.context.rooms.by_nid(conn, row.room_nid)?;
        if only.is_none_or(|only| only == info.id) {
            rooms.push(info.id.clone());
        }
    }
    Ok(rooms)
}

/// Presence, with the user it is about in its content too.
fn told_presence(
    scope: &Scope<'_>,
    conn: &mut Conn,
    memberships: &Memberships,
    since: Option<SyncToken>,
) -> Result<Vec<Json>> {
    let filter = SyncFilter::default();
    let serials = (since.map(|since| since.serial), since.map(|since| since.position));
    let told = presence::presence(
        &scope.streams.presence,
        scope.caller,
        &filter.presence,
        &scope.context.ignored_users.of_user(conn, scope.caller.user_nid)?,
        memberships,
        serials,
        scope.context.clock.now_ms(),
    )?;
    told.into_iter()
        .map(|event| {
            let mut event: Value = serde_json::from_str(event.json().get()).map_err(broken)?;
            let sender = event["sender"].clone();
            if let Some(content) = event["content"].as_object_mut() {
                content.insert("user_id".to_owned(), sender);
            }
            serde_json::value::to_raw_value(&event).map_err(broken)
        })
        .collect()
}

fn tell_shown(shown: &Shown, scope: &Scope<'_>) -> Result<Json> {
    let viewer = Viewer::new(scope.caller).at(scope.context.clock.now_ms());
    with(&shown.for_client(viewer)?, "user_id", shown.event.pdu.sender.as_str())
}

fn tell(event: &Event, scope: &Scope<'_>) -> Result<Json> {
    let viewer = Viewer::new(scope.caller).at(scope.context.clock.now_ms());
    with(&event.for_client(viewer)?, "user_id", event.pdu.sender.as_str())
}

fn with_room(room_id: &RoomId, event: &RawValue) -> Result<Json> {
    with(event, "room_id", room_id.as_str())
}

/// An object with a field in front of the others.
fn with(object: &RawValue, key: &str, value: &str) -> Result<Json> {
    let rest = object.get().trim_start().strip_prefix('{');
    let rest = rest.ok_or_else(|| Error::internal("an event is no object"))?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    let value = serde_json::to_string(value).map_err(broken)?;
    RawValue::from_string(format!("{{\"{key}\":{value}{comma}{rest}")).map_err(broken)
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("an event for an old client: {error}"))
}
