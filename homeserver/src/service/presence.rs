//! Who is online (client-server API, "Presence"): in memory only.
//!
//! ```text
//!                    sync, PUT online                  no activity for IDLE_AFTER
//!   offline ──────────────────────────────► online ──────────────────────────────► unavailable
//!      ▲                                       │   ◄── a message, PUT online ──┘         │
//!      └───────────── no sync for OFFLINE_AFTER ┴─────────────────────────────────────────┘
//! ```
//!
//! Each device goes its way, and the one that is most there counts ([`devices`]).
//!
//! Changes are told in steps ([`Presence::tell`]), to the rooms that are not too large: somebody who comes and goes
//! must not wake thousands each time. The other servers in these rooms are told of our users, and tell of theirs;
//! of those nothing is known once their server has been silent for long.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use ruma::{
    OwnedDeviceId, OwnedServerName, OwnedUserId, UserId,
    api::federation::transactions::edu::PresenceUpdate, presence::PresenceState,
};
use serde_json::{Map, Value, json};

use self::devices::Devices;
use super::{
    notifier::{Serial, Subject},
    remote::others::OtherServers,
    sessions::Session,
    timeline::Context,
    user_rooms::Memberships,
};
use crate::{
    error::{Error, Result},
    storage::{Conn, Position, RoomNid, UserNid, current_position, members},
};

mod devices;

/// Milliseconds without a sync after which a user is offline.
const OFFLINE_AFTER: i64 = 30_000;
/// Milliseconds without a message or a change of presence after which a user is idle.
const IDLE_AFTER: i64 = 5 * 60_000;
/// Milliseconds for which somebody counts as active after they were.
const ACTIVE_FOR: i64 = 60_000;
/// Milliseconds after which a user of another server is offline that it says nothing of.
const SILENT_AFTER: i64 = 30 * 60_000;
/// Milliseconds after which other servers are told again of a user who is there.
const TELL_EVERY: i64 = 25 * 60_000;
/// How many users of other servers are known; those who are offline are forgotten first.
const ELSEWHERE_MAX: usize = 100_000;
/// Rooms with more members are not told.
const MEMBERS_MAX: i64 = 200;
const STATUS_LENGTH: usize = 1_000;

pub struct Presence {
    context: Arc<Context>,
    others: Arc<OtherServers>,
    enabled: bool,
    board: Arc<Board>,
}

/// What is known of everybody.
#[derive(Default)]
pub struct Board(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    users: BTreeMap<UserNid, User>,
    /// Whose change is yet to be told.
    changed: HashSet<UserNid>,
}

struct User {
    user_id: OwnedUserId,
    state: PresenceState,
    status: Option<String>,
    last_active: i64,
    /// Of one of our users: their devices, which make up the state.
    devices: Devices,
    /// Of a user of another server: when it told of them last.
    last_sync: i64,
    elsewhere: bool,
    /// When others were told.
    told_at: i64,
    /// The rooms that were told, as of when, and the serial of that.
    rooms: Arc<HashSet<RoomNid>>,
    rooms_at: Position,
    told: Serial,
}

/// What others are told of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub user_id: OwnedUserId,
    pub state: PresenceState,
    pub status: Option<String>,
    pub last_active_ago: Option<i64>,
    pub currently_active: Option<bool>,
}

/// A sync that is running: while there is one its user is not offline.
pub struct Syncing {
    board: Arc<Board>,
    context: Arc<Context>,
    user: UserNid,
    device: OwnedDeviceId,
}

impl Presence {
    pub fn new(context: Arc<Context>, others: Arc<OtherServers>, enabled: bool) -> Self {
        Self { context, others, enabled, board: Arc::default() }
    }

    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// What a user who shares a room with the caller, or is the caller, does.
    pub async fn get(&self, caller: &Session, user_id: &UserId) -> Result<Shown> {
        self.check_enabled()?;
        let (context, own) = (self.context.clone(), caller.user_nid);
        let name = user_id.to_owned();
        let read = self.context.store.read(move |conn| {
            let Some(user) = context.store.users().find(conn, &*name)? else { return Ok(None) };
            let elsewhere = name.server_name() != context.server_name;
            let shares = user == own || share_room(&context, conn, own, (user, elsewhere))?;
            Ok(shares.then_some(user))
        });
        let user = read.await?;
        let user = user.ok_or_else(|| Error::forbidden("You share no room with this user"))?;
        let offline = Shown {
            user_id: user_id.to_owned(),
            state: PresenceState::Offline,
            status: None,
            last_active_ago: None,
            currently_active: None,
        };
        let now = self.context.clock.now_ms();
        let inner = self.board.0.lock();
        Ok(inner.users.get(&user).map_or(offline, |user| user.shown(now)))
    }

