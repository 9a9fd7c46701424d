//! vodozemac as the other end of a verification: both see the same, and believe each other's MACs.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    Error,
    canonical_json::signed_form,
    sas::{self, Party, Sas},
    signed_json::to_base64,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use vodozemac::sas::{EstablishedSas, Mac, Sas as Theirs};

const ALICE: (&str, &str) = ("@alice:a.test", "ONE");
const BOB: (&str, &str) = ("@bob:b.test", "TWO");

fn party((user, device): (&str, &str)) -> Party {
    Party { user_id: user.to_owned(), device_id: device.to_owned() }
}

/// Compares what both show and lets each check the other's MACs. Ours is Alice.
fn compare(ours: &Sas, theirs: &EstablishedSas, info: &str) {
    let (shown, bytes) = (ours.short_string().unwrap(), theirs.bytes(info));
    assert_eq!(shown.emoji, bytes.emoji_indices());
    assert_eq!(<(u16, u16, u16)>::from(shown.decimal), bytes.decimals());

    let mac = |from: (&str, &str), to: (&str, &str), id: &str| {
        format!("MATRIX_KEY_VERIFICATION_MAC{}{}{}{}txn{id}", from.0, from.1, to.0, to.1)
    };
    let keys = [("ed25519:ONE", "device key"), ("ed25519:abc", "master key")];
    let stated = ours.mac(&keys.map(|(id, key)| (id.to_owned(), key.to_owned()))).unwrap();
    for (id, key) in keys {
        let tag = Mac::from_base64(stated["mac"][id].as_str().unwrap()).unwrap();
        theirs.verify_mac(key, &mac(ALICE, BOB, id), &tag).unwrap();
        assert!(theirs.verify_mac("another", &mac(ALICE, BOB, id), &tag).is_err());
    }
    let tag = Mac::from_base64(stated["keys"].as_str().unwrap()).unwrap();
    let ids = "ed25519:ONE,ed25519:abc";
    theirs.verify_mac(ids, &mac(ALICE, BOB, "KEY_IDS"), &tag).unwrap();

    let tag = |id: &str, text: &str| theirs.calculate_mac(text, &mac(BOB, ALICE, id)).to_base64();
    let stated = json!({
        "mac": { "ed25519:TWO": tag("ed25519:TWO", "his key") },
        "keys": tag("KEY_IDS", "ed25519:TWO"),
    });
    let known = |key: &str| [("ed25519:TWO".to_owned(), key.to_owned())];
    assert_eq!(ours.verify_mac(&stated, &known("his key")).unwrap(), ["ed25519:TWO"]);
    assert_eq!(ours.verify_mac(&stated, &known("another")), Err(Error::Authentication));
}

#[test]
fn ours_starts_and_vodozemac_accepts() {
    for seed in 0..20 {
        let start = sas::start(ALICE.1, "txn");
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut ours = Sas::new(party(ALICE), party(BOB), true, &start, &mut rng).unwrap();
        let theirs = Theirs::new();
        let their_key = theirs.public_key().to_base64();
        let commitment = Sha256::digest(their_key.clone() + &signed_form(&start).unwrap());
        let accept = json!({
            "key_agreement_protocol": "curve25519-hkdf-sha256", "hash": "sha256",
            "message_authentication_code": "hkdf-hmac-sha256.v2",
            "short_authentication_string": ["decimal", "emoji"],
            "commitment": to_base64(&commitment), "method": "m.sas.v1", "transaction_id": "txn",
        });
        ours.accepted(&accept).unwrap();
        let our_key = ours.key()["key"].as_str().unwrap().to_owned();
        ours.received(&json!({ "key": their_key })).unwrap();
        let theirs = theirs.diffie_hellman_with_raw(&our_key).unwrap();
        let info = format!(
            "MATRIX_KEY_VERIFICATION_SAS|{}|{}|{our_key}|{}|{}|{their_key}|txn",
            ALICE.0, ALICE.1, BOB.0, BOB.1
        );
        compare(&ours, &theirs, &info);
    }
}

#[test]
fn vodozemac_starts_and_ours_accepts() {
    let start = sas::start(BOB.1, "txn");
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut ours = Sas::new(party(ALICE), party(BOB), false, &start, &mut rng).unwrap();
    let commitment = ours.accept().unwrap()["commitment"].as_str().unwrap().to_owned();
    let theirs = Theirs::new();
    let their_key = theirs.public_key().to_base64();
    ours.received(&json!({ "key": their_key })).unwrap();
    let our_key = ours.key()["key"].as_str().unwrap().to_owned();
    let hash = Sha256::digest(our_key.clone() + &signed_form(&start).unwrap());
    assert_eq!(commitment, to_base64(&hash), "the key is the one that was committed to");
    let theirs = theirs.diffie_hellman_with_raw(&our_key).unwrap();
    let info = format!(
        "MATRIX_KEY_VERIFICATION_SAS|{}|{}|{their_key}|{}|{}|{our_key}|txn",
        BOB.0, BOB.1, ALICE.0, ALICE.1
    );
    compare(&ours, &theirs, &info);
}
