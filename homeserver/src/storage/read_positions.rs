//! Up to where nothing is unread for a user, in all of a room and in its threads.

use diesel::{connection::Connection, prelude::*};

use super::{
    Conn, Position, RoomNid, UserNid, conn::prepared, each_backend, schema::read_positions,
};
use crate::error::Result;

/// All of the room.
pub const ALL: &str = "";

prepared! {
    Set<'a> = "INSERT INTO read_positions (user_nid, room_nid, thread, position) VALUES (" user: i64
        ", " room: i64 ", " thread: &'a str ", " position: i64 => ") \
         ON CONFLICT (user_nid, room_nid, thread) DO UPDATE SET position = excluded.position";
}

/// Sets a position that is known to be the latest.
pub fn set(
    tx: &mut Conn,
    (user, room): (UserNid, RoomNid),
    thread: &str,
    position: Position,
) -> Result<()> {
    let set = Set { user: user.0, room: room.0, thread, position: position.0 };
    each_backend!(tx, conn => conn.execute_returning_count(&set))?;
    if thread == ALL {
        // These say nothing any more.
        diesel::delete(
            read_positions::table
                .filter(read_positions::user_nid.eq(user))
                .filter(read_positions::room_nid.eq(room))
                .filter(read_positions::thread.ne(ALL))
                .filter(read_positions::position.le(position)),
        )
        .execute(tx)?;
    }
    Ok(())
}

/// Moves a position forward, never back.
pub fn advance(
    tx: &mut Conn,
    (user, room): (UserNid, RoomNid),
    thread: &str,
    position: Position,
) -> Result<()> {
    let known: Option<Position> = read_positions::table
        .find((user, room, thread))
        .select(read_positions::position)
        .first(tx)
        .optional()?;
    if known.is_some_and(|known| known >= position) {
        return Ok(());
    }
    set(tx, (user, room), thread, position)
}

/// A user's positions in a room, by thread.
pub fn of_user(conn: &mut Conn, user: UserNid, room: RoomNid) -> Result<Vec<(String, Position)>> {
    Ok(read_positions::table
        .filter(read_positions::user_nid.eq(user))
        .filter(read_positions::room_nid.eq(room))
        .select((read_positions::thread, read_positions::position))
        .order(read_positions::thread)
        .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        StateNid, accounts::tests::insert_account, rooms, rooms::RoomRow, tests::on_both,
    };

    #[test]
    fn a_position_moves_forward_and_takes_threads_before_it_along() {
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
                    let key = (UserNid(1), RoomNid(1));
                    advance(tx, key, "main", Position(5))?;
                    advance(tx, key, "$root", Position(9))?;
                    advance(tx, key, ALL, Position(7))?;
                    advance(tx, key, ALL, Position(6))?;
                    let expected =
                        [(ALL.to_owned(), Position(7)), ("$root".to_owned(), Position(9))];
                    assert_eq!(of_user(tx, UserNid(1), RoomNid(1))?, expected);
                    Ok(())
                })
                .unwrap();
        });
    }
}
