//! Asking a room's policy server to sign an event
//! ([spec](https://spec.matrix.org/v1.19/server-server-api/#asking-for-a-policy-server-signature-on-an-event)).

use std::time::{Duration, Instant};

use http::StatusCode;
use ruma::{api::federation::policy::sign_event, events::room::policy::RoomPolicyEventContent};
use sealpost_federation::{Error as FederationError, client::Limits};
use serde_json::value::RawValue;

use super::{Remote, refused};
use crate::{
    error::{Error, Result},
    room::{build::Draft, event::Pdu, policy::with_signature},
    service::{room_info::RoomInfo, timeline::RemoteEvent},
    storage::RoomNid,
};

/// So long an event of another server waits for the policy server.
const PATIENCE: Duration = Duration::from_secs(15);
/// So long a policy server is not asked for events of others after it was not there: the first time, and at most.
const PAUSE_MS: i64 = 5_000;
const PAUSE_MAX_MS: i64 = 60_000;
/// So long in a while those who send events wait for answers of one that is slow, in milliseconds.
const WAITING_MS: i64 = 20_000;
const WHILE_MS: i64 = 60_000;
/// An answer within that is no slow one, however many of them a busy room needs.
const SLOW_MS: i64 = 3_000;
/// So long one that is asked too much is left alone before it is asked once more.
const AGAIN: Duration = Duration::from_secs(1);

/// How much a policy server has held up others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    since: i64,
    waited: i64,
    failures: u32,
    until: i64,
}

impl Patience {
    fn is_at_end(self, now: i64) -> bool {
        let is_slow = now.saturating_sub(self.since) < WHILE_MS && self.waited >= WAITING_MS;
        now < self.until || is_slow
    }

    /// After it was asked for so long, in milliseconds.
    fn after(self, now: i64, waited: i64, is_there: bool) -> Self {
        let (since, before) = match now.saturating_sub(self.since) < WHILE_MS {
            true => (self.since, self.waited),
            false => (now, 0),
        };
        let waited = before + if waited > SLOW_MS { waited } else { 0 };
        // Several that asked at once have learned one thing.
        if !is_there && now < self.until {
            return Self { since, waited, ..self };
        }
        let failures = if is_there { 0 } else { self.failures.saturating_add(1) };
        let pause = match failures {
            0 => 0,
            failures => (PAUSE_MS << failures.min(6) >> 1).min(PAUSE_MAX_MS),
        };
        Self { since, waited, failures, until: now + pause }
    }
}

