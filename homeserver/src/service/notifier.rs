//! Wakes those who wait for news, with a position and never with data.
//!
//! It remembers, within a bound, the position at which each room and each user last changed, so that
//! "has anything changed for me since N?" is answered without a query. What it has forgotten counts as
//! changed at `floor`, the highest position forgotten.

use std::{
    collections::HashMap,
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
    /// Events of this server, for the federation sender.
    Outbox,
}

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
    waiting: HashMap<Subject, Vec<Weak<Notify>>>,
    stopped: bool,
}

impl Notifier {
    /// `position` is the last one committed; `capacity` bounds how many subjects are remembered.
    pub fn new(position: Position, capacity: usize) -> Self {
        Self {
            position: AtomicI64::new(position.0),
            inner: Mutex::new(Inner {
                floor: position,
                changed: HashMap::new(),
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
            for waiter in inner.waiting.remove(&subject).unwrap_or_default() {
                if let Some(waiter) = waiter.upgrade() {
                    waiter.notify_one();
                }
            }
        }
        if inner.changed.len() > self.capacity {
            inner.forget_older_half();
        }
        self.position.fetch_max(position.0, Ordering::AcqRel);
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
        let notify = Arc::new(Notify::new());
        let _registration = {
            let mut inner = self.inner.lock();
            if inner.stopped || subjects.iter().any(|&s| inner.last_change(s) > since) {
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
        for waiter in self.inner.lock().waiting.remove(&subject).unwrap_or_default() {
            if let Some(waiter) = waiter.upgrade() {
                waiter.notify_one();
            }
        }
    }
}

impl Inner {
    fn last_change(&self, subject: Subject) -> Position {
        self.changed.get(&subject).copied().unwrap_or(self.floor)
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
        let notifier = Notifier::new(Position(10), 8);
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
        let notifier = Arc::new(Notifier::new(Position(0), 100));
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
    async fn stop_ends_all_waits() {
        let notifier = Arc::new(Notifier::new(Position(0), 100));
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
