//! `https://<host>/.well-known/matrix/server`: which name a server delegates to.
//!
//! Answers are remembered as long as their cache headers say, between an hour and 48, and 24 hours where
//! they say nothing. A server that says there is none is asked again after an hour, one that cannot be
//! reached after a minute; what it said before stays good meanwhile. Where an answer led nowhere, it is asked for again
//! after ten minutes. Redirects, bytes and time are limited.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, header};
use parking_lot::Mutex;
use reqwest::{Url, redirect};
use ruma::{OwnedServerName, ServerName};
use serde::Deserialize;

use super::{
    Lookup,
    dns::{CheckedResolver, Reach},
};
use crate::Error;

const MAX_BYTES: usize = 50 * 1024;
const MAX_REDIRECTS: usize = 5;
const TIMEOUT: Duration = Duration::from_secs(8);
const DEFAULT_AGE: Duration = Duration::from_secs(24 * 3600);
const LEAST_AGE: Duration = Duration::from_secs(3600);
const MOST_AGE: Duration = Duration::from_secs(48 * 3600);
const ABSENT_AGE: Duration = Duration::from_secs(3600);
const UNREACHABLE_AGE: Duration = Duration::from_secs(60);
const DOUBTED_AGE: Duration = Duration::from_secs(600);
/// How long past its time an answer serves while the server cannot be reached.
const GRACE: Duration = Duration::from_secs(48 * 3600);
const MAX_REMEMBERED: usize = 10_000;

/// Fetches well-known files and remembers them.
pub struct WellKnown {
    http: reqwest::Client,
    reach: Reach,
    known: Mutex<HashMap<OwnedServerName, Arc<tokio::sync::Mutex<Option<Known>>>>>,
}

#[derive(Clone)]
struct Known {
    delegated: Option<OwnedServerName>,
    asked: Instant,
    until: Instant,
}

/// What the server said.
enum Answer {
    Delegates(OwnedServerName, Duration),
    Absent,
    Unreachable,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "m.server")]
    server: OwnedServerName,
}

impl WellKnown {
    /// `tls` and `reach` as for all requests of federation.
    pub fn new(tls: rustls::ClientConfig, reach: Reach) -> Result<Self, Error> {
        let checked = CheckedResolver { reach: reach.clone(), lookup: Lookup::Addresses };
        let http = crate::client::http_client(tls, checked)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| Error::Tls(error.to_string()))?;
        Ok(Self { http, reach, known: Mutex::default() })
    }

    /// The name that `server` delegates to, if it does. Requests for one server wait for one another.
    pub async fn delegated(&self, server: &ServerName) -> Option<OwnedServerName> {
        let entry = self.entry(server);
        let mut known = entry.lock().await;
        let now = Instant::now();
        if let Some(known) = known.as_ref().filter(|known| known.until > now) {
            return known.delegated.clone();
        }
        let (delegated, age) = match self.fetch(server).await {
            Answer::Delegates(name, age) => (Some(name), age),
            Answer::Absent => (None, ABSENT_AGE),
            Answer::Unreachable => {
                let before = known.take().filter(|known| known.until + GRACE > now);
                (before.and_then(|known| known.delegated), UNREACHABLE_AGE)
            }
        };
        known.insert(Known { delegated, asked: now, until: now + age }).delegated.clone()
    }

    /// What `server` said led nowhere: it may have moved.
    pub fn doubt(&self, server: &ServerName) {
        let entry = self.known.lock().get(server).map(Arc::clone);
        // Somebody is asking just now where it is locked.
        if let Some(mut known) = entry.as_deref().and_then(|entry| entry.try_lock().ok())
            && let Some(known) = known.as_mut()
        {
            known.until = known.until.min(known.asked + DOUBTED_AGE);
        }
    }

    fn entry(&self, server: &ServerName) -> Arc<tokio::sync::Mutex<Option<Known>>> {
        let mut all = self.known.lock();
        if all.len() >= MAX_REMEMBERED && !all.contains_key(server) {
            let now = Instant::now();
            all.retain(|_, entry| {
                entry
                    .try_lock()
                    .map_or(true, |known| known.as_ref().is_some_and(|known| known.until > now))
            });
            if all.len() >= MAX_REMEMBERED {
                all.clear();
            }
        }
        Arc::clone(all.entry(server.to_owned()).or_default())
    }

    async fn fetch(&self, server: &ServerName) -> Answer {
        match tokio::time::timeout(TIMEOUT, self.follow(server)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(%server, %error, "well-known file not fetched");
                Answer::Unreachable
            }
            Err(_) => Answer::Unreachable,
        }
    }

    async fn follow(&self, server: &ServerName) -> Result<Answer, Error> {
        let mut url = Url::parse(&format!("https://{}/.well-known/matrix/server", server.host()))
            .map_err(|error| Error::Request(error.to_string()))?;
        for _ in 0..=MAX_REDIRECTS {
            self.reach.check_url(&url)?;
            let response =
                self.http.get(url.clone()).send().await.map_err(crate::client::from_reqwest)?;
            if response.status().is_redirection() {
                let next = response
                    .headers()
                    .get(header::LOCATION)
                    .and_then(|location| location.to_str().ok())
                    .and_then(|location| url.join(location).ok())
                    .filter(|next| next.scheme() == "https");
                let Some(next) = next else { return Ok(Answer::Absent) };
                url = next;
                continue;
            }
            if response.status().is_server_error() {
                return Ok(Answer::Unreachable);
            }
            if !response.status().is_success() {
                return Ok(Answer::Absent);
            }
            let headers = response.headers().clone();
            let body = match crate::client::read_body(response, MAX_BYTES).await {
                Err(Error::TooLarge { .. }) => return Ok(Answer::Absent),
                body => body?,
            };
            return Ok(match delegation(&headers, &body) {
                Some((server, age)) => Answer::Delegates(server, age),
                None => Answer::Absent,
            });
        }
        Ok(Answer::Absent)
    }
}

