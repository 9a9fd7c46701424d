//! What a device publishes so that others can write to it while it is away.
//!
//! One-time and last-resort ("fallback") objects have the same form, an X25519 key and an ML-KEM-768 key,
//! signed by the device as Matrix signs JSON:
//!
//! ```text
//! "org.sealpost.pqxdh.v1:<key id>": {
//!   "alg": "org.sealpost.pqxdh.v1",
//!   "key": base64(X25519), "kem": base64(ML-KEM-768), ("fallback": true,)
//!   "signatures": { "<user id>": { "ed25519:<device id>": base64(signature) } }
//! }
//! ```
//!
//! The key id is 8 random bytes in base64url. Base64 is without padding.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use rand_core::CryptoRng;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Error,
    canonical_json::signed_form,
    encoding::coded,
    identity::{DeviceIdentity, OwnDevice},
    primitives::{kem, random, x25519},
};

/// The algorithm's name in key ids, objects and `device_keys`.
pub const ALGORITHM: &str = "org.sealpost.pqxdh.v1";

/// Whether an object is claimed once, or is handed out while no other is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Claimed once.
    OneTime,
    /// The last resort, rotated.
    Fallback,
}

/// The private halves of a published object.
#[derive(Clone)]
pub struct Prekey {
    /// Its id, unique among this device's.
    pub id: KeyId,
    /// How it is handed out.
    pub kind: Kind,
    /// Agrees with the handshake's keys.
    pub x25519: x25519::PrivateKey,
    /// Takes the encapsulated secret out.
    pub kem: kem::PrivateKey,
    /// SHA-256 of the canonical JSON that was signed: part of what both sides of a handshake must share.
    pub object_hash: [u8; 32],
}

/// The id of a prekey: 8 bytes, in JSON 11 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

coded!(KeyId = 0);

impl KeyId {
    /// As it stands behind the algorithm in the name of a key.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads the full name of a key, `org.sealpost.pqxdh.v1:<key id>`.
    ///
    /// # Errors
    /// [`Error::Encoding`]: of another algorithm, or no key id.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let id = name.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(':'));
        let bytes = id.and_then(|id| URL_SAFE_NO_PAD.decode(id).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(Error::Encoding)
    }

    /// The full name of the key in uploads and claims.
    pub fn name(&self) -> String {
        format!("{ALGORITHM}:{}", self.encode())
    }
}

impl Prekey {
    /// A fresh object, and the signed JSON to publish: stored as it is before it is uploaded.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn generate(
        device: &OwnDevice,
        kind: Kind,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Value), Error> {
        let id = KeyId(random(rng));
        let (x25519, kem) = (x25519::PrivateKey::generate(rng), kem::PrivateKey::generate(rng));
        let mut object = json!({
            "alg": ALGORITHM,
            "key": STANDARD_NO_PAD.encode(x25519.public().as_bytes()),
            "kem": STANDARD_NO_PAD.encode(kem.public().as_bytes()),
        });
        if kind == Kind::Fallback {
            insert(&mut object, "fallback", Value::Bool(true));
        }
        let signed = signed_form(&object)?;
        let signature = STANDARD_NO_PAD.encode(device.ed25519.sign(signed.as_bytes()));
        let name = format!("ed25519:{}", device.device_id);
        let signatures = json!({ &device.user_id: { name: signature } });
        insert(&mut object, "signatures", signatures);
        let object_hash = Sha256::digest(signed).into();
        Ok((Self { id, kind, x25519, kem, object_hash }, object))
    }
}

/// The public halves of an object that was claimed of another device, after its signature was checked.
#[derive(Clone, Debug)]
pub struct ClaimedPrekey {
    /// Its id, by which its owner finds the private halves.
    pub id: KeyId,
    /// How it was handed out.
    pub kind: Kind,
    /// For the agreement.
    pub x25519: x25519::PublicKey,
    /// For the encapsulation.
    pub kem: kem::PublicKey,
    /// As in [`Prekey`].
    pub object_hash: [u8; 32],
}

