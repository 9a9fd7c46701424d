//! Keys from passphrases: argon2id under our own name; PBKDF2, as other clients of Matrix have it, to read.
//!
//! ```text
//! description = { "algorithm": "org.sealpost.argon2id.v1", "salt": base64 of 16 bytes,
//!                 "memory": KiB, "passes", "lanes" }
//! key 32      = argon2id, version 0x13 (RFC 9106), of the passphrase's UTF-8
//! ```
//!
//! A description comes from a server or a file, so what it may cost is capped. It needs no protection: with other
//! numbers another key comes out, which opens nothing.

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use serde_json::{Value, json};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::{
    Error,
    primitives::{Secret, random},
    signed_json::{from_base64, to_base64},
};

/// Our name of argon2id.
pub const ARGON2ID: &str = "org.sealpost.argon2id.v1";
/// Matrix's name of PBKDF2 with SHA-512.
pub const PBKDF2: &str = "m.pbkdf2";

/// The longest passphrase in bytes.
const LENGTH_MAX: usize = 4 * 1024;
const MEMORY_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 4;
/// How often all of the memory may be gone over, in KiB: four times its most.
const WORK_MAX: u32 = 4 * MEMORY_MAX;
/// What other clients write is 500,000.
const ITERATIONS_MAX: u64 = 5_000_000;

/// What argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    pub memory: u32,
    /// How often it is gone over.
    pub passes: u32,
    /// In how many lanes.
    pub lanes: u32,
}

impl Cost {
    /// What new keys cost: 64 MiB, three times; the second choice of RFC 9106, for a browser in one lane.
    pub const USUAL: Self = Self { memory: 64 * 1024, passes: 3, lanes: 1 };

    /// Derives a key.
    ///
    /// # Errors
    /// [`Error::TooLong`]: it costs too much, or the passphrase is too long. [`Error::Encoding`]: it costs less than
    /// argon2id can.
    pub fn derive(self, passphrase: &str, salt: &[u8; 16]) -> Result<Secret, Error> {
        let Self { memory, passes, lanes } = self;
        let is_dear = memory > MEMORY_MAX
            || passes > PASSES_MAX
            || lanes > LANES_MAX
            || memory.saturating_mul(passes) > WORK_MAX;
        if is_dear || passphrase.len() > LENGTH_MAX {
            return Err(Error::TooLong);
        }
        let parameters =
            Params::new(memory, passes, lanes, Some(32)).map_err(|_| Error::Encoding)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
            .map_err(|_| Error::TooLong)?;
        Ok(Secret::new(*key))
    }
}

/// A description for a new passphrase: the member `passphrase` of a key of secret storage.
pub fn describe(rng: &mut dyn CryptoRng) -> Value {
    let Cost { memory, passes, lanes } = Cost::USUAL;
    json!({
        "algorithm": ARGON2ID, "salt": to_base64(&random::<16>(rng)),
        "memory": memory, "passes": passes, "lanes": lanes,
    })
}

