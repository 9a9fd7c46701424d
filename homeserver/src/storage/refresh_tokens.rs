//! Refresh tokens, of which only a SHA-256 is kept.
//!
//! What a refresh replaces stays good until what it gave out is used, so that a lost answer locks nobody out.

use diesel::prelude::*;

use super::{
    Conn, UserNid,
    schema::{access_tokens, refresh_tokens},
};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = refresh_tokens)]
pub struct RefreshToken {
    pub token_hash: Vec<u8>,
    pub user_nid: UserNid,
    pub device_id: String,
    pub access_token_hash: Vec<u8>,
    /// The refresh token that it came from, until it or its access token is used.
    pub refreshed_from: Option<Vec<u8>>,
}

pub fn insert(conn: &mut Conn, token: &RefreshToken) -> Result<()> {
    diesel::insert_into(refresh_tokens::table).values(token).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut Conn, token_hash: &[u8]) -> Result<Option<RefreshToken>> {
    Ok(refresh_tokens::table
        .find(token_hash)
        .select(RefreshToken::as_select())
        .first(conn)
        .optional()?)
}

/// Removes what a refresh token gave out and nobody used. Returns the hashes of the access tokens.
pub fn delete_children(conn: &mut Conn, parent: &[u8]) -> Result<Vec<Vec<u8>>> {
    let children: Vec<Vec<u8>> = access_tokens::table
        .filter(access_tokens::refreshed_from.eq(parent))
        .select(access_tokens::token_hash)
        .load(conn)?;
    diesel::delete(access_tokens::table.filter(access_tokens::refreshed_from.eq(parent)))
        .execute(conn)?;
    diesel::delete(refresh_tokens::table.filter(refresh_tokens::refreshed_from.eq(parent)))
        .execute(conn)?;
    Ok(children)
}

/// Removes a refresh token whose children are in use, with its access token. Returns the hash of that.
pub fn settle(conn: &mut Conn, parent: &[u8]) -> Result<Option<Vec<u8>>> {
    diesel::update(access_tokens::table.filter(access_tokens::refreshed_from.eq(parent)))
        .set(access_tokens::refreshed_from.eq(None::<Vec<u8>>))
        .execute(conn)?;
    diesel::update(refresh_tokens::table.filter(refresh_tokens::refreshed_from.eq(parent)))
        .set(refresh_tokens::refreshed_from.eq(None::<Vec<u8>>))
        .execute(conn)?;
    let Some(token) = find(conn, parent)? else { return Ok(None) };
    diesel::delete(refresh_tokens::table.find(parent)).execute(conn)?;
    diesel::delete(access_tokens::table.find(&token.access_token_hash)).execute(conn)?;
    Ok(Some(token.access_token_hash))
}

/// Removes the refresh tokens of one device, or of all the user's.
pub fn delete(conn: &mut Conn, user: UserNid, device_id: Option<&str>) -> Result<()> {
    let of_user = refresh_tokens::table.filter(refresh_tokens::user_nid.eq(user));
    match device_id {
        Some(device_id) => {
            diesel::delete(of_user.filter(refresh_tokens::device_id.eq(device_id))).execute(conn)?
        }
        None => diesel::delete(of_user).execute(conn)?,
    };
    Ok(())
}
