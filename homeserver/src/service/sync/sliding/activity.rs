//! When something last happened in each room, in memory, bounded.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::{
    error::Result,
    service::{notifier::Subject, timeline::Context},
    storage::{Conn, Position, RoomNid, current_position, events},
};

/// What moves a room up in a client's list.
const BUMPING: [&str; 7] = [
    "m.room.create",
    "m.room.message",
    "m.room.encrypted",
    "m.sticker",
    "m.call.invite",
    "m.poll.start",
    "m.beacon_info",
];
const ROOMS: usize = 20_000;
/// How many events are looked at in turn for one that moves the room up.
const LOOKS: [i64; 3] = [8, 128, 1_024];

#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    at: Position,
    /// Of the newest event.
    pub last: Position,
    /// Of the newest that moves the room up, if there was one lately.
    pub bump: Option<Position>,
}

pub(super) struct Activities {
    cache: Cache<RoomNid, Arc<Activity>>,
}

impl Default for Activities {
    fn default() -> Self {
        Self { cache: Cache::new(ROOMS) }
    }
}

impl Activities {
    /// As of the snapshot of `conn`, or later.
    pub fn get(&self, context: &Context, conn: &mut Conn, room: RoomNid) -> Result<Arc<Activity>> {
        if let Some(activity) = self.cache.get(&room)
            && context.notifier.last_change(Subject::Room(room)) <= activity.at
        {
            return Ok(activity);
        }
        let at = current_position(conn)?;
        let mut last = Position(0);
        let mut bump = None;
        for look in LOOKS {
            let newest = events::newest_types(conn, room, look)?;
            last = newest.first().map_or(Position(0), |(position, _)| *position);
            let found = newest.iter().find(|(_, kind)| BUMPING.contains(&kind.as_str()));
            bump = found.map(|(position, _)| *position);
            if bump.is_some() || (newest.len() as i64) < look {
                break;
            }
        }
        let activity = Arc::new(Activity { at, last, bump });
        self.cache.insert(room, activity.clone());
        Ok(activity)
    }
}
