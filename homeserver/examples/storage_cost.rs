//! What a trivial write and a trivial read cost:
//! `cargo run --release --example storage_cost [DATABASE_URL]`.

use std::{path::Path, time::Instant};

use diesel::prelude::*;
use sealpost_homeserver::storage::{
    DatabaseUrl, Store, StoreOptions,
    schema::{state_keys, users},
};

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
        let (start, commits) = (Instant::now(), store.commits());
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
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "writes, {clients:>3} at once: {:>7.0}/s, {:.1} a commit",
            count as f64 / seconds,
            count as f64 / (store.commits() - commits) as f64,
        );
    }

    let start = Instant::now();
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
    println!("rows in one closure: {:.1} µs each", start.elapsed().as_secs_f64() * 1e6 / 40_000.0);

    let start = Instant::now();
    for _ in 0..READS {
        store.read(|_| Ok(())).await.unwrap();
    }
    println!(
        "empty reads, one by one: {:.1} µs",
        start.elapsed().as_secs_f64() * 1e6 / READS as f64
    );
    for queries in [1, 11] {
        let start = Instant::now();
        for number in 0..READS as i64 / 4 {
            store
                .read(move |conn| {
                    for query in 0..queries {
                        let _: String = users::table
                            .find((number * 7 + query) % nid)
                            .select(users::user_id)
                            .first(conn)?;
                    }
                    Ok(())
                })
                .await
                .unwrap();
        }
        println!(
            "reads of {queries} queries, one by one: {:.1} µs",
            start.elapsed().as_secs_f64() * 1e6 / (READS as f64 / 4.0)
        );
    }
    let start = Instant::now();
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
    println!(
        "empty reads, 64 at once: {:.1} µs",
        start.elapsed().as_secs_f64() * 1e6 / READS as f64
    );
    store.close().await;
}
