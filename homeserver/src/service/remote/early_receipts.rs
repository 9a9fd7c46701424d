//! Receipts that came before the event they are about: faster than the event, which comes from its own server, or
//! than what is fetched into a gap. They wait in memory, bounded, until the event has its place.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use ruma::{EventId, api::federation::transactions::edu::ReceiptMap};

use super::Remote;
use crate::{
    error::Result,
    service::receipts::{self, Received},
    storage::RoomNid,
};

/// In how many rooms receipts may wait, and how many in each; the oldest goes first.
const ROOMS_MAX: usize = 1_000;
const EACH_MAX: usize = 100;
/// A room whose receipts nothing came for in so long gives up its place to another, in milliseconds.
const AGE_MAX: i64 = 60 * 60 * 1000;

#[derive(Default)]
pub struct EarlyReceipts(Mutex<HashMap<RoomNid, OfRoom>>);

#[derive(Default)]
struct OfRoom {
    waiting: Vec<Received>,
    /// When the last came.
    since: i64,
}

impl EarlyReceipts {
    /// Has receipts wait, each in the place of an older one of the same user in the same thread.
    fn keep(&self, room: RoomNid, early: Vec<Received>, now: i64) {
        let mut rooms = self.0.lock();
        if rooms.len() >= ROOMS_MAX && !rooms.contains_key(&room) {
            rooms.retain(|_, of_room| now - of_room.since < AGE_MAX);
            if rooms.len() >= ROOMS_MAX {
                return;
            }
        }
        let OfRoom { waiting, since } = rooms.entry(room).or_default();
        *since = now;
        for early in early {
            waiting.retain(|known| {
                known.user_id != early.user_id || known.data.thread != early.data.thread
            });
            if waiting.len() >= EACH_MAX {
                waiting.remove(0);
            }
            waiting.push(early);
        }
    }

    /// Takes off what waits for an event.
    fn take(&self, room: RoomNid, event_id: &EventId) -> Vec<Received> {
        let mut rooms = self.0.lock();
        let Some(OfRoom { waiting, .. }) = rooms.get_mut(&room) else { return Vec::new() };
        let taken = waiting.extract_if(.., |receipt| receipt.event_id == event_id).collect();
        if waiting.is_empty() {
            rooms.remove(&room);
        }
        taken
    }
}

impl Remote {
    /// Takes in the receipts of one room.
    pub(super) async fn take_in_receipts_of(
        &self,
        room: RoomNid,
        receipts: ReceiptMap,
    ) -> Result<()> {
        let receipts = receipts.read.into_iter();
        let receipts = receipts.filter_map(|(user_id, receipt)| Received::new(user_id, receipt));
        let early = receipts::received(&self.context, room, receipts.collect()).await?;
        if early.is_empty() {
            return Ok(());
        }
        let mut about: HashSet<_> = early.iter().map(|receipt| receipt.event_id.clone()).collect();
        self.early_receipts.keep(room, early, self.context.clock.now_ms());
        // An event may have got its place between the look and the wait.
        for missing in self.unplaced(about.clone()).await? {
            about.remove(&missing);
        }
        for event_id in about {
            self.placed(room, &event_id).await?;
        }
        Ok(())
    }

    /// An event has got its place: what waited for it is taken in.
    pub(super) async fn placed(&self, room: RoomNid, event_id: &EventId) -> Result<()> {
        let receipts = self.early_receipts.take(room, event_id);
        if !receipts.is_empty() {
            receipts::received(&self.context, room, receipts).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ruma::{MilliSecondsSinceUnixEpoch, OwnedUserId, event_id, events::receipt::Receipt, uint};

    use super::*;

    fn receipt(user: usize, event_id: &EventId) -> Received {
        let user_id = OwnedUserId::try_from(format!("@user{user}:b.test")).unwrap();
        let data = Receipt::new(MilliSecondsSinceUnixEpoch(uint!(1)));
        Received { user_id, event_id: event_id.to_owned(), data }
    }

    #[test]
    fn what_waits_is_bounded_and_a_user_s_later_receipt_takes_the_place_of_an_earlier() {
        let early = EarlyReceipts::default();
        let (one, two) = (event_id!("$one"), event_id!("$two"));
        let room = RoomNid(1);
        early.keep(room, (0..2 * EACH_MAX).map(|user| receipt(user, one)).collect(), 0);
        early.keep(room, vec![receipt(150, two)], 0);
        assert!(early.take(RoomNid(2), one).is_empty());
        let (of_two, of_one) = (early.take(room, two), early.take(room, one));
        assert_eq!((of_two.len(), of_one.len()), (1, EACH_MAX - 1));
        assert_eq!(of_one[0].user_id, "@user100:b.test");
        assert!(early.0.lock().is_empty());

        let fill = |now| {
            for room in 0..2 * ROOMS_MAX {
                early.keep(RoomNid(i64::try_from(room).unwrap()), vec![receipt(1, one)], now);
            }
        };
        fill(0);
        assert_eq!(early.0.lock().len(), ROOMS_MAX);

        // For what never came others do not wait for ever.
        let (again, new) = (RoomNid(0), RoomNid(-1));
        early.keep(again, vec![receipt(2, two)], AGE_MAX - 1);
        early.keep(new, vec![receipt(1, two)], AGE_MAX - 1);
        assert!(early.take(new, two).is_empty(), "no place is free");
        early.keep(new, vec![receipt(1, two)], AGE_MAX);
        assert_eq!(early.take(new, two).len(), 1);
        assert_eq!(early.0.lock().len(), 1, "the room that was kept up");
        assert_eq!(early.take(again, two).len(), 1);
    }
}
