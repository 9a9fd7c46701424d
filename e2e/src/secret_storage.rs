//! Secret storage as Matrix has it (`m.secret_storage.v1.aes-hmac-sha2`): private keys in account data, under a
//! recovery key that a person keeps.
//!
//! ```text
//! aes 32 ‖ mac 32 = HKDF-SHA-256(salt = 0^32, ikm = recovery key, info = the secret's name)
//! ciphertext      = AES-256-CTR(aes, iv with bit 63 clear, base64 of the secret)
//! mac             = HMAC-SHA-256(mac, ciphertext)
//! ```
//!
//! The recovery key is written in base58 with a prefix and a parity byte, in groups of four.

use aes::{
    Aes256,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    Error,
    primitives::{Secret, kdf, part, random},
    signed_json::{from_base64, to_base64, to_hex},
};

/// The algorithm's name.
pub const ALGORITHM: &str = "m.secret_storage.v1.aes-hmac-sha2";
/// The account data that names the key in use.
pub const DEFAULT_KEY: &str = "m.secret_storage.default_key";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const PREFIX: [u8; 2] = [0x8b, 0x01];
const SECRET_MAX: usize = 4_096;

/// The key that unlocks everything else.
#[derive(Clone)]
pub struct RecoveryKey(Secret);

impl RecoveryKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::new(random(rng)))
    }

    /// A key of 32 bytes, as a passphrase gives it.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// What a person writes down: groups of four characters.
    pub fn encode(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(35));
        bytes.extend_from_slice(&PREFIX);
        bytes.extend_from_slice(&*self.0);
        let parity = bytes.iter().fold(0, |parity, byte| parity ^ byte);
        bytes.push(parity);
        let digits = Zeroizing::new(to_base58(&bytes));
        let mut text = Zeroizing::new(String::with_capacity(64));
        for (at, digit) in digits.iter().enumerate() {
            if at > 0 && at % 4 == 0 {
                text.push(' ');
            }
            text.push(char::from(*digit));
        }
        text
    }

    /// Reads what a person typed; spaces do not matter.
    ///
    /// # Errors
    /// [`Error::Encoding`]: mistyped.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits: Zeroizing<Vec<u8>> =
            Zeroizing::new(text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
        let bytes = Zeroizing::new(from_base58(&digits)?);
        let parity = bytes.iter().fold(0, |parity, byte| parity ^ byte);
        let bytes: &[u8; 35] = bytes.as_slice().try_into().map_err(|_| Error::Encoding)?;
        if part::<0, 2, 35>(bytes) != PREFIX || parity != 0 {
            return Err(Error::Encoding);
        }
        Ok(Self(Secret::part_of::<2, 35>(bytes)))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What tells of the key in account data: the type, under a fresh id, and the content.
    pub fn describe(&self, rng: &mut dyn CryptoRng) -> (String, Value) {
        let id = to_hex(&random::<16>(rng));
        let iv = iv(rng);
        let (_, mac) = self.seal("", &iv, &[0; 32]);
        let content =
            json!({ "algorithm": ALGORITHM, "iv": to_base64(&iv), "mac": to_base64(&mac) });
        (id, content)
    }

    /// Whether this is the key that account data tells of.
    ///
    /// # Errors
    /// [`Error::Authentication`]: another one. [`Error::Encoding`]: of another algorithm, or without a check.
    pub fn check(&self, description: &Value) -> Result<(), Error> {
        if description.get("algorithm").and_then(Value::as_str) != Some(ALGORITHM) {
            return Err(Error::Encoding);
        }
        let iv = bytes(description, "iv")?.try_into().map_err(|_| Error::Encoding)?;
        let (_, mac) = self.seal("", &iv, &[0; 32]);
        let is_right = bool::from(mac.ct_eq(bytes(description, "mac")?.as_slice()));
        if is_right { Ok(()) } else { Err(Error::Authentication) }
    }

    /// The content of the account data that holds a secret, under the key's id.
    pub fn encrypt(&self, id: &str, name: &str, secret: &[u8], rng: &mut dyn CryptoRng) -> Value {
        let iv = iv(rng);
        let (ciphertext, mac) = self.seal(name, &iv, to_base64(secret).as_bytes());
        json!({ "encrypted": { id: {
            "iv": to_base64(&iv), "ciphertext": to_base64(&ciphertext), "mac": to_base64(&mac),
        } } })
    }

    /// Opens a secret of account data.
    ///
    /// # Errors
    /// [`Error::Unknown`]: not under this key. [`Error::Authentication`]: changed, or for another name.
    /// [`Error::Encoding`]: not such content.
    pub fn decrypt(
        &self,
        id: &str,
        name: &str,
        content: &Value,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let sealed = content.get("encrypted").and_then(|all| all.get(id)).ok_or(Error::Unknown)?;
        let ciphertext = bytes(sealed, "ciphertext")?;
        let iv = bytes(sealed, "iv")?.try_into().map_err(|_| Error::Encoding)?;
        let (aes, mac_key) = self.keys(name);
        let mac = kdf::mac(&*mac_key, &ciphertext);
        if !bool::from(mac.ct_eq(bytes(sealed, "mac")?.as_slice())) {
            return Err(Error::Authentication);
        }
        let mut plaintext = Zeroizing::new(ciphertext);
        counter(&aes, &iv, &mut plaintext);
        let text = std::str::from_utf8(&plaintext).map_err(|_| Error::Encoding)?;
        from_base64(text).map(Zeroizing::new)
    }

    fn seal(&self, name: &str, iv: &[u8; 16], plaintext: &[u8]) -> (Vec<u8>, [u8; 32]) {
        let (aes, mac) = self.keys(name);
        let mut ciphertext = plaintext.to_vec();
        counter(&aes, iv, &mut ciphertext);
        let mac = kdf::mac(&*mac, &ciphertext);
        (ciphertext, mac)
    }

    fn keys(&self, name: &str) -> (Secret, Secret) {
        let mut keys = Zeroizing::new([0; 64]);
        let expanded =
            Hkdf::<Sha256>::new(Some(&[0; 32]), &*self.0).expand(name.as_bytes(), &mut *keys);
        debug_assert!(expanded.is_ok());
        (Secret::part_of::<0, 64>(&keys), Secret::part_of::<32, 64>(&keys))
    }
}

