//! The storage rules, on both databases.

mod faults;
mod schema_matches;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
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
    let mut options = StoreOptions::new(DatabaseUrl::parse(&database.url, Path::new("/")).unwrap());
    // What is in a group must not depend on how busy the machine is.
    options.group_time = Duration::MAX;
    options
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

/// Holds the writer until the returned sender is dropped, so that what is queued meanwhile is one group.
fn hold_writer(store: &Store) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (started, running) = mpsc::channel();
    drop(store.write(move |_| {
        let _ = started.send(());
        let _ = held.lock().recv();
        Ok(())
    }));
    running.recv().unwrap();
    release
}

fn wait<T>(answer: Answer<T>) -> Result<T> {
    answer.blocking()
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
            match wait(answer) {
                Ok(position) => positions.push(position.0),
                Err(error) => assert!(nid % 3 == 1 && matches!(error, Error::StaleRoom)),
            }
        }
        assert_eq!(positions, (1..=40).collect::<Vec<_>>());
        assert_eq!(count_users(store), 40);
        assert_eq!(effects.load(Ordering::Relaxed), 40);
    });
}

#[test]
fn what_waits_is_committed_in_one_group_in_the_order_it_was_queued() {
    on_both(|store| {
        let held = hold_writer(store);
        let before = store.commits();
        let order = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<_> = (1..=20)
            .map(|nid| {
                let order = Arc::clone(&order);
                store.write(move |tx| {
                    insert_user(tx, nid, &format!("@{nid}:x"))?;
                    let order = Arc::clone(&order);
                    tx.after_commit(move || order.lock().push(nid));
                    Ok(())
                })
            })
            .collect();
        drop(held);
        for answer in answers {
            wait(answer).unwrap();
        }
        assert_eq!(store.commits(), before + 2);
        assert_eq!(*order.lock(), (1..=20).collect::<Vec<_>>());
    });
}

#[test]
fn a_position_is_published_after_the_commit_and_the_effects_of_its_job() {
    on_both(|store| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..2 {
            let (inside, seen) = (store.clone(), Arc::clone(&seen));
            let position = store
                .write_blocking(move |tx| {
                    let position = tx.next_position()?;
                    let (inside, seen) = (inside.clone(), Arc::clone(&seen));
                    tx.after_commit(move || {
                        let committed = inside.read_blocking(current_position).unwrap();
                        seen.lock().push((committed, inside.position()));
                    });
                    Ok(position)
                })
                .unwrap();
            assert_eq!(store.position(), position);
        }
        assert_eq!(*seen.lock(), [(Position(1), Position(0)), (Position(2), Position(1))],);
    });
}

#[test]
fn a_panicking_job_fails_alone() {
    on_both(|store| {
        let held = hold_writer(store);
        let first = store.write(|tx| insert_user(tx, 1, "@a:x"));
        let second = store.write(|tx| -> Result<()> {
            insert_user(tx, 2, "@b:x")?;
            panic!("on purpose");
        });
        let third = store.write(|tx| insert_user(tx, 3, "@c:x"));
        let effect = store.write(|tx| {
            tx.after_commit(|| panic!("on purpose"));
            insert_user(tx, 4, "@d:x")
        });
        drop(held);
        assert!(wait(first).is_ok());
        assert!(matches!(wait(second), Err(Error::Internal(_))));
        assert!(wait(third).is_ok());
        assert!(wait(effect).is_ok());
        assert_eq!(count_users(store), 3);

        assert!(store.read_blocking(|_| -> Result<()> { panic!("on purpose") }).is_err());
        assert_eq!(count_users(store), 3);
    });
}

#[test]
fn a_statement_that_failed_inside_a_job_fails_the_job_even_if_it_is_ignored_on_postgresql() {
    on_both(|store| {
        let result = store.write_blocking(|tx| {
            insert_user(tx, 1, "@a:x")?;
            Ok(insert_user(tx, 1, "@a:x").is_err())
        });
        // SQLite undoes the statement alone, PostgreSQL the job: never is one answered without its rows.
        let count = count_users(store);
        assert!(matches!((result, count), (Ok(true), 1) | (Err(_), 0)));
    });
}

#[test]
fn a_read_sees_one_snapshot() {
    on_both(|store| {
        let writer = store.clone();
        let counts = store
            .read_blocking(move |conn| {
                let count = |conn: &mut Conn| users::table.count().get_result::<i64>(conn);
                let before = count(conn)?;
                writer.write_blocking(|tx| {
                    tx.next_position()?;
                    insert_user(tx, 1, "@a:x")
                })?;
                Ok((before, count(conn)?, current_position(conn)?, writer.position()))
            })
            .unwrap();
        assert_eq!(counts, (0, 0, Position(0), Position(1)));
        assert_eq!(count_users(store), 1);
    });
}

#[test]
fn a_reader_cannot_write() {
    on_both(|store| {
        assert!(store.read_blocking(|conn| insert_user(conn, 1, "@a:x")).is_err());
        assert_eq!(count_users(store), 0);
    });
}

#[test]
fn a_second_owner_is_refused_with_a_clear_message() {
    for database in TestDatabase::both() {
        let store = Store::open(options(&database)).unwrap();
        let Err(Error::CannotOpen(message)) = Store::open(options(&database)) else {
            panic!("opened twice");
        };
        assert!(message.contains("another"), "{message}");
        store.close_blocking();
        Store::open(options(&database)).unwrap();
    }
}

