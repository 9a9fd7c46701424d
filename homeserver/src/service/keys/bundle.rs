//! All that a session with a user's devices is begun with, in one answer (`docs/protocol.md`, section 11): their keys
//! as `keys/query` tells them, and of each device a one-time key as `keys/claim` hands it out.
//!
//! A client that lost an answer asks again: for a minute the same device is given the same keys, unless it says that
//! it has used them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quick_cache::{Weighter, sync::Cache};
use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedOneTimeKeyId, OwnedUserId,
    encryption::{CrossSigningKey, DeviceKeys, OneTimeKey},
    serde::Raw,
};
use serde::Serialize;

use super::{Failures, Keys, claim::Claim, query::Wanted};
use crate::{
    error::{Error, Result},
    service::{remote::locks::Locks, sessions::Session},
    storage::UserNid,
};

/// The one-time keys of our own protocol.
pub const ALGORITHM: &str = "org.sealpost.pqxdh.v1";
/// For how long the same answer is given, in milliseconds.
const SAME_FOR: i64 = 60_000;
/// The most bytes of answers that are remembered.
const REMEMBERED: u64 = 16 * 1024 * 1024;
const NAME_LENGTH: usize = 255;

/// Which keys are wanted.
pub struct Request {
    pub user_id: OwnedUserId,
    /// All of the user's, if none is named.
    pub devices: Vec<OwnedDeviceId>,
    pub algorithm: OneTimeKeyAlgorithm,
    pub reuse: Reuse,
    pub patience: Option<Duration>,
}

/// Whether what was claimed for the caller just now is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    Allowed,
    Refused,
}

#[derive(Debug, Serialize)]
pub struct Bundle {
    pub user_id: OwnedUserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_key: Option<Raw<CrossSigningKey>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_signing_key: Option<Raw<CrossSigningKey>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_signing_key: Option<Raw<CrossSigningKey>>,
    pub devices: BTreeMap<OwnedDeviceId, OfDevice>,
    pub failures: Failures,
}

#[derive(Debug, Serialize)]
pub struct OfDevice {
    pub device_keys: Raw<DeviceKeys>,
    /// One; none, when there is none.
    pub one_time_keys: BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>,
}

/// What was claimed, for whom, of whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    caller: (UserNid, OwnedDeviceId),
    user_id: OwnedUserId,
    device_id: OwnedDeviceId,
    algorithm: String,
}

/// The key with its name, and when it was claimed.
type Answered = Arc<(i64, BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>)>;

/// What was answered lately.
pub(super) struct Bundles {
    answered: Cache<Key, Answered, Weight>,
    /// A device's requests for the keys of one user, one at a time: of two at once the second is given what the
    /// first was. They may wait for that user's server.
    asking: Locks<(UserNid, OwnedDeviceId, OwnedUserId)>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Answered> for Weight {
    fn weight(&self, key: &Key, answered: &Answered) -> u64 {
        let names = key.user_id.as_str().len() + key.device_id.as_str().len();
        let keys: usize = answered.1.values().map(|object| object.json().get().len()).sum();
        (names + keys + 300) as u64
    }
}

impl Default for Bundles {
    fn default() -> Self {
        let answered = Cache::with_weighter(8_192, REMEMBERED, Weight);
        Self { answered, asking: Locks::default() }
    }
}

impl Keys {
    /// The keys of a user of any server, with a one-time key of each device but the caller's own.
    pub async fn bundle(&self, caller: &Session, request: Request) -> Result<Bundle> {
        let Request { user_id, devices, algorithm, reuse, patience } = request;
        if algorithm.as_str().len() > NAME_LENGTH {
            return Err(Error::invalid_param("The name of the algorithm is too long"));
        }
        let asker = (caller.user_nid, caller.device_id.clone());
        let turn = (caller.user_nid, caller.device_id.clone(), user_id.clone());
        let _turn = self.bundles.asking.lock(&turn).await;
        let wanted = Wanted::from([(user_id.clone(), devices)]);
        let (mut queried, mut failures) = self.query(caller, wanted, patience).await?;
        let mut devices: BTreeMap<OwnedDeviceId, OfDevice> = queried
            .device_keys
            .remove(&user_id)
            .unwrap_or_default()
            .into_iter()
            .map(|(id, device_keys)| (id, OfDevice { device_keys, one_time_keys: BTreeMap::new() }))
            .collect();
        let now = self.context.clock.now_ms();
        let key = |device_id: &OwnedDeviceId| Key {
            caller: asker.clone(),
            user_id: user_id.clone(),
            device_id: device_id.clone(),
            algorithm: algorithm.to_string(),
        };
        let mut claims = Claim::new();
        for (device_id, device) in &mut devices {
            if user_id == caller.user_id && *device_id == caller.device_id {
                continue;
            }
            let answered = self.bundles.answered.get(&key(device_id));
            match answered.filter(|it| reuse == Reuse::Allowed && now - it.0 < SAME_FOR) {
                Some(answered) => device.one_time_keys = answered.1.clone(),
                None => {
                    let of_user = claims.entry(user_id.clone()).or_default();
                    of_user.insert(device_id.clone(), algorithm.clone());
                }
            }
        }
        if !claims.is_empty() {
            let (mut claimed, failed) = self.claim(caller, claims, patience).await?;
            failures.extend(failed);
            for (device_id, keys) in claimed.remove(&user_id).unwrap_or_default() {
                let Some(device) = devices.get_mut(&device_id) else { continue };
                let answered = Arc::new((now, keys.clone()));
                self.bundles.answered.insert(key(&device_id), answered);
                device.one_time_keys = keys;
            }
        }
        Ok(Bundle {
            master_key: queried.master_keys.remove(&user_id),
            self_signing_key: queried.self_signing_keys.remove(&user_id),
            user_signing_key: queried.user_signing_keys.remove(&user_id),
            user_id,
            devices,
            failures,
        })
    }
}
