//! Other users' identities and devices, as their server tells of them and as far as signatures bear it out.
//!
//! ```text
//! change told ──► outdated ──► keys/query ──► answer: counts unless a change was told since
//!                     ▲
//! changes may have been missed: everybody; a message of a device that is not vouched for: its owner
//!
//! master key, first sight  ──► pinned;  another one later: the identity has changed, for the user to look at
//! device, first sight      ──► its keys are kept; once it is vouched for, others under its id are never taken
//! signed by the self-signing key, which the pinned master key signed ──► vouched for
//! ```
//!
//! What a server leaves out takes nothing back: self-signing keys are remembered under their master key. A device that
//! nobody ever vouched for yields its name to other keys, for one of that name may be to be verified; and its place.

use serde_json::{Map, Value, json};

use super::{
    Work, check_id, pins,
    rows::{Asked, Claim, Device, Held, Outdated, Purpose, User, Waiting},
    text,
    unread::place,
};
use crate::{
    Error,
    encoding::Bytes32,
    identity::DeviceIdentity,
    primitives::{ed25519, x25519},
    ratchet, sender_key,
    session::Sessions,
    signed_json::{self, key_from_base64},
    store::key,
};

/// How many users one query asks for.
const QUERY_MAX: usize = 250;
/// How many devices of a user are kept, gone ones included: vouched for, and others.
const DEVICES_MAX: usize = 1_000;
const OTHERS_MAX: usize = 100;
/// How many strangers are followed, and for how long at least.
const STRANGERS_MAX: usize = 100;
const STRANGER_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// When a server that could not answer is asked again.
const AGAIN_AFTER_MS: i64 = 5 * 60 * 1_000;

/// A device as it is kept.
pub(super) fn device(
    identity: &DeviceIdentity,
    name: Option<String>,
    is_ours: bool,
    now: i64,
) -> Device {
    Device {
        device_id: identity.device_id.clone(),
        ed25519: identity.ed25519.into(),
        x25519: identity.x25519,
        is_ours,
        signed_by: None,
        seen_at: now,
        gone_at: None,
        came_back: false,
        name,
        claimed_at: None,
        healed_at: None,
    }
}

