//! Distributions of sender keys, deposited for devices (`docs/protocol.md`, section 11): each goes to its device as a
//! to-device message, and waits beside until the device says that it has processed it.
//!
//! ```text
//! POST sender-keys ─► members? ─► each content labelled ─┬─► to-device message, and a row ─► GET ─► ack: deleted
//!                                                        └─► EDU ─► another Sealpost: the same there
//! ```
//!
//! The label (`org.sealpost.deposit`: room and id) is all that is added, and all that is read. To servers and clients
//! that do not know it a deposit is a message like others.

use std::{collections::BTreeMap, sync::Arc};

use ruma::{
    OwnedRoomId, OwnedUserId, RoomId, UserId,
    api::client::to_device::send_event_to_device::v3::Messages, events::AnyToDeviceEventContent,
    serde::Raw, to_device::DeviceIdOrAllDevices,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    random,
    remote::Remote,
    rooms::visibility::Access,
    sessions::Session,
    timeline::Context,
    to_device::{
        self,
        addressed::{Addressed, CONTENT_MAX, too_large},
    },
};
use crate::{
    error::{Error, Result},
    storage::{
        Conn, Position, RoomNid, Tx, UserNid,
        client_transactions::{self, TransactionKey},
        members,
        sender_keys::{self as rows, SenderKeyRow},
        to_device::Message,
    },
};

/// What the content of a deposit has besides what was deposited.
pub const LABEL: &str = "org.sealpost.deposit";
const EVENT_TYPE: &str = "m.room.encrypted";
/// One request has deposits for so many devices.
const DEVICES_MAX: usize = 100;
/// The most bytes of one deposit: several times what a distribution has with a handshake around it.
const DEPOSIT_MAX: usize = 16 * 1024;
/// So many wait for a device; of more, the newest.
const KEPT: i64 = 1_000;
/// An answer has no more than this.
const AT_ONCE: usize = 100;
const ACKNOWLEDGED_AT_ONCE: usize = 1_000;
const ID_LENGTH: usize = 255;
/// Random characters of an id: 131 bits.
const OWN_ID_LENGTH: usize = 22;

pub struct SenderKeys {
    context: Arc<Context>,
    remote: Arc<Remote>,
}

/// What waits for a device, and what to ask with for what is behind it.
#[derive(Serialize)]
pub struct Waiting {
    events: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_batch: Option<String>,
}

/// A deposit for a device of this server, in a room.
#[derive(Debug)]
pub(super) struct Deposit {
    user_id: String,
    user: UserNid,
    device_id: String,
    room: RoomNid,
    id: String,
}

/// A deposit of another server: for which user and device, and what it says.
pub(super) type Labelled = (OwnedUserId, String, Label);

/// What is under [`LABEL`].
#[derive(Serialize, Deserialize)]
pub(super) struct Label {
    room_id: OwnedRoomId,
    id: String,
}

impl SenderKeys {
    pub fn new(context: Arc<Context>, remote: Arc<Remote>) -> Self {
        Self { context, remote }
    }

