//! Erases the content of redacted events for good, some days after their redaction. Until then it is in the
//! database and nowhere else: everybody, other servers included, is told only what the redaction left
//! ([`Events`](super::events::Events) reads no more).

use std::sync::Arc;

use super::timeline::Context;
use crate::{error::Result, storage::redacted_events};

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// Events erased in one write, so that others need not wait.
const CHUNK: i64 = 200;

pub struct Erasure {
    context: Arc<Context>,
    /// In milliseconds.
    kept_for: i64,
}

impl Erasure {
    pub fn new(context: Arc<Context>, keep_days: u32) -> Self {
        Self { context, kept_for: i64::from(keep_days) * DAY }
    }

    /// Erases what is due at `now`. Returns how many events it was.
    pub async fn run(&self, now: i64) -> Result<usize> {
        let before = now - self.kept_for;
        let mut erased = 0;
        loop {
            let context = self.context.clone();
            let read = self.context.store.read(move |conn| {
                let mut left = Vec::new();
                for nid in redacted_events::before(conn, before, CHUNK)? {
                    left.push((nid, context.events.get(conn, nid)?.pdu.json.to_string()));
                }
                Ok(left)
            });
            let left = read.await?;
            if left.is_empty() {
                return Ok(erased);
            }
            erased += left.len();
            self.context.store.write(move |tx| redacted_events::erase(tx, &left)).await?;
        }
    }
}
