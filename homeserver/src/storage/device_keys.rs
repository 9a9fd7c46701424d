//! The identity keys of this server's devices, in the format that clients get.

use diesel::prelude::*;

use super::{
    Conn, UserNid, each_backend,
    schema::{device_keys, devices},
};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = device_keys)]
pub struct DeviceKeysRow {
    pub user_nid: UserNid,
    pub device_id: String,
    pub json: String,
    /// Over all but signatures.
    pub digest: Vec<u8>,
    /// Over the keys alone.
    pub identity: Vec<u8>,
}

/// Sets the keys of a device that is there.
pub fn set(tx: &mut Conn, row: &DeviceKeysRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(device_keys::table)
            .values(row)
            .on_conflict((device_keys::user_nid, device_keys::device_id))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

/// What the keys of a device are known by: the digests over all but signatures and over the keys alone.
pub fn digests(
    conn: &mut Conn,
    user: UserNid,
    device_id: &str,
) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    Ok(device_keys::table
        .find((user, device_id))
        .select((device_keys::digest, device_keys::identity))
        .first(conn)
        .optional()?)
}

pub fn get(conn: &mut Conn, user: UserNid, device_id: &str) -> Result<Option<String>> {
    Ok(device_keys::table
        .find((user, device_id))
        .select(device_keys::json)
        .first(conn)
        .optional()?)
}

/// Sets the JSON of a device's keys, of which nothing but the signatures changed.
pub fn set_json(tx: &mut Conn, user: UserNid, device_id: &str, json: &str) -> Result<()> {
    diesel::update(device_keys::table.find((user, device_id)))
        .set(device_keys::json.eq(json))
        .execute(tx)?;
    Ok(())
}

/// A device with keys, as others see it: whose, which, the keys, its name.
pub type Shown = (UserNid, String, String, Option<String>);

/// The devices of users that have keys.
pub fn of_users(conn: &mut Conn, users: &[UserNid]) -> Result<Vec<Shown>> {
    let on = devices::user_nid
        .eq(device_keys::user_nid)
        .and(devices::device_id.eq(device_keys::device_id));
    let shown =
        (device_keys::user_nid, device_keys::device_id, device_keys::json, devices::display_name);
    // The statement for one user is kept prepared.
    if let [user] = users {
        let one = device_keys::table.inner_join(devices::table.on(on));
        return Ok(one.filter(device_keys::user_nid.eq(user)).select(shown).load(conn)?);
    }
    let all = device_keys::table.inner_join(devices::table.on(on));
    Ok(all.filter(device_keys::user_nid.eq_any(users)).select(shown).load(conn)?)
}
