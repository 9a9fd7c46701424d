//! Handing out one-time keys: each once, in the order of their uploads, and a fallback key when there are none.

use std::{collections::BTreeMap, sync::Arc};

use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedOneTimeKeyId, OwnedUserId, encryption::OneTimeKey,
    serde::Raw,
};

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
}

/// So many devices are taken in one commit: nobody else should wait longer for the writer.
const AT_ONCE: usize = 500;

/// A request's devices, one by one.
pub fn list(claims: Claim) -> Vec<One> {
    let mut list = Vec::new();
    for (user_id, devices) in claims {
        for (device_id, algorithm) in devices {
            let (user_id, algorithm) = (user_id.clone(), algorithm.to_string());
            if is_text(user_id.as_str()) && is_text(device_id.as_str()) && is_text(&algorithm) {
                list.push(One { user_id, device_id, algorithm });
            }
        }
    }
    list
}

/// Takes keys of devices of this server.
pub async fn local(context: &Arc<Context>, claims: Vec<One>) -> Result<Claimed> {
    let mut claimed = Claimed::new();
    for claims in claims.chunks(AT_ONCE) {
        let (claims, writing) = (claims.to_vec(), context.clone());
        let taken: Vec<(One, String, String)> =
            context.store.write(move |tx| take_all(&writing, tx, &claims)).await?;
        for (One { user_id, device_id, algorithm }, key_id, json) in taken {
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

/// Takes a key of each device that has one. Answers their ids and the keys.
fn take_all(
    context: &Arc<Context>,
    tx: &mut Tx<'_>,
    claims: &[One],
) -> Result<Vec<(One, String, String)>> {
    let (mut taken, mut subjects) = (Vec::with_capacity(claims.len()), Vec::new());
    for one in claims {
        let Some(user) = context.store.users().find(tx, &*one.user_id)? else { continue };
        if let Some(((key_id, json), changes)) = take(tx, user, one)? {
            if changes {
                subjects.push(Subject::device(user, one.device_id.as_str()));
            }
            taken.push((one.clone(), key_id, json));
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
) -> Result<Option<(one_time_keys::Claimed, bool)>> {
    let device_id = one.device_id.as_str();
    if let Some(key) = one_time_keys::claim(tx, user, device_id, &one.algorithm)? {
        return Ok(Some((key, true)));
    }
    one_time_keys::use_fallback(tx, user, device_id, &one.algorithm)
}
