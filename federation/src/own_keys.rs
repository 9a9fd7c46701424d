//! This server's signing keys: the one it signs with now, and those it signed with before.

use std::sync::Arc;

use parking_lot::RwLock;
use ruma::OwnedServerSigningKeyId;

use crate::{
    SigningKey,
    keyring::{KnownKey, KnownKeys},
};

/// A key that is no longer signed with. What was signed with it while it was in use still verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldKey {
    /// Its id, `ed25519:…`.
    pub id: OwnedServerSigningKeyId,
    /// The public key, 32 bytes.
    pub public_key: Vec<u8>,
    /// When it went out of use, in milliseconds since the Unix epoch.
    pub expired_at: i64,
}

/// The keys of this server. All clones see a [rotation](OwnKeys::rotate) at once.
#[derive(Clone, Debug)]
pub struct OwnKeys(Arc<RwLock<Keys>>);

#[derive(Debug)]
struct Keys {
    current: SigningKey,
    old: Vec<OldKey>,
}

impl OwnKeys {
    /// `current` and the keys before it; where `current` is among those, it counts as in use.
    pub fn new(current: SigningKey, mut old: Vec<OldKey>) -> Self {
        old.retain(|key| key.id != *current.id());
        Self(Arc::new(RwLock::new(Keys { current, old })))
    }

    /// The key to sign with now.
    pub fn current(&self) -> SigningKey {
        self.0.read().current.clone()
    }

    /// Keys of earlier times.
    pub fn old(&self) -> Vec<OldKey> {
        self.0.read().old.clone()
    }

    /// Signs with `new` from here on; the key in use until now becomes an old one that expires at
    /// `expired_at`.
    pub fn rotate(&self, new: SigningKey, expired_at: i64) {
        let mut keys = self.0.write();
        let before = std::mem::replace(&mut keys.current, new);
        keys.old.push(OldKey {
            id: before.id().clone(),
            public_key: before.public_key().to_vec(),
            expired_at,
        });
    }

    /// All of them, as other servers' keys are known.
    pub fn known(&self) -> KnownKeys {
        let keys = self.0.read();
        let old = keys.old.iter().map(|old| {
            let key = KnownKey {
                public_key: old.public_key.clone(),
                valid_until: old.expired_at,
                expired_at: Some(old.expired_at),
                fetched_at: 0,
            };
            (old.id.to_string(), key)
        });
        let current = KnownKey {
            public_key: keys.current.public_key().to_vec(),
            valid_until: i64::MAX,
            expired_at: None,
            fetched_at: 0,
        };
        old.chain([(keys.current.id().to_string(), current)]).collect()
    }
}

impl From<SigningKey> for OwnKeys {
    fn from(current: SigningKey) -> Self {
        Self::new(current, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_rotation_the_old_key_verifies_what_is_older() {
        let key = |version: &str, seed| SigningKey::from_seed(version, &[seed; 32]).unwrap();
        let keys = OwnKeys::from(key("1", 1));
        let clone = keys.clone();
        keys.rotate(key("2", 2), 1_000);
        assert_eq!(clone.current().id(), "ed25519:2");
        let known = clone.known();
        assert!(known["ed25519:1"].is_valid_at(1_000) && !known["ed25519:1"].is_valid_at(1_001));
        assert!(known["ed25519:2"].is_valid_at(2_000));
    }

    #[test]
    fn a_key_in_use_is_not_an_old_one() {
        let key = SigningKey::from_seed("1", &[1; 32]).unwrap();
        let old = OldKey { id: key.id().clone(), public_key: Vec::new(), expired_at: 1 };
        assert!(OwnKeys::new(key, vec![old]).old().is_empty());
    }
}
