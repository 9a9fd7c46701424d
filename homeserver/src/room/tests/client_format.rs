use serde_json::{Value, json};

use super::support::{VERSIONS, draft, event, ids};

#[test]
fn a_message_in_the_client_format() {
    let pdu = event("12", draft("@u:domain", "m.room.message", None, json!({ "body": "hi" })));
    insta::assert_snapshot!(pdu.client_json(true, None));
    insta::assert_snapshot!(pdu.client_json(false, Some(r#"{"age":1}"#)));
}

#[test]
fn a_state_event_in_the_client_format() {
    let pdu = event("12", draft("@u:domain", "m.\"x\"", Some("a\\b\u{2}\n"), json!({})));
    let json = pdu.client_json(true, None);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["type"], "m.\"x\"");
    assert_eq!(value["state_key"], "a\\b\u{2}\n");
    insta::assert_snapshot!(json);
}

#[test]
fn a_redaction_says_in_both_places_what_it_redacts() {
    for version in VERSIONS {
        for content in [json!({}), json!({ "reason": "why" })] {
            let mut draft = draft("@u:domain", "m.room.redaction", None, content.clone());
            draft.redacts = Some(ids(1).remove(0));
            let json = event(version, draft).client_json(true, None);
            let value: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["redacts"], ids(1)[0].as_str());
            assert_eq!(value["content"]["redacts"], ids(1)[0].as_str());
            assert_eq!(value["content"]["reason"], content["reason"]);
        }
    }
}
