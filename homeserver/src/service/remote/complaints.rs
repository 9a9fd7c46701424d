//! What other servers do wrong is logged within bounds: who does nothing but wrong fills no disk.

use std::collections::HashMap;

use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};

use crate::clock::Clock;

/// So many lines are about one server, and about all of them, in a minute.
const OF_ONE: usize = 20;
const OF_ALL: usize = 200;
const MINUTE_MS: i64 = 60_000;
/// Of what another server writes, so many characters go to a line.
const TEXT: usize = 200;

pub struct Complaints {
    clock: Clock,
    minute: Mutex<Minute>,
}

#[derive(Default)]
struct Minute {
    began: i64,
    of: HashMap<OwnedServerName, usize>,
    logged: usize,
    left_out: usize,
}

impl Complaints {
    pub fn new(clock: Clock) -> Self {
        Self { clock, minute: Mutex::default() }
    }

    /// Whether a line that another server is the cause of goes to the log.
    pub fn may_log(&self, server: &ServerName) -> bool {
        let now = self.clock.now_ms();
        let mut minute = self.minute.lock();
        if (now - minute.began).unsigned_abs() >= MINUTE_MS.unsigned_abs() {
            let left_out = std::mem::take(&mut *minute).left_out;
            minute.began = now;
            if left_out > 0 {
                tracing::info!(left_out, "more that other servers did was not logged");
            }
        }
        let of_one = minute.of.get(server).copied().unwrap_or_default();
        if of_one >= OF_ONE || minute.logged >= OF_ALL {
            minute.left_out += 1;
            return false;
        }
        minute.of.insert(server.to_owned(), of_one + 1);
        minute.logged += 1;
        true
    }
}

/// As much of another server's words as goes to a line.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    fn count(complaints: &Complaints, server: &ServerName) -> usize {
        (0..2 * OF_ALL).filter(|_| complaints.may_log(server)).count()
    }

    #[test]
    fn so_many_lines_are_about_one_server_and_about_all_of_them() {
        let clock = Clock::fixed(1_000_000);
        let complaints = Complaints::new(clock.clone());
        assert_eq!(count(&complaints, server_name!("a.test")), OF_ONE);
        assert_eq!(count(&complaints, server_name!("b.test")), OF_ONE);
        let others: usize = (0..OF_ALL)
            .map(|number| OwnedServerName::try_from(format!("{number}.test")).unwrap())
            .map(|name| count(&complaints, &name))
            .sum();
        assert_eq!(others, OF_ALL - 2 * OF_ONE);
        assert!(complaints.minute.lock().of.len() <= OF_ALL);
        clock.advance(MINUTE_MS - 1);
        assert_eq!(count(&complaints, server_name!("c.test")), 0);
        clock.advance(1);
        assert_eq!(count(&complaints, server_name!("a.test")), OF_ONE);
    }
}
