//! A user uploads signatures: over their own devices by the self-signing key, over their own master key by devices,
//! over others' master keys by the user-signing key. Each is verified before it is kept; the first two are added to
//! what was signed, for all to see, the last is kept apart, for the signer alone.

use std::collections::BTreeMap;

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedUserId, UserId,
    api::client::keys::upload_signatures::v3::SignedKeys,
};
use serde_json::{Value, json};

use super::{
    Keys, is_local, is_text,
    query::Wanted,
    signed::{self, CrossSigningKey, MASTER, SELF_SIGNING, USER_SIGNING},
};
use crate::{
    error::{Error, Result},
    service::{device_lists::Changed, sessions::Session},
    storage::{
        Conn, UserNid,
        cross_signing::{self, KeySignatureRow},
        device_keys,
    },
};

/// A request signs no more than this.
const MOST: usize = 1_000;

/// Why signatures were not kept, by user and key.
pub type Failures = BTreeMap<String, BTreeMap<String, Value>>;

/// What is to be written.
#[derive(Default)]
struct Verified {
    /// The caller's devices with their signatures.
    devices: Vec<(String, String)>,
    master: Option<cross_signing::CrossSigningRow>,
    others: Vec<KeySignatureRow>,
}

impl Keys {
    /// Keeps those signatures that are valid; tells why others are not.
    pub async fn upload_signatures(
        &self,
        caller: &Session,
        signed_keys: BTreeMap<OwnedUserId, SignedKeys>,
    ) -> Result<Failures> {
        let count = signed_keys.values().map(|keys| keys.iter().count()).sum::<usize>();
        if count > MOST {
            return Err(Error::invalid_param("These are more than 1000 signatures"));
        }
        let _one_at_a_time = self.signing.lock(&caller.user_nid).await;
        let master_keys = self.master_keys(caller, &signed_keys).await?;
        let (context, signer) = (self.context.clone(), (caller.user_nid, caller.user_id.clone()));
        let read = self.context.store.read(move |conn| {
            let (mut verified, mut failures) = (Verified::default(), Failures::new());
            for (target, keys) in &signed_keys {
                for (key_id, json) in keys.iter() {
                    let object: CanonicalJsonObject = serde_json::from_str(json.get())
                        .map_err(|error| Error::bad_json(format!("{key_id}: {error}")))?;
                    let checked = if *target == signer.1 {
                        own(conn, &signer, key_id, &object, &mut verified)
                    } else {
                        let master = master_keys.get(target);
                        let nid = context.store.users().find(conn, &**target)?;
                        other(conn, &signer, (nid, target, key_id), master, &object)
                            .map(|row| verified.others.push(row))
                    };
                    match checked {
                        Ok(()) => {}
                        Err(error @ Error::Matrix { .. }) => {
                            let of_user = failures.entry(target.to_string()).or_default();
                            of_user.insert(key_id.to_owned(), failure(&error));
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Ok((verified, failures))
        });
        let (verified, failures) = read.await?;
        self.write_signatures(caller.user_nid, verified).await?;
        Ok(failures)
    }

    /// The master keys of other users that were signed; those of other servers are asked for.
    async fn master_keys(
        &self,
        caller: &Session,
        signed_keys: &BTreeMap<OwnedUserId, SignedKeys>,
    ) -> Result<BTreeMap<OwnedUserId, CrossSigningKey>> {
        let others = signed_keys.keys().filter(|user| **user != caller.user_id);
        let wanted: Wanted = others
            .filter(|user| is_text(user.as_str()))
            .map(|user| (user.clone(), Vec::new()))
            .collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (queried, _) = self.query(caller, wanted, None).await?;
        // A user of another server whom nobody here shares a room with has no row yet.
        let mut known = BTreeMap::new();
        for (user, key) in queried.master_keys {
            let Ok(key) = CrossSigningKey::parse(key.json().get(), &user, MASTER) else { continue };
            if !is_local(&self.context, &user) {
                self.remote.remember_user(&user).await?;
            }
            known.insert(user, key);
        }
        Ok(known)
    }

    async fn write_signatures(&self, user: UserNid, verified: Verified) -> Result<()> {
        let Verified { devices, master, others } = verified;
        if devices.is_empty() && master.is_none() && others.is_empty() {
            return Ok(());
        }
        let lists = self.device_lists.clone();
        let write = self.context.store.write(move |tx| {
            let mut changed = Vec::new();
            for (device_id, json) in &devices {
                device_keys::set_json(tx, user, device_id, json)?;
                changed.push(Changed::Device(device_id));
            }
            if let Some(row) = &master {
                cross_signing::set(tx, row)?;
                changed.push(Changed::CrossSigning);
            }
            lists.changed(tx, user, &changed)?;
            for row in &others {
                cross_signing::set_signature(tx, row)?;
            }
            let targets: Vec<UserNid> = others.iter().map(|row| row.target_nid).collect();
            lists.changed_for(tx, user, &targets)
        });
        write.await
    }
}

/// Checks a signature over a device or the master key of the signer.
fn own(
    conn: &mut Conn,
    (signer, signer_id): &(UserNid, OwnedUserId),
    key_id: &str,
    object: &CanonicalJsonObject,
    verified: &mut Verified,
) -> Result<()> {
    let master = cross_signing::get(conn, *signer, MASTER)?;
    if let Some(mut row) = master
        && row.public_key == key_id
    {
        let mut master = signed::stored(&row.json)?;
        check_same(&master, object)?;
        let signatures = signed::signatures(object, signer_id).ok_or_else(unsigned)?;
        let mut is_signed = false;
        for (signing_key, signature) in signatures {
            let Some(device_id) = signing_key.strip_prefix("ed25519:") else { continue };
            let signature = signature.as_str().ok_or_else(unsigned)?;
            let known = signed::signature(&master, signer_id, signing_key);
            if known == Some(signature) {
                is_signed = true;
                continue;
            }
            let device = device_keys::get(conn, *signer, device_id)?.ok_or_else(unsigned)?;
            let public_key = public_key(&signed::stored(&device)?, signing_key)?;
            if !signed::verify(&master, &public_key, signature) {
                return Err(unsigned());
            }
            signed::add_signature(&mut master, signer_id, (signing_key, signature), |_| true);
            is_signed = true;
        }
        if !is_signed {
            return Err(unsigned());
        }
        row.json = signed::to_string(&master)?;
        verified.master = Some(row);
        return Ok(());
    }
    let stored = device_keys::get(conn, *signer, key_id)?;
    let stored = stored.ok_or_else(|| Error::not_found("There is no such device"))?;
    let mut device = signed::stored(&stored)?;
    check_same(&device, object)?;
    let key = signing_key(conn, (*signer, signer_id), SELF_SIGNING)?;
    let signature = signed::signature(object, signer_id, &key.key_id()).ok_or_else(unsigned)?;
    if !key.has_signed(object, signer_id) {
        return Err(unsigned());
    }
    let own = format!("ed25519:{key_id}");
    signed::add_signature(&mut device, signer_id, (&key.key_id(), signature), |id| id == own);
    let json = signed::to_string(&device)?;
    if json != stored {
        verified.devices.push((key_id.to_owned(), json));
    }
    Ok(())
}

/// Checks a signature over another user's master key.
fn other(
    conn: &mut Conn,
    (signer, signer_id): &(UserNid, OwnedUserId),
    (target, target_id, key_id): (Option<UserNid>, &UserId, &str),
    master: Option<&CrossSigningKey>,
    object: &CanonicalJsonObject,
) -> Result<KeySignatureRow> {
    let not_found = || Error::not_found(format!("{target_id} has no such master key"));
    let master = master.filter(|master| master.public_key == key_id).ok_or_else(not_found)?;
    let target = target.ok_or_else(not_found)?;
    check_same(&master.object, object)?;
    let key = signing_key(conn, (*signer, signer_id), USER_SIGNING)?;
    let signature = signed::signature(object, signer_id, &key.key_id()).ok_or_else(unsigned)?;
    if !key.has_signed(object, signer_id) {
        return Err(unsigned());
    }
    Ok(KeySignatureRow {
        signer_nid: *signer,
        target_nid: target,
        public_key: master.public_key.clone(),
        signing_key_id: key.key_id(),
        signature: signature.to_owned(),
    })
}

/// The signer's own key for a usage, or 404.
fn signing_key(
    conn: &mut Conn,
    (user, user_id): (UserNid, &UserId),
    usage: &str,
) -> Result<CrossSigningKey> {
    let row = cross_signing::get(conn, user, usage)?;
    let row = row.ok_or_else(|| Error::not_found(format!("You have no {usage} key")))?;
    CrossSigningKey::parse(&row.json, user_id, usage)
}

fn public_key(device: &CanonicalJsonObject, key_id: &str) -> Result<String> {
    let keys = device.get("keys").and_then(CanonicalJsonValue::as_object);
    let key = keys.and_then(|keys| keys.get(key_id)).and_then(CanonicalJsonValue::as_str);
    key.map(str::to_owned).ok_or_else(unsigned)
}

fn check_same(stored: &CanonicalJsonObject, given: &CanonicalJsonObject) -> Result<()> {
    if signed::is_same(stored, given) {
        return Ok(());
    }
    Err(Error::invalid_signature("What was signed is not the key that is known here"))
}

fn unsigned() -> Error {
    Error::invalid_signature("Invalid signature")
}

fn failure(error: &Error) -> Value {
    match error {
        Error::Matrix { kind, message, .. } => {
            json!({ "errcode": kind.errcode().as_str(), "error": message })
        }
        _ => json!({ "errcode": "M_UNKNOWN", "error": "" }),
    }
}
