//! Ed25519 (RFC 8032), strict: one form of each key and signature, and none of small order.

use ed25519_dalek::{Signature, Signer as _};
use rand_core::CryptoRng;

use super::{Secret, is_below_prime, random};
use crate::Error;

/// A public key: 32 bytes, the canonical form of a point that is not of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Takes a key as a peer sent it.
    ///
    /// # Errors
    /// [`Error::Key`]: not a point in its canonical form, or one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Error> {
        let mut y = *bytes;
        let [.., last] = &mut y;
        *last &= 0x7f;
        if !is_below_prime(&y) {
            return Err(Error::Key);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| Error::Key)?;
        if key.is_weak() { Err(Error::Key) } else { Ok(Self(key)) }
    }

    /// The 32 bytes that others are sent.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Checks a signature of 64 bytes.
    ///
    /// # Errors
    /// [`Error::Authentication`]: it is not this key's over `message`, or not in its only form.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), Error> {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| Error::Authentication)
    }
}

/// A private key, erased when dropped; moved without a copy, like [`Secret`].
#[derive(Clone)]
pub struct PrivateKey(Box<ed25519_dalek::SigningKey>);

impl PrivateKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_bytes(&Secret::new(random(rng)))
    }

    /// A stored seed.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// The seed of 32 bytes to store.
    pub fn to_bytes(&self) -> Secret {
        Secret::new(self.0.to_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key that others are told.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs; 64 bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_key_and_message_only() {
        let key = PrivateKey::from_bytes(&[1; 32]);
        let signature = key.sign(b"message");
        assert_eq!(key.public().verify(b"message", &signature), Ok(()));
        let refused = Err(Error::Authentication);
        assert_eq!(key.public().verify(b"other", &signature), refused);
        let other = PrivateKey::from_bytes(&[2; 32]).public();
        assert_eq!(other.verify(b"message", &signature), refused);
    }

    #[test]
    fn keys_of_small_order_or_in_another_form_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::from_bytes(&neutral), Err(Error::Key));
        // The neutral element once more: 2^255 − 18 is 1.
        let mut again = [0xff; 32];
        (again[0], again[31]) = (0xee, 0x7f);
        assert_eq!(PublicKey::from_bytes(&again), Err(Error::Key));
    }
}
