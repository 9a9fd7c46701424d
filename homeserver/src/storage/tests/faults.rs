//! Groups that fail as a whole, and what their jobs are answered.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::atomic::AtomicBool,
    thread,
};

use diesel::connection::SimpleConnection;

use super::*;

fn database_of(store: &Store) -> &'static str {
    store
        .read_blocking(|conn| {
            Ok(match conn {
                Conn::Sqlite(_) => "sqlite",
                Conn::Postgres(_) => "postgres",
            })
        })
        .unwrap()
}

#[test]
fn a_failed_commit_fails_the_job_it_is_due_to_and_the_others_are_run_again() {
    on_both(|store| {
        store
            .write_blocking(|tx| {
                Ok(tx.batch_execute(
                    "CREATE TABLE deferred (user_nid BIGINT REFERENCES users (user_nid) \
                     DEFERRABLE INITIALLY DEFERRED)",
                )?)
            })
            .unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let held = hold_writer(store);
        let good: Vec<_> = (1..=5)
            .map(|nid| {
                let runs = Arc::clone(&runs);
                store.write(move |tx| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    insert_user(tx, nid, &format!("@{nid}:x"))?;
                    tx.next_position()
                })
            })
            .collect();
        let bad = store.write(|tx| Ok(tx.batch_execute("INSERT INTO deferred VALUES (1000000)")?));
        drop(held);
        let positions: Vec<_> = good.into_iter().map(|answer| wait(answer).unwrap().0).collect();
        assert_eq!(positions, [1, 2, 3, 4, 5]);
        assert!(matches!(wait(bad), Err(Error::Database(_))));
        assert_eq!(runs.load(Ordering::Relaxed), 10);
        assert_eq!(count_users(store), 5);
        assert_eq!(store.position(), Position(5));
    });
}

#[test]
fn a_full_disk_is_told_to_whom_it_hits_and_reads_go_on() {
    let database = TestDatabase::sqlite();
    let store = Store::open(options(&database)).unwrap();
    let limit = |pages: i64| {
        store
            .write_blocking(move |tx| {
                Ok(tx.batch_execute(&format!("PRAGMA max_page_count = {pages}"))?)
            })
            .unwrap();
    };
    // Less than it has is taken for what it has.
    limit(1);
    let held = hold_writer(&store);
    let large = store.write(|tx| insert_user(tx, 1, &"x".repeat(100_000)));
    let small = store.write(|tx| insert_user(tx, 2, "@small:x"));
    drop(held);
    assert!(matches!(wait(large), Err(Error::DiskFull)));
    assert!(wait(small).is_ok());
    assert_eq!(count_users(&store), 1);

    limit(1_000_000);
    store.write_blocking(|tx| insert_user(tx, 1, &"x".repeat(100_000))).unwrap();
    assert_eq!(count_users(&store), 2);
}

#[test]
fn postgresql_s_full_disk_is_told_as_one_and_fails_nobody_else() {
    let Some(database) = TestDatabase::postgres() else { return };
    let store = Store::open(options(&database)).unwrap();
    let held = hold_writer(&store);
    let full = store.write(|tx| {
        // As `mdextend` says it.
        Ok(tx.batch_execute(
            "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = \
             'could not extend file \"base/1/2\": No space left on device'; END $$",
        )?)
    });
    let small = store.write(|tx| insert_user(tx, 1, "@small:x"));
    drop(held);
    assert!(matches!(wait(full), Err(Error::DiskFull)));
    assert!(wait(small).is_ok());
    assert_eq!(count_users(&store), 1);
}

#[test]
fn a_broken_connection_is_reopened_and_the_group_run_again() {
    on_both(|store| {
        if database_of(store) != "postgres" {
            return;
        }
        let broken = Arc::new(AtomicBool::new(false));
        let held = hold_writer(store);
        let answers: Vec<_> = (1..=5)
            .map(|nid| {
                let broken = Arc::clone(&broken);
                store.write(move |tx| {
                    insert_user(tx, nid, &format!("@{nid}:x"))?;
                    if nid == 3 && !broken.swap(true, Ordering::Relaxed) {
                        tx.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?;
                    }
                    tx.next_position()
                })
            })
            .collect();
        drop(held);
        for answer in answers {
            wait(answer).unwrap();
        }
        assert_eq!(count_users(store), 5);
        assert_eq!(store.position(), Position(5));

        let reading = store.read_blocking(|conn| {
            Ok(conn.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?)
        });
        assert!(reading.is_err());
        for _ in 0..10 {
            assert_eq!(count_users(store), 5);
        }
    });
}

#[test]
fn a_commit_that_was_done_but_not_answered_is_not_done_again() {
    let Some(database) = TestDatabase::postgres() else { return };
    let proxy = Proxy::start(&database.url);
    let store = Store::open(StoreOptions::new(DatabaseUrl::Postgres(proxy.url.clone()))).unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let write = |nid: i64| {
        let runs = Arc::clone(&runs);
        store.write_blocking(move |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            insert_user(tx, nid, &format!("@{nid}:x"))?;
            tx.next_position()
        })
    };
    write(1).unwrap();
    proxy.swallow_the_next_commit.store(true, Ordering::Relaxed);
    assert_eq!(write(2).unwrap(), Position(2));
    assert!(!proxy.swallow_the_next_commit.load(Ordering::Relaxed));
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(write(3).unwrap(), Position(3));
    assert_eq!(count_users(&store), 3);
}

#[test]
fn a_database_that_another_process_used_meanwhile_stops_the_writer() {
    let Some(database) = TestDatabase::postgres() else { return };
    let store = Store::open(options(&database)).unwrap();
    let mut other = Conn::open_reader(&options(&database).database).unwrap();
    position::begin_incarnation(&mut other).unwrap();
    let failed = store.failed();
    let answer = store.write_blocking(|tx| {
        Ok(tx.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?)
    });
    assert!(matches!(answer, Err(Error::Stopping)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(failed).contains("another process"));
    assert!(matches!(store.write_blocking(|_| Ok(())), Err(Error::Stopping)));
    assert_eq!(count_users(&store), 0);
}

/// Stands between the store and PostgreSQL and can lose the answer to a COMMIT.
struct Proxy {
    url: String,
    swallow_the_next_commit: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

impl Proxy {
    fn start(url: &str) -> Self {
        let (place, query) = url.split_once('?').unwrap();
        let host = query.split('&').find_map(|word| word.strip_prefix("host=")).unwrap();
        let server = format!("{host}/.s.PGSQL.5432");
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let swallow = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&swallow);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = UnixStream::connect(&server).unwrap();
                let (from_client, to_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || copy(from_client, to_server, |_| false));
                let told = Arc::clone(&told);
                thread::spawn(move || {
                    copy(server, client, |bytes| {
                        bytes.windows(7).any(|window| window == b"COMMIT\0")
                            && told.swap(false, Ordering::Relaxed)
                    })
                });
            }
        });
        let url = format!("{place}?host={}&user=postgres", folder.path().display());
        Self { url, swallow_the_next_commit: swallow, _folder: folder }
    }
}

fn copy(mut from: UnixStream, mut to: UnixStream, swallow: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if swallow(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}
