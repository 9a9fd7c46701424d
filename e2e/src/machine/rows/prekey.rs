//! The private halves of what was published for others to begin with.

use crate::{
    encoding::{Bytes32, coded},
    prekeys::{KeyId, Kind, Prekey},
    primitives::{kem, x25519},
};

/// How many handshakes one fallback object accepts, of one device and of all. Whoever is honest begins a session again
/// at most every ten minutes, and only when one broke.
const ACCEPTED_OF_DEVICE: usize = 40;
const ACCEPTED_MAX: usize = 4_000;

/// A published object's private halves, by its id.
#[derive(Clone)]
pub struct StoredPrekey {
    pub id: KeyId,
    pub is_fallback: bool,
    pub x25519: x25519::PrivateKey,
    pub kem: kem::PrivateKey,
    pub object_hash: [u8; 32],
    pub made_at: i64,
    /// When the successor of a fallback object was uploaded.
    pub followed_at: Option<i64>,
    /// Each handshake that a fallback object accepted: see [`StoredPrekey::accept`]. Earlier versions wrote its AD.
    pub accepted: Vec<Bytes32>,
}

coded!(StoredPrekey { id, is_fallback, x25519, kem, object_hash, made_at, followed_at, accepted });

impl StoredPrekey {
    pub fn new(prekey: &Prekey, now: i64) -> Self {
        Self {
            id: prekey.id,
            is_fallback: prekey.kind == Kind::Fallback,
            x25519: prekey.x25519.clone(),
            kem: prekey.kem.clone(),
            object_hash: prekey.object_hash,
            made_at: now,
            followed_at: None,
            accepted: Vec::new(),
        }
    }

    /// Remembers a handshake of a device that this fallback object accepted. `false`: that was before, or there were
    /// too many.
    pub fn accept(&mut self, device: &[u8; 32], ad: &[u8; 32]) -> bool {
        // The device's key, in part, before what tells the handshake: nobody makes two with the same 24 bytes.
        let (own, rest) = (device.iter().take(8), ad.iter().take(24));
        let mut entry = [0; 32];
        entry.iter_mut().zip(own.chain(rest)).for_each(|(to, from)| *to = *from);
        let is_of_device =
            |known: &&Bytes32| known.0.iter().zip(device).take(8).all(|(a, b)| a == b);
        if self.accepted.len() >= ACCEPTED_MAX
            || self.accepted.contains(&Bytes32(entry))
            || self.accepted.iter().filter(is_of_device).count() >= ACCEPTED_OF_DEVICE
        {
            return false;
        }
        self.accepted.push(Bytes32(entry));
        true
    }

    pub fn prekey(&self) -> Prekey {
        Prekey {
            id: self.id,
            kind: if self.is_fallback { Kind::Fallback } else { Kind::OneTime },
            x25519: self.x25519.clone(),
            kem: self.kem.clone(),
            object_hash: self.object_hash,
        }
    }
}
