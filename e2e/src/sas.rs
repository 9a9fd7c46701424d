//! Short authentication strings (`m.sas.v1`): two devices agree on a key, and two people compare what follows from it.
//!
//! ```text
//!   A                                           B
//!   │ start ──────────────────────────────────► │
//!   │ ◄── accept: SHA-256(base64(key B) ‖ start)│    B commits to its key before it sees A's
//!   │ key A ──────────────────────────────────► │
//!   │ ◄──────────────────────────────── key B   │    emoji = HKDF(X25519(A, B), both ids and keys)
//!   │ mac ◄───────────── compared ────────► mac │    HMACs of device and master keys
//! ```
//!
//! Specification: client-server API, "Short Authentication String (SAS) verification".

use hkdf::Hkdf;
use rand_core::CryptoRng;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{
    Error,
    canonical_json::{signed_form, sorted},
    primitives::{Secret, kdf, part, x25519},
    signed_json::{from_base64, key_from_base64, to_base64},
};

const PROTOCOL: &str = "curve25519-hkdf-sha256";
const MAC: &str = "hkdf-hmac-sha256.v2";

/// One of the two devices, in what both derive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The user.
    pub user_id: String,
    /// The device.
    pub device_id: String,
}

/// What two people compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortString {
    /// Seven numbers below 64: see [`EMOJI`].
    pub emoji: [u8; 7],
    /// Three numbers from 1,000 to 9,191.
    pub decimal: [u16; 3],
}

/// The content of `start`.
pub fn start(from_device: &str, transaction_id: &str) -> Value {
    json!({
        "from_device": from_device,
        "transaction_id": transaction_id,
        "method": "m.sas.v1",
        "key_agreement_protocols": [PROTOCOL],
        "hashes": ["sha256"],
        "message_authentication_codes": [MAC],
        "short_authentication_string": ["decimal", "emoji"],
    })
}

/// One side, from the start on.
#[derive(Clone)]
pub struct Sas {
    own: Party,
    other: Party,
    transaction_id: String,
    /// This side sent the start.
    started: bool,
    start: Value,
    key: x25519::PrivateKey,
    /// What the other side committed to, on the side that started.
    commitment: Option<[u8; 32]>,
    secret: Option<(Secret, [u8; 32])>,
}