/// The key that a passphrase gives, by the description that was kept beside it. Whether it is the right one says
/// [`crate::secret_storage::RecoveryKey::check`].
///
/// # Errors
/// [`Error::Unknown`]: an algorithm that is not known. [`Error::TooLong`]: it costs too much. [`Error::Encoding`].
pub fn derive(passphrase: &str, description: &Value) -> Result<Secret, Error> {
    let text = |key: &str| description.get(key).and_then(Value::as_str).ok_or(Error::Encoding);
    let number = |key: &str| description.get(key).and_then(Value::as_u64).ok_or(Error::Encoding);
    let small = |key: &str| number(key)?.try_into().map_err(|_| Error::TooLong);
    match text("algorithm")? {
        ARGON2ID => {
            let salt = from_base64(text("salt")?)?.try_into().map_err(|_| Error::Encoding)?;
            let (memory, passes, lanes) = (small("memory")?, small("passes")?, small("lanes")?);
            Cost { memory, passes, lanes }.derive(passphrase, &salt)
        }
        PBKDF2 => {
            let bits = description.get("bits").map_or(Some(256), Value::as_u64);
            let (salt, iterations) = (text("salt")?, number("iterations")?);
            if bits != Some(256) || iterations == 0 {
                return Err(Error::Encoding);
            }
            if iterations > ITERATIONS_MAX || passphrase.len() > LENGTH_MAX {
                return Err(Error::TooLong);
            }
            let iterations = u32::try_from(iterations).map_err(|_| Error::TooLong)?;
            let mut key = Zeroizing::new([0; 32]);
            pbkdf2::pbkdf2_hmac::<Sha512>(
                passphrase.as_bytes(),
                salt.as_bytes(),
                iterations,
                &mut *key,
            );
            Ok(Secret::new(*key))
        }
        _ => Err(Error::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signed_json::to_hex, tests::rng};

    /// Of the reference implementation's tests ("password", "somesalt", 64 MiB, two passes), whose salt is shorter
    /// than ours: through the same crate and parameters.
    #[test]
    fn argon2id_is_that_of_the_reference() {
        let parameters = Params::new(64 * 1024, 2, 1, Some(32)).unwrap();
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(b"password", b"somesalt", &mut key)
            .unwrap();
        let known = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7";
        assert_eq!(to_hex(&key), known);
    }

    /// Known answers of PBKDF2 with HMAC-SHA-512, of which Matrix takes the first 256 bits.
    #[test]
    fn pbkdf2_has_the_known_answers() {
        for (iterations, known) in [
            (1, "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"),
            (4096, "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5"),
        ] {
            let description =
                json!({ "algorithm": "m.pbkdf2", "salt": "salt", "iterations": iterations });
            assert_eq!(to_hex(&*derive("password", &description).unwrap()), known);
        }
    }

    #[test]
    fn a_description_gives_one_key_and_may_not_cost_too_much() {
        let usual = describe(&mut rng(1));
        assert_eq!(usual["memory"], 65_536);
        let with = |changes: &[(&str, Value)]| {
            let mut description = usual.clone();
            description["memory"] = 64.into();
            for (key, value) in changes {
                description[*key] = value.clone();
            }
            derive("correct horse", &description)
        };
        let key = with(&[]).unwrap();
        assert!(with(&[]).unwrap() == key);
        for other in
            [("passes", 2.into()), ("memory", 65.into()), ("salt", to_base64(&[0; 16]).into())]
        {
            assert!(with(&[other]).unwrap() != key);
        }
        for (change, error) in [
            (("memory", json!(262_145)), Error::TooLong),
            (("memory", json!(u64::MAX)), Error::TooLong),
            (("passes", json!(17)), Error::TooLong),
            (("lanes", json!(5)), Error::TooLong),
            (("lanes", json!(0)), Error::Encoding),
            (("memory", json!(1)), Error::Encoding),
            (("salt", json!("AAAA")), Error::Encoding),
            (("algorithm", json!("argon2i")), Error::Unknown),
        ] {
            assert_eq!(with(&[change]), Err(error));
        }
        assert_eq!(with(&[("memory", json!(262_144)), ("passes", json!(5))]), Err(Error::TooLong));
        for (iterations, bits, error) in [
            (json!(5_000_001), 256, Error::TooLong),
            (json!(0), 256, Error::Encoding),
            (json!(1), 512, Error::Encoding),
        ] {
            let description = json!({ "algorithm": "m.pbkdf2", "salt": "s", "iterations": iterations, "bits": bits });
            assert_eq!(derive("x", &description), Err(error));
        }
    }

    /// What may be asked for at most is derived, and nothing beyond it.
    #[test]
    fn the_bounds_themselves_are_allowed() {
        let cost = |memory, passes, lanes| Cost { memory, passes, lanes }.derive("x", &[1; 16]);
        assert!(cost(64, 16, 4).is_ok());
        assert!(cost(256 * 1024, 1, 1).is_ok());
        assert!(cost(65 * 1024, 5, 1).is_ok());
        assert_eq!(cost(64 * 1024 + 1, 16, 1), Err(Error::TooLong));
        let cheap = json!({
            "algorithm": ARGON2ID, "salt": to_base64(&[1; 16]), "memory": 64, "passes": 1, "lanes": 1,
        });
        let old = json!({ "algorithm": PBKDF2, "salt": "s", "iterations": 1 });
        for description in [cheap, old] {
            assert!(derive(&"x".repeat(4_096), &description).is_ok());
            assert_eq!(derive(&"x".repeat(4_097), &description), Err(Error::TooLong));
        }
    }
}
