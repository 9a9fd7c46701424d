//! Servers that something is held to be true of for a while.

use std::collections::HashMap;

use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};

/// Fewer than these are not looked through for those that count no more.
const FEW: usize = 1_000;

pub struct Marks(Mutex<Marked>);

struct Marked {
    /// Until when each counts, in milliseconds.
    until: HashMap<OwnedServerName, i64>,
    /// With how many they are looked through again.
    tidy_at: usize,
}

impl Default for Marks {
    fn default() -> Self {
        Self(Mutex::new(Marked { until: HashMap::new(), tidy_at: FEW }))
    }
}

impl Marks {
    /// Marks a server for so many milliseconds from `now`.
    pub fn set(&self, server: &ServerName, now: i64, for_ms: i64) {
        let mut marked = self.0.lock();
        marked.until.insert(server.to_owned(), now.saturating_add(for_ms));
        if marked.until.len() >= marked.tidy_at {
            marked.until.retain(|_, until| *until > now);
            marked.tidy_at = FEW.max(2 * marked.until.len());
        }
    }

    pub fn remove(&self, server: &ServerName) {
        self.0.lock().until.remove(server);
    }

    pub fn counts(&self, server: &ServerName, now: i64) -> bool {
        self.0.lock().until.get(server).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    #[test]
    fn a_mark_counts_for_a_while_and_those_that_do_not_are_forgotten() {
        let marks = Marks::default();
        marks.set(server_name!("a.test"), 0, 10);
        assert!(marks.counts(server_name!("a.test"), 9));
        assert!(!marks.counts(server_name!("a.test"), 10));
        for number in 0..20 * FEW {
            let name = OwnedServerName::try_from(format!("{number}.test")).unwrap();
            // 3,000 of them count at a time.
            marks.set(&name, number as i64, 3_000);
        }
        assert!(marks.0.lock().until.len() < 7 * FEW);
        marks.remove(server_name!("19999.test"));
        assert!(!marks.counts(server_name!("19999.test"), 20_000));
        assert!(marks.counts(server_name!("19998.test"), 20_000));
    }
}
