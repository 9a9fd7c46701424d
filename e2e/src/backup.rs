//! Backup of keys on the server (`org.sealpost.backup.v1`): every own device writes, the recovery key alone reads.
//!
//! ```text
//! private = X25519 32 ‖ ML-KEM-768 seed 64         in secret storage only
//! mac key = 32 bytes                                in secret storage and on own devices
//! public  = X25519 32 ‖ ML-KEM-768 1184             version = SHA-256("…version", public)
//!
//! (ct_X, ss_X): a fresh X25519 key and its agreement     (ct_KEM, ss_KEM) = Encaps(pk_KEM)
//! sealed  = ct_X ‖ ct_KEM ‖ seal("…row", ss_KEM ‖ ss_X ‖ ct_KEM ‖ ct_X ‖ pk_KEM ‖ pk_X, aad = "", plaintext)
//! mac     = HMAC-SHA-256(mac key, labelled("…mac", version, room, session id, u32be(first index), sealed))
//!
//! auth_data = { "public_key": base64(public), "mac": base64(HMAC(mac key, labelled("…auth", version))) }
//! row       = { "first_message_index", "forwarded_count": 0, "is_verified": true,
//!               "session_data": { "sealed": base64, "mac": base64 } }
//! plaintext = 0x01 ‖ [0, [chain]]  |  0x01 ‖ [1, [[message id, wrap row] …]]
//! ```
//!
//! A row whose MAC is right keeps the provenance that is written in it; every other one is an import.

use rand_core::CryptoRng;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    Error,
    encoding::{self, Decode, Encode, coded},
    primitives::{
        Secret, aead,
        kdf::{self, Label},
        kem, part, random, x25519,
    },
    signed_json::{from_base64, to_base64},
};

/// The algorithm's name.
pub const ALGORITHM: &str = "org.sealpost.backup.v1";
/// The private keys' name in secret storage.
pub const PRIVATE_SECRET: &str = "org.sealpost.backup.v1.private";
/// The MAC key's.
pub const MAC_SECRET: &str = "org.sealpost.backup.v1.mac";

const ROW: Label = "org.sealpost.backup.v1 row";
const MAC: Label = "org.sealpost.backup.v1 mac";
const VERSION: Label = "org.sealpost.backup.v1 version";
const AUTH: Label = "org.sealpost.backup.v1 auth";
const SEALED_MAX: usize = 128 * 1024;

/// What a version of the backup is written with.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicKeys {
    x25519: x25519::PublicKey,
    kem: kem::PublicKey,
}

coded!(PublicKeys { x25519, kem });

/// What it is read with.
pub struct PrivateKeys {
    x25519: x25519::PrivateKey,
    kem: kem::PrivateKey,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The room.
    pub room_id: &'a str,
    /// The row's name in the room.
    pub session_id: &'a str,
    /// The first message that it opens.
    pub first_index: u32,
}