impl ClaimedPrekey {
    /// Reads what `keys/claim` answered for `device`: the key's full name and the object.
    ///
    /// # Errors
    /// [`Error::Encoding`]: not an object of this algorithm. [`Error::Key`]: a key in it is none.
    /// [`Error::Authentication`]: not signed by the device.
    pub fn verify(device: &DeviceIdentity, name: &str, object: &Value) -> Result<Self, Error> {
        let id = KeyId::parse(name)?;
        let text = |key: &str| object.get(key).and_then(Value::as_str).ok_or(Error::Encoding);
        if text("alg")? != ALGORITHM {
            return Err(Error::Encoding);
        }
        let kind = match object.get("fallback") {
            None => Kind::OneTime,
            Some(Value::Bool(true)) => Kind::Fallback,
            Some(_) => return Err(Error::Encoding),
        };
        let signature = object
            .get("signatures")
            .and_then(|all| all.get(&device.user_id))
            .and_then(|of_user| of_user.get(format!("ed25519:{}", device.device_id)))
            .and_then(Value::as_str)
            .ok_or(Error::Authentication)?;
        let signed = signed_form(object)?;
        let signature = decode(signature)?.try_into().map_err(|_| Error::Encoding)?;
        device.ed25519.verify(signed.as_bytes(), &signature)?;
        let x25519: [u8; 32] = decode(text("key")?)?.try_into().map_err(|_| Error::Key)?;
        Ok(Self {
            id,
            kind,
            x25519: x25519::PublicKey::from_bytes(x25519)?,
            kem: kem::PublicKey::from_bytes(&decode(text("kem")?)?)?,
            object_hash: Sha256::digest(signed).into(),
        })
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Error> {
    STANDARD_NO_PAD.decode(text).map_err(|_| Error::Encoding)
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{device, rng};

    #[test]
    fn a_published_object_is_claimed() {
        let owner = device("@bob:b.test", "PHONE");
        for kind in [Kind::OneTime, Kind::Fallback] {
            let (prekey, object) = Prekey::generate(&owner, kind, &mut rng(1)).unwrap();
            let name = prekey.id.name();
            assert_eq!(prekey.id.encode().len(), 11);
            let claimed = ClaimedPrekey::verify(&owner.identity(), &name, &object).unwrap();
            assert_eq!((claimed.id, claimed.kind), (prekey.id, kind));
            assert_eq!(claimed.object_hash, prekey.object_hash);
            assert_eq!(claimed.x25519, prekey.x25519.public());
        }
    }

    #[test]
    fn an_object_that_a_server_swapped_or_changed_is_refused() {
        let (bob, mallory) = (device("@bob:b.test", "PHONE"), device("@mallory:m.test", "PHONE"));
        let (prekey, object) = Prekey::generate(&bob, Kind::OneTime, &mut rng(1)).unwrap();
        let name = prekey.id.name();
        let verify = |object: &Value| {
            ClaimedPrekey::verify(&bob.identity(), &name, object).map(|_| ()).unwrap_err()
        };
        let (_, other) = Prekey::generate(&bob, Kind::OneTime, &mut rng(2)).unwrap();
        for key in ["key", "kem"] {
            let mut swapped = object.clone();
            swapped[key] = other[key].clone();
            assert_eq!(verify(&swapped), Error::Authentication, "{key}");
        }
        let mut downgraded = object.clone();
        downgraded["alg"] = "signed_curve25519".into();
        assert_eq!(verify(&downgraded), Error::Encoding);
        let mut fallback = object.clone();
        fallback["fallback"] = true.into();
        assert_eq!(verify(&fallback), Error::Authentication);
        let (_, foreign) = Prekey::generate(&mallory, Kind::OneTime, &mut rng(3)).unwrap();
        assert_eq!(verify(&foreign), Error::Authentication);
        let alien = ClaimedPrekey::verify(&bob.identity(), "signed_curve25519:AAAAAA", &object);
        assert_eq!(alien.map(|_| ()), Err(Error::Encoding));
    }
}
