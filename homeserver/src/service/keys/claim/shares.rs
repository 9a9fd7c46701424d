//! How many of a device's one-time keys one caller is given, so that nobody takes those of everybody else. Beyond its
//! share a caller is given the fallback key, as everybody is when no other is left.
//!
//! In memory: a share that was used up is whole again after a restart, or when very many others were used since.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    mem,
};

use parking_lot::Mutex;

const HOUR: i64 = 60 * 60 * 1_000;
/// How many shares are remembered at least; twice as many at most.
const REMEMBERED: usize = 100_000;

/// The shares of callers of a kind.
#[derive(Debug)]
pub struct Shares {
    /// One more after so many milliseconds.
    interval: i64,
    /// As many at once, in the same measure.
    burst: i64,
    hasher: RandomState,
    used: Mutex<Used>,
}

/// When each share that was used will be whole again. Those of `before` were not used lately.
#[derive(Debug, Default)]
struct Used {
    lately: HashMap<u64, i64>,
    before: HashMap<u64, i64>,
}

impl Shares {
    /// Of users: as many as somebody with many devices begins sessions with one device.
    pub fn of_users() -> Self {
        Self::new(20, 24 * HOUR)
    }

    /// Of other servers, each for all its users.
    pub fn of_servers() -> Self {
        Self::new(30, 6 * HOUR)
    }

    fn new(burst: i64, interval: i64) -> Self {
        let (hasher, used) = (RandomState::new(), Mutex::default());
        Self { interval, burst: burst * interval, hasher, used }
    }

    /// Takes one key of a caller's share of a device and algorithm; `false`: it is used up.
    pub fn take(&self, caller: &str, of: (&str, &str, &str), now: i64) -> bool {
        let key = self.hasher.hash_one((caller, of));
        let mut used = self.used.lock();
        let known = used.lately.get(&key).or_else(|| used.before.get(&key));
        let whole_at = known.copied().unwrap_or(now).max(now).saturating_add(self.interval);
        if whole_at.saturating_sub(now) > self.burst {
            return false;
        }
        if used.lately.len() >= REMEMBERED {
            used.before = mem::take(&mut used.lately);
        }
        used.lately.insert(key, whole_at);
        true
    }

    /// One that was taken does not count: there was no key.
    pub fn give_back(&self, caller: &str, of: (&str, &str, &str)) {
        let key = self.hasher.hash_one((caller, of));
        let mut used = self.used.lock();
        let Used { lately, before } = &mut *used;
        if let Some(at) = lately.get_mut(&key).or_else(|| before.get_mut(&key)) {
            *at = at.saturating_sub(self.interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: (&str, &str, &str) = ("@alice:a.test", "PHONE", "a");

    #[test]
    fn a_share_is_used_up_and_grows_again_and_is_of_one_caller_and_device() {
        let shares = Shares::new(3, HOUR);
        let takes =
            |caller: &str, of, now: i64| (0..9).filter(|_| shares.take(caller, of, now)).count();
        assert_eq!(takes("@bob:a.test", PHONE, 0), 3);
        assert_eq!(takes("@carol:a.test", PHONE, 0), 3);
        assert_eq!(takes("@bob:a.test", ("@alice:a.test", "LAPTOP", "a"), 0), 3);
        assert_eq!(takes("@bob:a.test", ("@alice:a.test", "PHONE", "b"), 0), 3);
        assert_eq!(takes("@bob:a.test", PHONE, HOUR - 1), 0);
        assert_eq!(takes("@bob:a.test", PHONE, HOUR), 1);
        shares.give_back("@bob:a.test", PHONE);
        assert_eq!(takes("@bob:a.test", PHONE, HOUR), 1);
        assert_eq!(takes("@bob:a.test", PHONE, 99 * HOUR), 3);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_was_used_lately_stays() {
        let shares = Shares::new(1, HOUR);
        for caller in 0..3 * REMEMBERED {
            assert!(shares.take(&caller.to_string(), PHONE, 0));
            if caller % REMEMBERED == 0 {
                assert!(!shares.take(&caller.to_string(), PHONE, 0));
            }
        }
        let used = shares.used.lock();
        assert!(used.lately.len() + used.before.len() <= 2 * REMEMBERED);
        drop(used);
        assert!(!shares.take(&(2 * REMEMBERED).to_string(), PHONE, 0));
    }
}