    /// The caller says what they do.
    pub fn set(
        &self,
        caller: &Session,
        state: PresenceState,
        status: Option<String>,
    ) -> Result<()> {
        self.check_enabled()?;
        let is_known = matches!(
            state,
            PresenceState::Online | PresenceState::Unavailable | PresenceState::Offline
        );
        if !is_known || status.as_ref().is_some_and(|status| status.len() > STATUS_LENGTH) {
            return Err(Error::invalid_param("The presence or its message is not valid"));
        }
        let now = self.context.clock.now_ms();
        let mut inner = self.board.0.lock();
        let user = inner.user(caller, now);
        if state == PresenceState::Online {
            user.last_active = now;
        }
        let before = user.state.clone();
        user.devices.say(&caller.device_id, state, now);
        user.state = user.devices.state();
        let changes = user.state != before || user.status != status;
        user.status = status;
        if changes {
            inner.changed.insert(caller.user_nid);
        }
        Ok(())
    }

    /// The caller did something that a person does.
    pub fn active(&self, caller: &Session) {
        if !self.enabled {
            return;
        }
        let now = self.context.clock.now_ms();
        let rooms_at = self.rooms_at(caller);
        let mut inner = self.board.0.lock();
        let user = inner.user(caller, now);
        if !user.devices.act(&caller.device_id, now) {
            return;
        }
        user.last_active = now;
        let moved = rooms_at.is_some_and(|at| at > user.rooms_at);
        if user.state != PresenceState::Online || moved {
            user.state = PresenceState::Online;
            inner.changed.insert(caller.user_nid);
        }
    }

    /// The caller came into a room: if they are there, that is told in it.
    pub fn moved(&self, caller: &Session) {
        if !self.enabled {
            return;
        }
        let rooms_at = self.rooms_at(caller);
        let mut inner = self.board.0.lock();
        let Some(user) = inner.users.get(&caller.user_nid) else { return };
        let moved = rooms_at.is_some_and(|at| at > user.rooms_at);
        if moved && user.state != PresenceState::Offline {
            inner.changed.insert(caller.user_nid);
        }
    }

    /// As of when the caller's rooms are known.
    fn rooms_at(&self, caller: &Session) -> Option<Position> {
        self.context.user_rooms.cached(caller.user_nid).map(|rooms| rooms.at)
    }

    /// The caller syncs, and says what that makes of them. `None`: nothing.
    pub fn sync(&self, caller: &Session, state: &PresenceState) -> Option<Syncing> {
        if !self.enabled || !matches!(state, PresenceState::Online | PresenceState::Unavailable) {
            return None;
        }
        let now = self.context.clock.now_ms();
        let rooms_at = self.rooms_at(caller);
        let mut inner = self.board.0.lock();
        let user = inner.user(caller, now);
        let before = user.state.clone();
        if before == PresenceState::Offline {
            user.last_active = now;
        }
        user.devices.begin(&caller.device_id, state, now);
        user.state = user.devices.state();
        // Who came into a room since is told there.
        let moved = rooms_at.is_some_and(|at| at > user.rooms_at);
        if user.state != before || moved {
            inner.changed.insert(caller.user_nid);
        }
        let (board, context) = (self.board.clone(), self.context.clone());
        let device = caller.device_id.clone();
        Some(Syncing { board, context, user: caller.user_nid, device })
    }

    /// Lets time pass, and tells what changed since the last call. Costs no query when nothing did.
    pub async fn tell(&self) -> Result<()> {
        let changed = {
            let now = self.context.clock.now_ms();
            let mut inner = self.board.0.lock();
            inner.let_time_pass(now);
            let changed = std::mem::take(&mut inner.changed);
            let is_elsewhere = |nid| inner.users.get(&nid).is_some_and(|user| user.elsewhere);
            changed.into_iter().map(|nid| (nid, is_elsewhere(nid))).collect::<Vec<_>>()
        };
        if changed.is_empty() {
            return Ok(());
        }
        let (context, others) = (self.context.clone(), self.others.clone());
        let read = self.context.store.read(move |conn| {
            let mut told = Vec::new();
            for (user, elsewhere) in changed {
                let (rooms, at) = rooms(&context, conn, user, elsewhere)?;
                let mut servers = HashSet::new();
                if !elsewhere {
                    for room in &rooms {
                        servers.extend(others.in_room(&context, conn, *room)?.iter().cloned());
                    }
                }
                told.push((user, (rooms, at), servers));
            }
            Ok(told)
        });
        let told = read.await?;
        let now = self.context.clock.now_ms();
        let mut inner = self.board.0.lock();
        let subjects = told.iter().flat_map(|(user, (rooms, _), _)| {
            rooms.iter().map(|room| Subject::Room(*room)).chain([Subject::User(*user)])
        });
        // Nobody looks before the serials are set: they are behind the same lock.
        let serial = self.context.notifier.stir(subjects);
        for (user, (rooms, at), servers) in told {
            if let Some(user) = inner.users.get_mut(&user) {
                (user.rooms, user.rooms_at, user.told) = (Arc::new(rooms), at, serial);
                user.told_at = now;
                let servers: Vec<OwnedServerName> = servers.into_iter().collect();
                let subject = format!("presence {}", user.user_id);
                self.others.tell(&servers, &subject, &user.edu(now));
            }
        }
        Ok(())
    }

