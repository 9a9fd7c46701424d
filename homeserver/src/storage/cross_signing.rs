//! Cross-signing keys of users of any server, and signatures over those of others.

use diesel::prelude::*;

use super::{
    Conn, UserNid, each_backend,
    schema::{cross_signing_keys, key_signatures, users},
};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = cross_signing_keys)]
pub struct CrossSigningRow {
    pub user_nid: UserNid,
    /// `master`, `self_signing` or `user_signing`.
    pub usage: String,
    pub public_key: String,
    pub json: String,
}

/// A signature by one user's user-signing key over another's master key.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = key_signatures)]
pub struct KeySignatureRow {
    pub signer_nid: UserNid,
    pub target_nid: UserNid,
    /// The master key that was signed.
    pub public_key: String,
    pub signing_key_id: String,
    pub signature: String,
}

pub fn set(tx: &mut Conn, row: &CrossSigningRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(cross_signing_keys::table)
            .values(row)
            .on_conflict((cross_signing_keys::user_nid, cross_signing_keys::usage))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

pub fn delete(tx: &mut Conn, user: UserNid, usage: &str) -> Result<()> {
    diesel::delete(cross_signing_keys::table.find((user, usage))).execute(tx)?;
    Ok(())
}

/// Deletes all keys of a user, and what they signed with them. Answers whether there were any.
pub fn delete_all(tx: &mut Conn, user: UserNid) -> Result<bool> {
    let keys = cross_signing_keys::table.filter(cross_signing_keys::user_nid.eq(user));
    let signatures = key_signatures::table.filter(key_signatures::signer_nid.eq(user));
    diesel::delete(signatures).execute(tx)?;
    Ok(diesel::delete(keys).execute(tx)? > 0)
}

pub fn get(conn: &mut Conn, user: UserNid, usage: &str) -> Result<Option<CrossSigningRow>> {
    Ok(cross_signing_keys::table
        .find((user, usage))
        .select(CrossSigningRow::as_select())
        .first(conn)
        .optional()?)
}

/// The keys of users.
pub fn of_users(conn: &mut Conn, users: &[UserNid]) -> Result<Vec<CrossSigningRow>> {
    let all = cross_signing_keys::table.select(CrossSigningRow::as_select());
    // The statement for one user is kept prepared.
    if let [user] = users {
        return Ok(all.filter(cross_signing_keys::user_nid.eq(user)).load(conn)?);
    }
    Ok(all.filter(cross_signing_keys::user_nid.eq_any(users)).load(conn)?)
}

pub fn set_signature(tx: &mut Conn, row: &KeySignatureRow) -> Result<()> {
    each_backend!(tx, conn => {
        diesel::insert_into(key_signatures::table)
            .values(row)
            .on_conflict((key_signatures::signer_nid, key_signatures::target_nid))
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

/// All signatures that a user made over others' keys, with whose those are.
pub fn signatures_of(conn: &mut Conn, signer: UserNid) -> Result<Vec<(KeySignatureRow, String)>> {
    Ok(key_signatures::table
        .inner_join(users::table.on(users::user_nid.eq(key_signatures::target_nid)))
        .filter(key_signatures::signer_nid.eq(signer))
        .select((KeySignatureRow::as_select(), users::user_id))
        .load(conn)?)
}
