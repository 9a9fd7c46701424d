//! Power loss and failing disks, on SQLite: whatever part of the writes since the last sync is lost, all
//! that was acknowledged is there. The same test finds losses where syncing is weaker.

#[path = "support/ledger.rs"]
mod ledger;
#[path = "powerloss/vfs.rs"]
mod vfs;

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sealpost_homeserver::{
    error::Error,
    storage::{DatabaseUrl, Store, StoreOptions},
};
use vfs::{Random, World};

fn options(folder: &Path) -> StoreOptions {
    let mut options = StoreOptions::new(DatabaseUrl::Sqlite(folder.join("sealpost.db")));
    options.readers = 1;
    options.checkpoint_after_jobs = 40;
    options.log_pages = 300;
    options
}

/// Holds the writer until the returned sender is dropped, so that what is queued meanwhile is one group.
fn hold_writer(store: &Store) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (started, running) = mpsc::channel();
    drop(store.write(move |_| {
        let _ = started.send(());
        let _ = held.lock().unwrap().recv();
        Ok(())
    }));
    running.recv().unwrap();
    release
}

fn log_length(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("sealpost.db-wal")).map_or(0, |file| file.len())
}

/// How many of `images` power losses lost something that was acknowledged, or damaged the database.
fn losses(synchronous: &'static str, images: u64) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path());
    let mut options_here = options(folder.path());
    options_here.danger_synchronous = synchronous;
    let store = Store::open(options_here).unwrap();

    let acknowledged = Arc::new(Mutex::new(HashMap::new()));
    let (next, stop) = (Arc::new(AtomicI64::new(1)), Arc::new(AtomicBool::new(false)));
    // Grows with the images: the database must stay small enough to be looked through each time.
    let limit = Arc::new(AtomicI64::new(0));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
            let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
            let limit = Arc::clone(&limit);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if next.load(Ordering::Relaxed) > limit.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_micros(50));
                        continue;
                    }
                    let nid = next.fetch_add(1, Ordering::Relaxed);
                    let answer = ledger::write(&store, nid).blocking().unwrap();
                    acknowledged.lock().unwrap().insert(nid, answer.0);
                }
            })
        })
        .collect();

    let mut found = Vec::new();
    for seed in 1..=images {
        let mut random = Random(seed);
        limit.fetch_add(30, Ordering::Relaxed);
        thread::sleep(Duration::from_micros(random.below(8_000)));
        let image = tempfile::tempdir().unwrap();
        // First what is promised, then what is left: the promise may only grow meanwhile.
        let promised = acknowledged.lock().unwrap().clone();
        world.lose_power(&mut random, image.path());
        let faults = match Store::open(options(image.path())) {
            Ok(recovered) => {
                let faults = ledger::verify(&recovered, &promised);
                recovered.close_blocking();
                faults.unwrap_or_else(|error| vec![error.to_string()])
            }
            Err(error) => vec![error.to_string()],
        };
        found.extend(faults.into_iter().next().map(|fault| format!("image {seed}: {fault}")));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    store.close_blocking();
    assert!(acknowledged.lock().unwrap().len() as u64 > images * 5);
    found
}

#[test]
fn what_was_acknowledged_survives_any_power_loss() {
    assert_eq!(losses("FULL", 150), [""; 0]);
}

#[test]
fn with_synchronous_normal_the_test_finds_losses() {
    assert!(!losses("NORMAL", 30).is_empty());
}

#[test]
fn with_synchronous_off_the_test_finds_losses() {
    assert!(!losses("OFF", 30).is_empty());
}

#[test]
fn the_log_does_not_grow_while_writes_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path());
    let store = Store::open(options(folder.path())).unwrap();
    // Always some ahead, so that the writer never rests.
    let mut ahead = VecDeque::new();
    for nid in 1..=6_000 {
        ahead.push_back(ledger::write(&store, nid));
        if ahead.len() > 200 {
            ahead.pop_front().unwrap().blocking().unwrap();
        }
    }
    for answer in ahead {
        answer.blocking().unwrap();
    }
    assert!(log_length(folder.path()) < world.log_written.load(Ordering::SeqCst) / 4);
}

