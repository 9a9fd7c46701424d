//! States in memory, bounded. They never change, so they are never stale.

use std::sync::{Arc, Weak};

use quick_cache::{Weighter, sync::Cache};

use crate::{
    error::Result,
    storage::{
        Conn, StateNid,
        state::{self, Snapshot, State},
    },
};

pub struct States {
    cache: Cache<StateNid, State, Weight>,
    /// Snapshots that some state in memory stands on, to be shared.
    snapshots: Cache<StateNid, Weak<Snapshot>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<StateNid, State> for Weight {
    fn weight(&self, _: &StateNid, state: &State) -> u64 {
        state.weight() as u64
    }
}

impl States {
    /// `max_bytes` bounds the memory of the states held.
    pub fn new(max_bytes: u64) -> Self {
        let items = (max_bytes / 1_024).max(64) as usize;
        Self { cache: Cache::with_weighter(items, max_bytes, Weight), snapshots: Cache::new(items) }
    }

    pub fn get(&self, conn: &mut Conn, nid: StateNid) -> Result<State> {
        if let Some(state) = self.cache.get(&nid) {
            return Ok(state);
        }
        let state = state::load(conn, nid, |base| self.snapshots.get(&base)?.upgrade())?;
        self.insert(state.clone());
        Ok(state)
    }

    /// Holds a state that was just committed.
    pub fn insert(&self, state: State) {
        let base = state.base();
        self.snapshots.insert(base.nid(), Arc::downgrade(base));
        self.cache.insert(state.nid(), state);
    }
}
