//! Canonical JSON of every room version, and what is computed over it: hashes, ids, signatures.
//!
//! Since room version 6 numbers are integers that JavaScript can hold, and all of this is ruma's. Before, any
//! number is legal, written as the servers of that time wrote it: integers by their digits, others as the
//! shortest decimal that reads back the same, in Python's form (`1e+16`, `1e-07`, `1.0`). ruma's value has no
//! room for these. Here such a number is a string in it that begins with a mark, [`NUMBER`]; a string that
//! begins with NUL is marked as a [`STRING`]. [`parse`] puts the marks, [`to_string`] takes them away, and
//! everything else may treat the object like any other. Objects of older versions are to be read and written
//! by this module alone.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, Int, SigningKeyAlgorithm,
    canonical_json::RedactingSerializer,
    room_version_rules::{EventIdFormatVersion, RoomVersionRules},
    serde::Base64,
    signatures::{
        JsonError, KeyPair, PublicKeyMap, VerificationError, Verified,
        required_server_signatures_to_verify_event, verify_canonical_json_bytes, verify_event,
    },
};
use serde::de::Error as _;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// What a number that ruma's value cannot hold begins with.
const NUMBER: &str = "\0n";
/// What a string that begins with NUL begins with.
const STRING: &str = "\0s";
/// Deeper JSON is not read.
const DEPTH: usize = 128;
/// What is hashed may not be longer, in bytes.
const MAX_PDU_BYTES: usize = 65_535;

const HASHED_WITHOUT: &[&str] = &["hashes", "signatures", "unsigned"];
const SIGNED_WITHOUT: &[&str] = &["signatures", "unsigned"];

