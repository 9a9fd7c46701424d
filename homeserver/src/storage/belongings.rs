//! What of an account goes when it is closed, beside its devices and what hangs on them.

use diesel::prelude::*;

use super::{
    Conn, UserNid,
    schema::{
        account_data, backed_up_keys, filters, ignored_users, key_backups, profile_fields,
        profile_updates, push_rules,
    },
};
use crate::error::Result;

/// Deletes what is little: account data, filters, rules, profile.
pub fn delete(tx: &mut Conn, user: UserNid) -> Result<()> {
    diesel::delete(account_data::table.filter(account_data::user_nid.eq(user))).execute(tx)?;
    diesel::delete(ignored_users::table.filter(ignored_users::user_nid.eq(user))).execute(tx)?;
    diesel::delete(filters::table.filter(filters::user_nid.eq(user))).execute(tx)?;
    diesel::delete(push_rules::table.filter(push_rules::user_nid.eq(user))).execute(tx)?;
    diesel::delete(profile_fields::table.filter(profile_fields::user_nid.eq(user))).execute(tx)?;
    diesel::delete(profile_updates::table.filter(profile_updates::user_nid.eq(user)))
        .execute(tx)?;
    Ok(())
}

/// Deletes some of a user's key backups: of one room, `limit` keys at most. Answers whether there may be more; when
/// there are not, the backups themselves are gone.
pub fn delete_backed_up_keys(tx: &mut Conn, user: UserNid, limit: i64) -> Result<bool> {
    let first: Option<(i64, String)> = backed_up_keys::table
        .filter(backed_up_keys::user_nid.eq(user))
        .order((backed_up_keys::version, backed_up_keys::room_id))
        .select((backed_up_keys::version, backed_up_keys::room_id))
        .first(tx)
        .optional()?;
    let Some((version, room_id)) = first else {
        diesel::delete(key_backups::table.filter(key_backups::user_nid.eq(user))).execute(tx)?;
        return Ok(false);
    };
    let of_room = backed_up_keys::user_nid
        .eq(user)
        .and(backed_up_keys::version.eq(version))
        .and(backed_up_keys::room_id.eq(&room_id));
    let after: Option<String> = backed_up_keys::table
        .filter(of_room)
        .order(backed_up_keys::session_id)
        .select(backed_up_keys::session_id)
        .offset(limit)
        .first(tx)
        .optional()?;
    match after {
        Some(after) => diesel::delete(
            backed_up_keys::table.filter(of_room).filter(backed_up_keys::session_id.lt(after)),
        )
        .execute(tx)?,
        None => diesel::delete(backed_up_keys::table.filter(of_room)).execute(tx)?,
    };
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        accounts::tests::insert_account,
        key_backup::{self, Key},
        tests::on_both,
    };

    #[test]
    fn key_backups_go_in_small_steps() {
        on_both(|store| {
            let (user, other) = (UserNid(1), UserNid(2));
            let steps = store.write_blocking(move |tx| {
                for user in [user, other] {
                    insert_account(tx, user)?;
                    let version = key_backup::insert(tx, user, "a", "{}")?;
                    let keys: Vec<Key> = (0..7)
                        .map(|n| Key {
                            room_id: format!("!{}", n / 5),
                            session_id: format!("s{n}"),
                            is_verified: false,
                            first_message_index: 0,
                            forwarded_count: 0,
                            json: "{}".to_owned(),
                        })
                        .collect();
                    key_backup::put_keys(tx, user, version, &keys)?;
                }
                let mut steps = 0;
                while delete_backed_up_keys(tx, user, 2)? {
                    steps += 1;
                }
                Ok(steps)
            });
            assert_eq!(steps.unwrap(), 4, "2 + 2 + 1 of one room, 2 of another");
            let count = move |user| {
                let of_user = move |conn: &mut Conn| {
                    let keys: i64 = backed_up_keys::table
                        .filter(backed_up_keys::user_nid.eq(user))
                        .count()
                        .get_result(conn)?;
                    Ok((keys, key_backup::current(conn, user)?.is_some()))
                };
                store.read_blocking(of_user).unwrap()
            };
            assert_eq!(count(user), (0, false));
            assert_eq!(count(other), (7, true));
        });
    }
}
