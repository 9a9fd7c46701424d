//! EDUs: what servers tell one another besides events ([`Edu`]).
//!
//! All pass one gate, [`admit`]: it is whole, not too large, and what it says is said for users of the server
//! that it came from. To add one: an arm there, `edu/<name>.rs`, and an arm in [`Remote::take_in_edus`].

pub(super) mod device_lists;
mod direct_to_device;

use ruma::{OwnedServerName, ServerName, api::federation::transactions::edu::Edu, serde::Raw};
use sealpost_federation::transaction::MAX_EDU_BYTES;

use super::Remote;
use crate::error::{Error, Result};

/// Some servers count the content of the largest part alone.
const EDU_BYTES_MAX: usize = 2 * MAX_EDU_BYTES;

impl Remote {
    /// Takes in the EDUs of a transaction, in order. What must not be lost is committed then.
    pub(super) async fn take_in_edus(
        &self,
        origin: &OwnedServerName,
        edus: Vec<Raw<Edu>>,
    ) -> Result<()> {
        let mut messages = Vec::new();
        for edu in edus.iter().filter_map(|edu| admit(origin, edu)) {
            let taken = match edu {
                Edu::DirectToDevice(message) => {
                    messages.push(message);
                    continue;
                }
                Edu::DeviceListUpdate(update) => self.take_in_device_update(update).await,
                Edu::SigningKeyUpdate(update) => self.take_in_signing_keys(update).await,
                _ => continue,
            };
            match taken {
                Err(Error::Matrix { message, .. }) => {
                    tracing::info!(%origin, reason = %message, "an EDU was not taken");
                }
                taken => taken?,
            }
        }
        self.take_in_messages(origin, messages).await
    }
}

/// An EDU of `origin`, unless it is not to be taken in.
fn admit(origin: &ServerName, edu: &Raw<Edu>) -> Option<Edu> {
    let bytes = edu.json().get().len();
    if bytes > EDU_BYTES_MAX {
        tracing::info!(%origin, bytes, "an EDU is too large");
        return None;
    }
    let edu = match edu.deserialize() {
        Ok(edu) => edu,
        Err(error) => {
            tracing::info!(%origin, %error, "an EDU is malformed");
            return None;
        }
    };
    let speaker = match &edu {
        Edu::DirectToDevice(message) => &message.sender,
        Edu::DeviceListUpdate(update) => &update.user_id,
        Edu::SigningKeyUpdate(update) => &update.user_id,
        _ => return None,
    };
    if speaker.server_name() != origin {
        tracing::warn!(%origin, %speaker, "an EDU is about a user of another server");
        return None;
    }
    Some(edu)
}

#[cfg(test)]
mod tests {
    use ruma::server_name;
    use serde_json::{Value, json};

    use super::*;

    fn is_admitted(edu: Value) -> bool {
        let edu = Raw::new(&edu).unwrap().cast_unchecked();
        admit(server_name!("b.test"), &edu).is_some()
    }

    fn message(sender: &str, size: usize) -> Value {
        json!({ "edu_type": "m.direct_to_device", "content": {
            "sender": sender, "type": "m.test", "message_id": "1",
            "messages": { "@a:a.test": { "D": { "a": "a".repeat(size) } } },
        } })
    }

    #[test]
    fn an_edu_speaks_for_users_of_its_own_server() {
        assert!(is_admitted(message("@b:b.test", 65_536)));
        assert!(!is_admitted(message("@b:b.test", EDU_BYTES_MAX)));
        assert!(!is_admitted(message("@b:c.test", 1)));
        assert!(!is_admitted(message("nobody", 1)));
        assert!(!is_admitted(json!({ "edu_type": "m.direct_to_device", "content": {} })));
        let update = |user: &str| {
            let content = json!({ "user_id": user, "device_id": "D", "stream_id": 1 });
            json!({ "edu_type": "m.device_list_update", "content": content })
        };
        assert!(is_admitted(update("@b:b.test")));
        assert!(!is_admitted(update("@b:c.test")));
        assert!(!is_admitted(json!({ "edu_type": "m.unknown", "content": {} })));
        assert!(!is_admitted(json!([])));
    }
}
