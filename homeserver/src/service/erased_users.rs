//! Users of this server who had what they sent erased: it is shown to those alone who were in the room when it was
//! sent ([decision 42](../../../docs/decisions/0042-what-erasing-an-account-hides.md)). All of them are in memory,
//! eight bytes each.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::RwLock;

use crate::storage::UserNid;

#[derive(Default)]
pub struct ErasedUsers {
    users: RwLock<HashSet<UserNid>>,
    any: AtomicBool,
}

impl ErasedUsers {
    pub fn new(users: Vec<UserNid>) -> Self {
        let any = AtomicBool::new(!users.is_empty());
        Self { users: RwLock::new(users.into_iter().collect()), any }
    }

    /// Called after the commit that says so.
    pub fn add(&self, user: UserNid) {
        self.users.write().insert(user);
        self.any.store(true, Ordering::Release);
    }

    pub fn contains(&self, user: UserNid) -> bool {
        self.any.load(Ordering::Acquire) && self.users.read().contains(&user)
    }
}
