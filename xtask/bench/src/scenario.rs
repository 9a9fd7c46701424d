//! The scenarios, in the order of the table. Each makes what it needs, then measures a fixed amount of work.
//!
//! A new one is a file below and a line in [`run`].

mod fan_out;
mod history;
mod join;
mod keys;
mod media;
mod send;
mod sync;

use crate::Result;
use crate::client::User;
use crate::measure::{Stopwatch, all};

/// What is measured, and how much of it.
pub struct Bench {
    /// Host and port.
    pub address: String,
    /// The server's process.
    pub process: u32,
    /// Multiplies the amount of work; 1 is what the table is about.
    pub scale: f64,
}

impl Bench {
    fn scaled(&self, amount: usize) -> usize {
        ((amount as f64 * self.scale) as usize).max(2)
    }

    fn stopwatch(&self) -> Stopwatch {
        Stopwatch::start(self.process)
    }

    /// New accounts, some at a time.
    async fn users(&self, stem: &str, amount: usize) -> Result<Vec<User>> {
        let mut users = Vec::with_capacity(amount);
        for first in (0..amount).step_by(8) {
            let batch = (first..amount.min(first + 8))
                .map(|number| {
                    let (address, name) = (self.address.clone(), format!("bench-{stem}-{number}"));
                    tokio::spawn(async move { User::register(&address, &name).await })
                })
                .collect();
            users.extend(all(batch).await?);
        }
        Ok(users)
    }
}

/// A public room of the first user that the others have joined.
async fn room_of(users: &mut [User]) -> Result<String> {
    let [first, others @ ..] = users else { return Err("a room wants a user".to_owned()) };
    let room = first.create_room().await?;
    for user in others {
        user.join(&room).await?;
    }
    Ok(room)
}

/// Runs all scenarios, or those named in a comma list, and prints a line for each measurement.
pub async fn run(bench: &Bench, only: Option<&str>) -> Result<()> {
    let wanted = |name: &str| only.is_none_or(|list| list.split(',').any(|one| one == name));
    bench.stopwatch().finish("idle", 1, Vec::new()).print();
    if wanted("send") {
        send::run(bench).await?;
    }
    if wanted("fan_out") {
        fan_out::run(bench).await?;
    }
    if wanted("sync") {
        sync::run(bench).await?;
    }
    if wanted("history") {
        history::run(bench).await?;
    }
    if wanted("join") {
        join::run(bench).await?;
    }
    if wanted("keys") {
        keys::run(bench).await?;
    }
    if wanted("media") {
        media::run(bench).await?;
    }
    bench.stopwatch().finish("after", 1, Vec::new()).print();
    Ok(())
}
