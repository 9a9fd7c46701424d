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

use super::{
    Secret,
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
        let key = Secret::part_of::<0, 76>(&bytes);
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
}
