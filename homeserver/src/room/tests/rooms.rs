//! Rooms made at random: a common beginning, then branches on which users join, leave, ban and change
//! power levels without knowing of each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, RoomId, UInt,
    events::StateEventType, room_version_rules::RoomVersionRules, server_name,
    signatures::Ed25519KeyPair, state_res::StateMap,
};
use serde_json::{Value, json};

use super::support::{VERSIONS, draft, key, rules};
use crate::room::{Pdu, auth, build::build, resolve::Known};

/// A state, by its entries.
pub type Fork = BTreeMap<(StateEventType, String), Arc<Pdu>>;

const USERS: [&str; 6] =
    ["@a:domain", "@b:domain", "@c:domain", "@d:domain", "@e:domain", "@f:domain"];

/// A reproducible series of numbers.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// A line of events while it is made.
#[derive(Clone, Default)]
struct Branch {
    state: Fork,
    head: Option<Arc<Pdu>>,
}

pub struct Room {
    pub rules: &'static RoomVersionRules,
    pub room_id: OwnedRoomId,
    /// In an order in which each comes after those it names.
    pub events: Vec<Arc<Pdu>>,
    pub forks: Vec<Fork>,
    key: Ed25519KeyPair,
    clock: u32,
}

impl Room {
    /// A room whose events and forks are known.
    pub fn of(version: &str, events: Vec<Arc<Pdu>>, forks: &[BTreeSet<OwnedEventId>]) -> Self {
        let entry = |event: &Arc<Pdu>| {
            let (kind, key) = event.state_key_pair().unwrap();
            ((kind, key.to_owned()), event.clone())
        };
        let fork = |ids: &BTreeSet<OwnedEventId>| {
            events.iter().filter(|event| ids.contains(&event.event_id)).map(entry).collect()
        };
        Self {
            rules: rules(version),
            room_id: events[0].room_id.clone(),
            forks: forks.iter().map(fork).collect(),
            events,
            key: key(),
            clock: 1,
        }
    }

    pub fn random(version: &str, dice: &mut Dice) -> Self {
        let mut room = Self {
            rules: rules(version),
            room_id: RoomId::parse(format!("!{}:domain", dice.below(1_000_000))).unwrap(),
            events: Vec::new(),
            forks: Vec::new(),
            key: key(),
            clock: 1,
        };
        let mut fork = Branch::default();
        let creators_in_levels = !room.rules.authorization.explicitly_privilege_room_creators;
        let mut users = json!({ "@b:domain": 100, "@c:domain": 50 });
        if creators_in_levels {
            users["@a:domain"] = json!(100);
        }
        let create =
            json!({ "room_version": version, "creator": "@a:domain", "n": dice.below(1_000_000) });
        assert!(room.send(&mut fork, "@a:domain", "m.room.create", "", create));
        let join = json!({ "membership": "join" });
        assert!(room.send(&mut fork, "@a:domain", "m.room.member", "@a:domain", join.clone()));
        let levels = json!({ "users": users, "state_default": 25 });
        assert!(room.send(&mut fork, "@a:domain", "m.room.power_levels", "", levels));
        let public = json!({ "join_rule": "public" });
        assert!(room.send(&mut fork, "@a:domain", "m.room.join_rules", "", public));
        for user in &USERS[1..4] {
            assert!(room.send(&mut fork, user, "m.room.member", user, join.clone()));
        }

        let mut branches = vec![fork; 2 + dice.below(2)];
        for _ in 0..8 + dice.below(10) {
            if dice.below(8) == 0 {
                let branch = dice.of(&branches).clone();
                branches.push(branch);
            }
            let at = dice.below(branches.len());
            for _ in 0..10 {
                if room.act(&mut branches[at], dice) {
                    break;
                }
            }
        }
        room.forks = branches.into_iter().map(|branch| branch.state).collect();
        room
    }

    fn act(&mut self, branch: &mut Branch, dice: &mut Dice) -> bool {
        let (user, other) = (*dice.of(&USERS), *dice.of(&USERS));
        let member = |membership: &str| json!({ "membership": membership });
        match dice.below(12) {
            0 | 1 => self.send(branch, user, "m.room.member", user, member("join")),
            2 => self.send(branch, user, "m.room.member", user, member("leave")),
            3 => self.send(branch, user, "m.room.member", other, member("leave")),
            4 | 5 => self.send(branch, user, "m.room.member", other, member("ban")),
            6 => self.send(branch, user, "m.room.member", other, member("invite")),
            7..=9 => {
                let levels =
                    branch.state[&(StateEventType::RoomPowerLevels, String::new())].clone();
                let mut levels: Value = serde_json::from_str(levels.content.get()).unwrap();
                levels["users"][other] = json!(dice.of(&[0, 25, 50, 75, 100]));
                self.send(branch, user, "m.room.power_levels", "", levels)
            }
            10 => {
                let rule = json!({ "join_rule": dice.of(&["public", "invite"]) });
                self.send(branch, user, "m.room.join_rules", "", rule)
            }
            _ => {
                let name = json!({ "name": dice.below(100) });
                self.send(branch, user, "m.room.name", "", name)
            }
        }
    }

