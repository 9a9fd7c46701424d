//! Files as they are uploaded, opened while they come: nothing is given out before it is known to be the author's.
//!
//! ```text
//! blob     = list ‖ ciphertext          list = SHA-256 of every MiB of ciphertext, one behind the other
//! context  = labelled("org.sealpost.file.v2", room id, role)
//!
//! bytes ──► list ──► its hash is the event's ──► a segment ──► its hash is in the list ──► chunks: opened ──► given out
//! ```
//!
//! The event names the key, the hash of the list, and the length of the blob, from which the length of the list follows.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{HEADER_LENGTH, Opener, SEALED_CHUNK_LENGTH, SEGMENT_LENGTH, TAG_LENGTH};
use crate::{
    Error,
    primitives::{Secret, kdf},
};

/// The version of files that are written, as events name it.
pub const VERSION: &str = "org.sealpost.file.v2";
/// The longest blob in bytes: its list has 2 MiB.
pub const SIZE_MAX: u64 = 64 << 30;

const HASH_LENGTH: usize = 32;

/// What a file is for: none opens in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What a message names by `file`.
    File,
    /// The small picture that stands for one.
    Thumbnail,
    /// Keys of a room's history.
    History,
}

impl Role {
    /// Its name in the context.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Thumbnail => "thumbnail",
            Self::History => "history",
        }
    }

    /// The role of a name.
    ///
    /// # Errors
    /// [`Error::Unknown`]: there is none.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let all = [Self::File, Self::Thumbnail, Self::History];
        all.into_iter().find(|role| role.name() == name).ok_or(Error::Unknown)
    }
}

/// What a file of a room is sealed with besides its key: see [`super::FileKey::seal`].
pub fn context(room_id: &str, role: Role) -> Vec<u8> {
    kdf::labelled(VERSION, &[room_id.as_bytes(), role.name().as_bytes()])
}

/// A file that is being opened. It holds a segment and a chunk at the most.
pub struct StreamOpener {
    key: Secret,
    context: Vec<u8>,
    hash: [u8; HASH_LENGTH],
    /// Bytes of the blob that are to come.
    to_come: u64,
    list: Vec<u8>,
    list_length: usize,
    /// How many segments were right.
    segments: usize,
    /// Ciphertext that was not opened yet: of it, `sure` bytes are of segments that were right.
    held: Vec<u8>,
    sure: usize,
    opener: Option<Opener>,
}

impl StreamOpener {
    /// Begins to open a blob of so many bytes, all of it as the event says.
    ///
    /// # Errors
    /// [`Error::Encoding`]: no file has this length. [`Error::TooLong`]: over [`SIZE_MAX`].
    pub fn new(
        key: &[u8; 32],
        hash: &[u8; HASH_LENGTH],
        size: u64,
        context: &[u8],
    ) -> Result<Self, Error> {
        if size > SIZE_MAX {
            return Err(Error::TooLong);
        }
        let (segment, of_list) = (SEGMENT_LENGTH as u64, HASH_LENGTH as u64);
        let segments = size.div_ceil(segment + of_list);
        let list_length = segments * of_list;
        let ciphertext = size.saturating_sub(list_length);
        let is_possible = ciphertext >= (HEADER_LENGTH + TAG_LENGTH) as u64
            && ciphertext.div_ceil(segment) == segments;
        let list_length = usize::try_from(list_length).map_err(|_| Error::TooLong)?;
        if !is_possible {
            return Err(Error::Encoding);
        }
        Ok(Self {
            key: Secret::new(*key),
            context: context.to_vec(),
            hash: *hash,
            to_come: size,
            list: Vec::new(),
            list_length,
            segments: 0,
            held: Vec::new(),
            sure: 0,
            opener: None,
        })
    }

