//! The users of this server.

use diesel::prelude::*;

use super::{
    Conn, UserNid,
    schema::{accounts, users},
};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = accounts, treat_none_as_default_value = false)]
pub struct Account {
    pub user_nid: UserNid,
    /// As a PHC string; without one nobody logs in with a password.
    pub password_hash: Option<String>,
    pub is_admin: bool,
    pub is_guest: bool,
    pub created_at: i64,
    pub deactivated_at: Option<i64>,
    pub displayname: Option<String>,
    pub avatar_url: Option<String>,
}

pub fn insert(conn: &mut Conn, account: &Account) -> Result<()> {
    diesel::insert_into(accounts::table).values(account).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut Conn, user_nid: UserNid) -> Result<Option<Account>> {
    Ok(accounts::table.find(user_nid).select(Account::as_select()).first(conn).optional()?)
}

/// The account of a user id.
pub fn find_by_id(conn: &mut Conn, user_id: &str) -> Result<Option<Account>> {
    Ok(accounts::table
        .inner_join(users::table.on(users::user_nid.eq(accounts::user_nid)))
        .filter(users::user_id.eq(user_id))
        .select(Account::as_select())
        .first(conn)
        .optional()?)
}

pub fn set_displayname(conn: &mut Conn, user_nid: UserNid, name: Option<&str>) -> Result<()> {
    diesel::update(accounts::table.find(user_nid))
        .set(accounts::displayname.eq(name))
        .execute(conn)?;
    Ok(())
}

pub fn set_avatar_url(conn: &mut Conn, user_nid: UserNid, url: Option<&str>) -> Result<()> {
    diesel::update(accounts::table.find(user_nid))
        .set(accounts::avatar_url.eq(url))
        .execute(conn)?;
    Ok(())
}
