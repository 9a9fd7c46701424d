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

pub struct Gaps(Cache<RoomNid, Known>);

#[derive(Clone)]
enum Known {
    Here(Places),
    /// A commit is changing them: only the database tells what a snapshot holds.
    Changing,
}

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
        let known = match self.0.get(&room) {
            Some(known) => known,
            None => {
                let read = Known::Here(events::gaps(conn, room)?.into());
                // What a commit has put there meanwhile is newer than what this snapshot shows.
                self.0.get_or_insert_with(&room, || Ok::<_, crate::error::Error>(read))?
            }
        };
        let places = match known {
            Known::Here(places) => places,
            Known::Changing => events::gaps(conn, room)?.into(),
        };
        Ok(places.iter().copied().find(|&place| after < place && place <= until))
    }

    /// A commit is about to change a room's gaps. Readers may see it before [`Self::set`] does.
    pub fn change(&self, room: RoomNid) {
        self.0.insert(room, Known::Changing);
    }

    /// The gaps of a room that a commit has changed.
    pub fn set(&self, room: RoomNid, places: Vec<Position>) {
        self.0.insert(room, Known::Here(places.into()));
    }
}
