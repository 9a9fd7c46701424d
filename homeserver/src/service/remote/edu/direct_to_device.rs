//! `m.direct_to_device`: messages to devices of this server (server-server API, "Send-to-device messaging").
//! Each is taken in once, whatever is repeated: its id is kept in the same commit.

use ruma::{OwnedServerName, OwnedUserId, api::federation::transactions::edu::DirectDeviceContent};

use crate::{
    error::{Error, Result},
    service::{
        remote::Remote,
        sender_keys::{self, Deposit, Labelled},
        to_device::{self, addressed::Addressed},
    },
    storage::received_messages,
};

/// The longest id, in bytes; the specification has 32 code points.
const ID_LENGTH: usize = 255;

/// An EDU's id, what it addresses, its sender, and which of it are deposits.
type Taken = (String, Addressed, OwnedUserId, Vec<Labelled>);

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
                if self.may_log(origin) {
                    tracing::info!(%origin, "a message to devices has an id that cannot be kept");
                }
                continue;
            }
            // We pass nothing on.
            messages.retain(|user_id, _| user_id.server_name() == here);
            let event_type = ev_type.to_string();
            let labelled = sender_keys::labelled(&event_type, &messages);
            match Addressed::new(here, &sender, &event_type, messages, usize::MAX) {
                Ok(addressed) => taken.push((message_id, addressed, sender, labelled)),
                Err(error) if self.may_log(origin) => {
                    tracing::info!(%origin, %error, "messages to devices not taken");
                }
                Err(_) => {}
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        let is_complete = |(_, addressed, _, labelled): &Taken| {
            addressed.everywhere.is_empty() && labelled.is_empty()
        };
        let taken = match taken.iter().all(is_complete) {
            true => taken.into_iter().map(|(id, it, ..)| (id, it, Vec::new())).collect(),
            false => self.look_up(origin, taken).await?,
        };
        let (context, origin) = (self.context.clone(), origin.to_string());
        let now = context.clock.now_ms();
        let write = self.context.store.write(move |tx| {
            for (message_id, addressed, deposits) in &taken {
                if received_messages::insert_if_new(tx, &origin, message_id, now)? {
                    sender_keys::take_in(tx, &context, &addressed.here, deposits)?;
                }
            }
            Ok(())
        });
        write.await
    }

    /// Finds the devices of users whose devices are all meant, and which messages are deposits in rooms.
    async fn look_up(
        &self,
        origin: &OwnedServerName,
        taken: Vec<Taken>,
    ) -> Result<Vec<(String, Addressed, Vec<Deposit>)>> {
        let (context, origin) = (self.context.clone(), origin.clone());
        let complaints = self.complaints.clone();
        let read = self.context.store.read(move |conn| {
            let mut found = Vec::new();
            for (message_id, addressed, sender, labelled) in taken {
                let deposits = sender_keys::admitted(&context, conn, &sender, labelled)?;
                match to_device::everywhere(conn, addressed) {
                    Ok(addressed) => found.push((message_id, addressed, deposits)),
                    Err(error @ Error::Matrix { .. }) => {
                        if complaints.may_log(&origin) {
                            tracing::info!(%origin, %error, "messages to devices not taken");
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(found)
        });
        read.await
    }
}
