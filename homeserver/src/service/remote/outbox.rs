//! What waits for other servers, as the worker that sends it sees it.
//!
//! A transaction is fixed before it is sent: its number and the last position in it are stored, and until
//! it is answered the same is sent again, also after a restart.
//!
//! What waits for a server that does not answer is bounded, at each attempt: of events the latest of each room stays
//! after a while; EDUs go when they are of no worth any more ([`outbox::Worth`]), and the oldest of the short-lived when
//! there are too many. A server that misses one about devices notices, and asks.

use std::{sync::Arc, time::Duration};

use ruma::{
    OwnedServerName, OwnedTransactionId, ServerName,
    api::federation::transactions::send_transaction_message::v1::Request, serde::Raw,
};
use sealpost_federation::{
    Error as FederationError,
    client::Limits,
    destination::{Backlog, Outage},
    transaction::{Batch, Item, MAX_EDUS, MAX_PDUS},
};
use tokio::sync::Notify;

use super::{
    Remote,
    complaints::shortened,
    others::{Fleeting, OtherServers},
    serve_events::raw,
    signs_of_life::Patience,
};
use crate::{
    error::{Error, Result},
    service::{notifier::Subject, timeline::Context},
    storage::{
        Conn, Position,
        destinations::{self, DestinationRow},
        outbox::{self, OutboxRow},
    },
};

/// Long enough for a peer that has to fetch what it misses before it answers.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(60), max_bytes: 1 << 20 };
/// A transaction has no more rows than this.
pub const WIDEST: usize = MAX_PDUS + MAX_EDUS;
const ROWS_MAX: i64 = WIDEST as i64;
/// How many EDUs that are of worth for a day wait for a server that does not answer.
const EDUS_MAX: i64 = 10_000;

/// How far the outbox has been looked at. The default: not at all.
#[derive(Clone, Copy, Debug)]
pub struct Seen(pub(super) Position);

impl Default for Seen {
    fn default() -> Self {
        Self(Position(0))
    }
}

/// The next transaction for a destination.
pub struct Transaction {
    id: OwnedTransactionId,
    batch: Batch,
    /// What of it is not kept.
    pub fleeting: Vec<Fleeting>,
    /// How many rows of the outbox are in it.
    rows: usize,
    /// The last row in it; `None`: nothing of it is kept, and it is not sent again.
    until: Option<Position>,
}

impl Remote {
    /// Destinations for which something was queued after `seen`, and how far this look reached.
    pub async fn queued_after(&self, seen: Seen) -> Result<(Vec<OwnedServerName>, Seen)> {
        let read = self.context.store.read(move |conn| {
            let now = crate::storage::current_position(conn)?;
            Ok((outbox::destinations(conn, seen.0)?, now))
        });
        let (names, now) = read.await?;
        let named = names.into_iter().filter_map(|name| OwnedServerName::try_from(name).ok());
        let (allowed, denied): (Vec<_>, Vec<_>) = named.partition(|name| self.policy.allows(name));
        if !denied.is_empty() {
            self.drop_queued(denied, now).await?;
        }
        Ok((allowed, Seen(now)))
    }

    /// Drops what waits for servers that we do not talk to.
    async fn drop_queued(&self, servers: Vec<OwnedServerName>, until: Position) -> Result<()> {
        self.context
            .store
            .write(move |tx| {
                let mut servers = servers.iter();
                servers.try_for_each(|server| outbox::delete_until(tx, server.as_str(), until))
            })
            .await
    }

    /// Waits until something is queued after `seen`, or the server stops.
    pub async fn queued(&self, seen: Seen) {
        self.context.notifier.changed(seen.0, &[Subject::Outbox]).await;
    }

    /// Tells when `server` was heard from.
    pub fn watch(&self, server: &ServerName) -> Arc<Notify> {
        self.signs_of_life.watch(server)
    }

    /// Ends [`Remote::watch`].
    pub fn unwatch(&self, server: &ServerName) {
        self.signs_of_life.forget(server);
    }

