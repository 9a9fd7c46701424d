//! Has other servers told of changes of our users' devices, as they come.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::service::remote::Remote;

/// Between tries.
const AGAIN: Duration = Duration::from_secs(10);

/// Runs until `stopping` is cancelled.
pub async fn run(remote: Arc<Remote>, stopping: CancellationToken) {
    let work = async {
        loop {
            match remote.announce_devices().await {
                Ok(seen) => remote.devices_changed(seen).await,
                Err(error) => {
                    tracing::warn!(%error, "changes of devices are told to other servers later");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = stopping.cancelled() => {}
    }
}
