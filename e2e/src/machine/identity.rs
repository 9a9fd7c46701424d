//! Cross-signing, pins and removals.

use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    Work, check_id, pins,
    rows::{BackupRow, Claim, Purpose, SecretBytes, SecretRow, User},
    text,
};
use crate::{
    Error,
    backup::MAC_SECRET,
    encoding::{self, Bytes32},
    identity::Removal,
    inside::{Inside, SharedSecret},
    primitives::{Secret, ed25519, kdf},
    signed_json::{self, to_base64},
    store::{Transaction, key},
};

/// The self-signing key's name in secret storage, as Matrix has it.
pub const SELF_SIGNING: &str = "m.cross_signing.self_signing";
/// The user-signing key's.
pub const USER_SIGNING: &str = "m.cross_signing.user_signing";

/// How many statements of a user's devices wait until it is known who signs for them.
const CLAIMS_MAX: usize = 200;
/// How many devices of a user that were never seen may be stated to be removed.
const REMOVALS_MAX: usize = 1_000;

/// A new identity's private keys, for secret storage.
pub struct Bootstrapped {
    /// The master key: kept nowhere but in secret storage.
    pub master: Secret,
    /// The self-signing key.
    pub self_signing: Secret,
    /// The user-signing key.
    pub user_signing: Secret,
}

/// What is known of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UserView {
    /// The id.
    pub user_id: String,
    /// Base64 of the master key that the server tells of.
    pub master_key: Option<String>,
    /// Base64 of the master key that is believed.
    pub pinned_key: Option<String>,
    /// The identity was compared.
    pub is_verified: bool,
    /// The identity is another one than the one believed: somebody must look at it.
    pub has_changed: bool,
    /// The server is to be asked again.
    pub is_outdated: bool,
    /// Devices, those that are gone too.
    pub devices: Vec<DeviceView>,
}

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceView {
    /// The id.
    pub device_id: String,
    /// Base64 of its Ed25519 key.
    pub ed25519: String,
    /// What its owner calls it. Not authenticated.
    pub name: Option<String>,
    /// It speaks our algorithms.
    pub is_ours: bool,
    /// Its owner's believed identity vouches for it.
    pub is_vouched_for: bool,
    /// Its owner stated that it is not to be believed any more.
    pub is_removed: bool,
    /// Since when the server does not list it.
    pub gone_at: Option<i64>,
    /// It was gone and came back.
    pub came_back: bool,
    /// When it was first seen.
    pub seen_at: i64,
}

pub(super) fn view(tx: &Transaction<'_>, user_id: &str) -> Result<UserView, Error> {
    let Some(user) = tx.get::<User>(user_id.as_bytes())? else {
        return Ok(UserView { user_id: user_id.to_owned(), ..UserView::default() });
    };
    let devices = user.devices.iter().map(|device| {
        Ok(DeviceView {
            device_id: device.device_id.clone(),
            ed25519: to_base64(&device.ed25519.0),
            name: device.name.clone(),
            is_ours: device.is_ours,
            is_vouched_for: user.vouches_for(device),
            is_removed: is_removed(tx, user_id, &device.ed25519.0)?,
            gone_at: device.gone_at,
            came_back: device.came_back,
            seen_at: device.seen_at,
        })
    });
    let base64 = |key: Option<Bytes32>| key.map(|key| to_base64(&key.0));
    Ok(UserView {
        user_id: user_id.to_owned(),
        master_key: base64(user.master),
        pinned_key: base64(user.pinned),
        is_verified: user.is_verified,
        // One that was pinned by another own device has not changed before it was asked for.
        has_changed: user.has_changed() && user.master.is_some(),
        is_outdated: user.is_outdated,
        devices: devices.collect::<Result<_, Error>>()?,
    })
}

