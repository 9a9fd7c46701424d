//! What users keep about themselves: JSON by type, for all or for one room.

use diesel::prelude::*;

use super::{Conn, Position, UserNid, each_backend, schema::account_data};
use crate::error::Result;

/// The `room_id` of what belongs to no room.
pub const GLOBAL: &str = "";

#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = account_data, primary_key(user_nid, room_id, event_type))]
pub struct AccountDataRow {
    pub user_nid: UserNid,
    pub room_id: String,
    pub event_type: String,
    pub content: String,
    pub position: Position,
}

pub fn set(tx: &mut Conn, row: &AccountDataRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(account_data::table)
            .values(row)
            .on_conflict((account_data::user_nid, account_data::room_id, account_data::event_type))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

/// The content of one type.
pub fn get(
    conn: &mut Conn,
    user: UserNid,
    room_id: &str,
    event_type: &str,
) -> Result<Option<String>> {
    Ok(account_data::table
        .find((user, room_id, event_type))
        .select(account_data::content)
        .first(conn)
        .optional()?)
}

/// What changed with `after < position <= until`, rooms together.
pub fn changed(
    conn: &mut Conn,
    user: UserNid,
    (after, until): (Position, Position),
) -> Result<Vec<AccountDataRow>> {
    Ok(account_data::table
        .filter(account_data::user_nid.eq(user))
        .filter(account_data::position.gt(after))
        .filter(account_data::position.le(until))
        .select(AccountDataRow::as_select())
        .order((account_data::room_id, account_data::event_type))
        .load(conn)?)
}

/// All of one type, of every room.
pub fn of_type(conn: &mut Conn, user: UserNid, event_type: &str) -> Result<Vec<AccountDataRow>> {
    Ok(account_data::table
        .filter(account_data::user_nid.eq(user))
        .filter(account_data::event_type.eq(event_type))
        .select(AccountDataRow::as_select())
        .order(account_data::room_id)
        .load(conn)?)
}

/// All of one room.
pub fn of_room(conn: &mut Conn, user: UserNid, room_id: &str) -> Result<Vec<AccountDataRow>> {
    Ok(account_data::table
        .filter(account_data::user_nid.eq(user))
        .filter(account_data::room_id.eq(room_id))
        .select(AccountDataRow::as_select())
        .order(account_data::event_type)
        .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, tests::on_both};

    #[test]
    fn the_latest_content_of_each_type_and_room_is_kept() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    insert_account(tx, UserNid(1))?;
                    insert_account(tx, UserNid(2))?;
                    let row = |user, room: &str, content: &str, position| AccountDataRow {
                        user_nid: UserNid(user),
                        room_id: room.to_owned(),
                        event_type: "m.test".to_owned(),
                        content: content.to_owned(),
                        position: Position(position),
                    };
                    for row in [
                        row(1, GLOBAL, "1", 1),
                        row(1, "!a", "2", 2),
                        row(2, GLOBAL, "3", 3),
                        row(1, GLOBAL, "4", 4),
                    ] {
                        set(tx, &row)?;
                    }
                    let one = UserNid(1);
                    assert_eq!(get(tx, one, GLOBAL, "m.test")?.as_deref(), Some("4"));
                    assert_eq!(get(tx, one, "!b", "m.test")?, None);
                    assert_eq!(of_room(tx, one, "!a")?, [row(1, "!a", "2", 2)]);
                    let range = (Position(2), Position(4));
                    assert_eq!(changed(tx, one, range)?, [row(1, GLOBAL, "4", 4)]);
                    let range = (Position(0), Position(3));
                    assert_eq!(changed(tx, one, range)?, [row(1, "!a", "2", 2)]);
                    Ok(())
                })
                .unwrap();
        });
    }
}
