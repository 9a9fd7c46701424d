//! Events as signed JSON: the canonical form of every kind of room version, ids, hashes, signatures.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use ruma::{
    RoomVersionId,
    serde::Base64,
    signatures::{PublicKeyMap, Verified},
};
use sealpost_federation::{SigningKey, canonical, event};

const VERSIONS: [RoomVersionId; 5] = [
    RoomVersionId::V1,
    RoomVersionId::V4,
    RoomVersionId::V6,
    RoomVersionId::V11,
    RoomVersionId::V12,
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let key = SigningKey::from_seed("1", &[1; 32]).expect("a key");
    for rules in VERSIONS.iter().filter_map(RoomVersionId::rules) {
        let Ok(mut object) = canonical::parse(text, &rules) else { continue };
        // What was read is written so that it is read again as the same.
        if let Ok(written) = canonical::to_string(&object, &rules) {
            let again = canonical::parse(&written, &rules).expect("its own canonical form is read");
            assert_eq!(canonical::to_string(&again, &rules).ok(), Some(written));
        }
        let _ = canonical::content_hash(&object, &rules);
        let _ = canonical::reference_hash(&object, &rules);
        let Ok(needed) = event::needed_keys(&object, &rules) else { continue };
        if !needed.servers.is_empty() {
            let verified = event::verify(&object, &BTreeMap::new(), &rules);
            assert!(verified.is_err(), "nobody's key verifies nothing");
        }
        // What all have signed who must holds.
        let mut keys = PublicKeyMap::new();
        let mut signed = true;
        for server in needed.servers.keys() {
            let set = [(key.id().to_string(), Base64::new(key.public_key().to_vec()))];
            keys.insert(server.to_string(), set.into());
            signed &= canonical::hash_and_sign(&mut object, server.as_str(), &key, &rules).is_ok();
        }
        if signed && !needed.servers.is_empty() {
            let verified = event::verify(&object, &keys, &rules);
            assert!(matches!(verified, Ok(Verified::All)), "{verified:?}");
        }
    }
});
