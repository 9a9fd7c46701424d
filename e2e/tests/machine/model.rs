//! Random schedules against a model: who may read what, and that they do.
//!
//! Two to five people with two devices each write, lose, duplicate and reorder letters, restart from what was written,
//! join and leave. In the end everything settles, and then for every message:
//!
//! - each device that was entitled when it was sealed reads it, and the text is right;
//! - no other device reads it, and none reads it twice under another event;
//! - stores stay bounded.
//!
//! `SEALPOST_STEPS` and `SEALPOST_SEED` choose longer and other schedules; `cargo xtask soak e2e` runs 10,000 steps.

use std::collections::BTreeSet;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sealpost_e2e::machine::Outcome;
use serde_json::{Value, json};

use crate::world::{Device, World, body};

const PEOPLE: [&str; 5] =
    ["@alice:a.test", "@bob:b.test", "@carol:c.test", "@dora:d.test", "@erin:e.test"];

struct Sent {
    event: Value,
    text: String,
    /// Devices that it was sealed for.
    entitled: BTreeSet<usize>,
}

struct Model {
    world: World,
    rng: ChaCha20Rng,
    devices: Vec<Device>,
    joined: BTreeSet<&'static str>,
    sent: Vec<Sent>,
    /// Letters that a network holds back: recipient and event.
    late: Vec<((String, String), Value)>,
    people: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        let (mut world, mut rng) = (World::new(), ChaCha20Rng::seed_from_u64(seed));
        let people = 2 + (rng.next_u32() as usize) % 4;
        let mut devices = Vec::new();
        for user in PEOPLE.iter().take(people) {
            let first = world.person(user);
            let second = world.second(&first, "TWO");
            devices.extend([first, second]);
        }
        let joined = PEOPLE.iter().take(people).copied().collect();
        let mut model =
            Self { world, rng, devices, joined, sent: Vec::new(), late: Vec::new(), people };
        model.tell_members();
        for _ in 0..2 {
            model.sync_all();
        }
        model
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u32() as usize) % bound
    }

    fn tell_members(&mut self) {
        let group = self.joined.len() > 2;
        let algorithm =
            if group { "org.sealpost.sender_key.v1" } else { "org.sealpost.ratchet.v1" };
        let members: Vec<(&str, &str)> = PEOPLE
            .iter()
            .take(self.people)
            .map(|user| (*user, if self.joined.contains(user) { "join" } else { "leave" }))
            .collect();
        let mut devices: Vec<&mut Device> = self.devices.iter_mut().collect();
        self.world.room(algorithm, &members, &mut devices);
    }

    fn sync_all(&mut self) {
        for device in &mut self.devices {
            self.world.sync(device);
        }
    }

    fn step(&mut self) {
        self.world.now += 1_000 * (1 + i64::from(self.rng.next_u32() % 120));
        let at = self.below(self.devices.len());
        match self.below(20) {
            0..=7 => self.write(at),
            8..=13 => {
                self.disturb(at);
                self.world.sync(&mut self.devices[at]);
            }
            14..=16 => self.read(at),
            17 => self.devices[at].restart(),
            18 => {
                // Who leaves or comes back; two always stay.
                let user = PEOPLE[self.below(self.people)];
                if !self.joined.remove(user) {
                    self.joined.insert(user);
                }
                if self.joined.len() < 2 {
                    self.joined.insert(user);
                }
                self.tell_members();
            }
            _ => self.world.now += 26 * 60 * 60 * 1_000,
        }
    }

    fn write(&mut self, at: usize) {
        let text = format!("message {}", self.sent.len());
        let device = &mut self.devices[at];
        if !self.joined.contains(device.user.as_str()) {
            return;
        }
        let events = self.world.send(device, &text);
        let entitled = self.devices.iter().enumerate();
        let entitled: BTreeSet<usize> = entitled
            .filter(|(_, device)| self.joined.contains(device.user.as_str()))
            .map(|(at, _)| at)
            .collect();
        for event in events {
            let text = text.clone();
            self.sent.push(Sent { event, text, entitled: entitled.clone() });
        }
    }

    /// Reorders, duplicates, delays and loses what waits for a device.
    fn disturb(&mut self, at: usize) {
        let name = (self.devices[at].user.clone(), self.devices[at].device.clone());
        let mut inbox = self.world.server.inbox.remove(&name).unwrap_or_default();
        match self.below(8) {
            0 => inbox.reverse(),
            1 => inbox.extend(inbox.clone()),
            2 => {
                for event in inbox.drain(..) {
                    self.late.push((name.clone(), event));
                }
            }
            3 if !inbox.is_empty() => {
                let lost = self.below(inbox.len());
                inbox.remove(lost);
            }
            4 => {
                let (now, later): (Vec<_>, Vec<_>) =
                    self.late.drain(..).partition(|(of, _)| *of == name);
                inbox.extend(now.into_iter().map(|(_, event)| event));
                self.late = later;
            }
            _ => {}
        }
        self.world.server.inbox.insert(name, inbox);
    }

    fn read(&mut self, at: usize) {
        if self.sent.is_empty() {
            return;
        }
        let which = self.below(self.sent.len());
        self.check(at, which);
    }

    /// Reads a message; whoever is not entitled must not.
    fn check(&mut self, at: usize, which: usize) -> bool {
        let (device, sent) = (&mut self.devices[at], &self.sent[which]);
        match self.world.read(device, &sent.event) {
            Outcome::Read(read) => {
                assert!(sent.entitled.contains(&at), "{} reads {}", device.user, sent.text);
                let text = body(&read);
                assert!(text == sent.text || text == "org.sealpost.audience", "{text}");
                assert!(read.sender.is_proven);
                true
            }
            Outcome::MissingKey => false,
            other => panic!("{} {}: {other:?}", device.user, device.device),
        }
    }

    /// Nothing is lost from now on: all that can be read is, within some rounds.
    fn settle(&mut self) {
        for (name, event) in std::mem::take(&mut self.late) {
            self.world.server.inbox.entry(name).or_default().push(event);
        }
        let mut unread: BTreeSet<(usize, usize)> = (0..self.sent.len())
            .flat_map(|which| self.sent[which].entitled.iter().map(move |at| (*at, which)))
            .collect();
        // Whoever left gets no keys any more.
        let here = |device: &Device| self.joined.contains(device.user.as_str());
        let gone: BTreeSet<usize> =
            (0..self.devices.len()).filter(|at| !here(&self.devices[*at])).collect();
        unread.retain(|(at, _)| !gone.contains(at));
        for _ in 0..30 {
            self.world.now += 11 * 60 * 1_000;
            for _ in 0..3 {
                self.sync_all();
            }
            let still: Vec<_> = unread.iter().copied().collect();
            for (at, which) in still {
                if self.check(at, which) {
                    unread.remove(&(at, which));
                }
            }
            if unread.is_empty() {
                break;
            }
        }
        let names: Vec<_> = unread
            .iter()
            .map(|(at, which)| {
                let device = &self.devices[*at];
                (
                    device.user.clone(),
                    device.device.clone(),
                    self.sent[*which].text.clone(),
                    self.sent[*which].event["sender"].clone(),
                )
            })
            .collect();
        assert!(names.is_empty(), "never read: {names:?}");
        for at in 0..self.devices.len() {
            for which in 0..self.sent.len() {
                if !self.sent[which].entitled.contains(&at) {
                    assert!(!self.check(at, which));
                }
            }
            if !self.check(at, 0) {
                continue;
            }
            let mut again = self.sent[0].event.clone();
            again["event_id"] = json!("$again");
            let outcome = self.world.read(&mut self.devices[at], &again);
            assert!(!matches!(outcome, Outcome::Read(_)), "read twice");
        }
    }
}

#[test]
fn everybody_reads_what_is_for_them_once_and_nobody_else_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let steps: u64 = number("SEALPOST_STEPS").unwrap_or(60);
    let seeds = match number("SEALPOST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + steps.div_ceil(120).max(3),
    };
    let each = (steps / (seeds.end - seeds.start)).max(40);
    for seed in seeds {
        eprintln!("SEALPOST_SEED={seed} SEALPOST_STEPS={each}");
        let mut model = Model::new(seed);
        for _ in 0..each {
            model.step();
        }
        model.settle();
        let rows = model.devices.iter().map(|device| device.written.len()).max().unwrap();
        assert!(rows < 400 + 12 * each as usize, "{rows} rows");
    }
}
