//! Events that Synapse made: `fixtures/from_synapse.py`.

use ruma::{CanonicalJsonObject, OwnedEventId, OwnedRoomId, UserId, server_name};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::support::{key, keys, rules};
use crate::room::{
    build::{Draft, build},
    check::receive,
    redact::redacted,
};

#[derive(Deserialize)]
struct Fixture {
    version: String,
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    event: Box<RawValue>,
    redacted: CanonicalJsonObject,
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(include_str!("fixtures/events.json")).unwrap()
}

#[test]
fn an_event_of_synapse_is_received_under_the_same_id_and_room() {
    for fixture in fixtures() {
        let object: CanonicalJsonObject = serde_json::from_str(fixture.event.get()).unwrap();
        let canonical = serde_json::to_string(&object).unwrap();
        let pdu = receive(object, None, rules(&fixture.version), &keys()).unwrap();
        assert_eq!(pdu.event_id, fixture.event_id);
        assert_eq!(pdu.room_id, fixture.room_id);
        assert_eq!(*pdu.json, *canonical, "the content hash is right, so nothing is redacted");
    }
}

#[test]
fn the_same_draft_becomes_the_same_event() {
    for fixture in fixtures() {
        let object: CanonicalJsonObject = serde_json::from_str(fixture.event.get()).unwrap();
        let theirs = receive(object, None, rules(&fixture.version), &keys()).unwrap();
        let draft = Draft {
            event_type: theirs.event_type.clone(),
            state_key: theirs.state_key.clone(),
            content: theirs.content.clone(),
            redacts: theirs.redacts.clone(),
            sender: UserId::parse("@a:domain").unwrap(),
            origin_server_ts: theirs.origin_server_ts,
        };
        let ours = build(
            draft,
            Some(&theirs.room_id),
            theirs.prev_events.clone(),
            theirs.auth_events.clone(),
            theirs.depth,
            &key(),
            server_name!("domain"),
            rules(&fixture.version),
        )
        .unwrap();
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
}

#[test]
fn redaction_leaves_what_it_leaves_with_synapse() {
    for fixture in fixtures() {
        let object: CanonicalJsonObject = serde_json::from_str(fixture.event.get()).unwrap();
        let pdu = receive(object, None, rules(&fixture.version), &keys()).unwrap();
        let left = redacted(&pdu, rules(&fixture.version)).unwrap();
        assert_eq!(*left.json, *serde_json::to_string(&fixture.redacted).unwrap());
    }
}
