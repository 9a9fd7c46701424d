//! Server access control lists of rooms, kept in memory with what they say of each server that asked.
//!
//! While a room's state has not changed, an answer is a look into a map. After a change one read tells
//! whether the list is still the same event; then what was found out before still holds.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedServerName, ServerName, events::StateEventType};

use super::Remote;
use crate::{
    error::{Error, Result},
    room::server_acl::ServerAcl,
    service::{
        event::Event, notifier::Subject, room_info::RoomInfo, rooms::state_event, timeline::Context,
    },
    storage::{Conn, EventNid, Position, RoomNid, current_position, rooms as room_rows},
};

const ROOMS: usize = 10_000;
/// How many servers are remembered of one room.
const SERVERS: usize = 5_000;

/// The lists of the rooms that were asked about lately.
pub struct Acls(Cache<RoomNid, Arc<RoomAcl>>);

#[derive(Clone)]
struct RoomAcl {
    /// The room's state is known to be this list's up to here.
    at: Position,
    list: Option<Arc<List>>,
}

struct List {
    event: EventNid,
    redacted: bool,
    acl: ServerAcl,
    allowed: Mutex<HashMap<OwnedServerName, bool>>,
}

impl List {
    fn is(&self, event: &Event) -> bool {
        self.event == event.nid && self.redacted == event.redacted_because.is_some()
    }
}

impl Default for Acls {
    fn default() -> Self {
        Self(Cache::new(ROOMS))
    }
}

impl RoomAcl {
    fn allows(&self, server: &ServerName) -> bool {
        let Some(list) = &self.list else { return true };
        let mut allowed = list.allowed.lock();
        if let Some(known) = allowed.get(server) {
            return *known;
        }
        let found = list.acl.allows(server);
        if allowed.len() >= SERVERS {
            allowed.clear();
        }
        allowed.insert(server.to_owned(), found);
        found
    }
}

impl Acls {
    /// What is in memory, if the room's state has not changed since.
    fn fresh(&self, context: &Context, room: RoomNid) -> Option<Arc<RoomAcl>> {
        let acl = self.0.get(&room)?;
        (context.notifier.last_change(Subject::State(room)) <= acl.at).then_some(acl)
    }

    fn load(&self, context: &Context, conn: &mut Conn, room: RoomNid) -> Result<Arc<RoomAcl>> {
        let at = current_position(conn)?;
        let state = room_rows::state_nid(conn, room)?;
        let state = context.states.get(conn, state)?;
        let event = state_event(context, conn, &state, &StateEventType::RoomServerAcl, "")?;
        let before = self.0.get(&room).and_then(|known| known.list.clone());
        let list = event.map(|event| match before {
            Some(list) if list.is(&event) => list,
            _ => Arc::new(List {
                event: event.nid,
                redacted: event.redacted_because.is_some(),
                acl: ServerAcl::of(&event.pdu),
                allowed: Mutex::default(),
            }),
        });
        let acl = Arc::new(RoomAcl { at, list });
        self.0.insert(room, acl.clone());
        Ok(acl)
    }
}

impl Remote {
    /// Whether the room's access control list lets `server` take part.
    pub async fn may_take_part(&self, server: &ServerName, info: &RoomInfo) -> Result<bool> {
        if let Some(acl) = self.acls.fresh(&self.context, info.nid) {
            return Ok(acl.allows(server));
        }
        let (context, acls, room) = (self.context.clone(), self.acls.clone(), info.nid);
        let read = self.context.store.read(move |conn| acls.load(&context, conn, room));
        Ok(read.await?.allows(server))
    }

    /// 403 `M_FORBIDDEN` unless the room's access control list lets `server` take part.
    pub(super) async fn check_acl(&self, server: &ServerName, info: &RoomInfo) -> Result<()> {
        if self.may_take_part(server, info).await? {
            return Ok(());
        }
        Err(Error::forbidden("The room's access control list does not allow your server"))
    }
}
