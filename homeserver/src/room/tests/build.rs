use ruma::{CanonicalJsonObject, signatures::hash_and_sign_event};
use serde_json::json;

use super::support::{VERSIONS, draft, event, ids, key, rules, try_event};
use crate::room::{
    Pdu,
    build::{BuildError, Draft},
    check,
};

fn drafts() -> Vec<Draft> {
    let mut redaction =
        draft("@u:domain", "m.room.redaction", None, json!({ "reason": "\u{7f}\u{1}\"\\é\n" }));
    redaction.redacts = Some(ids(1).remove(0));
    vec![
        draft("@u:domain", "m.room.create", Some(""), json!({ "creator": "@u:domain", "x": 1 })),
        draft("@u:domain", "m.room.message", None, json!({ "msgtype": "m.text", "body": "hi" })),
        draft(
            "@u:domain",
            "m.room.member",
            Some("@u:domain"),
            json!({
                "membership": "join", "displayname": "U", "join_authorised_via_users_server": "@u:domain",
                "third_party_invite": { "signed": { "token": "t" }, "display_name": "n" },
            }),
        ),
        draft("@u:domain", "m.room.power_levels", Some(""), json!({ "invite": 0, "users": {} })),
        draft(
            "@u:domain",
            "x \"\\/\u{1f}",
            Some("a\tb"),
            json!({ "z": [1, { "b": null, "a": -1 }] }),
        ),
        redaction,
    ]
}

#[test]
fn an_event_is_hashed_signed_and_named_as_ruma_does() {
    for version in VERSIONS {
        for draft in drafts() {
            let pdu = event(version, draft);
            let object: CanonicalJsonObject = serde_json::from_str(&pdu.json).unwrap();
            let mut again = object.clone();
            again.remove("hashes");
            again.remove("signatures");
            hash_and_sign_event("domain", &key(), &mut again, &rules(version).redaction).unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), *pdu.json);
            assert_eq!(check::event_id(&object, rules(version)).unwrap(), pdu.event_id);
        }
    }
}

#[test]
fn an_event_reads_back_as_it_was_built() {
    for version in VERSIONS {
        for draft in drafts() {
            let built = event(version, draft);
            let read =
                Pdu::from_json(built.event_id.clone(), built.json.clone(), rules(version)).unwrap();
            assert_eq!(format!("{read:?}"), format!("{built:?}"));
        }
    }
}

#[test]
fn the_room_of_a_create_event_is_its_hash_in_version_12() {
    let create = event("12", drafts().remove(0));
    assert_eq!(create.room_id.as_str()[1..], create.event_id.as_str()[1..]);
    assert!(!create.json.contains("room_id"));
}

#[test]
fn a_redaction_names_its_target_where_the_version_wants_it() {
    let target = ids(1).remove(0);
    let redaction = || drafts().pop().unwrap();
    insta::assert_snapshot!(event("10", redaction()).json);
    insta::assert_snapshot!(event("11", redaction()).json);
    assert_eq!(event("10", redaction()).redacts.as_ref(), Some(&target));
    assert_eq!(event("11", redaction()).redacts.as_ref(), Some(&target));
}

#[test]
fn the_limits_of_size_hold_to_the_byte() {
    let sized =
        |body| draft("@u:domain", "m.room.message", None, json!({ "body": "x".repeat(body) }));
    let empty = event("12", sized(0)).json.len();
    let largest = event("12", sized(65_536 - empty));
    assert_eq!(largest.json.len(), 65_536);
    let object = serde_json::from_str(&largest.json).unwrap();
    check::format(&object, rules("12")).unwrap();
    assert!(matches!(try_event("12", sized(65_537 - empty)), Err(BuildError::TooLarge)));

    let keyed = |length| draft("@u:domain", "t", Some(&"é".repeat(length)), json!({}));
    assert!(try_event("12", keyed(127)).is_ok());
    assert!(matches!(try_event("12", keyed(128)), Err(BuildError::FieldTooLong("state_key"))));
}

#[test]
fn a_content_that_is_not_canonical_is_refused() {
    for content in [json!({ "a": 1.5 }), json!({ "a": 9_007_199_254_740_992_u64 }), json!([])] {
        assert!(try_event("12", draft("@u:domain", "t", None, content)).is_err());
    }
}
