//! Keys in a file, under a passphrase.
//!
//! ```text
//! head = "org.sealpost.export.v1" ‖ u32be(memory in KiB) ‖ u32be(passes) ‖ u32be(lanes) ‖ salt 16
//! file = head ‖ Cobblestone-256 of the keys ([`crate::attachment`])
//!        key = argon2id(passphrase, head's cost and salt), context = head
//! ```
//!
//! The head is the context, so nobody changes it unseen; a wrong passphrase and a changed file look the same.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Error,
    attachment::{CHUNK_LENGTH, FileKey, HEADER_LENGTH, Opener, SEALED_CHUNK_LENGTH},
    passphrase::Cost,
    primitives::random,
};

const MAGIC: &[u8; 22] = b"org.sealpost.export.v1";
const HEAD_LENGTH: usize = 22 + 12 + 16;
/// How long the keys in a file may be.
const LENGTH_MAX: usize = 256 * 1024 * 1024;

/// How long the file of so many bytes of keys is.
const fn file_length(keys: usize) -> usize {
    let tags = (keys / CHUNK_LENGTH + 1) * (SEALED_CHUNK_LENGTH - CHUNK_LENGTH);
    HEAD_LENGTH + HEADER_LENGTH + keys + tags
}

/// Seals keys ([`crate::machine::Machine::export_keys`]) as a file.
///
/// # Errors
/// [`Error::TooLong`].
pub fn seal(
    passphrase: &str,
    cost: Cost,
    keys: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, Error> {
    if keys.len() > LENGTH_MAX {
        return Err(Error::TooLong);
    }
    let salt: [u8; 16] = random(rng);
    let [memory, passes, lanes] = [cost.memory, cost.passes, cost.lanes].map(u32::to_be_bytes);
    let head = [&MAGIC[..], &memory, &passes, &lanes, &salt].concat();
    let key = cost.derive(passphrase, &salt)?;
    let (mut sealer, header) = FileKey::with(&key, rng).seal(&head)?;
    let (mut file, mut rest) = ([&head[..], &header].concat(), keys);
    while let Some((chunk, later)) = rest.split_first_chunk() {
        file.extend(sealer.chunk(chunk)?);
        rest = later;
    }
    file.extend(sealer.last(rest)?);
    Ok(file)
}

/// Opens a file.
///
/// # Errors
/// [`Error::Encoding`]: no such file, or of another version. [`Error::TooLong`]: it is too long or costs too much.
/// [`Error::Authentication`]: another passphrase, or it was changed or cut off.
pub fn open(passphrase: &str, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (head, rest) = file.split_first_chunk::<HEAD_LENGTH>().ok_or(Error::Encoding)?;
    let fields = head.strip_prefix(MAGIC).ok_or(Error::Encoding)?;
    if file.len() > file_length(LENGTH_MAX) {
        return Err(Error::TooLong);
    }
    let (memory, fields) = number(fields)?;
    let (passes, fields) = number(fields)?;
    let (lanes, salt) = number(fields)?;
    let salt = salt.try_into().map_err(|_| Error::Encoding)?;
    let key = Cost { memory, passes, lanes }.derive(passphrase, salt)?;
    let refused = Error::Authentication;
    let (header, mut rest) = rest.split_first_chunk::<HEADER_LENGTH>().ok_or(refused)?;
    let mut opener = Opener::new(&key, head, header)?;
    let mut keys = Zeroizing::new(Vec::with_capacity(rest.len()));
    while let Some((sealed, later)) = rest.split_first_chunk() {
        keys.extend_from_slice(&Zeroizing::new(opener.chunk(sealed)?));
        rest = later;
    }
    keys.extend_from_slice(&Zeroizing::new(opener.last(rest)?));
    Ok(keys)
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), Error> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Error::Encoding)?;
    Ok((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::rng;

    const CHEAP: Cost = Cost { memory: 64, passes: 1, lanes: 1 };

    #[test]
    fn a_file_opens_with_its_passphrase_only() {
        for length in [0, 5, 16 * 1024, 40_000] {
            let keys: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
            let file = seal("correct horse", CHEAP, &keys, &mut rng(1)).unwrap();
            // So the file of the longest keys that are sealed is opened again.
            assert_eq!(file.len(), file_length(keys.len()));
            assert!(*open("correct horse", &file).unwrap() == keys);
            assert_eq!(open("correct  horse", &file).err(), Some(Error::Authentication));
            let again = seal("correct horse", CHEAP, &keys, &mut rng(2)).unwrap();
            assert!(again != file && again.len() == file.len());
        }
    }

    #[test]
    fn a_changed_file_does_not_open() {
        let file = seal("x", CHEAP, &[7; 20_000], &mut rng(1)).unwrap();
        for at in (0..file.len()).filter(|at| *at < 200 || at % 997 == 0) {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(open("x", &changed).is_err(), "{at}");
        }
        for cut in [0, 21, HEAD_LENGTH, HEAD_LENGTH + HEADER_LENGTH, file.len() - 1] {
            assert!(open("x", &file[..cut]).is_err(), "{cut}");
        }
        // A whole chunk less, and one more.
        let chunk = 16 * 1024 + 16;
        let at = HEAD_LENGTH + HEADER_LENGTH;
        assert!(open("x", &file[..at + chunk]).is_err());
        assert!(open("x", &[&file[..], &file[at..at + chunk]].concat()).is_err());
        assert!(open("x", &[&file[..], &[0]].concat()).is_err());
        // What it may cost is looked at before anything is derived.
        let mut dear = file.clone();
        dear[22..26].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(open("x", &dear).err(), Some(Error::TooLong));
    }

    #[test]
    fn many_keys_go_into_a_file() {
        let keys: Vec<u8> = (0..1_200_000).map(|at| (at / 11) as u8).collect();
        let file = seal("x", CHEAP, &keys, &mut rng(1)).unwrap();
        assert!(*open("x", &file).unwrap() == keys);
    }

    #[test]
    #[cfg(not(target_family = "wasm"))]
    fn a_file_beyond_the_longest_is_not_looked_into() {
        let file = seal("x", CHEAP, &[], &mut rng(1)).unwrap();
        // Zeros that nobody reads cost no memory.
        let mut long = vec![0; file_length(LENGTH_MAX) + 1];
        long[..HEAD_LENGTH].copy_from_slice(&file[..HEAD_LENGTH]);
        assert_eq!(open("x", &long).err(), Some(Error::TooLong));
        long.pop();
        assert_eq!(open("x", &long).err(), Some(Error::Authentication));
        let keys = vec![0; LENGTH_MAX + 1];
        assert_eq!(seal("x", CHEAP, &keys, &mut rng(1)).err(), Some(Error::TooLong));
    }
}
