//! Who ignores whom (client-server API, "Ignoring Users"), in memory, bounded. Their messages and invites
//! are hidden; state events are not.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use quick_cache::sync::Cache;
use ruma::{OwnedUserId, UserId};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::event::Event;
use crate::{
    error::{Error, Result},
    storage::{Conn, Position, UserNid, current_position, ignored_users},
};

/// The account data that holds the list.
pub const TYPE: &str = "m.ignored_user_list";
/// Nobody ignores more users than this.
const LONGEST: usize = 10_000;

/// Whom a user ignores.
pub type Ignored = Arc<HashSet<OwnedUserId>>;

pub struct IgnoredUsers {
    of_user: Cache<UserNid, (Position, Ignored)>,
    who_ignore: Cache<OwnedUserId, (Position, Arc<[UserNid]>)>,
    /// What was read before is of no worth.
    changed: AtomicI64,
}

impl IgnoredUsers {
    pub fn new(capacity: usize) -> Self {
        Self {
            of_user: Cache::new(capacity),
            who_ignore: Cache::new(capacity),
            changed: AtomicI64::new(0),
        }
    }

    /// Whom a user ignores.
    pub fn of_user(&self, conn: &mut Conn, user: UserNid) -> Result<Ignored> {
        if let Some((at, ignored)) = self.of_user.get(&user)
            && self.is_fresh(at)
        {
            return Ok(ignored);
        }
        let at = current_position(conn)?;
        let names = ignored_users::of_user(conn, user)?;
        let names = names.into_iter().filter_map(|name| OwnedUserId::try_from(name).ok());
        let ignored: Ignored = Arc::new(names.collect());
        self.of_user.insert(user, (at, ignored.clone()));
        Ok(ignored)
    }

    /// Users of this server who ignore somebody.
    pub fn who_ignore(&self, conn: &mut Conn, ignored: &UserId) -> Result<Arc<[UserNid]>> {
        if let Some((at, users)) = self.who_ignore.get(ignored)
            && self.is_fresh(at)
        {
            return Ok(users);
        }
        let at = current_position(conn)?;
        let users: Arc<[UserNid]> = ignored_users::who_ignore(conn, ignored.as_str())?.into();
        self.who_ignore.insert(ignored.to_owned(), (at, users.clone()));
        Ok(users)
    }

    /// Somebody's list changed at a position that is committed.
    pub fn forget(&self, position: Position) {
        self.changed.fetch_max(position.0, Ordering::AcqRel);
    }

    fn is_fresh(&self, at: Position) -> bool {
        at.0 >= self.changed.load(Ordering::Acquire)
    }
}

/// Whether a user who ignores `ignored` is not shown an event.
pub fn hides(ignored: &HashSet<OwnedUserId>, event: &Event) -> bool {
    !ignored.is_empty() && !event.pdu.is_state() && ignored.contains(&event.pdu.sender)
}

/// The users that an `m.ignored_user_list` names.
pub(super) fn read(content: &RawValue) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Content {
        #[serde(default)]
        ignored_users: BTreeMap<String, IgnoredAny>,
    }
    let content: Content = serde_json::from_str(content.get())
        .map_err(|_| Error::bad_json("ignored_users is not a JSON object"))?;
    if content.ignored_users.len() > LONGEST {
        return Err(Error::bad_json("The list is too long"));
    }
    let is_user = |name: &String| !name.contains('\0') && UserId::parse(name).is_ok();
    Ok(content.ignored_users.into_keys().filter(is_user).collect())
}
