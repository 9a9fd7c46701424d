//! Distributions of sender keys that were deposited for devices of this server's users and not acknowledged.

use diesel::prelude::*;

use super::{Conn, Position, RoomNid, UserNid, each_backend, schema::sender_keys};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Insertable)]
#[diesel(table_name = sender_keys)]
pub struct SenderKeyRow {
    pub user_nid: UserNid,
    pub device_id: String,
    /// At most one of a device.
    pub position: Position,
    pub room_nid: RoomNid,
    pub deposit_id: String,
    /// Milliseconds.
    pub deposited_at: i64,
    /// As the client is shown it.
    pub json: String,
}

/// Keeps deposits for devices that are there; of each device only the newest `most`.
pub fn insert(tx: &mut Conn, rows: &[SenderKeyRow], most: i64) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    each_backend!(tx, conn => {
        diesel::insert_into(sender_keys::table).values(rows).execute(conn)
    })?;
    for row in rows {
        let of_device =
            sender_keys::user_nid.eq(row.user_nid).and(sender_keys::device_id.eq(&row.device_id));
        let beyond: Option<Position> = sender_keys::table
            .filter(of_device)
            .order(sender_keys::position.desc())
            .select(sender_keys::position)
            .offset(most)
            .first(tx)
            .optional()?;
        if let Some(beyond) = beyond {
            let old = sender_keys::table.filter(of_device).filter(sender_keys::position.le(beyond));
            diesel::delete(old).execute(tx)?;
        }
    }
    Ok(())
}

/// The first `limit` of a device and room behind `after`, in order.
pub fn of_room(
    conn: &mut Conn,
    (user, device_id): (UserNid, &str),
    room: RoomNid,
    after: Position,
    limit: i64,
) -> Result<Vec<(Position, String)>> {
    Ok(sender_keys::table
        .filter(sender_keys::user_nid.eq(user))
        .filter(sender_keys::device_id.eq(device_id))
        .filter(sender_keys::position.gt(after))
        .filter(sender_keys::room_nid.eq(room))
        .select((sender_keys::position, sender_keys::json))
        .order(sender_keys::position)
        .limit(limit)
        .load(conn)?)
}

/// Forgets those of a device and room with these ids.
pub fn delete(
    tx: &mut Conn,
    (user, device_id): (UserNid, &str),
    room: RoomNid,
    ids: &[String],
) -> Result<()> {
    let acknowledged = sender_keys::table
        .filter(sender_keys::user_nid.eq(user))
        .filter(sender_keys::device_id.eq(device_id))
        .filter(sender_keys::room_nid.eq(room))
        .filter(sender_keys::deposit_id.eq_any(ids));
    diesel::delete(acknowledged).execute(tx)?;
    Ok(())
}

/// Forgets up to `limit` deposited before `before` (milliseconds). Returns how many.
pub fn delete_before(tx: &mut Conn, before: i64, limit: i64) -> Result<usize> {
    let old: Vec<(UserNid, String, Position)> = sender_keys::table
        .filter(sender_keys::deposited_at.lt(before))
        .select((sender_keys::user_nid, sender_keys::device_id, sender_keys::position))
        .limit(limit)
        .load(tx)?;
    for key in &old {
        diesel::delete(sender_keys::table.find((key.0, &key.1, key.2))).execute(tx)?;
    }
    Ok(old.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        accounts::tests::insert_account,
        devices::{self, tests::insert_device},
        tests::on_both,
    };

    const USER: UserNid = UserNid(1);

    fn row(position: i64, room: i64) -> SenderKeyRow {
        SenderKeyRow {
            user_nid: USER,
            device_id: "D".to_owned(),
            position: Position(position),
            room_nid: RoomNid(room),
            deposit_id: format!("id{position}"),
            deposited_at: position * 10,
            json: position.to_string(),
        }
    }

    #[test]
    fn deposits_stay_until_they_are_acknowledged_old_too_many_or_their_device_is_gone() {
        on_both(|store| {
            let checked = store.write_blocking(|tx| {
                insert_account(tx, USER)?;
                insert_device(tx, USER, "D")?;
                let at = (USER, "D");
                let left = |tx: &mut Conn, room: i64, after: i64, limit: i64| {
                    let rows = of_room(tx, at, RoomNid(room), Position(after), limit)?;
                    Ok::<_, crate::error::Error>(
                        rows.into_iter().map(|(position, _)| position.0).collect::<Vec<_>>(),
                    )
                };
                for (position, room) in [(1, 7), (2, 8), (3, 7), (4, 7)] {
                    insert(tx, &[row(position, room)], 4)?;
                }
                assert_eq!(left(tx, 7, 0, 2)?, [1, 3]);
                assert_eq!(left(tx, 7, 3, 2)?, [4]);
                // Those of another room are not meant.
                delete(tx, at, RoomNid(7), &["id2".to_owned(), "id3".to_owned()])?;
                assert_eq!((left(tx, 7, 0, 9)?, left(tx, 8, 0, 9)?), (vec![1, 4], vec![2]));
                insert(tx, &[row(5, 7)], 4)?;
                insert(tx, &[row(6, 7)], 4)?;
                assert_eq!(left(tx, 7, 0, 9)?, [4, 5, 6]);
                assert_eq!(delete_before(tx, 50, 1)?, 1);
                assert_eq!(delete_before(tx, 50, 9)?, 1);
                assert_eq!((left(tx, 7, 0, 9)?, left(tx, 8, 0, 9)?), (vec![5, 6], vec![]));
                devices::delete(tx, USER, "D")?;
                assert!(left(tx, 7, 0, 9)?.is_empty());
                Ok(())
            });
            checked.unwrap();
        });
    }
}
