//! Events of which what they stand on ([decision 64]) or the keys to check them with ([decision 73]) could not be had
//! when they came: their server need not send anything more before they are tried again.
//!
//! [decision 64]: ../../../../docs/decisions/0064-events-that-are-tried-again.md
//! [decision 73]: ../../../../docs/decisions/0073-keys-that-are-awaited.md

use std::{collections::BTreeMap, fmt, time::Duration};

use futures_util::{StreamExt, stream};
use ruma::{
    CanonicalJsonObject, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName,
    room_version_rules::RoomVersionRules,
};
use sealpost_federation::canonical;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{Remote, receive::Unfit};
use crate::{
    error::{Error, Result},
    storage::postponed_events::{self, Incoming, Limits, PostponedEvent},
};

const LIMITS: Limits = Limits { of_room: 20, of_origin: 200, of_all: 2_000 };
/// How many are tried in one round, of how many servers at once, and for how long of one server.
const OF_ROUND: i64 = 200;
const SERVERS_AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);
/// After so long an event is tried again; each time four times later, up to this. In milliseconds.
const AGAIN_AFTER_MS: i64 = 5_000;
const AGAIN_AFTER_MAX_MS: i64 = 15 * 60 * 1000;
/// So long it is tried, in milliseconds.
const GIVEN_UP_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// So long after a change a state is not taken without it, in milliseconds.
const STATE_WAITS_MS: u64 = 90_000;

/// An event that cannot be taken in now.
pub(super) struct Waiting {
    pub event_id: OwnedEventId,
    /// As signed.
    pub json: Box<str>,
}

impl Waiting {
    /// An event as it came.
    pub fn new(
        event_id: OwnedEventId,
        mut object: CanonicalJsonObject,
        rules: &RoomVersionRules,
    ) -> Option<Self> {
        object.remove("unsigned");
        let json = canonical::to_string(&object, rules).ok()?.into_boxed_str();
        Some(Self { event_id, json })
    }

    /// Whether it changes a room's state, and did so about `now`.
    fn changes_state(&self, now: i64) -> bool {
        #[derive(Deserialize)]
        struct Change {
            #[serde(rename = "state_key")]
            _state_key: String,
            origin_server_ts: i64,
        }
        serde_json::from_str::<Change>(&self.json)
            .is_ok_and(|change| now.abs_diff(change.origin_server_ts) <= STATE_WAITS_MS)
    }
}

/// For the log: without what it says.
impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event_id.fmt(formatter)
    }
}

impl Remote {
    /// Whether a state should not be taken without an event that cannot be checked now: one of the last moments, of which
    /// the keys may be had in the next. Who keeps their keys from us, or is gone, holds nobody up for longer.
    pub(super) fn is_worth_waiting_for(&self, unfit: &Unfit) -> bool {
        let now = self.context.clock.now_ms();
        unfit.awaits_keys.as_ref().is_some_and(|event| event.changes_state(now))
    }

    /// Keeps events of a room, to be tried again.
    pub(super) async fn postpone(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        events: Vec<Waiting>,
    ) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let events: Vec<Incoming> = events
            .into_iter()
            .map(|event| Incoming { event_id: event.event_id.into(), json: event.json.into() })
            .collect();
        let (origin, room_id) = (origin.to_string(), room_id.to_string());
        let now = self.context.clock.now_ms();
        let write = self.context.store.write(move |tx| {
            let times = (now, now.saturating_add(AGAIN_AFTER_MS));
            postponed_events::insert(tx, (&origin, &room_id), &events, times, LIMITS)
        });
        write.await?;
        self.postponed.notify_one();
        Ok(())
    }

    /// Waits until more events are to be tried again.
    pub async fn has_postponed(&self) {
        self.postponed.notified().await;
    }

    /// Tries the events whose time has come. After how long the next are to be tried; `None`: there are none.
    pub async fn try_postponed(&self) -> Result<Option<Duration>> {
        let now = self.context.clock.now_ms();
        let read = self.context.store.read(move |conn| postponed_events::due(conn, now, OF_ROUND));
        let mut of_servers: BTreeMap<String, Vec<PostponedEvent>> = BTreeMap::new();
        for event in read.await? {
            of_servers.entry(event.origin.clone()).or_default().push(event);
        }
        let tried: Vec<Result<()>> = stream::iter(of_servers.into_values())
            .map(|events| self.try_again(events))
            .buffer_unordered(SERVERS_AT_ONCE)
            .collect()
            .await;
        tried.into_iter().collect::<Result<()>>()?;
        let next_at = self.context.store.read(postponed_events::next_at).await?;
        let now = self.context.clock.now_ms();
        let wait = |at: i64| Duration::from_millis(at.saturating_sub(now).try_into().unwrap_or(0));
        Ok(next_at.map(wait))
    }

    /// Tries events of one server, one after another.
    async fn try_again(&self, events: Vec<PostponedEvent>) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        for event in events {
            let waits = match timeout_at(until, self.take_in_again(&event)).await {
                Ok(tried) => tried?,
                Err(_) => true,
            };
            let (position, tries) = (event.position, event.tries + 1);
            let now = self.context.clock.now_ms();
            let is_old = event.received_at.saturating_add(GIVEN_UP_AFTER_MS) < now;
            let next_at = now.saturating_add(pause(tries));
            let write = self.context.store.write(move |tx| match waits && !is_old {
                true => postponed_events::postpone(tx, position, tries, next_at),
                false => postponed_events::delete(tx, position),
            });
            write.await?;
        }
        Ok(())
    }

    /// Whether the event still waits.
    async fn take_in_again(&self, event: &PostponedEvent) -> Result<bool> {
        let room_id = OwnedRoomId::try_from(&*event.room_id);
        let origin = OwnedServerName::try_from(&*event.origin);
        let json = RawValue::from_string(event.json.clone());
        let (Ok(room_id), Ok(origin), Ok(json)) = (room_id, origin, json) else { return Ok(false) };
        match self.take_in_room(&origin, room_id, vec![json]).await {
            Ok(taken) => Ok(!taken.waiting.is_empty()),
            Err(Error::Matrix { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// How long an event waits that was tried so often, in milliseconds.
fn pause(tries: i64) -> i64 {
    let times = u32::try_from(tries.clamp(0, 8)).unwrap_or(0);
    (AGAIN_AFTER_MS << (2 * times)).min(AGAIN_AFTER_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_waits_for_its_changes_of_the_last_moments() {
        let changes = |json: &str| {
            let event_id = OwnedEventId::try_from("$event").unwrap();
            Waiting { event_id, json: json.into() }.changes_state(1_000_000)
        };
        assert!(changes(r#"{"origin_server_ts":910000,"state_key":""}"#));
        assert!(changes(r#"{"origin_server_ts":1090000,"state_key":"a"}"#));
        assert!(!changes(r#"{"origin_server_ts":909999,"state_key":""}"#));
        assert!(!changes(r#"{"origin_server_ts":9007199254740991,"state_key":""}"#));
        assert!(!changes(r#"{"origin_server_ts":1000000}"#));
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!([0, 1, 2].map(pause), [5_000, 20_000, 80_000]);
        assert_eq!([4, 9, i64::MAX].map(pause), [AGAIN_AFTER_MAX_MS; 3]);
    }
}
