use ruma::{
    Int, UserId,
    events::{TimelineEventType, room::power_levels::UserPowerLevel},
};
use serde_json::json;

use super::support::{BEFORE_12, draft, event, rules};
use crate::room::{Pdu, power::Power};

fn create(version: &str) -> Pdu {
    let content = json!({ "creator": "@c:domain", "additional_creators": ["@d:domain"] });
    event(version, draft("@c:domain", "m.room.create", Some(""), content))
}

fn levels(version: &str) -> Pdu {
    let content = json!({
        "users": { "@u:domain": 50 }, "users_default": 1, "events": { "m.room.name": 30 },
        "events_default": 2, "state_default": 40, "kick": 60,
    });
    event(version, draft("@c:domain", "m.room.power_levels", Some(""), content))
}

fn of(power: &Power, user: &str) -> UserPowerLevel {
    power.of(&UserId::parse(user).unwrap())
}

fn int(level: i32) -> UserPowerLevel {
    UserPowerLevel::Int(Int::from(level))
}

#[test]
fn creators_have_infinite_power_from_version_12_on() {
    let power = Power::new(&create("12"), Some(&levels("12")), rules("12")).unwrap();
    assert_eq!(of(&power, "@c:domain"), UserPowerLevel::Infinite);
    assert_eq!(of(&power, "@d:domain"), UserPowerLevel::Infinite);
    let power = Power::new(&create("11"), Some(&levels("11")), rules("11")).unwrap();
    assert_eq!(of(&power, "@c:domain"), int(1));
}

#[test]
fn without_power_levels_the_creator_has_100_and_others_none() {
    for version in BEFORE_12 {
        let power = Power::new(&create(version), None, rules(version)).unwrap();
        assert_eq!(of(&power, "@c:domain"), int(100));
        assert_eq!(of(&power, "@d:domain"), int(0));
        assert_eq!(power.to_send(&TimelineEventType::RoomName, true), Int::from(50));
    }
}

#[test]
fn levels_are_as_the_event_says_or_as_the_specification_does() {
    let power = Power::new(&create("10"), Some(&levels("10")), rules("10")).unwrap();
    assert_eq!(of(&power, "@u:domain"), int(50));
    assert_eq!(of(&power, "@x:domain"), int(1));
    assert_eq!(power.to_send(&TimelineEventType::RoomName, true), Int::from(30));
    assert_eq!(power.to_send(&TimelineEventType::RoomTopic, true), Int::from(40));
    assert_eq!(power.to_send(&TimelineEventType::RoomMessage, false), Int::from(2));
    assert_eq!((power.kick, power.ban), (Int::from(60), Int::from(50)));
    assert_eq!((power.invite, power.redact), (Int::from(0), Int::from(50)));
    let name = &TimelineEventType::RoomName;
    assert!(power.may_send(&UserId::parse("@u:domain").unwrap(), name, true));
    assert!(!power.may_send(&UserId::parse("@x:domain").unwrap(), name, true));
}
