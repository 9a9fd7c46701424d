//! Filters that clients have stored.

use diesel::{dsl::max, prelude::*};

use super::{Conn, UserNid, schema::filters};
use crate::error::Result;

/// How many filters of a user are kept; an older one makes way.
const KEPT: i64 = 1000;

/// Stores a filter, unless the user has the same one, and returns its id.
pub fn insert(conn: &mut Conn, user_nid: UserNid, json: &str) -> Result<i64> {
    let known: Option<i64> = filters::table
        .filter(filters::user_nid.eq(user_nid))
        .filter(filters::json.eq(json))
        .select(filters::filter_id)
        .first(conn)
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let highest: Option<i64> = filters::table
        .filter(filters::user_nid.eq(user_nid))
        .select(max(filters::filter_id))
        .first(conn)?;
    let filter_id = highest.map_or(0, |highest| highest + 1);
    diesel::insert_into(filters::table)
        .values((
            filters::user_nid.eq(user_nid),
            filters::filter_id.eq(filter_id),
            filters::json.eq(json),
        ))
        .execute(conn)?;
    diesel::delete(
        filters::table
            .filter(filters::user_nid.eq(user_nid))
            .filter(filters::filter_id.le(filter_id - KEPT)),
    )
    .execute(conn)?;
    Ok(filter_id)
}

pub fn find(conn: &mut Conn, user_nid: UserNid, filter_id: i64) -> Result<Option<String>> {
    Ok(filters::table.find((user_nid, filter_id)).select(filters::json).first(conn).optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        accounts::{self, Account},
        schema::users,
        tests::on_both,
    };

    #[test]
    fn each_user_has_ids_of_their_own_and_the_same_filter_the_same_id() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    for nid in [UserNid(1), UserNid(2)] {
                        diesel::insert_into(users::table)
                            .values((users::user_nid.eq(nid), users::user_id.eq(nid.to_string())))
                            .execute(&mut **tx)?;
                        let account = Account {
                            user_nid: nid,
                            password_hash: None,
                            is_admin: false,
                            is_guest: false,
                            created_at: 0,
                            deactivated_at: None,
                            displayname: None,
                            avatar_url: None,
                        };
                        accounts::insert(tx, &account)?;
                    }
                    assert_eq!(insert(tx, UserNid(1), "{}")?, 0);
                    assert_eq!(insert(tx, UserNid(1), "{\"a\":1}")?, 1);
                    assert_eq!(insert(tx, UserNid(1), "{}")?, 0);
                    assert_eq!(insert(tx, UserNid(2), "{\"b\":1}")?, 0);
                    assert_eq!(find(tx, UserNid(1), 1)?.as_deref(), Some("{\"a\":1}"));
                    assert_eq!(find(tx, UserNid(2), 1)?, None);
                    Ok(())
                })
                .unwrap();
        });
    }
}
