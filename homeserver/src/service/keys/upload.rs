//! A device uploads its keys: what identifies it, and keys for others to begin sessions with.
//!
//! A one-time key is claimed once, whatever the client uploads again: of each claimed key a hash is kept. The same
//! id and key once more is dropped; the same id with another key is an error while the first can be claimed. The
//! hashes go with the device or with its identity; of very many, the oldest
//! ([decision 43](../../../../docs/decisions/0043-how-many-claimed-keys-are-remembered.md)).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use http::StatusCode;
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, OneTimeKeyAlgorithm, UInt,
    api::{client::keys::upload_keys::v3::Request, error::ErrorKind},
    encryption::OneTimeKey,
    serde::Raw,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Keys, counts, is_text, signed};
use crate::{
    error::{Error, Result},
    service::{
        device_lists::{Changed, DeviceLists},
        notifier::Subject,
        sessions::Session,
        timeline::Context,
    },
    storage::{
        Tx, UserNid, cross_signing,
        device_keys::{self, DeviceKeysRow},
        devices,
        one_time_keys::{self, FallbackKeyRow, OneTimeKeyRow},
    },
};

/// An update of a device has to fit into an EDU.
const DEVICE_KEYS_SIZE: usize = 32 * 1024;
const KEY_SIZE: usize = 16 * 1024;
const NAME_LENGTH: usize = 255;
const KEYS_AT_ONCE: usize = 1_000;
const KEYS_OF_DEVICE: u64 = 10_000;
const FALLBACK_KEYS: usize = 50;
/// So many claimed keys of a device are remembered, or at least half as many: far more than a client holds the
/// secret halves of, and only those can come again.
const CLAIMED_KEYS: i64 = 100_000;
/// Enough to tell keys of one device apart.
const HASH_LENGTH: usize = 16;

/// A key with its name taken apart.
#[derive(Clone)]
struct Named {
    algorithm: String,
    key_id: String,
    json: String,
    hash: Vec<u8>,
}

/// Keys that are to be written.
pub(in crate::service) struct Prepared {
    device_keys: Option<DeviceKeysRow>,
    one_time: Vec<Named>,
    fallback: Vec<Named>,
}

impl Keys {
    /// Keeps a device's keys. Answers how many one-time keys of each algorithm it has then.
    pub async fn upload(
        &self,
        caller: &Arc<Session>,
        request: Request,
    ) -> Result<BTreeMap<OneTimeKeyAlgorithm, UInt>> {
        let prepared = prepare(caller, request)?;
        let (context, lists, caller) =
            (self.context.clone(), self.device_lists.clone(), caller.clone());
        let write = self.context.store.write(move |tx| {
            let (user, device_id) = (caller.user_nid, caller.device_id.as_str());
            if devices::find(tx, user, device_id)?.is_none() {
                return Err(caller.revoked_error());
            }
            write(tx, &context, &lists, (user, device_id), &prepared)
        });
        write.await
    }
}

/// Writes the keys of a device that is there. Answers how many one-time keys of each algorithm it has then.
pub(in crate::service) fn write(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    lists: &DeviceLists,
    (user, device_id): (UserNid, &str),
    prepared: &Prepared,
) -> Result<BTreeMap<OneTimeKeyAlgorithm, UInt>> {
    if let Some(row) = &prepared.device_keys
        && set_device_keys(tx, row)?
    {
        lists.changed(tx, user, &[Changed::Device(device_id)])?;
    }
    let mut changed = insert_one_time(tx, (user, device_id), &prepared.one_time)?;
    changed |= set_fallback(tx, (user, device_id), &prepared.fallback)?;
    if changed {
        let position = tx.next_position()?;
        let context = context.clone();
        let subject = Subject::device(user, device_id);
        tx.after_commit(move || context.notifier.advance(position, [subject]));
    }
    let counts = counts::one_time(tx, user, device_id)?;
    if counts.values().map(|count| u64::from(*count)).sum::<u64>() > KEYS_OF_DEVICE {
        return Err(Error::invalid_param("The device has too many one-time keys"));
    }
    Ok(counts)
}

