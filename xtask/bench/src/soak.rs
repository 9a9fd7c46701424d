//! Sixteen clients in one room, then in a hundred rooms, without a pause; then everything that they were
//! told is checked.
//!
//! Each client sends, renames, reads back and syncs, chosen by a fixed sequence of numbers. A request that
//! is not answered within a minute is a deadlock. In the end every room is read from its beginning: each
//! acknowledged message is there once, those of one sender in the order in which they were acknowledged.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::Result;
use crate::client::{User, encode, text};
use crate::measure::all;

const CLIENTS: usize = 16;
const ROOMS: usize = 100;

/// What one client was told: event ids by room, in order.
type Acknowledged = HashMap<String, Vec<String>>;

/// Half of the time in one room, half in a hundred.
pub async fn run(address: &str, seconds: f64) -> Result<()> {
    let mut users = Vec::new();
    for number in 0..CLIENTS {
        users.push(User::register(address, &format!("soak-{number}")).await?);
    }
    for amount in [1, ROOMS] {
        let mut rooms = Vec::with_capacity(amount);
        for number in 0..amount {
            rooms.push(shared_room(&mut users, number).await?);
        }
        users = phase(users, &rooms, Duration::from_secs_f64(seconds / 2.0)).await?;
    }
    Ok(())
}

/// A room that one of the users made and the others joined.
async fn shared_room(users: &mut [User], number: usize) -> Result<String> {
    let maker = number % users.len();
    let room = match users.get_mut(maker) {
        Some(user) => user.create_room().await?,
        None => return Err("nobody to make a room".to_owned()),
    };
    for user in users.iter_mut() {
        user.join(&room).await?;
    }
    Ok(room)
}

async fn phase(users: Vec<User>, rooms: &[String], length: Duration) -> Result<Vec<User>> {
    let end = Instant::now() + length;
    let tasks = users
        .into_iter()
        .enumerate()
        .map(|(number, user)| tokio::spawn(keep_busy(user, rooms.to_vec(), number as u64, end)))
        .collect();
    let mut requests = 0;
    let mut told = Vec::new();
    let mut users = Vec::new();
    for (user, acknowledged, count) in all(tasks).await? {
        requests += count;
        told.push((user.id.clone(), acknowledged));
        users.push(user);
    }
    if requests == 0 {
        return Err("the time was too short for a single request".to_owned());
    }
    let reader = users.first_mut().ok_or("nobody to read back")?;
    let mut messages = 0;
    for room in rooms {
        let found = read_from_the_beginning(reader, room).await?;
        for (sender, acknowledged) in &told {
            let expected = acknowledged.get(room).map_or(&[][..], Vec::as_slice);
            let seen = found.get(sender).map_or(&[][..], Vec::as_slice);
            messages += expected.len();
            if seen != expected {
                return Err(format!(
                    "{room}: {sender} was told of {} messages and {} are there, or in another order",
                    expected.len(),
                    seen.len()
                ));
            }
        }
    }
    println!(
        "{CLIENTS} clients, {} rooms: {requests} requests answered, {messages} messages there once and in order",
        rooms.len()
    );
    Ok(users)
}

async fn keep_busy(
    mut user: User,
    rooms: Vec<String>,
    seed: u64,
    end: Instant,
) -> Result<(User, Acknowledged, usize)> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut acknowledged = Acknowledged::new();
    let mut since = text(&user.sync("timeout=0").await?, "next_batch")?;
    let mut requests = 0;
    while Instant::now() < end {
        let Some(room) = rooms.get(dice.below(rooms.len())) else { break };
        match dice.below(10) {
            0 => {
                let page = user.messages(room, "dir=b&limit=10").await?;
                page["chunk"].as_array().ok_or("a page without a chunk")?;
            }
            1 => {
                let path = format!("/_matrix/client/v3/rooms/{}/state/m.room.topic/", encode(room));
                let refused = user
                    .request(Method::PUT, &path, Some(&json!({ "topic": requests.to_string() })))
                    .await;
                // Only who made the room may rename it; the others must be told so.
                if let Err(error) = refused
                    && !error.contains("M_FORBIDDEN")
                {
                    return Err(error);
                }
            }
            2 | 3 => {
                let query = format!("timeout=0&since={}", encode(&since));
                since = text(&user.sync(&query).await?, "next_batch")?;
            }
            _ => {
                let id = user.send(room, &format!("{room}{requests}"), "soak").await?;
                acknowledged.entry(room.clone()).or_default().push(id);
            }
        }
        requests += 1;
    }
    Ok((user, acknowledged, requests))
}

/// Ids of all messages by sender, oldest first.
async fn read_from_the_beginning(reader: &mut User, room: &str) -> Result<Acknowledged> {
    let mut found = Acknowledged::new();
    let mut pages: Vec<Vec<Value>> = Vec::new();
    let mut from = String::new();
    loop {
        let mut page = reader.messages(room, &format!("dir=b&limit=500{from}")).await?;
        let events = page["chunk"].take();
        let events = events.as_array().cloned().unwrap_or_default();
        let end = page["end"].as_str().map(|end| format!("&from={}", encode(end)));
        let is_last = events.is_empty();
        pages.push(events);
        match end {
            Some(next) if !is_last => from = next,
            _ => break,
        }
    }
    for event in pages.into_iter().flatten() {
        if event["type"] == "m.room.message" {
            found.entry(text(&event, "sender")?).or_default().push(text(&event, "event_id")?);
        }
    }
    found.values_mut().for_each(|ids| ids.reverse());
    Ok(found)
}

/// Xorshift: the same choices in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit.max(1)
    }
}
