//! Up to where users have said that they read.

use diesel::prelude::*;

use super::{
    Conn, Position, RoomNid, UserNid, each_backend,
    schema::{receipts, users},
};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = receipts, primary_key(room_nid, user_nid, receipt_type, thread))]
pub struct ReceiptRow {
    pub room_nid: RoomNid,
    pub user_nid: UserNid,
    pub receipt_type: String,
    /// `""` for all of the room, `"main"`, or the root's event id.
    pub thread: String,
    pub event_id: String,
    pub event_position: Position,
    pub ts: i64,
    pub position: Position,
}

pub fn set(tx: &mut Conn, row: &ReceiptRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(receipts::table)
            .values(row)
            .on_conflict((
                receipts::room_nid,
                receipts::user_nid,
                receipts::receipt_type,
                receipts::thread,
            ))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

/// The place of the event that a receipt names.
pub fn event_position(
    conn: &mut Conn,
    room: RoomNid,
    user: UserNid,
    receipt_type: &str,
    thread: &str,
) -> Result<Option<Position>> {
    Ok(receipts::table
        .find((room, user, receipt_type, thread))
        .select(receipts::event_position)
        .first(conn)
        .optional()?)
}

/// A room's receipts that changed with `after < position <= until`, with the names of their users.
pub fn changed(
    conn: &mut Conn,
    room: RoomNid,
    (after, until): (Position, Position),
) -> Result<Vec<(ReceiptRow, String)>> {
    Ok(receipts::table
        .inner_join(users::table.on(users::user_nid.eq(receipts::user_nid)))
        .filter(receipts::room_nid.eq(room))
        .filter(receipts::position.gt(after))
        .filter(receipts::position.le(until))
        .select((ReceiptRow::as_select(), users::user_id))
        .order(receipts::position)
        .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        StateNid, accounts::tests::insert_account, rooms, rooms::RoomRow, tests::on_both,
    };

    #[test]
    fn a_receipt_takes_the_place_of_the_one_of_its_type_and_thread() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    insert_account(tx, UserNid(1))?;
                    let room = RoomRow {
                        room_nid: RoomNid(1),
                        room_id: "!a".to_owned(),
                        version: "12".to_owned(),
                        generation: 0,
                        state_nid: StateNid(0),
                        is_public: false,
                    };
                    rooms::insert(tx, &room)?;
                    let row = |thread: &str, event: i64, position| ReceiptRow {
                        room_nid: RoomNid(1),
                        user_nid: UserNid(1),
                        receipt_type: "m.read".to_owned(),
                        thread: thread.to_owned(),
                        event_id: format!("${event}"),
                        event_position: Position(event),
                        ts: 0,
                        position: Position(position),
                    };
                    for row in [row("", 1, 10), row("main", 2, 11), row("", 3, 12)] {
                        set(tx, &row)?;
                    }
                    let name = "@1:a.test".to_owned();
                    let all = changed(tx, RoomNid(1), (Position(0), Position(12)))?;
                    let expected = [(row("main", 2, 11), name.clone()), (row("", 3, 12), name)];
                    assert_eq!(all, expected);
                    assert_eq!(changed(tx, RoomNid(1), (Position(11), Position(11)))?, []);
                    let at = event_position(tx, RoomNid(1), UserNid(1), "m.read", "")?;
                    assert_eq!(at, Some(Position(3)));
                    Ok(())
                })
                .unwrap();
        });
    }
}
