//! Backups of the keys of encrypted sessions, which only their user can read.

use diesel::{
    backend::Backend,
    connection::Connection,
    dsl::max,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Bool, HasSqlType, Text},
};

use super::{
    Conn, UserNid, each_backend,
    schema::{backed_up_keys, key_backups},
};
use crate::error::Result;

/// Rows of one statement, so that their arguments are within what a database takes.
const ROWS_MAX: usize = 1_000;

/// One version of a user's backup.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = key_backups)]
pub struct Backup {
    pub version: i64,
    pub algorithm: String,
    pub auth_data: String,
    pub etag: i64,
    pub key_count: i64,
}

/// The key of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub room_id: String,
    pub session_id: String,
    pub is_verified: bool,
    pub first_message_index: i64,
    pub forwarded_count: i64,
    /// All of it, as the client sent it.
    pub json: String,
}

/// Which keys of a backup: `None` is all.
#[derive(Clone, Debug, Default)]
pub struct Which {
    pub room_id: Option<String>,
    pub session_id: Option<String>,
}

/// The version created last that is not deleted.
pub fn current(conn: &mut Conn, user: UserNid) -> Result<Option<Backup>> {
    Ok(key_backups::table
        .filter(key_backups::user_nid.eq(user))
        .filter(key_backups::deleted.eq(false))
        .order(key_backups::version.desc())
        .select(Backup::as_select())
        .first(conn)
        .optional()?)
}

pub fn find(conn: &mut Conn, user: UserNid, version: i64) -> Result<Option<Backup>> {
    Ok(key_backups::table
        .find((user, version))
        .filter(key_backups::deleted.eq(false))
        .select(Backup::as_select())
        .first(conn)
        .optional()?)
}

/// Makes a version, whose number it returns.
pub fn insert(conn: &mut Conn, user: UserNid, algorithm: &str, auth_data: &str) -> Result<i64> {
    let last: Option<i64> = key_backups::table
        .filter(key_backups::user_nid.eq(user))
        .select(max(key_backups::version))
        .first(conn)?;
    let version = last.unwrap_or(0) + 1;
    diesel::insert_into(key_backups::table)
        .values((
            key_backups::user_nid.eq(user),
            key_backups::version.eq(version),
            key_backups::algorithm.eq(algorithm),
            key_backups::auth_data.eq(auth_data),
            key_backups::etag.eq(0),
            key_backups::key_count.eq(0),
            key_backups::deleted.eq(false),
        ))
        .execute(conn)?;
    Ok(version)
}

pub fn set_auth_data(conn: &mut Conn, user: UserNid, version: i64, auth_data: &str) -> Result<()> {
    diesel::update(key_backups::table.find((user, version)))
        .set(key_backups::auth_data.eq(auth_data))
        .execute(conn)?;
    Ok(())
}

/// Deletes a version with its keys. Returns whether there is one, or was.
pub fn delete(conn: &mut Conn, user: UserNid, version: i64) -> Result<bool> {
    delete_keys(conn, user, version, &Which::default())?;
    let rows = diesel::update(key_backups::table.find((user, version)))
        .set((
            key_backups::deleted.eq(true),
            key_backups::auth_data.eq("{}"),
            key_backups::key_count.eq(0),
        ))
        .execute(conn)?;
    Ok(rows > 0)
}

/// Notes that keys of a version changed, and that there are so many more. Returns etag and count.
pub fn keys_changed(conn: &mut Conn, user: UserNid, version: i64, more: i64) -> Result<(i64, i64)> {
    let backup = key_backups::table.find((user, version));
    let change = (
        key_backups::etag.eq(key_backups::etag + 1),
        key_backups::key_count.eq(key_backups::key_count + more),
    );
    Ok(each_backend!(conn, conn => {
        diesel::update(backup)
            .set(change)
            .returning((key_backups::etag, key_backups::key_count))
            .get_result(conn)
    })?)
}

/// Puts in keys, at most one for a session. Of a session that has one the better one stays (client-server API,
/// "Server-side key backups"). Returns how many are new and how many replaced another.
pub fn put_keys(
    conn: &mut Conn,
    user: UserNid,
    version: i64,
    keys: &[Key],
) -> Result<(usize, usize)> {
    let (mut new, mut replaced) = (0, 0);
    for keys in keys.chunks(ROWS_MAX) {
        let put = |better| Put { user, version, keys, better };
        let inserted = each_backend!(conn, conn => put(false).execute(conn))?;
        new += inserted;
        if inserted < keys.len() {
            // What was inserted just now is no better than itself.
            replaced += each_backend!(conn, conn => put(true).execute(conn))?;
        }
    }
    Ok((new, replaced))
}

/// Room, session and JSON of keys, rooms together.
pub fn keys(
    conn: &mut Conn,
    user: UserNid,
    version: i64,
    which: &Which,
) -> Result<Vec<(String, String, String)>> {
    let mut keys = backed_up_keys::table
        .filter(backed_up_keys::user_nid.eq(user))
        .filter(backed_up_keys::version.eq(version))
        .select((backed_up_keys::room_id, backed_up_keys::session_id, backed_up_keys::json))
        .order((backed_up_keys::room_id, backed_up_keys::session_id))
        .into_boxed();
    if let Some(room_id) = &which.room_id {
        keys = keys.filter(backed_up_keys::room_id.eq(room_id));
    }
    if let Some(session_id) = &which.session_id {
        keys = keys.filter(backed_up_keys::session_id.eq(session_id));
    }
    Ok(keys.load(conn)?)
}

