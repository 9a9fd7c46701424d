//! Asking a room's policy server to sign an event
//! ([spec](https://spec.matrix.org/v1.19/server-server-api/#asking-for-a-policy-server-signature-on-an-event)).

use ruma::{api::federation::policy::sign_event, events::room::policy::RoomPolicyEventContent};
use sealpost_federation::client::Limits;
use serde_json::value::RawValue;

use super::{Remote, refused};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
};

impl Remote {
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
