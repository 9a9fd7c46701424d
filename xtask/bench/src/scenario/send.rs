//! Messages: one client alone, eight clients in one room, eight clients in a room each.

use std::time::{Duration, Instant};

use super::{Bench, room_of};
use crate::Result;
use crate::client::User;
use crate::measure::all;

const MESSAGES: usize = 2_000;
const CLIENTS: usize = 8;
const BODY: &str = "the quick brown fox jumps over the lazy dog, again and again and again";

pub async fn run(bench: &Bench) -> Result<()> {
    let mut users = bench.users("send", CLIENTS).await?;
    let room = room_of(&mut users).await?;

    let alone = vec![(users.remove(0), room.clone())];
    let mut alone = measure(bench, "send, one client", alone, bench.scaled(MESSAGES)).await?;
    users.append(&mut alone);

    let share = bench.scaled(MESSAGES) / CLIENTS;
    let together = users.into_iter().map(|user| (user, room.clone())).collect();
    let users = measure(bench, "send, 8 clients in one room", together, share).await?;

    let mut apart = Vec::new();
    for mut user in users {
        let own = user.create_room().await?;
        apart.push((user, own));
    }
    measure(bench, "send, 8 clients in 8 rooms", apart, share).await.map(drop)
}

async fn measure(
    bench: &Bench,
    scenario: &'static str,
    senders: Vec<(User, String)>,
    messages: usize,
) -> Result<Vec<User>> {
    let stopwatch = bench.stopwatch();
    let tasks = senders
        .into_iter()
        .map(|(user, room)| tokio::spawn(send(user, room, scenario, messages)))
        .collect();
    let mut latencies = Vec::new();
    let mut users = Vec::new();
    for (user, mut taken) in all(tasks).await? {
        latencies.append(&mut taken);
        users.push(user);
    }
    stopwatch.finish(scenario, latencies.len(), latencies).print();
    Ok(users)
}

async fn send(
    mut user: User,
    room: String,
    scenario: &'static str,
    messages: usize,
) -> Result<(User, Vec<Duration>)> {
    let mut latencies = Vec::with_capacity(messages);
    for number in 0..messages {
        let start = Instant::now();
        user.send(&room, &format!("{scenario}{number}"), BODY).await?;
        latencies.push(start.elapsed());
    }
    Ok((user, latencies))
}