#[test]
fn a_failed_sync_is_never_retried_and_stops_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path());
    let store = Store::open(options(folder.path())).unwrap();
    let first = ledger::write(&store, 1).blocking().unwrap();
    let failed = store.failed();
    world.log_sync.arm(0, 1);
    assert!(matches!(ledger::write(&store, 2).blocking(), Err(Error::Stopping)));
    assert!(matches!(ledger::write(&store, 3).blocking(), Err(Error::Stopping)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(failed).contains("commit"));
    let acknowledged = HashMap::from([(1, first.0)]);
    assert_eq!(ledger::verify(&store, &acknowledged).unwrap(), [""; 0]);
    // Closing checkpoints nothing: whether the log's pages are what was written is not known.
    store.close_blocking();
    assert!(log_length(folder.path()) > 0);

    let image = tempfile::tempdir().unwrap();
    world.lose_power(&mut Random(1), image.path());
    let store = Store::open(options(image.path())).unwrap();
    assert_eq!(ledger::verify(&store, &acknowledged).unwrap(), [""; 0]);
    ledger::write(&store, 4).blocking().unwrap();
}

#[test]
fn a_failed_sync_in_a_checkpoint_stops_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path());
    let store = Store::open(options(folder.path())).unwrap();
    let failed = store.failed();
    let mut acknowledged = HashMap::new();
    world.database_sync.arm(0, 1);
    for nid in 1.. {
        match ledger::write(&store, nid).blocking() {
            Ok(position) => acknowledged.insert(nid, position.0),
            Err(Error::Stopping) => break,
            Err(error) => panic!("{error}"),
        };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(failed).contains("checkpoint"));
    store.close_blocking();
    assert!(log_length(folder.path()) > 0);
    let image = tempfile::tempdir().unwrap();
    world.lose_power(&mut Random(1), image.path());
    let recovered = Store::open(options(image.path())).unwrap();
    assert_eq!(ledger::verify(&recovered, &acknowledged).unwrap(), [""; 0]);
}

#[test]
fn a_disk_that_is_full_in_a_commit_answers_so_until_there_is_space_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path());
    let store = Store::open(options(folder.path())).unwrap();
    let first = ledger::write(&store, 1).blocking().unwrap();
    world.write.arm(0, i64::MAX);
    let answers: Vec<_> = (2..10).map(|nid| ledger::write(&store, nid)).collect();
    for answer in answers {
        assert!(matches!(answer.blocking(), Err(Error::DiskFull)));
    }
    let mut acknowledged = HashMap::from([(1, first.0)]);
    assert_eq!(ledger::verify(&store, &acknowledged).unwrap(), [""; 0]);

    world.write.disarm();
    for nid in 2..10 {
        acknowledged.insert(nid, ledger::write(&store, nid).blocking().unwrap().0);
    }
    // Full once, in the midst of a group's commit: its jobs are run again and nobody notices.
    let held = hold_writer(&store);
    let answers: Vec<_> = (10..20).map(|nid| (nid, ledger::write(&store, nid))).collect();
    world.write.arm(2, 1);
    drop(held);
    for (nid, answer) in answers {
        acknowledged.insert(nid, answer.blocking().unwrap().0);
    }
    assert_eq!(ledger::verify(&store, &acknowledged).unwrap(), [""; 0]);
}

#[test]
fn a_failed_read_fails_its_group_and_later_jobs_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path());
    let store = Store::open(options(folder.path())).unwrap();
    let mut acknowledged = HashMap::new();
    for nid in 1..200 {
        acknowledged.insert(nid, ledger::write(&store, nid).blocking().unwrap().0);
    }
    store.close_blocking();
    let store = Store::open(options(folder.path())).unwrap();
    world.read.arm(0, i64::MAX);
    let answers: Vec<_> = (200..210).map(|nid| ledger::write(&store, nid)).collect();
    for answer in answers {
        assert!(matches!(answer.blocking(), Err(Error::Database(_))));
    }
    world.read.disarm();
    for nid in 200..210 {
        acknowledged.insert(nid, ledger::write(&store, nid).blocking().unwrap().0);
    }
    assert_eq!(ledger::verify(&store, &acknowledged).unwrap(), [""; 0]);
}
