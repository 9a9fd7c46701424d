//! Whom users ignore, to be looked up both ways.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::{Conn, UserNid, schema::ignored_users};
use crate::error::Result;

/// Puts a list in the place of the one before.
pub fn set(tx: &mut Conn, user: UserNid, ignored: &BTreeSet<String>) -> Result<()> {
    diesel::delete(ignored_users::table.filter(ignored_users::user_nid.eq(user))).execute(tx)?;
    for name in ignored {
        diesel::insert_into(ignored_users::table)
            .values((ignored_users::user_nid.eq(user), ignored_users::ignored.eq(name)))
            .execute(tx)?;
    }
    Ok(())
}

pub fn of_user(conn: &mut Conn, user: UserNid) -> Result<Vec<String>> {
    Ok(ignored_users::table
        .filter(ignored_users::user_nid.eq(user))
        .select(ignored_users::ignored)
        .load(conn)?)
}

/// Users of this server who ignore somebody.
pub fn who_ignore(conn: &mut Conn, ignored: &str) -> Result<Vec<UserNid>> {
    Ok(ignored_users::table
        .filter(ignored_users::ignored.eq(ignored))
        .select(ignored_users::user_nid)
        .order(ignored_users::user_nid)
        .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, tests::on_both};

    #[test]
    fn a_list_takes_the_place_of_the_one_before() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    insert_account(tx, UserNid(1))?;
                    insert_account(tx, UserNid(2))?;
                    let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
                    set(tx, UserNid(1), &list(&["@a:x", "@b:x"]))?;
                    set(tx, UserNid(2), &list(&["@a:x"]))?;
                    set(tx, UserNid(1), &list(&["@a:x", "@c:x"]))?;
                    assert_eq!(of_user(tx, UserNid(1))?, ["@a:x", "@c:x"]);
                    assert_eq!(who_ignore(tx, "@a:x")?, [UserNid(1), UserNid(2)]);
                    assert_eq!(who_ignore(tx, "@b:x")?, []);
                    Ok(())
                })
                .unwrap();
        });
    }
}
