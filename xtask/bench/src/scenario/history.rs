//! Back through a long room, a hundred events a page. An operation is an event; a latency is a page's.

use std::time::Instant;

use super::{Bench, room_of};
use crate::Result;
use crate::client::encode;
use crate::measure::all;

const EVENTS: usize = 5_000;
const WRITERS: usize = 8;
const PASSES: usize = 4;

pub async fn run(bench: &Bench) -> Result<()> {
    let mut users = bench.users("history", WRITERS).await?;
    let room = room_of(&mut users).await?;
    let share = bench.scaled(EVENTS) / WRITERS;
    let tasks = users
        .into_iter()
        .map(|mut user| {
            let room = room.clone();
            tokio::spawn(async move {
                for number in 0..share {
                    user.send(&room, &format!("history{number}"), "a line of a long room").await?;
                }
                Ok(user)
            })
        })
        .collect();
    let mut users = all(tasks).await?;

    let mut events = 0;
    let mut latencies = Vec::new();
    let stopwatch = bench.stopwatch();
    for reader in users.iter_mut().take(PASSES) {
        let mut from = String::new();
        loop {
            let start = Instant::now();
            let page = reader.messages(&room, &format!("dir=b&limit=100{from}")).await?;
            latencies.push(start.elapsed());
            let got = page["chunk"].as_array().map_or(0, Vec::len);
            events += got;
            match page["end"].as_str() {
                Some(end) if got > 0 => from = format!("&from={}", encode(end)),
                _ => break,
            }
        }
    }
    if events < share * WRITERS {
        return Err(format!("only {events} events came back"));
    }
    stopwatch.finish("back-pagination, per event", events, latencies).print();
    Ok(())
}
