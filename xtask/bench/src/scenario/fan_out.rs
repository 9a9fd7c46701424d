//! One message to fifty long polls. An operation is a message; its latency is the last receiver's.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::{Bench, room_of};
use crate::Result;
use crate::client::{User, encode, text};

const RECEIVERS: usize = 50;
const MESSAGES: usize = 60;
/// Lets every receiver begin its next poll, as it would between real messages.
const PAUSE: Duration = Duration::from_millis(50);

pub async fn run(bench: &Bench) -> Result<()> {
    let mut users = bench.users("fan", RECEIVERS + 1).await?;
    let room = room_of(&mut users).await?;
    let mut sender = users.remove(0);
    let (tell, mut told) = unbounded_channel();
    let mut polls = Vec::new();
    for user in users {
        polls.push(tokio::spawn(receive(user, room.clone(), tell.clone())));
    }
    for _ in 0..RECEIVERS {
        told.recv().await;
    }
    sleep(PAUSE * 4).await;

    let messages = bench.scaled(MESSAGES);
    let mut latencies = Vec::with_capacity(messages);
    let stopwatch = bench.stopwatch();
    for number in 0..messages {
        let start = Instant::now();
        let body = format!("message {number}");
        sender.send(&room, &format!("fan{number}"), &body).await?;
        for _ in 0..RECEIVERS {
            let one = timeout(Duration::from_secs(10), told.recv()).await;
            one.map_err(|_| format!("{body} did not reach all"))?;
        }
        latencies.push(start.elapsed());
        sleep(PAUSE).await;
    }
    stopwatch.finish("fan-out to 50 long polls", messages, latencies).print();
    polls.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

/// Tells once when it waits for the first time, then once for each message.
async fn receive(mut user: User, room: String, tell: UnboundedSender<()>) -> Result<()> {
    let mut since = text(&user.sync("timeout=0").await?, "next_batch")?;
    let mut waiting = Some(());
    loop {
        if waiting.take().is_some() {
            let _ = tell.send(());
        }
        let answer = user.sync(&format!("timeout=30000&since={}", encode(&since))).await?;
        let events = &answer["rooms"]["join"][&room]["timeline"]["events"];
        for _ in events.as_array().into_iter().flatten() {
            let _ = tell.send(());
        }
        since = text(&answer, "next_batch")?;
    }
}
