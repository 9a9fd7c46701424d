//! Who has which keys: stored in the format that clients get, and read with one query for each kind.
//!
//! Names of devices are for users of this server only: they may tell more than their owners mean to.

use std::collections::{BTreeMap, HashMap};

use ruma::{
    OwnedDeviceId, OwnedUserId, UserId,
    encryption::{CrossSigningKey, DeviceKeys},
    serde::Raw,
};
use serde_json::{Map, Value, json};

use super::{is_text, signed};
use crate::{
    error::{Error, Result},
    service::timeline::Context,
    storage::{Conn, UserNid, cross_signing, device_keys},
};

/// Whose devices are asked for: those named, or all.
pub type Wanted = BTreeMap<OwnedUserId, Vec<OwnedDeviceId>>;

/// The keys that were found.
#[derive(Debug, Default)]
pub struct Queried {
    pub device_keys: BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, Raw<DeviceKeys>>>,
    pub master_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
    pub self_signing_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
    pub user_signing_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
}

impl Queried {
    pub fn extend(&mut self, other: Self) {
        self.device_keys.extend(other.device_keys);
        self.master_keys.extend(other.master_keys);
        self.self_signing_keys.extend(other.self_signing_keys);
        self.user_signing_keys.extend(other.user_signing_keys);
    }

    /// Of a user's devices only those named; all if none is.
    pub fn only(&mut self, user: &UserId, named: &[OwnedDeviceId]) {
        if !named.is_empty()
            && let Some(devices) = self.device_keys.get_mut(user)
        {
            devices.retain(|device_id, _| named.contains(device_id));
        }
    }
}

/// The keys of users of this server, as `viewer` may see them; without one, as other servers may.
pub fn local(
    context: &Context,
    conn: &mut Conn,
    viewer: Option<UserNid>,
    wanted: &Wanted,
) -> Result<Queried> {
    let mut queried = Queried::default();
    let mut users: HashMap<UserNid, &OwnedUserId> = HashMap::with_capacity(wanted.len());
    for user_id in wanted.keys() {
        queried.device_keys.insert(user_id.clone(), BTreeMap::new());
        if is_text(user_id.as_str())
            && let Some(user) = context.store.users().find(conn, &**user_id)?
        {
            users.insert(user, user_id);
        }
    }
    let nids: Vec<UserNid> = users.keys().copied().collect();
    if nids.is_empty() {
        return Ok(queried);
    }
    for (user, device_id, json, name) in device_keys::of_users(conn, &nids)? {
        let Some(&user_id) = users.get(&user) else { continue };
        let device_id = OwnedDeviceId::from(device_id);
        let devices = wanted.get(user_id).filter(|devices| !devices.is_empty());
        if devices.is_none_or(|devices| devices.contains(&device_id))
            && let Some(of_user) = queried.device_keys.get_mut(user_id)
        {
            let json = with_name(json, name.filter(|_| viewer.is_some()));
            of_user.insert(device_id, raw(json)?);
        }
    }
    for key in cross_signing::of_users(conn, &nids)? {
        let Some(&user_id) = users.get(&key.user_nid) else { continue };
        let keys = match key.usage.as_str() {
            signed::MASTER => &mut queried.master_keys,
            signed::SELF_SIGNING => &mut queried.self_signing_keys,
            _ if viewer == Some(key.user_nid) => &mut queried.user_signing_keys,
            _ => continue,
        };
        keys.insert(user_id.clone(), raw(key.json)?);
    }
    if let Some(viewer) = viewer
        && nids.iter().any(|user| *user != viewer)
        && let Some(name) = context.store.users().key(conn, viewer)?
        && let Ok(name) = OwnedUserId::try_from(&*name)
    {
        add_signatures(conn, &(viewer, name), &mut queried.master_keys)?;
    }
    Ok(queried)
}

/// Adds the signatures that a user made over others' master keys, which they alone may see.
pub fn add_signatures(
    conn: &mut Conn,
    (viewer, name): &(UserNid, OwnedUserId),
    master_keys: &mut BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
) -> Result<()> {
    if master_keys.keys().all(|user| user == name) {
        return Ok(());
    }
    for (row, target) in cross_signing::signatures_of(conn, *viewer)? {
        let key = OwnedUserId::try_from(target).ok();
        let Some(key) = key.and_then(|target| master_keys.get_mut(&target)) else { continue };
        let mut object: Map<String, Value> = serde_json::from_str(key.json().get())
            .map_err(|error| Error::internal(format!("a master key: {error}")))?;
        let has_key = object.get("keys").and_then(Value::as_object).is_some_and(|keys| {
            keys.values().any(|key| key.as_str() == Some(row.public_key.as_str()))
        });
        if !has_key {
            continue;
        }
        let signatures = object.entry("signatures").or_insert_with(|| json!({}));
        if let Some(signatures) = signatures.as_object_mut()
            && let Some(own) =
                signatures.entry(name.as_str()).or_insert_with(|| json!({})).as_object_mut()
        {
            own.insert(row.signing_key_id, row.signature.into());
        }
        *key = raw(Value::Object(object).to_string())?;
    }
    Ok(())
}

/// Adds `unsigned`, with the device's name if it has one, to its keys: an object with members and without it.
pub fn with_name(mut json: String, name: Option<String>) -> String {
    let mut unsigned = Map::new();
    unsigned.extend(name.map(|name| ("device_display_name".to_owned(), name.into())));
    if json.pop() == Some('}') {
        json.push_str(&format!(",\"unsigned\":{}}}", Value::Object(unsigned)));
    }
    json
}

pub fn raw<T>(json: String) -> Result<Raw<T>> {
    Raw::from_json_string(json).map_err(|error| Error::internal(format!("stored keys: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_added_behind_the_keys() {
        let keys = r#"{"device_id":"D","user_id":"@a:x"}"#.to_owned();
        let plain: Value = serde_json::from_str(&with_name(keys.clone(), None)).unwrap();
        assert_eq!(plain["unsigned"], json!({}));
        let named: Value = serde_json::from_str(&with_name(keys, Some("\"A\"".into()))).unwrap();
        assert_eq!(named["unsigned"]["device_display_name"], "\"A\"");
        assert_eq!(named["device_id"], "D");
    }
}
