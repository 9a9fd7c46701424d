//! `summary` of a room: how many are in it, and whom it is named after.

use ruma::{UInt, api::client::sync::sync_events::v3::RoomSummary};

use super::Scope;
use crate::{
    error::Result,
    service::room_digest::RoomDigest,
    storage::{Conn, Position, state::Change},
};

/// What of the state it is made of.
const PARTS: [&str; 3] = ["m.room.member", "m.room.name", "m.room.canonical_alias"];

/// Whether changes of a room's state may change its summary.
pub fn is_changed(
    scope: &Scope<'_>,
    conn: &mut Conn,
    changes: &[(Position, Change)],
) -> Result<bool> {
    for (_, (key, _)) in changes {
        let key = scope.context.store.state_keys().key(conn, *key)?;
        if key.is_some_and(|key| PARTS.contains(&&*key.event_type)) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub fn summary(scope: &Scope<'_>, digest: &RoomDigest) -> RoomSummary {
    let mut summary = RoomSummary::default();
    if !digest.is_named() {
        let heroes = digest.heroes(scope.caller.user_nid);
        summary.heroes = heroes.map(|hero| hero.user_id.clone()).collect();
    }
    summary.joined_member_count = UInt::new(digest.joined);
    summary.invited_member_count = UInt::new(digest.invited);
    summary
}
