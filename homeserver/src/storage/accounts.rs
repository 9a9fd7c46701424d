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

pub fn set_password_hash(conn: &mut Conn, user_nid: UserNid, hash: Option<&str>) -> Result<()> {
    diesel::update(accounts::table.find(user_nid))
        .set(accounts::password_hash.eq(hash))
        .execute(conn)?;
    Ok(())
}

/// Makes an account of a guest's; whether they were one.
pub fn upgrade_guest(conn: &mut Conn, user_nid: UserNid, password: Option<&str>) -> Result<bool> {
    let guest = accounts::table.find(user_nid).filter(accounts::is_guest.eq(true));
    let changed = diesel::update(guest)
        .set((accounts::is_guest.eq(false), accounts::password_hash.eq(password)))
        .execute(conn)?;
    Ok(changed == 1)
}

pub fn set_admin(conn: &mut Conn, user_nid: UserNid, is_admin: bool) -> Result<()> {
    diesel::update(accounts::table.find(user_nid))
        .set(accounts::is_admin.eq(is_admin))
        .execute(conn)?;
    Ok(())
}

/// Since when a user is locked and suspended, if they are.
pub fn standing(conn: &mut Conn, user_nid: UserNid) -> Result<(Option<i64>, Option<i64>)> {
    Ok(accounts::table
        .find(user_nid)
        .select((accounts::locked_at, accounts::suspended_at))
        .first(conn)?)
}

pub fn set_locked(conn: &mut Conn, user_nid: UserNid, since: Option<i64>) -> Result<()> {
    diesel::update(accounts::table.find(user_nid))
        .set(accounts::locked_at.eq(since))
        .execute(conn)?;
    Ok(())
}

pub fn set_suspended(conn: &mut Conn, user_nid: UserNid, since: Option<i64>) -> Result<()> {
    diesel::update(accounts::table.find(user_nid))
        .set(accounts::suspended_at.eq(since))
        .execute(conn)?;
    Ok(())
}

/// Closes an account for good: nobody logs in to it, it has no profile, and its rooms are to be left. `erased` stays
/// as it is where it is set already.
pub fn deactivate(conn: &mut Conn, user_nid: UserNid, now: i64, erased: bool) -> Result<()> {
    if erased {
        diesel::update(accounts::table.find(user_nid))
            .set(accounts::erased.eq(true))
            .execute(conn)?;
    }
    diesel::update(accounts::table.find(user_nid))
        .set((
            accounts::deactivated_at.eq(now),
            accounts::departing.eq(true),
            accounts::password_hash.eq(None::<String>),
            accounts::displayname.eq(None::<String>),
            accounts::avatar_url.eq(None::<String>),
        ))
        .execute(conn)?;
    Ok(())
}

/// Those who are deactivated and have rooms to leave.
pub fn departing(conn: &mut Conn) -> Result<Vec<(UserNid, String)>> {
    Ok(accounts::table
        .inner_join(users::table.on(users::user_nid.eq(accounts::user_nid)))
        .filter(accounts::departing.eq(true))
        .select((users::user_nid, users::user_id))
        .load(conn)?)
}

pub fn set_departed(conn: &mut Conn, user_nid: UserNid) -> Result<()> {
    diesel::update(accounts::table.find(user_nid))
        .set(accounts::departing.eq(false))
        .execute(conn)?;
    Ok(())
}

/// Those who had what they sent erased.
pub fn erased(conn: &mut Conn) -> Result<Vec<UserNid>> {
    Ok(accounts::table.filter(accounts::erased.eq(true)).select(accounts::user_nid).load(conn)?)
}

/// An account as a list of them shows it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Listed {
    pub user_id: String,
    pub is_admin: bool,
    pub is_guest: bool,
    pub created_at: i64,
    pub deactivated_at: Option<i64>,
    pub locked_at: Option<i64>,
    pub suspended_at: Option<i64>,
}

/// All accounts, by their names.
pub fn all(conn: &mut Conn) -> Result<Vec<Listed>> {
    Ok(accounts::table
        .inner_join(users::table.on(users::user_nid.eq(accounts::user_nid)))
        .order(users::user_id)
        .select((
            users::user_id,
            accounts::is_admin,
            accounts::is_guest,
            accounts::created_at,
            accounts::deactivated_at,
            accounts::locked_at,
            accounts::suspended_at,
        ))
        .load(conn)?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    /// A user who is named by their number.
    pub(crate) fn insert_account(conn: &mut Conn, nid: UserNid) -> Result<()> {
        diesel::insert_into(users::table)
            .values((users::user_nid.eq(nid), users::user_id.eq(format!("@{nid}:a.test"))))
            .execute(conn)?;
        let account = Account {
            user_nid: nid,
            password_hash: None,
            is_admin: false,
            is_guest: false,
            created_at: 0,
            deactivated_at: None,
            displayname: None,
            avatar_url: None,
        };
        insert(conn, &account)
    }

    #[test]
    fn an_account_is_found_by_its_user() {
        on_both(|store| {
            let users = store.users().clone();
            let account = store
                .write_blocking(move |tx| {
                    let user = users.find_or_reserve(tx, "@alice:a.test")?;
                    users.insert(tx, &user)?;
                    let account = Account {
                        user_nid: user.nid,
                        password_hash: Some("$argon2id$".to_owned()),
                        is_admin: true,
                        is_guest: false,
                        created_at: 1,
                        deactivated_at: None,
                        displayname: None,
                        avatar_url: None,
                    };
                    insert(tx, &account)?;
                    set_displayname(tx, user.nid, Some("Alice"))?;
                    set_avatar_url(tx, user.nid, Some("mxc://a.test/1"))?;
                    Ok(Account {
                        displayname: Some("Alice".to_owned()),
                        avatar_url: Some("mxc://a.test/1".to_owned()),
                        ..account
                    })
                })
                .unwrap();
            let user_nid = account.user_nid;
            assert_eq!(
                store.read_blocking(move |conn| find(conn, user_nid)).unwrap(),
                Some(account.clone())
            );
            let by_id =
                |id: &'static str| store.read_blocking(move |conn| find_by_id(conn, id)).unwrap();
            assert_eq!(by_id("@alice:a.test"), Some(account));
            assert_eq!(by_id("@bob:a.test"), None);
        });
    }
}
