use super::*;
use crate::storage::{
    StateNid,
    rooms::{RoomRow, insert},
    tests::on_both,
};

fn join(conn: &mut Conn, nid: i64, user_id: &str, membership: &str) -> Result<()> {
    diesel::insert_into(users::table)
        .values((users::user_nid.eq(UserNid(nid)), users::user_id.eq(user_id)))
        .execute(conn)?;
    let row = MembershipRow {
        room_nid: RoomNid(1),
        user_nid: UserNid(nid),
        membership: membership.to_owned(),
        event_nid: EventNid(nid),
        position: Position(nid),
        forgotten: false,
        stripped_state: None,
    };
    set(conn, &row)
}

#[test]
fn servers_of_members_are_named_once_those_who_came_first_in_front() {
    on_both(|store| {
        let checked = store.write_blocking(|tx| {
            let room = RoomRow {
                room_nid: RoomNid(1),
                room_id: "!1:z.test".to_owned(),
                version: "12".to_owned(),
                generation: 0,
                state_nid: StateNid(0),
                is_public: false,
            };
            insert(tx, &room)?;
            assert!(servers(tx, RoomNid(1))?.is_empty());
            join(tx, 1, "@one:z.test:8448", "join")?;
            join(tx, 2, "@two:[::1]:80", "join")?;
            join(tx, 3, "@three:z.test:8448", "join")?;
            join(tx, 4, "@four:left.test", "leave")?;
            join(tx, 5, "@five:a.test", "join")?;
            assert_eq!(servers(tx, RoomNid(1))?, ["z.test:8448", "[::1]:80", "a.test"]);
            Ok(())
        });
        checked.unwrap();
    });
}
