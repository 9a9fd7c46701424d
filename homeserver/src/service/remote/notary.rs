//! This server as a notary: other servers' keys, as they answered them, with our signature beside theirs.
//!
//! What is kept is answered while it is valid for as long as is asked and half of its lifetime has not passed;
//! otherwise its server is asked again, within bounds of number and time, and where that fails what is kept is
//! answered all the same. Notaries are never asked in turn.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#querying-keys-through-another-server>

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use ruma::{
    CanonicalJsonObject, OwnedServerName, api::federation::discovery::ServerSigningKeys,
    serde::Raw, signatures::sign_json,
};

use super::Remote;
use crate::{
    error::{Error, Result},
    storage::server_keys::{self, KeyAnswer},
};

/// The most servers that one request may ask about.
const SERVERS_MAX: usize = 100;
/// How many servers are asked for one request, and how many of them at once.
const ASKED_MAX: usize = 20;
const ASKED_AT_ONCE: usize = 5;
/// How long a request waits for servers that are asked.
const WAIT: Duration = Duration::from_secs(15);
/// How many requests may wait for other servers at once.
pub(super) const WAITING_MAX: usize = 20;

impl Remote {
    /// The keys of servers, each wanted to be valid until a time (now where there is none).
    pub async fn notarised(
        &self,
        wanted: BTreeMap<OwnedServerName, Option<i64>>,
    ) -> Result<Vec<Raw<ServerSigningKeys>>> {
        if wanted.len() > SERVERS_MAX {
            let message = format!("Keys of more than {SERVERS_MAX} servers are asked for at once");
            return Err(Error::invalid_param(message));
        }
        let now = self.context.clock.now_ms();
        let servers = wanted.keys().filter(|server| self.policy.allows(server));
        let names: Vec<String> = servers.map(|server| server.to_string()).collect();
        let kept = self.kept_answers(names).await?;
        let stale: Vec<&OwnedServerName> = wanted
            .iter()
            .filter(|(server, _)| {
                self.policy.allows(server) && **server != self.context.server_name
            })
            .filter(|(server, until)| {
                let kept = kept.get(server.as_str());
                !kept.is_some_and(|kept| kept.serves(until.unwrap_or(now), now))
            })
            .map(|(server, _)| server)
            .take(ASKED_MAX)
            .collect();
        let kept = if stale.is_empty() {
            kept
        } else {
            self.ask_anew(&stale, now).await;
            self.kept_answers(wanted.keys().map(ToString::to_string).collect()).await?
        };
        let mut answers = Vec::with_capacity(wanted.len());
        if wanted.contains_key(&self.context.server_name) {
            answers.push(self.own_keys()?);
        }
        for (server, answer) in &kept {
            match self.countersign(&answer.json) {
                Ok(answer) => answers.push(answer),
                Err(error) => tracing::debug!(server, %error, "an answer that cannot be signed"),
            }
        }
        Ok(answers)
    }

    async fn kept_answers(&self, servers: Vec<String>) -> Result<BTreeMap<String, KeyAnswer>> {
        if servers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let read = self.context.store.read(move |conn| server_keys::answers(conn, &servers));
        let rows = read.await?;
        Ok(rows.into_iter().map(|row| (row.server_name.clone(), row)).collect())
    }

    /// Asks servers for their keys. Where too many requests wait for that already, nobody is asked.
    async fn ask_anew(&self, servers: &[&OwnedServerName], now: i64) {
        let Ok(_permit) = self.notarising.try_acquire() else { return };
        let asking =
            stream::iter(servers).for_each_concurrent(ASKED_AT_ONCE, |server| async move {
                if let Err(error) = self.keyring.refresh(server, now).await {
                    tracing::debug!(%server, %error, "no keys for who asks us as a notary");
                }
            });
        let _ = tokio::time::timeout(WAIT, asking).await;
    }

    /// An answer with our signature added.
    fn countersign(&self, json: &str) -> Result<Raw<ServerSigningKeys>> {
        let broken = |error: serde_json::Error| Error::internal(format!("stored keys: {error}"));
        let mut object: CanonicalJsonObject = serde_json::from_str(json).map_err(broken)?;
        sign_json(self.context.server_name.as_str(), &self.keys.current(), &mut object)
            .map_err(|error| Error::internal(format!("stored keys: {error}")))?;
        Raw::from_json_string(serde_json::to_string(&object).map_err(broken)?).map_err(broken)
    }
}

impl KeyAnswer {
    /// Whether it is still good for who wants keys that are valid at `until`.
    fn serves(&self, until: i64, now: i64) -> bool {
        let half = self.fetched_at + (self.valid_until - self.fetched_at) / 2;
        until <= self.valid_until && now < half
    }
}
