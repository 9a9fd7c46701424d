//! Random schedules: two and three servers act while the ways between them are cut, slowed down or lose answers,
//! so that events arrive late, twice, in another order or not at all. After healing and one new event from
//! each, all have the same current state and the same accepted events, but for those that one of them soft-failed,
//! which are listed, and those before a gap that was too large to be fetched.
//!
//! `SEALPOST_SCHEDULES` says how many are run, from the seed `SEALPOST_SEED`; a failure names its seed. Without
//! it, as in `cargo xtask test`, a few are; `cargo xtask soak federation` runs 200.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::Method;
use ruma::{OwnedEventId, OwnedRoomId};
use sealpost_homeserver::storage::{
    Position, Store,
    events::{self, Direction},
    rooms,
};
use serde_json::{Value, json};

use crate::{
    network::{Fault, Network, Server},
    user::User,
};

const SCHEDULES: u64 = 4;
const STEPS: usize = 40;
/// How long servers may take to agree.
const PATIENCE: Duration = Duration::from_secs(90);

struct Party {
    server: Server,
    /// Who stays in the rooms.
    user: User,
    /// Who comes and goes, and is thrown out.
    rover: User,
}

/// The room of a schedule.
struct Room {
    seed: u64,
    id: OwnedRoomId,
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_schedule_of_faults_all_servers_have_the_same_state() {
    let count = from_environment("SEALPOST_SCHEDULES").unwrap_or(SCHEDULES);
    let first = from_environment("SEALPOST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let network = Network::new();
    for servers in [2, 3] {
        let mut parties = Vec::new();
        for letter in ["a", "b", "c"].into_iter().take(servers as usize) {
            let server = network.start(&format!("{letter}{servers}.test")).await;
            let user = server.register(&format!("user{letter}")).await;
            let rover = server.register(&format!("rover{letter}")).await;
            parties.push(Party { server, user, rover });
        }
        let mut rooms = Vec::new();
        for seed in (first..first + count).filter(|seed| seed % 2 == servers % 2) {
            println!("schedule {seed} on {servers} servers");
            rooms.push(Room { seed, id: schedule(&network, &parties, seed).await });
        }
        let names: Vec<String> = parties.iter().map(|party| party.server.name.clone()).collect();
        for party in parties {
            party.server.stop().await;
        }
        let mut stores = Vec::new();
        for name in &names {
            stores.push((name.as_str(), network.database(name).await));
        }
        for room in &rooms {
            compare(&stores, room).await;
        }
        for (_, store) in stores {
            store.close().await;
        }
    }
}

/// What one server holds of an event that another accepted.
#[derive(Debug, PartialEq)]
enum Held {
    Accepted,
    SoftFailed,
    Rejected,
    Not,
}

/// Servers accepted the same events.
async fn compare(stores: &[(&str, Store)], room: &Room) {
    let mut accepted = BTreeMap::new();
    for (_, store) in stores {
        let id = room.id.clone();
        let read = store.read(move |conn| {
            let nid = rooms::by_id(conn, &id)?.unwrap().room_nid;
            let anywhere = (Position(i64::MIN), Position(i64::MAX));
            let rows = events::timeline(conn, nid, anywhere, Direction::Forward, 10_000)?;
            let mut ids = Vec::new();
            for (nid, _) in rows {
                let row = events::by_nid(conn, nid)?.unwrap();
                ids.push((row.event_id, row.depth));
            }
            Ok(ids)
        });
        accepted.extend(read.await.unwrap());
    }
    assert!(accepted.len() > 5, "schedule {}: {accepted:?}", room.seed);
    for (name, store) in stores {
        let (id, ids) = (room.id.clone(), accepted.clone());
        let read = store.read(move |conn| {
            let room = rooms::by_id(conn, &id)?.unwrap().room_nid;
            // What was before the server came in is none of its own.
            let anywhere = (Position(i64::MIN), Position(i64::MAX));
            let first = events::timeline(conn, room, anywhere, Direction::Forward, 1)?[0];
            let first_depth = events::by_nid(conn, first.0)?.unwrap().depth;
            let has_gap = events::gaps(conn, room)?.iter().any(|at| *at > first.1);
            let mut held = Vec::new();
            for (id, _) in ids.into_iter().filter(|(_, depth)| *depth > first_depth) {
                let nid = events::nid(conn, &OwnedEventId::try_from(id.as_str()).unwrap())?;
                let row = match nid {
                    Some(nid) => events::by_nid(conn, nid)?,
                    None => None,
                };
                held.push((
                    id,
                    match row {
                        None => Held::Not,
                        Some(row) if row.rejected => Held::Rejected,
                        Some(row) if row.soft_failed => Held::SoftFailed,
                        Some(row) if row.position.is_none() => Held::Not,
                        Some(_) => Held::Accepted,
                    },
                ));
            }
            Ok((held, has_gap))
        });
        let (held, has_gap) = read.await.unwrap();
        for (id, held) in held {
            match held {
                Held::Accepted => {}
                Held::SoftFailed => println!("schedule {}: {name} soft-failed {id}", room.seed),
                Held::Not if has_gap => {
                    println!("schedule {}: {name} has a gap, not {id}", room.seed)
                }
                held => panic!("schedule {}: {name} has {id} as {held:?}", room.seed),
            }
        }
    }
}

/// One room through one schedule.
async fn schedule(network: &Network, parties: &[Party], seed: u64) -> OwnedRoomId {
    let mut random = StdRng::seed_from_u64(seed);
    let version = *["6", "10", "11", "12"].choose(&mut random).unwrap();
    let [first, others @ ..] = parties else { unreachable!() };
    let room =
        first.user.create_room(json!({ "room_version": version, "preset": "public_chat" })).await;
    for other in others {
        other.user.join(&room, &first.server.name).await;
    }
    // Everybody may change much, so that there is something to resolve. The creator of a room of version 12
    // is not named in it.
    let mut levels = first.user.state(&room, "m.room.power_levels").await;
    for other in others {
        levels["users"][&other.user.id] = 90.into();
    }
    first.user.set_state(&room, "m.room.power_levels", levels).await;
    for other in others {
        let path = format!("rooms/{room}/state/m.room.power_levels");
        other
            .user
            .sync_until("the power levels", async || {
                let levels = other.user.call(Method::GET, &path, json!({})).await;
                levels["users"][&other.user.id] == 90
            })
            .await;
    }

    for step in 0..STEPS {
        let actor = parties.choose(&mut random).unwrap();
        if random.random_bool(0.3) {
            let to = parties.choose(&mut random).unwrap();
            let fault = match random.random_range(0..4) {
                0 => Fault::Cut,
                1 => Fault::Slow(Duration::from_millis(random.random_range(20..300))),
                2 => Fault::LoseAnswers,
                _ => Fault::None,
            };
            network.fault(&actor.server.name, &to.server.name, fault);
            continue;
        }
        match random.random_bool(0.25) {
            true => rove(&mut random, actor, parties, &room, step).await,
            false => act(&mut random, &actor.user, &room, step).await,
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
    }

    network.heal_all();
    let healed: Vec<String> =
        parties.iter().map(|party| format!("healed {seed} {}", party.server.name)).collect();
    for (party, body) in parties.iter().zip(&healed) {
        party.user.send(&room, body).await;
    }
    // What stands before these is there, or fetched, when they are.
    let healed: Vec<&str> = healed.iter().map(String::as_str).collect();
    for party in parties {
        party.user.sees(&room, &healed).await;
    }
    let agreed = async {
        loop {
            let mut states = Vec::new();
            for party in parties {
                states.push(party.user.state_ids(&room).await);
            }
            if states.windows(2).all(|pair| pair[0] == pair[1]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, agreed).await.is_err() {
        let mut told = String::new();
        for party in parties {
            let path = format!("rooms/{room}/state");
            let events = party.user.call(Method::GET, &path, json!({})).await;
            let mut lines: Vec<String> = events.as_array().unwrap().iter().map(line).collect();
            lines.sort();
            told += &format!("{}:\n{}\n", party.server.name, lines.join("\n"));
        }
        panic!("schedule {seed}, room version {version}: the servers do not agree\n{told}");
    }
    OwnedRoomId::try_from(room).unwrap()
}

fn line(event: &Value) -> String {
    format!("  {} {} {} {}", event["type"], event["state_key"], event["event_id"], event["content"])
}

/// Something that a user does, if the room lets them at that moment.
async fn act(random: &mut StdRng, user: &User, room: &str, step: usize) {
    let number: u32 = random.random();
    let state = |kind: &str, content: Value| (format!("rooms/{room}/state/{kind}"), content);
    let (path, content) = match random.random_range(0..10) {
        0 => state("m.room.topic", json!({ "topic": format!("{step} {number}") })),
        1 => state("m.room.name", json!({ "name": format!("{step} {number}") })),
        2 => state(&format!("m.x/{}", number % 3), json!({ "step": step })),
        3 => state(
            "m.room.join_rules",
            json!({ "join_rule": if number.is_multiple_of(4) { "invite" } else { "public" } }),
        ),
        4 => state(
            "m.room.history_visibility",
            json!({ "history_visibility": if number.is_multiple_of(2) { "shared" } else { "joined" } }),
        ),
        5 => {
            let mut levels = user.state(room, "m.room.power_levels").await;
            levels["events"][format!("m.x{}", number % 3)] = (number % 50).into();
            state("m.room.power_levels", levels)
        }
        _ => (
            format!("rooms/{room}/send/m.room.message/{step}-{number}"),
            json!({ "msgtype": "m.text", "body": format!("{step}") }),
        ),
    };
    let _ = user.try_call(Method::PUT, &path, content).await;
}

/// A change of who is in the room, if the room lets them at that moment.
async fn rove(random: &mut StdRng, actor: &Party, parties: &[Party], room: &str, step: usize) {
    let other = &parties.choose(random).unwrap().rover;
    let of_other = json!({ "user_id": other.id });
    let (user, what, body) = match random.random_range(0..7) {
        0 | 1 => (&actor.rover, "join", json!({})),
        2 => (&actor.rover, "leave", json!({})),
        3 => (&actor.user, "invite", of_other),
        4 => (&actor.user, "kick", of_other),
        5 => (&actor.user, "ban", of_other),
        _ => (&actor.user, "unban", of_other),
    };
    let _ = user.try_call(Method::POST, &format!("rooms/{room}/{what}"), body).await;
    let path = format!("rooms/{room}/send/m.room.message/rover-{step}");
    let message = json!({ "msgtype": "m.text", "body": format!("rover {step}") });
    let _ = actor.rover.try_call(Method::PUT, &path, message).await;
}
