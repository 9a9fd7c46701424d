//! Safety numbers: sixty digits that two people compare aloud to learn that nobody sits between them.
//!
//! Signal's numeric fingerprint, version 2, over Matrix identities: the identity key is the user's
//! master cross-signing key (32 bytes, Ed25519), the stable identifier is the user id in UTF-8.
//!
//! 1. [`fingerprint`]: 5,200 rounds of SHA-512 over version, key and identifier, so that finding a
//!    second identity with the same digits is slow.
//! 2. [`digits`]: the first thirty bytes as six groups of five digits.
//! 3. [`SafetyNumber::new`]: the smaller half first, so that both sides read the same sixty digits.

use std::fmt;

use sha2::{Digest, Sha512};

/// Rounds of SHA-512, as Signal's clients use them.
const ROUNDS: u32 = 5_200;
/// Signal's fingerprint version inside the hash; "version 2" names the format of its QR code.
const VERSION: [u8; 2] = [0, 0];
/// Digits in one person's half.
const HALF: usize = 30;

/// Whom a half of the number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The Matrix user id, for example `@lena:garden.example`.
    pub user_id: &'a str,
    /// The public master cross-signing key: 32 bytes of Ed25519.
    pub master_key: &'a [u8; 32],
}

/// Sixty decimal digits, the same for both people.
///
/// `Display` writes twelve groups of five, separated by spaces, to be read aloud.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafetyNumber(String);

impl SafetyNumber {
    /// The number of two people; which of them is named first makes no difference.
    #[must_use]
    pub fn new(one: Identity<'_>, other: Identity<'_>) -> Self {
        Self::of_halves(
            digits(&fingerprint(one.master_key, one.user_id.as_bytes())),
            digits(&fingerprint(other.master_key, other.user_id.as_bytes())),
        )
    }

    /// The sixty digits without separators.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_halves(one: String, other: String) -> Self {
        Self(if one <= other { one + &other } else { other + &one })
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, digit) in self.0.chars().enumerate() {
            if position != 0 && position % 5 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

/// `H₀ = SHA-512(version ‖ key ‖ identifier ‖ key)`, `Hₙ = SHA-512(Hₙ₋₁ ‖ key)`; the last of 5,200.
fn fingerprint(key: &[u8], identifier: &[u8]) -> [u8; 64] {
    let first = Sha512::new()
        .chain_update(VERSION)
        .chain_update(key)
        .chain_update(identifier)
        .chain_update(key)
        .finalize();
    (1..ROUNDS)
        .fold(first, |hash, _| Sha512::new().chain_update(hash).chain_update(key).finalize())
        .into()
}

/// Six groups: each five bytes, big-endian, modulo 100,000, written with five digits.
fn digits(fingerprint: &[u8; 64]) -> String {
    fingerprint
        .chunks_exact(5)
        .take(HALF / 5)
        .map(|bytes| bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)))
        .map(|number| format!("{:05}", number % 100_000))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Known answers from libsignal's tests (`fingerprint_test_v1`, `fingerprint_test_v2`; the same
    // in its Java, Swift and C editions). Signal's keys carry a type byte (05) before the 32 bytes.
    const ALICE: (&str, &[u8]) =
        ("0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868", b"+14152222222");
    const BOB: (&str, &[u8]) =
        ("05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b", b"+14153333333");
    const NUMBER: &str = "300354477692869396892869876765458257569162576843440918079131";
    const ALICE_HASH: &str = "1e301a0353dce3dbe7684cb8336e85136cdc0ee96219494ada305d62a7bd61df";
    const BOB_HASH: &str = "d62cbf73a11592015b6b9f1682ac306fea3aaf3885b84d12bca631e9d4fb3a4d";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16).unwrap_or(0))
            .collect()
    }

    fn half((key, identifier): (&str, &[u8])) -> String {
        digits(&fingerprint(&bytes(key), identifier))
    }

    #[test]
    fn the_fingerprints_of_signals_vectors_are_reached() {
        for ((key, identifier), hash) in [(ALICE, ALICE_HASH), (BOB, BOB_HASH)] {
            assert_eq!(fingerprint(&bytes(key), identifier).get(..32), Some(&*bytes(hash)));
        }
    }

    #[test]
    fn the_sixty_digits_of_signals_vectors_are_reached_from_both_sides() {
        assert_eq!(SafetyNumber::of_halves(half(ALICE), half(BOB)).as_str(), NUMBER);
        assert_eq!(SafetyNumber::of_halves(half(BOB), half(ALICE)).as_str(), NUMBER);
    }

    #[test]
    fn both_people_read_the_same_number_and_another_key_gives_another() {
        let lena = Identity { user_id: "@lena:garden.example", master_key: &[1; 32] };
        let jonas = Identity { user_id: "@jonas:post.example", master_key: &[2; 32] };
        let mallory = Identity { master_key: &[3; 32], ..jonas };
        let number = SafetyNumber::new(lena, jonas);
        // As `docs/protocol.md` has it.
        assert!(number.to_string().starts_with("64391 31108 76922 77108 88179 94553 91874 73870"));
        assert_eq!(number, SafetyNumber::new(jonas, lena));
        assert_ne!(number, SafetyNumber::new(lena, mallory));
        assert_ne!(number, SafetyNumber::new(lena, Identity { user_id: "@jonas:x", ..jonas }));
    }

    #[test]
    fn a_number_is_shown_as_twelve_groups_of_five_digits() {
        let number = SafetyNumber::of_halves(half(ALICE), half(BOB));
        let shown = number.to_string();
        assert_eq!(shown.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
        assert_eq!(shown.replace(' ', ""), number.as_str());
    }

    #[test]
    fn a_number_is_shown_the_same_way_where_it_is_debugged() {
        let number = SafetyNumber::of_halves(half(ALICE), half(BOB));
        assert_eq!(format!("{number:?}"), format!("SafetyNumber({number})"));
    }
}
