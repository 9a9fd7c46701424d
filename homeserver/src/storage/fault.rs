//! Named points at which a test build dies. Without the feature `fault-injection` they are nothing.
//!
//! The environment variable `SEALPOST_KILL_AT` holds `NAME` or `NAME#N`: the process aborts the first or
//! the Nth time it passes the point.

/// The points, as `SEALPOST_KILL_AT` names them; a migration's are these with `:` and its version.
pub(super) const BEFORE_COMMIT: &str = "before-commit";
pub(super) const AFTER_COMMIT: &str = "after-commit";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const MIGRATION: &str = "migration";
pub(super) const AFTER_MIGRATION: &str = "after-migration";

#[cfg(not(feature = "fault-injection"))]
mod points {
    pub(in super::super) const fn point(_name: &str) {}

    pub(in super::super) const fn during(_name: &str) {}
}

#[cfg(feature = "fault-injection")]
mod points {
    use std::{
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering},
        },
        thread,
        time::Duration,
    };

    /// Aborts here, if told so.
    pub(in super::super) fn point(name: &str) {
        if is_due(name) {
            std::process::abort();
        }
    }

    /// Aborts in the midst of what follows, if told so.
    pub(in super::super) fn during(name: &str) {
        if is_due(name) {
            thread::spawn(|| {
                thread::sleep(Duration::from_micros(400));
                std::process::abort();
            });
        }
    }

    fn is_due(name: &str) -> bool {
        static TOLD: OnceLock<Option<(String, u64)>> = OnceLock::new();
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let told = TOLD.get_or_init(|| {
            let told = std::env::var("SEALPOST_KILL_AT").ok()?;
            Some(match told.split_once('#') {
                Some((name, count)) => (name.to_owned(), count.parse().unwrap_or(1)),
                None => (told, 1),
            })
        });
        told.as_ref().is_some_and(|(point, count)| {
            point == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
        })
    }
}

pub(super) use points::{during, point};
