//! Sliding sync ([MSC4186]): windows on the user's rooms instead of all of them. Two dialects, one meaning.
//!
//! `request` is what a client asks for, [`connection`] what it has been sent, `lists` which rooms that is
//! about, `room` what is told of one, `extensions` the rest.
//!
//! [MSC4186]: https://github.com/matrix-org/matrix-spec-proposals/pull/4186

mod activity;
mod connection;
mod extensions;
mod lists;
pub mod request;
pub mod response;
mod room;

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::{Instant, timeout_at};

use self::{
    activity::Activities,
    connection::{Connections, State},
    extensions::{Part, add_key_counts, extensions},
    request::{Request, ToDevice},
    response::Response,
    room::{Range, room},
};
use super::{Sync, TIMEOUT_MAX, device, streams::Scope, token::SyncToken};
use crate::{
    error::Result,
    service::{sessions::Session, timeline::Context, to_device},
    storage::{Conn, current_position},
};

/// What is remembered for sliding sync.
pub(super) struct Sliding {
    connections: Connections,
    activities: Activities,
}

impl Sliding {
    pub fn new(context: &Context) -> Self {
        Self {
            connections: Connections::new(context.clock.now_ms()),
            activities: Activities::default(),
        }
    }
}

impl Sync {
    /// The news for a connection; waits for some if there are none.
    pub async fn sliding(&self, caller: &Arc<Session>, mut request: Request) -> Result<Response> {
        let deadline = Instant::now() + request.timeout.min(TIMEOUT_MAX);
        if let Some(wanted) = &mut request.wanted.extensions.to_device {
            // What is from the future was given out by a database that is no more.
            wanted.since = wanted.since.filter(|since| *since <= self.context.notifier.position());
            if let Some(since) = wanted.since {
                to_device::acknowledge(&self.context, caller, since).await?;
            }
        }
        let request = Arc::new(request);
        let connections = &self.sliding.connections;
        let Some(pos) = &request.pos else {
            let (response, state) = self.build_sliding(caller, &request, None).await?;
            return Ok(self.answer(caller, &request, response, state));
        };
        let first = connections.find(caller, &request.conn_id, pos)?;
        let mut state = first.clone();
        let notifier = &self.context.notifier;
        // Up to where the client was told the messages to its device, if it wants them.
        let mut told = request.wanted.extensions.to_device.as_ref().map(ToDevice::since);
        loop {
            let now = SyncToken::new(notifier.position(), notifier.serial());
            let subjects = self.subjects(caller).await?;
            if !state.wanted.same_as(&request.wanted)
                || told.is_some_and(|told| notifier.changed_since(told, [device(caller)]))
                || notifier.changed_since(state.token.position, subjects.iter().copied())
                || notifier.stirred_since(state.token.serial, subjects.iter().copied())
            {
                let (response, next) =
                    self.build_sliding(caller, &request, Some(state.clone())).await?;
                let key_counts = request.wanted.extensions.e2ee
                    && notifier.changed_since(state.token.position, [device(caller)]);
                if response.has_news() || key_counts || Instant::now() >= deadline {
                    return Ok(self.answer(caller, &request, response, next));
                }
                told = told.map(|_| next.token.position);
                state = Arc::new(next);
                continue;
            }
            if Instant::now() >= deadline || notifier.is_stopped() {
                let mut response = Response {
                    lists: state.counts.iter().cloned().collect(),
                    ..Response::default()
                };
                if request.wanted.extensions.e2ee
                    && let Some(counts) = self.streams.key_counts.cached(&self.context, caller)
                {
                    add_key_counts(&mut response.extensions.e2ee, &counts);
                }
                if Arc::ptr_eq(&state, &first) {
                    // Nothing is new: the client stands where it stood.
                    let txn_id = request.txn_id.clone();
                    return Ok(Response { pos: pos.clone(), txn_id, ..response });
                }
                return Ok(self.answer(caller, &request, response, State::clone(&state)));
            }
            let news = notifier.changed_or_stirred(now.position, now.serial, &subjects);
            tokio::select! {
                biased;
                () = caller.revoked.cancelled() => return Err(caller.revoked_error()),
                _ = timeout_at(deadline, news) => {}
            }
        }
    }

    fn answer(
        &self,
        caller: &Session,
        request: &Request,
        response: Response,
        state: State,
    ) -> Response {
        let begins = request.pos.is_none();
        let pos = self.sliding.connections.keep(caller, &request.conn_id, state, begins);
        Response { pos, txn_id: request.txn_id.clone(), ..response }
    }

    async fn build_sliding(
        &self,
        caller: &Arc<Session>,
        request: &Arc<Request>,
        before: Option<Arc<State>>,
    ) -> Result<(Response, State)> {
        let (context, caller, request) = (self.context.clone(), caller.clone(), request.clone());
        let (streams, sliding) = (self.streams.clone(), self.sliding.clone());
        let read = self.context.store.read(move |conn| {
            let scope = Scope { context: &context, streams: &streams, caller: &caller };
            build(&scope, conn, &sliding.activities, &request, before.as_deref())
        });
        read.await
    }
}

fn build(
    scope: &Scope<'_>,
    conn: &mut Conn,
    activities: &Activities,
    request: &Request,
    before: Option<&State>,
) -> Result<(Response, State)> {
    let context = scope.context;
    let serial = context.notifier.serial();
    // What is committed and not yet published is left to the next sync: caches don't know it.
    let position = current_position(conn)?.min(context.notifier.position());
    let now = SyncToken::new(position, serial);
    let memberships = context.user_rooms.at(conn, scope.caller.user_nid, position)?;
    let found = lists::find(scope, conn, activities, &memberships, &request.wanted, before)?;
    let range = Range { before: before.map(|before| before.token.position), now: position };
    let mut known = before.map(|before| before.rooms.clone()).unwrap_or_default();
    let mut rooms = BTreeMap::new();
    for (nid, relevant) in &found.rooms {
        let sent = before.and_then(|before| before.rooms.get(nid));
        let (told, next) = room(scope, conn, activities, request.dialect, relevant, sent, range)?;
        known.insert(*nid, next);
        if let Some(told) = told {
            rooms.insert(relevant.info.id.clone(), told);
        }
    }
    let part =
        Part { wanted: &request.wanted.extensions, before, found: &found, rooms: &rooms, now };
    let extensions = extensions(scope, conn, &part)?;
    let counts = found.counts;
    let lists = counts.iter().cloned().collect();
    let wanted = match before {
        Some(before) if before.wanted.same_as(&request.wanted) => before.wanted.clone(),
        _ => Arc::new(request.wanted.clone()),
    };
    let state = State { token: now, wanted, counts, rooms: known };
    Ok((Response { lists, rooms, extensions, ..Response::default() }, state))
}
