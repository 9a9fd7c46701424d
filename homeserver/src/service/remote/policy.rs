//! Asking a room's policy server to sign an event
//! ([spec](https://spec.matrix.org/v1.19/server-server-api/#asking-for-a-policy-server-signature-on-an-event)).

use std::time::Duration;

use ruma::{api::federation::policy::sign_event, events::room::policy::RoomPolicyEventContent};
use sealpost_federation::client::Limits;
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
/// So long a policy server is not asked for events of others after it was not there.
const PAUSE_MS: i64 = 60_000;

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
        let asked = self.ask_policy_server(policy, &event.pdu);
        let refusal = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(signature)) => match with_signature(&event.pdu, policy, &signature, info.rules) {
                Ok(pdu) => return Ok(RemoteEvent { pdu, ..event }),
                Err(error) => error.to_string(),
            },
            Ok(Err(Error::Matrix { status, message, .. })) if status.is_client_error() => {
                message.into_owned()
            }
            Ok(Err(Error::Matrix { message, .. })) => {
                self.silent_policy_servers.insert(policy.via.clone(), now + PAUSE_MS);
                message.into_owned()
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                self.silent_policy_servers.insert(policy.via.clone(), now + PAUSE_MS);
                "no answer".to_owned()
            }
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
        self.check_policy(&policy.via)?;
        let pdu = RawValue::from_string(pdu.json.to_string())
            .map_err(|error| Error::internal(format!("an event is not JSON: {error}")))?;
        let request = sign_event::v1::Request::new(pdu);
        let answer = self.client.send(&policy.via, request, Limits::SMALL).await;
        let answer = answer.map_err(|error| refused(&policy.via, error))?;
        self.signs_of_life.heard_from(&policy.via);
        let signature = answer.ed25519_signature(&policy.via).map(str::to_owned);
        signature.ok_or_else(|| Error::forbidden("The room's policy server did not sign the event"))
    }
}