    /// Since when `server` does not answer, as stored, and how many events wait for it.
    pub async fn outage(&self, server: &ServerName) -> Result<(Option<Outage>, usize)> {
        let name = server.to_string();
        let read = self.context.store.read(move |conn| {
            let row = destinations::get(conn, &name)?;
            let waiting = outbox::waiting_events(conn, &name)?;
            let outage = row.and_then(|row| {
                let failures = u32::try_from(row.failures).unwrap_or(u32::MAX);
                row.failing_since.map(|since| Outage { since, failures })
            });
            Ok((outage, usize::try_from(waiting).unwrap_or_default()))
        });
        read.await
    }

    /// Fixes the next transaction for `server`, of `width` rows at most; none when nothing waits. What is not kept
    /// goes along in the widest only, and never with what is sent again: a server that took that looks at it no more.
    pub async fn next_transaction(
        &self,
        server: &ServerName,
        backlog: Backlog,
        width: usize,
    ) -> Result<Option<Transaction>> {
        let name = server.to_string();
        let now = self.context.clock.now_ms();
        let context = self.context.clone();
        let fixed = self.context.store.write(move |tx| {
            let mut row = destinations::get(tx, &name)?.unwrap_or_else(|| DestinationRow {
                destination: name.clone(),
                last_transaction: 0,
                in_flight_until: None,
                failing_since: None,
                failures: 0,
            });
            if row.failing_since.is_some() {
                let after = row.in_flight_until.unwrap_or(Position(0));
                outbox::drop_stale(tx, &name, after, now, EDUS_MAX)?;
            }
            if let Some(until) = row.in_flight_until {
                let waiting = outbox::waiting(tx, &name, Some(until), ROWS_MAX)?;
                if !waiting.is_empty() {
                    return Ok(Some((row.last_transaction, waiting, true)));
                }
            }
            if backlog == Backlog::LatestOfEachRoom {
                outbox::keep_latest_of_each_room(tx, &name)?;
            }
            let mut waiting = outbox::waiting(tx, &name, None, ROWS_MAX)?;
            waiting.truncate(fitting(&waiting).min(width));
            let Some(last) = waiting.last() else { return Ok(None) };
            // Should the database be lost, or an older one be restored, numbers must not repeat.
            row.last_transaction = now.max(row.last_transaction + 1);
            row.in_flight_until = Some(last.position);
            destinations::set(tx, &row)?;
            Ok(Some((row.last_transaction, waiting, false)))
        });
        let Some((number, rows, is_again)) = fixed.await? else { return Ok(None) };
        let read = self.context.store.read(move |conn| batch(&context, conn, &rows));
        let (mut batch, until) = read.await?;
        let rows = batch.len();
        let fleeting = match width {
            WIDEST.. if !is_again => self.add_fleeting(server, &mut batch)?,
            _ => Vec::new(),
        };
        let id = number.to_string().into();
        Ok(Some(Transaction { id, batch, fleeting, rows, until: Some(until) }))
    }

    /// What waits for `server` that is not kept, if nothing else does.
    pub fn fleeting_transaction(&self, server: &ServerName) -> Result<Option<Transaction>> {
        let mut batch = Batch::default();
        let fleeting = self.add_fleeting(server, &mut batch)?;
        let id = format!("f{}-{}", self.context.clock.now_ms(), rand::random::<u32>());
        let transaction = Transaction { id: id.into(), batch, fleeting, rows: 0, until: None };
        Ok(Some(transaction).filter(|transaction| !transaction.batch.is_empty()))
    }

    fn add_fleeting(&self, server: &ServerName, batch: &mut Batch) -> Result<Vec<Fleeting>> {
        let mut fleeting = self.others.take(server);
        for (index, taken) in fleeting.iter().enumerate() {
            if batch.push(Item::Edu(raw(&taken.edu)?)).is_err() {
                // What doesn't fit is of no worth later.
                fleeting.truncate(index);
                break;
            }
        }
        Ok(fleeting)
    }

    /// What waits for other servers that is not kept.
    pub fn others(&self) -> &OtherServers {
        &self.others
    }

