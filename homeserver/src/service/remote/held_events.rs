//! Events of rooms that this server is about to enter ([decision 60]): their senders see the join before this server
//! has the room. What is answered before they can be taken in is in the database by then.
//!
//! [decision 60]: ../../../../docs/decisions/0060-events-of-rooms-being-entered.md

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedServerName, RoomId};
use serde_json::value::RawValue;
use tokio::sync::{Notify, OwnedMutexGuard};

use super::Remote;
use crate::{
    error::{Error, Result},
    room::check::MAX_PDU_BYTES,
    storage::{
        Position,
        held_events::{self, HeldEvent, Incoming, Limits, Size},
    },
};

/// Some servers send `unsigned` along, which does not count for the size of an event.
const BYTES_MAX: usize = 2 * MAX_PDU_BYTES;
const LIMITS: Limits = Limits {
    of_origin: Size { events: 1_000, bytes: 16 << 20 },
    of_all: Size { events: 10_000, bytes: 128 << 20 },
};
/// How many are taken in at once.
const AT_ONCE: i64 = 50;
/// So long they wait for a room to be entered, in milliseconds: a join that came to nothing is tried again.
const WAIT_MS: i64 = 60 * 60 * 1000;

/// A room that is being entered, until this is dropped.
pub(super) struct Entering {
    // Dropped first: who is told finds the room free.
    _one_at_a_time: OwnedMutexGuard<()>,
    _told: Told,
}

struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Remote {
    /// Waits until nobody enters a room, and has it for oneself.
    pub(super) async fn entering(&self, room_id: &OwnedRoomId) -> Entering {
        let lock = self.joining.lock(room_id).await;
        Entering { _one_at_a_time: lock, _told: Told(Arc::clone(&self.entered)) }
    }

    /// Whether a room is being entered in which no user of this server is yet.
    pub(super) async fn is_being_entered(&self, room_id: &OwnedRoomId) -> Result<bool> {
        Ok(self.joining.is_held(room_id) && !self.is_here(room_id).await?)
    }

    async fn is_here(&self, room_id: &RoomId) -> Result<bool> {
        match self.room(room_id).await {
            Ok(info) => self.is_resident(&info).await,
            Err(Error::Matrix { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps events of a room that is being entered, in the database. Whether there was a place for them.
    pub(super) async fn hold(
        &self,
        origin: &OwnedServerName,
        room_id: OwnedRoomId,
        events: &[Box<RawValue>],
    ) -> Result<bool> {
        let events = events.iter().filter(|event| event.get().len() <= BYTES_MAX);
        let events: Vec<Incoming> = events.map(|event| Incoming::new(event.get())).collect();
        let (origin, now) = (origin.to_string(), self.context.clock.now_ms());
        let write = self.context.store.write(move |tx| {
            held_events::insert(tx, (&origin, room_id.as_str()), &events, now, LIMITS)
        });
        let held = write.await?;
        // It may have been entered meanwhile.
        self.entered.notify_one();
        Ok(held)
    }

    /// Waits until a room may have been entered of which events are held.
    pub async fn may_have_entered(&self) {
        self.entered.notified().await;
    }

    /// Takes in what is held of rooms that are entered by now, and of those that are not after a while: it may be
    /// about a knock or an invite. Whether something is left.
    pub async fn take_in_held(&self) -> Result<bool> {
        let mut is_left = false;
        for (room_id, since) in self.context.store.read(held_events::rooms).await? {
            let Ok(room_id) = OwnedRoomId::try_from(room_id) else { continue };
            let is_old = since.saturating_add(WAIT_MS) < self.context.clock.now_ms();
            let waits = !is_old || self.joining.is_held(&room_id);
            if waits && !self.is_here(&room_id).await? {
                is_left = true;
                continue;
            }
            // One room's events hold up no others.
            if let Err(error) = self.take_in_held_of(&room_id, is_old).await {
                tracing::error!(%room_id, %error, "events that are held are not taken in");
                is_left = true;
            }
        }
        Ok(is_left)
    }

    async fn take_in_held_of(&self, room_id: &OwnedRoomId, is_old: bool) -> Result<()> {
        while let Some(until) = self.take_in_first_held(room_id, is_old).await? {
            let room_id = room_id.to_string();
            let delete =
                self.context.store.write(move |tx| held_events::delete_until(tx, &room_id, until));
            delete.await?;
        }
        Ok(())
    }

    /// Takes in the first events of a room. Up to which; `None`: there are none.
    async fn take_in_first_held(
        &self,
        room_id: &OwnedRoomId,
        is_old: bool,
    ) -> Result<Option<Position>> {
        let id = room_id.to_string();
        let read = self.context.store.read(move |conn| held_events::of_room(conn, &id, AT_ONCE));
        let held = read.await?;
        let Some(last) = held.last().map(|event| event.position) else { return Ok(None) };
        for events in held.chunk_by(|one, next| one.origin == next.origin) {
            let Some((origin, events)) = parsed(events) else { continue };
            match self.take_in_room(&origin, room_id.clone(), events).await {
                Ok(taken) => self.postpone(&origin, room_id, taken.waiting).await?,
                Err(error @ Error::Matrix { .. }) if is_old => {
                    tracing::error!(%origin, %room_id, %error, "events of a room are given up");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(last))
    }
}

/// Held events of one server.
fn parsed(events: &[HeldEvent]) -> Option<(OwnedServerName, Vec<Box<RawValue>>)> {
    let origin = OwnedServerName::try_from(&*events.first()?.origin).ok()?;
    let events = events.iter().filter_map(|event| RawValue::from_string(event.json.clone()).ok());
    Some((origin, events.collect()))
}
