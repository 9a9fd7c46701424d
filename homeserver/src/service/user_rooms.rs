//! Which rooms a user of this server is in, in memory, bounded.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::notifier::{Notifier, Subject};
use crate::{
    error::Result,
    storage::{
        Conn, Position, UserNid, current_position,
        members::{self, MembershipRow},
    },
};

/// A user's memberships at a position.
#[derive(Debug)]
pub struct Memberships {
    pub at: Position,
    pub rows: Vec<MembershipRow>,
}

impl Memberships {
    /// The rooms that the user is joined to.
    pub fn joined(&self) -> impl Iterator<Item = &MembershipRow> {
        self.rows.iter().filter(|row| row.membership == "join")
    }
}

pub struct UserRooms {
    cache: Cache<UserNid, Arc<Memberships>>,
    notifier: Arc<Notifier>,
}

impl UserRooms {
    pub fn new(capacity: usize, notifier: Arc<Notifier>) -> Self {
        Self { cache: Cache::new(capacity), notifier }
    }

    /// A user's memberships as of the snapshot of `conn`, or later.
    pub fn get(&self, conn: &mut Conn, user: UserNid) -> Result<Arc<Memberships>> {
        if let Some(memberships) = self.cached(user) {
            return Ok(memberships);
        }
        let at = current_position(conn)?;
        let memberships = Arc::new(Memberships { at, rows: members::of_user(conn, user)? });
        self.cache.insert(user, memberships.clone());
        Ok(memberships)
    }

    /// A user's memberships at `now`, the position of the snapshot of `conn`.
    pub fn at(&self, conn: &mut Conn, user: UserNid, now: Position) -> Result<Arc<Memberships>> {
        let memberships = self.get(conn, user)?;
        if memberships.at <= now {
            return Ok(memberships);
        }
        Ok(Arc::new(Memberships { at: now, rows: members::of_user(conn, user)? }))
    }

    /// A user's memberships, if they are in memory and nothing of them has changed since.
    pub fn cached(&self, user: UserNid) -> Option<Arc<Memberships>> {
        let memberships = self.cache.get(&user)?;
        (self.notifier.last_change(Subject::User(user)) <= memberships.at).then_some(memberships)
    }

    /// A membership of the user changed.
    pub fn forget(&self, user: UserNid) {
        self.cache.remove(&user);
    }
}
