//! Reading a room's timeline: one event, or a page of it.
//!
//! A token names a place between events: after the one with its position. `s` tokens come from sync, `t`
//! tokens from here; either serves.

use std::{sync::Arc, time::Duration};

use ruma::{
    EventId, RoomId, UserId,
    events::{StateEventType, room::member::MembershipState},
};
use serde_json::value::RawValue;

use super::{
    Rooms, state_event,
    visibility::{Access, Filter},
};
use crate::{
    error::{Error, Result},
    service::{
        event::{Event, Extra, Viewer},
        relations::{Bundle, Bundler, Shape},
        room_info::RoomInfo,
        sessions::Session,
        sync::{filter::EventFilter, token::SyncToken},
        timeline::Context,
    },
    storage::{
        Conn, Position, UserNid, current_position,
        events::{self, Direction},
    },
};

/// A client gets no more events than this at once.
const PAGE_MAX: usize = 1_000;
/// How often other servers are asked for older events for one page.
const BACKFILLS_MAX: usize = 3;
/// How long a page waits for the members of the room before older events are asked for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many events are looked at for one page, however few of them are wanted or visible.
const LOOKED_AT_MAX: usize = 20_000;

#[derive(Clone)]
pub struct PageRequest {
    /// Where to begin; the end or the beginning of the room if there is none.
    pub from: Option<String>,
    /// Where to stop.
    pub to: Option<String>,
    pub direction: Direction,
    pub limit: usize,
    /// Which events the request asked for.
    pub wanted: EventFilter,
}

pub struct Page {
    pub start: String,
    /// None at the end of what there is.
    pub end: Option<String>,
    pub events: Vec<Shown>,
    /// Lazily loaded members.
    pub state: Vec<Arc<Event>>,
}

/// An event, with what its viewer is told besides.
pub struct Shown {
    pub event: Arc<Event>,
    /// The viewer's membership at the event.
    pub membership: Option<MembershipState>,
    /// Of its children.
    pub bundle: Option<Bundle>,
}

impl Shown {
    /// The format of all client endpoints but sync.
    pub fn for_client(&self, viewer: Viewer<'_>) -> Result<Box<RawValue>> {
        let relations = self.bundle.as_ref().map(|bundle| &*bundle.json);
        let extra = Extra { membership: self.membership.as_ref(), relations };
        self.event.for_client_with(viewer, extra)
    }
}

