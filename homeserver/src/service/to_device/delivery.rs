//! What a session was handed of the messages to its device, and what of that has come.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::storage::Position;

/// Begins without knowledge: what was handed out before a restart is in the database.
#[derive(Debug, Default)]
pub struct Delivery {
    is_known: AtomicBool,
    handed: AtomicI64,
    acknowledged: AtomicI64,
    come: AtomicI64,
}

impl Delivery {
    /// All up to `position` is in an answer.
    pub fn handed(&self, position: Position) {
        self.handed.fetch_max(position.0, Ordering::AcqRel);
    }

    /// All up to `until` has come, and is to be deleted.
    pub fn has_come(&self, until: Position) {
        self.come.fetch_max(until.0, Ordering::AcqRel);
    }

    /// Up to where all has come, as far as this session tells.
    pub fn come(&self) -> Position {
        Position(self.come.load(Ordering::Acquire))
    }

    /// All up to `until` has come and is deleted.
    pub fn acknowledged(&self, until: Position) {
        self.acknowledged.fetch_max(until.0, Ordering::AcqRel);
    }

    /// Whether something may be left to delete when all up to `until` has come.
    pub fn is_behind(&self, until: Position) -> bool {
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        let all_gone = self.is_known() && self.handed.load(Ordering::Acquire) <= acknowledged;
        until.0 > acknowledged && !all_gone
    }

    pub fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Acquire)
    }

    /// The last message in the database, if there is one.
    pub fn learn(&self, last: Option<Position>) {
        self.handed(last.unwrap_or(Position(0)));
        self.is_known.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_nothing_to_delete_until_something_is_handed_out() {
        let delivery = Delivery::default();
        assert!(delivery.is_behind(Position(5)), "nothing is known yet");
        delivery.learn(None);
        delivery.acknowledged(Position(5));
        assert!(!delivery.is_behind(Position(9)));
        delivery.handed(Position(12));
        assert!(!delivery.is_behind(Position(5)), "the same token");
        assert!(delivery.is_behind(Position(12)));
        delivery.acknowledged(Position(12));
        assert!(!delivery.is_behind(Position(20)));
    }
}