    /// Sends a transaction.
    pub async fn send_transaction(
        &self,
        server: &ServerName,
        transaction: &Transaction,
    ) -> Result<(), FederationError> {
        let (origin, now) = self.origin();
        let mut request = Request::new(transaction.id.clone(), origin, now);
        request.pdus = transaction.batch.pdus.clone();
        request.edus = transaction.batch.edus.iter().cloned().map(Raw::from_json).collect();
        let silent = &self.signs_of_life.silent;
        let asking = silent.attempt(server, Patience::Long, &self.context.clock);
        let answer = self.client.send(server, request, LIMITS).await;
        asking.ended(answer.as_ref().err());
        let answer = answer?;
        for (event_id, outcome) in answer.pdus {
            if let Err(reason) = outcome
                && self.may_log(server)
            {
                let reason = shortened(&reason);
                tracing::info!(%server, %event_id, reason, "the server did not take an event");
            }
        }
        Ok(())
    }

    /// The transaction was answered: takes it off. Answers whether something still waits.
    pub async fn sent(&self, server: &ServerName, transaction: &Transaction) -> Result<bool> {
        let name = server.to_string();
        let Some(until) = transaction.until else {
            let waiting =
                self.context.store.read(move |conn| outbox::waiting(conn, &name, None, 1));
            return Ok(!waiting.await?.is_empty());
        };
        self.context
            .store
            .write(move |tx| {
                outbox::delete_until(tx, &name, until)?;
                if let Some(mut row) = destinations::get(tx, &name)? {
                    row.in_flight_until = None;
                    row.failing_since = None;
                    row.failures = 0;
                    destinations::set(tx, &row)?;
                }
                Ok(!outbox::waiting(tx, &name, None, 1)?.is_empty())
            })
            .await
    }

    /// The server finds something wrong with a transaction: what is in it is sent in smaller ones, until it is
    /// found. What is refused alone is dropped, unless `patient`. Answers how many rows the next one may have.
    pub async fn refused(
        &self,
        server: &ServerName,
        transaction: &Transaction,
        patient: bool,
    ) -> Result<usize> {
        let Some(until) = transaction.until else { return Ok(WIDEST) };
        let alone = transaction.batch.len() == 1;
        if alone && patient {
            return Ok(1);
        }
        if alone {
            tracing::warn!(%server, "something is dropped that a server refuses");
        }
        let name = server.to_string();
        let write = self.context.store.write(move |tx| {
            if alone {
                outbox::delete_until(tx, &name, until)?;
            }
            if let Some(mut row) = destinations::get(tx, &name)? {
                row.in_flight_until = None;
                destinations::set(tx, &row)?;
            }
            Ok(())
        });
        write.await?;
        Ok((transaction.rows / 2).max(1))
    }

    /// Stores since when `server` does not answer.
    pub async fn not_sent(&self, server: &ServerName, outage: Outage) -> Result<()> {
        let name = server.to_string();
        self.context
            .store
            .write(move |tx| {
                if let Some(mut row) = destinations::get(tx, &name)? {
                    row.failing_since = Some(outage.since);
                    row.failures = i64::from(outage.failures);
                    destinations::set(tx, &row)?;
                }
                Ok(())
            })
            .await
    }
}

/// How many of the rows, from the first, fit into one transaction.
fn fitting(rows: &[OutboxRow]) -> usize {
    let (mut pdus, mut edus) = (0, 0);
    rows.iter()
        .take_while(|row| {
            let count = if row.event_nid.is_some() { &mut pdus } else { &mut edus };
            *count += 1;
            pdus <= MAX_PDUS && edus <= MAX_EDUS
        })
        .count()
}

fn batch(context: &Context, conn: &mut Conn, rows: &[OutboxRow]) -> Result<(Batch, Position)> {
    let mut batch = Batch::default();
    let mut until = Position(0);
    for row in rows {
        let item = match (row.event_nid, &row.edu) {
            (Some(nid), _) => Item::Pdu(raw(&context.events.get(conn, nid)?.pdu.json)?),
            (None, Some(edu)) => Item::Edu(raw(edu)?),
            (None, None) => return Err(Error::internal("an empty row in the outbox")),
        };
        if batch.push(item).is_err() {
            break;
        }
        until = row.position;
    }
    Ok((batch, until))
}
