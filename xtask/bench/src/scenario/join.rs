//! A public room that grows to a thousand members, eight joins at a time.

use std::time::Instant;

use super::Bench;
use crate::Result;
use crate::measure::all;

const MEMBERS: usize = 1_000;
const TOGETHER: usize = 8;

pub async fn run(bench: &Bench) -> Result<()> {
    let mut users = bench.users("join", bench.scaled(MEMBERS)).await?;
    let room = users.remove(0).create_room().await?;
    let mut lanes: Vec<Vec<_>> = (0..TOGETHER).map(|_| Vec::new()).collect();
    for (number, user) in users.into_iter().enumerate() {
        if let Some(lane) = lanes.get_mut(number % TOGETHER) {
            lane.push(user);
        }
    }
    let stopwatch = bench.stopwatch();
    let tasks = lanes
        .into_iter()
        .map(|lane| {
            let room = room.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(lane.len());
                for mut user in lane {
                    let start = Instant::now();
                    user.join(&room).await?;
                    latencies.push(start.elapsed());
                }
                Ok(latencies)
            })
        })
        .collect();
    let latencies: Vec<_> = all(tasks).await?.into_iter().flatten().collect();
    stopwatch.finish("join, room growing to 1,000", latencies.len(), latencies).print();
    Ok(())
}
