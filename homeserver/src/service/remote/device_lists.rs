//! The device lists of users of other servers who share a room with one of ours: kept while their servers tell
//! each change (`edu/device_lists.rs`), fetched as a whole when something was missed.
//!
//! A list counts only for a user of ours who has been in a room with its owner since it was known: by that the
//! other server has had to tell us everything. Others have it fetched again.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use ruma::{
    OwnedServerName, OwnedUserId, ServerName, api::federation::device::get_devices::v1::Request,
};

use super::{
    Remote,
    devices::LIMITS,
    edu::device_lists::{read_keys, set_signing_keys},
    refused,
};
use crate::{
    error::{Error, Result},
    service::keys::{
        query::{self, Queried, Wanted},
        signed::{CrossSigningKey, MASTER, SELF_SIGNING},
    },
    storage::{
        Conn, UserNid, cross_signing, device_lists, members,
        remote_devices::{self, RemoteDeviceRow, RemoteListRow},
    },
};

/// Nobody has more devices.
pub(super) const DEVICES_MAX: usize = 1_000;
/// How many lists are fetched for one request, and how many at once; more are asked for together and not kept.
const FETCHED_MAX: usize = 20;
const FETCHED_AT_ONCE: usize = 5;

impl Remote {
    /// What is known here of the keys of other servers' users, and whom it leaves to be asked for.
    pub async fn known_keys(
        &self,
        viewer: UserNid,
        mut others: BTreeMap<OwnedServerName, Wanted>,
    ) -> Result<(Queried, BTreeMap<OwnedServerName, Wanted>)> {
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let mut users = BTreeMap::new();
            for user_id in others.values().flat_map(BTreeMap::keys) {
                if !user_id.as_str().contains('\0')
                    && let Some(user) = context.store.users().find(conn, &**user_id)?
                {
                    users.insert(user, user_id.clone());
                }
            }
            let nids: Vec<UserNid> = users.keys().copied().collect();
            let fresh = remote_devices::fresh(conn, viewer, &nids)?;
            users.retain(|user, _| fresh.contains(user));
            let mut queried = stored(conn, &users)?;
            for user_id in users.values() {
                let Some(of_server) = others.get_mut(user_id.server_name()) else { continue };
                if let Some(named) = of_server.remove(user_id) {
                    queried.only(user_id, &named);
                }
            }
            others.retain(|_, wanted| !wanted.is_empty());
            Ok((queried, others))
        });
        read.await
    }

    /// The keys of users of another server, from that server. Lists that can be followed are kept.
    pub async fn keys_of(
        &self,
        viewer: UserNid,
        server: &ServerName,
        mut wanted: Wanted,
    ) -> Result<Queried> {
        self.check_policy(server)?;
        let (context, names) = (self.context.clone(), wanted.keys().cloned().collect::<Vec<_>>());
        let read = self.context.store.read(move |conn| {
            let mut followed = Vec::new();
            for user_id in names {
                if followed.len() == FETCHED_MAX {
                    break;
                }
                if !user_id.as_str().contains('\0')
                    && let Some(user) = context.store.users().find(conn, &*user_id)?
                    && members::share_room(conn, viewer, user)?
                {
                    followed.push((user, user_id));
                }
            }
            Ok(followed)
        });
        let fetched: Vec<_> = stream::iter(read.await?)
            .map(|(user, user_id)| async move {
                let answer = self.fetch_devices(server, user, &user_id).await;
                (user_id, answer)
            })
            .buffer_unordered(FETCHED_AT_ONCE)
            .collect()
            .await;
        let mut queried = Queried::default();
        for (user_id, answer) in fetched {
            match answer {
                Ok(mut answer) => {
                    if let Some(named) = wanted.remove(&user_id) {
                        answer.only(&user_id, &named);
                    }
                    queried.extend(answer);
                }
                Err(Error::Matrix { message, .. }) => {
                    tracing::debug!(%user_id, reason = %message, "a device list was not fetched");
                }
                Err(error) => return Err(error),
            }
        }
        if !wanted.is_empty() {
            queried.extend(self.ask_for_keys(server, wanted).await?);
        }
        Ok(queried)
    }

    /// Fetches the device list of a user, and keeps it unless it changed meanwhile.
    async fn fetch_devices(
        &self,
        server: &ServerName,
        user: UserNid,
        user_id: &OwnedUserId,
    ) -> Result<Queried> {
        let _one_at_a_time = self.fetching_devices.lock(user_id).await;
        let position = self.context.notifier.position();
        let read = self.context.store.read(move |conn| device_lists::last(conn, user));
        let before = read.await?;
        let answer = self.ask(server, Request::new(user_id.clone()), LIMITS).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        if answer.user_id != *user_id {
            return Err(Error::bad_json("The answer is about another user"));
        }
        let mut devices = Vec::new();
        for device in answer.devices.into_iter().take(DEVICES_MAX) {
            let json = read_keys(device.keys.json().get(), user_id, &device.device_id);
            let name = device.device_display_name.filter(|name| !name.contains('\0'));
            let device_id = device.device_id.to_string();
            // What does not fit is left out, as if it were not there.
            if let Ok(json) = json
                && !device_id.contains('\0')
            {
                devices.push(RemoteDeviceRow {
                    user_nid: user,
                    device_id,
                    display_name: name,
                    json,
                });
            }
        }
        let mut keys = Vec::new();
        for (usage, key) in [(MASTER, answer.master_key), (SELF_SIGNING, answer.self_signing_key)] {
            let key = key.map(|key| CrossSigningKey::parse(key.json().get(), user_id, usage));
            keys.extend(key.and_then(Result::ok).map(|key| (usage, key)));
        }
        let stream_id = i64::from(answer.stream_id);
        let write = self.context.store.write(move |tx| {
            remote_devices::delete_all(tx, user)?;
            for device in &devices {
                remote_devices::set(tx, device)?;
            }
            for usage in [MASTER, SELF_SIGNING] {
                if !keys.iter().any(|(given, _)| *given == usage) {
                    cross_signing::delete(tx, user, usage)?;
                }
            }
            set_signing_keys(tx, user, &keys)?;
            // What was told while the answer was on its way may not be in it.
            let stale = device_lists::last(tx, user)? != before;
            let list = RemoteListRow { user_nid: user, stream_id, position, stale };
            remote_devices::set_list(tx, &list)
        });
        write.await?;
        let users = BTreeMap::from([(user, user_id.clone())]);
        self.context.store.read(move |conn| stored(conn, &users)).await
    }
}

/// The keys of users of other servers as they are kept here.
fn stored(conn: &mut Conn, users: &BTreeMap<UserNid, OwnedUserId>) -> Result<Queried> {
    let mut queried = Queried::default();
    if users.is_empty() {
        return Ok(queried);
    }
    let nids: Vec<UserNid> = users.keys().copied().collect();
    queried.device_keys.extend(users.values().map(|user_id| (user_id.clone(), BTreeMap::new())));
    for device in remote_devices::of_users(conn, &nids)? {
        let Some(user_id) = users.get(&device.user_nid) else { continue };
        if let Some(devices) = queried.device_keys.get_mut(user_id) {
            let keys = query::raw(query::with_name(device.json, device.display_name))?;
            devices.insert(device.device_id.into(), keys);
        }
    }
    for key in cross_signing::of_users(conn, &nids)? {
        let Some(user_id) = users.get(&key.user_nid) else { continue };
        let keys = match key.usage.as_str() {
            MASTER => &mut queried.master_keys,
            _ => &mut queried.self_signing_keys,
        };
        keys.insert(user_id.clone(), query::raw(key.json)?);
    }
    Ok(queried)
}
