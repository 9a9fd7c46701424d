//! Has deactivated users leave their rooms.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::departures::Departures;

/// After a failure it is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Runs until `stopping` is cancelled.
pub async fn run(departures: Departures, stopping: CancellationToken) {
    loop {
        let next = async {
            match departures.run().await {
                Ok(()) => departures.due.notified().await,
                Err(error) => {
                    tracing::warn!(%error, "leaving rooms failed; it is tried again");
                    sleep(AGAIN_AFTER).await;
                }
            }
        };
        tokio::select! {
            () = next => {}
            () = stopping.cancelled() => return,
        }
    }
}
