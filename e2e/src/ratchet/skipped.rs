//! The keys of messages that have not arrived: bounded in number and time, the oldest forgotten first.

use crate::{
    encoding::coded,
    primitives::{Secret, x25519},
};

/// How many keys a session keeps.
pub const KEPT_MAX: usize = 2_000;

/// Keys by chain and number, the oldest first.
#[derive(Clone, Default)]
pub struct SkippedKeys(Vec<SkippedKey>);

coded!(SkippedKeys = 0);

#[derive(Clone)]
struct SkippedKey {
    chain: x25519::PublicKey,
    number: u32,
    key: Secret,
    at: i64,
}

coded!(SkippedKey { chain, number, key, at });

impl SkippedKeys {
    /// The key of a message, if it is kept.
    pub fn find(&self, chain: &x25519::PublicKey, number: u32) -> Option<&Secret> {
        let of = |kept: &&SkippedKey| kept.number == number && kept.chain == *chain;
        self.0.iter().find(of).map(|kept| &kept.key)
    }

    /// Forgets the key of a message that was read.
    pub fn remove(&mut self, chain: &x25519::PublicKey, number: u32) {
        self.0.retain(|kept| kept.number != number || kept.chain != *chain);
    }

    /// With the key of a message that was passed over at `at`.
    pub fn keep(&mut self, chain: x25519::PublicKey, number: u32, key: Secret, at: i64) {
        self.0.push(SkippedKey { chain, number, key, at });
    }

    /// Forgets the oldest above the bound.
    pub fn bound(&mut self) {
        self.0.drain(..self.0.len().saturating_sub(KEPT_MAX));
    }

    /// Forgets those that were passed over before a time.
    pub fn forget_before(&mut self, time: i64) {
        self.0.retain(|kept| kept.at >= time);
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
