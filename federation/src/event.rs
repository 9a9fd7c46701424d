//! Which keys an event must be signed with, and the check of those signatures.
//!
//! Canonical form, hashes and signing are in [`canonical`]; this module says what to fetch before asking it. ([Validating hashes and signatures on received events][1])
//!
//! [1]: https://spec.matrix.org/v1.19/server-server-api/#validating-hashes-and-signatures-on-received-events

use std::collections::{BTreeMap, BTreeSet};

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedServerName,
    room_version_rules::RoomVersionRules,
    signatures::{PublicKeyMap, Verified, required_server_signatures_to_verify_event},
};

use crate::{Error, canonical};

/// The keys that the signatures of one event name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededKeys {
    /// For every server that must have signed, the ids of the keys it says it signed with.
    pub servers: BTreeMap<OwnedServerName, BTreeSet<String>>,
    /// The keys must have been valid then: at the `origin_server_ts`, since room version 5. Milliseconds since
    /// the Unix epoch.
    pub at: i64,
}

/// Which keys are needed to verify `event`. An error says why no set of keys could verify it.
pub fn needed_keys(
    event: &CanonicalJsonObject,
    rules: &RoomVersionRules,
) -> Result<NeededKeys, Error> {
    let unauthenticated = |reason: String| Error::Unauthenticated(reason);
    let at = match event.get("origin_server_ts") {
        // Before version 5 any key will do that was ever the server's.
        Some(CanonicalJsonValue::Integer(_)) if !rules.enforce_key_validity => 0,
        Some(CanonicalJsonValue::Integer(ts)) => i64::from(*ts),
        _ => return Err(unauthenticated("the event has no origin_server_ts".to_owned())),
    };
    let required = required_server_signatures_to_verify_event(event, &rules.signatures)
        .map_err(|error| unauthenticated(error.to_string()))?;
    let signatures = event.get("signatures").and_then(CanonicalJsonValue::as_object);
    let mut servers = BTreeMap::new();
    for server in required {
        let ids: BTreeSet<String> = signatures
            .and_then(|signatures| signatures.get(server.as_str()))
            .and_then(CanonicalJsonValue::as_object)
            .into_iter()
            .flat_map(|of_server| of_server.keys())
            .filter(|id| id.starts_with("ed25519:"))
            .cloned()
            .collect();
        if ids.is_empty() {
            return Err(unauthenticated(format!("the event is not signed by {server}")));
        }
        servers.insert(server, ids);
    }
    Ok(NeededKeys { servers, at })
}

/// Checks the signatures of `event` with `keys`, which must hold only keys valid at its time, and its
/// content hash. With a wrong hash ([`Verified::Signatures`]) the event is to be redacted before use.
pub fn verify(
    event: &CanonicalJsonObject,
    keys: &PublicKeyMap,
    rules: &RoomVersionRules,
) -> Result<Verified, Error> {
    canonical::verify(keys, event, rules).map_err(|error| Error::Unauthenticated(error.to_string()))
}

#[cfg(test)]
mod tests {
    use ruma::{RoomVersionId, serde::Base64, signatures::hash_and_sign_event};
    use serde_json::json;

    use super::*;
    use crate::SigningKey;

    fn rules() -> RoomVersionRules {
        RoomVersionId::V11.rules().unwrap()
    }

    fn signed(key: &SigningKey) -> CanonicalJsonObject {
        let mut event = serde_json::from_value(json!({
            "type": "m.room.message", "sender": "@alice:a.test", "room_id": "!r:a.test",
            "origin_server_ts": 1000, "depth": 3, "prev_events": [], "auth_events": [],
            "content": { "body": "hello" },
        }))
        .unwrap();
        hash_and_sign_event("a.test", key, &mut event, &rules().redaction).unwrap();
        event
    }

    fn keys(key: &SigningKey) -> PublicKeyMap {
        let set = BTreeMap::from([(key.id().to_string(), Base64::new(key.public_key().to_vec()))]);
        BTreeMap::from([("a.test".to_owned(), set)])
    }

    #[test]
    fn the_sender_s_server_must_have_signed() {
        let key = SigningKey::from_seed("1", &[7; 32]).unwrap();
        let needed = needed_keys(&signed(&key), &rules()).unwrap();
        assert_eq!(needed.at, 1000);
        assert_eq!(needed.servers.len(), 1);
        assert!(needed.servers.values().all(|ids| ids.contains("ed25519:1")));

        let mut unsigned = signed(&key);
        unsigned.insert("signatures".to_owned(), CanonicalJsonValue::Object(BTreeMap::new()));
        assert!(needed_keys(&unsigned, &rules()).is_err());
    }

    #[test]
    fn a_changed_body_breaks_the_hash_and_a_changed_envelope_the_signature() {
        let key = SigningKey::from_seed("1", &[7; 32]).unwrap();
        let event = signed(&key);
        assert_eq!(verify(&event, &keys(&key), &rules()).unwrap(), Verified::All);

        let mut body = event.clone();
        body.insert("content".to_owned(), CanonicalJsonValue::Object(BTreeMap::new()));
        assert_eq!(verify(&body, &keys(&key), &rules()).unwrap(), Verified::Signatures);

        let mut envelope = event.clone();
        envelope.insert("origin_server_ts".to_owned(), CanonicalJsonValue::Integer(2000.into()));
        assert!(verify(&envelope, &keys(&key), &rules()).is_err());

        let other = SigningKey::from_seed("1", &[8; 32]).unwrap();
        assert!(verify(&event, &keys(&other), &rules()).is_err());
    }
}
