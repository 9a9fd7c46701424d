//! The devices of users of other servers, as those told of them.

use diesel::{dsl::exists, prelude::*};

use super::{
    Conn, Position, UserNid, each_backend,
    schema::{memberships, remote_device_lists, remote_devices},
};
use crate::error::Result;

/// How far the list of a user is known.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = remote_device_lists)]
pub struct RemoteListRow {
    pub user_nid: UserNid,
    /// The last change that is in it.
    pub stream_id: i64,
    /// When that was known here.
    pub position: Position,
    /// Whether changes are missing.
    pub stale: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = remote_devices, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct RemoteDeviceRow {
    pub user_nid: UserNid,
    pub device_id: String,
    pub display_name: Option<String>,
    pub json: String,
}

pub fn list(conn: &mut Conn, user: UserNid) -> Result<Option<RemoteListRow>> {
    Ok(remote_device_lists::table
        .find(user)
        .select(RemoteListRow::as_select())
        .first(conn)
        .optional()?)
}

pub fn set_list(tx: &mut Conn, row: &RemoteListRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(remote_device_lists::table)
            .values(row)
            .on_conflict(remote_device_lists::user_nid)
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

/// The list of a user is to be fetched before it is used.
pub fn set_stale(tx: &mut Conn, user: UserNid) -> Result<()> {
    diesel::update(remote_device_lists::table.find(user))
        .set(remote_device_lists::stale.eq(true))
        .execute(tx)?;
    Ok(())
}

/// Of users, those whose list is complete: no change is missing, and `viewer` has been in a room with them since it
/// was known, so that none can have been missed.
pub fn fresh(conn: &mut Conn, viewer: UserNid, users: &[UserNid]) -> Result<Vec<UserNid>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let (mine, theirs) = diesel::alias!(memberships as mine, memberships as theirs);
    let followed = exists(
        theirs
            .inner_join(
                mine.on(mine.field(memberships::room_nid).eq(theirs.field(memberships::room_nid))),
            )
            .filter(theirs.field(memberships::user_nid).eq(remote_device_lists::user_nid))
            .filter(theirs.field(memberships::membership).eq("join"))
            .filter(theirs.field(memberships::position).le(remote_device_lists::position))
            .filter(mine.field(memberships::user_nid).eq(viewer))
            .filter(mine.field(memberships::membership).eq("join"))
            .filter(mine.field(memberships::position).le(remote_device_lists::position))
            .select(theirs.field(memberships::room_nid)),
    );
    Ok(remote_device_lists::table
        .filter(remote_device_lists::user_nid.eq_any(users))
        .filter(remote_device_lists::stale.eq(false))
        .filter(followed)
        .select(remote_device_lists::user_nid)
        .load(conn)?)
}

pub fn set(tx: &mut Conn, row: &RemoteDeviceRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(remote_devices::table)
            .values(row)
            .on_conflict((remote_devices::user_nid, remote_devices::device_id))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

pub fn delete(tx: &mut Conn, user: UserNid, device_id: &str) -> Result<()> {
    diesel::delete(remote_devices::table.find((user, device_id))).execute(tx)?;
    Ok(())
}

pub fn delete_all(tx: &mut Conn, user: UserNid) -> Result<()> {
    diesel::delete(remote_devices::table.filter(remote_devices::user_nid.eq(user))).execute(tx)?;
    Ok(())
}

/// How many devices of a user are known.
pub fn count(conn: &mut Conn, user: UserNid) -> Result<i64> {
    Ok(remote_devices::table.filter(remote_devices::user_nid.eq(user)).count().get_result(conn)?)
}

/// The devices of users.
pub fn of_users(conn: &mut Conn, users: &[UserNid]) -> Result<Vec<RemoteDeviceRow>> {
    Ok(remote_devices::table
        .filter(remote_devices::user_nid.eq_any(users))
        .select(RemoteDeviceRow::as_select())
        .load(conn)?)
}
