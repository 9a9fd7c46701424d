//! Takes in events of rooms that were being entered when they came.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::remote::Remote;

/// So often it is looked whether what is left can be taken in.
const PAUSE: Duration = Duration::from_secs(60);

/// Runs until `stopping` is cancelled.
pub async fn run(remote: Arc<Remote>, stopping: CancellationToken) {
    loop {
        let next = async {
            let is_left = remote.take_in_held().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "events of an entered room were not taken in; it is tried again");
                true
            });
            tokio::select! {
                () = remote.may_have_entered() => {}
                () = sleep(PAUSE), if is_left => {}
            }
        };
        tokio::select! {
            () = next => {}
            () = stopping.cancelled() => return,
        }
    }
}
