//! What a whole operation costs, with reading and writing its rows: what a person waits for.

use std::time::{Duration, Instant};

use sealpost_e2e::{
    changes::Changes,
    machine::{Machine, Now, Outcome, Step},
    store::{MemoryStore, Store as _},
};
use serde_json::json;

use super::{
    print,
    world::{DIRECT, Device, GROUP, ROOM, World},
};

const ROUNDS: usize = 90;

/// A send and its reading in a direct chat, a group of three and one of sixty.
pub fn run() {
    for (name, count, algorithm) in
        [("direct", 2, DIRECT), ("group of 3", 3, GROUP), ("group of 60", 60, GROUP)]
    {
        let mut world = World::new();
        let users: Vec<String> = (0..count).map(|at| format!("@user{at}:a.test")).collect();
        let mut people: Vec<Device> = users.iter().map(|user| world.person(user)).collect();
        let members: Vec<(&str, &str)> = users.iter().map(|user| (user.as_str(), "join")).collect();
        world.room(algorithm, &members, &mut people.iter_mut().collect::<Vec<_>>());
        let (writer, others) = people.split_at_mut(1);
        let (Some(writer), Some(reader)) = (writer.first_mut(), others.first_mut()) else { return };
        for round in 0..2 {
            let events = world.send(writer, "hello");
            world.settle(&mut [&mut *writer, &mut *reader]);
            world.text(reader, &events);
            if round == 0 {
                world.send(reader, "hello");
                world.settle(&mut [&mut *reader, &mut *writer]);
            }
        }
        let content = json!({ "msgtype": "m.text", "body": "x".repeat(1_000) });
        let (mut sends, mut reads) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let seal = |machine: &mut Machine<MemoryStore>, now: Now<'_>| {
                machine.encrypt(ROOM, "m.room.message", &content, None, now)
            };
            let Some((sealed, took)) = timed(writer, world.now, seal) else { return };
            sends.push(took);
            let Some(event) = sealed.events.last() else { return };
            let event = world.server.send(&writer.user, &event.content, world.now);
            let open = |machine: &mut Machine<MemoryStore>, now: Now<'_>| {
                machine.decrypt(ROOM, &event, now)
            };
            let Some((outcome, took)) = timed(reader, world.now, open) else { return };
            debug_assert!(matches!(outcome, Outcome::Read(_)));
            reads.push(took);
        }
        print(&format!("machine, {name}: send"), sends);
        print(&format!("machine, {name}: read"), reads);
    }
}

fn timed<T>(
    device: &mut Device,
    time: i64,
    operation: impl FnOnce(&mut Machine<MemoryStore>, Now<'_>) -> Step<T>,
) -> Option<(T, Duration)> {
    let now = Now { time, rng: &mut device.rng };
    let begun = Instant::now();
    let (result, changes): (T, Changes) = operation(&mut device.machine, now).ok()?;
    let took = begun.elapsed();
    device.written.apply(&changes);
    Some((result, took))
}
