//! Wakes those who wait for news, with a position and never with data.
//!
//! It remembers, within a bound, the position at which each room and each user last changed, so that
//! "has anything changed for me since N?" is answered without a query. What it has forgotten counts as
//! changed at `floor`, the highest position forgotten.
//!
//! What is not stored (typing, presence) has serials of its own beside the positions. They begin at the
//! time of the start, in milliseconds, so that they grow over restarts.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::storage::{Position, RoomNid, UserNid};

/// A thing that changes and that somebody may wait for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Subject {
    Room(RoomNid),
    User(UserNid),
    /// The current state of a room.
    State(RoomNid),
    /// The receipts of a room.
    Receipts(RoomNid),
    /// What a device is told of its own: keys, messages. The device's id is a hash, see [`Subject::device`].
    Device(UserNid, u64),
    /// The devices or cross-signing keys of any user.
    DeviceLists,
    /// Events of this server, for the federation sender.
    Outbox,
}

impl Subject {
    /// A device. Two with the same hash only wake one another for nothing.
    pub fn device(user: UserNid, device_id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        device_id.hash(&mut hasher);
        Self::Device(user, hasher.finish())
    }
}

/// A place in the stream of what is not stored.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Serial(pub i64);

#[derive(Debug)]
pub struct Notifier {
    position: AtomicI64,
    inner: Mutex<Inner>,
    capacity: usize,
}

#[derive(Debug)]
struct Inner {
    floor: Position,
    changed: HashMap<Subject, Position>,
    serial: Serial,
    serial_floor: Serial,
    stirred: HashMap<Subject, Serial>,
    waiting: HashMap<Subject, Vec<Weak<Notify>>>,
    stopped: bool,
}

impl Notifier {
    /// `position` is the last one committed, `serial` above all that were ever given out; `capacity` bounds
    /// how many subjects are remembered.
    pub fn new(position: Position, serial: Serial, capacity: usize) -> Self {
        Self {
            position: AtomicI64::new(position.0),
            inner: Mutex::new(Inner {
                floor: position,
                changed: HashMap::new(),
                serial,
                serial_floor: serial,
                stirred: HashMap::new(),
                waiting: HashMap::new(),
                stopped: false,
            }),
            capacity: capacity.max(2),
        }
    }

    /// Tells that `subjects` changed at `position`, which is committed. Called in commit order.
    pub fn advance(&self, position: Position, subjects: impl IntoIterator<Item = Subject>) {
        let mut inner = self.inner.lock();
        for subject in subjects {
            inner.changed.insert(subject, position);
            inner.wake(subject);
        }
        if inner.changed.len() > self.capacity {
            inner.forget_older_half();
        }
        self.position.fetch_max(position.0, Ordering::AcqRel);
    }

    /// Tells that something about `subjects` changed that is not stored, which can be seen by now. Returns
    /// its serial.
    pub fn stir(&self, subjects: impl IntoIterator<Item = Subject>) -> Serial {
        let mut inner = self.inner.lock();
        inner.serial.0 += 1;
        let serial = inner.serial;
        for subject in subjects {
            inner.stirred.insert(subject, serial);
            inner.wake(subject);
        }
        if inner.stirred.len() > self.capacity {
            inner.forget_older_half_stirred();
        }
        serial
    }

    /// The last serial told.
    pub fn serial(&self) -> Serial {
        self.inner.lock().serial
    }

    /// Whether something that is not stored may have changed about one of `subjects` after `since`.
    pub fn stirred_since(
        &self,
        since: Serial,
        subjects: impl IntoIterator<Item = Subject>,
    ) -> bool {
        let inner = self.inner.lock();
        subjects.into_iter().any(|subject| inner.last_stir(subject) > since)
    }

    /// The last position told.
    pub fn position(&self) -> Position {
        Position(self.position.load(Ordering::Acquire))
    }

    /// Whether one of `subjects` may have changed after `since`.
    pub fn changed_since(
        &self,
        since: Position,
        subjects: impl IntoIterator<Item = Subject>,
    ) -> bool {
        let inner = self.inner.lock();
        subjects.into_iter().any(|subject| inner.last_change(subject) > since)
    }

    /// When `subject` changed last, or later.
    pub fn last_change(&self, subject: Subject) -> Position {
        self.inner.lock().last_change(subject)
    }

    /// Waits until one of `subjects` has changed after `since`, or the server stops.
    pub async fn changed(&self, since: Position, subjects: &[Subject]) {
        self.changed_or_stirred(since, Serial(i64::MAX), subjects).await;
    }

    /// The same, also for what is not stored.
    pub async fn changed_or_stirred(&self, since: Position, serial: Serial, subjects: &[Subject]) {
        let notify = Arc::new(Notify::new());
        let _registration = {
            let mut inner = self.inner.lock();
            let news = |&s: &Subject| inner.last_change(s) > since || inner.last_stir(s) > serial;
            if inner.stopped || subjects.iter().any(news) {
                return;
            }
            for &subject in subjects {
                let waiters = inner.waiting.entry(subject).or_default();
                waiters.push(Arc::downgrade(&notify));
            }
            Registration { notifier: self, subjects, notify: &notify }
        };
        notify.notified().await;
    }