    /// Takes in the next bytes of the blob, however many; answers what of the file is certain by now.
    ///
    /// # Errors
    /// [`Error::Authentication`]: another file, or one that was changed or extended.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Error> {
        if bytes.len() as u64 > self.to_come {
            return Err(self.refuse());
        }
        let mut opened = Vec::new();
        while !bytes.is_empty() {
            let of_list = self.list_length - self.list.len();
            let of_segment = SEGMENT_LENGTH - (self.held.len() - self.sure);
            let wanted = if of_list > 0 { of_list } else { of_segment };
            let (now, later) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            bytes = later;
            self.to_come -= now.len() as u64;
            let taken = if of_list > 0 { self.take_list(now) } else { self.take(now, &mut opened) };
            if taken.is_err() {
                return Err(self.refuse());
            }
        }
        Ok(opened)
    }

    /// Opens what is left. Only then is the file known to be complete.
    ///
    /// # Errors
    /// [`Error::Authentication`]: bytes are missing, or the end is not the author's.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        match self.opener {
            Some(opener) if self.to_come == 0 => opener.last(&self.held),
            _ => Err(Error::Authentication),
        }
    }

    /// After an error, nothing more comes of it.
    fn refuse(&mut self) -> Error {
        (self.to_come, self.opener) = (0, None);
        Error::Authentication
    }

    fn take_list(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.list.extend_from_slice(bytes);
        let is_right = || bool::from(Sha256::digest(&self.list).ct_eq(&self.hash));
        if self.list.len() < self.list_length || is_right() {
            Ok(())
        } else {
            Err(Error::Authentication)
        }
    }

    /// Takes in bytes of one segment; when it is whole and right, opens the chunks that it completes.
    fn take(&mut self, bytes: &[u8], opened: &mut Vec<u8>) -> Result<(), Error> {
        self.held.extend_from_slice(bytes);
        let segment = self.held.get(self.sure..).unwrap_or_default();
        if segment.len() < SEGMENT_LENGTH && self.to_come > 0 {
            return Ok(());
        }
        let expected = self.list.chunks_exact(HASH_LENGTH).nth(self.segments).unwrap_or_default();
        if !bool::from(Sha256::digest(segment).ct_eq(expected)) {
            return Err(Error::Authentication);
        }
        self.segments += 1;
        let mut rest = self.held.as_slice();
        let mut opener = match self.opener.take() {
            Some(opener) => opener,
            None => {
                let (header, later) = rest.split_first_chunk().ok_or(Error::Authentication)?;
                rest = later;
                Opener::new(&self.key, &self.context, header)?
            }
        };
        while let Some((chunk, later)) = rest.split_first_chunk::<SEALED_CHUNK_LENGTH>() {
            opened.extend(opener.chunk(chunk)?);
            rest = later;
        }
        let done = self.held.len() - rest.len();
        self.held.drain(..done);
        (self.sure, self.opener) = (self.held.len(), Some(opener));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attachment::{CHUNK_LENGTH, FileKey, Segments},
        tests::rng,
    };

    const ROOM: &str = "!room:a.test";

    /// A key, the hash that an event names, and the blob.
    fn sealed(context: &[u8], plaintext: &[u8]) -> ([u8; 32], [u8; 32], Vec<u8>) {
        let key = FileKey::generate(&mut rng(1));
        let (mut sealer, header) = key.seal(context).unwrap();
        let (mut ciphertext, mut rest) = (header.to_vec(), plaintext);
        while let Some((chunk, later)) = rest.split_first_chunk() {
            ciphertext.extend(sealer.chunk(chunk).unwrap());
            rest = later;
        }
        ciphertext.extend(sealer.last(rest).unwrap());
        let mut segments = Segments::default();
        segments.update(&ciphertext);
        let (list, hash) = segments.finish();
        (*key.as_bytes(), hash, [list, ciphertext].concat())
    }

    fn plaintext(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at / 5) as u8 ^ (at >> 14) as u8).collect()
    }

    /// All of a blob in pieces; how much was given out before each piece.
    fn open(
        (key, hash, context): (&[u8; 32], &[u8; 32], &[u8]),
        size: u64,
        blob: &[u8],
        piece: usize,
    ) -> (Result<Vec<u8>, Error>, usize) {
        let mut opened = Vec::new();
        let mut opener = match StreamOpener::new(key, hash, size, context) {
            Ok(opener) => opener,
            Err(error) => return (Err(error), 0),
        };
        for piece in blob.chunks(piece) {
            match opener.push(piece) {
                Ok(more) => opened.extend(more),
                Err(error) => {
                    assert_eq!(opener.push(b"more"), Err(Error::Authentication));
                    assert_eq!(opener.finish(), Err(Error::Authentication));
                    return (Err(error), opened.len());
                }
            }
        }
        let given = opened.len();
        (opener.finish().map(|last| [opened, last].concat()), given)
    }

    #[test]
    fn a_file_opens_however_its_bytes_come() {
        let context = context(ROOM, Role::File);
        // Around the end of a chunk, and of a segment.
        let of_segment = (SEGMENT_LENGTH - HEADER_LENGTH) / SEALED_CHUNK_LENGTH * CHUNK_LENGTH;
        let rest = SEGMENT_LENGTH - HEADER_LENGTH - of_segment / CHUNK_LENGTH * SEALED_CHUNK_LENGTH;
        let whole = of_segment + rest - TAG_LENGTH;
        let long = 2 * SEGMENT_LENGTH + 77;
        for length in [0, 1, CHUNK_LENGTH, whole, whole + 1, SEGMENT_LENGTH + 77, long] {
            let plaintext = plaintext(length);
            let (key, hash, blob) = sealed(&context, &plaintext);
            for piece in [70_001, blob.len()] {
                let of = (&key, &hash, context.as_slice());
                let (opened, given) = open(of, blob.len() as u64, &blob, piece);
                assert!(opened == Ok(plaintext.clone()), "{length} in pieces of {piece}");
                assert_eq!(given, length / CHUNK_LENGTH * CHUNK_LENGTH, "all but the last chunk");
            }
        }
    }

    #[test]
    fn nothing_is_given_out_before_its_segment_is_right() {
        let context = context(ROOM, Role::File);
        let (key, hash, blob) = sealed(&context, &plaintext(SEGMENT_LENGTH + 77));
        let (of, list) = ((&key, &hash, context.as_slice()), 2 * HASH_LENGTH);
        let open = |blob: &[u8]| open(of, blob.len() as u64, blob, 1 << 15);
        let mut opener = StreamOpener::new(&key, &hash, blob.len() as u64, &context).unwrap();
        assert_eq!(opener.push(&blob[..list + SEGMENT_LENGTH - 1]), Ok(vec![]));
        let first = opener.push(&blob[list + SEGMENT_LENGTH - 1..][..1]).unwrap();
        assert_eq!(first.len(), (SEGMENT_LENGTH / SEALED_CHUNK_LENGTH) * CHUNK_LENGTH);
        // One bit of the list, the header, the first and the second segment, and the end.
        let of_first = first.len();
        for (at, given) in [
            (0, 0),
            (list - 1, 0),
            (list, 0),
            (list + SEGMENT_LENGTH - 1, 0),
            (list + SEGMENT_LENGTH, of_first),
            (blob.len() - 1, of_first),
        ] {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            let (opened, before) = open(&changed);
            assert_eq!(opened, Err(Error::Authentication), "{at}");
            assert!(before <= given, "{before} bytes before {at}");
        }
        // Another file under the same key, which every reader has.
        let (_, other, _) = sealed(&context, b"other");
        let mut opener = StreamOpener::new(&key, &other, blob.len() as u64, &context).unwrap();
        assert_eq!(opener.push(&blob), Err(Error::Authentication));
    }

    #[test]
    fn a_file_that_is_cut_or_extended_is_refused() {
        let context = context(ROOM, Role::File);
        let (key, hash, blob) = sealed(&context, &plaintext(3 * CHUNK_LENGTH));
        let of = (&key, &hash, context.as_slice());
        let (size, refused) = (blob.len() as u64, Err(Error::Authentication));
        assert!(open(of, size, &blob, 999).0.is_ok());
        for cut in [1, TAG_LENGTH, SEALED_CHUNK_LENGTH, blob.len()] {
            let shorter = &blob[..blob.len() - cut];
            assert_eq!(open(of, size, shorter, 999).0, refused, "{cut}");
        }
        // Without its last chunk, which is empty, and the hashes to go with it.
        let ciphertext = &blob[HASH_LENGTH..blob.len() - TAG_LENGTH];
        let mut segments = Segments::default();
        segments.update(ciphertext);
        let (list, planted) = segments.finish();
        let whole = [list.as_slice(), ciphertext].concat();
        assert_eq!(open((&key, &planted, &context), whole.len() as u64, &whole, 999).0, refused);
        let longer = [blob.as_slice(), &[0]].concat();
        assert_eq!(open(of, size, &longer, 999).0, refused);
        assert_eq!(open(of, size + 1, &longer, 999).0, refused);
        // A byte is to come yet, though the last chunk is there, which begins in a segment that was right.
        let (key, hash, blob) = sealed(&context, &plaintext(SEGMENT_LENGTH - 200));
        let of = (&key, &hash, context.as_slice());
        assert_eq!(open(of, blob.len() as u64 + 1, &blob, 70_001).0, refused);
    }

    #[test]
    fn a_file_is_bound_to_its_room_and_role() {
        let own = context(ROOM, Role::Thumbnail);
        let (key, hash, blob) = sealed(&own, b"a small picture");
        let open = |context: &[u8]| open((&key, &hash, context), blob.len() as u64, &blob, 20).0;
        assert_eq!(open(&own).as_deref(), Ok(&b"a small picture"[..]));
        for other in [
            context(ROOM, Role::File),
            context(ROOM, Role::History),
            context("!other:a.test", Role::Thumbnail),
            format!("org.sealpost.file.v1 {ROOM}").into_bytes(),
        ] {
            assert_eq!(open(&other), Err(Error::Authentication));
        }
        let expected = b"\0\0\0\x14org.sealpost.file.v2\0\0\0\x0c!room:a.test\0\0\0\x09thumbnail";
        assert_eq!(own, expected);
        for role in [Role::File, Role::Thumbnail, Role::History] {
            assert_eq!(Role::parse(role.name()), Ok(role));
        }
        assert_eq!(Role::parse("other"), Err(Error::Unknown));
    }

    #[test]
    fn only_lengths_that_a_file_can_have_are_begun_with() {
        let begin = |size: u64| StreamOpener::new(&[1; 32], &[2; 32], size, b"").map(|_| ());
        let (least, segment) = ((HEADER_LENGTH + TAG_LENGTH) as u64, SEGMENT_LENGTH as u64);
        assert_eq!(begin(0), Err(Error::Encoding));
        assert_eq!(begin(32 + least - 1), Err(Error::Encoding));
        assert_eq!(begin(32 + least), Ok(()));
        assert_eq!(begin(segment + 32), Ok(()));
        for of_list_alone in 1..=32 {
            assert_eq!(begin(segment + 32 + of_list_alone), Err(Error::Encoding));
        }
        assert_eq!(begin(segment + 65), Ok(()));
        assert_eq!(begin(SIZE_MAX), Ok(()));
        assert_eq!(begin(SIZE_MAX + 1), Err(Error::TooLong));
        assert_eq!(begin(u64::MAX), Err(Error::TooLong));
    }
}
