//! Where events are missing in the timelines of rooms, in memory, bounded: before each event of which a
//! prev_event has no place here.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::{
    error::Result,
    storage::{Conn, Position, RoomNid, events},
};

/// How many rooms are remembered.
const ROOMS: usize = 20_000;

/// The places of events after a gap, the newest first.
type Places = Arc<[Position]>;

pub struct Gaps(Cache<RoomNid, Places>);

impl Default for Gaps {
    fn default() -> Self {
        Self(Cache::new(ROOMS))
    }
}

impl Gaps {
    /// The newest gap of a room's timeline that is before an event with `after < position <= until`; where
    /// that event is.
    pub fn newest(
        &self,
        conn: &mut Conn,
        room: RoomNid,
        (after, until): (Position, Position),
    ) -> Result<Option<Position>> {
        let places = match self.0.get(&room) {
            Some(places) => places,
            None => {
                let read: Places = events::gaps(conn, room)?.into();
                // What a commit has put there meanwhile is newer than what this snapshot shows.
                self.0.get_or_insert_with(&room, || Ok::<_, crate::error::Error>(read))?
            }
        };
        Ok(places.iter().copied().find(|&place| after < place && place <= until))
    }

    /// The gaps of a room that a commit has changed.
    pub fn set(&self, room: RoomNid, places: Vec<Position>) {
        self.0.insert(room, places.into());
    }
}
