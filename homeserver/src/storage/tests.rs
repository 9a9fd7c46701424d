//! The storage rules, on both databases.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use diesel::prelude::*;

use super::{schema::users, test_database::TestDatabase, *};

/// Opens a store on each kind of database and runs `test` on it.
pub(crate) fn on_both(test: impl Fn(&Store)) {
    for database in TestDatabase::both() {
        let store = Store::open(options(&database)).unwrap();
        test(&store);
        store.close_blocking();
    }
}

fn options(database: &TestDatabase) -> StoreOptions {
    StoreOptions::new(DatabaseUrl::parse(&database.url, Path::new("/")).unwrap())
}

fn insert_user(conn: &mut Conn, nid: i64, user_id: &str) -> Result<()> {
    diesel::insert_into(users::table)
        .values((users::user_nid.eq(nid), users::user_id.eq(user_id)))
        .execute(conn)?;
    Ok(())
}

fn count_users(store: &Store) -> i64 {
    store.read_blocking(|conn| Ok(users::table.count().get_result(conn)?)).unwrap()
}

#[test]
fn what_is_written_is_read_and_survives_a_restart() {
    for database in TestDatabase::both() {
        let store = Store::open(options(&database)).unwrap();
        let position = store
            .write_blocking(|tx| {
                insert_user(tx, 1, "@a:x")?;
                tx.next_position()
            })
            .unwrap();
        assert_eq!((position, store.position()), (Position(1), Position(1)));
        assert_eq!(count_users(&store), 1);
        store.close_blocking();
        assert!(matches!(store.read_blocking(|_| Ok(())), Err(Error::Stopping)));
        assert!(matches!(store.write_blocking(|_| Ok(())), Err(Error::Stopping)));

        let store = Store::open(options(&database)).unwrap();
        assert_eq!(count_users(&store), 1);
        assert_eq!(store.position(), Position(1));
        assert_eq!(store.nids().user(), UserNid(2));
    }
}

#[test]
fn a_rolled_back_job_leaves_neither_rows_nor_effects_nor_a_hole_in_the_positions() {
    on_both(|store| {
        let effects = Arc::new(AtomicUsize::new(0));
        let job = |nid: i64, fails: bool| {
            let effects = Arc::clone(&effects);
            store.write(move |tx| {
                insert_user(tx, nid, &format!("@{nid}:x"))?;
                let position = tx.next_position()?;
                let effects = Arc::clone(&effects);
                tx.after_commit(move || {
                    effects.fetch_add(1, Ordering::Relaxed);
                });
                if fails { Err(Error::StaleRoom) } else { Ok(position) }
            })
        };
        let answers: Vec<_> = (0..60).map(|nid| job(nid, nid % 3 == 1)).collect();
        let mut positions = Vec::new();
        for (nid, answer) in answers.into_iter().enumerate() {
            match answer.0.blocking_recv().unwrap() {
                Ok(position) => positions.push(position.0),
                Err(error) => assert!(nid % 3 == 1 && matches!(error, Error::StaleRoom)),
            }
        }
        assert_eq!(positions, (1..=40).collect::<Vec<_>>());
        assert_eq!(count_users(store), 40);
        assert_eq!(effects.load(Ordering::Relaxed), 40);
        assert!(store.commits() < 60);
    });
}
