//! Push rules of users who changed them.

use diesel::prelude::*;

use super::{Conn, Position, UserNid, each_backend, schema::push_rules};
use crate::error::Result;

/// `rules`: JSON, what differs from the default.
pub fn set(tx: &mut Conn, user: UserNid, rules: &str, position: Position) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(push_rules::table)
            .values((
                push_rules::user_nid.eq(user),
                push_rules::rules.eq(rules),
                push_rules::position.eq(position),
            ))
            .on_conflict(push_rules::user_nid)
            .do_update()
            .set((push_rules::rules.eq(rules), push_rules::position.eq(position)))
            .execute(conn)
    })?;
    Ok(())
}

/// What differs from the default, and the position of the last change.
pub fn get(conn: &mut Conn, user: UserNid) -> Result<Option<(String, Position)>> {
    Ok(push_rules::table
        .find(user)
        .select((push_rules::rules, push_rules::position))
        .first(conn)
        .optional()?)
}

/// All users who ever changed theirs, and when they last did.
pub fn users(conn: &mut Conn) -> Result<Vec<(UserNid, Position)>> {
    Ok(push_rules::table.select((push_rules::user_nid, push_rules::position)).load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, tests::on_both};

    #[test]
    fn a_users_rules_take_the_place_of_those_before() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    insert_account(tx, UserNid(1))?;
                    set(tx, UserNid(1), "{}", Position(1))?;
                    set(tx, UserNid(1), "{\"a\":1}", Position(2))?;
                    assert_eq!(get(tx, UserNid(1))?, Some(("{\"a\":1}".to_owned(), Position(2))));
                    assert_eq!(get(tx, UserNid(2))?, None);
                    assert_eq!(users(tx)?, [(UserNid(1), Position(2))]);
                    Ok(())
                })
                .unwrap();
        });
    }
}
