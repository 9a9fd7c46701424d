//! A server's answer about its keys: as it came, and as if the server, or a notary with it, had signed it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ruma::{
    CanonicalJsonObject,
    api::federation::discovery::ServerSigningKeys,
    serde::{Base64, Raw},
    server_name,
    signatures::{PublicKeySet, sign_json},
};
use sealpost_federation::{
    SigningKey,
    keyring::{check_answer, check_notarised},
};
use serde_json::value::to_raw_value;

const NOW: i64 = 1_700_000_000_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(raw) = Raw::<ServerSigningKeys>::from_json_string(text.to_owned()) else { return };
    check(&raw);
    let notary = SigningKey::from_seed("n", &[2; 32]).expect("a key");
    let public_key = Base64::new(notary.public_key().to_vec());
    let notary_keys = PublicKeySet::from([(notary.id().to_string(), public_key)]);
    let notarised = |raw: &_| check_notarised(server_name!("n.test"), &notary_keys, raw);
    assert!(notarised(&raw).is_err(), "nobody else has the notary's key");

    let Ok(mut object) = serde_json::from_str::<CanonicalJsonObject>(text) else { return };
    let key = SigningKey::from_seed("1", &[1; 32]).expect("a key");
    if sign_json("a.test", &key, &mut object).is_ok() {
        check(&Raw::from_json(to_raw_value(&object).expect("JSON")));
    }
    if sign_json("n.test", &notary, &mut object).is_ok() {
        let raw = Raw::from_json(to_raw_value(&object).expect("JSON"));
        assert!(notarised(&raw).is_ok(), "what the notary signed");
        check(&raw);
    }
});

fn check(raw: &Raw<ServerSigningKeys>) {
    if let Ok(keys) = check_answer(server_name!("a.test"), raw, NOW) {
        assert!(keys.values().any(|key| key.expired_at.is_none()), "one is in use");
        let week = 7 * 24 * 3600 * 1000;
        let in_use = keys.values().filter(|key| key.expired_at.is_none());
        assert!(in_use.map(|key| key.valid_until).all(|until| until <= NOW + week));
    }
}