impl Remote {
    /// An event of another server, signed by the room's policy server if that does.
    ///
    /// One that is down is left alone for a while: what came meanwhile stays soft-failed ([decision 58]).
    ///
    /// [decision 58]: ../../../../docs/decisions/0058-while-a-policy-server-is-down.md
    pub(super) async fn asked(
        &self,
        info: &RoomInfo,
        event: RemoteEvent,
        policy: &RoomPolicyEventContent,
    ) -> Result<RemoteEvent> {
        let now = self.context.clock.now_ms();
        let event = RemoteEvent { asked: true, ..event };
        let patience = self.policy_servers.get(&policy.via).unwrap_or_default();
        if patience.is_at_end(now) {
            return Ok(event);
        }
        let event_id = &event.pdu.event_id;
        let began = Instant::now();
        let asking = async {
            match self.policy_answer(policy, &event.pdu).await? {
                Err(error) if status_of(&error) == Some(StatusCode::TOO_MANY_REQUESTS) => {
                    tokio::time::sleep(AGAIN).await;
                    self.policy_answer(policy, &event.pdu).await
                }
                answer => Ok(answer),
            }
        };
        let answer = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Err(error)) => return Err(error),
            Ok(Ok(answer)) => answer,
            Err(_) => Err(FederationError::Timeout),
        };
        let is_there = match &answer {
            Ok(_) => true,
            Err(error) => status_of(error).is_some_and(|status| !status.is_server_error()),
        };
        let waited = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        // Others may have asked meanwhile.
        let patience = self.policy_servers.get(&policy.via).unwrap_or_default();
        let now = self.context.clock.now_ms();
        self.policy_servers.insert(policy.via.clone(), patience.after(now, waited, is_there));
        let refusal = match answer {
            Ok(None) => "no signature".to_owned(),
            Ok(Some(signature)) => {
                match with_signature(&event.pdu, policy, &signature, info.rules) {
                    Ok(pdu) => return Ok(RemoteEvent { pdu, ..event }),
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        if self.may_log(&policy.via) {
            tracing::info!(server = %policy.via, %event_id, refusal, "the policy server did not sign an event");
        }
        Ok(event)
    }

    /// [`Timeline::propose_asking`], with this room's policy server.
    ///
    /// [`Timeline::propose_asking`]: crate::service::timeline::Timeline::propose_asking
    pub(super) async fn proposed(&self, room: RoomNid, draft: Draft) -> Result<Pdu> {
        let ask = async |pdu: &Pdu, policy: &RoomPolicyEventContent| {
            self.ask_policy_server(policy, pdu).await
        };
        self.timeline.propose_asking(room, draft, ask).await
    }

    /// The policy server's signature of an event; its own error where it refuses.
    pub async fn ask_policy_server(
        &self,
        policy: &RoomPolicyEventContent,
        pdu: &Pdu,
    ) -> Result<String> {
        let answer = self.policy_answer(policy, pdu).await?;
        let signature = answer.map_err(|error| refused(&policy.via, error))?;
        signature.ok_or_else(|| Error::forbidden("The room's policy server did not sign the event"))
    }

    /// What the policy server says to an event: its signature, if it gives one.
    async fn policy_answer(
        &self,
        policy: &RoomPolicyEventContent,
        pdu: &Pdu,
    ) -> Result<Result<Option<String>, FederationError>> {
        if !self.talks_to(&policy.via) {
            return Ok(Err(FederationError::NotAllowed(policy.via.clone())));
        }
        let pdu = RawValue::from_string(pdu.json.to_string())
            .map_err(|error| Error::internal(format!("an event is not JSON: {error}")))?;
        let request = sign_event::v1::Request::new(pdu);
        let answer = self.client.send(&policy.via, request, Limits::SMALL).await;
        Ok(answer.map(|answer| answer.ed25519_signature(&policy.via).map(str::to_owned)))
    }
}

fn status_of(error: &FederationError) -> Option<StatusCode> {
    match error {
        FederationError::Status { status, .. } => Some(*status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_down_is_left_alone_for_longer_each_time_and_one_that_answers_is_not() {
        let (mut patience, mut now) = (Patience::default(), 1_000_000);
        for pause in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
            patience = patience.after(now, 1, false);
            assert!(patience.is_at_end(now + pause - 1), "{pause}");
            now += pause;
            assert!(!patience.is_at_end(now), "{pause}");
        }
        patience = patience.after(now, 1, true);
        assert!(!patience.is_at_end(now));
        assert!(patience.after(now, 1, false).is_at_end(now + PAUSE_MS - 1));
        assert!(!patience.after(now, 1, false).is_at_end(now + PAUSE_MS));
        let several = patience.after(now, 1, false).after(now, 1, false).after(now + 1, 1, false);
        assert!(!several.is_at_end(now + PAUSE_MS), "they asked at once");
    }

    #[test]
    fn one_that_is_slow_is_asked_as_long_as_it_does_not_hold_up_others_all_the_time() {
        let (mut patience, mut now) = (Patience::default(), 1_000_000);
        for _ in 0..5 {
            assert!(!patience.is_at_end(now));
            now += 4_000;
            patience = patience.after(now, 4_000, true);
        }
        assert!(patience.is_at_end(now));
        now += WHILE_MS;
        assert!(!patience.is_at_end(now));
        assert!(!patience.after(now, 4_000, true).is_at_end(now));

        let mut patience = Patience::default();
        for _ in 0..1_000 {
            patience = patience.after(now, 1_000, true);
        }
        assert!(!patience.is_at_end(now), "one that is asked much is not slow");
    }
}