    /// Another server tells of its users, each with a room in common.
    pub(super) async fn heard(&self, updates: Vec<PresenceUpdate>) -> Result<()> {
        if !self.enabled || updates.is_empty() {
            return Ok(());
        }
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let mut known = Vec::new();
            for update in updates {
                let user = context.store.users().find(conn, &*update.user_id)?;
                let Some(user) = user else { continue };
                if memberships(&context, conn, user, true)?.joined().next().is_some() {
                    known.push((user, update));
                }
            }
            Ok(known)
        });
        let known = read.await?;
        let now = self.context.clock.now_ms();
        let mut inner = self.board.0.lock();
        for (user, update) in known {
            inner.heard(user, update, now);
        }
        Ok(())
    }

    fn check_enabled(&self) -> Result<()> {
        if self.enabled {
            return Ok(());
        }
        Err(Error::forbidden("Presence is switched off on this server"))
    }
}

impl Board {
    /// Users who were told after `since` in one of `rooms`, and `own`; without `since` all who are not offline.
    /// Of rooms in `fresh` all are told.
    pub fn changed(
        &self,
        own: UserNid,
        rooms: &HashSet<RoomNid>,
        fresh: &HashSet<RoomNid>,
        since: Option<Serial>,
        now: i64,
    ) -> Vec<Shown> {
        let inner = self.0.lock();
        let is_news = |nid: UserNid, user: &User| {
            let shares = |rooms: &HashSet<RoomNid>| !rooms.is_disjoint(&user.rooms);
            let online = user.state != PresenceState::Offline && user.told != Serial(0);
            (since.map_or(online, |since| user.told > since) && (nid == own || shares(rooms)))
                || (online && shares(fresh))
        };
        let news = inner.users.iter().filter(|(nid, user)| is_news(**nid, user));
        news.map(|(_, user)| user.shown(now)).collect()
    }
}

impl Inner {
    fn user(&mut self, caller: &Session, now: i64) -> &mut User {
        let user_id = &caller.user_id;
        self.users.entry(caller.user_nid).or_insert_with(|| User::new(user_id.clone(), now, false))
    }

    fn heard(&mut self, nid: UserNid, update: PresenceUpdate, now: i64) {
        let Self { users, changed } = self;
        if users.len() >= ELSEWHERE_MAX {
            users.retain(|_, user| !user.elsewhere || user.state != PresenceState::Offline);
        }
        let PresenceUpdate { user_id, presence, status_msg, last_active_ago, .. } = update;
        let user = users.entry(nid).or_insert_with(|| User::new(user_id, now, true));
        user.last_active = now.saturating_sub(i64::from(last_active_ago));
        user.last_sync = now;
        let status = status_msg.filter(|status| status.len() <= STATUS_LENGTH);
        if user.state != presence || user.status != status {
            (user.state, user.status) = (presence, status);
            changed.insert(nid);
        }
    }

    fn let_time_pass(&mut self, now: i64) {
        let Self { users, changed } = self;
        for (nid, user) in users {
            let before = user.state.clone();
            if !user.elsewhere {
                user.devices.let_time_pass(now);
                user.state = user.devices.state();
                if user.state != PresenceState::Offline && now - user.told_at > TELL_EVERY {
                    changed.insert(*nid);
                }
            } else if now - user.last_sync > SILENT_AFTER {
                user.state = PresenceState::Offline;
            }
            if user.state != before {
                changed.insert(*nid);
            }
        }
    }
}

impl User {
    fn new(user_id: OwnedUserId, now: i64, elsewhere: bool) -> Self {
        Self {
            user_id,
            state: PresenceState::Offline,
            status: None,
            last_active: now,
            devices: Devices::default(),
            last_sync: now,
            elsewhere,
            told_at: now,
            rooms: Arc::default(),
            rooms_at: Position(0),
            told: Serial(0),
        }
    }

    /// What other servers are told.
    fn edu(&self, now: i64) -> Value {
        let shown = self.shown(now);
        let mut update = Map::new();
        update.insert("user_id".to_owned(), json!(shown.user_id));
        update.insert("presence".to_owned(), json!(shown.state));
        update.insert("last_active_ago".to_owned(), json!(shown.last_active_ago.unwrap_or(0)));
        let active = shown.currently_active.unwrap_or(false);
        update.insert("currently_active".to_owned(), json!(active));
        update.extend(shown.status.map(|status| ("status_msg".to_owned(), json!(status))));
        json!({ "edu_type": "m.presence", "content": { "push": [update] } })
    }

