//! When the devices and cross-signing keys of each user changed last: one row for a user, however many rooms
//! and members are told. And what other servers are yet to be told of.

use diesel::{dsl::exists, prelude::*};

use super::{
    Conn, Position, UserNid, each_backend,
    schema::{device_list_updates, device_lists, memberships, signature_changes, users},
};
use crate::error::Result;

/// A change that other servers are yet to be told of.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = device_list_updates, treat_none_as_default_value = false)]
pub struct UpdateRow {
    pub position: Position,
    pub user_nid: UserNid,
    /// `None`: the cross-signing keys.
    pub device_id: Option<String>,
    /// The `stream_id` before this one.
    pub previous: Option<Position>,
}

/// Notes that something about a user's devices changed, for their own server's users.
pub fn note(tx: &mut Conn, user: UserNid, position: Position) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(device_lists::table)
            .values((device_lists::user_nid.eq(user), device_lists::position.eq(position)))
            .on_conflict(device_lists::user_nid)
            .do_update()
            .set(device_lists::position.eq(position))
            .execute(conn)
    })?;
    Ok(())
}

/// Notes a change of a user of this server, also for other servers: of a device, or of cross-signing keys.
pub fn note_local(
    tx: &mut Conn,
    user: UserNid,
    device_id: Option<&str>,
    position: Position,
) -> Result<()> {
    let previous = stream_id(tx, user)?;
    note(tx, user, position)?;
    if device_id.is_some() {
        diesel::update(device_lists::table.find(user))
            .set(device_lists::stream_id.eq(position))
            .execute(tx)?;
    }
    let device_id = device_id.map(str::to_owned);
    let row = UpdateRow { position, user_nid: user, device_id, previous };
    diesel::insert_into(device_list_updates::table).values(row).execute(tx)?;
    Ok(())
}

/// When something about a user's devices changed last.
pub fn last(conn: &mut Conn, user: UserNid) -> Result<Option<Position>> {
    Ok(device_lists::table.find(user).select(device_lists::position).first(conn).optional()?)
}

/// The last change of a device of a user of this server.
pub fn stream_id(conn: &mut Conn, user: UserNid) -> Result<Option<Position>> {
    let found: Option<Option<Position>> =
        device_lists::table.find(user).select(device_lists::stream_id).first(conn).optional()?;
    Ok(found.flatten())
}

/// Notes that `target`'s keys changed for `user` alone.
pub fn note_for(tx: &mut Conn, user: UserNid, target: UserNid, position: Position) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(signature_changes::table)
            .values((
                signature_changes::user_nid.eq(user),
                signature_changes::target_nid.eq(target),
                signature_changes::position.eq(position),
            ))
            .on_conflict((signature_changes::user_nid, signature_changes::target_nid))
            .do_update()
            .set(signature_changes::position.eq(position))
            .execute(conn)
    })?;
    Ok(())
}

/// Users, of those who share a room with `user` and the user themselves, whose last change has
/// `after < position <= until`.
pub fn changed_for(
    conn: &mut Conn,
    user: UserNid,
    (after, until): (Position, Position),
) -> Result<Vec<String>> {
    let (mine, theirs) = diesel::alias!(memberships as mine, memberships as theirs);
    let shares = exists(
        theirs
            .inner_join(
                mine.on(mine.field(memberships::room_nid).eq(theirs.field(memberships::room_nid))),
            )
            .filter(theirs.field(memberships::user_nid).eq(device_lists::user_nid))
            .filter(theirs.field(memberships::membership).eq("join"))
            .filter(mine.field(memberships::user_nid).eq(user))
            .filter(mine.field(memberships::membership).eq("join"))
            .select(theirs.field(memberships::room_nid)),
    );
    let mut changed: Vec<String> = device_lists::table
        .inner_join(users::table.on(users::user_nid.eq(device_lists::user_nid)))
        .filter(device_lists::position.gt(after))
        .filter(device_lists::position.le(until))
        .filter(device_lists::user_nid.eq(user).or(shares))
        .select(users::user_id)
        .load(conn)?;
    let alone: Vec<String> = signature_changes::table
        .inner_join(users::table.on(users::user_nid.eq(signature_changes::target_nid)))
        .filter(signature_changes::user_nid.eq(user))
        .filter(signature_changes::position.gt(after))
        .filter(signature_changes::position.le(until))
        .select(users::user_id)
        .load(conn)?;
    changed.extend(alone);
    Ok(changed)
}

/// The first of what other servers are yet to be told.
pub fn updates(conn: &mut Conn, limit: i64) -> Result<Vec<UpdateRow>> {
    Ok(device_list_updates::table
        .order(device_list_updates::position)
        .select(UpdateRow::as_select())
        .limit(limit)
        .load(conn)?)
}

pub fn delete_update(tx: &mut Conn, position: Position) -> Result<()> {
    diesel::delete(device_list_updates::table.find(position)).execute(tx)?;
    Ok(())
}
