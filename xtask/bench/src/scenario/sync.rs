//! A user in fifty rooms: initial syncs from new devices, whole, lazy and sliding, then incremental ones that
//! bring nothing.

use std::time::Instant;

use serde_json::json;

use super::Bench;
use crate::Result;
use crate::client::{User, encode, text};

const ROOMS: usize = 50;
const MEMBERS: usize = 10;
const MESSAGES: usize = 20;
const REPEATS: usize = 10;
const POLLS: usize = 4_000;
/// Of a client that wants members only as it meets them.
const LAZY: &str = r#"{"room":{"state":{"lazy_load_members":true}}}"#;
const SLIDING: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0";

pub async fn run(bench: &Bench) -> Result<()> {
    let mut users = bench.users("sync", MEMBERS).await?;
    for room in 0..bench.scaled(ROOMS) {
        let id = super::room_of(&mut users).await?;
        for message in 0..MESSAGES {
            let at = message % users.len();
            if let Some(user) = users.get_mut(at) {
                user.send(&id, &format!("sync{room}-{message}"), "hello, room").await?;
            }
        }
    }
    let user = users.remove(0);

    let mut devices = devices(&user).await?;
    let mut latencies = Vec::new();
    let mut since = String::new();
    let stopwatch = bench.stopwatch();
    for device in &mut devices {
        let start = Instant::now();
        let answer = device.sync("timeout=0").await?;
        latencies.push(start.elapsed());
        since = text(&answer, "next_batch")?;
    }
    stopwatch.finish("initial sync of 50 rooms", latencies.len(), latencies).print();

    measure_lazy(bench, &user).await?;
    measure_sliding(bench, &user).await?;

    let Some(mut device) = devices.pop() else { return Ok(()) };
    let polls = bench.scaled(POLLS);
    let mut latencies = Vec::with_capacity(polls);
    let stopwatch = bench.stopwatch();
    for _ in 0..polls {
        let start = Instant::now();
        let answer = device.sync(&format!("timeout=0&since={}", encode(&since))).await?;
        latencies.push(start.elapsed());
        since = text(&answer, "next_batch")?;
    }
    stopwatch.finish("empty incremental sync", polls, latencies).print();
    Ok(())
}

async fn measure_lazy(bench: &Bench, user: &User) -> Result<()> {
    let query = format!("timeout=0&filter={}", encode(LAZY));
    let mut devices = devices(user).await?;
    let mut latencies = Vec::new();
    let stopwatch = bench.stopwatch();
    for device in &mut devices {
        let start = Instant::now();
        device.sync(&query).await?;
        latencies.push(start.elapsed());
    }
    stopwatch.finish("lazy initial sync", latencies.len(), latencies).print();
    Ok(())
}

/// As a client begins: all rooms in one list, a little of each.
async fn measure_sliding(bench: &Bench, user: &User) -> Result<()> {
    let body = json!({
        "conn_id": "bench",
        "lists": { "all": {
            "ranges": [[0, ROOMS - 1]],
            "timeline_limit": 20,
            "required_state": [
                ["m.room.create", ""], ["m.room.name", ""], ["m.room.encryption", ""],
                ["m.room.member", "$LAZY"], ["m.room.member", "$ME"],
            ],
        } },
        "extensions": {
            "account_data": { "enabled": true }, "receipts": { "enabled": true },
            "typing": { "enabled": true }, "to_device": { "enabled": true },
            "e2ee": { "enabled": true },
        },
    });
    let mut devices = devices(user).await?;
    let mut latencies = Vec::new();
    let stopwatch = bench.stopwatch();
    for device in &mut devices {
        let start = Instant::now();
        device.post(SLIDING, &body).await?;
        latencies.push(start.elapsed());
    }
    stopwatch.finish("sliding sync of 50 rooms", latencies.len(), latencies).print();
    Ok(())
}

async fn devices(user: &User) -> Result<Vec<User>> {
    let mut devices = Vec::new();
    for _ in 0..REPEATS {
        devices.push(user.another_device().await?);
    }
    Ok(devices)
}
