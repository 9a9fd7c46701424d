//! What a server or a notary answers about keys: whether it is to be believed, and what it says.

use std::collections::BTreeMap;

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, ServerName,
    api::federation::discovery::ServerSigningKeys,
    serde::Raw,
    signatures::{PublicKeyMap, PublicKeySet, verify_json},
};

use crate::Error;

/// How long after its fetch a key may count as valid: seven days, in milliseconds.
pub const LONGEST_VALIDITY_MS: i64 = 7 * 24 * 3600 * 1000;

/// One key of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// The public key, 32 bytes.
    pub public_key: Vec<u8>,
    /// Until when it is known to be in use. Milliseconds since the Unix epoch, as all times here.
    pub valid_until: i64,
    /// When it went out of use, if it did.
    pub expired_at: Option<i64>,
    /// When it was fetched.
    pub fetched_at: i64,
}

impl KnownKey {
    /// Whether the key was in use at `at`, as far as is known.
    pub fn is_valid_at(&self, at: i64) -> bool {
        at <= self.expired_at.unwrap_or(self.valid_until)
    }
}

/// Keys of one server by key id (`ed25519:…`).
pub type KnownKeys = BTreeMap<String, KnownKey>;

/// Adds keys from a second hand: they never take the place of another key with the same id, and only ever
/// make one valid for longer. A key that went out of use stays out of use.
pub(super) fn add(known: &mut KnownKeys, told: KnownKeys) {
    for (id, key) in told {
        match known.get(&id) {
            None => {
                known.insert(id, key);
            }
            Some(before)
                if before.public_key == key.public_key
                    && before.expired_at.is_none()
                    && (key.expired_at.is_some() || key.valid_until > before.valid_until) =>
            {
                known.insert(id, key);
            }
            Some(_) => {}
        }
    }
}

/// Checks a notary's signature on an answer about another server's keys, with the keys that the notary signs with.
pub fn check_notarised(
    notary: &ServerName,
    keys: &PublicKeySet,
    answer: &Raw<ServerSigningKeys>,
) -> Result<(), Error> {
    let unauthenticated =
        |reason: String| Error::Unauthenticated(format!("notary {notary}: {reason}"));
    let mut object: CanonicalJsonObject = serde_json::from_str(answer.json().get())
        .map_err(|error| unauthenticated(error.to_string()))?;
    if let Some(CanonicalJsonValue::Object(signatures)) = object.get_mut("signatures") {
        signatures.retain(|signer, _| signer == notary.as_str());
        if let Some(CanonicalJsonValue::Object(own)) = signatures.get_mut(notary.as_str()) {
            own.retain(|id, _| keys.contains_key(id));
            if !own.is_empty() {
                let keys = PublicKeyMap::from([(notary.to_string(), keys.clone())]);
                return verify_json(&keys, &object)
                    .map_err(|error| unauthenticated(error.to_string()));
            }
        }
    }
    Err(unauthenticated("not signed with a key that is known".to_owned()))
}

/// Checks a server's answer about its own keys: that it is the server's, and signed by each key it says is
/// in use.
pub fn check_answer(
    server: &ServerName,
    answer: &Raw<ServerSigningKeys>,
    now: i64,
) -> Result<KnownKeys, Error> {
    let unauthenticated =
        |reason: String| Error::Unauthenticated(format!("keys of {server}: {reason}"));
    let keys = answer.deserialize().map_err(|error| unauthenticated(error.to_string()))?;
    if keys.server_name != server {
        return Err(unauthenticated(format!("the answer is about {}", keys.server_name)));
    }
    let mut object: CanonicalJsonObject = serde_json::from_str(answer.json().get())
        .map_err(|error| unauthenticated(error.to_string()))?;
    // Signatures of others, notaries say, are not asked for here.
    if let Some(CanonicalJsonValue::Object(signatures)) = object.get_mut("signatures") {
        signatures.retain(|signer, _| signer == server.as_str());
        if signatures.is_empty() {
            return Err(unauthenticated("not signed".to_owned()));
        }
    }
    let mut known = KnownKeys::new();
    let valid_until =
        i64::from(keys.valid_until_ts.get()).min(now.saturating_add(LONGEST_VALIDITY_MS));
    for (id, old) in &keys.old_verify_keys {
        let key = KnownKey {
            public_key: old.key.as_bytes().to_vec(),
            valid_until: i64::from(old.expired_ts.get()),
            expired_at: Some(i64::from(old.expired_ts.get())),
            fetched_at: now,
        };
        known.insert(id.to_string(), key);
    }
    for (id, current) in &keys.verify_keys {
        let set = PublicKeySet::from([(id.to_string(), current.key.clone())]);
        verify_json(&PublicKeyMap::from([(server.to_string(), set)]), &object)
            .map_err(|error| unauthenticated(format!("{id}: {error}")))?;
        let key = KnownKey {
            public_key: current.key.as_bytes().to_vec(),
            valid_until,
            expired_at: None,
            fetched_at: now,
        };
        known.insert(id.to_string(), key);
    }
    if keys.verify_keys.is_empty() {
        return Err(unauthenticated("no key is in use".to_owned()));
    }
    Ok(known)
}
