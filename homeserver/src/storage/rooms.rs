//! Rooms.

use diesel::{connection::Connection, prelude::*};
use ruma::{RoomId, RoomVersionId};

use super::{
    Conn, RoomNid, StateNid, UserNid,
    conn::{each_backend, prepared},
    schema::{room_aliases, rooms},
};
use crate::error::Result;

#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = rooms)]
pub struct RoomRow {
    pub room_nid: RoomNid,
    pub room_id: String,
    pub version: String,
    pub generation: i64,
    pub state_nid: StateNid,
    pub is_public: bool,
}

/// The generation of a room that is known only from what its invites claim: others of theirs may say otherwise.
pub const CLAIMED: i64 = 0;
/// That of a room whose create event was seen, and which nothing is in yet.
pub const PROVEN: i64 = 1;

impl RoomRow {
    /// Whether the room's version is beyond doubt: its create event was seen.
    pub fn is_proven(&self) -> bool {
        self.generation > CLAIMED || self.state_nid != StateNid(0)
    }
}

pub fn insert(conn: &mut Conn, room: &RoomRow) -> Result<()> {
    diesel::insert_into(rooms::table).values(room).execute(conn)?;
    Ok(())
}

pub fn by_nid(conn: &mut Conn, nid: RoomNid) -> Result<Option<RoomRow>> {
    Ok(rooms::table.find(nid).select(RoomRow::as_select()).first(conn).optional()?)
}

pub fn by_id(conn: &mut Conn, room_id: &RoomId) -> Result<Option<RoomRow>> {
    Ok(rooms::table
        .filter(rooms::room_id.eq(room_id.as_str()))
        .select(RoomRow::as_select())
        .first(conn)
        .optional()?)
}

pub fn state_nid(conn: &mut Conn, nid: RoomNid) -> Result<StateNid> {
    Ok(rooms::table.find(nid).select(rooms::state_nid).first(conn)?)
}

prepared! {
    Advance = "UPDATE rooms SET generation = " to: i64 ", state_nid = " state_nid: i64
        " WHERE room_nid = " room: i64 " AND generation = " from: i64 => "";
}

/// Moves a room on from generation `from`; false when it stands elsewhere.
pub fn advance(
    conn: &mut Conn,
    room: RoomNid,
    from: i64,
    to: i64,
    state_nid: StateNid,
) -> Result<bool> {
    let advance = Advance { to, state_nid: state_nid.0, room: room.0, from };
    let moved = each_backend!(conn, conn => conn.execute_returning_count(&advance))?;
    Ok(moved == 1)
}

/// Gives a room another version and leads it to a generation, [`CLAIMED`] or [`PROVEN`]. False: the version it has is
/// proven.
pub fn set_version(
    conn: &mut Conn,
    room: RoomNid,
    version: &RoomVersionId,
    generation: i64,
) -> Result<bool> {
    let claimed = rooms::table
        .find(room)
        .filter(rooms::generation.eq(CLAIMED))
        .filter(rooms::state_nid.eq(StateNid(0)));
    let changed = diesel::update(claimed)
        .set((rooms::version.eq(version.as_str()), rooms::generation.eq(generation)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// The rooms of the directory.
pub fn public(conn: &mut Conn) -> Result<Vec<RoomNid>> {
    Ok(rooms::table.filter(rooms::is_public).select(rooms::room_nid).load(conn)?)
}

pub fn set_public(conn: &mut Conn, room: RoomNid, is_public: bool) -> Result<()> {
    diesel::update(rooms::table.find(room)).set(rooms::is_public.eq(is_public)).execute(conn)?;
    Ok(())
}

/// False if the alias is taken.
pub fn insert_alias(conn: &mut Conn, alias: &str, room: RoomNid, creator: UserNid) -> Result<bool> {
    let values = (
        room_aliases::alias.eq(alias),
        room_aliases::room_nid.eq(room),
        room_aliases::creator_nid.eq(creator),
    );
    let inserted = each_backend!(conn, conn => {
        diesel::insert_into(room_aliases::table)
            .values(values)
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(inserted == 1)
}

/// The room that a local alias points to.
pub fn by_alias(conn: &mut Conn, alias: &str) -> Result<Option<RoomNid>> {
    Ok(room_aliases::table.find(alias).select(room_aliases::room_nid).first(conn).optional()?)
}

/// Whether a user made an alias.
pub fn alias_creator(conn: &mut Conn, alias: &str) -> Result<Option<UserNid>> {
    Ok(room_aliases::table.find(alias).select(room_aliases::creator_nid).first(conn).optional()?)
}

/// Gives the aliases of a room, and its place in the directory, to the one that replaces it.
pub fn move_names(tx: &mut Conn, from: RoomNid, to: RoomNid) -> Result<()> {
    diesel::update(room_aliases::table.filter(room_aliases::room_nid.eq(from)))
        .set(room_aliases::room_nid.eq(to))
        .execute(tx)?;
    let was_public: bool = rooms::table.find(from).select(rooms::is_public).first(tx)?;
    if was_public {
        set_public(tx, to, true)?;
        set_public(tx, from, false)?;
    }
    Ok(())
}

pub fn delete_alias(conn: &mut Conn, alias: &str) -> Result<()> {
    diesel::delete(room_aliases::table.find(alias)).execute(conn)?;
    Ok(())
}

pub fn aliases(conn: &mut Conn, room: RoomNid) -> Result<Vec<String>> {
    Ok(room_aliases::table
        .filter(room_aliases::room_nid.eq(room))
        .select(room_aliases::alias)
        .order(room_aliases::alias)
        .load(conn)?)
}