    fn shown(&self, now: i64) -> Shown {
        let ago = (now - self.last_active).max(0);
        let online = self.state == PresenceState::Online;
        Shown {
            user_id: self.user_id.clone(),
            state: self.state.clone(),
            status: self.status.clone(),
            last_active_ago: Some(ago),
            currently_active: online.then_some(ago < ACTIVE_FOR),
        }
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        let now = self.context.clock.now_ms();
        if let Some(user) = self.board.0.lock().users.get_mut(&self.user) {
            user.devices.end(&self.device, now);
        }
    }
}

/// The rooms where a user's presence is told, and as of when.
fn rooms(
    context: &Context,
    conn: &mut Conn,
    user: UserNid,
    elsewhere: bool,
) -> Result<(HashSet<RoomNid>, Position)> {
    let memberships = memberships(context, conn, user, elsewhere)?;
    let mut rooms = HashSet::new();
    for row in memberships.joined() {
        if members::has_at_most(conn, row.room_nid, MEMBERS_MAX)? {
            rooms.insert(row.room_nid);
        }
    }
    Ok((rooms, memberships.at))
}

/// Of users of other servers nobody is told when they come into a room, so they aren't kept in memory.
fn memberships(
    context: &Context,
    conn: &mut Conn,
    user: UserNid,
    elsewhere: bool,
) -> Result<Arc<Memberships>> {
    if !elsewhere {
        return context.user_rooms.get(conn, user);
    }
    Ok(Arc::new(Memberships { at: current_position(conn)?, rows: members::of_user(conn, user)? }))
}

fn share_room(
    context: &Context,
    conn: &mut Conn,
    one: UserNid,
    (other, elsewhere): (UserNid, bool),
) -> Result<bool> {
    let own = context.user_rooms.get(conn, one)?;
    let own: HashSet<RoomNid> = own.joined().map(|row| row.room_nid).collect();
    let others = memberships(context, conn, other, elsewhere)?;
    Ok(others.joined().any(|row| own.contains(&row.room_nid)))
}

#[cfg(test)]
mod tests {
    use ruma::device_id;

    use super::*;

    fn user(now: i64) -> User {
        let mut devices = Devices::default();
        devices.begin(device_id!("A"), &PresenceState::Online, now);
        User {
            state: PresenceState::Online,
            devices,
            rooms: Arc::new(HashSet::from([RoomNid(1)])),
            told: Serial(5),
            ..User::new(ruma::user_id!("@a:x").to_owned(), now, false)
        }
    }

    #[test]
    fn who_does_nothing_is_idle_and_who_does_not_sync_is_offline() {
        let board = Board::default();
        let state = |now| {
            let mut inner = board.0.lock();
            inner.let_time_pass(now);
            inner.users[&UserNid(1)].state.clone()
        };
        board.0.lock().users.insert(UserNid(1), user(0));
        assert_eq!(state(IDLE_AFTER), PresenceState::Online);
        assert!(board.0.lock().changed.is_empty());
        assert_eq!(state(IDLE_AFTER + 1), PresenceState::Unavailable);
        assert!(board.0.lock().changed.remove(&UserNid(1)));
        let (now, mut inner) = (IDLE_AFTER + 2, board.0.lock());
        inner.users.get_mut(&UserNid(1)).unwrap().devices.end(device_id!("A"), now);
        drop(inner);
        assert_eq!(state(now + OFFLINE_AFTER), PresenceState::Unavailable);
        assert_eq!(state(now + OFFLINE_AFTER + 1), PresenceState::Offline);
        assert!(board.0.lock().changed.contains(&UserNid(1)));
    }

    #[test]
    fn only_those_who_share_a_room_are_told() {
        let board = Board::default();
        board.0.lock().users.insert(UserNid(1), user(0));
        let told = |rooms: &[i64], fresh: &[i64], since| {
            let set = |rooms: &[i64]| rooms.iter().map(|&room| RoomNid(room)).collect();
            let shown = board.changed(UserNid(2), &set(rooms), &set(fresh), since, 7);
            shown.len()
        };
        assert_eq!(told(&[1], &[], None), 1);
        assert_eq!(told(&[2], &[], None), 0);
        assert_eq!(told(&[1], &[], Some(Serial(4))), 1);
        assert_eq!(told(&[1], &[], Some(Serial(5))), 0);
        assert_eq!(told(&[1], &[1], Some(Serial(5))), 1, "new to the room");
    }
}