    /// Sends an event on a branch, if its rules allow it.
    fn send(
        &mut self,
        branch: &mut Branch,
        sender: &str,
        kind: &str,
        key: &str,
        content: Value,
    ) -> bool {
        let mut draft = draft(sender, kind, Some(key), content);
        // Some events bear the same time.
        self.clock += u32::from(!self.clock.is_multiple_of(3)) + (self.clock % 2);
        draft.origin_server_ts = MilliSecondsSinceUnixEpoch(UInt::from(self.clock));
        let types = auth::auth_types(&draft, self.rules).unwrap();
        let auth = types.iter().filter_map(|entry| Some(branch.state.get(entry)?.event_id.clone()));
        let prev = branch.head.as_ref().map(|event| event.event_id.clone());
        let depth = branch.head.as_ref().map_or(1, |event| event.depth + 1);
        let pdu = build(
            draft,
            Some(&self.room_id),
            prev.into_iter().collect(),
            auth.collect(),
            depth,
            &self.key,
            server_name!("domain"),
            self.rules,
        )
        .unwrap();
        let pdu = Arc::new(pdu);
        let allowed = auth::authorise(self.rules, &pdu, |kind, key| {
            branch.state.get(&(kind.clone(), key.to_owned())).cloned()
        });
        if allowed.is_err() {
            return false;
        }
        self.room_id.clone_from(&pdu.room_id);
        let (kind, key) = pdu.state_key_pair().unwrap();
        branch.state.insert((kind, key.to_owned()), pdu.clone());
        branch.head = Some(pdu.clone());
        self.events.push(pdu);
        true
    }

    pub fn known(&self) -> Known {
        self.events.iter().map(|event| (event.event_id.clone(), event.clone())).collect()
    }

    /// The events and all they stand on, found one by one.
    pub fn closure<'a>(
        &self,
        events: impl IntoIterator<Item = &'a EventId>,
    ) -> BTreeSet<OwnedEventId> {
        let known = self.known();
        let mut closure = BTreeSet::new();
        let mut todo: Vec<OwnedEventId> = events.into_iter().map(EventId::to_owned).collect();
        while let Some(event) = todo.pop() {
            if closure.insert(event.clone()) {
                todo.extend(known[&event].auth_events.iter().cloned());
            }
        }
        closure
    }

    /// The whole auth chain of each fork.
    pub fn chains(&self) -> Vec<BTreeSet<OwnedEventId>> {
        self.forks.iter().map(|fork| self.closure(fork.values().map(|e| &*e.event_id))).collect()
    }

    /// The events of the entries on which the forks differ.
    pub fn conflicted(&self) -> BTreeSet<OwnedEventId> {
        let entries = self.forks.iter().flatten();
        entries
            .filter(|(key, event)| {
                let same =
                    |fork: &Fork| fork.get(key).is_some_and(|e| e.event_id == event.event_id);
                !self.forks.iter().all(same)
            })
            .map(|(_, event)| event.event_id.clone())
            .collect()
    }

    /// All events on a way from one conflicted event to another.
    pub fn subgraph(&self) -> BTreeSet<OwnedEventId> {
        let conflicted = self.conflicted();
        self.closure(conflicted.iter().map(|id| &**id))
            .into_iter()
            .filter(|id| !self.closure([&**id]).is_disjoint(&conflicted))
            .collect()
    }

    pub fn maps(&self) -> Vec<StateMap<OwnedEventId>> {
        let ids = |fork: &Fork| {
            fork.iter().map(|(entry, event)| (entry.clone(), event.event_id.clone())).collect()
        };
        self.forks.iter().map(ids).collect()
    }
}

/// Writes the input of `fixtures/from_synapse.py` for versions that have none yet.
#[test]
fn write_forks() {
    if std::env::var_os("SEALPOST_WRITE_FORKS").is_none() {
        return;
    }
    let mut dice = Dice(0xD1CE);
    for version in VERSIONS {
        for number in 0..3 {
            let file = format!(
                "{}/src/room/tests/fixtures/forks-v{version}-{number}.json",
                env!("CARGO_MANIFEST_DIR")
            );
            if std::fs::exists(&file).unwrap() {
                continue;
            }
            let mut room = Room::random(version, &mut dice);
            while room.conflicted().len() < 4 {
                room = Room::random(version, &mut dice);
            }
            let events: Vec<&serde_json::value::RawValue> = room
                .events
                .iter()
                .map(|event| serde_json::from_str(&event.json).unwrap())
                .collect();
            let ids = |fork: &Fork| -> Vec<_> {
                fork.values().map(|event| event.event_id.to_string()).collect()
            };
            let forks: Vec<_> = room.forks.iter().map(ids).collect();
            let fixture = json!({
                "version": version, "events": events, "forks": forks, "resolved": [],
            });
            std::fs::write(file, fixture.to_string()).unwrap();
        }
    }
}
