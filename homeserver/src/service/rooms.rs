//! Rooms as a user of this server works with them: make, join, leave, change, read.
//!
//! `create`, `membership`, `profile` and `send` write, through [`Timeline`]; `state` and `history` read, and ask
//! `visibility` what their caller may see.

mod aliases;
mod context;
mod create;
mod directory;
mod guests;
mod hierarchy;
pub mod history;
mod knock;
mod membership;
mod preview;
mod profile;
mod relations;
mod send;
mod state;
mod succession;
mod summary;
mod threads;
mod upgrade;
mod upgraded;
pub mod visibility;

use std::sync::{Arc, atomic::AtomicI64};

use ruma::{RoomId, RoomVersionId, events::StateEventType};

use super::{
    event::Event,
    remote::{Remote, locks::Locks},
    room_info::RoomInfo,
    sessions::Session,
    timeline::{Context, Timeline},
};
use crate::{
    error::{Error, Result},
    room::power::Power,
    storage::{Conn, RoomNid, members, rooms as room_rows, state::State},
};

pub use self::{
    context::Surroundings,
    create::NewRoomRequest,
    directory::DirectoryPage,
    history::{Page, PageRequest, Shown},
    membership::{LocalJoin, MemberChange, Target},
    relations::RelationsRequest,
    threads::ThreadsRequest,
};
use self::{hierarchy::Walks, summary::Summaries};

pub struct Rooms {
    timeline: Arc<Timeline>,
    remote: Arc<Remote>,
    context: Arc<Context>,
    default_version: RoomVersionId,
    last_created: AtomicI64,
    summaries: Arc<Summaries>,
    walks: Walks,
    /// One upgrade of a room at a time.
    upgrading: Locks<RoomNid>,
    /// Guests are dismissed by one at a time: in a request, or in the background.
    dismissing: tokio::sync::Mutex<()>,
    anyone_may_publish: bool,
}

/// What the configuration says of rooms.
pub struct RoomOptions {
    pub default_version: RoomVersionId,
    pub anyone_may_publish: bool,
}

impl Rooms {
    pub fn new(timeline: Arc<Timeline>, remote: Arc<Remote>, options: RoomOptions) -> Self {
        let context = timeline.context().clone();
        Self {
            timeline,
            remote,
            context,
            default_version: options.default_version,
            last_created: AtomicI64::new(0),
            summaries: Arc::default(),
            walks: Walks::default(),
            upgrading: Locks::default(),
            dismissing: tokio::sync::Mutex::default(),
            anyone_may_publish: options.anyone_may_publish,
        }
    }

    /// The version of rooms that are made without naming one.
    pub fn default_version(&self) -> &RoomVersionId {
        &self.default_version
    }

    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// A room that this server knows.
    pub async fn known(&self, room_id: &RoomId) -> Result<Arc<RoomInfo>> {
        if let Some(info) = self.context.rooms.cached(room_id) {
            return Ok(info);
        }
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        self.context.store.read(move |conn| known(&context, conn, &room_id)).await
    }

    /// Waits for the members of a room that was entered without them.
    pub(super) async fn wait_for_members(&self, room_id: &RoomId) -> Result<()> {
        match self.partial(room_id).await? {
            Some(room) => self.context.partial_rooms.wait(room).await,
            None => Ok(()),
        }
    }

    /// The same for who is not in the room: a ban may be among what is not here yet.
    async fn wait_unless_joined(&self, caller: &Session, room_id: &RoomId) -> Result<()> {
        let Some(room) = self.partial(room_id).await? else { return Ok(()) };
        let user = caller.user_nid;
        let member = self.context.store.read(move |conn| members::get(conn, room, user)).await?;
        match member.is_some_and(|row| row.membership == "join") {
            true => Ok(()),
            false => self.context.partial_rooms.wait(room).await,
        }
    }

    /// A room, if it was entered without its members and these are not here.
    async fn partial(&self, room_id: &RoomId) -> Result<Option<RoomNid>> {
        match self.known(room_id).await {
            Ok(info) => Ok(self.context.partial_rooms.is_partial(info.nid).then_some(info.nid)),
            // What then follows says what there is to say.
            Err(Error::Matrix { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A room that this server knows; 403, as the specification wants it, otherwise.
fn known(context: &Context, conn: &mut Conn, room_id: &RoomId) -> Result<Arc<RoomInfo>> {
    context.rooms.by_id(conn, room_id)?.ok_or_else(|| Error::forbidden("You are not in this room"))
}

/// What users may do in a room now.
pub(in crate::service) fn power(
    context: &Context,
    conn: &mut Conn,
    info: &RoomInfo,
) -> Result<Power> {
    let state = room_rows::state_nid(conn, info.nid)?;
    let state = &context.states.get(conn, state)?;
    let levels = state_event(context, conn, state, &StateEventType::RoomPowerLevels, "")?;
    let create = state_event(context, conn, state, &StateEventType::RoomCreate, "")?
        .ok_or_else(|| Error::internal("a room has no create event"))?;
    Power::new(&create.pdu, levels.as_ref().map(|event| &*event.pdu), info.rules)
        .map_err(|error| Error::internal(format!("power levels: {error}")))
}

/// The event at a place of a state.
pub(in crate::service) fn state_event(
    context: &Context,
    conn: &mut Conn,
    state: &State,
    event_type: &StateEventType,
    state_key: &str,
) -> Result<Option<Arc<Event>>> {
    let key = (&*event_type.to_string(), state_key);
    match context.store.state_keys().find(conn, key)?.and_then(|key| state.get(key)) {
        Some(nid) => context.events.get(conn, nid).map(Some),
        None => Ok(None),
    }
}
