//! Tells rooms of profiles that changed before the last stop.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::service::profiles::Profiles;

/// Between tries.
const AGAIN: Duration = Duration::from_secs(60);

/// Runs until nothing is queued, or `stopping` is cancelled.
pub async fn run(profiles: Arc<Profiles>, stopping: CancellationToken) {
    let work = async {
        while let Err(error) = profiles.update_queued().await {
            tracing::warn!(%error, "telling rooms of profiles failed; it is tried again later");
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stopping.cancelled() => {}
    }
}
