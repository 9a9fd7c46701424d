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

/// Adds a device; one that is there already stays as it is. Answers whether it is new.
pub fn insert_if_absent(conn: &mut Conn, device: &Device) -> Result<bool> {
    let is_new = find(conn, device.user_nid, &device.device_id)?.is_none();
    if is_new {
        diesel::insert_into(devices::table).values(device).execute(conn)?;
    }
    Ok(is_new)
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

/// Names a device. Answers whether it is there.
pub fn set_display_name(
    conn: &mut Conn,
    user_nid: UserNid,
    device_id: &str,
    name: &str,
) -> Result<bool> {
    let named = diesel::update(devices::table.find((user_nid, device_id)))
        .set(devices::display_name.eq(name))
        .execute(conn)?;
    Ok(named > 0)
}

/// Notes when and from where a device was used.
pub fn set_last_seen(
    conn: &mut Conn,
    user_nid: UserNid,
    device_id: &str,
    now: i64,
    ip: Option<&str>,
) -> Result<()> {
    diesel::update(devices::table.find((user_nid, device_id)))
        .set((devices::last_seen_at.eq(now), devices::last_seen_ip.eq(ip)))
        .execute(conn)?;
    Ok(())
}

/// Removes a device, whose access tokens must be gone already.
pub fn delete(conn: &mut Conn, user_nid: UserNid, device_id: &str) -> Result<()> {
    diesel::delete(devices::table.find((user_nid, device_id))).execute(conn)?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A device of an account that is there.
    pub(crate) fn insert_device(conn: &mut Conn, user: UserNid, device_id: &str) -> Result<()> {
        let device = Device {
            user_nid: user,
            device_id: device_id.to_owned(),
            display_name: None,
            created_at: 0,
            last_seen_at: None,
            last_seen_ip: None,
        };
        insert_if_absent(conn, &device).map(drop)
    }
}