impl Rooms {
    /// One event; 404 where there is none that the caller may see.
    pub async fn event(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<Shown> {
        let context = self.context.clone();
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let device_id = caller.device_id.clone();
        let (room_id, event_id) = (room_id.to_owned(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            let not_found = || Error::not_found("There is no such event");
            let view = View::load(&context, conn, &room_id, (user_nid, &user_id))
                .map_err(|_| not_found())?;
            let mut event = view.event(conn, &event_id)?;
            let viewer = Viewer { user_nid, device_id: device_id.as_str(), now_ms: None };
            view.bundle(conn, viewer.at(context.clock.now_ms()), [&mut event])?;
            Ok(event)
        });
        read.await
    }

    /// One event of whatever room; 404 where there is none that the caller may see.
    pub async fn event_anywhere(&self, caller: &Session, event_id: &EventId) -> Result<Shown> {
        let (context, id) = (self.context.clone(), event_id.to_owned());
        let read = self.context.store.read(move |conn| {
            let event = context.events.by_id(conn, &id)?;
            let event = event.ok_or_else(|| Error::not_found("There is no such event"))?;
            Ok(context.rooms.by_nid(conn, event.room_nid)?.id.clone())
        });
        self.event(caller, &read.await?, event_id).await
    }

    /// A page of a room's timeline.
    pub async fn messages(
        &self,
        caller: &Session,
        room_id: &RoomId,
        request: PageRequest,
    ) -> Result<Page> {
        for _ in 0..BACKFILLS_MAX {
            let (page, gap) = self.page(caller, room_id, &request).await?;
            let Some((info, gap)) = gap else { return Ok(page) };
            // History is told with the state at it: with the members, that is fetched already.
            if !self.context.partial_rooms.ended_within(info.nid, PATIENCE).await {
                return Ok(page);
            }
            if !self.remote.backfill(&info, gap).await? {
                return Ok(page);
            }
        }
        let (page, _) = self.page(caller, room_id, &request).await?;
        Ok(page)
    }

    /// A page of what is here, and the newest gap in it with its room.
    async fn page(
        &self,
        caller: &Session,
        room_id: &RoomId,
        request: &PageRequest,
    ) -> Result<(Page, Option<(Arc<RoomInfo>, Position)>)> {
        let request = request.clone();
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let device_id = caller.device_id.clone();
        let read = self.context.store.read(move |conn| {
            let view = View::load(&context, conn, &room_id, (user_nid, &user_id))?;
            view.access.check_history(&context, conn)?;
            let from = request.from.as_deref().map(position).transpose()?;
            let to = request.to.as_deref().map(position).transpose()?;
            let start = match (from, request.direction) {
                (Some(from), _) => from,
                (None, Direction::Backward) => view.newest,
                (None, Direction::Forward) => BEGINNING,
            };
            let walk = Walk { start, to, direction: request.direction, limit: request.limit };
            let Walked { mut events, at, more } = view.walk(conn, walk, &request.wanted)?;
            let viewer = Viewer { user_nid, device_id: device_id.as_str(), now_ms: None };
            view.bundle(conn, viewer.at(context.clock.now_ms()), &mut events)?;
            let state = match request.wanted.lazy.is_disabled() {
                true => Vec::new(),
                false => members_of_senders(&context, conn, &events)?,
            };
            let info = &view.access.info;
            let gap = match request.direction {
                // The event after a gap may be the last of the page before.
                Direction::Backward if request.wanted.wants_room(&info.id) => {
                    let looked_at = (at, Position(start.0.saturating_add(1)));
                    context.gaps.newest(conn, info.nid, looked_at)?
                }
                _ => None,
            };
            let gap = gap.filter(|gap| to.is_none_or(|to| to < *gap));
            // Servers may not answer now and may later: whoever got something may come again.
            let more = more || (gap.is_some() && !events.is_empty());
            let end = more.then(|| token(at));
            let page = Page { start: token(start), end, events, state };
            Ok((page, gap.map(|gap| (info.clone(), gap))))
        });
        read.await
    }
}

/// Before the first event of every room.
pub(in crate::service) const BEGINNING: Position = Position(i64::MIN);

/// One room's timeline as a user may see it.
pub(in crate::service) struct View<'a> {
    pub context: &'a Context,
    pub access: Access,
    pub filter: Filter<'a>,
    /// Where it ends.
    pub newest: Position,
}

/// A way along a timeline.
pub(in crate::service) struct Walk {
    pub start: Position,
    pub to: Option<Position>,
    pub direction: Direction,
    pub limit: usize,
}

pub(in crate::service) struct Walked {
    pub events: Vec<Shown>,
    /// Where it stopped.
    pub at: Position,
    /// There is more beyond.
    pub more: bool,
}

