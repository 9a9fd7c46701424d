//! Rooms that were entered without their members ([decision 49](../../../docs/decisions/0049-rooms-without-their-members.md)):
//! which they are, in memory, and waiting for the members.
//!
//! A room is *partial* from the commit that enters it until the commit that makes it *whole*
//! (`timeline/whole.rs`), or until nobody of this server is in it any more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::StatusCode;
use parking_lot::RwLock;
use ruma::api::error::ErrorKind;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub use crate::storage::RoomNid;
use crate::{
    error::{Error, Result},
    storage::Position,
};

/// So long a request waits for a room's members.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct PartialRooms {
    rooms: RwLock<HashMap<RoomNid, Room>>,
    /// Notified when a room was entered.
    news: Notify,
    stopping: CancellationToken,
}

enum Room {
    Partial(Arc<Wait>),
    /// Since when.
    Whole(Position),
}

#[derive(Default)]
struct Wait {
    /// Cancelled when the room is not partial any more.
    ended: CancellationToken,
    /// Notified when a membership of this server's users changed.
    changed: Notify,
}

impl PartialRooms {
    /// As the database has them.
    pub fn new(rooms: Vec<(RoomNid, Option<Position>)>) -> Self {
        let room = |at: Option<Position>| at.map_or_else(partial, Room::Whole);
        let rooms = rooms.into_iter().map(|(nid, at)| (nid, room(at))).collect();
        Self { rooms: RwLock::new(rooms), ..Self::default() }
    }

    pub fn is_partial(&self, room: RoomNid) -> bool {
        matches!(self.rooms.read().get(&room), Some(Room::Partial(_)))
    }

    /// All partial rooms.
    pub fn all(&self) -> Vec<RoomNid> {
        let rooms = self.rooms.read();
        let partial = rooms.iter().filter(|(_, room)| matches!(room, Room::Partial(_)));
        partial.map(|(&nid, _)| nid).collect()
    }

    /// Whether the members of a room came after `since`: who was told of the room before does not know them.
    pub fn is_whole_since(&self, room: RoomNid, since: Position) -> bool {
        matches!(self.rooms.read().get(&room), Some(Room::Whole(at)) if *at > since)
    }

    /// A room was entered without its members. Called after the commit, as are the next two.
    pub fn enter(&self, room: RoomNid) {
        self.set(room, Some(partial()));
        self.news.notify_one();
    }

    pub fn complete(&self, room: RoomNid, at: Position) {
        self.set(room, Some(Room::Whole(at)));
    }

    /// The room was left, or entered with its members.
    pub fn forget(&self, room: RoomNid) {
        self.set(room, None);
    }

    fn set(&self, nid: RoomNid, room: Option<Room>) {
        let mut rooms = self.rooms.write();
        let before = match room {
            Some(room) => rooms.insert(nid, room),
            None => rooms.remove(&nid),
        };
        if let Some(Room::Partial(wait)) = before {
            wait.ended.cancel();
        }
    }

    /// A user of this server came or went.
    pub fn member_changed(&self, room: RoomNid) {
        if let Some(Room::Partial(wait)) = self.rooms.read().get(&room) {
            wait.changed.notify_one();
        }
    }

    /// Waits until a user of this server comes into a partial room or goes, or the room is not partial any more.
    pub async fn member_change(&self, room: RoomNid) {
        let wait = match self.rooms.read().get(&room) {
            Some(Room::Partial(wait)) => wait.clone(),
            _ => return,
        };
        tokio::select! {
            () = wait.changed.notified() => {}
            () = wait.ended.cancelled() => {}
        }
    }

    /// Waits until a room is entered.
    pub async fn entered(&self) {
        self.news.notified().await;
    }

    /// Waits until a room is not partial any more, for so long at most. Whether that is so.
    pub async fn ended_within(&self, room: RoomNid, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let partial = match self.rooms.read().get(&room) {
                Some(Room::Partial(wait)) => wait.clone(),
                _ => return true,
            };
            let wait = timeout_at(deadline, partial.ended.cancelled());
            tokio::select! {
                waited = wait => if waited.is_err() { return false },
                () = self.stopping.cancelled() => return false,
            }
        }
    }

    /// Waits for the members of a room; 504 when they do not come.
    pub async fn wait(&self, room: RoomNid) -> Result<()> {
        if self.ended_within(room, PATIENCE).await {
            return Ok(());
        }
        if self.stopping.is_cancelled() {
            return Err(Error::Stopping);
        }
        let message = "This room's members are still being fetched from other servers";
        Err(Error::matrix(StatusCode::GATEWAY_TIMEOUT, ErrorKind::Unknown, message))
    }

    /// Nobody waits any longer: the server stops.
    pub fn stop(&self) {
        self.stopping.cancel();
    }
}

fn partial() -> Room {
    Room::Partial(Arc::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_goes_on_when_the_room_is_whole_and_not_without_end() {
        let rooms = PartialRooms::new(vec![(RoomNid(1), None), (RoomNid(2), Some(Position(5)))]);
        assert_eq!(rooms.all(), [RoomNid(1)]);
        assert!(rooms.is_whole_since(RoomNid(2), Position(4)));
        assert!(!rooms.is_whole_since(RoomNid(2), Position(5)));
        rooms.wait(RoomNid(2)).await.unwrap();
        assert!(!rooms.ended_within(RoomNid(1), Duration::ZERO).await, "it takes too long");

        let mut waiting = Box::pin(rooms.wait(RoomNid(1)));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        rooms.complete(RoomNid(1), Position(9));
        waiting.await.unwrap();
        assert!(rooms.is_whole_since(RoomNid(1), Position(8)));

        rooms.enter(RoomNid(3));
        let mut waiting = Box::pin(rooms.wait(RoomNid(3)));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        rooms.stop();
        assert!(matches!(waiting.await, Err(Error::Stopping)));
    }
}
