//! Messages that wait for devices of this server's users.

use diesel::{
    backend::Backend,
    connection::Connection,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType, Text},
};

use super::{
    Conn, Position, UserNid, each_backend,
    schema::{devices, to_device, users},
};
use crate::error::Result;

/// A message for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub user_id: String,
    pub device_id: String,
    /// As the client is shown it.
    pub json: String,
}

/// Has messages wait from `position` on, at most one for a device; what is for no device of this server is
/// left out. Returns for which devices there were some. One statement, however many there are.
pub fn insert(
    conn: &mut Conn,
    position: Position,
    messages: &[Message],
) -> Result<Vec<(UserNid, String)>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let insert = Insert { position, messages };
    Ok(each_backend!(conn, conn => insert.load(conn))?)
}

/// The devices of a user of this server, for a message to all of them.
pub fn devices(conn: &mut Conn, user_id: &str) -> Result<Vec<String>> {
    Ok(devices::table
        .inner_join(users::table.on(users::user_nid.eq(devices::user_nid)))
        .filter(users::user_id.eq(user_id))
        .select(devices::device_id)
        .load(conn)?)
}

/// The first `limit` messages with `after < position <= until`, in order.
pub fn waiting(
    conn: &mut Conn,
    (user, device_id): (UserNid, &str),
    (after, until): (Position, Position),
    limit: i64,
) -> Result<Vec<(Position, String)>> {
    Ok(to_device::table
        .filter(to_device::user_nid.eq(user))
        .filter(to_device::device_id.eq(device_id))
        .filter(to_device::position.gt(after))
        .filter(to_device::position.le(until))
        .select((to_device::position, to_device::json))
        .order(to_device::position)
        .limit(limit)
        .load(conn)?)
}

/// The positions of the first and the last message of a device.
pub fn span(
    conn: &mut Conn,
    (user, device_id): (UserNid, &str),
) -> Result<Option<(Position, Position)>> {
    use diesel::dsl::{max, min};

    let span: (Option<Position>, Option<Position>) = to_device::table
        .filter(to_device::user_nid.eq(user))
        .filter(to_device::device_id.eq(device_id))
        .select((min(to_device::position), max(to_device::position)))
        .first(conn)?;
    Ok(span.0.zip(span.1))
}

/// Deletes what has come to its device.
pub fn delete_until(
    conn: &mut Conn,
    (user, device_id): (UserNid, &str),
    until: Position,
) -> Result<()> {
    let come = to_device::table
        .filter(to_device::user_nid.eq(user))
        .filter(to_device::device_id.eq(device_id))
        .filter(to_device::position.le(until));
    diesel::delete(come).execute(conn)?;
    Ok(())
}

struct Insert<'a> {
    position: Position,
    messages: &'a [Message],
}

impl<DB> QueryFragment<DB> for Insert<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
    Position: ToSql<BigInt, DB>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.messages.len() > 1 {
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql(
            "INSERT INTO to_device (user_nid, device_id, position, json) \
             SELECT d.user_nid, d.device_id, ",
        );
        pass.push_bind_param::<BigInt, _>(&self.position)?;
        pass.push_sql(", m.column3 FROM (VALUES ");
        for (n, message) in self.messages.iter().enumerate() {
            pass.push_sql(if n == 0 { "(" } else { ", (" });
            pass.push_bind_param::<Text, _>(&message.user_id)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Text, _>(&message.device_id)?;
            pass.push_sql(", ");
            pass.push_bind_param::<Text, _>(&message.json)?;
            pass.push_sql(")");
        }
        pass.push_sql(
            ") AS m JOIN users u ON u.user_id = m.column1 \
             JOIN devices d ON d.user_nid = u.user_nid AND d.device_id = m.column2 \
             RETURNING user_nid, device_id",
        );
        Ok(())
    }
}

impl QueryId for Insert<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Insert<'_> {
    type SqlType = (BigInt, Text);
}

impl<DB: Connection> RunQueryDsl<DB> for Insert<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        accounts::tests::insert_account,
        devices::{delete, tests::insert_device},
        tests::on_both,
    };

    fn message(user: i64, device_id: &str, json: &str) -> Message {
        let user_id = format!("@{user}:a.test");
        Message { user_id, device_id: device_id.to_owned(), json: json.to_owned() }
    }

    #[test]
    fn messages_wait_in_order_until_they_are_deleted_or_their_device_is() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                for user in [1, 2] {
                    insert_account(tx, UserNid(user))?;
                    insert_device(tx, UserNid(user), "A")?;
                }
                insert_device(tx, UserNid(1), "B")?;
                assert_eq!(devices(tx, "@1:a.test")?, ["A", "B"]);
                let first = [
                    message(1, "A", "1"),
                    message(1, "none", "2"),
                    message(2, "A", "3"),
                    message(9, "A", "4"),
                ];
                let mut told = insert(tx, Position(5), &first)?;
                told.sort_unstable();
                assert_eq!(told, [(UserNid(1), "A".to_owned()), (UserNid(2), "A".to_owned())]);
                for n in 6..9 {
                    let later = message(1, "A", &n.to_string());
                    assert_eq!(insert(tx, Position(n), &[later])?.len(), 1);
                }
                insert(tx, Position(9), &[message(1, "B", "b")])?;
                let a = (UserNid(1), "A");
                let some = waiting(tx, a, (Position(4), Position(7)), 2)?;
                assert_eq!(some, [(Position(5), "1".to_owned()), (Position(6), "6".to_owned())]);
                let rest = waiting(tx, a, (Position(6), Position(7)), 9)?;
                assert_eq!(rest, [(Position(7), "7".to_owned())]);
                assert_eq!(span(tx, a)?, Some((Position(5), Position(8))));
                delete_until(tx, a, Position(7))?;
                assert_eq!(span(tx, a)?, Some((Position(8), Position(8))));
                delete(tx, UserNid(1), "A")?;
                assert_eq!(span(tx, a)?, None);
                assert_eq!(span(tx, (UserNid(1), "B"))?, Some((Position(9), Position(9))));
                Ok(())
            });
            checked.unwrap();
        });
    }

    #[test]
    fn as_many_as_a_request_holds_are_inserted_at_once() {
        on_both(|store| {
            let inserted = store.write_blocking(|tx| {
                insert_account(tx, UserNid(1))?;
                insert_device(tx, UserNid(1), "7")?;
                let many: Vec<_> = (0..5_000).map(|n| message(1, &n.to_string(), "{}")).collect();
                insert(tx, Position(1), &many)
            });
            assert_eq!(inserted.unwrap(), [(UserNid(1), "7".to_owned())]);
        });
    }
}
