//! This server's Ed25519 signing key, and the file that keeps it.
//!
//! The file has one line, `ed25519 <version> <unpadded base64 of the 32-byte seed>`, as Synapse writes it;
//! the key's id is `ed25519:<version>`. It is made with mode 0600 and is on the disk, with its folder,
//! before it is used.

use std::{fmt, fs, io::Write, path::Path, sync::Arc};

use ruma::{
    OwnedServerSigningKeyId,
    serde::Base64,
    signatures::{Ed25519KeyPair, KeyPair, Signature},
};

use crate::Error;

/// PKCS#8 v1 around an Ed25519 seed (RFC 8410, section 7): everything but the seed.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// An Ed25519 key pair with its key id. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    id: OwnedServerSigningKeyId,
}

impl SigningKey {
    /// A key from its 32-byte seed; `version` is the part of the key id after `ed25519:`
    /// (letters, digits and `_`).
    pub fn from_seed(version: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        let id = OwnedServerSigningKeyId::try_from(format!("ed25519:{version}"))
            .map_err(|error| Error::Request(format!("key version {version:?}: {error}")))?;
        let mut document = PKCS8_PREFIX.to_vec();
        document.extend_from_slice(seed);
        let pair = Ed25519KeyPair::from_der(&document, version.to_owned())
            .map_err(|error| Error::Request(error.to_string()))?;
        Ok(Self { pair: Arc::new(pair), id })
    }

    /// Reads the key from its file; `None` when there is no such file.
    pub fn load(path: &Path) -> Result<Option<Self>, Error> {
        let failed = |reason: String| Error::File { path: path.display().to_string(), reason };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        let line = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .ok_or_else(|| failed("the file has no key".to_owned()))?;
        let mut words = line.split_whitespace();
        let (Some("ed25519"), Some(version), Some(seed), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(failed("expected `ed25519 <version> <base64 seed>`".to_owned()));
        };
        let seed = Base64::<ruma::serde::base64::Standard>::parse(seed)
            .ok()
            .and_then(|seed| <[u8; 32]>::try_from(seed.into_inner()).ok())
            .ok_or_else(|| failed("the seed is not 32 bytes of base64".to_owned()))?;
        Self::from_seed(version, &seed).map(Some).map_err(|error| failed(error.to_string()))
    }

    /// Makes a key from `seed` and writes it to a new file; an existing file is never overwritten.
    pub fn create(path: &Path, version: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        let key = Self::from_seed(version, seed)?;
        let line = format!(
            "ed25519 {version} {}\n",
            Base64::<ruma::serde::base64::Standard, _>::new(seed)
        );
        write_new(path, line.as_bytes()).map_err(|error| Error::File {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(key)
    }

    /// Makes a key with four random letters as its version and puts it in the place of the one in `path`, all
    /// or nothing: whatever happens, the file holds one of both.
    pub fn replace(path: &Path, random: &mut impl rand::Rng) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::File {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let fresh = path.with_extension("new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let key = Self::create_random(&fresh, random)?;
        fs::rename(&fresh, path).map_err(failed)?;
        fs::File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(key)
    }

    /// Reads the key, or makes one with four random letters as its version when the file is absent.
    pub fn load_or_create(path: &Path, random: &mut impl rand::Rng) -> Result<Self, Error> {
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        Self::create_random(path, random)
    }

    fn create_random(path: &Path, random: &mut impl rand::Rng) -> Result<Self, Error> {
        let mut seed = [0; 32];
        random.fill_bytes(&mut seed);
        let mut letters = [0; 4];
        random.fill_bytes(&mut letters);
        let version: String =
            "a_".chars().chain(letters.iter().map(|byte| char::from(b'a' + byte % 26))).collect();
        Self::create(path, &version, &seed)
    }

    /// The key id, `ed25519:<version>`.
    pub fn id(&self) -> &OwnedServerSigningKeyId {
        &self.id
    }

    /// The public key, 32 bytes.
    pub fn public_key(&self) -> [u8; 32] {
        self.pair.public_key()
    }

    /// ruma's key pair, for its signing functions.
    pub fn pair(&self) -> &Ed25519KeyPair {
        &self.pair
    }
}

impl KeyPair for SigningKey {
    fn sign(&self, message: &[u8]) -> Signature {
        self.pair.sign(message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_of_synapse_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        // The seed and the public key of the signing example in the specification's appendices.
        fs::write(&path, "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n").unwrap();
        let key = SigningKey::load(&path).unwrap().unwrap();
        assert_eq!(key.id(), "ed25519:1");
        assert_eq!(
            Base64::<ruma::serde::base64::Standard, _>::new(key.public_key()).encode(),
            "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI"
        );
    }

    #[test]
    fn a_made_key_is_read_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("signing.key");
        let made = SigningKey::load_or_create(&path, &mut rand::rng()).unwrap();
        let read = SigningKey::load_or_create(&path, &mut rand::rng()).unwrap();
        assert_eq!(made.id(), read.id());
        assert_eq!(made.public_key(), read.public_key());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        SigningKey::create(&path, "a", &[1; 32]).unwrap();
        assert!(SigningKey::create(&path, "b", &[2; 32]).is_err());
        assert_eq!(SigningKey::load(&path).unwrap().unwrap().id(), "ed25519:a");
    }

    #[test]
    fn a_replaced_key_is_the_one_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let first = SigningKey::load_or_create(&path, &mut rand::rng()).unwrap();
        fs::write(folder.path().join("signing.new"), "left over").unwrap();
        let second = SigningKey::replace(&path, &mut rand::rng()).unwrap();
        assert_ne!(first.public_key(), second.public_key());
        assert_eq!(SigningKey::load(&path).unwrap().unwrap().id(), second.id());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        for text in ["", "ed25519 1", "rsa 1 AAAA", "ed25519 1 AAAA", "ed25519 1 !!!"] {
            fs::write(&path, text).unwrap();
            let error = SigningKey::load(&path).unwrap_err().to_string();
            assert!(error.contains("signing.key"), "{error}");
        }
    }
}
