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
/// So long a policy server is not asked for events of others after it was not there, or slow.
const PAUSE_MS: i64 = 60_000;
/// One that takes longer holds up whoever sent the event.
const SLOW: Duration = Duration::from_secs(3);
/// So long one that is asked too much is left alone before it is asked once more.
const AGAIN: Duration = Duration::from_secs(1);

impl Remote {
    /// An event of another server, signed by the room's policy server if that does.
    ///
    /// One that is down is left alone for a while: what came meanwhile stays soft-failed.
    pub(super) async fn asked(
        &self,
        info: &RoomInfo,
        event: RemoteEvent,
        policy: &RoomPolicyEventContent,
    ) -> Result<RemoteEvent> {
        let now = self.context.clock.now_ms();
        let event = RemoteEvent { asked: true, ..event };
        if self.silent_policy_servers.get(&policy.via).is_some_and(|until| now < until) {
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
        if !is_there || began.elapsed() > SLOW {
            self.silent_policy_servers.insert(policy.via.clone(), now + PAUSE_MS);
        }
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
        tracing::info!(server = %policy.via, %event_id, refusal, "the policy server did not sign an event");
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
