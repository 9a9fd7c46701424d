//! This device's keys and prekeys: made, uploaded, replenished, rotated, forgotten.

use serde_json::{Map, Value, json};

use super::{
    Work,
    rows::{Account, Purpose, StoredPrekey, User},
};
use crate::{
    Error,
    prekeys::{ALGORITHM, KeyId, Kind, Prekey},
    ratchet, sender_key, signed_json,
    signed_json::to_base64,
};

/// How many one-time objects are published.
pub const ONE_TIME: u32 = 50;
/// And below how many they are refilled.
pub const REFILL_BELOW: u32 = 25;
/// How many one-time private halves are kept although the server handed them out long ago.
const KEPT: usize = 200;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const FALLBACK_ROTATES_MS: i64 = 7 * DAY_MS;
const FALLBACK_KEPT_MS: i64 = 30 * DAY_MS;
/// While something that was said is still to be fetched.
const FALLBACK_KEPT_IN_GAP_MS: i64 = 60 * DAY_MS;
const AGAIN_AFTER_MS: i64 = 60 * 1_000;

impl Work<'_> {
    /// What a new device starts with: itself among the users that it knows.
    pub(super) fn begin(&mut self) {
        let own = self.account.own().identity();
        let user = User {
            is_tracked: true,
            is_outdated: true,
            devices: vec![super::tracking::device(&own, None, true, self.now)],
            ..User::default()
        };
        self.tx.put(own.user_id.as_bytes(), &user);
    }

    /// The signed `device_keys`.
    pub(super) fn device_keys(&self) -> Result<Value, Error> {
        let Account { user_id, device_id, .. } = &self.account;
        let own = self.account.own().identity();
        let mut keys = json!({
            "user_id": user_id,
            "device_id": device_id,
            "algorithms": [ratchet::ALGORITHM, sender_key::ALGORITHM],
            "keys": {
                format!("curve25519:{device_id}"): to_base64(own.x25519.as_bytes()),
                format!("ed25519:{device_id}"): to_base64(own.ed25519.as_bytes()),
            },
        });
        signed_json::sign(&mut keys, user_id, device_id, &self.account.ed25519)?;
        Ok(keys)
    }

    /// Asks for an upload of what the server lacks.
    pub(super) fn upload_keys(&mut self) -> Result<(), Error> {
        if self.now < self.account.upload_after {
            return Ok(());
        }
        let device = !self.account.is_uploaded;
        let mut body = Map::new();
        if device {
            body.insert("device_keys".to_owned(), self.device_keys()?);
        }
        let mut made = Vec::new();
        let have = if device { Some(0) } else { self.account.one_time };
        if let Some(have) = have.filter(|have| *have < REFILL_BELOW) {
            self.forget_one_time()?;
            let mut objects = Map::new();
            for _ in have..ONE_TIME {
                let (name, object) = self.make(Kind::OneTime, &mut made)?;
                objects.insert(name, object);
            }
            body.insert("one_time_keys".to_owned(), objects.into());
        }
        let age = self.account.fallback_at.map(|at| self.now.saturating_sub(at));
        let used = self.account.fallback_used;
        if age.is_none_or(|age| age >= FALLBACK_ROTATES_MS || (used && age >= DAY_MS)) {
            let (name, object) = self.make(Kind::Fallback, &mut made)?;
            body.insert("fallback_keys".to_owned(), json!({ name: object }));
        }
        if body.is_empty() {
            return Ok(());
        }
        let purpose = Purpose::KeysUpload(device, made);
        self.request("POST", "/_matrix/client/v3/keys/upload", &body.into(), purpose)
    }

    fn make(&mut self, kind: Kind, made: &mut Vec<KeyId>) -> Result<(String, Value), Error> {
        let (prekey, object) = Prekey::generate(&self.account.own(), kind, self.rng)?;
        self.tx.put(&prekey.id.0, &StoredPrekey::new(&prekey, self.now));
        made.push(prekey.id);
        Ok((prekey.id.name(), object))
    }

    pub(super) fn keys_uploaded(
        &mut self,
        device: bool,
        prekeys: &[KeyId],
        answer: &Value,
    ) -> Result<(), Error> {
        self.account_changed = true;
        self.account.is_uploaded |= device;
        self.push_counts(answer.get("one_time_key_counts"));
        let made = prekeys.iter().map(|id| self.tx.get::<StoredPrekey>(&id.0));
        let made = made.collect::<Result<Vec<_>, _>>()?;
        if let Some(fallback) = made.into_iter().flatten().find(|prekey| prekey.is_fallback) {
            self.account.fallback_at = Some(self.now);
            self.account.fallback_used = false;
            for (key, mut former) in self.tx.scan::<StoredPrekey>(&[])? {
                if former.is_fallback && former.id != fallback.id && former.followed_at.is_none() {
                    former.followed_at = Some(self.now);
                    self.tx.put(&key, &former);
                }
            }
        }
        Ok(())
    }

    /// A server refuses the whole when an id exists with another key: all is made again with new ids.
    pub(super) fn upload_refused(&mut self, prekeys: &[KeyId]) -> Result<(), Error> {
        for id in prekeys {
            self.tx.delete::<StoredPrekey>(&id.0);
        }
        self.account.upload_after = self.now.saturating_add(AGAIN_AFTER_MS);
        self.account_changed = true;
        Ok(())
    }

    /// Takes in how many one-time objects the server has.
    pub(super) fn push_counts(&mut self, counts: Option<&Value>) {
        if let Some(counts) = counts.and_then(Value::as_object) {
            let count = counts.get(ALGORITHM).and_then(Value::as_u64).unwrap_or(0);
            self.account.one_time = Some(u32::try_from(count).unwrap_or(u32::MAX));
            self.account_changed = true;
        }
    }

    /// Takes in for which algorithms the server has a fallback object that was not handed out.
    pub(super) fn push_unused_fallbacks(&mut self, unused: Option<&Value>) {
        if let Some(unused) = unused.and_then(Value::as_array) {
            let is_used = !unused.iter().any(|one| one.as_str() == Some(ALGORITHM));
            let is_used = is_used && self.account.fallback_at.is_some();
            self.account_changed |= is_used != self.account.fallback_used;
            self.account.fallback_used = is_used;
        }
    }

    /// Forgets a former fallback after its time.
    pub(super) fn age_prekey(&mut self, at: &[u8], has_gaps: bool) -> Result<(), Error> {
        let kept = if has_gaps { FALLBACK_KEPT_IN_GAP_MS } else { FALLBACK_KEPT_MS };
        let followed_at = self.tx.get::<StoredPrekey>(at)?.and_then(|prekey| prekey.followed_at);
        if followed_at.is_some_and(|at| self.now.saturating_sub(at) >= kept) {
            self.tx.delete::<StoredPrekey>(at);
        }
        Ok(())
    }

    /// Forgets one-time objects beyond those that may still be used.
    pub(super) fn forget_one_time(&mut self) -> Result<(), Error> {
        let all = self.tx.scan::<StoredPrekey>(&[])?.into_iter();
        let one_time = all.filter(|(_, prekey)| !prekey.is_fallback);
        let mut one_time: Vec<_> = one_time.map(|(key, prekey)| (prekey.made_at, key)).collect();
        one_time.sort_unstable();
        let beyond = one_time.len().saturating_sub(KEPT + ONE_TIME as usize);
        for (_, key) in one_time.into_iter().take(beyond) {
            self.tx.delete::<StoredPrekey>(&key);
        }
        Ok(())
    }
}
