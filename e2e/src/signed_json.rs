//! Signatures of JSON objects, as Matrix makes them (specification, appendices: "Signing JSON").

use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD_NO_PAD,
    },
};
use serde_json::{Map, Value};

use crate::{Error, canonical_json::signed_form, primitives::ed25519};

/// Standard base64, with padding or without: what others write.
const INDIFFERENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Adds a signature by `key`, whose id is `ed25519:<name>`, of a user.
///
/// # Errors
/// [`Error::Encoding`]: not an object that canonical JSON has.
pub fn sign(
    object: &mut Value,
    user_id: &str,
    name: &str,
    key: &ed25519::PrivateKey,
) -> Result<(), Error> {
    let signature = to_base64(&key.sign(signed_form(object)?.as_bytes()));
    let object = object.as_object_mut().ok_or(Error::Encoding)?;
    let signatures = object.entry("signatures").or_insert_with(|| Map::new().into());
    let signatures = signatures.as_object_mut().ok_or(Error::Encoding)?;
    let of_user = signatures.entry(user_id).or_insert_with(|| Map::new().into());
    let of_user = of_user.as_object_mut().ok_or(Error::Encoding)?;
    of_user.insert(format!("ed25519:{name}"), signature.into());
    Ok(())
}

/// Checks the signature by `key`, whose id is `ed25519:<name>`, of a user.
///
/// # Errors
/// [`Error::Authentication`]: there is none, or a wrong one. [`Error::Encoding`]: no object.
pub fn verify(
    object: &Value,
    user_id: &str,
    name: &str,
    key: &ed25519::PublicKey,
) -> Result<(), Error> {
    let signature = object
        .get("signatures")
        .and_then(|all| all.get(user_id))
        .and_then(|of_user| of_user.get(format!("ed25519:{name}")))
        .and_then(Value::as_str)
        .ok_or(Error::Authentication)?;
    let signature = from_base64(signature)?.try_into().map_err(|_| Error::Encoding)?;
    key.verify(signed_form(object)?.as_bytes(), &signature)
}

/// Standard base64 without padding.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Hexadecimal digits, for ids.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads standard base64, with padding or without.
///
/// # Errors
/// [`Error::Encoding`].
pub fn from_base64(text: &str) -> Result<Vec<u8>, Error> {
    INDIFFERENT.decode(text).map_err(|_| Error::Encoding)
}

/// 32 bytes of base64.
///
/// # Errors
/// [`Error::Encoding`].
pub fn key_from_base64(text: &str) -> Result<[u8; 32], Error> {
    from_base64(text)?.try_into().map_err(|_| Error::Encoding)
}
