use ruma::{CanonicalJsonObject, CanonicalJsonValue, room_id, signatures::PublicKeyMap};
use serde_json::json;

use super::support::{draft, event, keys, rules};
use crate::room::{
    check::{CheckError, format, receive, required_servers},
    event::EventError,
};

fn message() -> CanonicalJsonObject {
    let pdu = event("11", draft("@u:domain", "m.room.message", None, json!({ "body": "hi" })));
    serde_json::from_str(&pdu.json).unwrap()
}

fn with(field: &str, value: serde_json::Value) -> CanonicalJsonObject {
    let mut object = message();
    object.insert(field.to_owned(), serde_json::from_value(value).unwrap());
    object
}

#[test]
fn a_sound_event_is_received_without_its_unsigned() {
    let object = with("unsigned", json!({ "age": 3 }));
    let pdu = receive(object, Some(room_id!("!r:domain")), rules("11"), &keys()).unwrap();
    assert_eq!(pdu.content.get(), r#"{"body":"hi"}"#);
    assert!(!pdu.json.contains("unsigned"));
}

#[test]
fn an_event_whose_content_was_changed_comes_redacted_under_its_id() {
    let original = receive(message(), None, rules("11"), &keys()).unwrap();
    let changed = with("content", json!({ "body": "ho" }));
    let pdu = receive(changed, None, rules("11"), &keys()).unwrap();
    assert_eq!(pdu.event_id, original.event_id);
    assert_eq!(pdu.content.get(), "{}");
}

#[test]
fn an_event_whose_signed_part_was_changed_is_dropped() {
    let changed = with("depth", json!(8));
    let error = receive(changed, None, rules("11"), &keys()).unwrap_err();
    assert!(matches!(error, CheckError::Signatures(_)), "{error}");
}

#[test]
fn an_event_without_a_known_key_is_dropped() {
    let error = receive(message(), None, rules("11"), &PublicKeyMap::new()).unwrap_err();
    assert!(matches!(error, CheckError::Signatures(_)), "{error}");
}

#[test]
fn an_event_of_another_room_is_dropped() {
    let error = receive(message(), Some(room_id!("!s:domain")), rules("11"), &keys()).unwrap_err();
    assert!(matches!(error, CheckError::Event(EventError::OtherRoom)), "{error}");
}

#[test]
fn a_restricted_join_needs_the_signature_of_the_server_that_allowed_it() {
    let join = with(
        "content",
        json!({
            "membership": "join", "join_authorised_via_users_server": "@a:other",
        }),
    );
    let servers: Vec<_> = required_servers(&join, rules("11")).unwrap().into_iter().collect();
    assert_eq!(servers, ["domain", "other"]);
}

#[test]
fn what_is_no_event_is_dropped() {
    let long = "x".repeat(256);
    let id = format!("${:a<43}", "");
    let cases = [
        ("type", json!(1)),
        ("type", json!(long)),
        ("sender", json!("u:domain")),
        ("room_id", json!("r")),
        ("state_key", json!(long)),
        ("state_key", json!(null)),
        ("prev_events", json!({})),
        ("prev_events", json!([1])),
        ("prev_events", json!(vec![id.as_str(); 21])),
        ("auth_events", json!(vec![id.as_str(); 11])),
        ("auth_events", json!([[id.as_str(), {}]])),
        ("depth", json!(-1)),
        ("depth", json!("1")),
        ("origin_server_ts", json!(-1)),
        ("content", json!([])),
        ("hashes", json!("")),
        ("signatures", json!([])),
    ];
    for (field, value) in cases {
        assert!(format(&with(field, value.clone()), rules("11")).is_err(), "{field}: {value}");
        let mut missing = message();
        missing.remove(field);
        assert_eq!(format(&missing, rules("11")).is_err(), field != "state_key", "{field}");
    }
    assert!(format(&message(), rules("11")).is_ok());
}

#[test]
fn the_create_event_is_no_auth_event_in_version_12() {
    let create = format!("{:a<43}", "");
    let mut object = with("auth_events", json!([format!("${create}")]));
    object.insert("room_id".to_owned(), CanonicalJsonValue::String(format!("!{create}")));
    assert!(format(&object, rules("11")).is_ok());
    assert!(format(&object, rules("12")).is_err());
}
