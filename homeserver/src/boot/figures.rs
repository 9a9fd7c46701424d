//! The figures at `/metrics` besides those of the routes.

use std::fs;

use crate::{
    http::metrics::{Kind, Metrics},
    storage::Store,
};

pub(super) fn figures(store: &Store) -> Metrics {
    let mut metrics = Metrics::default();
    let commits = store.clone();
    metrics.add(Kind::Counter, "sealpost_commits_total", "Commits to the database.", move || {
        commits.commits() as f64
    });
    let slow = store.clone();
    metrics.add(
        Kind::Counter,
        "sealpost_slow_writes_total",
        "Write closures that held the writer for more than 5 ms.",
        move || slow.slow_writes() as f64,
    );
    let position = store.clone();
    metrics.add(Kind::Gauge, "sealpost_position", "Last position of the stream.", move || {
        position.position().0 as f64
    });
    metrics.add(
        Kind::Gauge,
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        || resident_bytes().unwrap_or_default(),
    );
    metrics
}

/// As the kernel tells it; `None` where it does not.
fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}
