//! What is new for a client: the streams behind `/sync`, and waiting for them.
//!
//! [`token`] is where a client stands, `filter` what it wants, `v3` the answer, `room` its part for one
//! room, `timeline` the events in it, `lazy` the members that it knows, `streams` a file for each block.
//! [`Sync::v3`] answers at once when there is news and waits otherwise; a poll without news costs no query.

pub mod filter;
pub mod lazy;
pub mod old;
mod room;
pub mod sliding;
pub mod streams;
mod stripped;
mod timeline;
pub mod token;
mod v3;

use std::{sync::Arc, time::Duration};

use ruma::api::client::sync::sync_events::v3::Response;
use tokio::time::{Instant, timeout_at};

use self::{
    filter::SyncFilter,
    sliding::Sliding,
    streams::{Scope, Streams},
    token::SyncToken,
};
use super::{notifier::Subject, sessions::Session, timeline::Context, to_device};
use crate::error::Result;

/// A client waits no longer than this.
const TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);

pub struct Sync {
    context: Arc<Context>,
    streams: Arc<Streams>,
    sliding: Arc<Sliding>,
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
    pub fn new(context: Arc<Context>, streams: Streams) -> Self {
        let sliding = Arc::new(Sliding::new(&context));
        Self { context, streams: Arc::new(streams), sliding }
    }

    /// The news since a token; waits for some if there are none.
    pub async fn v3(&self, caller: &Arc<Session>, request: SyncRequest) -> Result<Response> {
        let deadline = Instant::now() + request.timeout.min(TIMEOUT_MAX);
        let request = Arc::new(request);
        let since = request.since.as_deref().map(SyncToken::parse).transpose()?;
        // A token from the future was given out by a database that is no more.
        let notifier = &self.context.notifier;
        let mut since = since.filter(|since| since.position <= notifier.position());
        if let Some(since) = since {
            to_device::acknowledge(&self.context, caller, since.to_device()).await?;
        }
        if since.is_none() || request.full_state {
            return self.build(caller, &request, since).await;
        }
        loop {
            let Some(from) = since else { return self.build(caller, &request, since).await };
            let now = SyncToken::new(notifier.position(), notifier.serial());
            let subjects = self.subjects(caller).await?;
            if notifier.changed_since(from.position, subjects.iter().copied())
                || notifier.changed_since(from.to_device(), [device(caller)])
                || notifier.stirred_since(from.serial, subjects.iter().copied())
            {
                let response = self.build(caller, &request, since).await?;
                if has_news(&response)
                    || notifier.changed_since(from.position, [device(caller)])
                    || Instant::now() >= deadline
                {
                    return Ok(response);
                }
                since = Some(SyncToken::parse(&response.next_batch)?);
                continue;
            }
            if Instant::now() >= deadline || notifier.is_stopped() {
                return self.unchanged(caller, now).await;
            }
            let news = notifier.changed_or_stirred(now.position, now.serial, &subjects);
            tokio::select! {
                biased;
                () = caller.revoked.cancelled() => return Err(caller.revoked_error()),
                _ = timeout_at(deadline, news) => {}
            }
            since = Some(now);
        }
    }

    /// What a client gets that waited in vain.
    async fn unchanged(&self, caller: &Arc<Session>, now: SyncToken) -> Result<Response> {
        let mut response = Response::new(now.to_string());
        let counts = match self.streams.key_counts.cached(&self.context, caller) {
            Some(counts) => counts,
            None => {
                let (context, streams) = (self.context.clone(), self.streams.clone());
                let caller = caller.clone();
                let read = self
                    .context
                    .store
                    .read(move |conn| streams.key_counts.get(&context, conn, &caller));
                read.await?
            }
        };
        v3::add_key_counts(&mut response, &counts);
        Ok(response)
    }

    /// Whatever can bring news to a user's device: itself, the user and their rooms.
    async fn subjects(&self, caller: &Session) -> Result<Vec<Subject>> {
        let user = caller.user_nid;
        let memberships = match self.context.user_rooms.cached(user) {
            Some(memberships) => memberships,
            None => {
                let context = self.context.clone();
                self.context.store.read(move |conn| context.user_rooms.get(conn, user)).await?
            }
        };
        let rooms = memberships.joined().map(|row| Subject::Room(row.room_nid));
        Ok([Subject::User(user), device(caller)].into_iter().chain(rooms).collect())
    }

    async fn build(
        &self,
        caller: &Arc<Session>,
        request: &Arc<SyncRequest>,
        since: Option<SyncToken>,
    ) -> Result<Response> {
        let (context, caller, request) = (self.context.clone(), caller.clone(), request.clone());
        let streams = self.streams.clone();
        let read = self.context.store.read(move |conn| {
            let scope = Scope { context: &context, streams: &streams, caller: &caller };
            v3::build(&scope, conn, &request, since)
        });
        read.await
    }
}

/// What is for the caller's device alone.
fn device(caller: &Session) -> Subject {
    Subject::device(caller.user_nid, caller.device_id.as_str())
}

/// Whether a response tells anything besides the next token.
fn has_news(response: &Response) -> bool {
    !(response.rooms.is_empty()
        && response.presence.is_empty()
        && response.account_data.is_empty()
        && response.to_device.is_empty()
        && response.device_lists.is_empty())
}
