//! What a device is told of its own keys: how many one-time keys are left, and which fallback keys are unused. In
//! memory, bounded; read again when something of it changed.

use std::{collections::BTreeMap, sync::Arc};

use quick_cache::sync::Cache;
use ruma::{OneTimeKeyAlgorithm, OwnedDeviceId, UInt};

use crate::{
    error::Result,
    service::{notifier::Subject, sessions::Session, timeline::Context},
    storage::{Conn, Position, UserNid, current_position, one_time_keys},
};

const DEVICES: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    at: Position,
    pub one_time: BTreeMap<OneTimeKeyAlgorithm, UInt>,
    pub unused_fallback: Vec<OneTimeKeyAlgorithm>,
}

impl Counts {
    /// As of the snapshot of `conn`.
    pub fn read(conn: &mut Conn, user: UserNid, device_id: &str) -> Result<Self> {
        let at = current_position(conn)?;
        let fallbacks = one_time_keys::fallbacks(conn, user, device_id)?;
        let unused = fallbacks.into_iter().filter(|(_, used)| !used);
        Ok(Self {
            at,
            one_time: one_time(conn, user, device_id)?,
            unused_fallback: unused.map(|(algorithm, _)| algorithm.into()).collect(),
        })
    }
}

pub struct KeyCounts {
    cache: Cache<(UserNid, OwnedDeviceId), Arc<Counts>>,
}

impl Default for KeyCounts {
    fn default() -> Self {
        Self { cache: Cache::new(DEVICES) }
    }
}

impl KeyCounts {
    /// As of the snapshot of `conn`, or later.
    pub fn get(&self, context: &Context, conn: &mut Conn, caller: &Session) -> Result<Arc<Counts>> {
        if let Some(counts) = self.cached(context, caller) {
            return Ok(counts);
        }
        let (user, device_id) = (caller.user_nid, caller.device_id.clone());
        let counts = Arc::new(Counts::read(conn, user, device_id.as_str())?);
        self.cache.insert((user, device_id), counts.clone());
        Ok(counts)
    }

    /// If they are in memory and nothing changed since.
    pub fn cached(&self, context: &Context, caller: &Session) -> Option<Arc<Counts>> {
        let counts = self.cache.get(&(caller.user_nid, caller.device_id.clone()))?;
        let subject = Subject::device(caller.user_nid, caller.device_id.as_str());
        (context.notifier.last_change(subject) <= counts.at).then_some(counts)
    }
}

/// How many one-time keys a device has left of each algorithm. That of Olm is always told: clients wait for it.
pub(super) fn one_time(
    conn: &mut Conn,
    user: UserNid,
    device_id: &str,
) -> Result<BTreeMap<OneTimeKeyAlgorithm, UInt>> {
    let mut counts = BTreeMap::from([(OneTimeKeyAlgorithm::SignedCurve25519, UInt::MIN)]);
    for (algorithm, count) in one_time_keys::counts(conn, user, device_id)? {
        counts.insert(algorithm.into(), UInt::try_from(count).unwrap_or_default());
    }
    Ok(counts)
}
