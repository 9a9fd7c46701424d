use serde_json::json;

use super::support::{draft, event, rules};
use crate::room::{
    Pdu,
    power::Power,
    redact::{redacted, takes_effect},
};

fn power() -> Power {
    let create = event("11", draft("@c:domain", "m.room.create", Some(""), json!({})));
    let levels = json!({ "users": { "@mod:other": 50 } });
    let levels = event("11", draft("@c:domain", "m.room.power_levels", Some(""), levels));
    Power::new(&create, Some(&levels), rules("11")).unwrap()
}

fn message(sender: &str) -> Pdu {
    event("11", draft(sender, "m.room.message", None, json!({ "body": "hi" })))
}

fn redaction(sender: &str, target: &Pdu) -> Pdu {
    let mut draft = draft(sender, "m.room.redaction", None, json!({}));
    draft.redacts = Some(target.event_id.clone());
    event("11", draft)
}

#[test]
fn who_may_redact_what() {
    let target = message("@a:domain");
    assert!(takes_effect(&redaction("@a:domain", &target), &target, &power()));
    assert!(takes_effect(&redaction("@b:domain", &target), &target, &power()), "same server");
    assert!(takes_effect(&redaction("@mod:other", &target), &target, &power()), "by power");
    assert!(!takes_effect(&redaction("@b:other", &target), &target, &power()));
    let other = message("@z:domain");
    assert!(!takes_effect(&redaction("@a:domain", &other), &target, &power()));
    assert!(!takes_effect(&message("@a:domain"), &target, &power()));
}

#[test]
fn a_redaction_does_not_reach_into_another_room() {
    let mut target = message("@a:domain");
    let redaction = redaction("@a:domain", &target);
    target.room_id = ruma::room_id!("!s:domain").to_owned();
    assert!(!takes_effect(&redaction, &target, &power()));
}

#[test]
fn a_redacted_event_keeps_its_id_and_signature_and_loses_its_content() {
    let pdu = message("@a:domain");
    let left = redacted(&pdu, rules("11")).unwrap();
    assert_eq!(left.event_id, pdu.event_id);
    assert_eq!(left.content.get(), "{}");
    insta::assert_snapshot!(left.json);
}

#[test]
fn a_redacted_event_keeps_what_the_rules_need() {
    let member = json!({ "membership": "join", "displayname": "A" });
    let pdu = event("11", draft("@a:domain", "m.room.member", Some("@a:domain"), member));
    assert_eq!(redacted(&pdu, rules("11")).unwrap().content.get(), r#"{"membership":"join"}"#);
}
