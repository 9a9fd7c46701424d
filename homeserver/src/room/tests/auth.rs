use std::{collections::HashMap, sync::Arc};

use ruma::{
    EventId, OwnedEventId, OwnedRoomId, RoomId, events::StateEventType,
    room_version_rules::RoomVersionRules, server_name,
};
use serde_json::{Value, json};

use super::support::{VERSIONS, draft, key, rules};
use crate::room::{
    Pdu,
    auth::{authorise, authorise_by_auth_events, check_auth_events, state_types},
    build::build,
};

/// The beginning of a room: create, the creator, power levels, join rules.
struct Beginning {
    rules: &'static RoomVersionRules,
    room_id: OwnedRoomId,
    events: HashMap<OwnedEventId, Arc<Pdu>>,
    create: Arc<Pdu>,
    creator: Arc<Pdu>,
    levels: Arc<Pdu>,
    join_rules: Arc<Pdu>,
}

impl Beginning {
    fn new(version: &str) -> Self {
        let rules = rules(version);
        let room_id = RoomId::parse("!r:domain").unwrap();
        let create = json!({ "creator": "@a:domain", "room_version": version,
                             "additional_creators": ["@z:domain"] });
        let member = json!({ "membership": "join" });
        let levels = match rules.authorization.explicitly_privilege_room_creators {
            true => json!({ "users": { "@m:domain": 60 } }),
            false => json!({ "users": { "@m:domain": 60, "@a:domain": 50 } }),
        };
        let public = json!({ "join_rule": "public" });
        let make = |room: &RoomId, kind, key, content, auth: &[&Arc<Pdu>]| {
            make(rules, room, "@a:domain", (kind, Some(key)), content, auth)
        };
        let create = make(&room_id, "m.room.create", "", create, &[]);
        let room_id = create.room_id.clone();
        let implied = rules.authorization.room_create_event_id_as_room_id;
        let first: &[&Arc<Pdu>] = if implied { &[] } else { &[&create] };
        let with = |more: &[&Arc<Pdu>]| -> Vec<Arc<Pdu>> {
            first.iter().chain(more).map(|event| (*event).clone()).collect()
        };
        let refs = |events: &[Arc<Pdu>], kind, key, content| {
            make(&room_id, kind, key, content, &events.iter().collect::<Vec<_>>())
        };
        let mut creator = refs(&with(&[]), "m.room.member", "@a:domain", member);
        // What lets the creator in: nothing but the create event comes before.
        Arc::make_mut(&mut creator).prev_events = vec![create.event_id.clone()];
        let levels = refs(&with(&[&creator]), "m.room.power_levels", "", levels);
        let join_rules = refs(&with(&[&creator, &levels]), "m.room.join_rules", "", public);
        let all = [&create, &creator, &levels, &join_rules];
        let events = all.map(|event| (event.event_id.clone(), event.clone())).into();
        Self { rules, room_id, events, create, creator, levels, join_rules }
    }

    fn event(
        &self,
        sender: &str,
        place: (&str, Option<&str>),
        content: Value,
        auth: &[&Arc<Pdu>],
    ) -> Arc<Pdu> {
        let mut all: Vec<&Arc<Pdu>> = auth.to_vec();
        if !self.rules.authorization.room_create_event_id_as_room_id {
            all.push(&self.create);
        }
        make(self.rules, &self.room_id, sender, place, content, &all)
    }

    fn fetch(&self, id: &EventId) -> Option<Arc<Pdu>> {
        self.events.get(id).cloned()
    }

    fn list_is_good(&self, event: &Pdu) -> bool {
        check_auth_events(self.rules, event, |id| self.fetch(id)).is_ok()
    }

    fn allows(&self, event: &Pdu) -> bool {
        let state = |kind: &StateEventType, key: &str| {
            let mut events = self.events.values();
            events.find(|e| e.state_key_pair() == Some((kind.clone(), key))).cloned()
        };
        authorise(self.rules, event, state).is_ok()
    }
}

fn make(
    rules: &RoomVersionRules,
    room_id: &RoomId,
    sender: &str,
    (kind, state_key): (&str, Option<&str>),
    content: Value,
    auth: &[&Arc<Pdu>],
) -> Arc<Pdu> {
    let draft = draft(sender, kind, state_key, content);
    let auth = auth.iter().map(|event| event.event_id.clone()).collect();
    let server = server_name!("domain");
    Arc::new(build(draft, Some(room_id), vec![], auth, 1, &key(), server, rules).unwrap())
}

fn everywhere(test: impl Fn(Beginning)) {
    for version in VERSIONS {
        test(Beginning::new(version));
    }
}

const NAME: (&str, Option<&str>) = ("m.room.name", Some(""));

