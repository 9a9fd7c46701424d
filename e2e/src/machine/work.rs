//! An operation: it begins with what the machine holds, and ends with what is to be written.

use rand_core::CryptoRng;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    Machine,
    letters::Letter,
    rows::{Account, OwnChainRow},
    verification::Flows,
};
use crate::{
    Error,
    changes::Changes,
    store::{Store, Transaction},
};

/// What a sync brought.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Synced {
    /// To-device events that are not for this library.
    pub unhandled: Vec<Value>,
    /// Rooms for which keys arrived: what could not be read may be tried again.
    pub rooms_with_keys: Vec<String>,
    /// Names of secrets that arrived from an own device.
    pub secrets: Vec<String>,
    /// Where keys of a room's history are: the user who says so, and the file's description as JSON.
    pub history: Vec<(String, Value)>,
    /// Verifications that went on: their transaction ids.
    pub verifications: Vec<String>,
    /// How many letters of other devices could not be read.
    pub unread: u32,
}

/// The chain that was last written with, and the bytes of its row: it is that row's as long as they are.
pub(crate) type LastChain = Option<(Zeroizing<Vec<u8>>, OwnChainRow)>;

/// An operation while it works.
pub(crate) struct Work<'a> {
    pub tx: Transaction<'a>,
    pub account: Account,
    pub account_changed: bool,
    pub letters: Vec<Letter>,
    pub synced: Synced,
    pub flows: Flows,
    pub last_chain: LastChain,
    pub can_scan: bool,
    pub now: i64,
    pub rng: &'a mut dyn CryptoRng,
}

/// The time and the randomness of an operation.
pub struct Now<'a> {
    /// Milliseconds since the Unix epoch.
    pub time: i64,
    /// The platform's source of random numbers.
    pub rng: &'a mut dyn CryptoRng,
}

/// What an operation answers: its result, and what is to be written.
pub type Step<T> = Result<(T, Changes), Error>;

impl<S: Store> Machine<S> {
    pub(super) fn with(store: S, account: Account) -> Self {
        Self { store, account, flows: Flows::default(), last_chain: None, can_scan: false }
    }

    /// Runs an operation. On an error nothing changed.
    pub(super) fn work<T>(
        &mut self,
        now: Now<'_>,
        operation: impl FnOnce(&mut Work<'_>) -> Result<T, Error>,
    ) -> Step<T> {
        let (mut operation, mut result) = (Some(operation), None);
        let changes = self.run(now, &mut |work| {
            result = operation.take().map(|operation| operation(work)).transpose()?;
            Ok(())
        })?;
        result.map(|result| (result, changes)).ok_or(Error::Store)
    }

    /// What all operations share, once in the program: a copy for each is a kilobyte of code.
    fn run(
        &mut self,
        now: Now<'_>,
        operation: &mut dyn FnMut(&mut Work<'_>) -> Result<(), Error>,
    ) -> Result<Changes, Error> {
        let mut work = Work {
            tx: Transaction::new(&self.store),
            account: self.account.clone(),
            account_changed: false,
            letters: Vec::new(),
            synced: Synced::default(),
            flows: self.flows.clone(),
            last_chain: self.last_chain.take(),
            can_scan: self.can_scan,
            now: now.time,
            rng: now.rng,
        };
        operation(&mut work)?;
        let last_chain = work.last_chain.take();
        let (account, flows, changes) = work.finish()?;
        self.store.apply(&changes);
        (self.account, self.flows, self.last_chain) = (account, flows, last_chain);
        Ok(changes)
    }
}

impl Work<'_> {
    /// Whether something was less than `within` milliseconds ago. What seems to be to come was when the clock was ahead,
    /// at a time that nobody knows.
    pub fn is_recent(&self, at: i64, within: i64) -> bool {
        (0..within).contains(&self.now.saturating_sub(at))
    }

    fn finish(mut self) -> Result<(Account, Flows, Changes), Error> {
        self.post_letters()?;
        if self.account_changed {
            self.tx.put(&[], &self.account);
        }
        Ok((self.account, self.flows, self.tx.finish()))
    }

    pub(super) fn is_own(&self, user_id: &str) -> bool {
        self.account.user_id == user_id
    }
}
