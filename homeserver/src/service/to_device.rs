//! Messages to devices (client-server API, "Send-to-Device messaging"): each comes once, in order.
//!
//! ```text
//! sendToDevice ─► `addressed`: for whom? ─┬─► rows for devices of this server ─► sync ─► acknowledged: deleted
//! EDU of another server ──────────────────┘
//!                                         └─► EDUs in the outbox (in the same commit)
//! ```
//!
//! A sync that stands at N says that all up to N has come. What a session was handed is remembered in
//! [`Delivery`], so that a sync with nothing to delete costs no query.

pub mod addressed;
pub mod delivery;

use std::{collections::HashSet, sync::Arc};

use ruma::{
    OwnedServerName, OwnedTransactionId, api::client::to_device::send_event_to_device::v3::Messages,
};

use self::addressed::{Addressed, CONTENT_MAX, too_large};
use super::{notifier::Subject, remote::Remote, sessions::Session, timeline::Context};
use crate::{
    error::{Error, Result},
    storage::{
        Conn, Position, Tx, UserNid,
        client_transactions::{self, TransactionKey},
        outbox::{self, Worth},
        to_device::{self as rows, Message},
    },
};

/// The longest name of a type, in bytes.
const TYPE_LENGTH: usize = 255;
/// What one request may have waiting in the end: messages and their bytes.
pub(super) const MESSAGES_MAX: usize = 5_000;
const BYTES_MAX: usize = 8 * 1024 * 1024;

pub struct ToDevice {
    context: Arc<Context>,
    remote: Arc<Remote>,
}

impl ToDevice {
    pub fn new(context: Arc<Context>, remote: Arc<Remote>) -> Self {
        Self { context, remote }
    }

    /// Sends messages, once per transaction id. Those for unknown users and devices of this server are for
    /// nobody.
    pub async fn send(
        &self,
        caller: &Session,
        event_type: String,
        transaction_id: &OwnedTransactionId,
        messages: Messages,
    ) -> Result<()> {
        if event_type.len() > TYPE_LENGTH {
            return Err(Error::invalid_param("The type has more than 255 bytes"));
        }
        let context = self.context.clone();
        let (here, sender) = (&context.server_name, &caller.user_id);
        let mut addressed = Addressed::new(here, sender, &event_type, messages, CONTENT_MAX)?;
        addressed.edus.retain(|(server, _)| self.remote.talks_to(server));
        if !addressed.everywhere.is_empty() {
            addressed = self.context.store.read(|conn| everywhere(conn, addressed)).await?;
        }
        check_size(&addressed.here)?;
        let key = TransactionKey {
            user_nid: caller.user_nid,
            device_id: caller.device_id.to_string(),
            endpoint: format!("sendToDevice/{event_type}"),
            transaction_id: transaction_id.to_string(),
        };
        let now = context.clock.now_ms();
        let write = self.context.store.write(move |tx| {
            if client_transactions::insert_if_new(tx, &key, now)? {
                write(tx, &context, &addressed)?;
            }
            Ok(())
        });
        write.await
    }
}

/// Writes what is addressed; tells whom it is for after the commit.
fn write(tx: &mut Tx<'_>, context: &Arc<Context>, addressed: &Addressed) -> Result<()> {
    write_edus(tx, context, &addressed.edus)?;
    insert(tx, context, &addressed.here)?;
    Ok(())
}

/// Has EDUs wait for other servers.
pub(super) fn write_edus(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    edus: &[(OwnedServerName, String)],
) -> Result<()> {
    let now = context.clock.now_ms();
    for (server, edu) in edus {
        let position = tx.next_position()?;
        outbox::insert_edu(tx, server, position, edu, (Worth::Month, now))?;
    }
    if !edus.is_empty() {
        let position = tx.next_position()?;
        let context = context.clone();
        tx.after_commit(move || context.notifier.advance(position, [Subject::Outbox]));
    }
    Ok(())
}

/// Where messages of one request stand, and for which devices.
pub(super) type Arrived = (Position, Arc<Vec<(UserNid, String)>>);

/// Has messages wait for devices of this server, which are told after the commit. Answers where they stand, and
/// which devices are there.
pub(super) fn insert(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    messages: &[Message],
) -> Result<Option<Arrived>> {
    if messages.is_empty() {
        return Ok(None);
    }
    let position = tx.next_position()?;
    let devices = Arc::new(rows::insert(tx, position, messages)?);
    let (context, told) = (context.clone(), devices.clone());
    tx.after_commit(move || {
        let subjects = told.iter().map(|(user, device_id)| Subject::device(*user, device_id));
        context.notifier.advance(position, subjects);
    });
    Ok(Some((position, devices)))
}

/// Puts the devices in the place of the users whose devices are all meant.
pub(super) fn everywhere(conn: &mut Conn, mut addressed: Addressed) -> Result<Addressed> {
    let named = addressed.here.iter().map(|it| (it.user_id.clone(), it.device_id.clone()));
    let named: HashSet<(String, String)> = named.collect();
    for (user_id, json) in std::mem::take(&mut addressed.everywhere) {
        for device_id in rows::devices(conn, &user_id)? {
            let device = (user_id.clone(), device_id);
            // There is one message for a device: the one that names it.
            if !named.contains(&device) {
                let (user_id, device_id) = device;
                addressed.here.push(Message { user_id, device_id, json: json.clone() });
            }
        }
        check_size(&addressed.here)?;
    }
    Ok(addressed)
}

fn check_size(messages: &[Message]) -> Result<()> {
    let bytes: usize = messages.iter().map(|message| message.json.len()).sum();
    if messages.len() > MESSAGES_MAX || bytes > BYTES_MAX {
        return Err(too_large("There are too many messages in one request"));
    }
    Ok(())
}

/// A sync of the caller's stands at `until`: what it was handed up to there is deleted, in the background.
pub(super) async fn acknowledge(
    context: &Context,
    caller: &Arc<Session>,
    until: Position,
) -> Result<()> {
    let delivery = &caller.delivery;
    if !delivery.is_behind(until) {
        return Ok(());
    }
    if !delivery.is_known() {
        let device = device(caller);
        let span = context.store.read(move |conn| rows::span(conn, (device.0, &device.1))).await?;
        delivery.learn(span.map(|(_, last)| last));
        if span.is_none_or(|(first, _)| first > until) {
            delivery.acknowledged(until);
            return Ok(());
        }
    }
    delivery.has_come(until);
    let (device, caller) = (device(caller), caller.clone());
    let write = move |tx: &mut Tx<'_>| {
        rows::delete_until(tx, (device.0, &device.1), until)?;
        let caller = caller.clone();
        tx.after_commit(move || caller.delivery.acknowledged(until));
        Ok(())
    };
    context.store.write_then(write, |written| {
        if let Err(error) = written {
            tracing::warn!(%error, "messages that have come are not deleted yet");
        }
    });
    Ok(())
}

fn device(caller: &Session) -> (UserNid, String) {
    (caller.user_nid, caller.device_id.to_string())
}