impl Sas {
    /// A side that has sent or received this `start`.
    ///
    /// # Errors
    /// [`Error::Encoding`]: a start that offers nothing of what is known here.
    pub fn new(
        own: Party,
        other: Party,
        started: bool,
        start: &Value,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Error> {
        let offers = |list: &str, item: &str| {
            let list = start.get(list).and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(item)))
        };
        let is_known = start.get("method").and_then(Value::as_str) == Some("m.sas.v1")
            && offers("key_agreement_protocols", PROTOCOL)
            && offers("hashes", "sha256")
            && offers("message_authentication_codes", MAC)
            && offers("short_authentication_string", "decimal");
        let transaction_id = start.get("transaction_id").and_then(Value::as_str);
        match transaction_id.filter(|_| is_known) {
            Some(id) => Ok(Self {
                own,
                other,
                transaction_id: id.to_owned(),
                started,
                start: start.clone(),
                key: x25519::PrivateKey::generate(rng),
                commitment: None,
                secret: None,
            }),
            None => Err(Error::Encoding),
        }
    }

    /// The content of `accept`, of the side that did not start.
    ///
    /// # Errors
    /// [`Error::Order`]: this side started. [`Error::Encoding`].
    pub fn accept(&self) -> Result<Value, Error> {
        if self.started {
            return Err(Error::Order);
        }
        let commitment = self.commitment_of(&self.public())?;
        let strings = self.start.get("short_authentication_string").and_then(Value::as_array);
        let emoji = strings.is_some_and(|all| all.iter().any(|one| one.as_str() == Some("emoji")));
        Ok(json!({
            "transaction_id": self.transaction_id,
            "method": "m.sas.v1",
            "key_agreement_protocol": PROTOCOL,
            "hash": "sha256",
            "message_authentication_code": MAC,
            "short_authentication_string": if emoji { json!(["decimal", "emoji"]) } else { json!(["decimal"]) },
            "commitment": to_base64(&commitment),
        }))
    }

    /// Takes in the `accept`, on the side that started.
    ///
    /// # Errors
    /// [`Error::Order`]: not now. [`Error::Encoding`]: it chose something that was not offered.
    pub fn accepted(&mut self, accept: &Value) -> Result<(), Error> {
        let text = |key: &str| accept.get(key).and_then(Value::as_str).unwrap_or_default();
        if !self.started || self.commitment.is_some() {
            return Err(Error::Order);
        }
        let is_known = text("key_agreement_protocol") == PROTOCOL
            && text("hash") == "sha256"
            && text("message_authentication_code") == MAC;
        if !is_known {
            return Err(Error::Encoding);
        }
        self.commitment = Some(key_from_base64(text("commitment"))?);
        Ok(())
    }

    /// The content of `key`.
    pub fn key(&self) -> Value {
        json!({ "transaction_id": self.transaction_id, "key": self.public() })
    }

    /// Takes in the other side's `key`.
    ///
    /// # Errors
    /// [`Error::Authentication`]: not the key that it committed to. [`Error::Order`]: not now. [`Error::Key`].
    pub fn received(&mut self, key: &Value) -> Result<(), Error> {
        let key = key.get("key").and_then(Value::as_str).ok_or(Error::Encoding)?;
        if self.secret.is_some() || (self.started && self.commitment.is_none()) {
            return Err(Error::Order);
        }
        if let Some(commitment) = &self.commitment
            && self.commitment_of(key)? != *commitment
        {
            return Err(Error::Authentication);
        }
        let their = x25519::PublicKey::from_bytes(key_from_base64(key)?)?;
        self.secret = Some((self.key.agree(&their)?, *their.as_bytes()));
        Ok(())
    }

    /// What people compare, once both keys are here.
    ///
    /// # Errors
    /// [`Error::Order`]: they are not.
    pub fn short_string(&self) -> Result<ShortString, Error> {
        let (secret, their) = self.secret.as_ref().ok_or(Error::Order)?;
        let (own_key, their_key) = (self.public(), to_base64(their));
        let sides = [(&self.own, &own_key), (&self.other, &their_key)];
        let [(first, first_key), (second, second_key)] =
            if self.started { sides } else { [sides[1], sides[0]] };
        let info = format!(
            "MATRIX_KEY_VERIFICATION_SAS|{}|{}|{first_key}|{}|{}|{second_key}|{}",
            first.user_id, first.device_id, second.user_id, second.device_id, self.transaction_id,
        );
        let mut bytes = [0; 6];
        expand(secret, &info, &mut bytes)?;
        let mut eight = [0; 8];
        eight.iter_mut().skip(2).zip(bytes).for_each(|(to, from)| *to = from);
        let number = u64::from_be_bytes(eight);
        let six = |at: u32| ((number >> (42 - 6 * at)) & 0x3f) as u8;
        let thirteen = |at: u32| ((number >> (35 - 13 * at)) & 0x1fff) as u16 + 1000;
        Ok(ShortString {
            emoji: std::array::from_fn(|at| six(at as u32)),
            decimal: std::array::from_fn(|at| thirteen(at as u32)),
        })
    }

    /// The content of `mac`, over keys by their ids: after the strings were found equal.
    ///
    /// # Errors
    /// [`Error::Order`]: the keys are not here.
    pub fn mac(&self, keys: &[(String, String)]) -> Result<Value, Error> {
        let ids = sorted(keys.iter().map(|(id, _)| id.as_str()));
        let mut macs = Map::new();
        for (id, key) in keys {
            macs.insert(id.clone(), self.one_mac(&self.own, &self.other, id, key)?.into());
        }
        let all = self.one_mac(&self.own, &self.other, "KEY_IDS", &ids.join(","))?;
        Ok(json!({ "transaction_id": self.transaction_id, "mac": macs, "keys": all }))
    }

    /// Which of the keys that are known of the other side its `mac` is over.
    ///
    /// # Errors
    /// [`Error::Authentication`]: it is over another key under one of their ids, or the list of ids is another.
    /// [`Error::Order`]: not now. [`Error::Encoding`].
    pub fn verify_mac(
        &self,
        mac: &Value,
        known: &[(String, String)],
    ) -> Result<Vec<String>, Error> {
        let macs = mac.get("mac").and_then(Value::as_object).ok_or(Error::Encoding)?;
        let ids = sorted(macs.keys().map(String::as_str));
        let all = self.one_mac(&self.other, &self.own, "KEY_IDS", &ids.join(","))?;
        let is = |stated: Option<&Value>, expected: &str| {
            let stated = stated.and_then(Value::as_str).map(from_base64);
            matches!((stated, from_base64(expected)), (Some(Ok(stated)), Ok(expected))
                if bool::from(stated.ct_eq(&expected)))
        };
        if !is(mac.get("keys"), &all) {
            return Err(Error::Authentication);
        }
        let mut verified = Vec::new();
        for (id, key) in known {
            let Some(stated) = macs.get(id) else { continue };
            if !is(Some(stated), &self.one_mac(&self.other, &self.own, id, key)?) {
                return Err(Error::Authentication);
            }
            verified.push(id.clone());
        }
        Ok(verified)
    }

    fn one_mac(&self, from: &Party, to: &Party, id: &str, message: &str) -> Result<String, Error> {
        let (secret, _) = self.secret.as_ref().ok_or(Error::Order)?;
        let info = format!(
            "MATRIX_KEY_VERIFICATION_MAC{}{}{}{}{}{id}",
            from.user_id, from.device_id, to.user_id, to.device_id, self.transaction_id,
        );
        let mut key = zeroize::Zeroizing::new([0; 32]);
        expand(secret, &info, &mut *key)?;
        Ok(to_base64(&kdf::mac(&*key, message.as_bytes())))
    }

    fn public(&self) -> String {
        to_base64(self.key.public().as_bytes())
    }

    fn commitment_of(&self, key: &str) -> Result<[u8; 32], Error> {
        let mut hash = Sha256::new();
        hash.update(key.as_bytes());
        hash.update(signed_form(&self.start)?.as_bytes());
        Ok(part::<0, 32, 32>(&hash.finalize().into()))
    }
}

