//! The bounds of the store, measured on a generated room and printed as a table; nothing is asserted.
//!
//! ```text
//! cargo bench -p sealpost-homeserver --bench store_bounds -- [EVENTS] [MEMBERS]
//! ```
//!
//! The room has 100,000 events and 10,000 members, unless told otherwise, on SQLite in a temporary folder.

#[path = "store_bounds/room.rs"]
mod room;

use std::time::{Duration, Instant};

use diesel::prelude::*;
use ruma::{
    OwnedEventId,
    signatures::{KeyPair, Signature},
};
use sealpost_homeserver::{
    error::Result,
    room::{Pdu, build},
    service::timeline::Outcome,
    storage::{
        Conn, EventNid, StateKeyNid, StateNid, auth_chains,
        schema::{events, states},
        state::{self, State},
    },
};
use serde_json::json;

use self::room::{Elsewhere, Sample};

fn main() {
    let mut sizes = std::env::args().skip(1).filter_map(|word| word.parse::<usize>().ok());
    // Cargo says `--bench` when it measures; in a test run a small room is enough.
    let measures = std::env::args().any(|word| word == "--bench");
    let default = if measures { (100_000, 10_000) } else { (2_000, 100) };
    let (events, members) = (sizes.next().unwrap_or(default.0), sizes.next().unwrap_or(default.1));
    println!("{:<52}{:>11}{:>11}{:>11}{:>11}", "", "p50", "p99", "max", "aim");

    single_events();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut sample = runtime.block_on(Sample::generate(folder.path(), events, members));
    let seconds = started.elapsed().as_secs_f64();
    println!("a room of {events} events and {members} members, made in {seconds:.1} s");

    old_state(&sample);
    chain_lengths(&sample);
    auth_differences(&sample);
    runtime.block_on(ten_forks(&mut sample));
    runtime.block_on(sample.context.store.close());
}