/// Whether a user stated that a device of theirs is gone. What others state of it is of other devices.
fn is_removed(tx: &Transaction<'_>, user_id: &str, key: &[u8; 32]) -> Result<bool, Error> {
    if tx.get::<Removal>(&removal_place(user_id, key))?.is_some() {
        return Ok(true);
    }
    // As earlier versions kept it.
    Ok(tx.get::<Removal>(key)?.is_some_and(|removal| removal.user_id == user_id))
}

/// Whether one of these self-signing keys signed a statement.
fn is_stated(removal: &Removal, signers: &[Bytes32]) -> bool {
    let is_by = |key: &Bytes32| key.ed25519().is_ok_and(|key| removal.verify(&key).is_ok());
    signers.iter().any(is_by)
}

/// The key of a removal: the device's, and whose it is.
fn removal_place(user_id: &str, key: &[u8; 32]) -> Vec<u8> {
    [key.as_slice(), user_id.as_bytes()].concat()
}

impl Work<'_> {
    pub(super) fn bootstrap(&mut self) -> Result<Bootstrapped, Error> {
        let mut key = || ed25519::PrivateKey::generate(self.rng);
        let (master, self_signing, user_signing) = (key(), key(), key());
        let own = self.account.user_id.clone();
        let mut user = self.user(&own)?;
        user.believe(master.public().into(), self.now);
        (user.master, user.is_verified) = (user.pinned, true);
        user.self_signing = Some(self_signing.public().into());
        user.user_signing = Some(user_signing.public().into());
        self.tx.put(own.as_bytes(), &user);
        let object = |usage: &str, key: &ed25519::PrivateKey| {
            let public = to_base64(key.public().as_bytes());
            json!({
                "user_id": own, "usage": [usage], "keys": { format!("ed25519:{public}"): public },
            })
        };
        let name = to_base64(master.public().as_bytes());
        let mut objects = Map::new();
        for (usage, key) in
            [("master", &master), ("self_signing", &self_signing), ("user_signing", &user_signing)]
        {
            let mut object = object(usage, key);
            if usage == "master" {
                let device_id = &self.account.device_id;
                signed_json::sign(&mut object, &own, device_id, &self.account.ed25519)?;
            } else {
                signed_json::sign(&mut object, &own, &name, &master)?;
            }
            objects.insert(format!("{usage}_key"), object);
        }
        let path = "/_matrix/client/v3/keys/device_signing/upload";
        if !self.account.is_uploaded {
            // A signature of a device that the server does not know would be refused.
            self.upload_keys()?;
        }
        self.request("POST", path, &objects.into(), Purpose::SigningKeysUpload)?;
        self.keep_secret(SELF_SIGNING, self_signing.as_bytes());
        self.keep_secret(USER_SIGNING, user_signing.as_bytes());
        let (device_id, key) = (self.account.device_id.clone(), self.account.ed25519.public());
        self.vouch_for(&device_id, key.as_bytes())?;
        Ok(Bootstrapped {
            master: master.to_bytes(),
            self_signing: self_signing.to_bytes(),
            user_signing: user_signing.to_bytes(),
        })
    }

    pub(super) fn adopt_identity(
        &mut self,
        master: &[u8; 32],
        self_signing: &[u8; 32],
        user_signing: &[u8; 32],
    ) -> Result<(), Error> {
        let own = self.account.user_id.clone();
        let mut user = self.user(&own)?;
        if user.master.is_none() {
            self.outdate(&own)?;
            return Err(Error::NotReady);
        }
        let public =
            |seed: &[u8; 32]| Some(Bytes32::from(ed25519::PrivateKey::from_bytes(seed).public()));
        if user.master != public(master)
            || user.self_signing != public(self_signing)
            || user.user_signing != public(user_signing)
        {
            return Err(Error::Identity);
        }
        user.is_verified = true;
        if let Some(master) = user.master {
            user.believe(master, self.now);
        }
        self.tx.put(own.as_bytes(), &user);
        self.keep_secret(SELF_SIGNING, self_signing);
        self.keep_secret(USER_SIGNING, user_signing);
        let (device_id, key) = (self.account.device_id.clone(), self.account.ed25519.public());
        self.vouch_for(&device_id, key.as_bytes())
    }

    pub(super) fn accept_identity(
        &mut self,
        user_id: &str,
        master: &[u8; 32],
    ) -> Result<(), Error> {
        if self.is_own(user_id) {
            return Err(Error::Identity);
        }
        self.look_at(user_id, master, false)
    }

    /// A person looked at this master key of a user. It must be the one that the server tells of.
    fn look_at(
        &mut self,
        user_id: &str,
        master: &[u8; 32],
        is_verified: bool,
    ) -> Result<(), Error> {
        let mut user = self.tx.get::<User>(user_id.as_bytes())?.ok_or(Error::Unknown)?;
        if user.master != Some(Bytes32(*master)) {
            return Err(Error::Identity);
        }
        let has_changed = user.believe(Bytes32(*master), self.now);
        (user.is_verified, user.looked_at) = (is_verified, Some(self.now));
        user.stranger_since = None;
        self.tx.put(user_id.as_bytes(), &user);
        self.unsaved(pins::USER, user_id.as_bytes());
        // Whom it vouches for is to be seen anew.
        if has_changed { self.outdate(user_id) } else { Ok(()) }
    }

    pub(super) fn verify_identity(
        &mut self,
        user_id: &str,
        master: &[u8; 32],
    ) -> Result<(), Error> {
        self.look_at(user_id, master, true)?;
        let Some(key) = self.secret(USER_SIGNING)?.filter(|_| !self.is_own(user_id)) else {
            return Ok(());
        };
        let key = ed25519::PrivateKey::from_bytes(&key);
        let public = to_base64(master);
        let mut object = json!({
            "user_id": user_id, "usage": ["master"], "keys": { format!("ed25519:{public}"): public },
        });
        let name = to_base64(key.public().as_bytes());
        signed_json::sign(&mut object, &self.account.user_id, &name, &key)?;
        self.upload_signature(user_id, &public, object)
    }

    pub(super) fn vouch_for(&mut self, device_id: &str, key: &[u8; 32]) -> Result<(), Error> {
        let own = self.account.user_id.clone();
        let mut user = self.user(&own)?;
        let self_signing = self.self_signing(&user)?;
        let (pinned, has_changed) = (user.pinned, user.has_changed());
        let device = user.device_mut(device_id).ok_or(Error::Unknown)?;
        if has_changed || device.ed25519 != Bytes32(*key) || self.is_removed(&own, key)? {
            return Err(Error::Identity);
        }
        device.signed_by = pinned;
        let identity = device.identity(&own)?;
        let mut object = if device_id == self.account.device_id {
            self.device_keys()?
        } else {
            json!({
                "user_id": own,
                "device_id": device_id,
                "algorithms": [crate::ratchet::ALGORITHM, crate::sender_key::ALGORITHM],
                "keys": {
                    format!("curve25519:{device_id}"): to_base64(identity.x25519.as_bytes()),
                    format!("ed25519:{device_id}"): to_base64(identity.ed25519.as_bytes()),
                },
            })
        };
        self.tx.put(own.as_bytes(), &user);
        let name = to_base64(self_signing.public().as_bytes());
        signed_json::sign(&mut object, &own, &name, &self_signing)?;
        self.upload_signature(&own, device_id, object)
    }

    /// Answers the new backup's private keys, if there was a backup: what the device had opens and forges nothing there.
    pub(super) fn remove_device(
        &mut self,
        device_id: &str,
    ) -> Result<Option<Zeroizing<[u8; 96]>>, Error> {
        let own = self.account.user_id.clone();
        let user = self.user(&own)?;
        let self_signing = self.self_signing(&user)?;
        let device = user.device(device_id).ok_or(Error::Unknown)?;
        let removal = Removal::sign(&device.identity(&own)?, &self_signing);
        self.keep_removal(&removal)?;
        let inside = Inside::Removals(vec![removal]);
        let backup = match self.tx.get::<BackupRow>(&[])? {
            Some(row) if row.version.is_some() || self.is_backup_begun()? => {
                Some(self.create_backup()?)
            }
            // Another client's may be current: that is replaced by nobody unasked. But what the device knew makes no
            // version believed any more.
            Some(_) => {
                self.tx.delete::<BackupRow>(&[]);
                self.tx.delete::<SecretRow>(MAC_SECRET.as_bytes());
                None
            }
            None => None,
        };
        for (user_id, device_id) in self.all_devices()? {
            self.send_inside(&user_id, &device_id, &inside)?;
            if backup.is_some() && self.is_own(&user_id) {
                self.share_secret(&device_id, MAC_SECRET)?;
            }
        }
        Ok(backup)
    }

    pub(super) fn share_secret(&mut self, device_id: &str, name: &str) -> Result<(), Error> {
        let own = self.account.user_id.clone();
        self.entitled_own(device_id)?;
        let value = self.secret(name)?.ok_or(Error::Unknown)?;
        let secret = SharedSecret { name: name.to_owned(), value: value.to_vec() };
        self.send_inside(&own, device_id, &Inside::Secret(secret))
    }

    /// Whether an own device, but this one, may be given what only own devices have.
    pub(super) fn entitled_own(&self, device_id: &str) -> Result<(), Error> {
        let user = self.user(&self.account.user_id)?;
        let device = user.device(device_id).ok_or(Error::Unknown)?;
        let is_this = device_id == self.account.device_id;
        if is_this || !self.is_entitled(&self.account.user_id, &user, device)? {
            Err(Error::Identity)
        } else {
            Ok(())
        }
    }

    /// The own self-signing key, if it is here and of the identity that is believed, whatever a server tells now.
    fn self_signing(&self, user: &User) -> Result<ed25519::PrivateKey, Error> {
        let key = self.secret(SELF_SIGNING)?.ok_or(Error::Identity)?;
        let key = ed25519::PrivateKey::from_bytes(&key);
        let is_current = user.signers().contains(&key.public().into());
        if is_current { Ok(key) } else { Err(Error::Identity) }
    }

    /// Takes in statements that devices were removed. Who passes them on does not matter. Those that cannot be
    /// checked yet are looked at again when keys of their user come.
    pub(super) fn take_removals(&mut self, removals: &[Removal]) -> Result<(), Error> {
        for removal in removals {
            let of = removal.user_id.as_bytes();
            let Some(user) = self.tx.get::<User>(of)? else { continue };
            // An id that no device has would be of any length, in rows and in what is told before lists.
            if check_id(&removal.device_id).is_err()
                || self.is_removed(&removal.user_id, removal.ed25519.as_bytes())?
            {
                continue;
            }
            if !is_stated(removal, &user.signers()) {
                self.keep_claim(removal)?;
                continue;
            }
            let is_known = user.devices.iter().any(|one| one.ed25519 == removal.ed25519.into());
            if is_known || self.removals_of(&removal.user_id)? < REMOVALS_MAX {
                self.keep_removal(removal)?;
            }
        }
        Ok(())
    }

    /// Keeps a statement that cannot be checked yet; of too many, the newest.
    fn keep_claim(&mut self, removal: &Removal) -> Result<(), Error> {
        let removal_bytes = encoding::encode(removal);
        let of_user = key(&[removal.user_id.as_bytes(), &[]]);
        let hash = kdf::hash("org.sealpost.store.v1 claim", &[&removal_bytes]);
        let at = [of_user.as_slice(), &hash].concat();
        let all = self.tx.scan::<Claim>(&of_user)?;
        if all.iter().any(|(other, _)| *other == at) {
            return Ok(());
        }
        if all.len() >= CLAIMS_MAX
            && let Some((oldest, _)) = all.iter().min_by_key(|(_, claim)| claim.at)
        {
            self.tx.delete::<Claim>(oldest);
        }
        self.tx.put(&at, &Claim { removal: removal_bytes, at: self.now });
        Ok(())
    }

    /// Looks again at what could not be checked, now that keys of its user came.
    pub(super) fn check_claims(&mut self, user_id: &str) -> Result<(), Error> {
        let all = self.tx.scan::<Claim>(&key(&[user_id.as_bytes(), &[]]))?;
        let signers = if all.is_empty() { Vec::new() } else { self.user(user_id)?.signers() };
        for (at, claim) in all {
            // A longer one is of a version that took any id.
            let Ok(removal) = encoding::decode::<Removal>(&claim.removal, 2 * 1_024) else {
                self.tx.delete::<Claim>(&at);
                continue;
            };
            if !is_stated(&removal, &signers) {
                continue;
            }
            self.take_removals(std::slice::from_ref(&removal))?;
            if self.is_removed(user_id, removal.ed25519.as_bytes())? {
                self.tx.delete::<Claim>(&at);
            }
        }
        Ok(())
    }

    pub(super) fn is_removed(&self, user_id: &str, key: &[u8; 32]) -> Result<bool, Error> {
        is_removed(&self.tx, user_id, key)
    }

    /// Keeps a statement that was checked.
    pub(super) fn keep_removal(&mut self, removal: &Removal) -> Result<(), Error> {
        let key = removal.ed25519.as_bytes();
        if !self.is_removed(&removal.user_id, key)? {
            let at = removal_place(&removal.user_id, key);
            self.tx.put(&at, removal);
            self.unsaved(pins::REMOVAL, &at);
        }
        Ok(())
    }

    fn removals_of(&self, user_id: &str) -> Result<usize, Error> {
        let all = self.tx.scan::<Removal>(&[])?;
        Ok(all.iter().filter(|(_, removal)| removal.user_id == user_id).count())
    }

    /// A private key of an identity, or another secret of 32 bytes.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        let row = self.tx.get::<SecretRow>(name.as_bytes())?;
        let bytes = row.map(|row| row.0.0.as_slice().try_into().map(Secret::new));
        bytes.transpose().map_err(|_| Error::Store)
    }

    pub(super) fn keep_secret(&mut self, name: &str, value: &[u8; 32]) {
        self.tx.put(name.as_bytes(), &SecretRow(SecretBytes(value.to_vec())));
    }

    /// Takes in a secret that an own device sent.
    pub(super) fn take_secret(&mut self, secret: &SharedSecret) -> Result<(), Error> {
        let Ok(value): Result<[u8; 32], _> = secret.value.as_slice().try_into() else {
            return Ok(());
        };
        if self.is_own_secret(&secret.name, &value)? {
            self.keep_secret(&secret.name, &value);
            self.synced.secrets.push(secret.name.clone());
        }
        Ok(())
    }

    /// Whether this is a secret of the identity that is believed: its keys must be those that the server tells of, below
    /// the master key.
    pub(super) fn is_own_secret(&self, name: &str, value: &[u8; 32]) -> Result<bool, Error> {
        let user = self.user(&self.account.user_id)?;
        let public = Some(Bytes32::from(ed25519::PrivateKey::from_bytes(value).public()));
        let is_right = match name {
            SELF_SIGNING => public.is_some_and(|key| user.signers().contains(&key)),
            USER_SIGNING => user.user_signing == public && !user.has_changed(),
            name => name.starts_with("org.sealpost."),
        };
        Ok(is_right && user.pinned.is_some())
    }

    fn upload_signature(&mut self, user_id: &str, name: &str, object: Value) -> Result<(), Error> {
        debug_assert!(text(&object, "user_id") == Some(user_id));
        let body = json!({ user_id: { name: object } });
        let path = "/_matrix/client/v3/keys/signatures/upload";
        self.request("POST", path, &body, Purpose::SignaturesUpload)
    }
}
