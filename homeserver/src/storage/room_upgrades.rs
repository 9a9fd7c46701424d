//! Rooms that are being replaced, from the making of the new one until all has moved.

use diesel::prelude::*;

use super::{Conn, RoomNid, UserNid, schema::room_upgrades};
use crate::error::Result;

#[derive(Clone, Debug, Eq, PartialEq, Insertable, Queryable, Selectable)]
#[diesel(table_name = room_upgrades)]
pub struct UpgradeRow {
    pub old_room_nid: RoomNid,
    pub new_room_nid: RoomNid,
    /// Who replaces the room.
    pub user_nid: UserNid,
    /// The signed event that ends the old room, where the new one names it.
    pub tombstone_id: Option<String>,
    pub tombstone: Option<String>,
}

pub fn insert(tx: &mut Conn, row: &UpgradeRow) -> Result<()> {
    diesel::insert_into(room_upgrades::table).values(row).execute(tx)?;
    Ok(())
}

pub fn get(conn: &mut Conn, old_room: RoomNid) -> Result<Option<UpgradeRow>> {
    Ok(room_upgrades::table
        .find(old_room)
        .select(UpgradeRow::as_select())
        .first(conn)
        .optional()?)
}

pub fn all(conn: &mut Conn) -> Result<Vec<UpgradeRow>> {
    Ok(room_upgrades::table
        .select(UpgradeRow::as_select())
        .order(room_upgrades::old_room_nid)
        .load(conn)?)
}

pub fn delete(tx: &mut Conn, old_room: RoomNid) -> Result<()> {
    diesel::delete(room_upgrades::table.find(old_room)).execute(tx)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        StateNid, accounts::tests::insert_account, rooms, rooms::RoomRow, tests::on_both,
    };

    #[test]
    fn an_upgrade_is_known_until_it_is_finished_and_takes_the_aliases_along() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    let (user, old, new) = (UserNid(1), RoomNid(1), RoomNid(2));
                    insert_account(tx, user)?;
                    for (room_nid, is_public) in [(old, true), (new, false)] {
                        rooms::insert(
                            tx,
                            &RoomRow {
                                room_nid,
                                room_id: format!("!{}:a.test", room_nid.0),
                                version: "12".to_owned(),
                                generation: 0,
                                state_nid: StateNid(0),
                                is_public,
                            },
                        )?;
                    }
                    let row = UpgradeRow {
                        old_room_nid: old,
                        new_room_nid: new,
                        user_nid: user,
                        tombstone_id: Some("$a".to_owned()),
                        tombstone: Some("{}".to_owned()),
                    };
                    insert(tx, &row)?;
                    assert_eq!(get(tx, old)?, Some(row.clone()));
                    assert_eq!(all(tx)?, [row]);
                    rooms::insert_alias(tx, "#a:a.test", old, user)?;
                    for _ in 0..2 {
                        rooms::move_names(tx, old, new)?;
                        assert_eq!(rooms::aliases(tx, new)?, ["#a:a.test"]);
                        assert_eq!(rooms::aliases(tx, old)?, [] as [&str; 0]);
                        assert_eq!(rooms::public(tx)?, [new]);
                    }
                    delete(tx, old)?;
                    assert_eq!(get(tx, old)?, None);
                    Ok(())
                })
                .unwrap();
        });
    }
}
