//! `m.receipt`: up to where users of another server have read (server-server API, "Receipts").

use ruma::{OwnedServerName, api::federation::transactions::edu::ReceiptContent};

use crate::{error::Result, service::remote::Remote};

impl Remote {
    pub(super) async fn take_in_receipts(
        &self,
        origin: &OwnedServerName,
        content: ReceiptContent,
    ) -> Result<()> {
        for (room_id, room) in content.receipts {
            if room.read.is_empty() {
                continue;
            }
            if let Some(info) = self.room_of_edu(origin, &room_id).await? {
                self.take_in_receipts_of(info.nid, room).await?;
            }
        }
        Ok(())
    }
}