impl Work<'_> {
    pub(super) fn user(&self, user_id: &str) -> Result<User, Error> {
        Ok(self.tx.get(user_id.as_bytes())?.unwrap_or_default())
    }

    pub(super) fn track(&mut self, user_id: &str) -> Result<(), Error> {
        check_id(user_id)?;
        let mut user = self.user(user_id)?;
        if user.is_tracked && user.stranger_since.is_none() {
            return Ok(());
        }
        (user.is_tracked, user.stranger_since) = (true, None);
        self.tx.put(user_id.as_bytes(), &user);
        self.outdate(user_id)
    }

    /// Follows somebody who sent something, as long as there are not too many whom nothing else concerns.
    pub(super) fn meet(&mut self, user_id: &str) -> Result<bool, Error> {
        let user = self.tx.get::<User>(user_id.as_bytes())?;
        if user.as_ref().is_some_and(|user| user.is_tracked) {
            return Ok(true);
        }
        // A pin of somebody known before is kept for ever.
        let stranger_since = user.map_or(Some(self.now), |user| user.stranger_since);
        if stranger_since == Some(self.now) {
            let all = self.tx.scan::<User>(&[])?;
            let strangers = all.iter().filter(|(_, user)| user.stranger_since.is_some()).count();
            if strangers >= STRANGERS_MAX {
                return Ok(false);
            }
        }
        self.track(user_id)?;
        let user = User { stranger_since, ..self.user(user_id)? };
        self.tx.put(user_id.as_bytes(), &user);
        Ok(true)
    }

    /// Follows whoever a message came from that is not of a device known and vouched for; and asks for their keys,
    /// as the news of that device may have been missed. Not for each message: not even their server can be sure
    /// whose devices they are from.
    pub(super) fn suspect(&mut self, user_id: &str) -> Result<(), Error> {
        if !self.meet(user_id)? {
            return Ok(());
        }
        let mut user = self.user(user_id)?;
        let suspected = user.suspected_at;
        if user.is_outdated || suspected.is_some_and(|at| self.is_recent(at, AGAIN_AFTER_MS)) {
            return Ok(());
        }
        user.suspected_at = Some(self.now);
        self.tx.put(user_id.as_bytes(), &user);
        self.outdate(user_id)
    }

    /// Forgets a stranger of whom nothing came.
    pub(super) fn forget_stranger(&mut self, at: &[u8], user: &User) -> Result<(), Error> {
        let is_old = |since| self.now.saturating_sub(since) >= STRANGER_KEPT_MS;
        if user.stranger_since.is_some_and(is_old) {
            let user_id = std::str::from_utf8(at).map_err(|_| Error::Store)?;
            for device in &user.devices {
                self.forget_device(user_id, &device.device_id)?;
            }
            for (at, _) in self.tx.scan::<Held>(&key(&[at, &[]]))? {
                self.tx.delete::<Held>(&at);
            }
            for (at, _) in self.tx.scan::<Claim>(&key(&[at, &[]]))? {
                self.tx.delete::<Claim>(&at);
            }
            self.tx.delete::<Outdated>(at);
            self.tx.delete::<User>(at);
        }
        Ok(())
    }

    /// Forgets what was written with a device, what it sent that nothing was read with, and what it was asked for.
    fn forget_device(&mut self, user_id: &str, device_id: &str) -> Result<(), Error> {
        let at = key(&[user_id.as_bytes(), device_id.as_bytes()]);
        self.tx.delete::<Sessions>(&at);
        self.tx.delete::<Waiting>(&at);
        for (at, _) in self.tx.scan::<Asked>(&place(user_id, device_id, &[]))? {
            self.tx.delete::<Asked>(&at);
        }
        self.forget_all_unread(user_id, device_id)
    }

    /// Asks for a tracked user's keys.
    pub(super) fn outdate(&mut self, user_id: &str) -> Result<(), Error> {
        let mut user = self.user(user_id)?;
        if !user.is_tracked {
            return Ok(());
        }
        user.changed = user.changed.wrapping_add(1);
        user.is_outdated = true;
        user.ask_after = 0;
        self.tx.put(user_id.as_bytes(), &Outdated(user.changed));
        self.tx.put(user_id.as_bytes(), &user);
        Ok(())
    }

    /// Asks for the keys of all whom this device follows.
    pub(super) fn outdate_all(&mut self) -> Result<(), Error> {
        for (at, user) in self.tx.scan::<User>(&[])? {
            let user_id = String::from_utf8(at).map_err(|_| Error::Store)?;
            self.outdate(&user_id)?;
            // A server that could not answer a moment ago is not waited for again.
            if user.is_tracked && user.ask_after > self.now {
                let user = User { ask_after: user.ask_after, ..self.user(&user_id)? };
                self.tx.put(user_id.as_bytes(), &user);
            }
        }
        Ok(())
    }

    pub(super) fn push_device_lists(&mut self, lists: &Value) -> Result<(), Error> {
        let users = |key: &str| {
            let list = lists.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            list.into_iter().filter_map(|user| user.as_str().map(str::to_owned))
        };
        for user_id in users("changed").filter(|user_id| check_id(user_id).is_ok()) {
            self.outdate(&user_id)?;
        }
        for user_id in users("left").filter(|user_id| check_id(user_id).is_ok()) {
            if let Some(mut user) = self.tx.get::<User>(user_id.as_bytes())?
                && !self.is_own(&user_id)
            {
                user.is_tracked = false;
                self.tx.delete::<Outdated>(user_id.as_bytes());
                self.tx.put(user_id.as_bytes(), &user);
            }
        }
        Ok(())
    }

    pub(super) fn query_keys(&mut self) -> Result<(), Error> {
        let mut users = Vec::new();
        if self.user(&self.account.user_id)?.changed == 0 {
            let own = self.account.user_id.clone();
            self.outdate(&own)?;
        }
        for (key, _) in self.tx.scan::<Outdated>(&[])? {
            let user_id = String::from_utf8(key).map_err(|_| Error::Store)?;
            let user = self.user(&user_id)?;
            if self.now >= user.ask_after && users.len() < QUERY_MAX {
                users.push((user_id, user.changed));
            }
        }
        if users.is_empty() {
            return Ok(());
        }
        let mut asked = Map::new();
        for (user_id, _) in &users {
            asked.insert(user_id.clone(), json!([]));
        }
        let body = json!({ "device_keys": asked, "timeout": 10_000 });
        self.request("POST", "/_matrix/client/v3/keys/query", &body, Purpose::KeysQuery(users))
    }

    pub(super) fn keys_queried(
        &mut self,
        users: &[(String, u32)],
        answer: &Value,
    ) -> Result<(), Error> {
        for (user_id, changed) in users {
            let part = |key: &str| answer.get(key).and_then(|all| all.get(user_id));
            let failed = match answer.get("failures") {
                Some(Value::Object(servers)) => {
                    user_id.split_once(':').is_some_and(|(_, server)| servers.contains_key(server))
                }
                Some(Value::String(_)) => true,
                _ => false,
            };
            let mut user = self.user(user_id)?;
            if failed && part("device_keys").is_none() {
                user.ask_after = self.now.saturating_add(AGAIN_AFTER_MS);
                self.tx.put(user_id.as_bytes(), &user);
                continue;
            }
            let before = (user.pinned, user.is_verified);
            self.take_identity(user_id, &mut user, &part)?;
            if before != (user.pinned, user.is_verified) {
                self.unsaved(pins::USER, user_id.as_bytes());
            }
            self.take_devices(user_id, &mut user, part("device_keys"))?;
            if user.changed == *changed {
                user.is_outdated = false;
                self.tx.delete::<Outdated>(user_id.as_bytes());
            }
            let claims = user.claims.take().unwrap_or_default();
            self.tx.put(user_id.as_bytes(), &user);
            self.take_removals(&claims)?;
            self.check_claims(user_id)?;
            self.open_held(user_id)?;
        }
        Ok(())
    }

    /// Cross-signing keys, as far as the master key signed them.
    fn take_identity<'v>(
        &self,
        user_id: &str,
        user: &mut User,
        part: &impl Fn(&str) -> Option<&'v Value>,
    ) -> Result<(), Error> {
        let master = part("master_keys").and_then(|key| cross_signing_key(user_id, "master", key));
        let Some(master) = master else {
            // A server that hides an identity is not believed that there is none.
            return Ok(());
        };
        let name = signed_json::to_base64(master.as_bytes());
        let below = |key: &str, usage: &str| {
            let object = part(key)?;
            signed_json::verify(object, user_id, &name, &master).ok()?;
            cross_signing_key(user_id, usage, object).map(Bytes32::from)
        };
        // Nor that a key below it is none any more.
        user.signers = Some(user.signers());
        let master = Bytes32::from(master);
        let is_same = user.master.replace(master) == Some(master);
        let kept = |key: Option<Bytes32>| key.filter(|_| is_same);
        user.self_signing = below("self_signing_keys", "self_signing").or(kept(user.self_signing));
        if self.is_own(user_id) {
            user.user_signing =
                below("user_signing_keys", "user_signing").or(kept(user.user_signing));
            return Ok(());
        }
        user.pinned = user.pinned.or(user.master);
        // Another own device compared this identity.
        let own = self.user(&self.account.user_id)?;
        if let Some(user_signing) = own.user_signing
            && !own.has_changed()
            && own.pinned.is_some()
            && !user.was_replaced(&master)
            && let Some(object) = part("master_keys")
        {
            let key = user_signing.ed25519()?;
            let name = signed_json::to_base64(&user_signing.0);
            if signed_json::verify(object, &self.account.user_id, &name, &key).is_ok() {
                user.believe(master, self.now);
                user.is_verified = true;
            }
        }
        Ok(())
    }

    fn take_devices(
        &mut self,
        user_id: &str,
        user: &mut User,
        devices: Option<&Value>,
    ) -> Result<(), Error> {
        let none = Map::new();
        let listed = devices.and_then(Value::as_object).unwrap_or(&none);
        let (master, pinned) = (user.master, user.pinned);
        let is_believed = user.trusted().is_some();
        let mut signers = user.signers();
        if !is_believed {
            signers.clear();
            if let Some(key) = user.self_signing {
                signers.push(key);
            }
        }
        // What nobody but the owner of the identity that is believed can bring about.
        let is_bound = |device: &Device| pinned.is_some() && device.signed_by == pinned;
        for (device_id, object) in listed {
            let Some((identity, is_ours)) = read_device(user_id, device_id, object) else {
                continue;
            };
            let name = object.get("unsigned").and_then(|all| text(all, "device_display_name"));
            let name = name.map(|name| name.chars().take(100).collect());
            let vouched = signers.iter().any(|signer| {
                let name = signed_json::to_base64(&signer.0);
                let verify = |key| signed_json::verify(object, user_id, &name, &key);
                signer.ed25519().and_then(verify).is_ok()
            });
            let is_this = self.is_this(user_id, device_id);
            let mut given_up = None;
            if let Some(at) = user.devices.iter().position(|one| one.device_id == *device_id)
                && let Some(kept) = user.devices.get(at)
            {
                if kept.ed25519.0 != *identity.ed25519.as_bytes() || kept.x25519 != identity.x25519
                {
                    // Another device under an old name.
                    if is_this || is_bound(kept) || (kept.signed_by.is_some() && !vouched) {
                        continue;
                    }
                    given_up = Some(at);
                }
            } else {
                let counts = vouched && is_believed;
                let (mut count, mut oldest) = (0, None);
                for (at, one) in user.devices.iter().enumerate() {
                    if is_bound(one) != counts || self.is_this(user_id, &one.device_id) {
                        continue;
                    }
                    count += 1;
                    let age = (one.gone_at.is_none(), one.seen_at);
                    if oldest.is_none_or(|(_, than)| age < than) {
                        oldest = Some((at, age));
                    }
                }
                if counts && count >= DEVICES_MAX {
                    continue;
                }
                if !counts && count >= OTHERS_MAX {
                    given_up = oldest.map(|(at, _)| at);
                }
            }
            if let Some(at) = given_up {
                let gone = user.devices.remove(at);
                self.forget_device(user_id, &gone.device_id)?;
            }
            if user.device(device_id).is_none() {
                user.devices.push(device(&identity, None, is_ours, self.now));
            }
            let Some(kept) = user.device_mut(device_id) else { continue };
            kept.is_ours = is_ours;
            kept.name = name;
            if kept.gone_at.take().is_some() {
                kept.came_back = true;
            }
            // That another identity signed it, too, takes nothing from it.
            if vouched && (is_believed || !is_bound(kept)) {
                kept.signed_by = master;
            }
        }
        let own = (self.is_own(user_id)).then_some(&self.account.device_id);
        for device in &mut user.devices {
            let is_listed = listed.contains_key(&device.device_id);
            if !is_listed && device.gone_at.is_none() && Some(&device.device_id) != own {
                device.gone_at = Some(self.now);
            }
        }
        Ok(())
    }
}

