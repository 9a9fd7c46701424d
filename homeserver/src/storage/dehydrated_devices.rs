//! Devices that are asleep: at most one of a user.

use diesel::prelude::*;

use super::{Conn, UserNid, schema::dehydrated_devices};
use crate::error::Result;

/// Notes that a device of a user who has none is asleep, with what wakes it.
pub fn insert(conn: &mut Conn, user: UserNid, device_id: &str, device_data: &str) -> Result<()> {
    diesel::insert_into(dehydrated_devices::table)
        .values((
            dehydrated_devices::user_nid.eq(user),
            dehydrated_devices::device_id.eq(device_id),
            dehydrated_devices::device_data.eq(device_data),
        ))
        .execute(conn)?;
    Ok(())
}

/// The device of a user that is asleep, with what wakes it.
pub fn get(conn: &mut Conn, user: UserNid) -> Result<Option<(String, String)>> {
    Ok(dehydrated_devices::table
        .find(user)
        .select((dehydrated_devices::device_id, dehydrated_devices::device_data))
        .first(conn)
        .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        accounts::tests::insert_account,
        devices::{self, tests::insert_device},
        tests::on_both,
    };

    #[test]
    fn what_wakes_a_device_goes_with_it() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                let user = UserNid(1);
                insert_account(tx, user)?;
                insert_device(tx, user, "D")?;
                insert(tx, user, "D", "{}")?;
                assert_eq!(get(tx, user)?, Some(("D".to_owned(), "{}".to_owned())));
                devices::delete(tx, user, "D")?;
                assert_eq!(get(tx, user)?, None);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
