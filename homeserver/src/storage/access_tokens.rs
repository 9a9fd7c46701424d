//! Access tokens, of which only a SHA-256 is kept.

use diesel::prelude::*;

use super::{
    Conn, UserNid,
    schema::{access_tokens, accounts, users},
};
use crate::error::Result;

/// Whom a token lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub user_nid: UserNid,
    pub user_id: String,
    pub device_id: String,
    pub is_admin: bool,
    pub is_guest: bool,
    pub is_deactivated: bool,
    pub expires_at: Option<i64>,
}

pub fn insert(
    conn: &mut Conn,
    token_hash: &[u8; 32],
    user_nid: UserNid,
    device_id: &str,
    now: i64,
) -> Result<()> {
    diesel::insert_into(access_tokens::table)
        .values((
            access_tokens::token_hash.eq(token_hash.as_slice()),
            access_tokens::user_nid.eq(user_nid),
            access_tokens::device_id.eq(device_id),
            access_tokens::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut Conn, token_hash: &[u8; 32]) -> Result<Option<Owner>> {
    type Row = (UserNid, String, String, bool, bool, Option<i64>, Option<i64>);
    let found: Option<Row> = access_tokens::table
        .inner_join(users::table.on(users::user_nid.eq(access_tokens::user_nid)))
        .inner_join(accounts::table.on(accounts::user_nid.eq(access_tokens::user_nid)))
        .filter(access_tokens::token_hash.eq(token_hash.as_slice()))
        .select((
            users::user_nid,
            users::user_id,
            access_tokens::device_id,
            accounts::is_admin,
            accounts::is_guest,
            accounts::deactivated_at,
            access_tokens::expires_at,
        ))
        .first(conn)
        .optional()?;
    let owner = |(user_nid, user_id, device_id, is_admin, is_guest, deactivated_at, expires_at)| {
        let deactivated_at: Option<i64> = deactivated_at;
        let is_deactivated = deactivated_at.is_some();
        Owner { user_nid, user_id, device_id, is_admin, is_guest, is_deactivated, expires_at }
    };
    Ok(found.map(owner))
}

/// Removes the tokens of one device, or of all the user's. Returns the hashes they had.
pub fn delete(conn: &mut Conn, user_nid: UserNid, device_id: Option<&str>) -> Result<Vec<Vec<u8>>> {
    let mut tokens: Vec<(Vec<u8>, String)> = access_tokens::table
        .filter(access_tokens::user_nid.eq(user_nid))
        .select((access_tokens::token_hash, access_tokens::device_id))
        .load(conn)?;
    tokens.retain(|(_, device)| device_id.is_none_or(|device_id| device == device_id));
    for (token_hash, _) in &tokens {
        diesel::delete(access_tokens::table.find(token_hash)).execute(conn)?;
    }
    Ok(tokens.into_iter().map(|(token_hash, _)| token_hash).collect())
}
