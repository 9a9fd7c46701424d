//! Tries events again of which what they stand on could not be had when they came.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::remote::Remote;

/// So long it waits at least and at most while there are such events.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Runs until `stopping` is cancelled.
pub async fn run(remote: Arc<Remote>, stopping: CancellationToken) {
    loop {
        let next = async {
            let wait = remote.try_postponed().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "events were not tried again");
                Some(PAUSE_MAX)
            });
            match wait {
                Some(wait) => sleep(wait.clamp(PAUSE, PAUSE_MAX)).await,
                None => remote.has_postponed().await,
            }
        };
        tokio::select! {
            () = next => {}
            () = stopping.cancelled() => return,
        }
    }
}
