//! `m.device_list_update` and `m.signing_key_update`: what changed of the devices and keys of another server's user.
//!
//! An update says which one it follows. Where that is not the last one known here something was missed: the list is
//! stale then, and fetched as a whole when somebody asks for it. Clients are told in either case.

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, DeviceId, UserId,
    api::federation::transactions::edu::{DeviceListUpdateContent, SigningKeyUpdateContent},
};

use crate::{
    error::{Error, Result},
    service::{
        keys::signed::{self, CrossSigningKey, MASTER, SELF_SIGNING},
        remote::{Remote, device_lists::DEVICES_MAX},
    },
    storage::{
        Tx, UserNid,
        cross_signing::{self, CrossSigningRow},
        members,
        remote_devices::{self, RemoteDeviceRow},
    },
};

const NAME_LENGTH: usize = 1_000;

/// What an update does to a device.
#[derive(Clone, Debug)]
enum Change {
    Deleted,
    /// Its keys, or (`None`) that it has none.
    Set(Option<String>, Option<String>),
}

impl Remote {
    /// Takes in what changed of a device.
    pub(super) async fn take_in_device_update(
        &self,
        update: DeviceListUpdateContent,
    ) -> Result<()> {
        let user_id = update.user_id;
        let device_id = update.device_id.to_string();
        let change = match update.keys {
            _ if update.deleted == Some(true) => Change::Deleted,
            keys => {
                let read = |keys: ruma::serde::Raw<_>| {
                    read_keys(keys.json().get(), &user_id, &update.device_id)
                };
                Change::Set(keys.map(read).transpose()?, update.device_display_name)
            }
        };
        check_texts(&device_id, &change)?;
        let stream_id = i64::from(update.stream_id);
        let previous: Vec<i64> = update.prev_id.into_iter().map(i64::from).collect();
        let (context, lists) = (self.context.clone(), self.device_lists.clone());
        let write = self.context.store.write(move |tx| {
            let Some(user) = context.store.users().find(tx, &*user_id)? else { return Ok(()) };
            if members::joined_rooms(tx, user)?.is_empty() {
                return Ok(());
            }
            let list = remote_devices::list(tx, user)?.filter(|list| !list.stale);
            let Some(mut list) = list else { return lists.remote_changed(tx, user).map(drop) };
            if list.stream_id == stream_id {
                return Ok(());
            }
            let follows =
                previous.contains(&list.stream_id) || (previous.is_empty() && list.stream_id == 0);
            let applies = follows && stream_id > list.stream_id;
            if applies && apply(tx, user, &device_id, &change)? {
                list.position = lists.remote_changed(tx, user)?;
                list.stream_id = stream_id;
                return remote_devices::set_list(tx, &list);
            }
            remote_devices::set_stale(tx, user)?;
            lists.remote_changed(tx, user).map(drop)
        });
        write.await
    }

    /// Takes in cross-signing keys.
    pub(super) async fn take_in_signing_keys(&self, update: SigningKeyUpdateContent) -> Result<()> {
        let user_id = update.user_id;
        let mut keys = Vec::new();
        for (usage, key) in [(MASTER, update.master_key), (SELF_SIGNING, update.self_signing_key)] {
            if let Some(key) = key {
                keys.push((usage, CrossSigningKey::parse(key.json().get(), &user_id, usage)?));
            }
        }
        let (context, lists) = (self.context.clone(), self.device_lists.clone());
        let write = self.context.store.write(move |tx| {
            let Some(user) = context.store.users().find(tx, &*user_id)? else { return Ok(()) };
            if members::joined_rooms(tx, user)?.is_empty() {
                return Ok(());
            }
            set_signing_keys(tx, user, &keys)?;
            lists.remote_changed(tx, user).map(drop)
        });
        write.await
    }
}

/// Sets the keys that a server told of its user. With another master key the others are worth nothing.
pub(in crate::service::remote) fn set_signing_keys(
    tx: &mut Tx<'_>,
    user: UserNid,
    keys: &[(&'static str, CrossSigningKey)],
) -> Result<()> {
    let known = cross_signing::get(tx, user, MASTER)?;
    for (usage, key) in keys {
        if *usage == MASTER
            && known.as_ref().is_some_and(|known| known.public_key != key.public_key)
        {
            cross_signing::delete(tx, user, SELF_SIGNING)?;
        }
        let row = CrossSigningRow {
            user_nid: user,
            usage: (*usage).to_owned(),
            public_key: key.public_key.clone(),
            json: signed::to_string(&key.object)?,
        };
        cross_signing::set(tx, &row)?;
    }
    Ok(())
}

/// Reads the keys of a device as they are kept, or says why they are not that device's.
pub(in crate::service::remote) fn read_keys(
    json: &str,
    user: &UserId,
    device_id: &DeviceId,
) -> Result<String> {
    let mut keys: CanonicalJsonObject = serde_json::from_str(json)
        .map_err(|error| Error::bad_json(format!("keys of a device: {error}")))?;
    let is = |name: &str, value: &str| {
        keys.get(name).and_then(CanonicalJsonValue::as_str).is_some_and(|given| given == value)
    };
    if !is("user_id", user.as_str()) || !is("device_id", device_id.as_str()) {
        return Err(Error::invalid_param("The keys are those of another device"));
    }
    keys.remove("unsigned");
    signed::to_string(&keys)
}

/// Puts a change into the list; false when there is no room for it.
fn apply(tx: &mut Tx<'_>, user: UserNid, device_id: &str, change: &Change) -> Result<bool> {
    match change {
        Change::Deleted | Change::Set(None, _) => remote_devices::delete(tx, user, device_id)?,
        Change::Set(Some(json), name) => {
            if remote_devices::count(tx, user)? >= DEVICES_MAX as i64 {
                return Ok(false);
            }
            let row = RemoteDeviceRow {
                user_nid: user,
                device_id: device_id.to_owned(),
                display_name: name.clone(),
                json: json.clone(),
            };
            remote_devices::set(tx, &row)?;
        }
    }
    Ok(true)
}

fn check_texts(device_id: &str, change: &Change) -> Result<()> {
    let name = match change {
        Change::Set(_, Some(name)) => name,
        _ => "",
    };
    if device_id.len() > NAME_LENGTH || name.len() > NAME_LENGTH {
        return Err(Error::invalid_param("The device's id or name is too long"));
    }
    if device_id.contains('\0') || name.contains('\0') {
        return Err(Error::invalid_param("The device's id or name holds NUL"));
    }
    Ok(())
}
