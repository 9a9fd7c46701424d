//! What a trivial write and a trivial read cost:
//! `cargo run --release --example storage_cost [DATABASE_URL]`.

use std::{path::Path, time::Instant};

use diesel::prelude::*;
use sealpost_homeserver::storage::{
    DatabaseUrl, Store, StoreOptions,
    schema::{state_keys, users},
};

/// Of this process so far, in seconds; it moves less with a busy machine than the time on the wall does.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

struct Timer(Instant, f64);

impl Timer {
    fn start() -> Self {
        Self(Instant::now(), cpu())
    }

    fn print(&self, what: &str, count: usize) {
        let wall = self.0.elapsed().as_secs_f64();
        println!(
            "{what:<32} {:>7.0}/s {:>7.1} µs, of CPU {:>6.1} µs",
            count as f64 / wall,
            wall * 1e6 / count as f64,
            (cpu() - self.1) * 1e6 / count as f64,
        );
    }
}

const WRITES: i64 = 40_000;
const READS: usize = 100_000;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| format!("sqlite://{}", folder.path().join("cost.db").display()));
    let url = DatabaseUrl::parse(&url, Path::new("/")).unwrap();
    let store = Store::open(StoreOptions::new(url)).unwrap();

    let mut nid = 0;
    for clients in [1, 8, 64, 512] {
        let count = WRITES.min(clients * 4_000);
        let (timer, commits) = (Timer::start(), store.commits());
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let store = store.clone();
                let first = nid + client * (count / clients);
                tokio::spawn(async move {
                    for nid in first..first + count / clients {
                        store
                            .write(move |tx| {
                                tx.next_position()?;
                                diesel::insert_into(users::table)
                                    .values((
                                        users::user_nid.eq(nid),
                                        users::user_id.eq(format!("@user{nid}:example.org")),
                                    ))
                                    .execute(&mut **tx)?;
                                Ok(())
                            })
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        nid += count;
        timer.print(&format!("writes, {clients} at once"), count as usize);
        let commits = store.commits() - commits;
        println!("{:>33.1} to a commit", count as f64 / commits as f64);
    }

    let timer = Timer::start();
    store
        .write(|tx| {
            for nid in 1..=40_000_i64 {
                diesel::insert_into(state_keys::table)
                    .values((
                        state_keys::state_key_nid.eq(nid),
                        state_keys::event_type.eq("m.room.member"),
                        state_keys::state_key.eq(format!("@user{nid}:example.org")),
                    ))
                    .execute(&mut **tx)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    timer.print("rows in one closure", 40_000);

    let timer = Timer::start();
    for _ in 0..READS {
        store.read(|_| Ok(())).await.unwrap();
    }
    timer.print("empty reads, one by one", READS);
    for queries in [1, 11, 1] {
        let timer = Timer::start();
        for number in 0..READS as i64 / 4 {
            store
                .read(move |conn| {
                    for query in 0..queries {
                        let _: String = users::table
                            .find((number * 7 + query) % 4_000)
                            .select(users::user_id)
                            .first(conn)?;
                    }
                    Ok(())
                })
                .await
                .unwrap();
        }
        timer.print(&format!("reads of {queries} queries, one by one"), READS / 4);
    }
    let timer = Timer::start();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..READS / 64 {
                    store.read(|_| Ok(())).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    timer.print("empty reads, 64 at once", READS);
    store.close().await;
}