/// Returns how many there were.
pub fn delete_keys(conn: &mut Conn, user: UserNid, version: i64, which: &Which) -> Result<usize> {
    let keys = backed_up_keys::table
        .filter(backed_up_keys::user_nid.eq(user))
        .filter(backed_up_keys::version.eq(version));
    Ok(match (&which.room_id, &which.session_id) {
        (Some(room_id), Some(session_id)) => diesel::delete(
            keys.filter(backed_up_keys::room_id.eq(room_id))
                .filter(backed_up_keys::session_id.eq(session_id)),
        )
        .execute(conn)?,
        (Some(room_id), None) => {
            diesel::delete(keys.filter(backed_up_keys::room_id.eq(room_id))).execute(conn)?
        }
        (None, _) => diesel::delete(keys).execute(conn)?,
    })
}

/// Many rows in one statement; of a session that is there, nothing or the better key.
struct Put<'a> {
    user: UserNid,
    version: i64,
    keys: &'a [Key],
    better: bool,
}

impl<DB> QueryFragment<DB> for Put<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Bool>,
    UserNid: ToSql<BigInt, DB>,
    i64: ToSql<BigInt, DB>,
    bool: ToSql<Bool, DB>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.keys.len() > 1 {
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql(
            "INSERT INTO backed_up_keys AS old (user_nid, version, room_id, session_id, \
             is_verified, first_message_index, forwarded_count, json) VALUES ",
        );
        for (n, key) in self.keys.iter().enumerate() {
            pass.push_sql(if n == 0 { "(" } else { ", (" });
            pass.push_bind_param::<BigInt, _>(&self.user)?;
            pass.push_sql(", ");
            pass.push_bind_param::<BigInt, _>(&self.version)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Text, _>(&key.room_id)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Text, _>(&key.session_id)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Bool, _>(&key.is_verified)?;
            pass.push_sql(", ");
            pass.push_bind_param::<BigInt, _>(&key.first_message_index)?;
            pass.push_sql(", ");
            pass.push_bind_param::<BigInt, _>(&key.forwarded_count)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Text, _>(&key.json)?;
            pass.push_sql(")");
        }
        pass.push_sql(" ON CONFLICT (user_nid, version, room_id, session_id) DO ");
        pass.push_sql(if self.better {
            "UPDATE SET is_verified = excluded.is_verified, \
             first_message_index = excluded.first_message_index, \
             forwarded_count = excluded.forwarded_count, json = excluded.json \
             WHERE (excluded.is_verified AND NOT old.is_verified) \
             OR (excluded.is_verified = old.is_verified \
             AND (excluded.first_message_index < old.first_message_index \
             OR (excluded.first_message_index = old.first_message_index \
             AND excluded.forwarded_count < old.forwarded_count)))"
        } else {
            "NOTHING"
        });
        Ok(())
    }
}

impl QueryId for Put<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Connection> RunQueryDsl<DB> for Put<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, tests::on_both};

    fn key(session: usize, is_verified: bool, index: i64, forwarded: i64) -> Key {
        Key {
            room_id: format!("!{}", session % 2),
            session_id: session.to_string(),
            is_verified,
            first_message_index: index,
            forwarded_count: forwarded,
            json: format!("{is_verified}{index}{forwarded}"),
        }
    }

    #[test]
    fn of_two_keys_of_a_session_the_better_one_stays() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                let user = UserNid(1);
                insert_account(tx, user)?;
                let version = insert(tx, user, "a", "{}")?;
                // Each with whether it takes the place of what is there.
                let puts = [
                    (key(1, false, 5, 5), true),
                    (key(1, false, 5, 5), false),
                    (key(1, false, 6, 1), false),
                    (key(1, false, 5, 4), true),
                    (key(1, false, 3, 9), true),
                    (key(1, true, 8, 9), true),
                    (key(1, false, 0, 0), false),
                    (key(1, true, 8, 8), true),
                ];
                for (n, (key, better)) in puts.into_iter().enumerate() {
                    let put = put_keys(tx, user, version, std::slice::from_ref(&key))?;
                    let expected = if n == 0 { (1, 0) } else { (0, usize::from(better)) };
                    assert_eq!(put, expected, "{key:?}");
                }
                let kept = keys(tx, user, version, &Which::default())?;
                assert_eq!(kept, [("!1".to_owned(), "1".to_owned(), "true88".to_owned())]);
                Ok(())
            });
            checked.unwrap();
        });
    }

    #[test]
    fn keys_are_counted_and_a_number_is_not_used_again() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                let user = UserNid(1);
                insert_account(tx, user)?;
                let first = insert(tx, user, "a", "{}")?;
                let second = insert(tx, user, "b", "{}")?;
                assert_eq!((first, second), (1, 2));
                let many: Vec<_> = (0..2_500).map(|n| key(n, false, 1, 1)).collect();
                assert_eq!(put_keys(tx, user, second, &many)?, (2_500, 0));
                let mut some = many[..3].to_vec();
                some[0].is_verified = true;
                some.push(key(9_999, false, 1, 1));
                assert_eq!(put_keys(tx, user, second, &some)?, (1, 1));
                assert_eq!(keys_changed(tx, user, second, 2_501)?, (1, 2_501));
                let of_room = Which { room_id: Some("!1".to_owned()), session_id: None };
                assert_eq!(keys(tx, user, second, &of_room)?.len(), 1_251);
                assert_eq!(delete_keys(tx, user, second, &of_room)?, 1_251);
                assert_eq!(keys(tx, user, second, &Which::default())?.len(), 1_250);
                assert!(delete(tx, user, second)?);
                assert!(delete(tx, user, second)?, "it was there");
                assert!(!delete(tx, user, 9)?);
                assert!(keys(tx, user, second, &Which::default())?.is_empty());
                assert_eq!(find(tx, user, second)?, None);
                assert_eq!(current(tx, user)?.map(|backup| backup.version), Some(first));
                assert_eq!(insert(tx, user, "c", "{}")?, 3);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