fn iv(rng: &mut dyn CryptoRng) -> [u8; 16] {
    let mut iv = random::<16>(rng);
    // Android cannot count over this bit (specification: "m.secret_storage.v1.aes-hmac-sha2").
    if let Some(byte) = iv.get_mut(8) {
        *byte &= 0x7f;
    }
    iv
}

fn bytes(object: &Value, key: &str) -> Result<Vec<u8>, Error> {
    let text = object.get(key).and_then(Value::as_str).ok_or(Error::Encoding)?;
    if text.len() > SECRET_MAX { Err(Error::Encoding) } else { from_base64(text) }
}

/// AES-256 in counter mode, big-endian over the whole block.
fn counter(key: &Secret, iv: &[u8; 16], bytes: &mut [u8]) {
    let cipher = Aes256::new(&(**key).into());
    let mut count = u128::from_be_bytes(*iv);
    for chunk in bytes.chunks_mut(16) {
        let mut block = count.to_be_bytes().into();
        cipher.encrypt_block(&mut block);
        chunk.iter_mut().zip(block).for_each(|(byte, mask)| *byte ^= mask);
        count = count.wrapping_add(1);
    }
}

fn to_base58(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = Vec::with_capacity(64);
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).map(|_| 0);
    let digits = zeros.chain(digits.iter().rev().copied());
    digits.filter_map(|digit| BASE58.get(usize::from(digit)).copied()).collect()
}

