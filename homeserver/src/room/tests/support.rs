//! A key, drafts and events for the tests.

use std::collections::BTreeMap;

use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId, RoomVersionId, UInt, UserId,
    events::TimelineEventType,
    room_version_rules::RoomVersionRules,
    serde::{Base64, base64::Standard},
    server_name,
    signatures::{Ed25519KeyPair, PublicKeyMap},
};
use serde_json::{Value, value::to_raw_value};

use crate::room::{
    Pdu,
    build::{BuildError, Draft, build},
    version,
};

/// All that are spoken here.
pub const VERSIONS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
/// Those in which creators have a power level.
pub const BEFORE_12: [&str; 11] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];

/// The seed of the specification's test vectors, as PKCS#8.
pub fn key() -> Ed25519KeyPair {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let seed = Base64::<Standard>::parse("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1");
    der.extend(seed.unwrap().into_inner());
    Ed25519KeyPair::from_der(&der, "1".to_owned()).unwrap()
}

pub fn keys() -> PublicKeyMap {
    let keys = BTreeMap::from([("ed25519:1".to_owned(), Base64::new(key().public_key().to_vec()))]);
    BTreeMap::from([("domain".to_owned(), keys)])
}

pub fn rules(version: &str) -> &'static RoomVersionRules {
    version::rules(&RoomVersionId::try_from(version).unwrap()).unwrap()
}

pub fn draft(sender: &str, event_type: &str, state_key: Option<&str>, content: Value) -> Draft {
    Draft {
        event_type: TimelineEventType::from(event_type),
        state_key: state_key.map(str::to_owned),
        content: to_raw_value(&content).unwrap(),
        redacts: None,
        sender: UserId::parse(sender).unwrap(),
        origin_server_ts: MilliSecondsSinceUnixEpoch(UInt::from(1_000_000_u32)),
    }
}

pub fn try_event(version: &str, draft: Draft) -> Result<Pdu, BuildError> {
    let room_id = match draft.event_type {
        TimelineEventType::RoomCreate if version == "12" => None,
        _ => Some(RoomId::parse("!r:domain").unwrap()),
    };
    let server = server_name!("domain");
    build(draft, room_id.as_deref(), ids(1), ids(3), 7, &key(), server, rules(version))
}

pub fn event(version: &str, draft: Draft) -> Pdu {
    try_event(version, draft).unwrap()
}

pub fn ids(count: u8) -> Vec<OwnedEventId> {
    (0..count).map(|n| OwnedEventId::try_from(format!("${:a<43}", n)).unwrap()).collect()
}
