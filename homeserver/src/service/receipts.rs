//! Up to where users have read: receipts and the fully-read marker. Other servers in the room are told of public
//! receipts, by rows of the outbox in the same commit.

use std::sync::Arc;

use ruma::{
    EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId,
    api::federation::transactions::edu::ReceiptData,
    events::receipt::{Receipt, ReceiptThread},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    notifier::Subject,
    remote::others::OtherServers,
    rooms::visibility::Access,
    sessions::Session,
    thread::{Thread, thread_of},
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    storage::{
        Conn, Position, RoomNid, Tx, UserNid,
        account_data::{self, AccountDataRow},
        members,
        outbox::{self, Worth},
        read_positions,
        receipts::{self, ReceiptRow},
    },
};

pub const PUBLIC: &str = "m.read";
pub const PRIVATE: &str = "m.read.private";
const FULLY_READ: &str = "m.fully_read";

/// What a user says to have read up to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerKind {
    Read,
    ReadPrivate,
    FullyRead,
}

pub struct Marker {
    pub kind: MarkerKind,
    pub event_id: OwnedEventId,
    pub thread: ReceiptThread,
}

pub struct Receipts {
    context: Arc<Context>,
    others: Arc<OtherServers>,
}

/// A marker whose event was found.
struct Placed {
    kind: MarkerKind,
    event_id: OwnedEventId,
    at: Position,
    thread: String,
}

impl Receipts {
    pub fn new(context: Arc<Context>, others: Arc<OtherServers>) -> Self {
        Self { context, others }
    }

    /// Moves markers of the caller forward. One that is ahead already stays.
    pub async fn mark(
        &self,
        caller: &Session,
        room_id: &RoomId,
        markers: Vec<Marker>,
    ) -> Result<()> {
        let (context, room_id) = (self.context.clone(), room_id.to_owned());
        let (user, others) = (caller.user_nid, self.others.clone());
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &room_id, user)?;
            if !access.is_joined() {
                return Err(Error::forbidden("You are not in this room"));
            }
            let room = access.info.nid;
            let mut placed = Vec::with_capacity(markers.len());
            for marker in markers {
                let marker = place(&context, conn, room, marker)?;
                if marker.kind != MarkerKind::FullyRead
                    || !is_fully_read(&context, conn, &room_id, user, marker.at)?
                {
                    placed.push(marker);
                }
            }
            let servers = others.in_room(&context, conn, room)?;
            Ok((room, room_id, placed, servers))
        });
        let (room, room_id, placed, servers) = read.await?;
        let (context, now) = (self.context.clone(), self.context.clock.now_ms());
        let user_id = caller.user_id.clone();
        let write = self.context.store.write(move |tx| {
            let (mut subjects, mut last) = (Vec::new(), None);
            for marker in &placed {
                let moved = match marker.kind {
                    MarkerKind::FullyRead => Some(fully_read(tx, &room_id, user, marker)?),
                    _ => receipt(tx, room, user, marker, now)?,
                };
                let Some(position) = moved else { continue };
                last = Some(position);
                if marker.kind == MarkerKind::Read && !servers.is_empty() {
                    let edu = edu(&room_id, &user_id, marker, now);
                    outbox::insert_edus(tx, &servers, position, &edu, (Worth::Day, now))?;
                    subjects.push(Subject::Outbox);
                }
                subjects.push(match marker.kind {
                    MarkerKind::Read => Subject::Room(room),
                    MarkerKind::ReadPrivate | MarkerKind::FullyRead => Subject::User(user),
                });
                if marker.kind != MarkerKind::FullyRead {
                    subjects.push(Subject::Receipts(room));
                }
            }
            if let Some(position) = last {
                let context = context.clone();
                tx.after_commit(move || context.notifier.advance(position, subjects));
            }
            Ok(())
        });
        write.await
    }
}

/// A receipt of a user of another server.
pub(super) struct Received {
    pub user_id: OwnedUserId,
    pub event_id: OwnedEventId,
    pub data: Receipt,
}

impl Received {
    /// Only the first of its events counts; one without events says nothing.
    pub(super) fn new(user_id: OwnedUserId, receipt: ReceiptData) -> Option<Self> {
        let event_id = receipt.event_ids.into_iter().next()?;
        Some(Self { user_id, event_id, data: receipt.data })
    }
}

/// Takes in the receipts of one room from another server, each of a user of that server. Those of users who are not
/// in the room, and those that would go back are left out. Answers those of events that have no place here.
pub(super) async fn received(
    context: &Arc<Context>,
    room: RoomNid,
    receipts: Vec<Received>,
) -> Result<Vec<Received>> {
    let cloned = context.clone();
    let read = context.store.read(move |conn| {
        let (mut placed, mut early) = (Vec::new(), Vec::new());
        for received in receipts {
            let Some(user) = member(&cloned, conn, room, &received.user_id)? else { continue };
            let event = cloned.events.by_id(conn, &received.event_id)?;
            if event.is_none_or(|event| event.outlier) {
                early.push(received);
            } else {
                placed.extend(place_received(&cloned, conn, room, user, received)?);
            }
        }
        Ok((placed, early))
    });
    let (placed, early) = read.await?;
    if placed.is_empty() {
        return Ok(early);
    }
    let cloned = context.clone();
    let write = context.store.write(move |tx| {
        let mut last = None;
        for (user, ts, marker) in &placed {
            last = set(tx, room, *user, PUBLIC, marker, *ts)?.or(last);
        }
        if let Some(position) = last {
            let context = cloned.clone();
            let subjects = [Subject::Room(room), Subject::Receipts(room)];
            tx.after_commit(move || context.notifier.advance(position, subjects));
        }
        Ok(())
    });
    write.await?;
    Ok(early)
}