/// The server that a file delegates to, and for how long that may be remembered; none where it says nothing that
/// can be followed.
pub fn delegation(headers: &HeaderMap, body: &[u8]) -> Option<(OwnedServerName, Duration)> {
    let file: File = serde_json::from_slice(body).ok()?;
    Some((file.server, age(headers)))
}

/// How long an answer may be remembered.
fn age(headers: &HeaderMap) -> Duration {
    let directives = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let mut age = DEFAULT_AGE;
    for directive in directives.unwrap_or_default().split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            age = LEAST_AGE;
        } else if let Some(seconds) = directive.strip_prefix("max-age=") {
            age = seconds.parse().map_or(DEFAULT_AGE, Duration::from_secs);
        }
    }
    age.clamp(LEAST_AGE, MOST_AGE)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::SocketAddr;

    use futures_util::future::{BoxFuture, FutureExt};

    use super::*;
    use crate::discovery::dns::{Resolver, Service};

    /// Knows no name.
    pub(crate) struct NoNames;

    impl Resolver for NoNames {
        fn addresses(&self, host: &str) -> BoxFuture<'static, Result<Vec<SocketAddr>, Error>> {
            let error = Error::Connection(format!("no {host}"));
            async move { Err(error) }.boxed()
        }

        fn services(&self, _: &str) -> BoxFuture<'static, Result<Vec<Service>, Error>> {
            async { Ok(Vec::new()) }.boxed()
        }
    }

    #[test]
    fn an_answer_is_remembered_between_an_hour_and_two_days() {
        let of = |value: &'static str| {
            age(&HeaderMap::from_iter([(header::CACHE_CONTROL, value.parse().unwrap())]))
        };
        assert_eq!(age(&HeaderMap::new()), DEFAULT_AGE);
        assert_eq!(of("max-age=7200"), Duration::from_secs(7200));
        assert_eq!(of("public, Max-Age=1"), LEAST_AGE);
        assert_eq!(of("max-age=99999999"), MOST_AGE);
        assert_eq!(of("no-store"), LEAST_AGE);
        assert_eq!(of("max-age=soon"), DEFAULT_AGE);
    }
}
