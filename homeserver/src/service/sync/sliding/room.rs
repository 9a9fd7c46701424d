//! One room of sliding sync: all of it when the client does not know it, otherwise what changed since it was
//! last told, or what it asks for now and did not before.

use std::{collections::HashMap, sync::Arc};

use ruma::{
    events::{AnyStrippedStateEvent, AnySyncStateEvent, AnySyncTimelineEvent},
    serde::Raw,
};
use serde::Deserialize;

use super::{
    activity::Activities,
    connection::SentRoom,
    lists::Relevant,
    request::Dialect,
    response::{Hero, Room},
};
use crate::{
    error::Result,
    service::{
        event::{Event, Viewer},
        notifier::Subject,
        room_digest::RoomDigest,
        rooms::history,
        sync::{
            filter::EventFilter,
            streams::{
                Scope, summary,
                unread::{has_read, unread},
            },
            stripped::stripped_state,
            timeline::{Newest, Shown, newest},
        },
    },
    storage::{
        Conn, EventNid, Position, StateKeyNid, members, rooms as room_rows,
        state::{Change, Entry, State},
    },
};

/// A client does not remember more lazily loaded members of a room than this.
const MEMBERS: usize = 2_000;

/// Where things stand.
#[derive(Clone, Copy)]
pub(super) struct Range {
    /// At the answer before; `None` when the connection begins.
    pub before: Option<Position>,
    pub now: Position,
}

/// What is told of a room, if anything, and what the client knows then.
pub(super) fn room(
    scope: &Scope<'_>,
    conn: &mut Conn,
    activities: &Activities,
    dialect: Dialect,
    relevant: &Relevant<'_>,
    sent: Option<&SentRoom>,
    range: Range,
) -> Result<(Option<Room>, SentRoom)> {
    let row = relevant.row;
    let mut next = SentRoom {
        at: range.now,
        membership: row.membership.clone(),
        config: Arc::new(relevant.config.clone()),
        timeline_limit: relevant.config.timeline_limit,
        limited: false,
        is_dm: relevant.is_dm,
        members: Arc::default(),
    };
    let room = match &*row.membership {
        // Who wants all members sees a room when they are here.
        "join" if wants_members(relevant) && is_partial(scope, relevant) => {
            "leave".clone_into(&mut next.membership);
            None
        }
        "join" => {
            let known = known(conn, relevant, sent)?.filter(|sent| {
                let whole = scope.context.partial_rooms.is_whole_since(row.room_nid, sent.at);
                !(whole && wants_members(relevant))
            });
            let room = Told { scope, activities, dialect, relevant, range };
            room.joined(conn, known, &mut next)?
        }
        "invite" | "knock" => {
            let repeated = sent
                .is_some_and(|sent| sent.membership == row.membership && sent.at >= row.position);
            match repeated {
                true => None,
                false => Some(invited(scope, conn, dialect, relevant, sent.is_none())?),
            }
        }
        _ => {
            let known = sent.filter(|sent| sent.at < row.position || sent.membership == "join");
            if sent.is_some() && known.is_none() {
                None
            } else {
                let room = Told { scope, activities, dialect, relevant, range };
                room.left(conn, known, &mut next)?
            }
        }
    };
    let room = room.map(|mut room| {
        if dialect == Dialect::V4 {
            room.membership = Some(row.membership.clone());
            room.lists.clone_from(&relevant.lists);
        }
        room
    });
    Ok((room, next))
}

/// Whether all members of a room are asked for.
fn wants_members(relevant: &Relevant<'_>) -> bool {
    // No user has this id.
    relevant.config.wants("m.room.member", "@")
}

fn is_partial(scope: &Scope<'_>, relevant: &Relevant<'_>) -> bool {
    scope.context.partial_rooms.is_partial(relevant.row.room_nid)
}

/// What the client knows of a room that the user has been in all the time.
fn known<'a>(
    conn: &mut Conn,
    relevant: &Relevant<'_>,
    sent: Option<&'a SentRoom>,
) -> Result<Option<&'a SentRoom>> {
    let Some(sent) = sent.filter(|sent| sent.membership == "join") else { return Ok(None) };
    let row = relevant.row;
    if row.position > sent.at {
        let changes = members::changes(conn, row.room_nid, row.user_nid)?;
        if changes.iter().any(|(at, membership)| *at > sent.at && membership != "join") {
            return Ok(None);
        }
    }
    Ok(Some(sent))
}

