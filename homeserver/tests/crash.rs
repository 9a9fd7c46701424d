//! Crashes, on both databases: a child process writes and is killed, at random moments and at each named
//! point; all that it reported as acknowledged is there after the next start.

#[path = "support/database.rs"]
mod database;
#[path = "support/ledger.rs"]
mod ledger;

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicI64, Ordering},
    thread,
    time::Duration,
};

use database::TestDatabase;
use sealpost_homeserver::storage::{DatabaseUrl, Store, StoreOptions, migration_versions};

const CHILD: &str = "SEALPOST_CRASH_CHILD";

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

fn open(url: &str) -> Store {
    let mut options = StoreOptions::new(DatabaseUrl::parse(url, Path::new("/")).unwrap());
    options.readers = 1;
    options.checkpoint_after_jobs = 100;
    Store::open(options).unwrap()
}

/// The process that is killed. Its standard output is the acknowledgements.
#[test]
#[ignore = "run by the tests below, to be killed"]
fn child() {
    let told = std::env::var(CHILD).unwrap();
    let (first, url) = told.split_once(' ').unwrap();
    let store = open(url);
    let next = AtomicI64::new(first.parse().unwrap());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let nid = next.fetch_add(1, Ordering::Relaxed);
                    let position = ledger::write(&store, nid).blocking().unwrap();
                    // In one write: a line is there wholly or not at all.
                    let line = format!("acknowledged {nid} {position}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

fn start_child(url: &str, first: i64, kill_at: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{first} {url}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    if let Some(point) = kill_at {
        command.env("SEALPOST_KILL_AT", point);
    }
    command.spawn().unwrap()
}

/// Reads what the child acknowledges until it is gone, and kills it after `acknowledgements`.
fn collect(
    mut child: Child,
    acknowledged: &mut HashMap<i64, i64>,
    kill_after: Option<(usize, Duration)>,
) -> ExitStatus {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while let Some(Ok(line)) = lines.next() {
        // The test harness writes lines of its own, without a line break before ours.
        let Some((_, entry)) = line.split_once("acknowledged ") else { continue };
        let (nid, position) = entry.split_once(' ').unwrap();
        acknowledged.insert(nid.parse().unwrap(), position.parse().unwrap());
        seen += 1;
        if let Some((count, moment)) = kill_after
            && seen == count
        {
            thread::sleep(moment);
            child.kill().unwrap();
        }
    }
    child.wait().unwrap()
}

fn check(url: &str, acknowledged: &HashMap<i64, i64>) {
    let store = open(url);
    assert_eq!(ledger::verify(&store, acknowledged).unwrap(), [""; 0]);
    store.close_blocking();
}

/// Numbers that no life of the child before this one has used.
fn first_of(life: i64) -> i64 {
    life * 1_000_000
}

#[test]
fn what_was_acknowledged_survives_sigkill_at_any_moment() {
    for database in TestDatabase::both() {
        let mut acknowledged = HashMap::new();
        for life in 1..=50 {
            // Spread over the microseconds of a commit and the jobs between two checkpoints.
            let count = (life as usize * 37) % 150 + 1;
            let moment = Duration::from_micros((life as u64 * 211) % 1_500);
            let child = start_child(&database.url, first_of(life), None);
            let status = collect(child, &mut acknowledged, Some((count, moment)));
            assert_eq!(status.signal(), Some(SIGKILL));
            check(&database.url, &acknowledged);
        }
        assert!(acknowledged.len() > 50 * 20);
    }
}

#[test]
fn what_was_acknowledged_survives_death_at_each_named_point() {
    for database in TestDatabase::both() {
        let mut acknowledged = HashMap::new();
        let mut points: Vec<_> = migration_versions()
            .flat_map(|version| {
                [format!("migration:{version}"), format!("after-migration:{version}")]
            })
            .collect();
        points.extend(["before-commit#40", "after-commit#40"].map(str::to_owned));
        if database.url.starts_with("sqlite") {
            points.extend(["checkpoint#1", "checkpoint#3"].map(str::to_owned));
        }
        for (life, point) in (1..).zip(&points) {
            let child = start_child(&database.url, first_of(life), Some(point));
            let status = collect(child, &mut acknowledged, None);
            assert_eq!(status.signal(), Some(SIGABRT), "{point}");
            // Opening it would run the migrations that the next lives are to die in.
            if !point.contains("migration") {
                check(&database.url, &acknowledged);
            }
        }
        assert!(acknowledged.len() > 100);
    }
}
