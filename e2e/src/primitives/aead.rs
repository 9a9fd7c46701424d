//! AES-256-GCM that commits to its key.
//!
//! GCM alone opens one ciphertext under two keys if its author wants so. Here HKDF gives a commitment beside
//! key and nonce, which goes with the ciphertext and is compared first:
//!
//! ```text
//! HKDF(salt = 0^32, ikm = secret ‖ random, info = labelled(label)) → key 32 ‖ nonce 12 ‖ commitment 32
//! sealed = commitment ‖ AES-256-GCM(key, nonce, aad, plaintext)
//! ```

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{AeadInOut as _, Nonce, Tag},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    kdf::{Label, derive},
    part,
};
use crate::Error;

/// The length of the commitment in bytes.
pub const COMMITMENT_LENGTH: usize = 32;
/// The length of the tag in bytes.
pub const TAG_LENGTH: usize = 16;
/// How many bytes longer than the plaintext sealed bytes are.
pub const OVERHEAD: usize = COMMITMENT_LENGTH + TAG_LENGTH;

/// Seals under keys derived from `secret`, whose parts must never be used twice together.
pub fn seal(
    label: Label,
    secret: &[&[u8]],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let keys = Keys::derive(label, secret);
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
    sealed.extend_from_slice(&keys.commitment);
    sealed.extend_from_slice(plaintext);
    let body = sealed.get_mut(COMMITMENT_LENGTH..).ok_or(Error::TooLong)?;
    let tag = keys
        .cipher
        .encrypt_inout_detached(&keys.nonce, aad, body.into())
        .map_err(|_| Error::TooLong)?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`Error::Authentication`]: other keys, other `aad`, or other bytes than were sealed.
pub fn open(label: Label, secret: &[&[u8]], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let refused = Error::Authentication;
    let (commitment, rest) = sealed.split_at_checked(COMMITMENT_LENGTH).ok_or(refused)?;
    let length = rest.len().checked_sub(TAG_LENGTH).ok_or(refused)?;
    let (body, tag) = rest.split_at_checked(length).ok_or(refused)?;
    let keys = Keys::derive(label, secret);
    if !bool::from(keys.commitment.ct_eq(commitment)) {
        return Err(refused);
    }
    let tag = Tag::<Aes256Gcm>::try_from(tag).map_err(|_| refused)?;
    let mut plaintext = body.to_vec();
    keys.cipher
        .decrypt_inout_detached(&keys.nonce, aad, plaintext.as_mut_slice().into(), &tag)
        .map_err(|_| refused)?;
    Ok(plaintext)
}

struct Keys {
    cipher: Aes256Gcm,
    nonce: Nonce<Aes256Gcm>,
    commitment: [u8; COMMITMENT_LENGTH],
}

impl Keys {
    fn derive(label: Label, secret: &[&[u8]]) -> Self {
        let bytes = derive::<76>(&[0; 32], secret, label, &[]);
        let key = Zeroizing::new(part::<0, 32, 76>(&bytes));
        Self {
            cipher: Aes256Gcm::new(&(*key).into()),
            nonce: part::<32, 12, 76>(&bytes).into(),
            commitment: part::<44, COMMITMENT_LENGTH, 76>(&bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_opened_by_the_same_keys_and_aad_only() {
        let sealed = seal("test", &[b"secret", b"salt"], b"aad", b"letter").unwrap();
        assert_eq!(sealed.len(), 6 + OVERHEAD);
        assert_eq!(open("test", &[b"secret", b"salt"], b"aad", &sealed).unwrap(), b"letter");
        let refused = Err(Error::Authentication);
        assert_eq!(open("test", &[b"secret", b"tlas"], b"aad", &sealed), refused);
        assert_eq!(open("other", &[b"secret", b"salt"], b"aad", &sealed), refused);
        assert_eq!(open("test", &[b"secret", b"salt"], b"dad", &sealed), refused);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open("test", &[b"secret", b"salt"], b"aad", &changed), refused, "{at}");
            let short = sealed.get(..at).unwrap();
            assert_eq!(open("test", &[b"secret", b"salt"], b"aad", short), refused, "{at}");
        }
    }

    /// GCM alone: a ciphertext of two blocks whose second is chosen so that one tag is right under two keys.
    #[test]
    fn one_ciphertext_does_not_read_two_ways() {
        use aes_gcm::aes::{Aes256, cipher::BlockCipherEncrypt as _};

        fn multiply(one: u128, mut other: u128) -> u128 {
            let mut product = 0;
            for bit in (0..128).rev() {
                product ^= if (one >> bit) & 1 == 1 { other } else { 0 };
                other = (other >> 1) ^ if other & 1 == 1 { 0xe1 << 120 } else { 0 };
            }
            product
        }
        fn inverse(one: u128) -> u128 {
            // To the power of 2^128 − 2.
            let (mut result, mut square) = (1 << 127, one);
            for _ in 1..128 {
                square = multiply(square, square);
                result = multiply(result, square);
            }
            result
        }
        let secrets: [&[u8]; 2] = [b"one", b"two"];
        let [one, two] = secrets.map(|secret| {
            let bytes = derive::<76>(&[0; 32], &[secret], "test", &[]);
            let cipher = Aes256::new(&part::<0, 32, 76>(&bytes).into());
            let encrypt = |block: [u8; 16]| {
                let mut block = block.into();
                cipher.encrypt_block(&mut block);
                u128::from_be_bytes(block.into())
            };
            let mut counter = [0; 16];
            counter[..12].copy_from_slice(&bytes[32..44]);
            counter[15] = 1;
            (encrypt([0; 16]), encrypt(counter))
        });
        let powers = |hash: u128| {
            let square = multiply(hash, hash);
            (hash, square, multiply(square, hash))
        };
        let ((h1, h1_2, h1_3), (h2, h2_2, h2_3)) = (powers(one.0), powers(two.0));
        let (first, lengths) = (7_u128, 256_u128);
        let rest = multiply(first, h1_3 ^ h2_3) ^ multiply(lengths, h1 ^ h2) ^ one.1 ^ two.1;
        let second = multiply(rest, inverse(h1_2 ^ h2_2));
        let tag = multiply(first, h1_3) ^ multiply(second, h1_2) ^ multiply(lengths, h1) ^ one.1;
        let body = [first.to_be_bytes(), second.to_be_bytes()].concat();
        let tag = tag.to_be_bytes();
        for secret in secrets {
            let keys = Keys::derive("test", &[secret]);
            let mut opened = body.clone();
            let raw = keys.cipher.decrypt_inout_detached(
                &keys.nonce,
                &[],
                opened.as_mut_slice().into(),
                &tag.into(),
            );
            assert!(raw.is_ok(), "without a commitment it opens under both");
            let sealed = [&keys.commitment[..], &body, &tag].concat();
            let read = secrets.map(|secret| open("test", &[secret], &[], &sealed).is_ok());
            assert_eq!(read.iter().filter(|is_read| **is_read).count(), 1);
        }
    }
}
