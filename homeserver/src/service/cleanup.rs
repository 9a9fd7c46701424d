//! What is kept for a time only: the answers to repeated requests, ids without content, files without a row, the
//! content of redacted events.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use super::{erasure::Erasure, media::Media};
use crate::{
    error::Result,
    storage::{Store, Tx, account_tokens, client_transactions, received_messages, sender_keys},
};

/// A client that repeats a request does so within this time, in milliseconds.
const TRANSACTIONS_KEPT: i64 = 24 * 60 * 60 * 1_000;
/// A server that repeats a message to devices does so within this time, in milliseconds.
const MESSAGES_KEPT: i64 = 30 * 24 * 60 * 60 * 1_000;
/// What was deposited and never acknowledged is of no use after this time, in milliseconds.
const SENDER_KEYS_KEPT: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Rows deleted in one write, so that others need not wait.
const CHUNK: i64 = 500;
/// Files are gone through so often, in milliseconds.
const SWEEP_EVERY: i64 = 24 * 60 * 60 * 1_000;

pub struct Cleanup {
    store: Store,
    media: Arc<Media>,
    erasure: Erasure,
    swept_at: AtomicI64,
}

impl Cleanup {
    pub fn new(store: Store, media: Arc<Media>, erasure: Erasure) -> Self {
        Self { store, media, erasure, swept_at: AtomicI64::new(0) }
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
                break;
            }
        }
        let before = now - MESSAGES_KEPT;
        let forget = move |tx: &mut Tx<'_>| received_messages::delete_before(tx, before, CHUNK);
        while self.store.write(forget).await? == CHUNK as usize {}
        let before = now - SENDER_KEYS_KEPT;
        let forget = move |tx: &mut Tx<'_>| sender_keys::delete_before(tx, before, CHUNK);
        while self.store.write(forget).await? == CHUNK as usize {}
        self.store.write(move |tx| account_tokens::delete_expired(tx, now)).await?;
        while self.media.forget_expired(CHUNK).await? == CHUNK as usize {}
        while self.media.forget_remote(CHUNK).await? == CHUNK as usize {}
        if now - self.swept_at.load(Ordering::Relaxed) >= SWEEP_EVERY {
            self.media.sweep().await?;
            self.swept_at.store(now, Ordering::Relaxed);
        }
        let erased = self.erasure.run(now).await?;
        if erased > 0 {
            tracing::info!(erased, "the content of redacted events is erased");
        }
        Ok(())
    }
}