/// The public key of a cross-signing object of a user and usage.
fn cross_signing_key(user_id: &str, usage: &str, object: &Value) -> Option<ed25519::PublicKey> {
    let usages = object.get("usage")?.as_array()?;
    let is_used = usages.iter().any(|one| one.as_str() == Some(usage));
    let keys = object.get("keys")?.as_object()?;
    let (name, key) = keys.iter().next().filter(|_| keys.len() == 1)?;
    let key = key.as_str()?;
    let is_named = name.strip_prefix("ed25519:") == Some(key);
    if !is_used || !is_named || text(object, "user_id") != Some(user_id) {
        return None;
    }
    ed25519::PublicKey::from_bytes(&key_from_base64(key).ok()?).ok()
}

/// A device that signed its own keys, and whether it speaks our algorithms.
fn read_device(user_id: &str, device_id: &str, object: &Value) -> Option<(DeviceIdentity, bool)> {
    check_id(device_id).ok()?;
    if text(object, "user_id") != Some(user_id) || text(object, "device_id") != Some(device_id) {
        return None;
    }
    let key = |algorithm: &str| {
        let key = text(object.get("keys")?, &format!("{algorithm}:{device_id}"))?;
        key_from_base64(key).ok()
    };
    let ed25519 = ed25519::PublicKey::from_bytes(&key("ed25519")?).ok()?;
    let x25519 = x25519::PublicKey::from_bytes(key("curve25519")?).ok()?;
    signed_json::verify(object, user_id, device_id, &ed25519).ok()?;
    let algorithms = object.get("algorithms")?.as_array()?;
    let speaks = |name: &str| algorithms.iter().any(|one| one.as_str() == Some(name));
    let is_ours = speaks(ratchet::ALGORITHM) && speaks(sender_key::ALGORITHM);
    let (user_id, device_id) = (user_id.to_owned(), device_id.to_owned());
    Some((DeviceIdentity { user_id, device_id, ed25519, x25519 }, is_ours))
}
