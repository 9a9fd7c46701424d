//! Ends upgrades of rooms that the last stop interrupted.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::service::rooms::Rooms;

/// Between tries.
const AGAIN: Duration = Duration::from_secs(60);

/// Runs until none is left, or `stopping` is cancelled.
pub async fn run(rooms: Arc<Rooms>, stopping: CancellationToken) {
    let work = async {
        while let Err(error) = rooms.finish_upgrades().await {
            tracing::warn!(%error, "upgrades of rooms were not ended; it is tried again later");
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stopping.cancelled() => {}
    }
}
