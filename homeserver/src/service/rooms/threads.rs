//! The threads of a room (client-server API, "Querying threads in a room").

use std::collections::HashSet;

use ruma::RoomId;

use super::{
    Rooms,
    history::{Shown, View, position, token},
};
use crate::{
    error::Result,
    service::{event::Viewer, sessions::Session},
    storage::{Conn, EventNid, Position, relations},
};

/// How many threads are told when a client does not say, and at most.
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;
/// Threads read in one step.
const STEP: i64 = 100;
/// How many are looked at for one page, however few of them are wanted or visible.
const LOOKED_AT_MAX: usize = 2_000;

pub struct ThreadsRequest {
    pub from: Option<String>,
    pub limit: Option<usize>,
    pub only_participated: bool,
}

pub struct Threads {
    /// The roots, of the thread with the newest event first.
    pub roots: Vec<Shown>,
    /// None at the end of what there is.
    pub end: Option<String>,
}

impl Rooms {
    /// A page of a room's threads.
    pub async fn threads(
        &self,
        caller: &Session,
        room_id: &RoomId,
        request: ThreadsRequest,
    ) -> Result<Threads> {
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let (user_nid, user_id) = (caller.user_nid, caller.user_id.clone());
        let device_id = caller.device_id.clone();
        let read = self.context.store.read(move |conn| {
            let view = View::load(&context, conn, &room_id, (user_nid, &user_id))?;
            view.access.check_history(&context, conn)?;
            let from = request.from.as_deref().map(position).transpose()?;
            let limit = request.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
            let viewer = Viewer { user_nid, device_id: device_id.as_str(), now_ms: None };
            let viewer = viewer.at(context.clock.now_ms());
            let page = Page { view: &view, viewer, only_participated: request.only_participated };
            let (roots, end) = page.read(conn, from.unwrap_or(Position(i64::MAX)), limit)?;
            Ok(Threads { roots, end: end.map(token) })
        });
        read.await
    }
}

struct Page<'a> {
    view: &'a View<'a>,
    viewer: Viewer<'a>,
    only_participated: bool,
}

impl Page<'_> {
    fn read(
        &self,
        conn: &mut Conn,
        mut until: Position,
        limit: usize,
    ) -> Result<(Vec<Shown>, Option<Position>)> {
        let before = |at: Position| Position(at.0 - 1);
        let (mut roots, mut looked_at) = (Vec::new(), 0);
        while looked_at < LOOKED_AT_MAX {
            let rows = relations::threads(conn, self.view.access.info.nid, until, STEP)?;
            looked_at += rows.len();
            let last = rows.last().map(|(_, at)| *at).filter(|_| rows.len() as i64 == STEP);
            let wanted = self.wanted(conn, rows)?;
            let mut rest = &wanted[..];
            while !rest.is_empty() {
                let (these, later) = rest.split_at(rest.len().min(limit - roots.len()));
                roots.extend(self.show(conn, these)?);
                rest = later;
                if let Some((_, at)) = these.last()
                    && roots.len() == limit
                {
                    let more = !later.is_empty() || last.is_some();
                    return Ok((roots, more.then_some(before(*at))));
                }
            }
            match last {
                Some(last) => until = before(last),
                None => return Ok((roots, None)),
            }
        }
        Ok((roots, Some(until)))
    }

    /// Those that the caller asks for.
    fn wanted(
        &self,
        conn: &mut Conn,
        mut rows: Vec<(EventNid, Position)>,
    ) -> Result<Vec<(EventNid, Position)>> {
        if self.only_participated {
            let user = self.viewer.user_nid;
            let roots: Vec<EventNid> = rows.iter().map(|(root, _)| *root).collect();
            let mut own: HashSet<EventNid> =
                relations::participated(conn, &roots, user)?.into_iter().collect();
            for root in roots {
                if self.view.context.events.get(conn, root)?.sender_nid == user {
                    own.insert(root);
                }
            }
            rows.retain(|(root, _)| own.contains(root));
        }
        Ok(rows)
    }

    /// The roots that the user may see, with their threads; one of whose thread they may see nothing is none.
    fn show(&self, conn: &mut Conn, rows: &[(EventNid, Position)]) -> Result<Vec<Shown>> {
        let mut roots = Vec::with_capacity(rows.len());
        for (root, _) in rows {
            let root = self.view.context.events.get(conn, *root)?;
            roots.extend(self.view.show_root(conn, root)?);
        }
        self.view.bundle(conn, self.viewer, &mut roots)?;
        roots.retain(|root| root.bundle.as_ref().is_some_and(|bundle| bundle.has_thread));
        Ok(roots)
    }
}
