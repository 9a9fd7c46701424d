//! Has guests leave rooms that let none in any more.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::rooms::Rooms;

/// After a failure it is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Runs until `stopping` is cancelled.
pub async fn run(rooms: Arc<Rooms>, stopping: CancellationToken) {
    let due = Arc::clone(&rooms.context().guest_access);
    loop {
        let next = async {
            match rooms.dismiss_all_guests().await {
                Ok(()) => due.notified().await,
                Err(error) => {
                    tracing::warn!(%error, "having guests leave failed; it is tried again");
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
