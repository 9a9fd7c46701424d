//! Tells who came online and who went, a few times in a second.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::service::presence::Presence;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);

/// Runs until `stopping` is cancelled.
pub async fn run(presence: Arc<Presence>, stopping: CancellationToken) {
    let mut due = interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = stopping.cancelled() => return,
        }
        if let Err(error) = presence.tell().await {
            tracing::warn!(%error, "presence was not told");
        }
    }
}