/// What an invited or knocking user is told.
fn invited(
    scope: &Scope<'_>,
    conn: &mut Conn,
    dialect: Dialect,
    relevant: &Relevant<'_>,
    initial: bool,
) -> Result<Room> {
    let stripped = stripped_state(scope.context, conn, relevant.row)?;
    let mut room = Room { initial, ..Room::default() };
    room.bump_stamp = Some(relevant.row.position.0);
    room.is_dm = relevant.is_dm.then_some(true);
    match dialect {
        Dialect::Unstable => {
            room.name = said(&stripped, "m.room.name", "name").map(Some);
            room.avatar = said(&stripped, "m.room.avatar", "url").map(Some);
            room.invite_state = Some(stripped);
        }
        Dialect::V4 => room.stripped_state = Some(stripped),
    }
    Ok(room)
}

/// A text in the content of a piece of stripped state, which may be of another server.
fn said(state: &[Raw<AnyStrippedStateEvent>], kind: &str, field: &str) -> Option<String> {
    let is_kind = |event: &&Raw<AnyStrippedStateEvent>| {
        event.get_field::<String>("type").is_ok_and(|it| it.as_deref() == Some(kind))
    };
    let content = state.iter().find(is_kind)?.get_field::<serde_json::Value>("content").ok()??;
    content.get(field)?.as_str().map(ToOwned::to_owned)
}

/// Why name and counts may be told.
#[derive(Clone, Copy)]
struct Summarised {
    initial: bool,
    /// All members are known since.
    counts_anew: bool,
}

/// A room that is being told of.
struct Told<'a> {
    scope: &'a Scope<'a>,
    activities: &'a Activities,
    dialect: Dialect,
    relevant: &'a Relevant<'a>,
    range: Range,
}

