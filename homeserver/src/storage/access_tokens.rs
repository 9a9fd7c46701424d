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
    pub is_locked: bool,
    pub is_suspended: bool,
    pub expires_at: Option<i64>,
    /// The refresh token that it came from, until it is used.
    pub refreshed_from: Option<Vec<u8>>,
}

/// A token that is made.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = access_tokens)]
pub struct AccessToken {
    pub token_hash: Vec<u8>,
    pub user_nid: UserNid,
    pub device_id: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub refreshed_from: Option<Vec<u8>>,
}

pub fn insert(conn: &mut Conn, token: &AccessToken) -> Result<()> {
    diesel::insert_into(access_tokens::table).values(token).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut Conn, token_hash: &[u8; 32]) -> Result<Option<Owner>> {
    type Standing = (Option<i64>, Option<i64>, Option<i64>);
    type Row = (UserNid, String, String, bool, bool, Standing, Option<i64>, Option<Vec<u8>>);
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
            (accounts::deactivated_at, accounts::locked_at, accounts::suspended_at),
            access_tokens::expires_at,
            access_tokens::refreshed_from,
        ))
        .first(conn)
        .optional()?;
    Ok(found.map(|row| {
        let (user_nid, user_id, device_id, is_admin, is_guest, standing, expires_at, from) = row;
        let (deactivated_at, locked_at, suspended_at) = standing;
        Owner {
            user_nid,
            user_id,
            device_id,
            is_admin,
            is_guest,
            is_deactivated: deactivated_at.is_some(),
            is_locked: locked_at.is_some(),
            is_suspended: suspended_at.is_some(),
            expires_at,
            refreshed_from: from,
        }
    }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        accounts::{self, Account},
        devices::{self, Device},
        tests::on_both,
    };

    fn insert_user(conn: &mut Conn, nid: UserNid, devices: &[&str]) -> Result<()> {
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
        accounts::insert(conn, &account)?;
        for &device_id in devices {
            let device = Device {
                user_nid: nid,
                device_id: device_id.to_owned(),
                display_name: Some("one".to_owned()),
                created_at: 0,
                last_seen_at: None,
                last_seen_ip: None,
            };
            devices::insert_if_absent(conn, &device)?;
            let again = Device { display_name: Some("two".to_owned()), ..device.clone() };
            devices::insert_if_absent(conn, &again)?;
            assert_eq!(devices::find(conn, nid, device_id)?, Some(device));
        }
        Ok(())
    }

    #[test]
    fn a_token_leads_to_its_owner_until_it_is_deleted() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    let (alice, bob) = (UserNid(1), UserNid(2));
                    insert_user(tx, alice, &["A", "B"])?;
                    insert_user(tx, bob, &["A"])?;
                    let token = |hash: u8, user_nid, device: &str| AccessToken {
                        token_hash: vec![hash; 32],
                        user_nid,
                        device_id: device.to_owned(),
                        created_at: 5,
                        expires_at: None,
                        refreshed_from: None,
                    };
                    insert(tx, &token(1, alice, "A"))?;
                    insert(tx, &token(2, alice, "B"))?;
                    insert(tx, &token(3, bob, "A"))?;

                    let owner = find(tx, &[2; 32])?.unwrap();
                    assert_eq!(owner.user_id, "@1:a.test");
                    assert_eq!((owner.user_nid, owner.device_id.as_str()), (alice, "B"));
                    assert_eq!(find(tx, &[4; 32])?, None);

                    assert_eq!(delete(tx, alice, Some("A"))?, [vec![1; 32]]);
                    devices::delete(tx, alice, "A")?;
                    assert_eq!(find(tx, &[1; 32])?, None);
                    assert_eq!(devices::of_user(tx, alice)?.len(), 1);
                    assert_eq!(delete(tx, alice, None)?, [vec![2; 32]]);
                    assert!(find(tx, &[3; 32])?.is_some());
                    Ok(())
                })
                .unwrap();
        });
    }
}
