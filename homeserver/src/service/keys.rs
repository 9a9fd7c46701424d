//! Keys of devices and users (client-server API, "End-to-End Encryption"), opaque to this server as far as can be.
//!
//! [`upload`] takes a device's keys, [`claim`] hands out one-time keys, [`query`] tells who has which, [`bundle`] does
//! both at once, [`cross_signing`] and [`signatures`] are about the keys of users, whose signatures [`signed`] checks.
//! [`counts`] is what a device is told of its own keys.

pub mod bundle;
pub mod claim;
pub mod counts;
pub mod cross_signing;
pub mod query;
pub mod signatures;
pub mod signed;
pub mod upload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedServerName, OwnedUserId, UserId,
    api::client::sync::sync_events::DeviceLists as ChangedLists,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use self::{
    bundle::Bundles,
    claim::{Claim, Claimed, shares::Shares},
    counts::Counts,
    query::{Queried, Wanted},
};
use super::{
    device_lists::DeviceLists,
    remote::{Remote, locks::Locks},
    sessions::Session,
    sync::{streams::device_lists, token::SyncToken},
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    storage::{UserNid, current_position},
};

/// How long another server is waited for, unless the client says.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_MAX: Duration = Duration::from_secs(30);
/// How many servers are asked at once.
const SERVERS_AT_ONCE: usize = 20;
/// A request is about no more devices or users than this.
const MOST: usize = 10_000;

pub struct Keys {
    context: Arc<Context>,
    device_lists: DeviceLists,
    remote: Arc<Remote>,
    /// One change of a user's cross-signing keys at a time.
    signing: Locks<UserNid>,
    bundles: Bundles,
    /// Of one-time keys, among users of this server.
    shares: Shares,
}

/// Servers that did not answer, and why.
pub type Failures = BTreeMap<String, Value>;

impl Keys {
    pub fn new(context: Arc<Context>, device_lists: DeviceLists, remote: Arc<Remote>) -> Self {
        Self {
            context,
            device_lists,
            remote,
            signing: Locks::default(),
            bundles: Bundles::default(),
            shares: Shares::of_users(),
        }
    }

    /// The keys of users, of any server.
    pub async fn query(
        &self,
        caller: &Session,
        wanted: Wanted,
        patience: Option<Duration>,
    ) -> Result<(Queried, Failures)> {
        if wanted.len() > MOST {
            return Err(Error::invalid_param("The request is about too many users"));
        }
        let (own, others) = self.by_server(wanted);
        let (context, viewer) = (self.context.clone(), caller.user_nid);
        let read =
            self.context.store.read(move |conn| query::local(&context, conn, Some(viewer), &own));
        let mut queried = read.await?;
        if others.is_empty() {
            return Ok((queried, Failures::new()));
        }
        let viewer = caller.user_nid;
        let (known, others) = self.remote.known_keys(viewer, others).await?;
        queried.extend(known);
        let ask = |(server, wanted): (OwnedServerName, Wanted)| async move {
            let answer = self.remote.keys_of(viewer, &server, wanted).await;
            (server, answer)
        };
        let (answers, failures) = at_once(others, patience, ask).await?;
        answers.into_iter().for_each(|answer| queried.extend(answer));
        let viewer = (caller.user_nid, caller.user_id.clone());
        let read = self.context.store.read(move |conn| {
            query::add_signatures(conn, &viewer, &mut queried.master_keys)?;
            Ok(queried)
        });
        Ok((read.await?, failures))
    }

    /// Takes one-time keys of devices, of any server.
    pub async fn claim(
        &self,
        caller: &Session,
        claims: BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, OneTimeKeyAlgorithm>>,
        patience: Option<Duration>,
    ) -> Result<(Claimed, Failures)> {
        if claims.values().map(BTreeMap::len).sum::<usize>() > MOST {
            return Err(Error::invalid_param("The request is about too many devices"));
        }
        let (own, others) = self.by_server(claims);
        let mut claimed =
            claim::local(&self.context, claim::list(own), (&self.shares, caller.user_id.as_str()))
                .await?;
        let ask = |(server, claims): (OwnedServerName, Claim)| async move {
            let answer = self.remote.claim_keys(&server, claims).await;
            (server, answer)
        };
        let (answers, failures) = at_once(others, patience, ask).await?;
        answers.into_iter().for_each(|answer| claimed.extend(answer));
        Ok((claimed, failures))
    }

    /// Which keys of the caller's device can be claimed.
    pub async fn counts(&self, caller: &Session) -> Result<Counts> {
        let (user, device_id) = (caller.user_nid, caller.device_id.to_string());
        self.context.store.read(move |conn| Counts::read(conn, user, &device_id)).await
    }

    /// Whose keys changed between a token and now, for the caller.
    pub async fn changes(&self, caller: &Arc<Session>, from: &str) -> Result<ChangedLists> {
        let from = SyncToken::parse(from)?.position;
        let (context, caller) = (self.context.clone(), caller.clone());
        let read = self.context.store.read(move |conn| {
            let now = current_position(conn)?.min(context.notifier.position());
            let memberships = context.user_rooms.at(conn, caller.user_nid, now)?;
            device_lists::changed(&context, conn, &caller, &memberships, (from, now))
        });
        read.await
    }

    /// What is asked of this server, and what of others.
    fn by_server<T>(
        &self,
        wanted: BTreeMap<OwnedUserId, T>,
    ) -> (BTreeMap<OwnedUserId, T>, BTreeMap<OwnedServerName, BTreeMap<OwnedUserId, T>>) {
        let (mut own, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (user, what) in wanted {
            if is_local(&self.context, &user) {
                own.insert(user, what);
            } else {
                let server = user.server_name().to_owned();
                let of_server: &mut BTreeMap<_, _> = others.entry(server).or_default();
                of_server.insert(user, what);
            }
        }
        (own, others)
    }
}

/// Asks servers at once, each for no longer than `patience`.
async fn at_once<W, T, F>(
    others: BTreeMap<OwnedServerName, W>,
    patience: Option<Duration>,
    ask: impl Fn((OwnedServerName, W)) -> F,
) -> Result<(Vec<T>, Failures)>
where
    F: Future<Output = (OwnedServerName, Result<T>)>,
{
    let patience = patience.unwrap_or(PATIENCE).min(PATIENCE_MAX);
    let asked = others.into_iter().map(|(server, wanted)| {
        let (name, answer) = (server.clone(), ask((server, wanted)));
        async move {
            let slow = || (name, Err(Error::not_found("The server does not answer in time")));
            timeout(patience, answer).await.unwrap_or_else(|_| slow())
        }
    });
    let asked: Vec<_> = stream::iter(asked).buffer_unordered(SERVERS_AT_ONCE).collect().await;
    let (mut answers, mut failures) = (Vec::new(), Failures::new());
    for (server, answer) in asked {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(Error::Matrix { message, .. }) => {
                let failure = json!({ "errcode": "M_UNKNOWN", "error": message });
                failures.insert(server.to_string(), failure);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((answers, failures))
}

fn is_local(context: &Context, user: &UserId) -> bool {
    user.server_name() == context.server_name
}

/// Whether the database takes it.
fn is_text(text: &str) -> bool {
    !text.contains('\0')
}
