//! `m.direct_to_device`: messages to devices of this server (server-server API, "Send-to-device messaging").
//! Each is taken in once, whatever is repeated: its id is kept in the same commit.

use ruma::{OwnedServerName, api::federation::transactions::edu::DirectDeviceContent};

use crate::{
    error::{Error, Result},
    service::{
        remote::Remote,
        to_device::{self, addressed::Addressed},
    },
    storage::received_messages,
};

/// The longest id, in bytes; the specification has 32 code points.
const ID_LENGTH: usize = 255;

impl Remote {
    pub(super) async fn take_in_messages(
        &self,
        origin: &OwnedServerName,
        messages: Vec<DirectDeviceContent>,
    ) -> Result<()> {
        let here = &self.context.server_name;
        let mut taken = Vec::new();
        for message in messages {
            let DirectDeviceContent { sender, ev_type, message_id, mut messages, .. } = message;
            let message_id = message_id.to_string();
            if message_id.len() > ID_LENGTH || message_id.contains('\0') {
                tracing::info!(%origin, "a message to devices has an id that cannot be kept");
                continue;
            }
            // We pass nothing on.
            messages.retain(|user_id, _| user_id.server_name() == here);
            match Addressed::new(here, &sender, &ev_type.to_string(), messages, usize::MAX) {
                Ok(addressed) => taken.push((message_id, addressed)),
                Err(error) => tracing::info!(%origin, %error, "messages to devices not taken"),
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        if taken.iter().any(|(_, addressed)| !addressed.everywhere.is_empty()) {
            let origin = origin.clone();
            let read = self.context.store.read(move |conn| {
                let mut found = Vec::new();
                for (message_id, addressed) in taken {
                    match to_device::everywhere(conn, addressed) {
                        Ok(addressed) => found.push((message_id, addressed)),
                        Err(error @ Error::Matrix { .. }) => {
                            tracing::info!(%origin, %error, "messages to devices not taken");
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(found)
            });
            taken = read.await?;
        }
        let (context, origin) = (self.context.clone(), origin.to_string());
        let now = context.clock.now_ms();
        let write = self.context.store.write(move |tx| {
            for (message_id, addressed) in &taken {
                if received_messages::insert_if_new(tx, &origin, message_id, now)? {
                    to_device::insert(tx, &context, &addressed.here)?;
                }
            }
            Ok(())
        });
        write.await
    }
}