/// Checks the keys of the caller's device.
pub(in crate::service) fn prepare(caller: &Session, request: Request) -> Result<Prepared> {
    if request.one_time_keys.len() + request.fallback_keys.len() > KEYS_AT_ONCE {
        return Err(Error::invalid_param("These are more than 1000 keys"));
    }
    let device_keys = request.device_keys.map(|keys| device_keys(caller, keys.json().get()));
    let fallback = named(request.fallback_keys)?;
    let algorithms: HashSet<&str> = fallback.iter().map(|key| &*key.algorithm).collect();
    if algorithms.len() < fallback.len() {
        return Err(Error::invalid_param("There are two fallback keys of one algorithm"));
    }
    Ok(Prepared {
        device_keys: device_keys.transpose()?,
        one_time: named(request.one_time_keys)?,
        fallback,
    })
}

fn device_keys(caller: &Session, json: &str) -> Result<DeviceKeysRow> {
    if json.len() > DEVICE_KEYS_SIZE {
        return Err(Error::invalid_param("The device keys are too large"));
    }
    let mut keys: CanonicalJsonObject = serde_json::from_str(json)
        .map_err(|error| Error::bad_json(format!("device_keys: {error}")))?;
    let is = |name: &str, value: &str| {
        keys.get(name).and_then(CanonicalJsonValue::as_str).is_some_and(|given| given == value)
    };
    if !is("user_id", caller.user_id.as_str()) || !is("device_id", caller.device_id.as_str()) {
        return Err(Error::invalid_param("The device keys are not those of this device"));
    }
    let of_kind =
        |name: &str, is_kind: fn(&CanonicalJsonValue) -> bool| keys.get(name).is_some_and(is_kind);
    let is_object = |value: &CanonicalJsonValue| value.as_object().is_some();
    if !of_kind("algorithms", |value| value.as_array().is_some())
        || !of_kind("keys", is_object)
        || !of_kind("signatures", is_object)
    {
        return Err(Error::bad_json("device_keys: algorithms, keys or signatures are missing"));
    }
    keys.remove("unsigned");
    let identity = keys.get("keys").map(signed::to_string).transpose()?.unwrap_or_default();
    Ok(DeviceKeysRow {
        user_nid: caller.user_nid,
        device_id: caller.device_id.to_string(),
        json: signed::to_string(&keys)?,
        digest: Sha256::digest(signed::without_signatures(&keys)?).to_vec(),
        identity: Sha256::digest(identity).to_vec(),
    })
}

fn named(keys: BTreeMap<ruma::OwnedOneTimeKeyId, Raw<OneTimeKey>>) -> Result<Vec<Named>> {
    let named = |(id, key): (ruma::OwnedOneTimeKeyId, Raw<OneTimeKey>)| {
        let (algorithm, key_id) = id.as_str().split_once(':').unwrap_or_default();
        if id.as_str().len() > NAME_LENGTH || !is_text(id.as_str()) {
            return Err(Error::invalid_param("The name of a key is too long, or holds NUL"));
        }
        if key.json().get().len() > KEY_SIZE {
            return Err(Error::invalid_param(format!("The key {id} is too large")));
        }
        let mut value: Value = serde_json::from_str(key.json().get())
            .map_err(|error| Error::bad_json(format!("{id}: {error}")))?;
        if !value.is_object() && !value.is_string() {
            return Err(Error::bad_json(format!("The key {id} is neither an object nor a string")));
        }
        let json = value.to_string();
        // Signed again it is the same key.
        if let Some(object) = value.as_object_mut() {
            object.remove("signatures");
        }
        let mut hash = Sha256::digest(format!("{id}\0{value}")).to_vec();
        hash.truncate(HASH_LENGTH);
        Ok(Named { algorithm: algorithm.to_owned(), key_id: key_id.to_owned(), json, hash })
    };
    keys.into_iter().map(named).collect()
}

