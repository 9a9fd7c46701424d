//! How many transactions are on their way at once, so that servers which are down or slow hold up no others.
//!
//! ```text
//! quick lane: everybody, for a second ──► slow lane: who takes longer, and who was down or slow the last time
//! ```
//!
//! An attempt that finds no place in the slow lane ends, as if the server had not answered.

use std::{pin::pin, time::Duration};

use ruma::ServerName;
use sealpost_federation::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::marks::Marks;

/// Places of each lane.
const PLACES: usize = 100;
const QUICK: Duration = Duration::from_secs(1);
/// How long a server that was slow begins in the slow lane, in milliseconds.
const SLOW_MS: i64 = 10 * 60 * 1000;

pub struct Lanes {
    quick: Semaphore,
    slow: Semaphore,
    /// How long an attempt may stay in the quick lane.
    patience: Duration,
    /// Servers that were slow.
    were_slow: Marks,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            quick: Semaphore::new(PLACES),
            slow: Semaphore::new(PLACES),
            patience: QUICK,
            were_slow: Marks::default(),
        }
    }
}

impl Lanes {
    /// A place to make an attempt from: in the slow lane when it `is_doubtful` whether the server is there at all.
    pub async fn place<'a>(
        &'a self,
        destination: &'a ServerName,
        is_doubtful: bool,
        now: i64,
    ) -> Place<'a> {
        let is_quick = !is_doubtful && !self.were_slow.counts(destination, now);
        let lane = if is_quick { &self.quick } else { &self.slow };
        // Lanes are never closed.
        Place { lanes: self, destination, is_quick, now, permit: lane.acquire().await.ok() }
    }
}

/// A place in one of the lanes, given back when dropped.
pub struct Place<'a> {
    lanes: &'a Lanes,
    destination: &'a ServerName,
    is_quick: bool,
    now: i64,
    permit: Option<SemaphorePermit<'a>>,
}

impl Place<'_> {
    /// Waits for the attempt.
    pub async fn send<T>(
        mut self,
        attempt: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if !self.is_quick {
            return attempt.await;
        }
        let mut attempt = pin!(attempt);
        if let Ok(outcome) = tokio::time::timeout(self.lanes.patience, &mut attempt).await {
            return outcome;
        }
        self.lanes.were_slow.set(self.destination, self.now, SLOW_MS);
        let Ok(slow) = self.lanes.slow.try_acquire() else { return Err(Error::Timeout) };
        self.permit = Some(slow);
        attempt.await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use futures_util::future::join_all;
    use ruma::OwnedServerName;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    fn lanes() -> Arc<Lanes> {
        Arc::new(Lanes { patience: Duration::from_millis(5), ..Lanes::default() })
    }

    fn name(number: usize) -> OwnedServerName {
        OwnedServerName::try_from(format!("s{number}.test")).unwrap()
    }

    /// Attempts to send to that many servers, of which none ever answers.
    async fn hang(lanes: &Arc<Lanes>, is_doubtful: bool) -> JoinSet<Result<(), Error>> {
        let mut attempts = JoinSet::new();
        let begun = Arc::new(AtomicUsize::new(0));
        for number in 0..10 * PLACES {
            let (lanes, begun) = (Arc::clone(lanes), Arc::clone(&begun));
            attempts.spawn(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                lanes.place(&name(number), is_doubtful, 0).await.send(pending()).await
            });
        }
        while begun.load(Ordering::Relaxed) < 10 * PLACES {
            yield_now().await;
        }
        attempts
    }

    async fn reaches_all(lanes: &Lanes, servers: std::ops::Range<usize>) {
        let names: Vec<_> = servers.map(name).collect();
        let attempts = names.iter().map(async |name| {
            lanes.place(name, false, 0).await.send(async { Ok(()) }).await.unwrap();
        });
        join_all(attempts).await;
    }

    #[tokio::test]
    async fn servers_that_never_answer_hold_up_no_others() {
        let lanes = lanes();
        let _silent = hang(&lanes, false).await;
        reaches_all(&lanes, 5_000..5_200).await;
        while lanes.quick.available_permits() < PLACES {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Now it is known which ones they are.
        let _again = hang(&lanes, false).await;
        assert_eq!(lanes.quick.available_permits(), PLACES);
    }

    #[tokio::test]
    async fn servers_that_are_down_take_no_place_of_others() {
        let lanes = lanes();
        let _down = hang(&lanes, true).await;
        assert_eq!(lanes.slow.available_permits(), 0);
        assert_eq!(lanes.quick.available_permits(), PLACES);
        reaches_all(&lanes, 5_000..5_200).await;
    }

    #[tokio::test]
    async fn a_slow_server_is_waited_for_where_there_is_place() {
        let lanes = lanes();
        let slow = async {
            while lanes.quick.available_permits() < PLACES {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(7)
        };
        assert_eq!(lanes.place(&name(1), false, 0).await.send(slow).await.unwrap(), 7);
        assert!(lanes.were_slow.counts(&name(1), SLOW_MS - 1));
        assert!(!lanes.were_slow.counts(&name(1), SLOW_MS));
    }

    #[tokio::test]
    async fn a_slow_server_is_given_up_where_there_is_none() {
        let lanes = lanes();
        let _down = hang(&lanes, true).await;
        let name = name(5_000);
        let attempt = lanes.place(&name, false, 0).await.send(pending::<Result<(), _>>());
        assert!(matches!(attempt.await, Err(Error::Timeout)));
    }
}
