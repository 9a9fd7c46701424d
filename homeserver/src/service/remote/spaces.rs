//! Rooms that only other servers are in, as those tell of them: asked for once, then remembered for a while.
//!
//! What a server says is remembered for that server alone: one that lies is not believed where another is asked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use quick_cache::{Weighter, sync::Cache};
use ruma::{
    OwnedRoomId, OwnedServerName, RoomId, ServerName,
    api::federation::space::get_hierarchy::v1 as get_hierarchy,
    events::space::child::HierarchySpaceChildEvent,
    room::{JoinRuleSummary, RoomSummary},
    serde::Raw,
};
use sealpost_federation::{Error as FederationError, client::Limits};

use super::Remote;
use crate::service::space::{Child, children};

/// Somebody waits for the answer, perhaps for several of them.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(8), max_bytes: 1 << 20 };
/// How many servers are asked for one room.
const SERVERS_MAX: usize = 3;
/// How long an answer counts, and a failure.
const FOUND_FOR: i64 = 5 * 60 * 1_000;
const FAILED_FOR: i64 = 60 * 1_000;
/// How many bytes are remembered, about.
const BYTES: u64 = 16 << 20;

pub(super) struct Spaces(Cache<(OwnedRoomId, OwnedServerName), Arc<Answer>, Weight>);

struct Answer {
    until: i64,
    room: Option<Arc<RemoteRoom>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<(OwnedRoomId, OwnedServerName), Arc<Answer>> for Weight {
    fn weight(&self, _: &(OwnedRoomId, OwnedServerName), answer: &Arc<Answer>) -> u64 {
        const ROOM: usize = 1_024;
        let room = answer.room.as_ref().map_or(0, |room| {
            let events: usize =
                room.children.iter().map(|(_, event)| event.json().get().len() + 256).sum();
            ROOM * (1 + room.told.len()) + events + 64 * room.hidden.len()
        });
        room as u64 + 512
    }
}

impl Default for Spaces {
    fn default() -> Self {
        Self(Cache::with_weighter(4_096, BYTES, Weight))
    }
}

/// A room as another server tells of it.
pub struct RemoteRoom {
    pub summary: RoomSummary,
    /// Of a space, with the events that name them.
    pub children: Vec<(Child, Raw<HierarchySpaceChildEvent>)>,
    told: HashMap<OwnedRoomId, Arc<RoomSummary>>,
    hidden: Vec<OwnedRoomId>,
}

impl RemoteRoom {
    fn new(answer: get_hierarchy::Response) -> Self {
        let of_room = answer.room.children_state.into_iter();
        let told = answer.children.into_iter().map(usable);
        Self {
            summary: usable(answer.room.summary),
            children: children(of_room.map(|event| (event.clone(), event))),
            told: told.map(|room| (room.room_id.clone(), Arc::new(room))).collect(),
            hidden: answer.inaccessible_children,
        }
    }

    /// What the server said of a child.
    pub fn of_child(&self, room_id: &RoomId) -> Option<&Arc<RoomSummary>> {
        self.told.get(room_id)
    }

    /// Whether the server said that we may not be told of a child.
    pub fn hides(&self, room_id: &RoomId) -> bool {
        self.hidden.iter().any(|hidden| hidden == room_id)
    }
}

/// What is remembered of a room.
pub enum Told {
    /// Somebody has to be asked.
    Unknown,
    Nothing,
    Room(Arc<RemoteRoom>),
}

impl Remote {
    /// What the servers `via` have told of a room.
    pub fn remembered(&self, room_id: &RoomId, via: &[OwnedServerName]) -> Told {
        let now = self.context.clock.now_ms();
        for server in self.tellers(via) {
            match self.spaces.0.get(&(room_id.to_owned(), server.clone())) {
                Some(answer) if answer.until > now => match &answer.room {
                    Some(room) => return Told::Room(Arc::clone(room)),
                    None => continue,
                },
                _ => return Told::Unknown,
            }
        }
        Told::Nothing
    }

    /// What the first of the servers `via` that can says of a room.
    pub async fn hierarchy_of(
        &self,
        room_id: &RoomId,
        via: &[OwnedServerName],
    ) -> Option<Arc<RemoteRoom>> {
        for server in self.tellers(via) {
            let only = std::slice::from_ref(server);
            match self.remembered(room_id, only) {
                Told::Room(room) => return Some(room),
                Told::Nothing => continue,
                Told::Unknown => {}
            }
            let Ok(room) = self.ask_hierarchy(server, room_id).await else { continue };
            let room = room.map(Arc::new);
            let keep = if room.is_some() { FOUND_FOR } else { FAILED_FOR };
            let until = self.context.clock.now_ms() + keep;
            let answer = Arc::new(Answer { until, room: room.clone() });
            self.spaces.0.insert((room_id.to_owned(), server.clone()), answer);
            if room.is_some() {
                return room;
            }
        }
        None
    }

    /// `None`: it says nothing of the room. An error where it is not asked.
    async fn ask_hierarchy(
        &self,
        server: &ServerName,
        room_id: &RoomId,
    ) -> Result<Option<RemoteRoom>, FederationError> {
        self.policy.check(server)?;
        let request = get_hierarchy::Request::new(room_id.to_owned());
        let answer = self.ask(server, request, LIMITS).await;
        let answer = match answer {
            Err(FederationError::Silent) => return Err(FederationError::Silent),
            answer => answer
                .inspect_err(|error| tracing::debug!(%server, %room_id, %error, "no hierarchy"))
                .ok(),
        };
        let answer = answer.filter(|answer| answer.room.summary.room_id == room_id);
        Ok(answer.map(RemoteRoom::new))
    }

    fn tellers<'a>(
        &self,
        via: &'a [OwnedServerName],
    ) -> impl Iterator<Item = &'a OwnedServerName> + use<'a> {
        let own = self.context.server_name.clone();
        via.iter().filter(move |server| **server != own).take(SERVERS_MAX)
    }
}

/// A summary that can be told on: a join rule that nobody here knows lets nobody in.
fn usable(mut room: RoomSummary) -> RoomSummary {
    use JoinRuleSummary::{Invite, Knock, KnockRestricted, Private, Public, Restricted};
    match room.join_rule {
        Invite | Knock | Private | Public | Restricted(_) | KnockRestricted(_) => {}
        _ => room.join_rule = Invite,
    }
    room
}
