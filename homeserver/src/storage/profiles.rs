//! What profiles hold besides name and avatar, and whose rooms are yet to be told of a change of those.

use diesel::prelude::*;

use super::{
    Conn, UserNid, each_backend,
    schema::{profile_fields, profile_updates},
};
use crate::error::Result;

/// Sets a field; `value` is JSON.
pub fn set_field(tx: &mut Conn, user: UserNid, name: &str, value: &str) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(profile_fields::table)
            .values((
                profile_fields::user_nid.eq(user),
                profile_fields::name.eq(name),
                profile_fields::value.eq(value),
            ))
            .on_conflict((profile_fields::user_nid, profile_fields::name))
            .do_update()
            .set(profile_fields::value.eq(value))
            .execute(conn)
    })?;
    Ok(())
}

pub fn delete_field(tx: &mut Conn, user: UserNid, name: &str) -> Result<()> {
    diesel::delete(profile_fields::table.find((user, name))).execute(tx)?;
    Ok(())
}

/// All fields of a user, as JSON.
pub fn fields(conn: &mut Conn, user: UserNid) -> Result<Vec<(String, String)>> {
    Ok(profile_fields::table
        .filter(profile_fields::user_nid.eq(user))
        .select((profile_fields::name, profile_fields::value))
        .order(profile_fields::name)
        .load(conn)?)
}

/// Notes that a user's rooms are to be told of a change.
pub fn queue_update(tx: &mut Conn, user: UserNid) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(profile_updates::table)
            .values((profile_updates::user_nid.eq(user), profile_updates::changes.eq(1)))
            .on_conflict(profile_updates::user_nid)
            .do_update()
            .set(profile_updates::changes.eq(profile_updates::changes + 1))
            .execute(conn)
    })?;
    Ok(())
}

/// How many changes a user's rooms are to be told of.
pub fn queued_changes(conn: &mut Conn, user: UserNid) -> Result<Option<i64>> {
    Ok(profile_updates::table.find(user).select(profile_updates::changes).first(conn).optional()?)
}

/// A user's rooms have been told of so many changes.
pub fn finish_update(tx: &mut Conn, user: UserNid, changes: i64) -> Result<()> {
    diesel::delete(
        profile_updates::table
            .filter(profile_updates::user_nid.eq(user))
            .filter(profile_updates::changes.eq(changes)),
    )
    .execute(tx)?;
    Ok(())
}

/// Users whose rooms are to be told.
pub fn queued_users(conn: &mut Conn) -> Result<Vec<UserNid>> {
    Ok(profile_updates::table
        .select(profile_updates::user_nid)
        .order(profile_updates::user_nid)
        .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, tests::on_both};

    #[test]
    fn a_change_during_an_update_is_not_lost() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    let user = UserNid(1);
                    insert_account(tx, user)?;
                    queue_update(tx, user)?;
                    assert_eq!(queued_changes(tx, user)?, Some(1));
                    queue_update(tx, user)?;
                    finish_update(tx, user, 1)?;
                    assert_eq!(queued_users(tx)?, [user]);
                    finish_update(tx, user, 2)?;
                    assert_eq!(queued_users(tx)?, []);
                    set_field(tx, user, "m.tz", "\"A\"")?;
                    set_field(tx, user, "m.tz", "\"B\"")?;
                    set_field(tx, user, "org.x", "1")?;
                    delete_field(tx, user, "org.x")?;
                    assert_eq!(fields(tx, user)?, [("m.tz".to_owned(), "\"B\"".to_owned())]);
                    Ok(())
                })
                .unwrap();
        });
    }
}
