//! Rooms that were entered without their members, and their events until these are here.

use diesel::prelude::*;

use super::{
    Conn, EventNid, Position, RoomNid,
    schema::{events, partial_events, partial_rooms},
};
use crate::error::Result;

#[derive(Clone, Debug, Eq, PartialEq, Insertable, Queryable, Selectable)]
#[diesel(table_name = partial_rooms)]
pub struct PartialRoomRow {
    pub room_nid: RoomNid,
    /// The event that entered.
    pub join_nid: EventNid,
    /// The other servers that were in the room then, as JSON; the one that helped comes first.
    pub servers: String,
    /// The commit that made the room whole.
    pub whole_at: Option<Position>,
}

pub fn insert(tx: &mut Conn, row: &PartialRoomRow) -> Result<()> {
    diesel::insert_into(partial_rooms::table).values(row).execute(tx)?;
    Ok(())
}

pub fn get(conn: &mut Conn, room: RoomNid) -> Result<Option<PartialRoomRow>> {
    Ok(partial_rooms::table
        .find(room)
        .select(PartialRoomRow::as_select())
        .first(conn)
        .optional()?)
}

/// Each room with the position at which it was whole; `None`: it is not yet.
pub fn all(conn: &mut Conn) -> Result<Vec<(RoomNid, Option<Position>)>> {
    Ok(partial_rooms::table
        .select((partial_rooms::room_nid, partial_rooms::whole_at))
        .order(partial_rooms::room_nid)
        .load(conn)?)
}

/// The room is entered anew, or left.
pub fn delete(tx: &mut Conn, room: RoomNid) -> Result<()> {
    delete_events(tx, room)?;
    diesel::delete(partial_rooms::table.find(room)).execute(tx)?;
    Ok(())
}

/// The room's members are here.
pub fn set_whole(tx: &mut Conn, room: RoomNid, at: Position) -> Result<()> {
    delete_events(tx, room)?;
    diesel::update(partial_rooms::table.find(room))
        .set((partial_rooms::whole_at.eq(at), partial_rooms::servers.eq("[]")))
        .execute(tx)?;
    Ok(())
}

fn delete_events(tx: &mut Conn, room: RoomNid) -> Result<()> {
    diesel::delete(partial_events::table.filter(partial_events::room_nid.eq(room))).execute(tx)?;
    Ok(())
}

/// Notes an event that was placed while the room was not whole, with the generation that it made.
pub fn insert_event(tx: &mut Conn, room: RoomNid, generation: i64, event: EventNid) -> Result<()> {
    diesel::insert_into(partial_events::table)
        .values((
            partial_events::room_nid.eq(room),
            partial_events::generation.eq(generation),
            partial_events::event_nid.eq(event),
        ))
        .execute(tx)?;
    Ok(())
}

/// The events of a room that is not whole, in order, the one that entered first.
pub fn events(conn: &mut Conn, room: RoomNid) -> Result<Vec<EventNid>> {
    Ok(partial_events::table
        .filter(partial_events::room_nid.eq(room))
        .select(partial_events::event_nid)
        .order(partial_events::generation)
        .load(conn)?)
}

/// The places of these events.
pub fn positions(conn: &mut Conn, room: RoomNid) -> Result<Vec<(EventNid, Option<Position>)>> {
    Ok(partial_events::table
        .inner_join(events::table.on(events::event_nid.eq(partial_events::event_nid)))
        .filter(partial_events::room_nid.eq(room))
        .select((events::event_nid, events::position))
        .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        StateNid,
        rooms::{self, RoomRow},
        tests::on_both,
    };

    #[test]
    fn a_room_is_partial_until_it_is_whole_and_keeps_its_events_in_order() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    let (room, other) = (RoomNid(1), RoomNid(2));
                    for room_nid in [room, other] {
                        let row = RoomRow {
                            room_nid,
                            room_id: format!("!{}:x", room_nid.0),
                            version: "11".to_owned(),
                            generation: 0,
                            state_nid: StateNid(0),
                            is_public: false,
                        };
                        rooms::insert(tx, &row)?;
                        let row = PartialRoomRow {
                            room_nid,
                            join_nid: EventNid(7),
                            servers: r#"["b.test"]"#.to_owned(),
                            whole_at: None,
                        };
                        insert(tx, &row)?;
                    }
                    // A number may be older than that of an event before it.
                    insert_event(tx, room, 4, EventNid(7))?;
                    insert_event(tx, room, 6, EventNid(3))?;
                    assert_eq!(events(tx, room)?, [EventNid(7), EventNid(3)]);
                    assert_eq!(events(tx, other)?, []);

                    set_whole(tx, room, Position(9))?;
                    assert_eq!(all(tx)?, [(room, Some(Position(9))), (other, None)]);
                    assert_eq!(events(tx, room)?, []);
                    delete(tx, other)?;
                    assert_eq!(get(tx, other)?, None);
                    assert_eq!(get(tx, room)?.map(|row| row.servers), Some("[]".to_owned()));
                    Ok(())
                })
                .unwrap();
        });
    }
}
