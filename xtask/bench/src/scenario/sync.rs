//! A user in fifty rooms: initial syncs from new devices, then incremental ones that bring nothing.

use std::time::Instant;

use super::Bench;
use crate::Result;
use crate::client::{encode, text};

const ROOMS: usize = 50;
const MEMBERS: usize = 10;
const MESSAGES: usize = 20;
const REPEATS: usize = 10;
const POLLS: usize = 4_000;

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

    let mut devices = Vec::new();
    for _ in 0..REPEATS {
        devices.push(user.another_device().await?);
    }
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
