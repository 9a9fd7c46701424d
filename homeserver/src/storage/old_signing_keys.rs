//! Keys that this server signed with before.

use diesel::prelude::*;

use super::{Conn, conn::each_backend, schema::old_signing_keys};
use crate::error::Result;

/// One key; `public_key` is unpadded base64.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = old_signing_keys, primary_key(key_id))]
pub struct OldSigningKey {
    pub key_id: String,
    pub public_key: String,
    pub expired_at: i64,
}

pub fn all(conn: &mut Conn) -> Result<Vec<OldSigningKey>> {
    let all = old_signing_keys::table.select(OldSigningKey::as_select());
    Ok(all.order(old_signing_keys::expired_at).load(conn)?)
}

/// Adds a key; one that is there already expires anew.
pub fn set(conn: &mut Conn, row: &OldSigningKey) -> Result<()> {
    each_backend!(conn, conn => {
        diesel::insert_into(old_signing_keys::table)
            .values(row)
            .on_conflict(old_signing_keys::key_id)
            .do_update()
            .set(row)
            .execute(conn)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn old_keys_come_in_the_order_in_which_they_expired() {
        on_both(|store| {
            let key = |id: &str, expired_at| OldSigningKey {
                key_id: id.to_owned(),
                public_key: "AAAA".to_owned(),
                expired_at,
            };
            let checked = store.write_blocking(move |tx| {
                set(tx, &key("ed25519:b", 1))?;
                set(tx, &key("ed25519:a", 2))?;
                set(tx, &key("ed25519:b", 3))?;
                assert_eq!(all(tx)?, [key("ed25519:a", 2), key("ed25519:b", 3)]);
                Ok(())
            });
            checked.unwrap();
        });
    }
}
