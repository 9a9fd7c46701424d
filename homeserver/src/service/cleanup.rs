//! What is kept for a time only: the answers to repeated requests.

use crate::{
    error::Result,
    storage::{Store, client_transactions},
};

/// A client that repeats a request does so within this time, in milliseconds.
const TRANSACTIONS_KEPT: i64 = 24 * 60 * 60 * 1_000;
/// Rows deleted in one write, so that others need not wait.
const CHUNK: i64 = 500;

pub struct Cleanup {
    store: Store,
}

impl Cleanup {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Deletes what is older than it needs to be at `now`.
    pub async fn run(&self, now: i64) -> Result<()> {
        let before = now - TRANSACTIONS_KEPT;
        loop {
            let deleted = self
                .store
                .write(move |tx| client_transactions::delete_before(tx, before, CHUNK))
                .await?;
            if deleted < CHUNK as usize {
                return Ok(());
            }
        }
    }
}
