//! Short-lived tokens for one purpose each, of which only a SHA-256 is kept.

use diesel::prelude::*;

use super::{
    Conn, UserNid,
    schema::{account_tokens, users},
};
use crate::error::Result;

/// What a token is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Logging in once, on another device.
    Login,
    /// Telling somebody else who the user is.
    OpenId,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::OpenId => "openid",
        }
    }
}

pub fn insert(
    conn: &mut Conn,
    token_hash: &[u8; 32],
    purpose: Purpose,
    user: UserNid,
    expires_at: i64,
) -> Result<()> {
    diesel::insert_into(account_tokens::table)
        .values((
            account_tokens::token_hash.eq(token_hash.as_slice()),
            account_tokens::purpose.eq(purpose.name()),
            account_tokens::user_nid.eq(user),
            account_tokens::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whose token it is, if it is good at `now`.
pub fn find(
    conn: &mut Conn,
    token_hash: &[u8; 32],
    purpose: Purpose,
    now: i64,
) -> Result<Option<(UserNid, String)>> {
    Ok(account_tokens::table
        .inner_join(users::table.on(users::user_nid.eq(account_tokens::user_nid)))
        .filter(account_tokens::token_hash.eq(token_hash.as_slice()))
        .filter(account_tokens::purpose.eq(purpose.name()))
        .filter(account_tokens::expires_at.gt(now))
        .select((users::user_nid, users::user_id))
        .first(conn)
        .optional()?)
}

pub fn delete(conn: &mut Conn, token_hash: &[u8; 32]) -> Result<()> {
    diesel::delete(account_tokens::table.find(token_hash.as_slice())).execute(conn)?;
    Ok(())
}

pub fn delete_of(conn: &mut Conn, user: UserNid) -> Result<()> {
    diesel::delete(account_tokens::table.filter(account_tokens::user_nid.eq(user)))
        .execute(conn)?;
    Ok(())
}

/// Forgets the tokens that are good no more.
pub fn delete_expired(conn: &mut Conn, now: i64) -> Result<usize> {
    Ok(diesel::delete(account_tokens::table.filter(account_tokens::expires_at.le(now)))
        .execute(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, tests::on_both};

    #[test]
    fn a_token_is_good_for_its_purpose_until_it_expires() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    let alice = UserNid(1);
                    insert_account(tx, alice)?;
                    insert(tx, &[1; 32], Purpose::Login, alice, 10)?;
                    insert(tx, &[2; 32], Purpose::OpenId, alice, 20)?;
                    let owner = Some((alice, "@1:a.test".to_owned()));
                    assert_eq!(find(tx, &[1; 32], Purpose::Login, 9)?, owner);
                    assert_eq!(find(tx, &[1; 32], Purpose::Login, 10)?, None);
                    assert_eq!(find(tx, &[1; 32], Purpose::OpenId, 9)?, None);
                    assert_eq!(delete_expired(tx, 10)?, 1);
                    delete(tx, &[2; 32])?;
                    assert_eq!(find(tx, &[2; 32], Purpose::OpenId, 0)?, None);
                    Ok(())
                })
                .unwrap();
        });
    }
}