/// What one event costs: made, read, shown.
fn single_events() {
    let key = room::key();
    let content = json!({ "msgtype": "m.text", "body": "Sixty characters are what people write, on average, it seems" });
    let draft = room::draft("@user-1:bench.test", "m.room.message", None, content);
    let rules = room::rules();
    let id = |n: u8| OwnedEventId::try_from(format!("${n:a<43}")).unwrap();
    let room_id = ruma::RoomId::parse(format!("!{:a<43}", 1)).unwrap();
    let make = || {
        let (draft, prev, auth) = (draft.clone(), vec![id(1)], vec![id(2), id(3)]);
        build::build(draft, Some(&room_id), prev, auth, 7, &key, &room::server(), rules).unwrap()
    };
    report("an event is built, hashed and signed", "40 µs", repeat(5_000, make));
    report("  of which the signature", "", repeat(5_000, || -> Signature { key.sign(&[7; 500]) }));
    let pdu = make();
    let read = || Pdu::from_json(pdu.event_id.clone(), pdu.json.clone(), rules).unwrap();
    report("an event is read from its JSON", "5 µs", repeat(20_000, read));
    let show = || pdu.client_json(true, Some(r#"{"age":1}"#));
    report("an event is put into the client format", "", repeat(20_000, show));
}

/// One state key at an event anywhere in the room, with nothing in memory.
fn old_state(sample: &Sample) {
    let mut times = Vec::new();
    for n in 0..2_000_i64 {
        let nid = EventNid(1 + (n * 7_919) % sample.last.0);
        let member = sample.some_member(n as usize);
        times.push(sample.read(move |conn| {
            let started = Instant::now();
            let row = events::table.find(nid).select(events::state_before_nid);
            let before: Option<Option<StateNid>> = row.first(conn).optional()?;
            if let Some(before) = before.flatten() {
                state::load(conn, before, |_| None)?.get(member);
            }
            Ok(started.elapsed())
        }));
    }
    report("one state key at an old event, nothing cached", "1 ms", times);
}

fn chain_lengths(sample: &Sample) {
    let (rows, longest, bytes) = sample.read(|conn| {
        let rows: Vec<(StateNid, Option<StateNid>, Vec<u8>)> = states::table
            .select((states::state_nid, states::base_nid, states::entries))
            .load(conn)?;
        let bases: std::collections::HashMap<_, _> =
            rows.iter().map(|(nid, base, _)| (*nid, *base)).collect();
        let length = |mut nid: StateNid| {
            let mut length = 1;
            while let Some(Some(base)) = bases.get(&nid) {
                nid = *base;
                length += 1;
            }
            length
        };
        let bytes: usize = rows.iter().map(|(_, _, entries)| entries.len()).sum();
        Ok((rows.len(), rows.iter().map(|row| length(row.0)).max().unwrap_or(0), bytes))
    });
    println!("{:<52}{longest:>11}{:>33}", "rows read for any state, at most", "100");
    println!("{:<52}{rows:>11}", "rows of states");
    println!("{:<52}{:>11}", "bytes of states", bytes);
}

/// The room as it is and as it was, each with a change of its own.
fn auth_differences(sample: &Sample) {
    for back in [100, 1_000, 10_000].into_iter().filter(|back| back + 100 < sample.last.0) {
        let mut times = Vec::new();
        let mut found = 0;
        for n in 0..20 {
            let at = EventNid(sample.last.0 - back - n);
            let (now, then) = (sample.state(sample.last), sample.state(at));
            let (time, count) = sample.read(move |conn| {
                let started = Instant::now();
                let difference = auth_difference(conn, &[now, then])?;
                Ok((started.elapsed(), difference))
            });
            times.push(time);
            found = count;
        }
        let name = format!("auth difference, {back} events apart ({found} events)");
        report(&name, "20 ms", times);
    }
}

fn auth_difference(conn: &mut Conn, forks: &[State]) -> Result<usize> {
    let (first, second) = (&forks[0], &forks[1]);
    let keys: Vec<StateKeyNid> = first.changes_to(second).into_iter().map(|(key, _)| key).collect();
    let own: Vec<Vec<EventNid>> =
        forks.iter().map(|fork| keys.iter().filter_map(|&key| fork.get(key)).collect()).collect();
    let shared = |key| if keys.binary_search(&key).is_ok() { None } else { first.get(key) };
    let conflict = auth_chains::conflict(conn, &own, shared, &[], true)?;
    Ok(conflict.auth_difference.len() + conflict.subgraph.len())
}

/// Sends into another room, while ten forks of the large one are resolved and while nothing else happens.
async fn ten_forks(sample: &mut Sample) {
    let quiet = sends(sample, 400).await;
    report("send into another room, quiet", "", quiet);
    let there = Elsewhere::join(sample).await;
    let forks = there.forks(sample, 10);
    let sample = &*sample;
    let started = Instant::now();
    let resolving = async {
        let mut accepted = 0;
        for fork in forks {
            let outcome = sample.timeline.append_remote(sample.room.nid, fork).await.unwrap();
            accepted += usize::from(matches!(outcome, Outcome::Accepted(_)));
        }
        (accepted, started.elapsed())
    };
    let (during, (accepted, took)) = tokio::join!(sends(sample, 400), resolving);
    report("send into another room, ten forks resolved meanwhile", "+5 ms", during);
    let name = format!("ten forks, {accepted} events appended and resolved");
    println!("{name:<52}{:>11}", show(took));
}

async fn sends(sample: &Sample, count: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let message = sample.message();
        let started = Instant::now();
        sample.timeline.append_local(sample.other_room.nid, vec![message]).await.unwrap();
        times.push(started.elapsed());
    }
    times
}

fn repeat<T>(count: usize, mut action: impl FnMut() -> T) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        let result = action();
        times.push(started.elapsed());
        std::hint::black_box(result);
    }
    times
}

fn report(name: &str, aim: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| show(times[((times.len() - 1) as f64 * share) as usize]);
    println!("{name:<52}{:>11}{:>11}{:>11}{aim:>11}", at(0.5), at(0.99), at(1.0));
}

fn show(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        micros if micros < 1_000.0 => format!("{micros:.1} µs"),
        micros => format!("{:.2} ms", micros / 1_000.0),
    }
}
