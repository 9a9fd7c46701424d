//! A public room that grows to a thousand members, eight joins at a time; then who is in it.

use std::time::Instant;

use hyper::Method;

use super::Bench;
use crate::Result;
use crate::client::encode;
use crate::measure::all;

const MEMBERS: usize = 1_000;
const TOGETHER: usize = 8;
const LOOKS: usize = 50;

pub async fn run(bench: &Bench) -> Result<()> {
    let mut users = bench.users("join", bench.scaled(MEMBERS)).await?;
    let mut creator = users.remove(0);
    let room = creator.create_room().await?;
    let members = users.len() + 1;
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

    let path = format!("/_matrix/client/v3/rooms/{}/members", encode(&room));
    let mut latencies = Vec::with_capacity(LOOKS);
    let stopwatch = bench.stopwatch();
    for _ in 0..LOOKS {
        let start = Instant::now();
        let answer = creator.request(Method::GET, &path, None).await?;
        latencies.push(start.elapsed());
        let shown = String::from_utf8_lossy(&answer).matches("\"m.room.member\"").count();
        if shown < members {
            return Err(format!("only {shown} of {members} members were shown"));
        }
    }
    stopwatch.finish("members of a room of 1,000", LOOKS, latencies).print();
    Ok(())
}