impl PrivateKeys {
    /// Fresh keys for a new version.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self { x25519: x25519::PrivateKey::generate(rng), kem: kem::PrivateKey::generate(rng) }
    }

    /// The 96 bytes for secret storage.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 96]> {
        let mut bytes = Zeroizing::new([0; 96]);
        let fields = self.x25519.as_bytes().iter().chain(self.kem.as_bytes());
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Key`]: not 96 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; 96] = bytes.try_into().map_err(|_| Error::Key)?;
        let seed = Zeroizing::new(part::<32, 64, 96>(bytes));
        Ok(Self {
            x25519: x25519::PrivateKey::from_bytes(&Secret::part_of::<0, 96>(bytes)),
            kem: kem::PrivateKey::from_bytes(&seed),
        })
    }

    /// The public halves.
    pub fn public(&self) -> PublicKeys {
        PublicKeys { x25519: self.x25519.public(), kem: self.kem.public() }
    }

    /// Opens a row's `session_data`. Whether its MAC is right is another question: [`PublicKeys::is_own`].
    ///
    /// # Errors
    /// [`Error::Encoding`], [`Error::Key`], [`Error::Authentication`].
    pub fn open(&self, public: &PublicKeys, data: &Value) -> Result<Zeroizing<Vec<u8>>, Error> {
        let sealed = sealed(data)?;
        let (ct_x, rest) = sealed.split_first_chunk::<32>().ok_or(Error::Encoding)?;
        let (ct_kem, body) =
            rest.split_first_chunk::<{ kem::CIPHERTEXT_LENGTH }>().ok_or(Error::Encoding)?;
        let agreed = self.x25519.agree(&x25519::PublicKey::from_bytes(*ct_x)?)?;
        let taken = self.kem.decapsulate(&kem::Ciphertext::from_bytes(ct_kem)?);
        let secret = public.secret(&taken, &agreed, ct_kem, ct_x);
        aead::open(ROW, &secret, &[], body).map(Zeroizing::new)
    }
}

impl PublicKeys {
    /// The hash that names the version.
    pub fn version(&self) -> [u8; 32] {
        kdf::hash(VERSION, &[&self.to_bytes()])
    }

    /// The `auth_data` of the version.
    pub fn auth_data(&self, mac_key: &[u8; 32]) -> Value {
        let mac = kdf::mac(mac_key, &kdf::labelled(AUTH, &[&self.version()]));
        json!({ "public_key": to_base64(&self.to_bytes()), "mac": to_base64(&mac) })
    }

    /// The keys of a version that own devices made.
    ///
    /// # Errors
    /// [`Error::Authentication`]: somebody else made it. [`Error::Encoding`], [`Error::Key`].
    pub fn from_auth_data(auth_data: &Value, mac_key: &[u8; 32]) -> Result<Self, Error> {
        let text = |key: &str| auth_data.get(key).and_then(Value::as_str).ok_or(Error::Encoding);
        let bytes = from_base64(text("public_key")?)?;
        let (x25519, kem) = bytes.split_first_chunk::<32>().ok_or(Error::Encoding)?;
        let keys = Self {
            x25519: x25519::PublicKey::from_bytes(*x25519)?,
            kem: kem::PublicKey::from_bytes(kem)?,
        };
        let mac = kdf::mac(mac_key, &kdf::labelled(AUTH, &[&keys.version()]));
        let is_own = bool::from(mac.ct_eq(from_base64(text("mac")?)?.as_slice()));
        if is_own { Ok(keys) } else { Err(Error::Authentication) }
    }

    /// A row for the server.
    ///
    /// # Errors
    /// [`Error::TooLong`]; [`Error::Key`]: the public key forces the result.
    pub fn seal(
        &self,
        mac_key: &[u8; 32],
        place: &Place<'_>,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Value, Error> {
        let ephemeral = x25519::PrivateKey::from_bytes(&Secret::new(random(rng)));
        let (ct_x, agreed) = (ephemeral.public(), ephemeral.agree(&self.x25519)?);
        let (ct_kem, encapsulated) = self.kem.encapsulate(rng);
        let secret = self.secret(&encapsulated, &agreed, ct_kem.as_bytes(), ct_x.as_bytes());
        let body = aead::seal(ROW, &secret, &[], plaintext)?;
        let sealed = [&ct_x.as_bytes()[..], ct_kem.as_bytes(), &body].concat();
        if sealed.len() > SEALED_MAX {
            return Err(Error::TooLong);
        }
        let mac = self.mac(mac_key, place, &sealed);
        Ok(json!({
            "first_message_index": place.first_index,
            "forwarded_count": 0,
            "is_verified": true,
            "session_data": { "sealed": to_base64(&sealed), "mac": to_base64(&mac) },
        }))
    }

    /// Whether an own device wrote a row's `session_data` for this place.
    pub fn is_own(&self, mac_key: &[u8; 32], place: &Place<'_>, data: &Value) -> bool {
        let mac = data.get("mac").and_then(Value::as_str).map(from_base64);
        match (sealed(data), mac) {
            (Ok(sealed), Some(Ok(mac))) => {
                self.mac(mac_key, place, &sealed).ct_eq(mac.as_slice()).into()
            }
            _ => false,
        }
    }

    fn mac(&self, mac_key: &[u8; 32], place: &Place<'_>, sealed: &[u8]) -> [u8; 32] {
        let fields: [&[u8]; 5] = [
            &self.version(),
            place.room_id.as_bytes(),
            place.session_id.as_bytes(),
            &place.first_index.to_be_bytes(),
            sealed,
        ];
        kdf::mac(mac_key, &kdf::labelled(MAC, &fields))
    }

    fn secret<'s>(
        &'s self,
        kem: &'s Secret,
        x25519: &'s Secret,
        ct_kem: &'s [u8],
        ct_x: &'s [u8],
    ) -> [&'s [u8]; 6] {
        [&**kem, &**x25519, ct_kem, ct_x, self.kem.as_bytes(), self.x25519.as_bytes()]
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.x25519.as_bytes()[..], self.kem.as_bytes()].concat()
    }
}

fn sealed(data: &Value) -> Result<Vec<u8>, Error> {
    let text = data.get("sealed").and_then(Value::as_str).ok_or(Error::Encoding)?;
    if text.len() > 2 * SEALED_MAX { Err(Error::Encoding) } else { from_base64(text) }
}

/// The bytes of a row's plaintext.
pub(crate) fn write<T: Encode>(value: &T) -> Zeroizing<Vec<u8>> {
    encoding::encode_versioned(1, value)
}

/// Reads a row's plaintext.
pub(crate) fn read<T: Decode + Encode>(bytes: &[u8]) -> Result<T, Error> {
    encoding::decode_versioned(1, bytes, SEALED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::rng;

    const PLACE: Place<'_> = Place { room_id: "!r:a.test", session_id: "s", first_index: 3 };

    #[test]
    fn devices_write_and_only_the_private_keys_read() {
        let mut rng = rng(1);
        let (private, mac) = (PrivateKeys::generate(&mut rng), [5; 32]);
        let public = private.public();
        let stored = PrivateKeys::from_bytes(&*private.to_bytes()).unwrap();
        assert_eq!(stored.public(), public);
        let row = public.seal(&mac, &PLACE, b"a key", &mut rng).unwrap();
        assert_eq!(*stored.open(&public, &row["session_data"]).unwrap(), b"a key");
        assert!(public.is_own(&mac, &PLACE, &row["session_data"]));
        let other = PrivateKeys::generate(&mut rng);
        assert!(other.open(&public, &row["session_data"]).is_err());
        assert!(other.open(&other.public(), &row["session_data"]).is_err());
    }

    #[test]
    fn a_planted_row_or_version_is_not_own() {
        let mut rng = rng(2);
        let (public, mac) = (PrivateKeys::generate(&mut rng).public(), [5; 32]);
        assert_eq!(PublicKeys::from_auth_data(&public.auth_data(&mac), &mac), Ok(public.clone()));
        let planted = public.auth_data(&[6; 32]);
        assert_eq!(PublicKeys::from_auth_data(&planted, &mac), Err(Error::Authentication));
        // A server knows the public keys, and can write rows that open.
        let row = public.seal(&[6; 32], &PLACE, b"a key", &mut rng).unwrap();
        assert!(!public.is_own(&mac, &PLACE, &row["session_data"]));
        let row = public.seal(&mac, &PLACE, b"a key", &mut rng).unwrap();
        for place in [
            Place { room_id: "!other:a.test", ..PLACE },
            Place { session_id: "t", ..PLACE },
            Place { first_index: 2, ..PLACE },
        ] {
            assert!(!public.is_own(&mac, &place, &row["session_data"]));
        }
    }

    #[test]
    fn a_row_has_a_length() {
        let mut rng = rng(3);
        let (private, mac) = (PrivateKeys::generate(&mut rng), [5; 32]);
        let public = private.public();
        let longest = vec![7; 128 * 1024 - 32 - 1_088 - 48];
        let row = public.seal(&mac, &PLACE, &longest, &mut rng).unwrap();
        assert_eq!(row["first_message_index"], 3);
        assert_eq!((&row["forwarded_count"], &row["is_verified"]), (&0.into(), &true.into()));
        assert!(*private.open(&public, &row["session_data"]).unwrap() == longest);
        let longer = [&longest[..], &[7]].concat();
        assert_eq!(public.seal(&mac, &PLACE, &longer, &mut rng).err(), Some(Error::TooLong));
        // What a server sends is looked at before it is decoded.
        let text = |length: usize| sealed(&json!({ "sealed": "A".repeat(length) }));
        assert_eq!(text(256 * 1024).map(|bytes| bytes.len()), Ok(192 * 1024));
        assert_eq!(text(256 * 1024 + 4), Err(Error::Encoding));
        assert_eq!(*write(&300_u32), [1, 0x19, 1, 0x2c]);
        assert_eq!(read(&[1, 0x19, 1, 0x2c]), Ok(300_u32));
        assert_eq!(read::<u32>(&[2, 0x19, 1, 0x2c]), Err(Error::Encoding));
    }

    /// What another implementation must come to, byte by byte.
    #[test]
    fn a_version_and_its_proof_follow_from_its_keys() {
        let (x25519, kem) =
            (x25519::PrivateKey::from_bytes(&[1; 32]), kem::PrivateKey::from_bytes(&[2; 64]));
        let private = PrivateKeys { x25519, kem };
        assert_eq!(private.to_bytes()[..], [&[1; 32][..], &[2; 64]].concat());
        let public = private.public();
        let bytes =
            [&private.x25519.public().as_bytes()[..], private.kem.public().as_bytes()].concat();
        let version = kdf::hash("org.sealpost.backup.v1 version", &[&bytes]);
        assert_eq!(public.version(), version);
        let auth_data = public.auth_data(&[5; 32]);
        assert_eq!(auth_data["public_key"], to_base64(&bytes));
        let mac = kdf::mac(&[5; 32], &kdf::labelled("org.sealpost.backup.v1 auth", &[&version]));
        assert_eq!(auth_data["mac"], to_base64(&mac));
    }
}
