//! Lazily loaded members (client-server API, "Lazy-loading room members"): which member events each device
//! has been sent, in memory, bounded. What is forgotten is sent once more.
//!
//! A member counts as sent to a client only when it comes back with a token of that answer or a later one:
//! an answer that was lost on the way is given again in full.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::OwnedDeviceId;

use crate::{
    service::sessions::Session,
    storage::{EventNid, Position, RoomNid, StateKeyNid, UserNid, state::Entry},
};

const DEVICES: usize = 1_000;
const MEMBERS_OF_DEVICE: usize = 4_096;

pub struct LazyMembers {
    devices: Cache<(UserNid, OwnedDeviceId), Arc<Mutex<Sent>>>,
}

/// Which event of each member was sent, and with which answer.
type Sent = HashMap<(RoomNid, StateKeyNid), (EventNid, Position)>;

impl Default for LazyMembers {
    fn default() -> Self {
        Self { devices: Cache::new(DEVICES) }
    }
}

impl LazyMembers {
    /// Whether the client knew the event at `since`.
    pub fn knows(
        &self,
        caller: &Session,
        room: RoomNid,
        (member, event): Entry,
        since: Position,
    ) -> bool {
        let sent = self.devices.get(&(caller.user_nid, caller.device_id.clone()));
        sent.is_some_and(|sent| {
            let sent = sent.lock().get(&(room, member)).copied();
            sent.is_some_and(|(known, at)| known == event && at <= since)
        })
    }

    /// The client is sent members of a room in the answer whose token is `now`.
    pub fn sent(&self, caller: &Session, room: RoomNid, members: &[Entry], now: Position) {
        if members.is_empty() {
            return;
        }
        let key = (caller.user_nid, caller.device_id.clone());
        let made = || Ok::<_, std::convert::Infallible>(Arc::default());
        let Ok(sent) = self.devices.get_or_insert_with(&key, made);
        let mut sent = sent.lock();
        if sent.len() + members.len() > MEMBERS_OF_DEVICE {
            sent.clear();
        }
        for &(member, event) in members.iter().take(MEMBERS_OF_DEVICE) {
            let entry = sent.entry((room, member)).or_insert((event, now));
            if entry.0 != event {
                *entry = (event, now);
            }
        }
    }

    /// The client begins anew.
    pub fn forget(&self, caller: &Session) {
        self.devices.remove(&(caller.user_nid, caller.device_id.clone()));
    }
}
