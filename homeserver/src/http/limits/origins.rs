//! Bounds on what one other server may have this one do: at once, and how often.
//!
//! Counted once a request's signature is checked, so that nobody uses up another server's share. So many
//! requests of a server are worked on at once; some more wait, for a while; the others are told to come again
//! later.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    RateLimits,
    answers::{AllAnswers, Answers},
};
use crate::error::{Error, Result};

/// How many requests of one server are worked on at once.
const AT_ONCE: usize = 40;
/// How many more wait.
const WAITING: usize = 100;
/// How long they wait.
pub(super) const WAIT: Duration = Duration::from_secs(10);
/// What a server that asks too much is told to wait.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How many servers are remembered before those that ask for nothing are forgotten.
const REMEMBERED: usize = 1_000;

/// How many requests one server may send in a burst, and the pause that each of them adds.
pub(super) const BURST: u32 = 2_000;
pub(super) const INTERVAL: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub struct Origins {
    wait: Duration,
    pub(super) answers: AllAnswers,
    known: Mutex<HashMap<OwnedServerName, Arc<Origin>>>,
}

#[derive(Debug)]
pub(super) struct Origin {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    pub(super) answers: Answers,
}

/// A request that is worked on. When dropped, the next one is.
#[derive(Debug)]
pub struct Permit {
    _running: OwnedSemaphorePermit,
    _origin: Arc<Origin>,
}

/// Somebody waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RateLimits {
    /// Lets in a request of another server; 429 when it asks for too much.
    pub async fn origin(&self, server: &ServerName) -> Result<Permit> {
        self.take(&self.federation, server.as_str())?;
        self.origins.admit(server).await
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self { wait: WAIT, answers: AllAnswers::default(), known: Mutex::default() }
    }
}

impl Origins {
    async fn admit(&self, server: &ServerName) -> Result<Permit> {
        let origin = self.of(server);
        let running = match Arc::clone(&origin.running).try_acquire_owned() {
            Ok(running) => running,
            Err(_) => origin.wait(self.wait).await?,
        };
        Ok(Permit { _running: running, _origin: origin })
    }

    pub(super) fn of(&self, server: &ServerName) -> Arc<Origin> {
        let mut origins = self.known.lock();
        if let Some(origin) = origins.get(server) {
            return Arc::clone(origin);
        }
        if origins.len() >= REMEMBERED {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1);
        }
        let running = Arc::new(Semaphore::new(AT_ONCE));
        let waiting = AtomicUsize::new(0);
        let origin = Arc::new(Origin { running, waiting, answers: Answers::of_one() });
        origins.insert(server.to_owned(), Arc::clone(&origin));
        origin
    }
}

impl Origin {
    async fn wait(&self, at_most: Duration) -> Result<OwnedSemaphorePermit> {
        let too_much = || Error::LimitExceeded { retry_after: RETRY_AFTER };
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING {
            return Err(too_much());
        }
        let acquired = timeout(at_most, Arc::clone(&self.running).acquire_owned()).await;
        acquired.map_err(|_| too_much())?.map_err(|_| Error::Stopping)
    }
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    #[tokio::test]
    async fn requests_of_one_server_wait_for_one_another_and_others_do_not() {
        let origins = Arc::new(Origins::default());
        let (a, b) = (server_name!("a.test"), server_name!("b.test"));
        let mut running = Vec::new();
        for _ in 0..AT_ONCE {
            running.push(origins.admit(a).await.unwrap());
        }
        origins.admit(b).await.unwrap();
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let origins = Arc::clone(&origins);
                tokio::spawn(async move { origins.admit(a).await.map(drop) })
            })
            .collect();
        while origins.of(a).waiting.load(Ordering::Acquire) < WAITING {
            tokio::task::yield_now().await;
        }
        let refused = origins.admit(a).await.unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded { .. }), "{refused}");
        running.clear();
        for request in waiting {
            request.await.unwrap().unwrap();
        }
        assert_eq!(origins.of(a).waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_to_come_again() {
        let origins = Origins { wait: Duration::from_millis(10), ..Origins::default() };
        let a = server_name!("a.test");
        let mut running = Vec::new();
        for _ in 0..AT_ONCE {
            running.push(origins.admit(a).await.unwrap());
        }
        assert!(matches!(origins.admit(a).await, Err(Error::LimitExceeded { .. })));
    }

    #[tokio::test]
    async fn servers_that_ask_for_nothing_are_forgotten() {
        let origins = Origins::default();
        for number in 0..REMEMBERED * 2 {
            let name = OwnedServerName::try_from(format!("{number}.test")).unwrap();
            drop(origins.admit(&name).await.unwrap());
        }
        assert!(origins.known.lock().len() <= REMEMBERED);
    }

    #[tokio::test]
    async fn the_rate_of_a_server_is_bounded_unless_limits_are_switched_off() {
        let a = server_name!("a.test");
        let limits = RateLimits::new(true);
        // While these are let in the first come to count no more.
        let mut let_in = 0;
        while limits.origin(a).await.is_ok() {
            let_in += 1;
            assert!(let_in < 2 * BURST);
        }
        assert!(let_in >= BURST);
        limits.origin(server_name!("b.test")).await.unwrap();
        let limits = RateLimits::new(false);
        for _ in 0..BURST + 10 {
            limits.origin(a).await.unwrap();
        }
    }
}
