//! Which other servers are in a room, and what waits for them that is of no worth later: who types, who is
//! there. That is never written down; what a server does not take soon, or does not answer to, is dropped.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedServerName, ServerName};
use sealpost_federation::Policy;
use tokio::sync::Notify;

use crate::{
    error::Result,
    service::{
        notifier::Subject,
        timeline::{Context, servers_of},
    },
    storage::{Conn, Position, RoomNid, current_position, members, partial_rooms},
};

const ROOMS: usize = 10_000;
/// What waits for one server, at most; the oldest goes first.
const WAITING_MAX: usize = 100;
/// After this it is of no worth.
const WORTH_FOR: Duration = Duration::from_secs(20);

/// The servers in a room, as of a position.
type InRoom = (Position, Arc<Vec<OwnedServerName>>);

pub struct OtherServers {
    policy: Policy,
    rooms: Cache<RoomNid, InRoom>,
    waiting: Mutex<HashMap<OwnedServerName, Vec<Fleeting>>>,
    news: Notify,
}

/// What is of no worth later.
pub struct Fleeting {
    /// A later one of the same subject takes its place.
    subject: String,
    /// The EDU, as JSON.
    pub edu: String,
    since: Instant,
}

impl OtherServers {
    pub fn new(policy: Policy) -> Self {
        let rooms = Cache::new(ROOMS);
        Self { policy, rooms, waiting: Mutex::default(), news: Notify::new() }
    }

    /// The servers that are in a room as of the snapshot of `conn`, or later, but for ours and those that we
    /// don't talk to; those who came first in front. While a room's members are not here, those that were in it when
    /// it was entered count.
    pub fn in_room(
        &self,
        context: &Context,
        conn: &mut Conn,
        room: RoomNid,
    ) -> Result<Arc<Vec<OwnedServerName>>> {
        if let Some((at, servers)) = self.rooms.get(&room)
            && context.notifier.last_change(Subject::State(room)) <= at
        {
            return Ok(servers);
        }
        let at = current_position(conn)?;
        let names = members::servers(conn, room)?.into_iter();
        let mut names: Vec<_> =
            names.filter_map(|name| OwnedServerName::try_from(name).ok()).collect();
        if context.partial_rooms.is_partial(room)
            && let Some(row) = partial_rooms::get(conn, room)?
        {
            let known: HashSet<_> = names.iter().cloned().collect();
            let told = servers_of(&row.servers).into_iter();
            names.extend(told.filter(|name| !known.contains(name)));
        }
        names.retain(|name| *name != context.server_name && self.policy.allows(name));
        let servers = Arc::new(names);
        self.rooms.insert(room, (at, servers.clone()));
        Ok(servers)
    }

    /// Has an EDU wait for servers, in the place of one of the same subject.
    pub fn tell(&self, servers: &[OwnedServerName], subject: &str, edu: &serde_json::Value) {
        if servers.is_empty() {
            return;
        }
        let (edu, since) = (edu.to_string(), Instant::now());
        let mut waiting = self.waiting.lock();
        for server in servers {
            let theirs = waiting.entry(server.clone()).or_default();
            theirs.retain(|known| known.subject != subject);
            if theirs.len() == WAITING_MAX {
                theirs.remove(0);
            }
            theirs.push(Fleeting { subject: subject.to_owned(), edu: edu.clone(), since });
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// Waits until something is told.
    pub async fn told(&self) {
        self.news.notified().await;
    }

    /// For whom something waits.
    pub fn destinations(&self) -> Vec<OwnedServerName> {
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, theirs| theirs.iter().any(Fleeting::is_of_worth));
        waiting.keys().cloned().collect()
    }

    /// Whether something waits for a server.
    pub fn has_for(&self, server: &ServerName) -> bool {
        self.waiting
            .lock()
            .get(server)
            .is_some_and(|theirs| theirs.iter().any(Fleeting::is_of_worth))
    }

    /// Takes off what waits for a server.
    pub fn take(&self, server: &ServerName) -> Vec<Fleeting> {
        let mut theirs = self.waiting.lock().remove(server).unwrap_or_default();
        theirs.retain(Fleeting::is_of_worth);
        theirs
    }

    /// Puts back, before what was told since, what was taken off and did not arrive.
    pub fn give_back(&self, server: &ServerName, mut fleeting: Vec<Fleeting>) {
        let mut waiting = self.waiting.lock();
        let theirs = waiting.entry(server.to_owned()).or_default();
        fleeting.retain(|old| !theirs.iter().any(|new| new.subject == old.subject));
        fleeting.truncate(WAITING_MAX.saturating_sub(theirs.len()));
        theirs.splice(..0, fleeting);
    }
}

impl Fleeting {
    fn is_of_worth(&self) -> bool {
        self.since.elapsed() < WORTH_FOR
    }
}

#[cfg(test)]
mod tests {
    use ruma::owned_server_name;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_is_bounded_and_a_later_one_takes_the_place_of_an_earlier() {
        let others = OtherServers::new(Policy::new(true, Vec::new(), Vec::new()));
        let servers = [owned_server_name!("b.test")];
        for n in 0..2 * WAITING_MAX {
            others.tell(&servers, &n.to_string(), &json!(n));
        }
        others.tell(&servers, "150", &json!("again"));
        assert_eq!(others.destinations(), servers);
        let taken = others.take(&servers[0]);
        assert_eq!(taken.len(), WAITING_MAX);
        assert_eq!((&*taken[0].edu, &*taken[WAITING_MAX - 1].edu), ("100", "\"again\""));
        assert!(!others.has_for(&servers[0]));

        others.tell(&servers, "100", &json!("news"));
        others.give_back(&servers[0], taken);
        let taken: Vec<_> = others.take(&servers[0]).into_iter().map(|taken| taken.edu).collect();
        assert_eq!((taken.len(), &*taken[0], &*taken[99]), (WAITING_MAX, "101", "\"news\""));
    }
}
