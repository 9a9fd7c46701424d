//! The room versions spoken here. To add one: its line in [`SUPPORTED`] and in [`rules`], and fixtures in
//! `tests/room/`; what else differs is asked of [`RoomVersionRules`] where it matters.

use ruma::{RoomId, RoomVersionId, room_version_rules::RoomVersionRules};

/// Every version a room may have here, oldest first.
pub const SUPPORTED: [RoomVersionId; 12] = [
    RoomVersionId::V1,
    RoomVersionId::V2,
    RoomVersionId::V3,
    RoomVersionId::V4,
    RoomVersionId::V5,
    RoomVersionId::V6,
    RoomVersionId::V7,
    RoomVersionId::V8,
    RoomVersionId::V9,
    RoomVersionId::V10,
    RoomVersionId::V11,
    RoomVersionId::V12,
];

/// The rules of a version. `None`: not supported.
pub fn rules(version: &RoomVersionId) -> Option<&'static RoomVersionRules> {
    match version {
        RoomVersionId::V1 => Some(&RoomVersionRules::V1),
        RoomVersionId::V2 => Some(&RoomVersionRules::V2),
        RoomVersionId::V3 => Some(&RoomVersionRules::V3),
        RoomVersionId::V4 => Some(&RoomVersionRules::V4),
        RoomVersionId::V5 => Some(&RoomVersionRules::V5),
        RoomVersionId::V6 => Some(&RoomVersionRules::V6),
        RoomVersionId::V7 => Some(&RoomVersionRules::V7),
        RoomVersionId::V8 => Some(&RoomVersionRules::V8),
        RoomVersionId::V9 => Some(&RoomVersionRules::V9),
        RoomVersionId::V10 => Some(&RoomVersionRules::V10),
        RoomVersionId::V11 => Some(&RoomVersionRules::V11),
        RoomVersionId::V12 => Some(&RoomVersionRules::V12),
        _ => None,
    }
}

/// Whether a room of this version can have this id: it names no server exactly where it is the create event's hash.
pub fn fits(room_id: &RoomId, rules: &RoomVersionRules) -> bool {
    room_id.server_name().is_none() == rules.authorization.room_create_event_id_as_room_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_version_has_rules() {
        assert!(SUPPORTED.iter().all(|version| rules(version).is_some()));
        assert!(rules(&RoomVersionId::try_from("13").unwrap()).is_none());
    }
}