    /// Deposits contents for devices of a room's members, the caller being one. Answers the users that are neither
    /// joined nor invited: nothing was deposited for them.
    pub async fn deposit(
        &self,
        caller: &Session,
        room_id: &RoomId,
        messages: Messages,
        transaction_id: Option<String>,
    ) -> Result<Vec<OwnedUserId>> {
        check(&messages, transaction_id.as_deref())?;
        let (context, room_id, caller_nid) =
            (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let id = room_id.clone();
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &id, caller_nid)?;
            if !access.is_joined() {
                return Err(Error::forbidden("You are not in this room"));
            }
            sort(&context, conn, access.info.nid, messages)
        });
        let Sorted { room, members, left_out } = read.await?;
        let (labelled, deposits) = label(&self.context, &room_id, room, members)?;
        let (here, sender) = (&self.context.server_name, &caller.user_id);
        let mut addressed = Addressed::new(here, sender, EVENT_TYPE, labelled, CONTENT_MAX)?;
        addressed.edus.retain(|(server, _)| self.remote.talks_to(server));
        let key = transaction_id.map(|transaction_id| TransactionKey {
            user_nid: caller.user_nid,
            device_id: caller.device_id.to_string(),
            endpoint: format!("sender-keys/{room_id}"),
            transaction_id,
        });
        let (context, now) = (self.context.clone(), self.context.clock.now_ms());
        let write = self.context.store.write(move |tx| {
            if let Some(key) = &key
                && !client_transactions::insert_if_new(tx, key, now)?
            {
                return Ok(());
            }
            to_device::write_edus(tx, &context, &addressed.edus)?;
            take_in(tx, &context, &addressed.here, &deposits)
        });
        write.await?;
        Ok(left_out)
    }

    /// What was deposited for the caller's device in a room and not acknowledged, behind `from`.
    pub async fn waiting(
        &self,
        caller: &Session,
        room_id: &RoomId,
        from: Option<&str>,
    ) -> Result<Waiting> {
        let from = from.map_or(Ok(Position(0)), parse)?;
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let (user, device_id) = (caller.user_nid, caller.device_id.to_string());
        let read = self.context.store.read(move |conn| {
            let room = room_of(&context, conn, &room_id, user)?;
            rows::of_room(conn, (user, &device_id), room, from, AT_ONCE as i64 + 1)
        });
        let mut rows = read.await?;
        let is_more = rows.len() > AT_ONCE;
        rows.truncate(AT_ONCE);
        let last = rows.last().map(|(position, _)| format!("k{position}"));
        let events = rows.into_iter().map(|(_, json)| RawValue::from_string(json));
        let events = events
            .collect::<Result<_, _>>()
            .map_err(|error| Error::internal(format!("a deposit: {error}")))?;
        Ok(Waiting { events, next_batch: last.filter(|_| is_more) })
    }

    /// The caller's device has processed deposits. Ids of none are passed over.
    pub async fn acknowledge(
        &self,
        caller: &Session,
        room_id: &RoomId,
        ids: Vec<String>,
    ) -> Result<()> {
        if ids.len() > ACKNOWLEDGED_AT_ONCE {
            return Err(Error::invalid_param("These are more than 1000 ids"));
        }
        if !ids.iter().all(|id| is_id(id)) {
            return Err(Error::invalid_param("An id is too long, or holds NUL"));
        }
        let (context, id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let room = self.context.store.read(move |conn| room_of(&context, conn, &id, user)).await?;
        let device_id = caller.device_id.to_string();
        let write =
            self.context.store.write(move |tx| rows::delete(tx, (user, &device_id), room, &ids));
        write.await
    }
}

/// A room for somebody who is in it, was, or may come.
fn room_of(context: &Context, conn: &mut Conn, room_id: &RoomId, user: UserNid) -> Result<RoomNid> {
    let access = Access::load(context, conn, room_id, user)?;
    match access.membership {
        Some(_) => Ok(access.info.nid),
        None => Err(Error::forbidden("You are not in this room")),
    }
}

/// What others deposited for devices of this server, by what the messages of an EDU are labelled with.
pub(super) fn labelled(event_type: &str, messages: &Messages) -> Vec<Labelled> {
    let mut found = Vec::new();
    if event_type != EVENT_TYPE {
        return found;
    }
    for (user_id, devices) in messages {
        for (device, content) in devices {
            let DeviceIdOrAllDevices::DeviceId(device_id) = device else { continue };
            // Most messages are none.
            if content.json().get().len() > CONTENT_MAX || !content.json().get().contains(LABEL) {
                continue;
            }
            let Ok(Some(label)) = content.get_field::<Label>(LABEL) else { continue };
            if is_id(&label.id) {
                found.push((user_id.clone(), device_id.to_string(), label));
            }
        }
    }
    found
}

/// Of what somebody of another server deposited, what is for a room that both are in.
pub(super) fn admitted(
    context: &Context,
    conn: &mut Conn,
    sender: &UserId,
    labelled: Vec<Labelled>,
) -> Result<Vec<Deposit>> {
    let Some(sender) = context.store.users().find(conn, sender)? else { return Ok(Vec::new()) };
    let mut deposits = Vec::new();
    for (user_id, device_id, Label { room_id, id }) in labelled {
        let Some(room) = context.rooms.by_id(conn, &room_id)? else { continue };
        let sends = members::get(conn, room.nid, sender)?;
        if sends.is_some_and(|row| row.membership == "join")
            && let Some(user) = member(context, conn, room.nid, &user_id)?
        {
            let user_id = user_id.to_string();
            deposits.push(Deposit { user_id, user, device_id, room: room.nid, id });
        }
    }
    Ok(deposits)
}

/// Has messages wait for devices of this server, and keeps those that are deposits.
pub(super) fn take_in(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    messages: &[Message],
    deposits: &[Deposit],
) -> Result<()> {
    let Some((position, devices)) = to_device::insert(tx, context, messages)? else {
        return Ok(());
    };
    if deposits.is_empty() {
        return Ok(());
    }
    let now = context.clock.now_ms();
    let row = |deposit: &Deposit| {
        let is_there = |(user, device_id): &(UserNid, String)| {
            *user == deposit.user && *device_id == deposit.device_id
        };
        let is_this = |message: &&Message| {
            message.device_id == deposit.device_id && message.user_id == deposit.user_id
        };
        devices.iter().find(|device| is_there(device))?;
        Some(SenderKeyRow {
            user_nid: deposit.user,
            device_id: deposit.device_id.clone(),
            position,
            room_nid: deposit.room,
            deposit_id: deposit.id.clone(),
            deposited_at: now,
            json: messages.iter().find(is_this)?.json.clone(),
        })
    };
    let rows: Vec<SenderKeyRow> = deposits.iter().filter_map(row).collect();
    rows::insert(tx, &rows, KEPT)
}

