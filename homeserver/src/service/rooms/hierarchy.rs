//! The rooms of a space and of the spaces in it, depth first, each room once.
//!
//! 1. [`Walk::visit`] takes rooms from the stack, out of one snapshot: those that are here, and those that other
//!    servers have told of. It stops at one that has to be asked for.
//! 2. That one is asked for, without a connection to the database; then on with 1.
//! 3. When the page is full, the rest of the walk is kept in memory for the one who asked, behind a token.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::{Weighter, sync::Cache};
use ruma::{
    OwnedRoomId, OwnedServerName, RoomId, ServerName,
    api::{
        client::space::{SpaceHierarchyRoomsChunk, get_hierarchy::v1 as client},
        federation::space::{SpaceHierarchyParentSummary, get_hierarchy::v1 as federation},
    },
    room::{RoomSummary, RoomType},
};

use super::{
    Rooms,
    preview::{for_server, for_user, resident},
    summary::{Summaries, Summary, child_event},
};
use crate::{
    error::{Error, Result},
    service::{
        random::letters_and_digits,
        remote::{Remote, spaces::Told},
        sessions::Session,
        space::Child,
        timeline::Context,
    },
    storage::{Conn, UserNid},
};

/// How many rooms are told at once when nobody says, and at most.
const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 100;
/// How deep a walk goes at most.
const DEPTH_MAX: usize = 100;
/// How many children another server is told of at once.
const CHILDREN_FOR_SERVERS: usize = 100;
/// Other servers are waited for this long; then the page ends with what there is.
const PATIENCE: Duration = Duration::from_secs(20);
/// A walk that waits on more rooms than this goes no further into spaces.
const WAITING_MAX: usize = 10_000;
const TOKEN_LENGTH: usize = 20;
/// How many rooms all kept walks may know of together.
const KEPT: u64 = 200_000;

/// Walks that go on when their token comes back.
pub(super) struct Walks(Cache<String, Arc<Walk>, Weight>);

#[derive(Clone)]
struct Weight;

impl Weighter<String, Arc<Walk>> for Weight {
    fn weight(&self, _: &String, walk: &Arc<Walk>) -> u64 {
        (walk.waiting.len() + walk.seen.len()) as u64 + 1
    }
}

impl Default for Walks {
    fn default() -> Self {
        Self(Cache::with_weighter(1_000, KEPT, Weight))
    }
}

/// A way through a space, and how far it is.
#[derive(Clone)]
struct Walk {
    user: UserNid,
    root: OwnedRoomId,
    suggested_only: bool,
    max_depth: usize,
    /// The next one last.
    waiting: Vec<Waiting>,
    seen: HashSet<OwnedRoomId>,
}

#[derive(Clone)]
struct Waiting {
    room_id: OwnedRoomId,
    via: Vec<OwnedServerName>,
    depth: usize,
    /// What the server that told of the space said of the room.
    told: Option<Arc<RoomSummary>>,
}

/// Why a visit stopped.
enum Stop {
    /// The page is full, or there is nothing more.
    Done,
    /// This room has to be asked for.
    Ask(Waiting),
}

impl Rooms {
    /// A page of the hierarchy below a room.
    pub async fn hierarchy(
        &self,
        caller: &Session,
        request: client::Request,
    ) -> Result<client::Response> {
        let number = |asked: Option<ruma::UInt>, default: usize, most: usize| {
            asked
                .map_or(default, |asked| usize::try_from(u64::from(asked)).unwrap_or(most))
                .min(most)
        };
        let limit = number(request.limit, LIMIT_DEFAULT, LIMIT_MAX);
        if limit == 0 {
            return Err(Error::invalid_param("limit is not greater than zero"));
        }
        let max_depth = number(request.max_depth, DEPTH_MAX, DEPTH_MAX);
        let first = request.from.is_none();
        let mut walk = match &request.from {
            None => Walk::new(caller.user_nid, &request.room_id, request.suggested_only, max_depth),
            Some(token) => {
                let kept = self.walks.0.get(token).filter(|walk| {
                    walk.user == caller.user_nid
                        && walk.root == request.room_id
                        && walk.suggested_only == request.suggested_only
                        && walk.max_depth == max_depth
                });
                let changed = || {
                    Error::invalid_param(
                        "The token is not known, or the room, suggested_only or max_depth has changed",
                    )
                };
                Walk::clone(&*kept.ok_or_else(changed)?)
            }
        };
        let deadline = Instant::now() + PATIENCE;
        let mut rooms = Vec::new();
        loop {
            let (context, summaries) = (self.context.clone(), self.summaries.clone());
            let remote = self.remote.clone();
            let visit = self.context.store.read(move |conn| {
                let (mut walk, mut rooms) = (walk, rooms);
                let stop = walk.visit(&context, &summaries, &remote, conn, &mut rooms, limit)?;
                Ok((walk, rooms, stop))
            });
            let stop;
            (walk, rooms, stop) = visit.await?;
            match stop {
                Stop::Done => break,
                Stop::Ask(_) if Instant::now() > deadline => break,
                Stop::Ask(Waiting { room_id, via, .. }) => {
                    self.remote.hierarchy_of(&room_id, &via).await;
                }
            }
        }
        if first && rooms.first().is_none_or(|room| room.summary.room_id != request.room_id) {
            return Err(Error::forbidden("You may not see this room"));
        }
        let mut response = client::Response::new();
        response.rooms = rooms;
        if !walk.waiting.is_empty() {
            let token = letters_and_digits(TOKEN_LENGTH, &mut rand::rng());
            self.walks.0.insert(token.clone(), Arc::new(walk));
            response.next_batch = Some(token);
        }
        Ok(response)
    }

