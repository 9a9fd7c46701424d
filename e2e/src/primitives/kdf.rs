//! SHA-256, HMAC and HKDF (RFC 5869) over labelled inputs.
//!
//! ```text
//! labelled(label, f1 … fn) = u32be(len(label)) ‖ label ‖ u32be(len(f1)) ‖ f1 ‖ … ‖ u32be(len(fn)) ‖ fn
//! ```
//!
//! so that no two different lists of fields give the same bytes.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Secret;

/// What a derivation is for, with its version: `org.sealpost.…`.
pub type Label = &'static str;

/// SHA-256 over a label and fields, each behind its length.
pub fn hash(label: Label, fields: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for_each_part(label, fields, |part| hash.update(part));
    hash.finalize().into()
}

/// The bytes that [`hash()`] hashes, for signatures.
pub fn labelled(label: Label, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for_each_part(label, fields, |part| bytes.extend_from_slice(part));
    bytes
}

/// HMAC-SHA-256 of one byte: a step of a chain of keys.
pub fn step(key: &Secret, which: u8) -> Secret {
    Secret::new(finished(keyed(&**key), &[which]))
}

/// The steps of 1 and of 2: a message's key, and the chain's next.
pub fn steps(key: &Secret) -> (Secret, Secret) {
    let mac = keyed(&**key);
    (Secret::new(finished(mac.clone(), &[1])), Secret::new(finished(mac, &[2])))
}

/// HMAC-SHA-256.
pub fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    finished(keyed(key), message)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // A key of any length is a key of HMAC.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

fn finished(mut mac: Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// HKDF with SHA-256: `N` bytes from `material`, at most 8,160.
pub fn derive<const N: usize>(
    salt: &[u8; 32],
    material: &[&[u8]],
    label: Label,
    context: &[&[u8]],
) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut extract = hkdf::HkdfExtract::<Sha256>::new(Some(salt));
    material.iter().for_each(|part| extract.input_ikm(part));
    let (_, expand): (_, Hkdf<Sha256>) = extract.finalize();
    let mut output = Zeroizing::new([0; N]);
    let info = labelled(label, context);
    // Fails only for an N over the bound above.
    let expanded = expand.expand(&info, &mut *output);
    debug_assert!(expanded.is_ok());
    output
}

fn for_each_part(label: Label, fields: &[&[u8]], mut part: impl FnMut(&[u8])) {
    for field in std::iter::once(&label.as_bytes()).chain(fields) {
        // No input is 4 GiB long: every decoder bounds what it takes.
        part(&(field.len() as u32).to_be_bytes());
        part(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_steps_are_those_of_one_each() {
        let key = Secret::new([7; 32]);
        let (message, next) = steps(&key);
        assert!(message == step(&key, 1) && next == step(&key, 2) && message != next);
        assert_eq!(*message, mac(&[7; 32], &[1]));
    }

    #[test]
    fn a_derivation_is_hkdf_over_the_labelled_context() {
        let derived = derive::<76>(&[1; 32], &[b"sec", b"ret"], "label", &[b"a", b"b"]);
        let mut expected = [0; 76];
        let hkdf = Hkdf::<Sha256>::new(Some(&[1; 32]), b"secret");
        hkdf.expand(&labelled("label", &[b"a", b"b"]), &mut expected).unwrap();
        assert_eq!(*derived, expected);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(hash("l", &[b"ab", b"c"]), hash("l", &[b"a", b"bc"]));
        assert_ne!(hash("l", &[b"a"]), hash("l", &[b"a", b""]));
        assert_eq!(labelled("l", &[b"ab"]), b"\0\0\0\x01l\0\0\0\x02ab");
    }
}
