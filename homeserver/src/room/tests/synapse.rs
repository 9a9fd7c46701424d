//! Events that Synapse made: `fixtures/from_synapse.py`.

use std::sync::Arc;

use ruma::{
    OwnedEventId, OwnedRoomId, RoomId, UserId, room_id, room_version_rules::RoomVersionRules,
    server_name,
};
use sealpost_federation::canonical;
use serde::Deserialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::support::{VERSIONS, draft, key, keys, rules};
use crate::room::{
    Pdu,
    auth::authorise,
    build::{Draft, Old, build, build_old},
    check::receive,
    redact::redacted,
};

#[derive(Deserialize)]
struct Fixture {
    version: String,
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    event: Box<RawValue>,
    redacted: Box<RawValue>,
}

/// Events over a state, and which of them Synapse allows.
#[derive(Deserialize)]
struct Decided {
    state: Vec<Entry>,
    candidates: Vec<Entry>,
    decisions: Vec<Decision>,
}

#[derive(Deserialize)]
struct Decision {
    version: String,
    join_rule: String,
    /// For each candidate `+` or `-`.
    allowed: String,
}

/// Sender, type, state key, content, and fields beside it.
#[derive(Deserialize)]
struct Entry(String, String, Option<String>, Box<RawValue>, #[serde(default)] Beside);

#[derive(Default, Deserialize)]
struct Beside {
    redacts: Option<OwnedEventId>,
}

impl Entry {
    fn event(&self, decision: &Decision, room_id: &RoomId) -> Arc<Pdu> {
        let Self(sender, kind, state_key, content, beside) = self;
        let rules = rules(&decision.version);
        let creators_above_all = rules.authorization.explicitly_privilege_room_creators;
        let mut draft = draft(sender, kind, state_key.as_deref(), Value::Null);
        draft.redacts.clone_from(&beside.redacts);
        draft.content = content.clone();
        let made = match kind.as_str() {
            "m.room.create" => {
                Some(json!({ "room_version": decision.version, "creator": "@a:domain" }))
            }
            "m.room.join_rules" => Some(json!({ "join_rule": decision.join_rule })),
            "m.room.power_levels" if creators_above_all => {
                let mut levels: Value = serde_json::from_str(content.get()).unwrap();
                levels["users"].as_object_mut().unwrap().remove("@a:domain");
                Some(levels)
            }
            _ => None,
        };
        if let Some(made) = made {
            draft.content = to_raw_value(&made).unwrap();
        }
        let room_id = (kind != "m.room.create" || !creators_above_all).then_some(room_id);
        let server = server_name!("domain");
        Arc::new(build(draft, room_id, vec![], vec![], 12, &key(), server, rules).unwrap())
    }
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(include_str!("fixtures/events.json")).unwrap()
}

#[test]
fn an_event_of_synapse_is_received_under_the_same_id_and_room() {
    for fixture in fixtures() {
        let object = canonical::parse(fixture.event.get(), rules(&fixture.version)).unwrap();
        let canonical = canonical::to_string(&object, rules(&fixture.version)).unwrap();
        let pdu = receive(object, None, rules(&fixture.version), &keys()).unwrap();
        assert_eq!(pdu.event_id, fixture.event_id);
        assert_eq!(pdu.room_id, fixture.room_id);
        assert_eq!(*pdu.json, *canonical, "the content hash is right, so nothing is redacted");
    }
}

/// What an old event has that is not computed, as the fixtures have it.
fn old(theirs: &Pdu, rules: &RoomVersionRules) -> Option<Old> {
    const HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    let named = theirs.prev_events.iter().chain(&theirs.auth_events);
    rules.event_format.require_event_id.then(|| Old {
        event_id: theirs.event_id.clone(),
        hashes: named.map(|id| (id.clone(), HASH.to_owned())).collect(),
    })
}

#[test]
fn the_same_draft_becomes_the_same_event() {
    for fixture in fixtures() {
        let object = canonical::parse(fixture.event.get(), rules(&fixture.version)).unwrap();
        if object.contains_key("prev_state") {
            // Only old servers put more into the envelope.
            continue;
        }
        let theirs = receive(object, None, rules(&fixture.version), &keys()).unwrap();
        let draft = Draft {
            event_type: theirs.event_type.clone(),
            state_key: theirs.state_key.clone(),
            content: theirs.content.clone(),
            redacts: theirs.redacts.clone(),
            sender: UserId::parse("@a:domain").unwrap(),
            origin_server_ts: theirs.origin_server_ts,
        };
        let old = old(&theirs, rules(&fixture.version));
        let ours = build_old(
            draft,
            old,
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
        let object = canonical::parse(fixture.event.get(), rules(&fixture.version)).unwrap();
        let pdu = receive(object, None, rules(&fixture.version), &keys()).unwrap();
        let left = redacted(&pdu, rules(&fixture.version)).unwrap();
        let expected = canonical::parse(fixture.redacted.get(), rules(&fixture.version)).unwrap();
        let expected = canonical::to_string(&expected, rules(&fixture.version)).unwrap();
        assert_eq!(*left.json, *expected);
    }
}

#[test]
fn what_synapse_allows_is_allowed_and_nothing_else() {
    let all: Decided = serde_json::from_str(include_str!("fixtures/auth.json")).unwrap();
    assert_eq!(all.decisions.len(), VERSIONS.len() * 5);
    for decision in &all.decisions {
        let (create, rest) = all.state.split_first().unwrap();
        let create = create.event(decision, room_id!("!r:domain"));
        let room_id = create.room_id.clone();
        let mut state = vec![create];
        state.extend(rest.iter().map(|entry| entry.event(decision, &room_id)));
        for (entry, expected) in all.candidates.iter().zip(decision.allowed.chars()) {
            let event = entry.event(decision, &room_id);
            let allowed = authorise(rules(&decision.version), &event, |kind, key| {
                let entry = Some((kind.clone(), key));
                state.iter().find(|event| event.state_key_pair() == entry).cloned()
            });
            let (version, rule) = (&decision.version, &decision.join_rule);
            assert_eq!(allowed.is_ok(), expected == '+', "{version} {rule}: {}", event.json);
        }
    }
}