    /// A space and its children, for another server; 404 where it may not be told of it.
    pub async fn hierarchy_for(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        suggested_only: bool,
    ) -> Result<federation::Response> {
        let (context, summaries) = (self.context.clone(), self.summaries.clone());
        let (origin, room_id) = (origin.to_owned(), room_id.to_owned());
        let read = self.context.store.read(move |conn| {
            let not_found = || Error::not_found("There is no such room");
            let info = resident(&context, conn, &room_id)?.ok_or_else(not_found)?;
            let space = summaries.get(&context, conn, &info)?;
            if !for_server(&context, conn, &info, &space.room, &origin)? {
                return Err(not_found());
            }
            let chunk = chunk(&context, conn, &space, suggested_only)?;
            let parent = SpaceHierarchyParentSummary::new(chunk.summary, chunk.children_state);
            let mut response = federation::Response::new(parent);
            let wanted =
                space.children.iter().filter(|(child, _)| child.suggested || !suggested_only);
            for (child, _) in wanted.take(CHILDREN_FOR_SERVERS) {
                let Some(info) = resident(&context, conn, &child.room_id)? else { continue };
                let summary = summaries.get(&context, conn, &info)?;
                match for_server(&context, conn, &info, &summary.room, &origin)? {
                    true => response.children.push(summary.room.clone()),
                    false => response.inaccessible_children.push(child.room_id.clone()),
                }
            }
            Ok(response)
        });
        read.await
    }
}

impl Walk {
    fn new(user: UserNid, root: &RoomId, suggested_only: bool, max_depth: usize) -> Self {
        let via = root.server_name().map(ToOwned::to_owned).into_iter().collect();
        let first = Waiting { room_id: root.to_owned(), via, depth: 0, told: None };
        Self {
            user,
            root: root.to_owned(),
            suggested_only,
            max_depth,
            waiting: vec![first],
            seen: HashSet::new(),
        }
    }

    /// Goes on until `rooms` are `limit`, or a room has to be asked for.
    fn visit(
        &mut self,
        context: &Context,
        summaries: &Summaries,
        remote: &Remote,
        conn: &mut Conn,
        rooms: &mut Vec<SpaceHierarchyRoomsChunk>,
        limit: usize,
    ) -> Result<Stop> {
        while rooms.len() < limit {
            let Some(next) = self.waiting.pop() else { break };
            if self.seen.contains(&next.room_id) {
                continue;
            }
            if let Some(info) = resident(context, conn, &next.room_id)? {
                self.seen.insert(next.room_id.clone());
                let summary = summaries.get(context, conn, &info)?;
                if for_user(context, conn, &summary.room, Some(self.user))?.0 {
                    rooms.push(chunk(context, conn, &summary, self.suggested_only)?);
                    let children = summary.children.iter().map(|(child, _)| (child, None));
                    self.wait_for(next.depth, children);
                }
                continue;
            }
            let space =
                next.told.as_ref().is_none_or(|room| room.room_type == Some(RoomType::Space));
            if let (Some(room), true) = (&next.told, !space || next.depth >= self.max_depth) {
                self.seen.insert(next.room_id.clone());
                if for_user(context, conn, room, Some(self.user))?.0 {
                    rooms.push(SpaceHierarchyRoomsChunk::new(RoomSummary::clone(room), Vec::new()));
                }
                continue;
            }
            let told = match remote.remembered(&next.room_id, &next.via) {
                Told::Unknown => {
                    self.waiting.push(next.clone());
                    return Ok(Stop::Ask(next));
                }
                Told::Nothing => None,
                Told::Room(told) => Some(told),
            };
            self.seen.insert(next.room_id.clone());
            let Some(told) = told else { continue };
            if !for_user(context, conn, &told.summary, Some(self.user))?.0 {
                continue;
            }
            let wanted = |child: &Child| child.suggested || !self.suggested_only;
            let shown = told.children.iter().filter(|(child, _)| wanted(child));
            let shown = shown.map(|(_, event)| event.clone()).collect();
            rooms.push(SpaceHierarchyRoomsChunk::new(told.summary.clone(), shown));
            let accessible = told.children.iter().filter(|(child, _)| !told.hides(&child.room_id));
            let children =
                accessible.map(|(child, _)| (child, told.of_child(&child.room_id).cloned()));
            self.wait_for(next.depth, children);
        }
        Ok(Stop::Done)
    }

    /// Puts the children of a space at `depth` on the stack, the first one on top.
    fn wait_for<'a>(
        &mut self,
        depth: usize,
        children: impl DoubleEndedIterator<Item = (&'a Child, Option<Arc<RoomSummary>>)>,
    ) {
        if depth >= self.max_depth || self.waiting.len() > WAITING_MAX {
            return;
        }
        for (child, told) in children.rev() {
            let wanted = child.suggested || !self.suggested_only;
            if wanted && !self.seen.contains(&child.room_id) {
                let (room_id, via) = (child.room_id.clone(), child.via.clone());
                self.waiting.push(Waiting { room_id, via, depth: depth + 1, told });
            }
        }
    }
}

fn chunk(
    context: &Context,
    conn: &mut Conn,
    summary: &Summary,
    suggested_only: bool,
) -> Result<SpaceHierarchyRoomsChunk> {
    let mut children = Vec::new();
    for (child, nid) in &summary.children {
        if child.suggested || !suggested_only {
            children.push(child_event(&*context.events.get(conn, *nid)?)?);
        }
    }
    Ok(SpaceHierarchyRoomsChunk::new(summary.room.clone(), children))
}
