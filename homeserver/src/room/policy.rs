//! Policy servers: a room may ask one to sign each of its events
//! ([spec](https://spec.matrix.org/v1.19/server-server-api/#policy-servers)).

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue,
    events::room::policy::{POLICY_SERVER_ED25519_SIGNING_KEY_ID, RoomPolicyEventContent},
    room_version_rules::RoomVersionRules,
    signatures::verify_policy_server_signature,
};
use sealpost_federation::canonical;

use super::event::{EventError, Pdu};

/// The policy server that a room's `m.room.policy` event names, if it is valid.
pub fn policy_server(pdu: &Pdu) -> Option<RoomPolicyEventContent> {
    let policy: RoomPolicyEventContent = pdu.content_as().ok()?;
    policy.public_keys.contains_key(&ruma::SigningKeyAlgorithm::Ed25519).then_some(policy)
}

/// Whether an event has the policy server's signature, or needs none.
pub fn is_recommended(
    policy: &RoomPolicyEventContent,
    pdu: &Pdu,
    rules: &RoomVersionRules,
) -> bool {
    canonical::parse(&pdu.json, rules)
        .is_ok_and(|object| verify_policy_server_signature(policy, &object, rules).is_ok())
}

/// The event with the policy server's signature beside the others.
pub fn with_signature(
    pdu: &Pdu,
    policy: &RoomPolicyEventContent,
    signature: &str,
    rules: &RoomVersionRules,
) -> Result<Pdu, EventError> {
    let mut object = canonical::parse(&pdu.json, rules)?;
    let signatures = object
        .entry("signatures".to_owned())
        .or_insert_with(|| CanonicalJsonValue::Object(CanonicalJsonObject::new()));
    if let CanonicalJsonValue::Object(signatures) = signatures {
        let of_server = signatures
            .entry(policy.via.to_string())
            .or_insert_with(|| CanonicalJsonValue::Object(CanonicalJsonObject::new()));
        if let CanonicalJsonValue::Object(of_server) = of_server {
            let key = POLICY_SERVER_ED25519_SIGNING_KEY_ID.to_owned();
            of_server.insert(key, signature.into());
        }
    }
    let json = canonical::to_string(&object, rules)?.into_boxed_str();
    Pdu::from_json(pdu.event_id.clone(), json, rules)
}
