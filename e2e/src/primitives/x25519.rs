//! X25519 (RFC 7748).

use std::sync::OnceLock;

use rand_core::CryptoRng;
use x25519_dalek::StaticSecret;

use super::{Secret, is_below_prime, random};
use crate::Error;

/// The u-coordinates of all points whose order divides 8, on the curve and on its twist, in their canonical form.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

/// A public key: 32 bytes, the canonical form of a u-coordinate that is not of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes a key as a peer sent it.
    ///
    /// # Errors
    /// [`Error::Key`]: not the canonical form of a number below 2^255 − 19, or of low order: such a key forces the
    /// result of every agreement, and one that waits in a state for its turn would be found out too late.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, Error> {
        if is_below_prime(&bytes) && !LOW_ORDER.contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(Error::Key)
        }
    }

    #[cfg(test)]
    pub(crate) fn unchecked(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes that others are sent.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A private key, erased when dropped; moved without a copy, like [`Secret`]. What it tells others is computed once, when
/// it is wanted.
#[derive(Clone)]
pub struct PrivateKey(Box<StaticSecret>, OnceLock<PublicKey>);

impl PrivateKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_bytes(&Secret::new(random(rng)))
    }

    /// A stored key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(StaticSecret::from(*bytes)), OnceLock::new())
    }

    /// The 32 bytes to store.
    pub fn to_bytes(&self) -> Secret {
        Secret::new(self.0.to_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key that others are told.
    pub fn public(&self) -> PublicKey {
        let public = || PublicKey(x25519_dalek::PublicKey::from(&*self.0).to_bytes());
        *self.1.get_or_init(public)
    }

    /// The secret shared with the owner of `their` key.
    ///
    /// # Errors
    /// [`Error::Key`]: the result is zero, whatever this key is (RFC 7748, section 6.1).
    pub fn agree(&self, their: &PublicKey) -> Result<Secret, Error> {
        let shared = self.0.diffie_hellman(&x25519_dalek::PublicKey::from(their.0));
        if !shared.was_contributory() {
            return Err(Error::Key);
        }
        Ok(Secret::new(shared.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed_json::to_hex;

    /// RFC 7748, section 5.2: a thousand times, each result the next private key.
    #[test]
    fn the_iterated_vector_of_the_rfc_holds() {
        let mut base = [0; 32];
        base[0] = 9;
        let (mut private, mut public) = (base, base);
        for round in 1..=1000 {
            let key = PrivateKey::from_bytes(&private);
            let shared = key.agree(&PublicKey::from_bytes(public).unwrap()).unwrap();
            (private, public) = (*shared, private);
            // What serves as a public key next may have its high bit set, which X25519 ignores.
            public[31] &= 0x7f;
            if round == 1 {
                assert_eq!(
                    to_hex(&private),
                    "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
                );
            }
        }
        assert_eq!(
            to_hex(&private),
            "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"
        );
    }

    #[test]
    fn keys_in_another_than_the_canonical_form_are_refused() {
        let mut prime = [0xff; 32];
        (prime[0], prime[31]) = (0xed, 0x7f);
        assert_eq!(PublicKey::from_bytes(prime), Err(Error::Key));
        prime[0] = 0xeb;
        assert!(PublicKey::from_bytes(prime).is_ok());
        let mut high_bit = [9; 32];
        high_bit[31] = 0x80;
        assert_eq!(PublicKey::from_bytes(high_bit), Err(Error::Key));
    }

    #[test]
    fn a_key_of_low_order_is_no_key_and_no_partner() {
        let own = PrivateKey::from_bytes(&[7; 32]);
        for bytes in LOW_ORDER {
            assert!(!x25519_dalek::x25519([7; 32], bytes).iter().any(|byte| *byte != 0));
            assert_eq!(PublicKey::from_bytes(bytes), Err(Error::Key));
            assert_eq!(own.agree(&PublicKey::unchecked(bytes)).unwrap_err(), Error::Key);
        }
    }

    /// RFC 7748, section 6.1.
    #[test]
    fn the_key_pairs_of_the_rfc_agree() {
        let [alice, bob] = [
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        ]
        .map(|hex| {
            let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
            let bytes = std::array::from_fn(byte);
            let key = PrivateKey::from_bytes(&bytes);
            assert_eq!((key.as_bytes(), &*key.to_bytes()), (&bytes, &bytes));
            key
        });
        assert_eq!(
            to_hex(alice.public().as_bytes()),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        );
        for (own, their) in [(&alice, &bob), (&bob, &alice)] {
            assert_eq!(
                to_hex(&*own.agree(&their.public()).unwrap()),
                "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
            );
        }
    }
}