fn from_base58(digits: &[u8]) -> Result<Vec<u8>, Error> {
    if digits.len() > 64 {
        return Err(Error::Encoding);
    }
    let mut bytes: Vec<u8> = Vec::with_capacity(64);
    for digit in digits {
        let value = BASE58.iter().position(|known| known == digit).ok_or(Error::Encoding)?;
        let mut carry = value as u32;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'1').count();
    bytes.resize(bytes.len() + zeros, 0);
    bytes.reverse();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::rng;

    #[test]
    fn a_recovery_key_is_read_as_it_was_written() {
        // The example that clients of Matrix test themselves against.
        let key = RecoveryKey::from_bytes([
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2,
            0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5,
            0x1d, 0xb9, 0x2c, 0x2a,
        ]);
        let text = "EsTc LW2K PGiF wKEA 3As5 g5c4 BXwk qeeJ ZJV8 Q9fu gUMN UE4d";
        assert_eq!(*key.encode(), text);
        assert_eq!(RecoveryKey::parse(text).unwrap().as_bytes(), key.as_bytes());
        let mistyped = text.replacen('K', "L", 1);
        assert_eq!(RecoveryKey::parse(&mistyped).err(), Some(Error::Encoding));
        for wrong in ["", "0", "EsTc", &text.repeat(2), "é"] {
            assert!(RecoveryKey::parse(wrong).is_err());
        }
        let mut bytes = [0; 35];
        bytes[34] = 1;
        assert_eq!(from_base58(&to_base58(&bytes)).unwrap(), bytes);
    }

    #[test]
    fn a_secret_opens_under_its_key_and_name_only() {
        let mut rng = rng(1);
        let (key, other) = (RecoveryKey::generate(&mut rng), RecoveryKey::generate(&mut rng));
        let (id, description) = key.describe(&mut rng);
        assert_eq!(key.check(&description), Ok(()));
        assert_eq!(other.check(&description), Err(Error::Authentication));
        let content = key.encrypt(&id, "a name", &[7; 96], &mut rng);
        assert_eq!(*key.decrypt(&id, "a name", &content).unwrap(), [7; 96]);
        assert!(key.decrypt(&id, "another", &content).is_err());
        assert!(other.decrypt(&id, "a name", &content).is_err());
        assert_eq!(key.decrypt("id", "a name", &content).err(), Some(Error::Unknown));
        for field in ["iv", "ciphertext", "mac"] {
            let mut changed = content.clone();
            let text = changed["encrypted"][&id][field].as_str().unwrap().to_owned();
            let first = if text.starts_with('A') { "B" } else { "A" };
            changed["encrypted"][&id][field] = format!("{first}{}", &text[1..]).into();
            // Only the counter is not under the MAC: what comes out then is not base64, or not what went in.
            assert_ne!(key.decrypt(&id, "a name", &changed).ok().as_deref(), Some(&vec![7; 96]));
        }
    }

    #[test]
    fn a_recovery_key_of_another_kind_or_mistyped_is_refused() {
        let text = |bytes: &[u8; 35]| String::from_utf8(to_base58(bytes)).unwrap();
        let mut bytes = [7; 35];
        (bytes[0], bytes[1]) = (0x8b, 0x01);
        bytes[34] = bytes[..34].iter().fold(0, |parity, byte| parity ^ byte);
        assert_eq!(RecoveryKey::parse(&text(&bytes)).unwrap().as_bytes(), &[7; 32]);
        let mut mistyped = bytes;
        mistyped[34] ^= 1;
        assert_eq!(RecoveryKey::parse(&text(&mistyped)).err(), Some(Error::Encoding));
        // Another prefix, with the parity that is right for it.
        (bytes[1], bytes[34]) = (0x02, bytes[34] ^ 0x03);
        assert_eq!(RecoveryKey::parse(&text(&bytes)).err(), Some(Error::Encoding));
        assert_eq!(from_base58(&[b'2'; 64]).map(|bytes| bytes.len()), Ok(47));
        assert_eq!(from_base58(&[b'2'; 65]), Err(Error::Encoding));
        let (zeros, ones) = (to_base58(&[0, 0, 1]), from_base58(b"112"));
        assert_eq!((zeros.as_slice(), ones), (&b"112"[..], Ok(vec![0, 0, 1])));
    }

    #[test]
    fn each_secret_has_a_counter_of_its_own_that_android_can_count() {
        let mut rng = rng(2);
        let first = iv(&mut rng);
        let others: Vec<_> = (0..32).map(|_| iv(&mut rng)).collect();
        assert!(!others.contains(&first));
        assert!(others.iter().all(|iv| iv[8] < 0x80));
        for at in (0..16).filter(|at| *at != 8) {
            assert!(others.iter().any(|iv| iv[at] >= 0x80), "{at}");
        }
    }

    /// NIST SP 800-38A, F.5.5: AES-256 in counter mode.
    #[test]
    fn the_counter_mode_is_that_of_nist() {
        let hex = |text: &str| -> Vec<u8> {
            let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
            (0..text.len()).step_by(2).map(byte).collect()
        };
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        let mut bytes = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let key = Secret::new(key.try_into().unwrap());
        counter(&key, &iv.try_into().unwrap(), &mut bytes);
        let known = "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5";
        assert_eq!(to_hex(&bytes), known);
    }

    #[test]
    fn what_account_data_holds_has_a_length_and_the_algorithm_s_name() {
        let mut rng = rng(3);
        let key = RecoveryKey::generate(&mut rng);
        let (id, description) = key.describe(&mut rng);
        assert_eq!((id.len(), &description["algorithm"]), (32, &json!(ALGORITHM)));
        let mut other = description.clone();
        other["algorithm"] = "m.secret_storage.v1.other".into();
        assert_eq!(key.check(&other), Err(Error::Encoding));
        let text = |length: usize| bytes(&json!({ "iv": "A".repeat(length) }), "iv");
        assert_eq!(text(4_096).map(|bytes| bytes.len()), Ok(3_072));
        assert_eq!(text(4_100), Err(Error::Encoding));
    }
}
