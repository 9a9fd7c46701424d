//! A measured stretch of work: latencies, and what the server used meanwhile.

use std::time::{Duration, Instant};

use crate::Result;
use crate::usage::{Usage, usage};

/// What one scenario prints: tab-separated, read by `cargo xtask bench`.
pub struct Measurement {
    pub scenario: &'static str,
    pub operations: f64,
    pub seconds: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_ms: f64,
    pub rss_mib: f64,
}

impl Measurement {
    pub fn print(&self) {
        let each = |sum: f64| sum / self.operations.max(1.0);
        println!(
            "{}\t{:.1}\t{:.3}\t{:.3}\t{:.4}\t{:.1}",
            self.scenario,
            self.operations / self.seconds.max(1e-9),
            self.p50_ms,
            self.p99_ms,
            each(self.cpu_ms),
            self.rss_mib
        );
    }
}

/// Started before the work, finished after it.
pub struct Stopwatch {
    process: u32,
    before: Usage,
    start: Instant,
}

impl Stopwatch {
    pub fn start(process: u32) -> Self {
        Self { process, before: usage(process), start: Instant::now() }
    }

    /// `operations` counts in the scenario's own unit; `latencies` may be of larger steps.
    pub fn finish(
        self,
        scenario: &'static str,
        operations: usize,
        mut latencies: Vec<Duration>,
    ) -> Measurement {
        let seconds = self.start.elapsed().as_secs_f64();
        let after = usage(self.process);
        latencies.sort_unstable();
        Measurement {
            scenario,
            operations: operations as f64,
            seconds,
            p50_ms: percentile(&latencies, 0.50),
            p99_ms: percentile(&latencies, 0.99),
            cpu_ms: after.cpu_ms - self.before.cpu_ms,
            rss_mib: after.rss_mib,
        }
    }
}

fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
}

/// Waits for all tasks; the first error ends it.
pub async fn all<T: 'static>(tasks: Vec<tokio::task::JoinHandle<Result<T>>>) -> Result<Vec<T>> {
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        done.push(task.await.map_err(|error| error.to_string())??);
    }
    Ok(done)
}
