//! Who is online (client-server API, "Presence"): in memory only.
//!
//! ```text
//!              sync, PUT online, a message             no activity for IDLE_AFTER
//!   offline ──────────────────────────────► online ──────────────────────────────► unavailable
//!      ▲                                       │   ◄── a message, PUT online ──┘         │
//!      └───────────── no sync for OFFLINE_AFTER ┴─────────────────────────────────────────┘
//! ```
//!
//! Changes are told in steps ([`Presence::tell`]), to the rooms that are not too large: somebody who comes and goes
//! must not wake thousands each time.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use ruma::{OwnedUserId, UserId, presence::PresenceState};

use super::{
    notifier::{Serial, Subject},
    sessions::Session,
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    storage::{Conn, Position, RoomNid, UserNid, members},
};

/// Milliseconds without a sync after which a user is offline.
const OFFLINE_AFTER: i64 = 30_000;
/// Milliseconds without a message or a change of presence after which a user is idle.
const IDLE_AFTER: i64 = 5 * 60_000;
/// Milliseconds for which somebody counts as active after they were.
const ACTIVE_FOR: i64 = 60_000;
/// Rooms with more members are not told.
const MEMBERS_MAX: i64 = 200;
const STATUS_LENGTH: usize = 1_000;

pub struct Presence {
    context: Arc<Context>,
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
    /// How many syncs are running, and when the last one ended.
    syncing: usize,
    last_sync: i64,
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
}

impl Presence {
    pub fn new(context: Arc<Context>, enabled: bool) -> Self {
        Self { context, enabled, board: Arc::default() }
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
            let shares = user == own || share_room(&context, conn, own, user)?;
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
        // Who says so need not sync to be there for a while.
        user.last_sync = now;
        let changes = user.state != state || user.status != status;
        (user.state, user.status) = (state, status);
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
        user.last_active = now;
        user.last_sync = now;
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
        user.syncing += 1;
        let before = user.state.clone();
        if user.state == PresenceState::Offline {
            user.state = state.clone();
            user.last_active = now;
        } else if *state == PresenceState::Unavailable {
            user.state = state.clone();
        }
        // Who came into a room since is told there.
        let moved = rooms_at.is_some_and(|at| at > user.rooms_at);
        if user.state != before || moved {
            inner.changed.insert(caller.user_nid);
        }
        let (board, context) = (self.board.clone(), self.context.clone());
        Some(Syncing { board, context, user: caller.user_nid })
    }

    /// Lets time pass, and tells what changed since the last call. Costs no query when nothing did.
    pub async fn tell(&self) -> Result<()> {
        let changed = {
            let now = self.context.clock.now_ms();
            let mut inner = self.board.0.lock();
            inner.let_time_pass(now);
            std::mem::take(&mut inner.changed)
        };
        if changed.is_empty() {
            return Ok(());
        }
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let rooms = |user| Ok((user, rooms(&context, conn, user)?));
            changed.into_iter().map(rooms).collect::<Result<Vec<_>>>()
        });
        let told = read.await?;
        let mut inner = self.board.0.lock();
        let subjects = told.iter().flat_map(|(user, (rooms, _))| {
            rooms.iter().map(|room| Subject::Room(*room)).chain([Subject::User(*user)])
        });
        // Nobody looks before the serials are set: they are behind the same lock.
        let serial = self.context.notifier.stir(subjects);
        for (user, (rooms, at)) in told {
            if let Some(user) = inner.users.get_mut(&user) {
                (user.rooms, user.rooms_at, user.told) = (Arc::new(rooms), at, serial);
            }
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
        self.users.entry(caller.user_nid).or_insert_with(|| User {
            user_id: caller.user_id.clone(),
            state: PresenceState::Offline,
            status: None,
            last_active: now,
            syncing: 0,
            last_sync: now,
            rooms: Arc::default(),
            rooms_at: Position(0),
            told: Serial(0),
        })
    }

    fn let_time_pass(&mut self, now: i64) {
        let Self { users, changed } = self;
        for (nid, user) in users {
            let before = user.state.clone();
            if user.syncing == 0 && now - user.last_sync > OFFLINE_AFTER {
                user.state = PresenceState::Offline;
            } else if user.state == PresenceState::Online && now - user.last_active > IDLE_AFTER {
                user.state = PresenceState::Unavailable;
            }
            if user.state != before {
                changed.insert(*nid);
            }
        }
    }
}

impl User {
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
            user.syncing = user.syncing.saturating_sub(1);
            user.last_sync = now;
        }
    }
}

/// The rooms where a user's presence is told, and as of when.
fn rooms(
    context: &Context,
    conn: &mut Conn,
    user: UserNid,
) -> Result<(HashSet<RoomNid>, Position)> {
    let memberships = context.user_rooms.get(conn, user)?;
    let mut rooms = HashSet::new();
    for row in memberships.joined() {
        if members::has_at_most(conn, row.room_nid, MEMBERS_MAX)? {
            rooms.insert(row.room_nid);
        }
    }
    Ok((rooms, memberships.at))
}

fn share_room(context: &Context, conn: &mut Conn, one: UserNid, other: UserNid) -> Result<bool> {
    let own = context.user_rooms.get(conn, one)?;
    let own: HashSet<RoomNid> = own.joined().map(|row| row.room_nid).collect();
    let others = context.user_rooms.get(conn, other)?;
    Ok(others.joined().any(|row| own.contains(&row.room_nid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(now: i64) -> User {
        User {
            user_id: ruma::user_id!("@a:x").to_owned(),
            state: PresenceState::Online,
            status: None,
            last_active: now,
            syncing: 1,
            last_sync: now,
            rooms: Arc::new(HashSet::from([RoomNid(1)])),
            rooms_at: Position(0),
            told: Serial(5),
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
        board.0.lock().users.get_mut(&UserNid(1)).unwrap().syncing = 0;
        assert_eq!(state(IDLE_AFTER + 2), PresenceState::Offline);
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
