//! Searching users, over their ids and the profiles of this server's own.

use diesel::{
    dsl::exists,
    prelude::*,
    sql_types::{Nullable, Text},
};

use super::{
    Conn, UserNid,
    schema::{accounts, memberships, rooms, users},
};
use crate::error::Result;

diesel::define_sql_function! {
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct FoundRow {
    pub user_id: String,
    pub displayname: Option<String>,
    pub avatar_url: Option<String>,
}

/// Users whose id or display name contains each of `words` (in small letters), of those in a public room or
/// in one of `caller`'s; not `caller`, and nobody who was deactivated.
pub fn search(
    conn: &mut Conn,
    caller: UserNid,
    words: &[String],
    limit: i64,
) -> Result<Vec<FoundRow>> {
    let (theirs, own) = diesel::alias!(memberships as theirs, memberships as own);
    let in_public_room = theirs
        .inner_join(rooms::table.on(rooms::room_nid.eq(theirs.field(memberships::room_nid))))
        .filter(theirs.field(memberships::user_nid).eq(users::user_nid))
        .filter(theirs.field(memberships::membership).eq("join"))
        .filter(rooms::is_public.eq(true));
    let in_own_room = memberships::table
        .inner_join(own.on(own.field(memberships::room_nid).eq(memberships::room_nid)))
        .filter(memberships::user_nid.eq(users::user_nid))
        .filter(memberships::membership.eq("join"))
        .filter(own.field(memberships::user_nid).eq(caller))
        .filter(own.field(memberships::membership).eq("join"));
    let mut query = users::table
        .left_join(accounts::table.on(accounts::user_nid.eq(users::user_nid)))
        .filter(users::user_nid.ne(caller))
        .filter(accounts::deactivated_at.is_null())
        .filter(exists(in_public_room).or(exists(in_own_room)))
        .order(users::user_id)
        .limit(limit)
        .select((users::user_id, accounts::displayname.nullable(), accounts::avatar_url.nullable()))
        .into_boxed();
    for word in words {
        let pattern =
            format!("%{}%", word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        let in_name = lower(accounts::displayname.nullable()).like(pattern.clone()).escape('\\');
        let in_id = lower(users::user_id.nullable()).like(pattern).escape('\\');
        query = query.filter(in_id.or(in_name));
    }
    Ok(query.load(conn)?)
}
