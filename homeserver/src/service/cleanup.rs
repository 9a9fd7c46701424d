//! What is kept for a time only: the answers to repeated requests, ids without content, files without a row, the
//! content of redacted events.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use super::{erasure::Erasure, media::Media};
use crate::{
    error::Result,
    storage::{
        Store, Tx, UserNid, account_tokens, client_transactions, received_messages, sender_keys,
    },
};

/// A client that repeats a request does so within this time, in milliseconds.
const TRANSACTIONS_KEPT: i64 = 24 * 60 * 60 * 1_000;
/// Transactions are gone through so often, in milliseconds: all of them each time.
const TRANSACTIONS_EVERY: i64 = 60 * 60 * 1_000;
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
    transactions_swept_at: AtomicI64,
}

impl Cleanup {
    pub fn new(store: Store, media: Arc<Media>, erasure: Erasure) -> Self {
        let (swept_at, transactions_swept_at) = (AtomicI64::new(0), AtomicI64::new(0));
        Self { store, media, erasure, swept_at, transactions_swept_at }
    }

    /// Deletes what is older than it needs to be at `now`.
    pub async fn run(&self, now: i64) -> Result<()> {
        if now - self.transactions_swept_at.load(Ordering::Relaxed) >= TRANSACTIONS_EVERY {
            self.forget_transactions(now - TRANSACTIONS_KEPT).await?;
            self.transactions_swept_at.store(now, Ordering::Relaxed);
        }
        let before = now - MESSAGES_KEPT;
        let forget = move |tx: &mut Tx<'_>| received_messages::delete_before(tx, before, CHUNK);
        while self.store.write(forget).await? == CHUNK as usize {}
        let before = now - SENDER_KEYS_KEPT;
        let forget = move |tx: &mut Tx<'_>| sender_keys::delete_before(tx, before, CHUNK);
        while self.store.write(forget).await? == CHUNK as usize {}
        self.store.write(move |tx| account_tokens::delete_expired(tx, now)).await?;
        while self.media.forget_expired(CHUNK).await? == CHUNK as usize {}
        while self.media.forget_remote(CHUNK).await? > 0 {}
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

    /// Forgets the answers given before a time. Nothing is written while there is nothing to forget.
    async fn forget_transactions(&self, before: i64) -> Result<()> {
        let mut from = UserNid(0);
        loop {
            let older =
                self.store.read(move |conn| client_transactions::older(conn, before, from, CHUNK));
            let keys = older.await?;
            let Some(last) = keys.last() else { return Ok(()) };
            let is_last = keys.len() < CHUNK as usize;
            from = last.user_nid;
            self.store.write(move |tx| client_transactions::delete(tx, &keys)).await?;
            if is_last {
                return Ok(());
            }
        }
    }
}
