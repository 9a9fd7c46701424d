//! Who is typing where (client-server API, "Typing Notifications"): in memory only, each for a while.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use ruma::{OwnedUserId, RoomId};
use tokio::time::{Instant, sleep_until};

use super::{
    notifier::{Notifier, Serial, Subject},
    rooms::visibility::Access,
    sessions::Session,
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    storage::RoomNid,
};

/// Nobody types for longer without saying so again.
const LONGEST: Duration = Duration::from_secs(2 * 60);
/// Rooms where nobody types any more are remembered up to this many.
const ROOMS_MAX: usize = 10_000;

pub struct Typing {
    context: Arc<Context>,
    rooms: Arc<Rooms>,
}

/// Who types in each room.
pub struct Rooms {
    notifier: Arc<Notifier>,
    inner: Mutex<HashMap<RoomNid, Room>>,
}

struct Room {
    /// Until when they type.
    users: BTreeMap<OwnedUserId, Instant>,
    changed: Serial,
}

impl Typing {
    pub fn new(context: Arc<Context>) -> Self {
        let notifier = context.notifier.clone();
        Self { context, rooms: Arc::new(Rooms { notifier, inner: Mutex::default() }) }
    }

    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    /// The caller types for a while from now on, or (`None`) no longer.
    pub async fn set(
        &self,
        caller: &Session,
        room_id: &RoomId,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let user = caller.user_nid;
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &room_id, user)?;
            if access.is_joined() {
                return Ok(access.info.nid);
            }
            Err(Error::forbidden("You are not in this room"))
        });
        let room = read.await?;
        let until = timeout.map(|timeout| Instant::now() + timeout.min(LONGEST));
        self.rooms.set(room, caller.user_id.clone(), until);
        if let Some(until) = until {
            let rooms = Arc::downgrade(&self.rooms);
            tokio::spawn(async move {
                sleep_until(until).await;
                if let Some(rooms) = rooms.upgrade() {
                    rooms.expire(room);
                }
            });
        }
        Ok(())
    }
}

impl Rooms {
    /// Who types in a room, if that changed after `since`.
    pub fn changed(&self, room: RoomNid, since: Option<Serial>) -> Option<Vec<OwnedUserId>> {
        let inner = self.inner.lock();
        let room = inner.get(&room)?;
        let is_news = match since {
            Some(since) => room.changed > since,
            None => !room.users.is_empty(),
        };
        is_news.then(|| room.users.keys().cloned().collect())
    }

    fn set(&self, nid: RoomNid, user: OwnedUserId, until: Option<Instant>) {
        let mut inner = self.inner.lock();
        if inner.len() >= ROOMS_MAX {
            inner.retain(|_, room| !room.users.is_empty());
        }
        let room =
            inner.entry(nid).or_insert_with(|| Room { users: BTreeMap::new(), changed: Serial(0) });
        let before = match until {
            Some(until) => room.users.insert(user, until),
            None => room.users.remove(&user),
        };
        if before.is_some() != until.is_some() {
            room.changed = self.notifier.stir([Subject::Room(nid)]);
        }
    }

    fn expire(&self, nid: RoomNid) {
        let mut inner = self.inner.lock();
        let Some(room) = inner.get_mut(&nid) else { return };
        let (now, before) = (Instant::now(), room.users.len());
        room.users.retain(|_, until| *until > now);
        if room.users.len() < before {
            room.changed = self.notifier.stir([Subject::Room(nid)]);
        }
    }
}