#[test]
fn a_database_ahead_of_the_binary_is_refused() {
    for database in TestDatabase::both() {
        let store = Store::open(options(&database)).unwrap();
        store
            .write_blocking(|tx| {
                diesel::sql_query("INSERT INTO schema_migrations VALUES ('9999-01-01_fly')")
                    .execute(&mut **tx)?;
                Ok(())
            })
            .unwrap();
        store.close_blocking();
        let Err(Error::CannotOpen(message)) = Store::open(options(&database)) else {
            panic!("opened");
        };
        assert!(message.contains("9999-01-01_fly"), "{message}");
    }
}

#[test]
fn migrations_go_up_and_down_and_up() {
    for database in TestDatabase::both() {
        let mut conn = Conn::open_writer(&options(&database)).unwrap();
        for _ in 0..2 {
            migrate(&mut conn, Direction::Up).unwrap();
            insert_user(&mut conn, 1, "@a:x").unwrap();
            migrate(&mut conn, Direction::Down).unwrap();
            assert!(insert_user(&mut conn, 1, "@a:x").is_err());
        }
    }
}

#[test]
fn two_that_intern_a_key_at_once_get_one_nid() {
    on_both(|store| {
        let intern = || {
            let users = store.users().clone();
            store.read_blocking(move |conn| users.find_or_reserve(conn, "@a:x")).unwrap()
        };
        let (one, other) = (intern(), intern());
        assert_eq!(one, other);
        assert!(!one.committed);
        for interned in [one.clone(), other] {
            let users = store.users().clone();
            store.write_blocking(move |tx| users.insert(tx, &interned)).unwrap();
        }
        let again = intern();
        assert_eq!((again.nid, again.committed), (one.nid, true));
        let users = store.users().clone();
        let key = store.read_blocking(move |conn| users.key(conn, one.nid)).unwrap();
        assert_eq!(key.as_deref(), Some("@a:x"));
        assert_eq!(count_users(store), 1);
    });
}

#[test]
fn keys_that_are_looked_for_together_get_the_nids_that_each_would() {
    on_both(|store| {
        store.write_blocking(|tx| insert_user(tx, 77, "@a:x")).unwrap();
        let reserve = || {
            let (users, keys) = (store.users().clone(), store.state_keys().clone());
            let read = move |conn: &mut Conn| {
                let users_of_all = (0..1_200).map(|number| Arc::from(format!("@{number}:x")));
                users.reserve_all(conn, users_of_all.chain([Arc::from("@a:x")]))?;
                let key = |event_type: &str, state_key: &str| StateKey {
                    event_type: Arc::from(event_type),
                    state_key: Arc::from(state_key),
                };
                keys.reserve_all(conn, [key("m.a", ""), key("m.a", "b"), key("m.b", "b")])?;
                let first = users.find_or_reserve(conn, "@0:x")?;
                let last = users.find_or_reserve(conn, "@1199:x")?;
                let there = users.find_or_reserve(conn, "@a:x")?;
                let one = keys.find_or_reserve(conn, ("m.a", "b"))?;
                Ok((first, last, there, one, keys.find_or_reserve(conn, ("m.b", "b"))?))
            };
            store.read_blocking(read).unwrap()
        };
        let (first, last, there, one, other) = reserve();
        assert_eq!((there.nid, there.committed), (UserNid(77), true));
        assert!(!first.committed && !one.committed && first.nid != last.nid);
        assert_ne!(one.nid, other.nid);
        let (users, keys) = (store.users().clone(), store.state_keys().clone());
        let written = (last.clone(), one.clone());
        let write = store.write_blocking(move |tx| {
            users.insert(tx, &written.0)?;
            keys.insert(tx, &written.1)
        });
        write.unwrap();
        let again = reserve();
        assert_eq!((again.0, again.4), (first, other));
        assert_eq!((again.1.nid, again.1.committed), (last.nid, true));
        assert_eq!((again.3.nid, again.3.committed), (one.nid, true));
    });
}

#[test]
fn a_rolled_back_insert_is_not_interned() {
    on_both(|store| {
        let keys = store.state_keys().clone();
        let interned = store
            .read_blocking(move |conn| keys.find_or_reserve(conn, ("m.room.name", "")))
            .unwrap();
        let (keys, inserted) = (store.state_keys().clone(), interned.clone());
        let failed = store.write_blocking(move |tx| -> Result<()> {
            keys.insert(tx, &inserted)?;
            assert!(keys.find(tx, ("m.room.name", ""))?.is_some());
            Err(Error::StaleRoom)
        });
        assert!(failed.is_err());
        let keys = store.state_keys().clone();
        let again = store
            .read_blocking(move |conn| keys.find_or_reserve(conn, ("m.room.name", "")))
            .unwrap();
        assert_eq!(again, interned);
    });
}

#[test]
fn a_key_that_got_another_nid_meanwhile_is_prepared_again() {
    on_both(|store| {
        let users = store.users().clone();
        let reserved =
            store.read_blocking(move |conn| users.find_or_reserve(conn, "@a:x")).unwrap();
        store.write_blocking(|tx| insert_user(tx, 77, "@a:x")).unwrap();
        let users = store.users().clone();
        let stale = store.write_blocking(move |tx| users.insert(tx, &reserved));
        assert!(matches!(stale, Err(Error::StaleRoom)));
        let users = store.users().clone();
        let found = store.read_blocking(move |conn| users.find_or_reserve(conn, "@a:x")).unwrap();
        assert_eq!((found.nid, found.committed), (UserNid(77), true));
    });
}
