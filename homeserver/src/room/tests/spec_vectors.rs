//! The specification's cryptographic test vectors: what we build on computes what others do.

use ruma::{
    CanonicalJsonObject,
    room_version_rules::RedactionRules,
    signatures::{hash_and_sign_event, sign_json},
};
use serde_json::json;

use super::support::key;

fn object(value: serde_json::Value) -> CanonicalJsonObject {
    serde_json::from_value(value).unwrap()
}

fn signature(object: &CanonicalJsonObject) -> String {
    serde_json::to_value(object).unwrap()["signatures"]["domain"]["ed25519:1"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn json_is_signed_as_in_the_specification() {
    let mut empty = object(json!({}));
    sign_json("domain", &key(), &mut empty).unwrap();
    assert_eq!(
        signature(&empty),
        "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"
    );
    let mut data = object(json!({ "two": "Two", "one": 1 }));
    sign_json("domain", &key(), &mut data).unwrap();
    assert_eq!(
        signature(&data),
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"
    );
}

#[test]
fn events_are_hashed_and_signed_as_in_the_specification() {
    let mut minimal = object(json!({
        "room_id": "!x:domain", "sender": "@a:domain", "origin": "domain",
        "origin_server_ts": 1_000_000, "signatures": {}, "hashes": {}, "type": "X", "content": {},
        "prev_events": [], "auth_events": [], "depth": 3, "unsigned": { "age_ts": 1_000_000 },
    }));
    hash_and_sign_event("domain", &key(), &mut minimal, &RedactionRules::V1).unwrap();
    assert_eq!(
        signature(&minimal),
        "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"
    );
    let mut redactable = object(json!({
        "content": { "body": "Here is the message content" }, "event_id": "$0:domain",
        "origin": "domain", "origin_server_ts": 1_000_000, "type": "m.room.message",
        "room_id": "!r:domain", "sender": "@u:domain", "signatures": {},
        "unsigned": { "age_ts": 1_000_000 },
    }));
    hash_and_sign_event("domain", &key(), &mut redactable, &RedactionRules::V1).unwrap();
    assert_eq!(
        signature(&redactable),
        "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA"
    );
}
