//! Entering a room: its members, of whom there may be many, are written ahead of the event that enters, some at a
//! time (storage rule 1).
//!
//! Nobody of this server is in the room until that event is committed, so nobody looks at what is written before.
//! Of an attempt that came to nothing rows stay behind, as they do of a room that everybody here has left: the next
//! attempt writes what differs from them.

use std::{collections::HashMap, sync::Arc};

use ruma::UserId;

use super::{
    Timeline,
    commit::write_membership,
    context::Context,
    prepare::{MembershipChange, membership},
};
use crate::{
    error::{Error, Result},
    service::event::Event,
    storage::{Conn, EventNid, Interned, RoomNid, UserNid, members, rooms},
};

/// How many memberships one job of the writer writes.
const AT_ONCE: usize = 100;
/// How often what is left is looked for again, because others wrote the same users.
const ATTEMPTS_MAX: usize = 5;

/// A membership that is to be written, with the user's row where there is none.
type Unwritten = (MembershipChange, Option<Interned<Arc<str>, UserNid>>);

impl Timeline {
    /// Writes the memberships of other servers' users that a room will have once it is entered with these
    /// member events in its state.
    pub async fn write_members(&self, room: RoomNid, events: Vec<EventNid>) -> Result<()> {
        let events: Arc<[EventNid]> = events.into();
        for _ in 0..ATTEMPTS_MAX {
            match self.write_unwritten(room, events.clone()).await {
                Err(Error::StaleRoom) => {}
                result => return result,
            }
        }
        Err(Error::internal("the members of a room are written by somebody else too"))
    }

    /// Writes the memberships of other servers' users that a partial room will have once it is whole, of users whom
    /// nothing is known of there.
    pub async fn write_members_ahead(&self, room: RoomNid, events: Vec<EventNid>) -> Result<()> {
        let reading = self.context.clone();
        let read = move |conn: &mut Conn| ahead(&reading, conn, room, &events);
        let mut unwritten = self.context.store.read(read).await?;
        while !unwritten.is_empty() {
            let rest = unwritten.split_off(unwritten.len().min(AT_ONCE));
            let context = self.context.clone();
            let write = self.context.store.write(move |tx| {
                let position = tx.next_position()?;
                for (seen, (change, user)) in &unwritten {
                    if let Some(user) = user {
                        context.store.users().insert(tx, user)?;
                    }
                    // An event that came meanwhile knows better.
                    let row = members::get(tx, room, change.user_nid)?;
                    if row.map(|row| row.event_nid) == *seen {
                        write_membership(tx, room, position, change)?;
                    }
                }
                Ok(())
            });
            write.await?;
            unwritten = rest;
        }
        Ok(())
    }

    async fn write_unwritten(&self, room: RoomNid, events: Arc<[EventNid]>) -> Result<()> {
        let reading = self.context.clone();
        let read = move |conn: &mut Conn| others(&reading, conn, room, &events);
        let mut unwritten = self.context.store.read(read).await?;
        while !unwritten.is_empty() {
            let rest = unwritten.split_off(unwritten.len().min(AT_ONCE));
            let context = self.context.clone();
            let write = self.context.store.write(move |tx| {
                let position = tx.next_position()?;
                for (change, user) in &unwritten {
                    if let Some(user) = user {
                        context.store.users().insert(tx, user)?;
                    }
                    write_membership(tx, room, position, change)?;
                }
                Ok(())
            });
            write.await?;
            unwritten = rest;
        }
        Ok(())
    }
}

/// What is not written yet of the memberships of other servers' users.
fn others(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    events: &[EventNid],
) -> Result<Vec<Unwritten>> {
    let (mut changes, mut users) = (Vec::with_capacity(events.len()), HashMap::new());
    for &event_nid in events {
        let event = context.events.get(conn, event_nid)?;
        if let Some((change, user)) = of_other(context, conn, &event)? {
            users.extend(user.map(|user| (user.nid, user)));
            changes.push(change);
        }
    }
    let changes = unwritten(context, conn, room, changes)?;
    Ok(changes
        .into_iter()
        .map(|change| {
            let user = users.remove(&change.user_nid);
            (change, user)
        })
        .collect())
}

/// The membership of another server's user, of their member event.
fn of_other(context: &Context, conn: &mut Conn, event: &Event) -> Result<Option<Unwritten>> {
    let user = event.pdu.state_key.as_deref().map(<&UserId>::try_from);
    let Some(Ok(user)) = user.filter(|user| match user {
        Ok(user) => user.server_name() != context.server_name,
        Err(_) => false,
    }) else {
        return Ok(None);
    };
    let user = context.store.users().find_or_reserve(conn, user)?;
    let change = MembershipChange::of_other(user.nid, membership(&event.pdu), event.nid);
    Ok(Some((change, (!user.committed).then_some(user))))
}

/// What of these member events nothing is known of in the current state and is not written, each with the event of
/// the membership that is written now.
fn ahead(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    events: &[EventNid],
) -> Result<Vec<(Option<EventNid>, Unwritten)>> {
    let current = rooms::state_nid(conn, room)?;
    let current = context.states.get(conn, current)?;
    let mut written = HashMap::new();
    for (user, _, membership, event) in members::all(conn, room)? {
        written.insert(user, (membership, event));
    }
    let mut unwritten = Vec::new();
    for &event_nid in events {
        let event = context.events.get(conn, event_nid)?;
        if event.state_key_nid.is_none_or(|key| current.get(key).is_some()) {
            continue;
        }
        let Some((change, user)) = of_other(context, conn, &event)? else { continue };
        match written.get(&change.user_nid) {
            Some((membership, event))
                if *membership == change.membership && *event == event_nid => {}
            seen => unwritten.push((seen.map(|(_, event)| *event), (change, user))),
        }
    }
    Ok(unwritten)
}

/// Those of all the memberships that a room is entered with that have to be written: not what is written already,
/// and the end of other servers' memberships from before.
pub(super) fn unwritten(
    context: &Context,
    conn: &mut Conn,
    room: RoomNid,
    mut changes: Vec<MembershipChange>,
) -> Result<Vec<MembershipChange>> {
    let mut before = HashMap::new();
    for (user, user_id, membership, event) in members::all(conn, room)? {
        before.insert(user, (user_id, membership, event));
    }
    changes.retain(|change| match before.remove(&change.user_nid) {
        Some((_, membership, event)) => {
            change.local || membership != change.membership || event != change.event_nid
        }
        None => true,
    });
    for (user, (user_id, membership, event)) in before {
        let is_own = <&UserId>::try_from(user_id.as_str())
            .is_ok_and(|user| user.server_name() == context.server_name);
        if !is_own && membership != "leave" {
            changes.push(MembershipChange::of_other(user, "leave".to_owned(), event));
        }
    }
    Ok(changes)
}
