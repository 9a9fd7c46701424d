//! `device_lists`: whose keys the client is to ask for again, and whom it need not follow any more.
//!
//! Told as changed: users in a room with the caller whose devices or cross-signing keys changed; who came into such
//! a room or was invited, since clients encrypt for those too; and all in a room that the caller came into. As left: those with whom no room is shared now.

use std::collections::BTreeSet;

use ruma::{OwnedUserId, api::client::sync::sync_events::DeviceLists};

use crate::{
    error::Result,
    service::{notifier::Subject, sessions::Session, timeline::Context, user_rooms::Memberships},
    storage::{Conn, Position, RoomNid, UserNid, device_lists, members},
};

/// What changed with `since < position <= now`. Where nothing did, there is no query.
pub fn changed(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    memberships: &Memberships,
    (since, now): (Position, Position),
) -> Result<DeviceLists> {
    let own = caller.user_nid;
    let (mut changed, mut left) = (BTreeSet::new(), BTreeSet::new());
    if context.notifier.last_change(Subject::DeviceLists) > since {
        changed.extend(device_lists::changed_for(conn, own, (since, now))?);
    }
    for row in &memberships.rows {
        let room = row.room_nid;
        let joined = row.membership == "join";
        if joined && context.partial_rooms.is_whole_since(room, since) {
            // The caller was not told of most of them when they came in.
            changed.extend(others_in(conn, room, own)?);
            continue;
        }
        if row.position > since {
            let (was_joined, left_since) = members::was_joined(conn, room, own, since)?;
            if joined && (!was_joined || left_since) {
                changed.extend(others_in(conn, room, own)?);
                continue;
            }
            if !joined && was_joined {
                left.extend(members::without_room_of(conn, room, own)?);
            }
        }
        if !joined || context.notifier.last_change(Subject::State(room)) <= since {
            continue;
        }
        for (user, user_id, membership) in members::changed(conn, room, (since, now))? {
            if user == own {
                continue;
            }
            let (was_joined, left_since) = members::was_joined(conn, room, user, since)?;
            let comes = match &*membership {
                // Who was away may have changed devices without a word.
                "join" => !was_joined || left_since,
                "invite" => true,
                _ => false,
            };
            if comes {
                changed.insert(user_id);
            } else if membership != "join" && was_joined && !members::share_room(conn, own, user)? {
                left.insert(user_id);
            }
        }
    }
    let ids = |users: BTreeSet<String>| {
        users.into_iter().filter_map(|user| OwnedUserId::try_from(user).ok()).collect()
    };
    left.retain(|user| !changed.contains(user));
    let mut lists = DeviceLists::new();
    (lists.changed, lists.left) = (ids(changed), ids(left));
    Ok(lists)
}

/// All in a room but one.
fn others_in(
    conn: &mut Conn,
    room: RoomNid,
    own: UserNid,
) -> Result<impl Iterator<Item = String> + use<>> {
    let members = members::of_room(conn, room, "join")?.into_iter();
    Ok(members.filter(move |(user, ..)| *user != own).map(|(_, user_id, _)| user_id))
}
