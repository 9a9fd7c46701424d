//! Signed JSON of devices and cross-signing keys: reading it, comparing it without its signatures, and checking
//! those (appendices, "Signing JSON").

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, SigningKeyAlgorithm, UserId,
    serde::Base64,
    signatures::{to_canonical_json_string_for_signing, verify_canonical_json_bytes},
};
use serde::Serialize;

use crate::error::{Error, Result};

pub const MASTER: &str = "master";
pub const SELF_SIGNING: &str = "self_signing";
pub const USER_SIGNING: &str = "user_signing";

const KEY_SIZE: usize = 16 * 1024;
const PUBLIC_KEY_BYTES: usize = 32;

/// A cross-signing key of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossSigningKey {
    /// In base64, as its owner wrote it.
    pub public_key: String,
    pub object: CanonicalJsonObject,
}

impl CrossSigningKey {
    /// Reads a key of `user`, for `usage`; 400 otherwise.
    pub fn parse(json: &str, user: &UserId, usage: &str) -> Result<Self> {
        if json.len() > KEY_SIZE {
            return Err(Error::invalid_param("A cross-signing key is too large"));
        }
        let mut object: CanonicalJsonObject = serde_json::from_str(json)
            .map_err(|error| Error::bad_json(format!("a cross-signing key: {error}")))?;
        object.remove("unsigned");
        let is_own =
            object.get("user_id").and_then(CanonicalJsonValue::as_str) == Some(user.as_str());
        let is_for = object
            .get("usage")
            .and_then(CanonicalJsonValue::as_array)
            .is_some_and(|usages| usages.iter().any(|given| given.as_str() == Some(usage)));
        if !is_own || !is_for {
            let message = format!("This is no {usage} key of {user}");
            return Err(Error::invalid_param(message));
        }
        let keys = object.get("keys").and_then(CanonicalJsonValue::as_object);
        let mut keys = keys.into_iter().flatten();
        let only = match (keys.next(), keys.next()) {
            (Some((id, key)), None) => key.as_str().map(|key| (id.as_str(), key)),
            _ => None,
        };
        let public_key = only.and_then(|(id, key)| {
            (id.strip_prefix("ed25519:") == Some(key)).then(|| key.to_owned())
        });
        let public_key = public_key.filter(|key| is_public_key(key)).ok_or_else(|| {
            Error::invalid_param(format!("The {usage} key has no public key, or several"))
        })?;
        Ok(Self { public_key, object })
    }

    /// By which its signatures are named.
    pub fn key_id(&self) -> String {
        format!("ed25519:{}", self.public_key)
    }

    /// Whether `user` has signed `object` with this key.
    pub fn has_signed(&self, object: &CanonicalJsonObject, user: &UserId) -> bool {
        signature(object, user, &self.key_id())
            .is_some_and(|signature| verify(object, &self.public_key, signature))
    }
}

fn is_public_key(text: &str) -> bool {
    Base64::<ruma::serde::base64::Standard>::parse(text)
        .is_ok_and(|key| key.as_bytes().len() == PUBLIC_KEY_BYTES)
}

/// A signature by a user with a key.
pub fn signature<'a>(
    object: &'a CanonicalJsonObject,
    user: &UserId,
    key_id: &str,
) -> Option<&'a str> {
    signatures(object, user)?.get(key_id)?.as_str()
}

/// The signatures by a user.
pub fn signatures<'a>(
    object: &'a CanonicalJsonObject,
    user: &UserId,
) -> Option<&'a CanonicalJsonObject> {
    object.get("signatures")?.as_object()?.get(user.as_str())?.as_object()
}

/// Adds a signature by a user. Of those that are there, only those stay that `keep` names.
pub fn add_signature(
    object: &mut CanonicalJsonObject,
    user: &UserId,
    (key_id, signature): (&str, &str),
    keep: impl Fn(&str) -> bool,
) {
    let mut signatures = match object.remove("signatures") {
        Some(CanonicalJsonValue::Object(signatures)) => signatures,
        _ => CanonicalJsonObject::new(),
    };
    let mut own = match signatures.remove(user.as_str()) {
        Some(CanonicalJsonValue::Object(own)) => own,
        _ => CanonicalJsonObject::new(),
    };
    own.retain(|id, _| keep(id));
    own.insert(key_id.to_owned(), signature.to_owned().into());
    signatures.insert(user.to_string(), CanonicalJsonValue::Object(own));
    object.insert("signatures".to_owned(), CanonicalJsonValue::Object(signatures));
}

/// Whether `signature` is one over `object` by the holder of a key.
pub fn verify(object: &CanonicalJsonObject, public_key: &str, signature: &str) -> bool {
    let parse = |text: &str| Base64::<ruma::serde::base64::Standard>::parse(text).ok();
    let (Some(public_key), Some(signature)) = (parse(public_key), parse(signature)) else {
        return false;
    };
    let Ok(form) = to_canonical_json_string_for_signing(object) else { return false };
    verify_canonical_json_bytes(
        &SigningKeyAlgorithm::Ed25519,
        public_key.as_bytes(),
        signature.as_bytes(),
        form.as_bytes(),
    )
    .is_ok()
}

/// Whether two objects are the same but for signatures.
pub fn is_same(one: &CanonicalJsonObject, other: &CanonicalJsonObject) -> bool {
    let without = |object: &CanonicalJsonObject| {
        let mut object = object.clone();
        object.remove("signatures");
        object.remove("unsigned");
        object
    };
    without(one) == without(other)
}

/// The canonical form without signatures.
pub fn without_signatures(object: &CanonicalJsonObject) -> Result<String> {
    to_canonical_json_string_for_signing(object)
        .map_err(|error| Error::bad_json(format!("The keys have no canonical form: {error}")))
}

pub fn to_string(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal(format!("keys in canonical form: {error}")))
}

/// What is stored.
pub fn stored(json: &str) -> Result<CanonicalJsonObject> {
    serde_json::from_str(json).map_err(|error| Error::internal(format!("stored keys: {error}")))
}
