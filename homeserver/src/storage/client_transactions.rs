//! What requests with a transaction id were answered.

use diesel::{connection::Connection, prelude::*};

use super::{
    Conn, UserNid,
    conn::{each_backend, prepared},
    schema::client_transactions,
};
use crate::error::Result;

/// Who asked for what: a transaction id counts for one device and endpoint.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct TransactionKey {
    pub user_nid: UserNid,
    pub device_id: String,
    pub endpoint: String,
    pub transaction_id: String,
}

/// The answer given, if the transaction is known.
pub fn response(conn: &mut Conn, key: &TransactionKey) -> Result<Option<String>> {
    let responses: Vec<String> = each_backend!(conn, conn => {
        client_transactions::table
            .find((key.user_nid, &key.device_id, &key.endpoint, &key.transaction_id))
            .select(client_transactions::response)
            .load(conn)
    })?;
    Ok(responses.into_iter().next())
}

prepared! {
    Insert<'a> = "INSERT INTO client_transactions (user_nid, device_id, endpoint, transaction_id, \
         response, created_at) VALUES (" user_nid: i64 ", " device_id: &'a str ", "
        endpoint: &'a str ", " transaction_id: &'a str ", " response: &'a str ", "
        created_at: i64 => ")";
}

pub fn insert(conn: &mut Conn, key: &TransactionKey, response: &str, now: i64) -> Result<()> {
    let insert = Insert {
        user_nid: key.user_nid.0,
        device_id: &key.device_id,
        endpoint: &key.endpoint,
        transaction_id: &key.transaction_id,
        response,
        created_at: now,
    };
    each_backend!(conn, conn => conn.execute_returning_count(&insert))?;
    Ok(())
}

/// Remembers a transaction whose answer says nothing. Returns whether it was not known.
pub fn insert_if_new(conn: &mut Conn, key: &TransactionKey, now: i64) -> Result<bool> {
    let row = (
        client_transactions::user_nid.eq(key.user_nid),
        client_transactions::device_id.eq(&key.device_id),
        client_transactions::endpoint.eq(&key.endpoint),
        client_transactions::transaction_id.eq(&key.transaction_id),
        client_transactions::response.eq(""),
        client_transactions::created_at.eq(now),
    );
    let inserted = each_backend!(conn, conn => {
        diesel::insert_into(client_transactions::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(conn)
    })?;
    Ok(inserted > 0)
}

/// Up to `limit` transactions older than `before` (milliseconds), by user, beginning with `from`. Reads all that are
/// there behind the first one: no index is kept for what is asked so seldom.
pub fn older(
    conn: &mut Conn,
    before: i64,
    from: UserNid,
    limit: i64,
) -> Result<Vec<TransactionKey>> {
    let rows: Vec<(UserNid, String, String, String)> = client_transactions::table
        .filter(client_transactions::user_nid.ge(from))
        .filter(client_transactions::created_at.lt(before))
        .select((
            client_transactions::user_nid,
            client_transactions::device_id,
            client_transactions::endpoint,
            client_transactions::transaction_id,
        ))
        .order((
            client_transactions::user_nid,
            client_transactions::device_id,
            client_transactions::endpoint,
            client_transactions::transaction_id,
        ))
        .limit(limit)
        .load(conn)?;
    let key = |(user_nid, device_id, endpoint, transaction_id)| TransactionKey {
        user_nid,
        device_id,
        endpoint,
        transaction_id,
    };
    Ok(rows.into_iter().map(key).collect())
}

/// Forgets transactions.
pub fn delete(tx: &mut Conn, keys: &[TransactionKey]) -> Result<()> {
    for key in keys {
        let row = client_transactions::table.find((
            key.user_nid,
            &key.device_id,
            &key.endpoint,
            &key.transaction_id,
        ));
        diesel::delete(row).execute(tx)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::on_both;

    #[test]
    fn only_old_transactions_are_forgotten() {
        on_both(|store| {
            let left = store.write_blocking(|tx| {
                for created in 0..10 {
                    let key = TransactionKey {
                        user_nid: UserNid(created % 2),
                        device_id: "DEVICE".to_owned(),
                        endpoint: "send".to_owned(),
                        transaction_id: created.to_string(),
                    };
                    insert(tx, &key, "$event", created)?;
                }
                let ids = |keys: &[TransactionKey]| -> Vec<String> {
                    keys.iter().map(|key| key.transaction_id.clone()).collect()
                };
                let first = older(tx, 5, UserNid(0), 4)?;
                assert_eq!(ids(&first), ["0", "2", "4", "1"]);
                delete(tx, &first)?;
                assert_eq!(ids(&older(tx, 5, UserNid(1), 4)?), ["3"]);
                assert!(older(tx, 5, UserNid(2), 4)?.is_empty());
                Ok(client_transactions::table.count().get_result::<i64>(&mut **tx)?)
            });
            assert_eq!(left.unwrap(), 6);
        });
    }
}
