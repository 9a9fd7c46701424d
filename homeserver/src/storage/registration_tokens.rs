//! Tokens that let their holder make an account.

use diesel::prelude::*;

use super::{Conn, schema::registration_tokens};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = registration_tokens, treat_none_as_default_value = false)]
pub struct RegistrationToken {
    pub token: String,
    /// `None`: as many as one likes.
    pub uses_allowed: Option<i64>,
    pub uses_completed: i64,
    pub created_at: i64,
    pub expires_at: Option<i64>,
}

impl RegistrationToken {
    pub fn is_valid(&self, now: i64) -> bool {
        self.uses_allowed.is_none_or(|allowed| self.uses_completed < allowed)
            && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

pub fn insert(conn: &mut Conn, token: &RegistrationToken) -> Result<()> {
    diesel::insert_into(registration_tokens::table).values(token).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut Conn, token: &str) -> Result<Option<RegistrationToken>> {
    Ok(registration_tokens::table
        .find(token)
        .select(RegistrationToken::as_select())
        .first(conn)
        .optional()?)
}

pub fn all(conn: &mut Conn) -> Result<Vec<RegistrationToken>> {
    Ok(registration_tokens::table
        .order((registration_tokens::created_at, registration_tokens::token))
        .select(RegistrationToken::as_select())
        .load(conn)?)
}

/// Counts one use. `false` when the token is not valid, or not at all there.
pub fn use_once(conn: &mut Conn, token: &str, now: i64) -> Result<bool> {
    if !find(conn, token)?.is_some_and(|token| token.is_valid(now)) {
        return Ok(false);
    }
    diesel::update(registration_tokens::table.find(token))
        .set(registration_tokens::uses_completed.eq(registration_tokens::uses_completed + 1))
        .execute(conn)?;
    Ok(true)
}

/// `false` when there is no such token.
pub fn delete(conn: &mut Conn, token: &str) -> Result<bool> {
    Ok(diesel::delete(registration_tokens::table.find(token)).execute(conn)? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    fn token(name: &str, uses_allowed: Option<i64>, expires_at: Option<i64>) -> RegistrationToken {
        let token = name.to_owned();
        RegistrationToken { token, uses_allowed, uses_completed: 0, created_at: 0, expires_at }
    }

    #[test]
    fn a_token_is_good_for_so_many_uses_and_so_long() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    insert(tx, &token("twice", Some(2), None))?;
                    insert(tx, &token("until 10", None, Some(10)))?;
                    assert!(use_once(tx, "twice", 0)?);
                    assert!(use_once(tx, "twice", 0)?);
                    assert!(!use_once(tx, "twice", 0)?);
                    assert!(use_once(tx, "until 10", 9)?);
                    assert!(!use_once(tx, "until 10", 10)?);
                    assert!(!use_once(tx, "unknown", 0)?);
                    let uses: Vec<_> =
                        all(tx)?.into_iter().map(|t| (t.token, t.uses_completed)).collect();
                    assert_eq!(uses, [("twice".to_owned(), 2), ("until 10".to_owned(), 1)]);
                    assert!(delete(tx, "twice")?);
                    assert!(!delete(tx, "twice")?);
                    assert_eq!(find(tx, "twice")?, None);
                    Ok(())
                })
                .unwrap();
        });
    }
}