/// A user who is in the room.
fn member(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    user_id: &UserId,
) -> Result<Option<UserNid>> {
    let Some(user) = context.store.users().find(conn, user_id)? else { return Ok(None) };
    let member = members::get(conn, room, user)?;
    Ok(member.is_some_and(|member| member.membership == "join").then_some(user))
}

fn place_received(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    user: UserNid,
    Received { user_id, event_id, data }: Received,
) -> Result<Option<(UserNid, i64, Placed)>> {
    let ts = data.ts.map_or_else(|| context.clock.now_ms(), |ts| i64::from(ts.0));
    let marker = Marker { kind: MarkerKind::Read, event_id, thread: data.thread };
    match place(context, conn, room, marker) {
        Ok(placed) => Ok(Some((user, ts, placed))),
        Err(Error::Matrix { message, .. }) => {
            tracing::debug!(%user_id, %message, "a receipt of another server is not taken");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What other servers are told of a receipt.
fn edu(room_id: &OwnedRoomId, user_id: &UserId, marker: &Placed, now: i64) -> String {
    let mut data = json!({ "ts": now });
    if marker.thread != read_positions::ALL {
        data["thread_id"] = json!(marker.thread);
    }
    let receipt = json!({ "data": data, "event_ids": [marker.event_id] });
    let content = json!({ room_id.as_str(): { PUBLIC: { user_id.as_str(): receipt } } });
    json!({ "edu_type": "m.receipt", "content": content }).to_string()
}

/// Finds the event that a marker names, and checks that it is in the marker's thread.
fn place(context: &Context, conn: &mut Conn, room: RoomNid, marker: Marker) -> Result<Placed> {
    let Marker { kind, event_id, thread } = marker;
    let event = context.events.by_id(conn, &event_id)?.filter(|event| event.room_nid == room);
    let at = event.as_ref().and_then(|event| event.position());
    let (Some(event), Some(at)) = (event, at) else {
        return Err(Error::not_found("There is no such event in this room"));
    };
    let find = |id: &EventId| context.events.by_id(conn, id);
    let fits = match &thread {
        ReceiptThread::Unthreaded => true,
        _ if kind == MarkerKind::FullyRead => false,
        // It has lost what it related to.
        ReceiptThread::Main | ReceiptThread::Thread(_) if event.redacted_because.is_some() => true,
        ReceiptThread::Main => thread_of(&event.pdu, find)? == Thread::Main,
        ReceiptThread::Thread(root) => {
            *root == event_id || thread_of(&event.pdu, find)? == Thread::Of(root.clone())
        }
        _ => false,
    };
    if !fits {
        return Err(Error::invalid_param("The event is not in that thread"));
    }
    let thread = thread.as_str().unwrap_or(read_positions::ALL).to_owned();
    Ok(Placed { kind, event_id, at, thread })
}

/// Sets a receipt, unless it would go back.
fn receipt(
    tx: &mut Tx<'_>,
    room: RoomNid,
    user: UserNid,
    marker: &Placed,
    now: i64,
) -> Result<Option<Position>> {
    let receipt_type = match marker.kind {
        MarkerKind::ReadPrivate => PRIVATE,
        _ => PUBLIC,
    };
    let position = set(tx, room, user, receipt_type, marker, now)?;
    if position.is_some() {
        read_positions::advance(tx, (user, room), &marker.thread, marker.at)?;
    }
    Ok(position)
}

fn set(
    tx: &mut Tx<'_>,
    room: RoomNid,
    user: UserNid,
    receipt_type: &str,
    marker: &Placed,
    ts: i64,
) -> Result<Option<Position>> {
    let known = receipts::event_position(tx, room, user, receipt_type, &marker.thread)?;
    if known.is_some_and(|known| known >= marker.at) {
        return Ok(None);
    }
    let position = tx.next_position()?;
    let row = ReceiptRow {
        room_nid: room,
        user_nid: user,
        receipt_type: receipt_type.to_owned(),
        thread: marker.thread.clone(),
        event_id: marker.event_id.to_string(),
        event_position: marker.at,
        ts,
        position,
    };
    receipts::set(tx, &row)?;
    Ok(Some(position))
}

/// Whether the fully-read marker is at a place or ahead of it.
fn is_fully_read(
    context: &Context,
    conn: &mut Conn,
    room_id: &RoomId,
    user: UserNid,
    at: Position,
) -> Result<bool> {
    #[derive(Deserialize)]
    struct Content {
        event_id: OwnedEventId,
    }
    let known = account_data::get(conn, user, room_id.as_str(), FULLY_READ)?;
    let known = known.and_then(|known| serde_json::from_str::<Content>(&known).ok());
    let Some(Content { event_id }) = known else { return Ok(false) };
    let event = context.events.by_id(conn, &event_id)?;
    Ok(event.and_then(|event| event.position()).is_some_and(|known| known >= at))
}

/// Sets the fully-read marker, which is account data.
fn fully_read(
    tx: &mut Tx<'_>,
    room_id: &RoomId,
    user: UserNid,
    marker: &Placed,
) -> Result<Position> {
    let position = tx.next_position()?;
    let row = AccountDataRow {
        user_nid: user,
        room_id: room_id.to_string(),
        event_type: FULLY_READ.to_owned(),
        content: json!({ "event_id": marker.event_id }).to_string(),
        position,
    };
    account_data::set(tx, &row)?;
    Ok(position)
}
