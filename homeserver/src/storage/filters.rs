//! Filters that clients have stored.

use diesel::{dsl::max, prelude::*};

use super::{Conn, UserNid, schema::filters};
use crate::error::Result;

/// Stores a filter, unless the user has the same one, and returns its id.
pub fn insert(conn: &mut Conn, user_nid: UserNid, json: &str) -> Result<i64> {
    let known: Option<i64> = filters::table
        .filter(filters::user_nid.eq(user_nid))
        .filter(filters::json.eq(json))
        .select(filters::filter_id)
        .first(conn)
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let highest: Option<i64> = filters::table
        .filter(filters::user_nid.eq(user_nid))
        .select(max(filters::filter_id))
        .first(conn)?;
    let filter_id = highest.map_or(0, |highest| highest + 1);
    diesel::insert_into(filters::table)
        .values((
            filters::user_nid.eq(user_nid),
            filters::filter_id.eq(filter_id),
            filters::json.eq(json),
        ))
        .execute(conn)?;
    Ok(filter_id)
}

pub fn find(conn: &mut Conn, user_nid: UserNid, filter_id: i64) -> Result<Option<String>> {
    Ok(filters::table.find((user_nid, filter_id)).select(filters::json).first(conn).optional()?)
}