impl<'a> View<'a> {
    pub fn load(
        context: &'a Context,
        conn: &mut Conn,
        room_id: &RoomId,
        (user_nid, user_id): (UserNid, &'a UserId),
    ) -> Result<Self> {
        let access = Access::load(context, conn, room_id, user_nid)?;
        let filter = Filter::new(conn, user_id, access.membership.as_ref())?;
        let now = current_position(conn)?;
        let newest = access.until().unwrap_or(now).min(now);
        Ok(Self { context, access, filter, newest })
    }

    /// An event of the timeline; 404 where the user may not see it.
    pub fn event(&self, conn: &mut Conn, event_id: &EventId) -> Result<Shown> {
        let not_found = || Error::not_found("There is no such event");
        let event = self.context.events.by_id(conn, event_id)?.ok_or_else(not_found)?;
        let placed = event.room_nid == self.access.info.nid && event.position().is_some();
        match placed {
            true => self.show(conn, event)?.ok_or_else(not_found),
            false => Err(not_found()),
        }
    }

    /// An event of the timeline, if the user may see it.
    pub fn show(&self, conn: &mut Conn, event: Arc<Event>) -> Result<Option<Shown>> {
        let Some(event) = self.filter.shows(self.context, conn, event)? else { return Ok(None) };
        let membership = self.filter.membership_at(self.context, conn, &event)?;
        Ok(Some(Shown { event, membership, bundle: None }))
    }

    /// The root of a thread, redacted where the user ignores who sent it.
    pub fn show_root(&self, conn: &mut Conn, root: Arc<Event>) -> Result<Option<Shown>> {
        let ignored = self.filter.ignores(self.context, conn, root.sender_nid)?;
        if !ignored || root.pdu.is_state() || !self.filter.sees(self.context, conn, &root)? {
            return self.show(conn, root);
        }
        let hidden = Arc::new(root.hidden(self.access.info.rules)?);
        let membership = self.filter.membership_at(self.context, conn, &hidden)?;
        Ok(Some(Shown { event: hidden, membership, bundle: None }))
    }

    /// Adds what is to be told of the events' children.
    pub fn bundle<'e>(
        &self,
        conn: &mut Conn,
        viewer: Viewer<'_>,
        events: impl IntoIterator<Item = &'e mut Shown>,
    ) -> Result<()> {
        let is_parent = |shown: &&mut Shown| shown.event.is_parent();
        let parents: Vec<&mut Shown> = events.into_iter().filter(is_parent).collect();
        let (context, filter, until) = (self.context, &self.filter, self.newest);
        let bundler = Bundler { context, filter, viewer, shape: Shape::Client, until };
        let mut bundles = bundler.bundle(conn, parents.iter().map(|shown| &shown.event))?;
        for shown in parents {
            shown.bundle = bundles.remove(&shown.event.nid);
        }
        Ok(())
    }

    /// The events on a way that the user may see and wants to.
    pub fn walk(&self, conn: &mut Conn, walk: Walk, wanted: &EventFilter) -> Result<Walked> {
        let Walk { start, to, direction, limit } = walk;
        let info = &self.access.info;
        let limit = limit.min(PAGE_MAX);
        let mut walked =
            Walked { events: Vec::new(), at: start, more: wanted.wants_room(&info.id) };
        let mut looked_at = 0;
        while walked.events.len() < limit && walked.more && looked_at < LOOKED_AT_MAX {
            let missing = limit - walked.events.len();
            let range = match direction {
                Direction::Backward => (to.unwrap_or(BEGINNING), walked.at.min(self.newest)),
                Direction::Forward => (walked.at, to.unwrap_or(self.newest).min(self.newest)),
            };
            // One more than is missing tells whether there is more.
            let asked = missing as i64 + 1;
            let rows = events::timeline(conn, info.nid, range, direction, asked)?;
            walked.more = rows.len() > missing;
            looked_at += rows.len();
            for (nid, position) in rows.into_iter().take(missing) {
                walked.at = match direction {
                    Direction::Backward => Position(position.0 - 1),
                    Direction::Forward => position,
                };
                let event = self.context.events.get(conn, nid)?;
                if wanted.wants(&event) {
                    walked.events.extend(self.show(conn, event)?);
                }
            }
        }
        Ok(walked)
    }
}

/// The member events of those who sent `events`, as they were when each sent the first of theirs.
pub(super) fn members_of_senders(
    context: &Context,
    conn: &mut Conn,
    events: &[Shown],
) -> Result<Vec<Arc<Event>>> {
    let (mut seen, mut members) = (Vec::new(), Vec::new());
    for Shown { event, .. } in events {
        if seen.contains(&event.sender_nid) {
            continue;
        }
        seen.push(event.sender_nid);
        let own = event.pdu.state_key.as_deref() == Some(event.pdu.sender.as_str());
        let state = if own { event.state_after } else { event.state_before };
        let Some(state) = state else { continue };
        let state = context.states.get(conn, state)?;
        let sender = event.pdu.sender.as_str();
        members.extend(state_event(context, conn, &state, &StateEventType::RoomMember, sender)?);
    }
    Ok(members)
}

/// The token of a place.
pub fn token(position: Position) -> String {
    format!("t{}", position.0)
}

/// The place of a token.
pub fn position(token: &str) -> Result<Position> {
    Ok(SyncToken::parse(token)?.position)
}