fn expand(secret: &Secret, info: &str, output: &mut [u8]) -> Result<(), Error> {
    let hkdf = Hkdf::<Sha256>::new(None, &**secret);
    hkdf.expand(info.as_bytes(), output).map_err(|_| Error::TooLong)
}

/// The emoji of the specification and their English names, by number.
pub const EMOJI: [(&str, &str); 64] = [
    ("🐶", "Dog"),
    ("🐱", "Cat"),
    ("🦁", "Lion"),
    ("🐎", "Horse"),
    ("🦄", "Unicorn"),
    ("🐷", "Pig"),
    ("🐘", "Elephant"),
    ("🐰", "Rabbit"),
    ("🐼", "Panda"),
    ("🐓", "Rooster"),
    ("🐧", "Penguin"),
    ("🐢", "Turtle"),
    ("🐟", "Fish"),
    ("🐙", "Octopus"),
    ("🦋", "Butterfly"),
    ("🌷", "Flower"),
    ("🌳", "Tree"),
    ("🌵", "Cactus"),
    ("🍄", "Mushroom"),
    ("🌏", "Globe"),
    ("🌙", "Moon"),
    ("☁️", "Cloud"),
    ("🔥", "Fire"),
    ("🍌", "Banana"),
    ("🍎", "Apple"),
    ("🍓", "Strawberry"),
    ("🌽", "Corn"),
    ("🍕", "Pizza"),
    ("🎂", "Cake"),
    ("❤️", "Heart"),
    ("😀", "Smiley"),
    ("🤖", "Robot"),
    ("🎩", "Hat"),
    ("👓", "Glasses"),
    ("🔧", "Spanner"),
    ("🎅", "Santa"),
    ("👍", "Thumbs Up"),
    ("☂️", "Umbrella"),
    ("⌛", "Hourglass"),
    ("⏰", "Clock"),
    ("🎁", "Gift"),
    ("💡", "Light Bulb"),
    ("📕", "Book"),
    ("✏️", "Pencil"),
    ("📎", "Paperclip"),
    ("✂️", "Scissors"),
    ("🔒", "Lock"),
    ("🔑", "Key"),
    ("🔨", "Hammer"),
    ("☎️", "Telephone"),
    ("🏁", "Flag"),
    ("🚂", "Train"),
    ("🚲", "Bicycle"),
    ("✈️", "Aeroplane"),
    ("🚀", "Rocket"),
    ("🏆", "Trophy"),
    ("⚽", "Ball"),
    ("🎸", "Guitar"),
    ("🎺", "Trumpet"),
    ("🔔", "Bell"),
    ("⚓", "Anchor"),
    ("🎧", "Headphones"),
    ("📁", "Folder"),
    ("📌", "Pin"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::rng;

    fn pair() -> (Sas, Sas) {
        let party = |user: &str, device: &str| Party {
            user_id: user.to_owned(),
            device_id: device.to_owned(),
        };
        let (alice, bob) = (party("@a:a.test", "ONE"), party("@b:b.test", "TWO"));
        let start = start("ONE", "txn");
        let mut one = Sas::new(alice.clone(), bob.clone(), true, &start, &mut rng(1)).unwrap();
        let two = Sas::new(bob, alice, false, &start, &mut rng(2)).unwrap();
        one.accepted(&two.accept().unwrap()).unwrap();
        (one, two)
    }

    #[test]
    fn both_sides_see_the_same_and_vouch_for_their_keys() {
        let (mut one, mut two) = pair();
        two.received(&one.key()).unwrap();
        one.received(&two.key()).unwrap();
        let shown = one.short_string().unwrap();
        assert_eq!(shown, two.short_string().unwrap());
        assert!(shown.emoji.iter().all(|at| *at < 64));
        assert!(shown.decimal.iter().all(|number| (1000..=9191).contains(number)));
        let keys = [
            ("ed25519:ONE".to_owned(), "k1".to_owned()),
            ("ed25519:m".to_owned(), "k2".to_owned()),
        ];
        let mac = one.mac(&keys).unwrap();
        assert_eq!(two.verify_mac(&mac, &keys).unwrap().len(), 2);
        let wrong = [("ed25519:ONE".to_owned(), "another".to_owned())];
        assert_eq!(two.verify_mac(&mac, &wrong), Err(Error::Authentication));
        let mut fewer = mac.clone();
        fewer["mac"].as_object_mut().unwrap().remove("ed25519:m");
        assert_eq!(two.verify_mac(&fewer, &keys), Err(Error::Authentication));
        assert_eq!(one.verify_mac(&mac, &keys), Err(Error::Authentication), "reflected");
    }

    #[test]
    fn a_key_that_was_not_committed_to_is_refused() {
        let (mut one, mut two) = pair();
        two.received(&one.key()).unwrap();
        let (_, other) = pair();
        let mut other = other.key();
        other["key"] =
            to_base64(x25519::PrivateKey::generate(&mut rng(9)).public().as_bytes()).into();
        assert_eq!(one.received(&other), Err(Error::Authentication));
        assert_eq!(
            one.received(&json!({ "key": to_base64(&[0; 32]) })),
            Err(Error::Authentication)
        );
        assert_eq!(one.received(&two.key()), Ok(()));
        assert_eq!(one.received(&two.key()), Err(Error::Order));
        let mut late =
            Sas::new(two.own.clone(), two.other.clone(), false, &two.start, &mut rng(3)).unwrap();
        assert_eq!(late.received(&json!({ "key": to_base64(&[0; 32]) })), Err(Error::Key));
    }

    /// The calculation as the specification words it, on bits.
    #[test]
    fn emoji_and_decimals_are_taken_as_the_specification_says() {
        let (mut one, two) = pair();
        one.received(&two.key()).unwrap();
        let (secret, their) = one.secret.clone().unwrap();
        let info = format!(
            "MATRIX_KEY_VERIFICATION_SAS|@a:a.test|ONE|{}|@b:b.test|TWO|{}|txn",
            one.public(),
            to_base64(&their)
        );
        let mut bytes = [0; 6];
        expand(&secret, &info, &mut bytes).unwrap();
        let bits: Vec<u16> =
            bytes.iter().flat_map(|b| (0..8).rev().map(move |at| u16::from(b >> at & 1))).collect();
        let number = |bits: &[u16]| bits.iter().fold(0, |n, bit| n << 1 | bit);
        let shown = one.short_string().unwrap();
        let emoji: Vec<u16> = bits[..42].chunks(6).map(number).collect();
        assert_eq!(emoji, shown.emoji.map(u16::from));
        let decimal: Vec<u16> = bits[..39].chunks(13).map(|b| number(b) + 1000).collect();
        assert_eq!(decimal, shown.decimal);
        assert_eq!(EMOJI[0], ("🐶", "Dog"));
        assert_eq!(EMOJI[63], ("📌", "Pin"));
    }

    #[test]
    fn only_what_was_offered_is_chosen() {
        let (one, two) = pair();
        let (alice, bob) = (one.own.clone(), two.own.clone());
        let strings = |offered: Value| {
            let mut start = start("ONE", "txn");
            start["short_authentication_string"] = offered;
            Sas::new(bob.clone(), alice.clone(), false, &start, &mut rng(2))
                .map(|side| side.accept().unwrap()["short_authentication_string"].clone())
        };
        for all in [json!(["decimal", "emoji"]), json!(["emoji", "decimal"])] {
            assert_eq!(strings(all), Ok(json!(["decimal", "emoji"])));
        }
        assert_eq!(strings(json!(["decimal", "other"])), Ok(json!(["decimal"])));
        assert_eq!(strings(json!(["emoji"])), Err(Error::Encoding));
        let start = start("ONE", "txn");
        for (key, value) in [
            ("method", json!("m.other")),
            ("key_agreement_protocols", json!(["curve25519"])),
            ("hashes", json!([])),
            ("message_authentication_codes", json!(["hkdf-hmac-sha256"])),
            ("transaction_id", json!(1)),
        ] {
            let mut other = start.clone();
            other[key] = value;
            let refused = Sas::new(bob.clone(), alice.clone(), false, &other, &mut rng(2));
            assert_eq!(refused.err(), Some(Error::Encoding), "{key}");
        }
        let fresh = Sas::new(alice, bob, true, &start, &mut rng(1)).unwrap();
        let accept = two.accept().unwrap();
        for key in ["key_agreement_protocol", "hash", "message_authentication_code", "commitment"] {
            let mut other = accept.clone();
            other[key] = "other".into();
            assert_eq!(fresh.clone().accepted(&other), Err(Error::Encoding), "{key}");
        }
        assert_eq!(fresh.clone().accepted(&accept), Ok(()));
    }

    #[test]
    fn each_step_has_its_place() {
        let (mut one, mut two) = pair();
        let accept = two.accept().unwrap();
        assert_eq!(one.accept(), Err(Error::Order), "who starts does not accept");
        assert_eq!(two.accepted(&accept), Err(Error::Order));
        assert_eq!(one.accepted(&accept), Err(Error::Order), "twice");
        let start = one.start.clone();
        let mut early =
            Sas::new(one.own.clone(), two.own.clone(), true, &start, &mut rng(1)).unwrap();
        assert_eq!(early.received(&two.key()), Err(Error::Order), "before it is committed to");
        assert_eq!(one.short_string(), Err(Error::Order));
        assert_eq!(one.mac(&[]), Err(Error::Order));
        assert_eq!(two.received(&one.key()), Ok(()));
        assert_eq!(two.received(&one.key()), Err(Error::Order));
    }

    /// The calculation as the specification words it.
    #[test]
    fn a_mac_is_taken_as_the_specification_says() {
        let (mut one, two) = pair();
        one.received(&two.key()).unwrap();
        let (secret, _) = one.secret.clone().unwrap();
        let expected = |id: &str, message: &str| {
            let info = format!("MATRIX_KEY_VERIFICATION_MAC@a:a.testONE@b:b.testTWOtxn{id}");
            let mut key = [0; 32];
            Hkdf::<Sha256>::new(None, &*secret).expand(info.as_bytes(), &mut key).unwrap();
            to_base64(&kdf::mac(&key, message.as_bytes()))
        };
        let keys =
            [("ed25519:b".to_owned(), "k2".to_owned()), ("ed25519:a".to_owned(), "k1".to_owned())];
        let mac = json!({
            "transaction_id": "txn",
            "mac": { "ed25519:a": expected("ed25519:a", "k1"), "ed25519:b": expected("ed25519:b", "k2") },
            "keys": expected("KEY_IDS", "ed25519:a,ed25519:b"),
        });
        assert_eq!(one.mac(&keys), Ok(mac));
    }
}
