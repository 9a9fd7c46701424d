//! The devices of users of other servers, as those told of them.

use diesel::prelude::*;

use super::{
    Conn, Position, UserNid, each_backend,
    schema::{accounts, memberships, remote_device_lists, remote_devices},
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

/// Whether a user and one of this server have been in a room together since `position`, so that no change was
/// missed.
pub fn is_followed_since(conn: &mut Conn, user: UserNid, position: Position) -> Result<bool> {
    let theirs = diesel::alias!(memberships as theirs);
    let found: Option<UserNid> = memberships::table
        .inner_join(accounts::table.on(accounts::user_nid.eq(memberships::user_nid)))
        .inner_join(theirs.on(theirs.field(memberships::room_nid).eq(memberships::room_nid)))
        .filter(memberships::membership.eq("join"))
        .filter(memberships::position.le(position))
        .filter(theirs.field(memberships::user_nid).eq(user))
        .filter(theirs.field(memberships::membership).eq("join"))
        .filter(theirs.field(memberships::position).le(position))
        .select(memberships::user_nid)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Whether a user and one of this server are in a room together.
pub fn is_followed(conn: &mut Conn, user: UserNid) -> Result<bool> {
    is_followed_since(conn, user, Position(i64::MAX))
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

/// The devices of users.
pub fn of_users(conn: &mut Conn, users: &[UserNid]) -> Result<Vec<RemoteDeviceRow>> {
    Ok(remote_devices::table
        .filter(remote_devices::user_nid.eq_any(users))
        .select(RemoteDeviceRow::as_select())
        .load(conn)?)
}
