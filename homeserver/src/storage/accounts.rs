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
