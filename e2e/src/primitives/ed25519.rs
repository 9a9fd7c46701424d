//! Ed25519 (RFC 8032), strict: one form of each key and signature, and none of small order.

use ed25519_dalek::{Signature, Signer as _, Verifier as _};
use rand_core::CryptoRng;

use super::{Secret, is_below_prime, random};
use crate::Error;

/// The y-coordinates of all points whose order divides 8, in their canonical form.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

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
        // What `verify_strict` does, without taking R's point out of its bytes: this key is not of small order, and R is
        // compared as bytes with the canonical form of a point, so that of small order it has one of few values.
        let signature = Signature::from_bytes(signature);
        let mut y = *signature.r_bytes();
        let [.., last] = &mut y;
        *last &= 0x7f;
        if SMALL_ORDER.contains(&y) {
            return Err(Error::Authentication);
        }
        self.0.verify(message, &signature).map_err(|_| Error::Authentication)
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
    use crate::signed_json::to_hex;

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

    /// The third case of "Taming the many EdDSAs" (<https://eprint.iacr.org/2020/1244>): the equation holds.
    #[test]
    fn a_signature_whose_point_is_of_small_order_is_refused() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect()
        };
        let key = bytes("f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43");
        let message = bytes("aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab");
        let signature = bytes(concat!(
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e"
        ));
        let (key, signature) = (key.try_into().unwrap(), signature.try_into().unwrap());
        let key = PublicKey::from_bytes(&key).unwrap();
        assert!(key.0.verify(&message, &Signature::from_bytes(&signature)).is_ok());
        assert!(key.0.verify_strict(&message, &Signature::from_bytes(&signature)).is_err());
        assert_eq!(key.verify(&message, &signature), Err(Error::Authentication));
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

    /// RFC 8032, section 7.1, "TEST 2".
    #[test]
    fn the_key_and_signature_of_the_rfc_are_reached() {
        let seed: [u8; 32] = std::array::from_fn(|at| {
            let hex = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
            u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()
        });
        let key = PrivateKey::from_bytes(&seed);
        assert_eq!((key.as_bytes(), &*key.to_bytes()), (&seed, &seed));
        assert_eq!(
            to_hex(key.public().as_bytes()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        assert_eq!(
            to_hex(&key.sign(&[0x72])),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    /// The highest bit is the sign of the other coordinate, and no part of the number.
    #[test]
    fn keys_of_either_sign_are_taken() {
        let keys = (0..16).map(|seed| PrivateKey::from_bytes(&[seed; 32]).public());
        let (negative, positive): (Vec<_>, Vec<_>) =
            keys.partition(|key| key.as_bytes()[31] >= 0x80);
        assert!(!negative.is_empty() && !positive.is_empty());
        for key in negative.iter().chain(&positive) {
            assert_eq!(PublicKey::from_bytes(key.as_bytes()), Ok(*key));
        }
    }
}