#[test]
fn the_beginning_of_a_room_is_allowed() {
    everywhere(|room| {
        for event in [&room.create, &room.creator, &room.levels, &room.join_rules] {
            assert!(room.list_is_good(event), "{}", event.event_type);
            let allowed = authorise_by_auth_events(room.rules, event, |id| room.fetch(id));
            assert_eq!(allowed, Ok(()), "{}", event.event_type);
        }
    });
}

#[test]
fn a_list_of_auth_events_has_nothing_twice_nothing_odd_and_nothing_unknown() {
    everywhere(|mut room| {
        let good = room.event("@a:domain", NAME, json!({}), &[&room.creator, &room.levels]);
        assert!(room.list_is_good(&good));
        let other = room.event("@a:domain", ("m.room.power_levels", Some("")), json!({}), &[]);
        let unknown = room.event("@a:domain", NAME, json!({}), &[&room.creator, &other]);
        assert!(!room.list_is_good(&unknown));
        room.events.insert(other.event_id.clone(), other.clone());
        let twice = room.event("@a:domain", NAME, json!({}), &[&room.levels, &other]);
        assert!(!room.list_is_good(&twice));
        let odd = room.event("@a:domain", NAME, json!({}), &[&room.creator, &room.join_rules]);
        assert!(!room.list_is_good(&odd));
    });
}

#[test]
fn a_list_of_auth_events_has_nothing_rejected_and_nothing_of_another_room() {
    everywhere(|mut room| {
        let event = room.event("@a:domain", NAME, json!({}), &[&room.creator, &room.levels]);
        let creator = room.creator.event_id.clone();
        let mut rejected = Pdu::clone(&room.creator);
        rejected.rejected = true;
        room.events.insert(creator.clone(), Arc::new(rejected));
        assert!(!room.list_is_good(&event));
        let mut elsewhere = Pdu::clone(&room.creator);
        elsewhere.room_id = RoomId::parse("!s:domain").unwrap();
        room.events.insert(creator, Arc::new(elsewhere));
        assert!(!room.list_is_good(&event));
    });
}

#[test]
fn an_event_needs_the_create_event_of_its_room() {
    everywhere(|mut room| {
        let auth = [&room.creator, &room.levels];
        let event = make(room.rules, &room.room_id, "@a:domain", NAME, json!({}), &auth);
        let implied = room.rules.authorization.room_create_event_id_as_room_id;
        assert_eq!(room.list_is_good(&event), implied, "named, or implied by the room id");
        let event = room.event("@a:domain", NAME, json!({}), &auth);
        room.events.remove(&room.create.event_id);
        assert!(!room.list_is_good(&event));
    });
}

#[test]
fn power_decides_what_a_user_may_do() {
    everywhere(|mut room| {
        for user in ["@m:domain", "@u:domain"] {
            let join = json!({ "membership": "join" });
            let join = room.event(user, ("m.room.member", Some(user)), join, &[]);
            assert!(room.allows(&join));
            room.events.insert(join.event_id.clone(), join);
        }
        let named = |sender| room.event(sender, NAME, json!({}), &[]);
        assert!(room.allows(&named("@m:domain")));
        assert!(!room.allows(&named("@u:domain")));
        assert!(!room.allows(&named("@nobody:domain")), "not joined");
        let ban = |sender, target| {
            let place = ("m.room.member", Some(target));
            room.event(sender, place, json!({ "membership": "ban" }), &[])
        };
        assert!(room.allows(&ban("@m:domain", "@u:domain")));
        assert!(!room.allows(&ban("@u:domain", "@m:domain")));
    });
}

#[test]
fn nobody_has_power_over_a_creator_from_version_12_on() {
    everywhere(|mut room| {
        let infinite = room.rules.authorization.explicitly_privilege_room_creators;
        for user in ["@m:domain", "@z:domain"] {
            let join = json!({ "membership": "join" });
            let join = room.event(user, ("m.room.member", Some(user)), join, &[]);
            room.events.insert(join.event_id.clone(), join);
        }
        let kick = json!({ "membership": "leave" });
        for creator in ["@a:domain", "@z:domain"] {
            let place = ("m.room.member", Some(creator));
            let kick = room.event("@m:domain", place, kick.clone(), &[]);
            assert_eq!(room.allows(&kick), !infinite);
        }
        let place = ("m.room.power_levels", Some(""));
        let listed = json!({ "users": { "@m:domain": 50, "@a:domain": 100 } });
        let by_creator = room.event("@a:domain", place, listed, &[]);
        assert!(!room.allows(&by_creator), "no power of its own, or must not be listed");
        let more = room.event("@z:domain", place, json!({ "users": { "@m:domain": 99 } }), &[]);
        assert_eq!(room.allows(&more), infinite);
    });
}

#[test]
fn the_state_asked_for_has_the_create_event_in_every_version() {
    everywhere(|room| {
        let types = state_types(&room.join_rules, room.rules).unwrap();
        assert!(types.contains(&(StateEventType::RoomCreate, String::new())));
        assert!(types.contains(&(StateEventType::RoomMember, "@a:domain".to_owned())));
    });
}
