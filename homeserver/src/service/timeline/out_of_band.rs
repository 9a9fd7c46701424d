//! Invites to rooms that this server is not in, and their end: kept for the invited user, without a place
//! in the room.

use std::sync::Arc;

use ruma::{UserId, events::TimelineEventType};

use super::{Timeline, context::Context, queue::ATTEMPTS_MAX};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    service::{event::Event, notifier::Subject, room_info::RoomInfo},
    storage::{
        Conn, UserNid, auth_chains,
        events::{self, EventRow},
        members::{self, MembershipRow},
        rooms::{self, RoomRow},
    },
};

/// A membership whose format, hashes and signatures were checked.
#[derive(Clone)]
pub struct OutOfBand {
    /// Of the invited user, who is of this server.
    pub user_nid: UserNid,
    pub pdu: Pdu,
    /// What it makes of the user.
    pub membership: String,
    /// Of an invite: a JSON list, as clients get it.
    pub stripped_state: Option<String>,
}

/// Whether an event was kept so, and has not come with the room since: nothing that authorises it was looked at, and
/// in the room it counts as unknown.
pub fn is_out_of_band(context: &Context, conn: &mut Conn, event: &Event) -> Result<bool> {
    let is_own = |user: &str| {
        <&UserId>::try_from(user).is_ok_and(|user| user.server_name() == context.server_name)
    };
    // Of all outliers these are few.
    let may_be = event.outlier
        && event.is_committed()
        && event.pdu.event_type == TimelineEventType::RoomMember
        && event.pdu.state_key.as_deref().is_some_and(is_own);
    Ok(may_be && !auth_chains::is_placed(conn, event.nid)?)
}

impl Timeline {
    /// Keeps a membership. `info` is of a room that may have no row yet, or one of which another version was claimed.
    pub async fn append_out_of_band(&self, info: Arc<RoomInfo>, invite: OutOfBand) -> Result<()> {
        let mut attempts = 1;
        loop {
            match self.try_append_out_of_band(info.clone(), invite.clone()).await {
                // Two invites to a room that is new here may have met, or a reserved id is gone.
                Err(Error::StaleRoom | Error::Database(_)) if attempts < ATTEMPTS_MAX => {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_append_out_of_band(&self, info: Arc<RoomInfo>, invite: OutOfBand) -> Result<()> {
        let OutOfBand { user_nid, pdu, membership, stripped_state } = invite;
        let context = self.context().clone();
        let read = self.context().store.read(move |conn| {
            let known = events::nid(conn, &pdu.event_id)?;
            let sender = context.store.users().find_or_reserve(conn, &*pdu.sender)?;
            let state_key = pdu.state_key.clone().unwrap_or_default();
            let event_type = pdu.event_type.to_string();
            let state_key = (event_type.as_str(), state_key.as_str());
            let state_key = context.store.state_keys().find_or_reserve(conn, state_key)?;
            let room = rooms::by_id(conn, &info.id)?;
            Ok((pdu, info, known, sender, state_key, room))
        });
        let (pdu, info, known, sender, state_key, room) = read.await?;
        let room_nid = room.as_ref().map_or(info.nid, |room| room.room_nid);
        let other = room.as_ref().filter(|room| room.version != info.version.as_str());
        if other.is_some_and(RoomRow::is_proven) {
            return Err(Error::forbidden("The room has another version here"));
        }
        // One claim is as good as another.
        let version = other.map(|_| info.version.clone());
        let new_room = room.is_none().then(|| RoomRow {
            room_nid,
            room_id: info.id.to_string(),
            version: info.version.to_string(),
            generation: rooms::CLAIMED,
            state_nid: crate::storage::StateNid(0),
            is_public: false,
        });
        let event_nid = known.unwrap_or_else(|| self.context().store.nids().event());
        let row = EventRow {
            event_nid,
            event_id: pdu.event_id.to_string(),
            room_nid,
            position: None,
            sender_nid: sender.nid,
            event_type: pdu.event_type.to_string(),
            state_key_nid: Some(state_key.nid),
            depth: pdu.depth,
            origin_server_ts: pdu.origin_server_ts.get().into(),
            received_at: self.context().clock.now_ms(),
            outlier: true,
            rejected: false,
            soft_failed: false,
            state_before_nid: None,
            state_after_nid: None,
            replaces_nid: None,
            redacted_by_nid: None,
            device_id: None,
            transaction_id: None,
            json: pdu.json.to_string(),
            is_parent: false,
        };
        let context = self.context().clone();
        let write = self.context().store.write(move |tx| {
            context.store.users().insert(tx, &sender)?;
            context.store.state_keys().insert(tx, &state_key)?;
            if let Some(room) = &new_room {
                rooms::insert(tx, room)?;
            }
            if let Some(version) = &version
                && !rooms::set_version(tx, room_nid, version, rooms::CLAIMED)?
            {
                return Err(Error::StaleRoom);
            }
            if known.is_none() {
                events::insert(tx, &row)?;
            }
            let position = tx.next_position()?;
            let membership = MembershipRow {
                room_nid,
                user_nid,
                membership: membership.clone(),
                event_nid,
                position,
                forgotten: false,
                stripped_state: stripped_state.clone(),
            };
            members::set(tx, &membership)?;
            let context = context.clone();
            tx.after_commit(move || {
                context.user_rooms.forget(user_nid);
                context.notifier.advance(position, [Subject::User(user_nid)]);
            });
            Ok(())
        });
        write.await
    }
}
