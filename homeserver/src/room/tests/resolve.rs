//! Resolution of what is cut down to what can matter, against resolution of everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma::{
    OwnedEventId,
    events::{StateEventType, TimelineEventType},
    state_res::{self, StateMap},
};

use sealpost_federation::canonical;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    rooms::{Dice, Room},
    support::{VERSIONS, keys, rules},
};
use crate::room::check::receive;
use crate::room::resolve::{Known, entries_read, resolve};

pub(crate) type Resolved = BTreeMap<(StateEventType, String), OwnedEventId>;

/// The algorithm over whole states, whole auth chains and all events.
pub(crate) fn naive(room: &Room) -> Resolved {
    let known = room.known();
    if room.rules.state_res.v2_rules().is_none() {
        let resolved = resolve(room.rules, &room.maps(), [], [], &known);
        return resolved.unwrap().into_iter().collect();
    }
    let resolved = state_res::resolve(
        &room.rules.authorization,
        room.rules.state_res.v2_rules().unwrap(),
        &room.maps(),
        room.chains().into_iter().map(|chain| chain.into_iter().collect()).collect(),
        |id| known.get(id).cloned(),
        |_| Some(room.subgraph().into_iter().collect()),
    );
    resolved.unwrap().into_iter().collect()
}

fn reduced(room: &Room) -> Resolved {
    let all = room.known();
    let maps = room.maps();
    let chains = room.chains();
    let everywhere = |id: &OwnedEventId| chains.iter().all(|chain| chain.contains(id));
    let difference: BTreeSet<OwnedEventId> =
        chains.iter().flatten().filter(|id| !everywhere(id)).cloned().collect();
    let (conflicted, subgraph) = (room.conflicted(), room.subgraph());
    let mut ids = &(&difference | &conflicted) | &subgraph;
    let entries = entries_read(ids.iter().map(|id| &*all[id]), room.rules);
    let states: Vec<StateMap<OwnedEventId>> = maps
        .iter()
        .map(|map| map.iter().filter(|(entry, _)| entries.contains(entry)))
        .map(|map| map.map(|(entry, id)| (entry.clone(), id.clone())).collect())
        .collect();
    ids.extend(states.iter().flat_map(|state| state.values().cloned()));

    // Only the events that `resolve` says it needs.
    let mut known = Known::new();
    let mut todo: Vec<OwnedEventId> = ids.iter().cloned().collect();
    known.extend(ids.into_iter().map(|id| (id.clone(), all[&id].clone())));
    while let Some(id) = todo.pop() {
        for auth in &all[&id].auth_events {
            let event = &all[auth];
            let new = known.insert(auth.clone(), event.clone()).is_none();
            if new && event.event_type == TimelineEventType::RoomPowerLevels {
                todo.push(auth.clone());
            }
        }
    }

    let mut whole: Resolved = maps[0].clone().into_iter().collect();
    whole.retain(|entry, id| maps.iter().all(|map| map.get(entry) == Some(id)));
    let resolved = resolve(room.rules, &states, difference, subgraph, &known).unwrap();
    whole.extend(resolved);
    whole
}

#[test]
fn what_is_left_out_does_not_matter() {
    let mut dice = Dice(0x5EED);
    let (mut conflicts, mut power) = (0, 0);
    for version in VERSIONS {
        for _ in 0..60 {
            let room = Room::random(version, &mut dice);
            assert_eq!(reduced(&room), naive(&room));
            conflicts += usize::from(!room.conflicted().is_empty());
            let levels = (StateEventType::RoomPowerLevels, String::new());
            power += usize::from(room.maps().iter().any(|m| m[&levels] != room.maps()[0][&levels]));
        }
    }
    assert!(conflicts > 100 && power > 50, "the rooms are too tame: {conflicts}, {power}");
}

#[test]
fn the_order_of_forks_does_not_matter() {
    let mut dice = Dice(0xF00D);
    for version in VERSIONS {
        for _ in 0..20 {
            let mut room = Room::random(version, &mut dice);
            let resolved = reduced(&room);
            for _ in 0..3 {
                let (a, b) = (dice.below(room.forks.len()), dice.below(room.forks.len()));
                room.forks.swap(a, b);
                assert_eq!(reduced(&room), resolved);
            }
        }
    }
}

/// A room, its forks, and the state that Synapse resolves them to: `fixtures/from_synapse.py`.
#[derive(Deserialize)]
struct Fixture {
    version: String,
    events: Vec<Box<RawValue>>,
    forks: Vec<BTreeSet<OwnedEventId>>,
    resolved: BTreeSet<OwnedEventId>,
}

#[test]
fn forks_are_resolved_as_synapse_does() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/room/tests/fixtures");
    for (version, number) in VERSIONS.iter().flat_map(|version| (0..3).map(move |n| (version, n))) {
        let file = format!("{folder}/forks-v{version}-{number}.json");
        let json = std::fs::read_to_string(&file).unwrap();
        let fixture: Fixture = serde_json::from_str(&json).unwrap();
        let events = fixture.events.iter().map(|event| {
            let object = canonical::parse(event.get(), rules(&fixture.version)).unwrap();
            Arc::new(receive(object, None, rules(&fixture.version), &keys()).unwrap())
        });
        let room = Room::of(&fixture.version, events.collect(), &fixture.forks);
        let resolved: BTreeSet<OwnedEventId> = reduced(&room).into_values().collect();
        assert_eq!(resolved, fixture.resolved);
    }
}