/// Sets the keys of a device, unless they are what they were. Answers whether they changed.
fn set_device_keys(tx: &mut Tx<'_>, row: &DeviceKeysRow) -> Result<bool> {
    let (user, device_id) = (row.user_nid, row.device_id.as_str());
    let known = device_keys::digests(tx, user, device_id)?;
    if known.as_ref().is_some_and(|(digest, _)| *digest == row.digest) {
        return Ok(false);
    }
    let own = cross_signing::of_users(tx, &[user])?;
    if own.iter().any(|key| key.public_key == device_id) {
        return Err(Error::forbidden("The device's id is that of a cross-signing key"));
    }
    if known.is_some_and(|(_, identity)| identity != row.identity) {
        one_time_keys::delete_all(tx, user, device_id)?;
    }
    device_keys::set(tx, row)?;
    Ok(true)
}

/// Adds the one-time keys that are new. Answers whether there are any.
fn insert_one_time(tx: &mut Tx<'_>, device: (UserNid, &str), keys: &[Named]) -> Result<bool> {
    if keys.is_empty() {
        return Ok(false);
    }
    let ids: Vec<&str> = keys.iter().map(|key| &*key.key_id).collect();
    let hashes: Vec<&[u8]> = keys.iter().map(|key| &*key.hash).collect();
    let there: HashMap<(String, String), Vec<u8>> = one_time_keys::with_ids(tx, device, &ids)?
        .into_iter()
        .map(|(algorithm, key_id, hash)| ((algorithm, key_id), hash))
        .collect();
    let claimed: HashSet<Vec<u8>> =
        one_time_keys::claimed(tx, device, &hashes)?.into_iter().collect();
    let mut new = Vec::with_capacity(keys.len());
    for key in keys {
        match there.get(&(key.algorithm.clone(), key.key_id.clone())) {
            Some(hash) if *hash == key.hash => {}
            Some(_) => {
                let message =
                    format!("One time key {}:{} already exists", key.algorithm, key.key_id);
                return Err(Error::matrix(
                    StatusCode::BAD_REQUEST,
                    ErrorKind::InvalidParam,
                    message,
                ));
            }
            None if claimed.contains(&key.hash) => {}
            None => new.push(key),
        }
    }
    if new.is_empty() {
        return Ok(false);
    }
    let position = tx.next_position()?;
    let row = |key: &Named| OneTimeKeyRow {
        user_nid: device.0,
        device_id: device.1.to_owned(),
        algorithm: key.algorithm.clone(),
        key_id: key.key_id.clone(),
        position,
        hash: key.hash.clone(),
        json: key.json.clone(),
    };
    let rows: Vec<OneTimeKeyRow> = new.into_iter().map(row).collect();
    one_time_keys::insert(tx, &rows)?;
    one_time_keys::forget_oldest(tx, device, CLAIMED_KEYS)?;
    Ok(true)
}

/// Sets fallback keys, each in the place of the one of its algorithm. Answers whether there are any.
fn set_fallback(tx: &mut Tx<'_>, device: (UserNid, &str), keys: &[Named]) -> Result<bool> {
    for key in keys {
        let row = FallbackKeyRow {
            user_nid: device.0,
            device_id: device.1.to_owned(),
            algorithm: key.algorithm.clone(),
            key_id: key.key_id.clone(),
            json: key.json.clone(),
            used: false,
        };
        one_time_keys::set_fallback(tx, &row)?;
    }
    if !keys.is_empty() && one_time_keys::fallbacks(tx, device.0, device.1)?.len() > FALLBACK_KEYS {
        return Err(Error::invalid_param("The device has too many fallback keys"));
    }
    Ok(!keys.is_empty())
}
