//! What a room that replaces another is made of: its creation content, the state that moves, power levels.

use ruma::{
    OwnedUserId, RoomVersionId, UserId, api::client::room::create_room::v3::RoomPreset,
    events::TimelineEventType, room_version_rules::RoomVersionRules,
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    create::{CREATOR_POWER, default_power_levels},
    send::{Message, raw},
};
use crate::error::Result;

/// What of a room's state moves: the list of the specification, but for the power levels.
const MOVES: [TimelineEventType; 8] = [
    TimelineEventType::RoomJoinRules,
    TimelineEventType::RoomHistoryVisibility,
    TimelineEventType::RoomGuestAccess,
    TimelineEventType::RoomServerAcl,
    TimelineEventType::RoomEncryption,
    TimelineEventType::RoomName,
    TimelineEventType::RoomTopic,
    TimelineEventType::RoomAvatar,
];

/// What is said once, when a room is made.
const OF_THE_OLD_ROOM: [&str; 4] =
    ["room_version", "creator", "predecessor", "additional_creators"];

/// Nobody below this level, or with the default one, speaks in a room that was replaced.
const MODERATOR: i64 = 50;

/// The room that is replaced.
pub(super) struct Old {
    /// The content of its create event.
    pub create: Map<String, Value>,
    pub creators: Vec<OwnedUserId>,
    pub state: Vec<(TimelineEventType, String, Box<RawValue>)>,
    pub has_policy: bool,
    pub bans: Vec<(OwnedUserId, Option<String>)>,
}

/// The room that takes its place.
pub(super) struct New<'a> {
    pub creator: &'a UserId,
    pub additional_creators: Vec<OwnedUserId>,
    pub version: &'a RoomVersionId,
    pub rules: &'static RoomVersionRules,
}

/// Power levels while the room is made, and from then on.
pub(super) struct Levels {
    pub at_first: Map<String, Value>,
    pub at_last: Map<String, Value>,
}

impl New<'_> {
    /// The content of the create event.
    pub fn create(&self, old: &Old, predecessor: Value) -> Result<Value> {
        let mut create = old.create.clone();
        create.retain(|key, _| !OF_THE_OLD_ROOM.contains(&key.as_str()));
        create.insert("room_version".to_owned(), json!(self.version));
        create.insert("predecessor".to_owned(), predecessor);
        if !self.rules.authorization.use_room_create_sender {
            create.insert("creator".to_owned(), json!(self.creator));
        }
        if self.rules.authorization.explicitly_privilege_room_creators {
            let additional: std::collections::BTreeSet<_> =
                self.additional_creators.iter().filter(|user| *user != self.creator).collect();
            if !additional.is_empty() {
                create.insert("additional_creators".to_owned(), json!(additional));
            }
        }
        Ok(create.into())
    }

    /// The state that moves, but for the power levels.
    pub fn state(&self, old: &Old) -> Result<Vec<Message>> {
        let is_space = old.create.get("type").and_then(Value::as_str) == Some("m.space");
        let mut messages = Vec::new();
        for (event_type, state_key, content) in &old.state {
            let moves = MOVES.contains(event_type) && state_key.is_empty();
            let child = is_space
                && *event_type == TimelineEventType::SpaceChild
                && content.get().trim() != "{}";
            if !moves && !child {
                continue;
            }
            let content = match event_type {
                TimelineEventType::RoomJoinRules => self.join_rules(content)?,
                _ => content.clone(),
            };
            messages.push(Message {
                event_type: event_type.clone(),
                state_key: Some(state_key.clone()),
                content,
                redacts: None,
            });
        }
        Ok(messages)
    }

    /// A join rule that the new version does not know lets in those who are invited.
    fn join_rules(&self, content: &RawValue) -> Result<Box<RawValue>> {
        #[derive(Deserialize)]
        struct Rule {
            join_rule: String,
        }
        let knows = &self.rules.authorization;
        let rule = serde_json::from_str::<Rule>(content.get()).map(|rule| rule.join_rule);
        let known = match rule.as_deref() {
            Ok("knock") => knows.knocking,
            Ok("restricted") => knows.restricted_join_rule,
            Ok("knock_restricted") => knows.knock_restricted_join_rule,
            Ok(_) => true,
            Err(_) => false,
        };
        match known {
            true => Ok(content.to_owned()),
            false => raw(&json!({ "join_rule": "invite" })),
        }
    }

    /// The old room's levels, as the new version has them.
    pub fn levels(&self, old: &Old) -> Levels {
        let above_all = self.rules.authorization.explicitly_privilege_room_creators;
        let found = old.state.iter().find(|(event_type, key, _)| {
            *event_type == TimelineEventType::RoomPowerLevels && key.is_empty()
        });
        let content = found.and_then(|(_, _, content)| serde_json::from_str(content.get()).ok());
        let had_levels = content.is_some();
        let mut levels = match content {
            Some(content) => integers(content),
            None => match default_power_levels(&RoomPreset::PrivateChat, above_all) {
                Value::Object(levels) => levels,
                _ => Map::new(),
            },
        };
        if above_all {
            let is_creator = |user: &String| {
                user == self.creator.as_str() || self.additional_creators.iter().any(|a| a == user)
            };
            change_users(&mut levels, |users| users.retain(|user, _| !is_creator(user)));
            return Levels { at_first: levels.clone(), at_last: levels };
        }
        // Creators whose power was above all numbers, or who had it without levels.
        if old.is_above_all() || !had_levels {
            change_users(&mut levels, |users| {
                for creator in &old.creators {
                    users.entry(creator.as_str()).or_insert_with(|| CREATOR_POWER.into());
                }
            });
        }
        // What it takes to make the room as it was.
        let number =
            |value: Option<&Value>, default: i64| value.and_then(Value::as_i64).unwrap_or(default);
        let events = levels.get("events").and_then(Value::as_object);
        let most =
            events.into_iter().flat_map(|events| events.values()).filter_map(Value::as_i64).max();
        let needed = number(levels.get("state_default"), 50)
            .max(number(levels.get("ban"), 50))
            .max(most.unwrap_or(0));
        let default = number(levels.get("users_default"), 0);
        let mut at_first = levels.clone();
        change_users(&mut at_first, |users| {
            if number(users.get(self.creator.as_str()), default) < needed {
                users.insert(self.creator.to_string(), needed.into());
            }
        });
        Levels { at_first, at_last: levels }
    }
}

