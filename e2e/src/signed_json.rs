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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The specification's test vectors (appendices, "JSON Signing").
    #[test]
    fn the_examples_of_the_specification_are_signed_and_verified() {
        // As the specification has it but for the last digit, in which it sets bits that no byte takes up.
        let seed = key_from_base64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0").unwrap();
        let key = ed25519::PrivateKey::from_bytes(&seed);
        let empty = "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ";
        let filled = "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw";
        for (mut object, signature) in
            [(json!({}), empty), (json!({ "one": 1, "two": "Two" }), filled)]
        {
            let mut expected = object.clone();
            expected["signatures"] = json!({ "domain": { "ed25519:1": signature } });
            sign(&mut object, "domain", "1", &key).unwrap();
            assert_eq!(object, expected);
            let public = key.public();
            assert_eq!(verify(&object, "domain", "1", &public), Ok(()));
            let refused = Err(Error::Authentication);
            assert_eq!(verify(&object, "domain", "2", &public), refused);
            assert_eq!(verify(&object, "other", "1", &public), refused);
            let other = ed25519::PrivateKey::from_bytes(&[1; 32]).public();
            assert_eq!(verify(&object, "domain", "1", &other), refused);
            object["two"] = "Three".into();
            assert_eq!(verify(&object, "domain", "1", &public), refused);
        }
    }

    #[test]
    fn a_further_signature_stands_beside_those_that_are_there() {
        let keys = [1, 2].map(|seed| ed25519::PrivateKey::from_bytes(&[seed; 32]));
        let mut object = json!({ "a": 1 });
        sign(&mut object, "@a", "ONE", &keys[0]).unwrap();
        sign(&mut object, "@a", "TWO", &keys[1]).unwrap();
        sign(&mut object, "@b", "ONE", &keys[1]).unwrap();
        for (user, name, key) in
            [("@a", "ONE", &keys[0]), ("@a", "TWO", &keys[1]), ("@b", "ONE", &keys[1])]
        {
            assert_eq!(verify(&object, user, name, &key.public()), Ok(()));
        }
        assert_eq!(sign(&mut json!([1]), "@a", "ONE", &keys[0]), Err(Error::Encoding));
    }

    #[test]
    fn bytes_are_written_one_way_and_read_with_padding_or_without() {
        assert_eq!(to_hex(&[0x00, 0x1a, 0xf5, 0xff]), "001af5ff");
        assert_eq!(to_base64(&[0xfb, 0xff, 0xfe, 7]), "+//+Bw");
        for text in ["+//+Bw", "+//+Bw=="] {
            assert_eq!(from_base64(text).unwrap(), [0xfb, 0xff, 0xfe, 7]);
            assert_eq!(key_from_base64(text), Err(Error::Encoding));
        }
        for text in ["-__-Bw", "+//+B", "+//+ Bw"] {
            assert_eq!(from_base64(text), Err(Error::Encoding), "{text}");
        }
        assert_eq!(key_from_base64(&to_base64(&[9; 32])), Ok([9; 32]));
    }
}
