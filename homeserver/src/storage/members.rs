//! Memberships: the current one of each user in each room, and each change of it.

use diesel::{
    connection::Connection,
    dsl::{count_star, exists, not, sql},
    prelude::*,
    sql_types::{BigInt, Text},
};
use ruma::OwnedRoomId;

use super::{
    Conn, EventNid, Position, RoomNid, StateKeyNid, UserNid,
    conn::prepared,
    each_backend,
    schema::{
        accounts, events, membership_changes, memberships, rooms, state_changes, state_keys, users,
    },
    state::Change,
};
use crate::error::Result;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = memberships)]
pub struct MembershipRow {
    pub room_nid: RoomNid,
    pub user_nid: UserNid,
    pub membership: String,
    pub event_nid: EventNid,
    pub position: Position,
    pub forgotten: bool,
    pub stripped_state: Option<String>,
}

prepared! {
    Set<'a> = "INSERT INTO memberships \
         (room_nid, user_nid, membership, event_nid, position, forgotten, stripped_state) VALUES ("
        room: i64 ", " user: i64 ", " membership: &'a str ", " event: i64 ", " position: i64 ", "
        forgotten: bool ", " stripped_state: Option<&'a str> => ") \
         ON CONFLICT (room_nid, user_nid) DO UPDATE SET membership = excluded.membership, \
         event_nid = excluded.event_nid, position = excluded.position, \
         forgotten = excluded.forgotten, stripped_state = excluded.stripped_state";
    InsertChange<'a> = "INSERT INTO membership_changes (room_nid, user_nid, position, membership) VALUES ("
        room: i64 ", " user: i64 ", " position: i64 ", " membership: &'a str => ")";
}

/// Sets a user's current membership and notes the change.
pub fn set(tx: &mut Conn, row: &MembershipRow) -> Result<()> {
    let (room, user, position) = (row.room_nid.0, row.user_nid.0, row.position.0);
    let membership = row.membership.as_str();
    let set = Set {
        room,
        user,
        membership,
        event: row.event_nid.0,
        position,
        forgotten: row.forgotten,
        stripped_state: row.stripped_state.as_deref(),
    };
    let change = InsertChange { room, user, position, membership };
    each_backend!(tx, conn => conn.execute_returning_count(&set))?;
    each_backend!(tx, conn => conn.execute_returning_count(&change))?;
    Ok(())
}

pub fn get(conn: &mut Conn, room: RoomNid, user: UserNid) -> Result<Option<MembershipRow>> {
    Ok(memberships::table
        .find((room, user))
        .select(MembershipRow::as_select())
        .first(conn)
        .optional()?)
}

/// Every membership that a user has or had, but for forgotten rooms.
pub fn of_user(conn: &mut Conn, user: UserNid) -> Result<Vec<MembershipRow>> {
    Ok(memberships::table
        .filter(memberships::user_nid.eq(user))
        .filter(memberships::forgotten.eq(false))
        .select(MembershipRow::as_select())
        .order(memberships::room_nid)
        .load(conn)?)
}

