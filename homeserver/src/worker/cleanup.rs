//! Forgets what has served its time.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, service::cleanup};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Runs until `stopping` is cancelled.
pub async fn run(cleanup: cleanup::Cleanup, clock: Clock, stopping: CancellationToken) {
    let mut due = interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = stopping.cancelled() => return,
        }
        if let Err(error) = cleanup.run(clock.now_ms()).await {
            tracing::warn!(%error, "cleaning up failed; it is tried again later");
        }
    }
}
