//! Handing out one-time keys: each once, in the order of their uploads, and a fallback key when there are none, or when
//! the caller has had its [share](shares) of the device's.

pub mod shares;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedOneTimeKeyId, OwnedUserId, encryption::OneTimeKey,
    serde::Raw,
};

use self::shares::Shares;
use super::is_text;
use crate::{
    error::{Error, Result},
    service::{notifier::Subject, timeline::Context},
    storage::{Tx, UserNid, one_time_keys},
};

/// Which algorithm's key is claimed of which device.
pub type Claim = BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, OneTimeKeyAlgorithm>>;

/// The keys by device.
pub type Claimed =
    BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>>>;

/// One device of which a key is claimed.
#[derive(Clone, Debug)]
pub struct One {
    user_id: OwnedUserId,
    device_id: OwnedDeviceId,
    algorithm: String,
    /// The caller has not had its share.
    may_take: bool,
}

impl One {
    /// Of what a caller has a share.
    fn share(&self) -> (&str, &str, &str) {
        (self.user_id.as_str(), self.device_id.as_str(), &self.algorithm)
    }
}

/// Whether a key is handed out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OneTime,
    Fallback,
}

/// What is handed out for a device: the key's id, the key, its kind.
type Taken = (One, (String, String), Kind);

/// So many devices are taken in one commit: nobody else should wait longer for the writer.
const AT_ONCE: usize = 500;

/// A request's devices, one by one.
pub fn list(claims: Claim) -> Vec<One> {
    let mut list = Vec::new();
    for (user_id, devices) in claims {
        for (device_id, algorithm) in devices {
            let (user_id, algorithm) = (user_id.clone(), algorithm.to_string());
            if is_text(user_id.as_str()) && is_text(device_id.as_str()) && is_text(&algorithm) {
                list.push(One { user_id, device_id, algorithm, may_take: true });
            }
        }
    }
    list
}

/// Takes keys of devices of this server, for a caller that has a share of each device's.
pub async fn local(
    context: &Arc<Context>,
    mut claims: Vec<One>,
    (shares, caller): (&Shares, &str),
) -> Result<Claimed> {
    let mut claimed = Claimed::new();
    let now = context.clock.now_ms();
    for claims in claims.chunks_mut(AT_ONCE) {
        for one in &mut *claims {
            one.may_take = shares.take(caller, one.share(), now);
        }
        let (asked, writing) = (claims.to_vec(), context.clone());
        let taken: Vec<Taken> =
            context.store.write(move |tx| take_all(&writing, tx, &asked)).await?;
        let had: HashSet<_> = taken
            .iter()
            .filter(|(.., kind)| *kind == Kind::OneTime)
            .map(|(one, ..)| one.share())
            .collect();
        let without = claims.iter().filter(|one| one.may_take && !had.contains(&one.share()));
        without.for_each(|one| shares.give_back(caller, one.share()));
        drop(had);
        for (One { user_id, device_id, algorithm, .. }, (key_id, json), _) in taken {
            let broken = |error: &dyn std::fmt::Display| {
                Error::internal(format!("a stored one-time key: {error}"))
            };
            let id = OwnedOneTimeKeyId::try_from(format!("{algorithm}:{key_id}"));
            let id = id.map_err(|error| broken(&error))?;
            let key = Raw::from_json_string(json).map_err(|error| broken(&error))?;
            let devices = claimed.entry(user_id).or_default();
            devices.insert(device_id, BTreeMap::from([(id, key)]));
        }
    }
    Ok(claimed)
}

/// Takes a key of each device that has one.
fn take_all(context: &Arc<Context>, tx: &mut Tx<'_>, claims: &[One]) -> Result<Vec<Taken>> {
    let (mut taken, mut subjects) = (Vec::with_capacity(claims.len()), Vec::new());
    for one in claims {
        let Some(user) = context.store.users().find(tx, &*one.user_id)? else { continue };
        if let Some((key, kind, changes)) = take(tx, user, one)? {
            if changes {
                subjects.push(Subject::device(user, one.device_id.as_str()));
            }
            taken.push((one.clone(), key, kind));
        }
    }
    if !subjects.is_empty() {
        let (position, context) = (tx.next_position()?, context.clone());
        tx.after_commit(move || context.notifier.advance(position, subjects));
    }
    Ok(taken)
}

/// Takes a key of a device, and tells whether that changes what the device is told of its keys.
fn take(
    tx: &mut Tx<'_>,
    user: UserNid,
    one: &One,
) -> Result<Option<(one_time_keys::Claimed, Kind, bool)>> {
    let device_id = one.device_id.as_str();
    if one.may_take
        && let Some(key) = one_time_keys::claim(tx, user, device_id, &one.algorithm)?
    {
        return Ok(Some((key, Kind::OneTime, true)));
    }
    if let Some((key, is_first)) = one_time_keys::use_fallback(tx, user, device_id, &one.algorithm)?
    {
        return Ok(Some((key, Kind::Fallback, is_first)));
    }
    if one.may_take {
        return Ok(None);
    }
    // A client that makes no fallback keys: it is reached as long as there is anything to reach it by.
    let key = one_time_keys::claim(tx, user, device_id, &one.algorithm)?;
    Ok(key.map(|key| (key, Kind::OneTime, true)))
}