/// All members of a room with the given membership.
pub fn of_room(
    conn: &mut Conn,
    room: RoomNid,
    membership: &str,
) -> Result<Vec<(UserNid, String, EventNid)>> {
    Ok(memberships::table
        .inner_join(users::table.on(users::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .filter(memberships::membership.eq(membership))
        .select((memberships::user_nid, users::user_id, memberships::event_nid))
        .order(memberships::user_nid)
        .load(conn)?)
}

/// Every membership in a room.
pub fn all(conn: &mut Conn, room: RoomNid) -> Result<Vec<(UserNid, String, String, EventNid)>> {
    Ok(memberships::table
        .inner_join(users::table.on(users::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .select((
            memberships::user_nid,
            users::user_id,
            memberships::membership,
            memberships::event_nid,
        ))
        .load(conn)?)
}

/// The servers that have users in a room, those who came first in front: the names that user ids end
/// with, gathered in the database, however many users there are.
pub fn servers(conn: &mut Conn, room: RoomNid) -> Result<Vec<String>> {
    let find = match conn {
        Conn::Sqlite(_) => "instr",
        Conn::Postgres(_) => "strpos",
    };
    let server = || sql::<Text>(&format!("substr(users.user_id, {find}(users.user_id, ':') + 1)"));
    Ok(memberships::table
        .inner_join(users::table.on(users::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .filter(memberships::membership.eq("join"))
        .group_by(server())
        .select(server())
        .order(sql::<BigInt>("min(memberships.user_nid)"))
        .load(conn)?)
}

/// The guests of this server who are in a room.
pub fn guests(conn: &mut Conn, room: RoomNid) -> Result<Vec<(UserNid, String)>> {
    Ok(memberships::table
        .inner_join(users::table.on(users::user_nid.eq(memberships::user_nid)))
        .inner_join(accounts::table.on(accounts::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .filter(memberships::membership.eq("join"))
        .filter(accounts::is_guest.eq(true))
        .select((users::user_nid, users::user_id))
        .load(conn)?)
}

/// The guests of this server who are in rooms, by room.
pub fn all_guests(conn: &mut Conn) -> Result<Vec<(RoomNid, UserNid, String)>> {
    Ok(accounts::table
        .inner_join(users::table.on(users::user_nid.eq(accounts::user_nid)))
        .inner_join(memberships::table.on(memberships::user_nid.eq(accounts::user_nid)))
        .filter(accounts::is_guest)
        .filter(memberships::membership.eq("join"))
        .order(memberships::room_nid)
        .select((memberships::room_nid, users::user_nid, users::user_id))
        .load(conn)?)
}

/// How many users of a room have each membership.
pub fn counts(conn: &mut Conn, room: RoomNid) -> Result<Vec<(String, i64)>> {
    Ok(memberships::table
        .filter(memberships::room_nid.eq(room))
        .group_by(memberships::membership)
        .select((memberships::membership, count_star()))
        .load(conn)?)
}

/// Those whose membership, one of two, is the oldest.
pub fn first(
    conn: &mut Conn,
    room: RoomNid,
    (one, other): (&str, &str),
    limit: i64,
) -> Result<Vec<(UserNid, String, EventNid)>> {
    let wanted = memberships::membership.eq(one).or(memberships::membership.eq(other));
    Ok(memberships::table
        .inner_join(users::table.on(users::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .filter(wanted)
        .select((memberships::user_nid, users::user_id, memberships::event_nid))
        .order((memberships::position, memberships::user_nid))
        .limit(limit)
        .load(conn)?)
}

/// Whether no more users than that are joined to a room.
pub fn has_at_most(conn: &mut Conn, room: RoomNid, most: i64) -> Result<bool> {
    let next: Option<UserNid> = memberships::table
        .filter(memberships::room_nid.eq(room))
        .filter(memberships::membership.eq("join"))
        .select(memberships::user_nid)
        .order(memberships::user_nid)
        .offset(most)
        .first(conn)
        .optional()?;
    Ok(next.is_none())
}

/// Whether a user of this server is joined to a room.
pub fn is_resident(conn: &mut Conn, room: RoomNid) -> Result<bool> {
    let found: Option<UserNid> = memberships::table
        .inner_join(accounts::table.on(accounts::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .filter(memberships::membership.eq("join"))
        .select(memberships::user_nid)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// A user of this server who is joined to a room.
pub fn resident(conn: &mut Conn, room: RoomNid) -> Result<Option<String>> {
    Ok(memberships::table
        .inner_join(accounts::table.on(accounts::user_nid.eq(memberships::user_nid)))
        .inner_join(users::table.on(users::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .filter(memberships::membership.eq("join"))
        .select(users::user_id)
        .first(conn)
        .optional()?)
}

/// A user's changes of membership in a room, oldest first.
pub fn changes(conn: &mut Conn, room: RoomNid, user: UserNid) -> Result<Vec<(Position, String)>> {
    Ok(membership_changes::table
        .filter(membership_changes::room_nid.eq(room))
        .filter(membership_changes::user_nid.eq(user))
        .select((membership_changes::position, membership_changes::membership))
        .order(membership_changes::position)
        .load(conn)?)
}

/// Whether a user was joined to a room at a position, and whether they were out of it at any time since.
pub fn was_joined(
    conn: &mut Conn,
    room: RoomNid,
    user: UserNid,
    at: Position,
) -> Result<(bool, bool)> {
    let changes = changes(conn, room, user)?;
    let is_join = |(_, membership): &(Position, String)| membership == "join";
    let before = changes.iter().rfind(|(position, _)| *position <= at);
    let left = changes.iter().any(|change| change.0 > at && !is_join(change));
    Ok((before.is_some_and(is_join), left))
}

/// The rooms that a user is joined to.
pub fn joined_rooms(conn: &mut Conn, user: UserNid) -> Result<Vec<RoomNid>> {
    Ok(memberships::table
        .filter(memberships::user_nid.eq(user))
        .filter(memberships::membership.eq("join"))
        .select(memberships::room_nid)
        .load(conn)?)
}

/// Users whose membership in a room changed with `after < position <= until`, and what it is now.
pub fn changed(
    conn: &mut Conn,
    room: RoomNid,
    (after, until): (Position, Position),
) -> Result<Vec<(UserNid, String, String)>> {
    Ok(state_changes::table
        .inner_join(
            state_keys::table.on(state_keys::state_key_nid.eq(state_changes::state_key_nid)),
        )
        .inner_join(users::table.on(users::user_id.eq(state_keys::state_key)))
        .inner_join(
            memberships::table.on(memberships::user_nid
                .eq(users::user_nid)
                .and(memberships::room_nid.eq(state_changes::room_nid))),
        )
        .filter(state_changes::room_nid.eq(room))
        .filter(state_changes::position.gt(after))
        .filter(state_changes::position.le(until))
        .filter(state_keys::event_type.eq("m.room.member"))
        .select((users::user_nid, users::user_id, memberships::membership))
        .distinct()
        .load(conn)?)
}

/// Members of a room who share no room with a user.
pub fn without_room_of(conn: &mut Conn, room: RoomNid, user: UserNid) -> Result<Vec<String>> {
    let (here, mine, theirs) =
        diesel::alias!(memberships as here, memberships as mine, memberships as theirs);
    let shares = exists(
        theirs
            .inner_join(
                mine.on(mine.field(memberships::room_nid).eq(theirs.field(memberships::room_nid))),
            )
            .filter(theirs.field(memberships::user_nid).eq(here.field(memberships::user_nid)))
            .filter(theirs.field(memberships::membership).eq("join"))
            .filter(mine.field(memberships::user_nid).eq(user))
            .filter(mine.field(memberships::membership).eq("join"))
            .select(theirs.field(memberships::room_nid)),
    );
    Ok(here
        .inner_join(users::table.on(users::user_nid.eq(here.field(memberships::user_nid))))
        .filter(here.field(memberships::room_nid).eq(room))
        .filter(here.field(memberships::membership).eq("join"))
        .filter(here.field(memberships::user_nid).ne(user))
        .filter(not(shares))
        .select(users::user_id)
        .load(conn)?)
}

/// Whether two users are in a room together.
pub fn share_room(conn: &mut Conn, one: UserNid, other: UserNid) -> Result<bool> {
    let theirs = diesel::alias!(memberships as theirs);
    let found: Option<RoomNid> = memberships::table
        .inner_join(theirs.on(theirs.field(memberships::room_nid).eq(memberships::room_nid)))
        .filter(memberships::user_nid.eq(one))
        .filter(memberships::membership.eq("join"))
        .filter(theirs.field(memberships::user_nid).eq(other))
        .filter(theirs.field(memberships::membership).eq("join"))
        .select(memberships::room_nid)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// A user no longer wants to see a room that they left.
pub fn set_forgotten(conn: &mut Conn, room: RoomNid, user: UserNid) -> Result<()> {
    diesel::update(memberships::table.find((room, user)))
        .set(memberships::forgotten.eq(true))
        .execute(conn)?;
    Ok(())
}

/// Notes changes of a room's current state, for sync.
pub fn insert_state_changes(
    tx: &mut Conn,
    room: RoomNid,
    position: Position,
    changes: &[Change],
) -> Result<()> {
    for (key, event) in changes {
        diesel::insert_into(state_changes::table)
            .values((
                state_changes::room_nid.eq(room),
                state_changes::position.eq(position),
                state_changes::state_key_nid.eq(key),
                state_changes::event_nid.eq(*event),
            ))
            .execute(tx)?;
    }
    Ok(())
}

/// Changes of a room's current state with `after < position <= until`, oldest first.
pub fn state_changes(
    conn: &mut Conn,
    room: RoomNid,
    (after, until): (Position, Position),
) -> Result<Vec<(Position, Change)>> {
    let rows: Vec<(Position, StateKeyNid, Option<EventNid>)> = state_changes::table
        .filter(state_changes::room_nid.eq(room))
        .filter(state_changes::position.gt(after))
        .filter(state_changes::position.le(until))
        .select((state_changes::position, state_changes::state_key_nid, state_changes::event_nid))
        .order((state_changes::position, state_changes::state_key_nid))
        .load(conn)?;
    Ok(rows.into_iter().map(|(position, key, event)| (position, (key, event))).collect())
}

/// Users of a server with their membership in a room. The database may compare names without regard to
/// case: the caller looks again.
pub fn of_server(conn: &mut Conn, room: RoomNid, server: &str) -> Result<Vec<(String, String)>> {
    Ok(memberships::table
        .inner_join(users::table.on(users::user_nid.eq(memberships::user_nid)))
        .filter(memberships::room_nid.eq(room))
        .filter(users::user_id.like(format!("%:{server}")))
        .select((users::user_id, memberships::membership))
        .load(conn)?)
}

/// How many invites a user has by users of a server.
pub fn invites_by(conn: &mut Conn, user: UserNid, server: &str) -> Result<i64> {
    Ok(memberships::table
        .inner_join(events::table.on(events::event_nid.eq(memberships::event_nid)))
        .inner_join(users::table.on(users::user_nid.eq(events::sender_nid)))
        .filter(memberships::user_nid.eq(user))
        .filter(memberships::membership.eq("invite"))
        .filter(users::user_id.like(format!("%:{server}")))
        .count()
        .get_result(conn)?)
}

/// The rooms that a user is in, is invited to or knocks on.
pub fn room_ids_of(conn: &mut Conn, user: UserNid) -> Result<Vec<OwnedRoomId>> {
    let ids: Vec<String> = memberships::table
        .inner_join(rooms::table.on(rooms::room_nid.eq(memberships::room_nid)))
        .filter(memberships::user_nid.eq(user))
        .filter(
            memberships::membership
                .eq("join")
                .or(memberships::membership.eq("invite"))
                .or(memberships::membership.eq("knock")),
        )
        .select(rooms::room_id)
        .order(rooms::room_nid)
        .load(conn)?;
    Ok(ids.into_iter().filter_map(|id| OwnedRoomId::try_from(id).ok()).collect())
}

/// The rooms that two users are both in, in the order of their numbers.
pub fn mutual(
    conn: &mut Conn,
    one: UserNid,
    other: UserNid,
) -> Result<Vec<(RoomNid, OwnedRoomId)>> {
    let theirs = diesel::alias!(memberships as theirs);
    let rows: Vec<(RoomNid, String)> = memberships::table
        .inner_join(rooms::table.on(rooms::room_nid.eq(memberships::room_nid)))
        .inner_join(theirs.on(theirs.field(memberships::room_nid).eq(memberships::room_nid)))
        .filter(memberships::user_nid.eq(one))
        .filter(memberships::membership.eq("join"))
        .filter(theirs.field(memberships::user_nid).eq(other))
        .filter(theirs.field(memberships::membership).eq("join"))
        .order(memberships::room_nid)
        .select((rooms::room_nid, rooms::room_id))
        .load(conn)?;
    let parse = |(nid, id): (RoomNid, String)| Some((nid, OwnedRoomId::try_from(id).ok()?));
    Ok(rows.into_iter().filter_map(parse).collect())
}

#[cfg(test)]
mod tests;
