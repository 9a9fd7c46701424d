//! The server as a process: from its start to a signal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Running, StartError, start};
use crate::{clock::Clock, config::Config};

/// Starts a server and runs it until it is told to stop.
pub fn run(config: Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(StartError::io("threads"))?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    runtime.block_on(async {
        // Before all else: a signal that comes during the start must not be lost, as it would be for PID 1.
        let signals = Signals::new().map_err(StartError::io("signals"))?;
        let server_name = config.server.server_name.clone();
        let running = start(config, Clock::system()).await?;
        tracing::info!(server_name, addresses = ?running.addresses, "ready");
        running.run(signals).await
    })
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

impl Running {
    /// Runs until a signal, then stops. An error when the database or the listeners fail.
    async fn run(mut self, mut signals: Signals) -> Result<(), StartError> {
        let failure = tokio::select! {
            _ = signals.terminate.recv() => None,
            _ = signals.interrupt.recv() => None,
            reason = self.store.failed() => Some(StartError::DatabaseFailed(reason)),
            ended = &mut self.server => {
                let error = match ended {
                    Ok(Err(error)) => error,
                    Ok(Ok(())) | Err(_) => io::Error::other("ended early"),
                };
                return Err(StartError::io("listeners")(error));
            }
        };
        tracing::info!("stopping");
        self.stop().await;
        match failure {
            None => {
                tracing::info!("stopped");
                Ok(())
            }
            Some(failure) => Err(failure),
        }
    }
}
