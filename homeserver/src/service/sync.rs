//! What is new for a client: the streams behind `/sync`, and waiting for them.
//!
//! `token` is where a client stands, `filter` what it wants, `v3` the answer, `room` its part for one
//! room. [`Sync::v3`] answers at once when there is news and waits otherwise; a poll without news costs
//! no query.

pub mod filter;
mod room;
mod v3;

use std::{sync::Arc, time::Duration};

use ruma::api::client::sync::sync_events::v3::Response;
use tokio::time::{Instant, timeout_at};

use self::filter::SyncFilter;
use super::{notifier::Subject, rooms::history, sessions::Session, timeline::Context};
use crate::{
    error::Result,
    storage::{Position, UserNid},
};

/// A client waits no longer than this.
const TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);

pub struct Sync {
    context: Arc<Context>,
}

/// What a client asks for.
pub struct SyncRequest {
    pub since: Option<String>,
    pub full_state: bool,
    pub use_state_after: bool,
    pub timeout: Duration,
    pub filter: Arc<SyncFilter>,
}

impl Sync {
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The news since a token; waits for some if there are none.
    pub async fn v3(&self, caller: &Arc<Session>, request: SyncRequest) -> Result<Response> {
        let deadline = Instant::now() + request.timeout.min(TIMEOUT_MAX);
        let request = Arc::new(request);
        let since = request.since.as_deref().map(history::position).transpose()?;
        // A token from the future was given out by a database that is no more.
        let mut since = since.filter(|since| *since <= self.context.notifier.position());
        if since.is_none() || request.full_state {
            return self.build(caller, &request, since).await;
        }
        loop {
            let Some(from) = since else { return self.build(caller, &request, since).await };
            let now = self.context.notifier.position();
            let subjects = self.subjects(caller.user_nid).await?;
            if self.context.notifier.changed_since(from, subjects.iter().copied()) {
                let response = self.build(caller, &request, since).await?;
                if !response.rooms.is_empty() || Instant::now() >= deadline {
                    return Ok(response);
                }
                since = Some(history::position(&response.next_batch)?);
                continue;
            }
            if Instant::now() >= deadline || self.context.notifier.is_stopped() {
                return Ok(Response::new(token(now)));
            }
            tokio::select! {
                biased;
                () = caller.revoked.cancelled() => return Err(Session::revoked_error()),
                _ = timeout_at(deadline, self.context.notifier.changed(now, &subjects)) => {}
            }
            since = Some(now);
        }
    }

    /// Whatever can bring news to a user: themselves and their rooms.
    async fn subjects(&self, user: UserNid) -> Result<Vec<Subject>> {
        let memberships = match self.context.user_rooms.cached(user) {
            Some(memberships) => memberships,
            None => {
                let context = self.context.clone();
                self.context.store.read(move |conn| context.user_rooms.get(conn, user)).await?
            }
        };
        let rooms = memberships.joined().map(|row| Subject::Room(row.room_nid));
        Ok([Subject::User(user)].into_iter().chain(rooms).collect())
    }

    async fn build(
        &self,
        caller: &Arc<Session>,
        request: &Arc<SyncRequest>,
        since: Option<Position>,
    ) -> Result<Response> {
        let (context, caller, request) = (self.context.clone(), caller.clone(), request.clone());
        let read = self
            .context
            .store
            .read(move |conn| v3::build(&context, conn, &caller, &request, since));
        read.await
    }
}

/// The token of a position.
fn token(position: Position) -> String {
    format!("s{}", position.0)
}
