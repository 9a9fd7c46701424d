//! EDUs: what servers tell one another besides events ([`Edu`]).
//!
//! All pass one gate, [`admit`]: it is whole, not too large, and what it says is said for users of the server
//! that it came from. To add one: an arm there, `edu/<name>.rs`, and an arm in [`Remote::take_in_edus`].

pub(super) mod device_lists;
mod direct_to_device;
mod presence;
mod receipt;
mod typing;

use ruma::{
    OwnedServerName, ServerName, UserId, api::federation::transactions::edu::Edu, serde::Raw,
};
use sealpost_federation::transaction::MAX_EDU_BYTES;

use super::{
    Remote,
    complaints::{Complaints, shortened},
};
use crate::error::{Error, Result};

/// Some servers count the content of the largest part alone.
const EDU_BYTES_MAX: usize = 2 * MAX_EDU_BYTES;

impl Remote {
    /// Takes in what is about no room of the EDUs of a transaction, in order, and answers with the rest. What
    /// must not be lost is committed then.
    pub(super) async fn take_in_edus(
        &self,
        origin: &OwnedServerName,
        edus: Vec<Raw<Edu>>,
    ) -> Result<Vec<Edu>> {
        let (mut messages, mut updates, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for edu in edus.iter().filter_map(|edu| admit(origin, edu, &self.complaints)) {
            let taken = match edu {
                Edu::DirectToDevice(message) => {
                    messages.push(message);
                    continue;
                }
                Edu::Presence(presence) => {
                    updates.extend(presence.push);
                    continue;
                }
                Edu::DeviceListUpdate(update) => self.take_in_device_update(update).await,
                Edu::SigningKeyUpdate(update) => self.take_in_signing_keys(update).await,
                edu => {
                    rest.push(edu);
                    continue;
                }
            };
            match taken {
                Err(Error::Matrix { message, .. }) => {
                    if self.may_log(origin) {
                        tracing::info!(%origin, reason = %message, "an EDU was not taken");
                    }
                }
                taken => taken?,
            }
        }
        self.take_in_messages(origin, messages).await?;
        self.presence.heard(updates).await?;
        Ok(rest)
    }

    /// Takes in what is about rooms: it may be about events of the same transaction.
    pub(super) async fn take_in_edus_of_rooms(
        &self,
        origin: &OwnedServerName,
        edus: Vec<Edu>,
    ) -> Result<()> {
        for edu in edus {
            match edu {
                Edu::Receipt(receipts) => self.take_in_receipts(origin, receipts).await?,
                Edu::Typing(typing) => self.take_in_typing(origin, typing).await?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// An EDU of `origin`, unless it is not to be taken in.
fn admit(origin: &ServerName, edu: &Raw<Edu>, complaints: &Complaints) -> Option<Edu> {
    let bytes = edu.json().get().len();
    if bytes > EDU_BYTES_MAX {
        if complaints.may_log(origin) {
            tracing::info!(%origin, bytes, "an EDU is too large");
        }
        return None;
    }
    let mut edu = match presence::lenient(edu).map_or_else(|| edu.deserialize(), Ok) {
        Ok(edu) => edu,
        Err(error) => {
            if complaints.may_log(origin) {
                let error = shortened(&error.to_string());
                tracing::info!(%origin, error, "an EDU is malformed");
            }
            return None;
        }
    };
    let is_theirs = |user_id: &UserId| {
        let is_theirs = user_id.server_name() == origin;
        if !is_theirs && complaints.may_log(origin) {
            tracing::warn!(%origin, %user_id, "an EDU is about a user of another server");
        }
        is_theirs
    };
    let is_admitted = match &mut edu {
        Edu::DirectToDevice(message) => is_theirs(&message.sender),
        Edu::DeviceListUpdate(update) => is_theirs(&update.user_id),
        Edu::SigningKeyUpdate(update) => is_theirs(&update.user_id),
        Edu::Typing(typing) => is_theirs(&typing.user_id),
        Edu::Presence(presence) => {
            presence.push.retain(|update| is_theirs(&update.user_id));
            true
        }
        Edu::Receipt(receipts) => {
            for room in receipts.receipts.values_mut() {
                room.read.retain(|user_id, _| is_theirs(user_id));
            }
            true
        }
        _ => false,
    };
    is_admitted.then_some(edu)
}

#[cfg(test)]
mod tests {
    use std::{io::Seek, sync::Arc};

    use ruma::server_name;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Clock;

    fn is_admitted(edu: Value) -> bool {
        let edu = Raw::new(&edu).unwrap().cast_unchecked();
        let complaints = Complaints::new(Clock::fixed(0));
        admit(server_name!("b.test"), &edu, &complaints).is_some()
    }

    fn message(sender: &str, size: usize) -> Value {
        json!({ "edu_type": "m.direct_to_device", "content": {
            "sender": sender, "type": "m.test", "message_id": "1",
            "messages": { "@a:a.test": { "D": { "a": "a".repeat(size) } } },
        } })
    }

    #[test]
    fn of_edus_without_end_that_are_wrong_some_are_logged() {
        let mut log = Arc::new(tempfile::tempfile().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
        let complaints = Complaints::new(Clock::fixed(0));
        tracing::subscriber::with_default(subscriber, || {
            for edu in [message("@b:c.test", 1), message("nobody", 1), json!([])] {
                let edu = Raw::new(&edu).unwrap().cast_unchecked();
                for _ in 0..1_000 {
                    assert!(admit(server_name!("b.test"), &edu, &complaints).is_none());
                }
            }
        });
        log.rewind().unwrap();
        let lines = std::io::read_to_string(log).unwrap().lines().count();
        assert!((1..100).contains(&lines), "{lines}");
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