impl Old {
    /// Whether its creators' power is above all numbers.
    fn is_above_all(&self) -> bool {
        let version = self.create.get("room_version").and_then(Value::as_str);
        let version = version.and_then(|version| RoomVersionId::try_from(version).ok());
        version
            .and_then(|version| crate::room::version::rules(&version))
            .is_some_and(|rules| rules.authorization.explicitly_privilege_room_creators)
    }
}

/// The levels of a room that was replaced, with which only moderators speak and invite; `None` where that is so.
pub(super) fn old_levels(content: Map<String, Value>) -> Option<Map<String, Value>> {
    let before = integers(content);
    let mut levels = before.clone();
    let number = |levels: &Map<String, Value>, key| levels.get(key).and_then(Value::as_i64);
    let needed = MODERATOR.max(number(&levels, "users_default").unwrap_or(0).saturating_add(1));
    for key in ["events_default", "invite"] {
        if number(&levels, key).unwrap_or(0) < needed {
            levels.insert(key.to_owned(), needed.into());
        }
    }
    (levels != before).then_some(levels)
}

/// Levels as numbers, where older versions let them be text; what is neither is left out.
fn integers(mut levels: Map<String, Value>) -> Map<String, Value> {
    fn read(value: &Value) -> Option<i64> {
        match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_i64(),
        }
    }
    levels.retain(|key, value| match key.as_str() {
        "users" | "events" | "notifications" => match value {
            Value::Object(entries) => {
                entries.retain(|_, level| match read(level) {
                    Some(number) => {
                        *level = number.into();
                        true
                    }
                    None => false,
                });
                true
            }
            _ => false,
        },
        _ => match read(value) {
            Some(number) => {
                *value = number.into();
                true
            }
            None => false,
        },
    });
    levels
}

/// Changes `users` of levels, which are made where there are none.
fn change_users(levels: &mut Map<String, Value>, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut users = match levels.remove("users") {
        Some(Value::Object(users)) => users,
        _ => Map::new(),
    };
    change(&mut users);
    levels.insert("users".to_owned(), users.into());
}
