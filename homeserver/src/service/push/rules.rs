//! The rules of users: the server's default, with what a user changed. Who never changed any costs nothing.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use quick_cache::sync::Cache;
use ruma::{UserId, push::Ruleset};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    storage::{Conn, Position, UserNid, current_position, push_rules},
};

pub struct PushRules {
    cache: Cache<UserNid, (Position, Arc<Ruleset>)>,
    /// Users who ever changed their rules, and when they last did; `None` before they were read.
    changed: RwLock<Changed>,
}

#[derive(Default)]
struct Changed {
    users: Arc<HashMap<UserNid, Position>>,
    loaded: bool,
}

impl PushRules {
    pub fn new(capacity: usize) -> Self {
        Self { cache: Cache::new(capacity), changed: RwLock::default() }
    }

    /// All rules of a user.
    pub fn of_user(
        &self,
        conn: &mut Conn,
        user: UserNid,
        user_id: &UserId,
    ) -> Result<Arc<Ruleset>> {
        let last = self.changed.read().users.get(&user).copied();
        if let Some((at, rules)) = self.cache.get(&user)
            && last.is_none_or(|last| at >= last)
        {
            return Ok(rules);
        }
        let at = current_position(conn)?;
        let known = push_rules::get(conn, user)?.map(|(rules, _)| rules);
        let rules = Arc::new(from_difference(known.as_deref(), user_id)?);
        self.cache.insert(user, (at, rules.clone()));
        Ok(rules)
    }

    /// The users who ever changed their rules.
    pub fn changed_users(&self, conn: &mut Conn) -> Result<Arc<HashMap<UserNid, Position>>> {
        {
            let changed = self.changed.read();
            if changed.loaded {
                return Ok(changed.users.clone());
            }
        }
        let rows = push_rules::users(conn)?;
        let mut changed = self.changed.write();
        changed.loaded = true;
        let users = Arc::make_mut(&mut changed.users);
        for (user, position) in rows {
            let known = users.entry(user).or_insert(position);
            *known = (*known).max(position);
        }
        Ok(changed.users.clone())
    }

    /// A user's rules changed at a position that is committed.
    pub fn changed(&self, user: UserNid, position: Position) {
        let mut changed = self.changed.write();
        Arc::make_mut(&mut changed.users).insert(user, position);
    }
}

/// A user's rules, from what differs from the default.
pub(super) fn from_difference(difference: Option<&str>, user_id: &UserId) -> Result<Ruleset> {
    let default = Ruleset::server_default(user_id);
    let Some(difference) = difference else { return Ok(default) };
    let mut rules: Ruleset = serde_json::from_str(difference).map_err(broken)?;
    rules.update_with_server_default(default);
    Ok(rules)
}

/// What of a user's rules differs from the default, as JSON.
pub(super) fn to_difference(rules: &Ruleset, user_id: &UserId) -> Result<String> {
    let default = serde_json::to_value(Ruleset::server_default(user_id)).map_err(broken)?;
    let mut rules = serde_json::to_value(rules).map_err(broken)?;
    for (kind, list) in rules.as_object_mut().into_iter().flatten() {
        let same = |rule: &Value| {
            default.get(kind).and_then(Value::as_array).is_some_and(|rules| rules.contains(rule))
        };
        if let Some(list) = list.as_array_mut() {
            list.retain(|rule| !same(rule));
        }
    }
    Ok(rules.to_string())
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("push rules: {error}"))
}