/// Reads an event of a room with these rules.
pub fn parse(
    json: &str,
    rules: &RoomVersionRules,
) -> Result<CanonicalJsonObject, serde_json::Error> {
    if is_strict(rules) {
        return serde_json::from_str(json);
    }
    match lenient(serde_json::from_str(json)?, 0)? {
        CanonicalJsonValue::Object(object) => Ok(object),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

/// The canonical form of what [`parse`] read.
pub fn to_string(
    object: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<String, serde_json::Error> {
    Ok(unmarked(serde_json::to_string(object)?, rules))
}

/// The canonical form of what a request between servers is signed by. In its body, `content`, any number is
/// legal, whatever the version: there may be events of all of them in it.
pub(crate) fn request_form(
    mut members: CanonicalJsonObject,
    content: &[u8],
) -> Result<String, serde_json::Error> {
    let mut is_strict = true;
    if !content.is_empty() {
        let content = serde_json::from_slice(content).or_else(|_| {
            is_strict = false;
            lenient(serde_json::from_slice(content)?, 0)
        })?;
        members.insert("content".to_owned(), content);
    }
    let form = serde_json::to_string(&members)?;
    Ok(if is_strict { form } else { without_marks(form) })
}

/// An integer, however large, if it is at least 0 and fits.
pub fn natural(value: &CanonicalJsonValue) -> Option<i64> {
    let number = match value {
        CanonicalJsonValue::Integer(number) => i64::from(*number),
        CanonicalJsonValue::String(text) => text.strip_prefix(NUMBER)?.parse().ok()?,
        _ => return None,
    };
    (number >= 0).then_some(number)
}

/// The JSON with every number cut to an integer of ruma's, as power levels are understood where they may be
/// any number; `None` where they are integers already. Strings that begin with NUL may not survive.
pub fn with_integers(json: &str) -> Option<String> {
    /// How many numbers were cut.
    fn cut(value: &mut CanonicalJsonValue) -> usize {
        match value {
            CanonicalJsonValue::Array(items) => items.iter_mut().map(cut).sum(),
            CanonicalJsonValue::Object(members) => members.values_mut().map(cut).sum(),
            CanonicalJsonValue::String(text) => {
                let Some(number) = text.strip_prefix(NUMBER).and_then(|n| n.parse::<f64>().ok())
                else {
                    return 0;
                };
                // `as` keeps what is too large at the bound.
                *value = CanonicalJsonValue::Integer(Int::new_saturating(number as i64));
                1
            }
            _ => 0,
        }
    }
    let mut value = lenient(serde_json::from_str(json).ok()?, 0).ok()?;
    (cut(&mut value) > 0).then(|| serde_json::to_string(&value).ok())?
}

/// The SHA-256 over all of an event but hashes and signatures.
pub fn content_hash(
    object: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<[u8; 32], JsonError> {
    let serializer = RedactingSerializer::new().custom_redacted_root_fields(HASHED_WITHOUT);
    hash(&unmarked(serializer.serialize(object)?, rules))
}

/// The hash by which others refer to an event, in base64 as its version wants it.
pub fn reference_hash(
    object: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<String, JsonError> {
    let hash = hash(&signed_form(object, rules)?)?;
    Ok(match rules.event_id_format {
        EventIdFormatVersion::V1 | EventIdFormatVersion::V2 => STANDARD_NO_PAD.encode(hash),
        _ => URL_SAFE_NO_PAD.encode(hash),
    })
}

/// Adds content hash and signature.
pub fn hash_and_sign(
    object: &mut CanonicalJsonObject,
    server_name: &str,
    key: &impl KeyPair,
    rules: &RoomVersionRules,
) -> Result<(), JsonError> {
    let hash = STANDARD_NO_PAD.encode(content_hash(object, rules)?);
    let hashes = BTreeMap::from([("sha256".to_owned(), hash.into())]);
    object.insert("hashes".to_owned(), CanonicalJsonValue::Object(hashes));
    sign(object, server_name, key, rules)
}

/// Adds a signature to those that are there.
pub fn sign(
    object: &mut CanonicalJsonObject,
    server_name: &str,
    key: &impl KeyPair,
    rules: &RoomVersionRules,
) -> Result<(), JsonError> {
    let signature = key.sign(signed_form(object, rules)?.as_bytes());
    let signatures = member(object, "signatures")?;
    member(signatures, server_name)?.insert(signature.id(), signature.base64().into());
    Ok(())
}

/// Checks the signatures that an event needs, and its content hash; as [`verify_event`], of which this is the
/// whole since room version 6.
pub fn verify(
    keys: &PublicKeyMap,
    object: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<Verified, VerificationError> {
    if is_strict(rules) {
        return verify_event(keys, object, rules);
    }
    let form = signed_form(object, rules).map_err(VerificationError::Json)?;
    let signatures = object.get("signatures").and_then(CanonicalJsonValue::as_object);
    for server in required_server_signatures_to_verify_event(object, &rules.signatures)? {
        let server = server.as_str();
        let keys = keys
            .get(server)
            .ok_or_else(|| VerificationError::NoPublicKeysForEntity(server.to_owned()))?;
        let of_server = signatures
            .and_then(|signatures| signatures.get(server))
            .and_then(CanonicalJsonValue::as_object)
            .ok_or_else(|| VerificationError::NoSignaturesForEntity(server.to_owned()))?;
        let mut is_checked = false;
        for (id, key) in keys.iter().filter(|(id, _)| id.starts_with("ed25519:")) {
            let Some(signature) = of_server.get(id).and_then(CanonicalJsonValue::as_str) else {
                continue;
            };
            let signature: Base64<ruma::serde::base64::Standard> = Base64::parse(signature)
                .map_err(|source| VerificationError::InvalidBase64Signature {
                    path: format!("signatures.{server}.{id}"),
                    source,
                })?;
            verify_canonical_json_bytes(
                &SigningKeyAlgorithm::Ed25519,
                key.as_bytes(),
                signature.as_bytes(),
                form.as_bytes(),
            )?;
            is_checked = true;
        }
        if !is_checked {
            return Err(VerificationError::NoSupportedSignatureForEntity(server.to_owned()));
        }
    }
    let hash = object
        .get("hashes")
        .and_then(CanonicalJsonValue::as_object)
        .and_then(|hashes| hashes.get("sha256"))
        .and_then(CanonicalJsonValue::as_str);
    let computed = content_hash(object, rules).map_err(VerificationError::Json)?;
    let is_right = hash
        .and_then(|hash| Base64::<ruma::serde::base64::Standard>::parse(hash).ok())
        .is_some_and(|hash| hash.as_bytes() == computed);
    Ok(if is_right { Verified::All } else { Verified::Signatures })
}

fn is_strict(rules: &RoomVersionRules) -> bool {
    rules.authorization.strict_canonical_json
}

fn signed_form(
    object: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<String, JsonError> {
    let serializer = RedactingSerializer::new()
        .rules(&rules.redaction)
        .custom_redacted_root_fields(SIGNED_WITHOUT);
    Ok(unmarked(serializer.serialize(object)?, rules))
}

fn hash(form: &str) -> Result<[u8; 32], JsonError> {
    if form.len() > MAX_PDU_BYTES {
        return Err(JsonError::PduTooLarge);
    }
    Ok(Sha256::digest(form.as_bytes()).into())
}

/// An object in an object, made when it is not there.
fn member<'a>(
    object: &'a mut CanonicalJsonObject,
    name: &str,
) -> Result<&'a mut CanonicalJsonObject, JsonError> {
    let member = object
        .entry(name.to_owned())
        .or_insert_with(|| CanonicalJsonValue::Object(CanonicalJsonObject::new()));
    match member {
        CanonicalJsonValue::Object(member) => Ok(member),
        _ => Err(serde_json::Error::custom(format!("`{name}` is not an object")).into()),
    }
}

/// Reads one value: its first letter tells what it is.
fn lenient(json: &RawValue, depth: usize) -> Result<CanonicalJsonValue, serde_json::Error> {
    if depth > DEPTH {
        return Err(serde_json::Error::custom("nested too deeply"));
    }
    let text = json.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            let members = members
                .into_iter()
                .map(|(name, member)| Ok((marked(name), lenient(member, depth + 1)?)))
                .collect::<Result<_, serde_json::Error>>()?;
            CanonicalJsonValue::Object(members)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            let items = items.into_iter().map(|item| lenient(item, depth + 1));
            CanonicalJsonValue::Array(items.collect::<Result<_, _>>()?)
        }
        Some(b'"') => CanonicalJsonValue::String(marked(serde_json::from_str(text)?)),
        Some(b't' | b'f') => CanonicalJsonValue::Bool(serde_json::from_str(text)?),
        Some(b'n') => CanonicalJsonValue::Null,
        _ => number(text)?,
    })
}

fn marked(string: String) -> String {
    if string.starts_with('\0') { format!("{STRING}{string}") } else { string }
}

fn number(text: &str) -> Result<CanonicalJsonValue, serde_json::Error> {
    if let Some(number) = text.parse().ok().and_then(|number: i64| Int::try_from(number).ok()) {
        return Ok(CanonicalJsonValue::Integer(number));
    }
    if !text.contains(['.', 'e', 'E']) {
        return Ok(CanonicalJsonValue::String(format!("{NUMBER}{text}")));
    }
    let number: f64 = text.parse().map_err(serde_json::Error::custom)?;
    if !number.is_finite() {
        return Err(serde_json::Error::custom("the number is too large"));
    }
    Ok(CanonicalJsonValue::String(format!("{NUMBER}{}", decimal(number))))
}

/// As Python writes it.
fn decimal(number: f64) -> String {
    // The shortest digits that read back the same, as `d.ddde±x`.
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Canonical JSON without the marks.
fn unmarked(json: String, rules: &RoomVersionRules) -> String {
    if is_strict(rules) { json } else { without_marks(json) }
}

fn without_marks(json: String) -> String {
    // As NUL is written at the beginning of a string.
    const MARKED: &str = "\"\\u0000";
    if !json.contains(MARKED) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('"') {
        let (before, string) = rest.split_at(at);
        out.push_str(before);
        let end = end_of_string(string);
        let (string, after) = string.split_at(end);
        match string.strip_prefix(MARKED) {
            Some(marked) if marked.starts_with('n') => {
                out.push_str(marked.get(1..marked.len() - 1).unwrap_or_default());
            }
            Some(marked) if marked.starts_with('s') => {
                out.push('"');
                out.push_str(marked.get(1..).unwrap_or_default());
            }
            _ => out.push_str(string),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the string ends that begins with a quote here.
fn end_of_string(string: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in string.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    string.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &RoomVersionRules = &RoomVersionRules::V5;

    fn canonical(json: &str) -> String {
        to_string(&parse(json, OLD).unwrap(), OLD).unwrap()
    }

    #[test]
    fn numbers_are_written_as_python_does() {
        for (given, expected) in [
            ("0.1", "0.1"),
            ("1.0", "1.0"),
            ("-0.0", "-0.0"),
            ("-0", "0"),
            ("100e-2", "1.0"),
            ("1e16", "1e+16"),
            ("1E15", "1000000000000000.0"),
            ("0.0001", "0.0001"),
            ("0.00001234", "1.234e-05"),
            ("1.5e300", "1.5e+300"),
            ("5e-324", "5e-324"),
            ("123456789012345680.0", "1.2345678901234568e+17"),
            ("9007199254740991", "9007199254740991"),
            ("9007199254740993", "9007199254740993"),
            ("-18446744073709551617", "-18446744073709551617"),
        ] {
            let json = |number| format!("{{\"a\":[{number}]}}");
            assert_eq!(canonical(&json(given)), json(expected));
        }
        assert!(parse("{\"a\":1e999}", OLD).is_err());
    }

    #[test]
    fn strings_stay_what_they_are() {
        for json in [
            r#"{"a":"\u0000n1.5"}"#,
            r#"{"\u0000n1":"\u0000"}"#,
            r#"{"a":"\"\u0000n1\""}"#,
            r#"{"a":"\\","b":1.5}"#,
            r#"{"a":"\u0000s\u0000n2"}"#,
        ] {
            let written = canonical(json);
            assert_eq!(written, json);
        }
    }

    #[test]
    fn what_is_nested_too_deeply_or_no_object_is_refused() {
        let deep = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&deep(100), OLD).is_ok());
        assert!(parse(&deep(20_000), OLD).is_err());
        assert!(parse("[1]", OLD).is_err());
        assert!(parse("1.5", OLD).is_err());
        assert!(parse("{\"a\":1.5}", &RoomVersionRules::V6).is_err());
    }

    #[test]
    fn levels_are_cut_to_integers() {
        let cut = |json| with_integers(json);
        assert_eq!(
            cut(r#"{"a":{"b":-60.9},"c":[1e99]}"#).unwrap(),
            r#"{"a":{"b":-60},"c":[9007199254740991]}"#
        );
        assert_eq!(cut(r#"{"a":{"b":60},"c":"1.5"}"#), None);
    }

    #[test]
    fn large_numbers_are_read_back() {
        let object =
            parse("{\"a\":9223372036854775807,\"b\":1.0,\"c\":\"\\u0000n5\"}", OLD).unwrap();
        assert_eq!(natural(&object["a"]), Some(i64::MAX));
        assert_eq!(natural(&object["b"]), None);
        assert_eq!(natural(&object["c"]), None);
    }
}