    /// Ends every wait, now and later.
    pub fn stop(&self) {
        let mut inner = self.inner.lock();
        inner.stopped = true;
        for waiter in inner.waiting.drain().flat_map(|(_, waiters)| waiters) {
            if let Some(waiter) = waiter.upgrade() {
                waiter.notify_one();
            }
        }
    }

    /// Whether [`Notifier::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.inner.lock().stopped
    }

    /// Wakes those who wait for `subject` although nothing changed, so that they look again.
    pub fn wake(&self, subject: Subject) {
        self.inner.lock().wake(subject);
    }
}

impl Inner {
    fn last_change(&self, subject: Subject) -> Position {
        self.changed.get(&subject).copied().unwrap_or(self.floor)
    }

    fn last_stir(&self, subject: Subject) -> Serial {
        self.stirred.get(&subject).copied().unwrap_or(self.serial_floor)
    }

    fn wake(&mut self, subject: Subject) {
        for waiter in self.waiting.remove(&subject).unwrap_or_default() {
            if let Some(waiter) = waiter.upgrade() {
                waiter.notify_one();
            }
        }
    }

    fn forget_older_half_stirred(&mut self) {
        let mut serials: Vec<Serial> = self.stirred.values().copied().collect();
        let middle = serials.len() / 2;
        let (_, &mut floor, _) = serials.select_nth_unstable(middle);
        self.serial_floor = self.serial_floor.max(floor);
        self.stirred.retain(|_, serial| *serial > floor);
    }

    fn forget_older_half(&mut self) {
        let mut positions: Vec<Position> = self.changed.values().copied().collect();
        let middle = positions.len() / 2;
        let (_, &mut floor, _) = positions.select_nth_unstable(middle);
        self.floor = self.floor.max(floor);
        self.changed.retain(|_, position| *position > floor);
    }
}

/// Takes a waiter off the lists when it stops waiting.
struct Registration<'a> {
    notifier: &'a Notifier,
    subjects: &'a [Subject],
    notify: &'a Arc<Notify>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut inner = self.notifier.inner.lock();
        for subject in self.subjects {
            if let Some(waiters) = inner.waiting.get_mut(subject) {
                waiters.retain(|waiter| !std::ptr::eq(waiter.as_ptr(), Arc::as_ptr(self.notify)));
                if waiters.is_empty() {
                    inner.waiting.remove(subject);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(n: i64) -> Subject {
        Subject::Room(RoomNid(n))
    }

    #[test]
    fn what_was_forgotten_counts_as_changed() {
        let notifier = Notifier::new(Position(10), Serial(0), 8);
        assert!(notifier.changed_since(Position(9), [room(1)]));
        assert!(!notifier.changed_since(Position(10), [room(1)]));
        for n in 1..100 {
            notifier.advance(Position(10 + n), [room(n)]);
        }
        assert!(notifier.changed_since(Position(12), [room(1)]), "forgotten: may have changed");
        assert!(notifier.changed_since(Position(108), [room(99)]));
        assert!(!notifier.changed_since(Position(109), [room(99), room(1)]));
        assert!(notifier.inner.lock().changed.len() <= 8);
    }

    #[tokio::test]
    async fn a_waiter_wakes_at_the_change_of_its_room_and_leaves_nothing_behind() {
        let notifier = Arc::new(Notifier::new(Position(0), Serial(0), 100));
        let waiting = {
            let notifier = notifier.clone();
            tokio::spawn(async move { notifier.changed(Position(0), &[room(1), room(2)]).await })
        };
        while notifier.inner.lock().waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        notifier.advance(Position(1), [room(3)]);
        assert!(!waiting.is_finished());
        notifier.advance(Position(2), [room(2)]);
        waiting.await.unwrap();
        assert!(notifier.inner.lock().waiting.is_empty());
        notifier.changed(Position(1), &[room(2)]).await;
    }

    #[tokio::test]
    async fn what_is_not_stored_wakes_too_and_has_its_own_serials() {
        let notifier = Notifier::new(Position(5), Serial(1_000), 8);
        assert!(notifier.stirred_since(Serial(999), [room(1)]));
        assert!(!notifier.stirred_since(Serial(1_000), [room(1)]));
        assert_eq!(notifier.stir([room(1)]), Serial(1_001));
        assert!(notifier.stirred_since(Serial(1_000), [room(1)]));
        assert!(!notifier.stirred_since(Serial(1_000), [room(2)]));
        assert!(!notifier.changed_since(Position(5), [room(1)]));
        notifier.changed_or_stirred(Position(5), Serial(1_000), &[room(2), room(1)]).await;
        for n in 0..100 {
            notifier.stir([room(n)]);
        }
        assert!(notifier.stirred_since(Serial(1_050), [room(1)]), "forgotten: may have changed");
        assert!(notifier.inner.lock().stirred.len() <= 8);
    }

    #[tokio::test]
    async fn stop_ends_all_waits() {
        let notifier = Arc::new(Notifier::new(Position(0), Serial(0), 100));
        let waiting = {
            let notifier = notifier.clone();
            tokio::spawn(async move { notifier.changed(Position(0), &[room(1)]).await })
        };
        while notifier.inner.lock().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        notifier.stop();
        waiting.await.unwrap();
        notifier.changed(Position(0), &[room(1)]).await;
    }
}
