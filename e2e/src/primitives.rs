//! The primitives, each behind types that cannot be confused and checks that cannot be forgotten.
//!
//! | module | what it is |
//! |---|---|
//! | [`x25519`] | key agreement; refuses non-canonical keys and results that a peer forced |
//! | [`ed25519`] | strict signatures; refuses non-canonical and weak keys |
//! | [`kem`] | ML-KEM-768 |
//! | [`kdf`] | labelled SHA-256, HMAC and HKDF with length-prefixed inputs |
//! | [`aead`] | AES-256-GCM that commits to its key |

pub mod aead;
pub mod ed25519;
pub mod kdf;
pub mod kem;
#[cfg(test)]
mod vectors;
pub mod x25519;

use std::ops::Deref;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// 32 secret bytes, erased when dropped. In a place of their own: what holds them may be moved, as by a list that
/// grows, and no copy stays behind.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<Zeroizing<[u8; 32]>>);

impl Secret {
    /// Takes secret bytes over.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Box::new(Zeroizing::new(bytes)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 32 bytes of derived ones, from `AT` on.
    pub(crate) fn part_of<const AT: usize, const M: usize>(bytes: &[u8; M]) -> Self {
        Self::new(part::<AT, 32, M>(bytes))
    }
}

impl Deref for Secret {
    type Target = [u8; 32];

    fn deref(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// `N` fresh random bytes.
pub(crate) fn random<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// `N` bytes of an array, from `AT` on.
pub(crate) fn part<const AT: usize, const N: usize, const M: usize>(bytes: &[u8; M]) -> [u8; N] {
    const { assert!(AT + N <= M) };
    std::array::from_fn(|at| bytes.get(AT + at).copied().unwrap_or_default())
}

/// Whether 32 little-endian bytes are a number below the prime 2^255 − 19, the only form of a field element
/// that is taken.
fn is_below_prime(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *last < 0x7f || (*last == 0x7f && (*first < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}

#[cfg(test)]
mod tests {
    use rand_core::Rng as _;

    use super::*;
    use crate::tests::rng;

    #[test]
    fn a_secret_gives_its_bytes_and_does_not_show_them() {
        let secret = Secret::new([7; 32]);
        assert_eq!((secret.as_bytes(), &*secret), (&[7; 32], &[7; 32]));
        assert_eq!(format!("{secret:?}"), "Secret");
        let derived: [u8; 64] = std::array::from_fn(|at| at as u8);
        assert_eq!(part::<30, 4, 64>(&derived), [30, 31, 32, 33]);
        assert_eq!(Secret::part_of::<32, 64>(&derived).as_slice(), &derived[32..]);
    }

    #[test]
    fn random_bytes_are_the_generator_s_and_never_the_same_again() {
        let mut expected = [0; 16];
        rng(1).fill_bytes(&mut expected);
        let mut rng = rng(1);
        assert_eq!(random(&mut rng), expected);
        assert_ne!(random(&mut rng), expected);
    }

    #[test]
    fn only_numbers_below_the_prime_are_field_elements() {
        let number = |first: u8, tenth: u8, others: u8, last: u8| {
            let mut bytes = [others; 32];
            (bytes[0], bytes[9], bytes[31]) = (first, tenth, last);
            bytes
        };
        for (bytes, is_below) in [
            ([0; 32], true),
            (number(0xec, 0xff, 0xff, 0x7f), true), // one less than the prime
            (number(0xed, 0xff, 0xff, 0x7f), false), // the prime
            (number(0xee, 0xff, 0xff, 0x7f), false),
            (number(0xff, 0xfe, 0xff, 0x7f), true),
            (number(0xff, 0xff, 0xff, 0x7e), true),
            (number(0, 0, 0, 0x80), false),
            (number(0xff, 0xff, 0xff, 0xff), false),
        ] {
            assert_eq!(is_below_prime(&bytes), is_below, "{bytes:x?}");
        }
    }
}
