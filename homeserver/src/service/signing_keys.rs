//! This server's own signing keys: the file with the one in use, the database with those before it.
//!
//! A rotation happens in this order, so that a crash between the steps costs nothing:
//!
//! 1. The key in use is stored as an old one. While the file still holds it, it counts as in use.
//! 2. The file is replaced by one with a new key.
//! 3. Everything in this process signs with the new key.

use std::{path::PathBuf, sync::Arc};

use ruma::{OwnedServerSigningKeyId, serde::Base64};
use sealpost_federation::{OwnKeys, SigningKey, own_keys::OldKey};

use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Store,
        old_signing_keys::{self, OldSigningKey},
    },
};

/// For how long after a rotation the old key counts as in use, in milliseconds: what is being signed at that
/// moment must still verify.
const GRACE_MS: i64 = 60_000;

type UnpaddedBase64<B = Vec<u8>> = Base64<ruma::serde::base64::Standard, B>;

pub struct SigningKeys {
    store: Store,
    clock: Clock,
    file: PathBuf,
    keys: OwnKeys,
    rotating: tokio::sync::Mutex<()>,
}

/// Both keys of a rotation.
pub struct Rotated {
    pub old: String,
    pub new: String,
}

impl SigningKeys {
    /// `current`, the key in `file`, and the keys before it. Blocks.
    pub fn open(
        store: Store,
        clock: Clock,
        file: PathBuf,
        current: SigningKey,
    ) -> Result<Arc<Self>> {
        let old = store.read_blocking(old_signing_keys::all)?;
        let keys = OwnKeys::new(current, old.into_iter().filter_map(old_key).collect());
        Ok(Arc::new(Self { store, clock, file, keys, rotating: tokio::sync::Mutex::default() }))
    }

    /// The keys; a clone sees rotations.
    pub fn keys(&self) -> OwnKeys {
        self.keys.clone()
    }

    /// Signs with a new key from here on.
    pub async fn rotate(&self) -> Result<Rotated> {
        let _one_at_a_time = self.rotating.lock().await;
        let current = self.keys.current();
        let expired_at = self.clock.now_ms() + GRACE_MS;
        let row = OldSigningKey {
            key_id: current.id().to_string(),
            public_key: UnpaddedBase64::new(current.public_key().to_vec()).encode(),
            expired_at,
        };
        self.store.write(move |tx| old_signing_keys::set(tx, &row)).await?;
        let file = self.file.clone();
        let replaced =
            tokio::task::spawn_blocking(move || SigningKey::replace(&file, &mut rand::rng()))
                .await
                .map_err(|error| Error::internal(format!("making a key did not end: {error}")))?;
        let new = replaced.map_err(|error| Error::internal(format!("signing key: {error}")))?;
        let rotated = Rotated { old: current.id().to_string(), new: new.id().to_string() };
        self.keys.rotate(new, expired_at);
        tracing::info!(old = rotated.old, new = rotated.new, "the signing key was rotated");
        Ok(rotated)
    }
}

fn old_key(row: OldSigningKey) -> Option<OldKey> {
    let id = OwnedServerSigningKeyId::try_from(row.key_id).ok()?;
    let public_key = UnpaddedBase64::<Vec<u8>>::parse(&row.public_key).ok()?.into_inner();
    Some(OldKey { id, public_key, expired_at: row.expired_at })
}
