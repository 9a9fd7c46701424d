//! Signing keys: other servers' in the database, our own as we tell it.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use ruma::{
    CanonicalJsonObject, MilliSecondsSinceUnixEpoch, ServerName, UInt,
    api::federation::discovery::{OldVerifyKey, ServerSigningKeys, VerifyKey},
    serde::{Base64, Raw},
    signatures::sign_json,
};
use sealpost_federation::{
    Error as FederationError, OwnKeys,
    keyring::{KeyStore, KnownKey, KnownKeys},
};

use crate::{
    error::{Error, Result},
    storage::{
        Store,
        server_keys::{self, KeyAnswer, ServerKeyRow},
    },
};

/// For how long others may take our key as valid: a day, in milliseconds.
const VALIDITY_MS: i64 = 24 * 3600 * 1000;

type UnpaddedBase64<B = Vec<u8>> = Base64<ruma::serde::base64::Standard, B>;

/// Our keys, signed with the one in use, as `/_matrix/key/v2/server` answers it.
pub fn own_keys(
    server_name: &ServerName,
    own: &OwnKeys,
    now: i64,
) -> Result<Raw<ServerSigningKeys>> {
    let broken = |error: serde_json::Error| Error::internal(format!("our key: {error}"));
    let time = |at: i64| {
        MilliSecondsSinceUnixEpoch(UInt::new_saturating(u64::try_from(at).unwrap_or_default()))
    };
    let key = own.current();
    let mut keys = ServerSigningKeys::new(server_name.to_owned(), time(now + VALIDITY_MS));
    let public_key = Base64::new(key.public_key().to_vec());
    keys.verify_keys.insert(key.id().clone(), VerifyKey::new(public_key));
    for old in own.old() {
        let key = OldVerifyKey::new(time(old.expired_at), Base64::new(old.public_key));
        keys.old_verify_keys.insert(old.id, key);
    }
    let mut object: CanonicalJsonObject =
        serde_json::from_value(serde_json::to_value(&keys).map_err(broken)?).map_err(broken)?;
    sign_json(server_name.as_str(), &key, &mut object)
        .map_err(|error| Error::internal(format!("our key: {error}")))?;
    Raw::from_json_string(serde_json::to_string(&object).map_err(broken)?).map_err(broken)
}

/// Keeps the keys of other servers.
pub struct StoredKeys(pub Store);

impl StoredKeys {
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self(store))
    }
}

impl KeyStore for StoredKeys {
    fn load(&self, server: &ServerName) -> BoxFuture<'static, Result<KnownKeys, FederationError>> {
        let server = server.to_string();
        let rows = self.0.read(move |conn| server_keys::of_server(conn, &server));
        async move {
            let rows = rows.await.map_err(|error| FederationError::KeyStore(Box::new(error)))?;
            Ok(rows.into_iter().filter_map(known).collect())
        }
        .boxed()
    }

    fn save(
        &self,
        server: &ServerName,
        keys: KnownKeys,
        answer: Option<Raw<ServerSigningKeys>>,
    ) -> BoxFuture<'static, Result<(), FederationError>> {
        let answer = answer.and_then(|answer| kept(server, &keys, &answer));
        let rows: Vec<ServerKeyRow> = keys
            .into_iter()
            .map(|(key_id, key)| ServerKeyRow {
                server_name: server.to_string(),
                key_id,
                public_key: UnpaddedBase64::new(key.public_key).encode(),
                valid_until: key.valid_until,
                expired_at: key.expired_at,
                fetched_at: key.fetched_at,
            })
            .collect();
        let written = self.0.write(move |tx| {
            rows.iter().try_for_each(|row| server_keys::set(tx, row))?;
            answer.iter().try_for_each(|answer| server_keys::set_answer(tx, answer))
        });
        async move { written.await.map_err(|error| FederationError::KeyStore(Box::new(error))) }
            .boxed()
    }
}

/// An answer as it is kept for who asks us as a notary.
fn kept(
    server: &ServerName,
    keys: &KnownKeys,
    answer: &Raw<ServerSigningKeys>,
) -> Option<KeyAnswer> {
    let in_use = keys.values().filter(|key| key.expired_at.is_none());
    let (valid_until, fetched_at) = in_use.map(|key| (key.valid_until, key.fetched_at)).min()?;
    let json = answer.json().get().to_owned();
    Some(KeyAnswer { server_name: server.to_string(), json, valid_until, fetched_at })
}

fn known(row: ServerKeyRow) -> Option<(String, KnownKey)> {
    let public_key = UnpaddedBase64::<Vec<u8>>::parse(&row.public_key).ok()?.into_inner();
    let ServerKeyRow { valid_until, expired_at, fetched_at, .. } = row;
    Some((row.key_id, KnownKey { public_key, valid_until, expired_at, fetched_at }))
}
