//! Who is typing where (client-server API, "Typing Notifications"): in memory only, each for a while. Other
//! servers in the room are told, again and again while it lasts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use ruma::{OwnedServerName, OwnedUserId, RoomId, UserId};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    notifier::{Notifier, Serial, Subject},
    remote::others::OtherServers,
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
/// For how long somebody of another server types unless it says so again.
const LONGEST_ELSEWHERE: Duration = Duration::from_secs(60);
/// Other servers are told so often.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// Rooms where nobody types any more are remembered up to this many.
const ROOMS_MAX: usize = 10_000;

pub struct Typing {
    context: Arc<Context>,
    others: Arc<OtherServers>,
    rooms: Arc<Rooms>,
}

/// Who types in each room.
pub struct Rooms {
    notifier: Arc<Notifier>,
    inner: Mutex<HashMap<RoomNid, Room>>,
}

struct Room {
    users: BTreeMap<OwnedUserId, Typist>,
    changed: Serial,
}

#[derive(Clone, Copy)]
struct Typist {
    until: Instant,
    /// When other servers were told.
    told: Instant,
}

impl Typing {
    pub fn new(context: Arc<Context>, others: Arc<OtherServers>) -> Self {
        let notifier = context.notifier.clone();
        Self { context, others, rooms: Arc::new(Rooms { notifier, inner: Mutex::default() }) }
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
        let (context, others) = (self.context.clone(), self.others.clone());
        let (id, user) = (room_id.to_owned(), caller.user_nid);
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &id, user)?;
            if !access.is_joined() {
                return Err(Error::forbidden("You are not in this room"));
            }
            let room = access.info.nid;
            Ok((room, others.in_room(&context, conn, room)?))
        });
        let (room, servers) = read.await?;
        let until = timeout.map(|timeout| Instant::now() + timeout.min(LONGEST));
        if self.rooms.set(room, caller.user_id.clone(), until) {
            tell(&self.others, &servers, room_id, &caller.user_id, until.is_some());
        }
        if let Some(until) = until {
            let (rooms, others) = (Arc::downgrade(&self.rooms), self.others.clone());
            let (room_id, user_id) = (room_id.to_owned(), caller.user_id.clone());
            tokio::spawn(async move {
                sleep_until(until).await;
                if rooms.upgrade().is_some_and(|rooms| rooms.expire(room, &user_id)) {
                    tell(&others, &servers, &room_id, &user_id, false);
                }
            });
        }
        Ok(())
    }
}

fn tell(
    others: &OtherServers,
    servers: &[OwnedServerName],
    room_id: &RoomId,
    user_id: &UserId,
    typing: bool,
) {
    let content = json!({ "room_id": room_id, "user_id": user_id, "typing": typing });
    let edu = json!({ "edu_type": "m.typing", "content": content });
    others.tell(servers, &format!("typing {room_id} {user_id}"), &edu);
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

    /// A user of another server types, or no longer.
    pub fn heard(self: &Arc<Self>, room: RoomNid, user: OwnedUserId, typing: bool) {
        let until = typing.then(|| Instant::now() + LONGEST_ELSEWHERE);
        self.set(room, user.clone(), until);
        if let Some(until) = until {
            let rooms = Arc::downgrade(self);
            tokio::spawn(async move {
                sleep_until(until).await;
                if let Some(rooms) = rooms.upgrade() {
                    rooms.expire(room, &user);
                }
            });
        }
    }

    /// Answers whether other servers are to be told.
    fn set(&self, nid: RoomNid, user: OwnedUserId, until: Option<Instant>) -> bool {
        let mut inner = self.inner.lock();
        if inner.len() >= ROOMS_MAX {
            inner.retain(|_, room| !room.users.is_empty());
        }
        let room =
            inner.entry(nid).or_insert_with(|| Room { users: BTreeMap::new(), changed: Serial(0) });
        let (now, known) = (Instant::now(), room.users.get(&user).copied());
        let due = known.is_none_or(|known| now - known.told >= TELL_EVERY);
        match until {
            Some(until) => {
                let told = known.filter(|_| !due).map_or(now, |known| known.told);
                room.users.insert(user, Typist { until, told });
            }
            None => drop(room.users.remove(&user)),
        }
        let changes = known.is_some() != until.is_some();
        if changes {
            room.changed = self.notifier.stir([Subject::Room(nid)]);
        }
        changes || (due && until.is_some())
    }

    /// Answers whether the user has stopped because it is time.
    fn expire(&self, nid: RoomNid, user: &UserId) -> bool {
        let mut inner = self.inner.lock();
        let Some(room) = inner.get_mut(&nid) else { return false };
        let stops = room.users.get(user).is_some_and(|typist| typist.until <= Instant::now());
        if stops {
            room.users.remove(user);
            room.changed = self.notifier.stir([Subject::Room(nid)]);
        }
        stops
    }
}
