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

use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// 32 secret bytes, erased when dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// `N` fresh random bytes.
pub(crate) fn random<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Whether 32 little-endian bytes are a number below the prime 2^255 − 19, the only form of a field element
/// that is taken.
fn is_below_prime(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *last < 0x7f || (*last == 0x7f && (*first < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}