/// Of a deposit or a transaction.
fn is_id(text: &str) -> bool {
    text.len() <= ID_LENGTH && !text.contains('\0')
}

fn check(messages: &Messages, transaction_id: Option<&str>) -> Result<()> {
    if transaction_id.is_some_and(|id| !is_id(id)) {
        return Err(Error::invalid_param("The transaction id is too long, or holds NUL"));
    }
    if messages.values().map(BTreeMap::len).sum::<usize>() > DEVICES_MAX {
        return Err(too_large("These are deposits for more than 100 devices"));
    }
    for (device, content) in messages.values().flatten() {
        if *device == DeviceIdOrAllDevices::AllDevices {
            return Err(Error::invalid_param("A deposit is for one device, not for all"));
        }
        if content.json().get().len() > DEPOSIT_MAX {
            return Err(too_large("A deposit is too large"));
        }
    }
    Ok(())
}

struct Sorted {
    room: RoomNid,
    /// Of users of other servers the number is of no use.
    members: Vec<(OwnedUserId, UserNid, Devices)>,
    left_out: Vec<OwnedUserId>,
}

type Devices = BTreeMap<DeviceIdOrAllDevices, Raw<AnyToDeviceEventContent>>;

/// Tells those who are in a room, or invited, from others.
fn sort(context: &Context, conn: &mut Conn, room: RoomNid, messages: Messages) -> Result<Sorted> {
    let mut sorted = Sorted { room, members: Vec::new(), left_out: Vec::new() };
    for (user_id, devices) in messages {
        match member(context, conn, room, &user_id)? {
            Some(user) => sorted.members.push((user_id, user, devices)),
            None => sorted.left_out.push(user_id),
        }
    }
    Ok(sorted)
}

/// A user that is joined or invited.
fn member(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    user_id: &UserId,
) -> Result<Option<UserNid>> {
    if user_id.as_str().contains('\0') {
        return Ok(None);
    }
    let Some(user) = context.store.users().find(conn, user_id)? else { return Ok(None) };
    let row = members::get(conn, room, user)?;
    let is_in = row.is_some_and(|row| matches!(row.membership.as_str(), "join" | "invite"));
    Ok(is_in.then_some(user))
}

/// Gives each content its label. Answers what is for devices of this server beside.
fn label(
    context: &Context,
    room_id: &RoomId,
    room: RoomNid,
    members: Vec<(OwnedUserId, UserNid, Devices)>,
) -> Result<(Messages, Vec<Deposit>)> {
    let (mut labelled, mut deposits) = (Messages::new(), Vec::new());
    for (user_id, user, devices) in members {
        let is_local = user_id.server_name() == context.server_name;
        let mut of_user = BTreeMap::new();
        for (device, content) in devices {
            let id = random::letters_and_digits(OWN_ID_LENGTH, &mut rand::rng());
            let label = Label { room_id: room_id.to_owned(), id };
            let content = with_label(&content, &label)?;
            if let DeviceIdOrAllDevices::DeviceId(device_id) = &device
                && is_local
                && !device_id.as_str().contains('\0')
            {
                let (user_id, device_id) = (user_id.to_string(), device_id.to_string());
                deposits.push(Deposit { user_id, user, device_id, room, id: label.id });
            }
            of_user.insert(device, content);
        }
        labelled.insert(user_id, of_user);
    }
    Ok((labelled, deposits))
}

fn with_label(
    content: &Raw<AnyToDeviceEventContent>,
    label: &Label,
) -> Result<Raw<AnyToDeviceEventContent>> {
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(content.json().get())
        .map_err(|_| Error::bad_json("A deposit is not a JSON object"))?;
    let broken = |error| Error::internal(format!("a deposit: {error}"));
    let label = serde_json::value::to_raw_value(label).map_err(broken)?;
    fields.insert(LABEL.to_owned(), label);
    serde_json::value::to_raw_value(&fields).map(Raw::from_json).map_err(broken)
}

fn parse(token: &str) -> Result<Position> {
    let position = token.strip_prefix('k').and_then(|position| position.parse().ok());
    position.map(Position).ok_or_else(|| Error::invalid_param("from is not one of ours"))
}
