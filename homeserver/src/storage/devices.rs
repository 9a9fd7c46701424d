//! The devices of this server's users.

use diesel::prelude::*;

use super::{Conn, UserNid, schema::devices};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = devices, treat_none_as_default_value = false)]
pub struct Device {
    pub user_nid: UserNid,
    pub device_id: String,
    pub display_name: Option<String>,
    pub created_at: i64,
    pub last_seen_at: Option<i64>,
    pub last_seen_ip: Option<String>,
}

/// Adds a device; one that is there already stays as it is.
pub fn insert_if_absent(conn: &mut Conn, device: &Device) -> Result<()> {
    if find(conn, device.user_nid, &device.device_id)?.is_none() {
        diesel::insert_into(devices::table).values(device).execute(conn)?;
    }
    Ok(())
}

pub fn find(conn: &mut Conn, user_nid: UserNid, device_id: &str) -> Result<Option<Device>> {
    Ok(devices::table
        .find((user_nid, device_id))
        .select(Device::as_select())
        .first(conn)
        .optional()?)
}

pub fn of_user(conn: &mut Conn, user_nid: UserNid) -> Result<Vec<Device>> {
    Ok(devices::table
        .filter(devices::user_nid.eq(user_nid))
        .order(devices::device_id)
        .select(Device::as_select())
        .load(conn)?)
}

/// Removes a device, whose access tokens must be gone already.
pub fn delete(conn: &mut Conn, user_nid: UserNid, device_id: &str) -> Result<()> {
    diesel::delete(devices::table.find((user_nid, device_id))).execute(conn)?;
    Ok(())
}