impl Told<'_> {
    fn joined(
        &self,
        conn: &mut Conn,
        known: Option<&SentRoom>,
        next: &mut SentRoom,
    ) -> Result<Option<Room>> {
        let (context, caller) = (self.scope.context, self.scope.caller);
        let nid = self.relevant.row.room_nid;
        let config = &self.relevant.config;
        let more = known
            .is_some_and(|known| known.limited && config.timeline_limit > known.timeline_limit);
        let other_state =
            known.filter(|known| known.config.required_state != config.required_state);
        if let Some(known) = known {
            next.members = known.members.clone();
            next.limited = known.limited;
            next.timeline_limit = known.timeline_limit.max(config.timeline_limit);
            let subjects = [Subject::Room(nid), Subject::Receipts(nid)];
            if !context.notifier.changed_since(known.at, subjects)
                && !more
                && other_state.is_none()
                && known.is_dm == self.relevant.is_dm
            {
                return Ok(None);
            }
        }
        let after = known.map(|known| known.at);
        let mut room = Room { initial: known.is_none(), ..Room::default() };
        let newest = self.timeline(conn, after.filter(|_| !more), self.range.now, &mut room)?;
        if known.is_none() || more {
            next.limited = newest.limited;
        }
        if more {
            match self.dialect {
                Dialect::Unstable => room.unstable_expanded_timeline = true,
                Dialect::V4 => room.expanded_timeline = true,
            }
        }

        let changes = match after {
            Some(after) if context.notifier.last_change(Subject::State(nid)) > after => {
                members::state_changes(conn, nid, (after, self.range.now))?
            }
            _ => Vec::new(),
        };
        let end = room_rows::state_nid(conn, nid)?;
        let end = context.states.get(conn, end)?;
        self.required_state(conn, known, &changes, &end, &newest, next, &mut room)?;

        let counts_anew =
            after.is_some_and(|after| context.partial_rooms.is_whole_since(nid, after));
        if known.is_none() || counts_anew || !changes.is_empty() {
            let digest = self.scope.streams.digests.get(context, conn, nid)?;
            let told = Summarised { initial: known.is_none(), counts_anew };
            self.summary(conn, &digest, told, &changes, &mut room)?;
        }
        if known.map_or(self.relevant.is_dm, |known| known.is_dm != self.relevant.is_dm) {
            room.is_dm = Some(self.relevant.is_dm);
        }
        if known.is_none() || !newest.events.is_empty() {
            let activity = self.activities.get(context, conn, nid)?;
            room.bump_stamp = Some(activity.bump.unwrap_or(self.relevant.row.position).0.max(0));
        }
        let read = has_read(context, conn, caller, nid, after, self.range.now)?;
        let told = room.initial
            || !room.timeline.is_empty()
            || !room.required_state.is_empty()
            || room.name.is_some()
            || room.avatar.is_some()
            || room.joined_count.is_some()
            || room.is_dm.is_some();
        if !told && !read {
            return Ok(None);
        }
        if self.dialect == Dialect::Unstable {
            let (counts, _) = unread(context, conn, caller, nid, self.range.now, false)?;
            room.notification_count = counts.notification_count;
            room.highlight_count = counts.highlight_count;
        }
        Ok(Some(room))
    }

    /// A room that the user left or was made to leave, up to that.
    fn left(
        &self,
        conn: &mut Conn,
        known: Option<&SentRoom>,
        next: &mut SentRoom,
    ) -> Result<Option<Room>> {
        let (context, row) = (self.scope.context, self.relevant.row);
        let leave = context.events.get(conn, row.event_nid)?;
        let changes = members::changes(conn, row.room_nid, row.user_nid)?;
        let mut room = Room { initial: known.is_none(), ..Room::default() };
        room.bump_stamp = Some(row.position.0);
        let was_joined = changes.iter().any(|(_, membership)| membership == "join");
        let end = leave.state_after.filter(|_| was_joined);
        let Some(end) = end else {
            // Never in the room: only their own membership is theirs to see.
            let newest = Newest::only(leave.clone());
            self.show(&newest, &mut room)?;
            let leave = leave.for_sync(self.viewer())?;
            room.required_state.push(Raw::from_json(leave));
            return Ok(Some(room));
        };
        let until = row.position.min(self.range.now);
        let known = known.filter(|known| known.membership == "join");
        let after = known.map(|known| known.at);
        if let Some(known) = known {
            next.members = known.members.clone();
        }
        let newest = self.timeline(conn, after, until, &mut room)?;
        let changes = match after {
            Some(after) => members::state_changes(conn, row.room_nid, (after, until))?,
            None => Vec::new(),
        };
        let end = context.states.get(conn, end)?;
        self.required_state(conn, known, &changes, &end, &newest, next, &mut room)?;
        if !room.required_state.iter().any(|event| is_event(event, &leave)) {
            room.required_state.push(Raw::from_json(leave.for_sync(self.viewer())?));
        }
        Ok(Some(room))
    }

    /// Puts in the newest events after `after`.
    fn timeline(
        &self,
        conn: &mut Conn,
        after: Option<Position>,
        until: Position,
        room: &mut Room,
    ) -> Result<Newest> {
        let Relevant { info, row, config, .. } = self.relevant;
        let wanted = EventFilter::newest(config.timeline_limit);
        let newest = newest(self.scope, conn, &wanted, info, row, after, until)?;
        self.show(&newest, room)?;
        room.limited = newest.limited;
        if !newest.events.is_empty() || newest.limited {
            room.prev_batch = Some(history::token(newest.start));
        }
        Ok(newest)
    }

    fn show(&self, newest: &Newest, room: &mut Room) -> Result<()> {
        for shown in &newest.events {
            let event = shown.event.for_sync_with(self.viewer(), shown.extra())?;
            room.timeline.push(Raw::<AnySyncTimelineEvent>::from_json(event));
        }
        if !newest.events.is_empty() {
            let live = |shown: &&Shown| match (self.range.before, shown.event.position()) {
                (Some(before), Some(position)) => position > before,
                _ => false,
            };
            room.num_live = Some(newest.events.iter().filter(live).count());
        }
        Ok(())
    }

    /// Puts in the state that the client asks for and does not know.
    #[expect(clippy::too_many_arguments, reason = "what a room's state depends on")]
    fn required_state(
        &self,
        conn: &mut Conn,
        known: Option<&SentRoom>,
        changes: &[(Position, Change)],
        end: &State,
        newest: &Newest,
        next: &mut SentRoom,
        room: &mut Room,
    ) -> Result<()> {
        let context = self.scope.context;
        let config = &self.relevant.config;
        let mut entries: HashMap<StateKeyNid, EventNid> = HashMap::new();
        for &(_, (key, event)) in changes {
            let Some(event) = event else {
                entries.remove(&key);
                continue;
            };
            if let Some(kind) = context.store.state_keys().key(conn, key)? {
                let lazy =
                    config.is_lazy() && !newest.limited && &*kind.event_type == "m.room.member";
                if lazy || config.wants(&kind.event_type, &kind.state_key) {
                    entries.insert(key, event);
                }
            }
        }
        let other = known.is_none_or(|known| known.config.required_state != config.required_state);
        if other {
            let before = known.map(|known| known.config.clone());
            let is_new = |kind: &str, key: &str| {
                config.wants(kind, key) && !before.as_ref().is_some_and(|b| b.wants(kind, key))
            };
            for (key, event) in self.matching(conn, end, is_new)? {
                entries.insert(key, event);
            }
        }
        let mut members = self.members(conn, end, newest, next)?;
        members.retain(|&(key, _)| !entries.contains_key(&key));
        let mut entries: Vec<Entry> = entries.into_iter().chain(members).collect();
        entries.sort_unstable();
        for (_, nid) in entries {
            let event = context.events.get(conn, nid)?.for_sync(self.viewer())?;
            room.required_state.push(Raw::<AnySyncStateEvent>::from_json(event));
        }
        Ok(())
    }

    /// What of a state the config wants, as `is_new` says too.
    fn matching(
        &self,
        conn: &mut Conn,
        state: &State,
        is_new: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<Entry>> {
        let state_keys = self.scope.context.store.state_keys();
        let mut found = Vec::new();
        match self.relevant.config.places() {
            Some(places) => {
                for (event_type, state_key) in places {
                    if is_new(event_type, state_key)
                        && let Some(key) = state_keys.find(conn, (event_type, state_key))?
                        && let Some(event) = state.get(key)
                    {
                        found.push((key, event));
                    }
                }
            }
            None => {
                for (key, event) in state.iter() {
                    if let Some(kind) = state_keys.key(conn, key)?
                        && is_new(&kind.event_type, &kind.state_key)
                    {
                        found.push((key, event));
                    }
                }
            }
        }
        Ok(found)
    }

    /// Lazily loaded: who sent what is in the timeline, and whom it is about, unless the client knows them.
    fn members(
        &self,
        conn: &mut Conn,
        end: &State,
        newest: &Newest,
        next: &mut SentRoom,
    ) -> Result<Vec<Entry>> {
        if !self.relevant.config.is_lazy() {
            return Ok(Vec::new());
        }
        let mut users: Vec<&str> = Vec::new();
        for Shown { event, .. } in &newest.events {
            users.push(event.pdu.sender.as_str());
            if event.pdu.event_type == ruma::events::TimelineEventType::RoomMember {
                users.extend(event.pdu.state_key.as_deref());
            }
        }
        users.sort_unstable();
        users.dedup();
        let mut found = Vec::new();
        for user in users {
            let key = ("m.room.member", user);
            if let Some(key) = self.scope.context.store.state_keys().find(conn, key)?
                && let Some(event) = end.get(key)
                && next.members.get(&key) != Some(&event)
            {
                found.push((key, event));
            }
        }
        if !found.is_empty() {
            let members = Arc::make_mut(&mut next.members);
            if members.len() + found.len() > MEMBERS {
                members.clear();
            }
            members.extend(found.iter().copied());
        }
        Ok(found)
    }

    /// Name, avatar, heroes and counts, if they are news.
    fn summary(
        &self,
        conn: &mut Conn,
        digest: &RoomDigest,
        Summarised { initial, counts_anew }: Summarised,
        changes: &[(Position, Change)],
        room: &mut Room,
    ) -> Result<()> {
        let mut kinds = Vec::new();
        for (_, (key, _)) in changes {
            let kind = self.scope.context.store.state_keys().key(conn, *key)?;
            kinds.extend(kind.map(|kind| kind.event_type));
        }
        let changed = |kind: &str| kinds.iter().any(|changed| &**changed == kind);
        let told = |value: &Option<String>, kind: &str| match value {
            Some(value) if initial || changed(kind) => Some(Some(value.clone())),
            None if !initial && changed(kind) => Some(None),
            _ => None,
        };
        room.name = told(&digest.name, "m.room.name");
        room.avatar = told(&digest.avatar, "m.room.avatar");
        if initial || counts_anew || changed("m.room.member") {
            room.joined_count = Some(digest.joined);
            room.invited_count = Some(digest.invited);
        }
        if digest.name.is_none()
            && (initial || counts_anew || summary::is_changed(self.scope, conn, changes)?)
        {
            let mut heroes = Vec::new();
            for hero in digest.heroes(self.scope.caller.user_nid) {
                let event = self.scope.context.events.get(conn, hero.event_nid)?;
                heroes.push(shown(hero.user_id.clone(), &event));
            }
            room.heroes = Some(heroes);
        }
        Ok(())
    }

    fn viewer(&self) -> Viewer<'_> {
        Viewer::new(self.scope.caller).at(self.scope.context.clock.now_ms())
    }
}

fn shown(user_id: ruma::OwnedUserId, member: &Event) -> Hero {
    #[derive(Deserialize)]
    struct Content {
        displayname: Option<String>,
        avatar_url: Option<String>,
    }
    let content = member.pdu.content_as::<Content>().ok();
    let (displayname, avatar_url) =
        content.map_or((None, None), |content| (content.displayname, content.avatar_url));
    Hero { user_id, displayname, avatar_url }
}

fn is_event(shown: &Raw<AnySyncStateEvent>, event: &Event) -> bool {
    let id = shown.get_field::<String>("event_id").ok().flatten();
    id.as_deref() == Some(event.pdu.event_id.as_str())
}
