//! Random schedules against a model: who may read what, and that they do.
//!
//! Two to five people with two devices each, at first, write, often before anybody has heard of anybody's first
//! message. Letters are lost, duplicated, delayed and reordered; devices restart, are set back to stores that they wrote
//! earlier, are added and removed; people leave, are invited and come back, and history is visible to those who are invited
//! or not. In the end everything settles, and then:
//!
//! - each device that was entitled when a message was sealed reads it, and the text is right;
//! - no other device reads it, and none reads it twice under another event;
//! - whoever was removed is not believed, and reads nothing that was sealed by a device that knew;
//! - everybody who is there reads what everybody writes then: every broken pair has healed;
//! - nobody owes a session the message that makes its ratchet turn;
//! - stores stay bounded.
//!
//! What need not be read: messages of devices that were set back to before they wrote them (nobody else has their
//! keys) or were removed since. `SEALPOST_STEPS` and `SEALPOST_SEED` choose longer and other schedules; `cargo xtask
//! soak e2e` runs 10,000 steps.

use std::collections::BTreeSet;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sealpost_e2e::{
    changes::Table,
    machine::Outcome,
    session::Sessions,
    store::{MemoryStore, Store as _},
};
use serde_json::{Value, json};

use crate::world::{DIRECT, Device, GROUP, World, body};

const PEOPLE: [&str; 5] =
    ["@alice:a.test", "@bob:b.test", "@carol:c.test", "@dora:d.test", "@erin:e.test"];
const VISIBILITIES: [&str; 4] = ["shared", "joined", "invited", "world_readable"];
const DEVICES_MAX: usize = 14;
/// How many earlier stores of a device are remembered.
const COPIES: usize = 6;

struct Peer {
    device: Device,
    is_removed: bool,
    /// Whether the server went on to list it after it was removed.
    is_listed: bool,
    /// Who has synced since it was added, and since it was removed.
    known_to: BTreeSet<usize>,
    gone_to: BTreeSet<usize>,
    /// Earlier stores, and how many messages there were then.
    copies: Vec<(MemoryStore, usize)>,
}

struct Sent {
    event: Value,
    text: String,
    by: usize,
    /// Devices that read it in the end.
    must: BTreeSet<usize>,
    /// Devices that may read it.
    may: BTreeSet<usize>,
}

struct Model {
    world: World,
    rng: ChaCha20Rng,
    peers: Vec<Peer>,
    joined: BTreeSet<&'static str>,
    invited: BTreeSet<&'static str>,
    visibility: &'static str,
    sent: Vec<Sent>,
    /// Letters that a network holds back: recipient and event.
    late: Vec<((String, String), Value)>,
    people: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        let (mut world, mut rng) = (World::new(), ChaCha20Rng::seed_from_u64(seed));
        let people = 2 + (rng.next_u32() as usize) % 4;
        let mut peers = Vec::new();
        for user in PEOPLE.iter().take(people) {
            let first = world.person(user);
            let second = world.second(&first, "D1");
            peers.extend([first, second].map(Peer::new));
        }
        let joined = PEOPLE.iter().take(people).copied().collect();
        let (sent, late) = (Vec::new(), Vec::new());
        let (invited, visibility) = (BTreeSet::new(), VISIBILITIES[0]);
        let mut model = Self { world, rng, peers, joined, invited, visibility, sent, late, people };
        model.tell_members();
        for _ in 0..2 {
            model.sync_all();
        }
        if model.below(2) == 0 {
            // All first messages at once.
            for at in 0..model.peers.len() {
                model.write(at);
            }
        }
        model
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u32() as usize) % bound.max(1)
    }

    fn tell_members(&mut self) {
        let group = self.joined.len() + self.invited.len() > 2;
        let mut state = vec![
            json!({ "type": "m.room.encryption", "state_key": "",
                "content": { "algorithm": if group { GROUP } else { DIRECT } } }),
            json!({ "type": "m.room.history_visibility", "state_key": "",
                "content": { "history_visibility": self.visibility } }),
        ];
        for user in PEOPLE.iter().take(self.people) {
            let membership = match (self.joined.contains(user), self.invited.contains(user)) {
                (true, _) => "join",
                (_, true) => "invite",
                _ => "leave",
            };
            state.push(json!({ "type": "m.room.member", "state_key": user,
                "origin_server_ts": self.world.now, "content": { "membership": membership } }));
        }
        self.world.server.state = state;
        for peer in &mut self.peers {
            self.world.state(&mut peer.device);
        }
    }

    /// Whether what is written now is for a user: who is invited reads where history is visible to them.
    fn reads(&self, user: &str) -> bool {
        self.joined.contains(user) || (self.invited.contains(user) && self.visibility != "joined")
    }

    /// Who leaves, is invited, or comes; two always stay.
    fn change_member(&mut self) {
        let user = PEOPLE[self.below(self.people)];
        let comes = self.below(2) == 0;
        if self.joined.remove(user) {
            if self.joined.len() < 2 {
                self.joined.insert(user);
            }
        } else if comes {
            self.invited.remove(user);
            self.joined.insert(user);
        } else if !self.invited.remove(user) {
            self.invited.insert(user);
        }
        self.tell_members();
    }

    fn sync(&mut self, at: usize) {
        self.world.sync(&mut self.peers[at].device);
        for peer in &mut self.peers {
            peer.known_to.insert(at);
            if peer.is_removed && !peer.is_listed {
                peer.gone_to.insert(at);
            }
        }
    }

    fn sync_all(&mut self) {
        (0..self.peers.len()).for_each(|at| self.sync(at));
    }

    fn is_here(&self, at: usize) -> bool {
        let peer = &self.peers[at];
        !peer.is_removed && self.reads(&peer.device.user)
    }

    /// Whether one device knows that another was removed.
    fn knows_removal(&self, at: usize, of: usize) -> bool {
        let gone = &self.peers[of].device;
        let user = self.peers[at].device.machine.user(&gone.user).unwrap();
        let mut devices = user.devices.iter();
        devices.any(|device| device.device_id == gone.device && device.is_removed)
    }

    fn step(&mut self) {
        self.world.now += 1_000 * (1 + i64::from(self.rng.next_u32() % 120));
        let at = self.below(self.peers.len());
        if self.below(4) == 0 {
            let copy = (self.peers[at].device.written.clone(), self.sent.len());
            let copies = &mut self.peers[at].copies;
            copies.push(copy);
            copies.drain(..copies.len().saturating_sub(COPIES));
        }
        match self.below(42) {
            0..=14 => self.write(at),
            15..=25 => {
                self.disturb(at);
                self.sync(at);
            }
            26..=31 => self.read(at),
            32 => self.peers[at].device.restart(),
            33 | 34 => self.set_back(at),
            35 => self.add(at),
            36 => self.remove(at),
            37 | 38 => self.change_member(),
            39 | 40 => {
                self.visibility = VISIBILITIES[self.below(VISIBILITIES.len())];
                self.tell_members();
            }
            _ => self.world.now += 26 * 60 * 60 * 1_000,
        }
    }

    /// An earlier store is put back, as from a backup of the whole machine. The client then hears from its server
    /// what has been since: members, changed devices, events. Letters that it took are gone.
    fn set_back(&mut self, at: usize) {
        if self.peers[at].copies.is_empty() {
            return;
        }
        let which = self.below(self.peers[at].copies.len());
        let peer = &mut self.peers[at];
        let (copy, before) = peer.copies[which].clone();
        peer.copies.truncate(which + 1);
        peer.device.open(copy);
        let name = (peer.device.user.clone(), peer.device.device.clone());
        let everybody = PEOPLE.iter().take(self.people).map(|user| (*user).to_owned());
        self.world.server.changed.entry(name).or_default().extend(everybody);
        self.world.state(&mut self.peers[at].device);
        self.sync(at);
        for which in before..self.sent.len() {
            if self.sent[which].by == at {
                self.sent[which].must.clear();
                self.check(at, which);
            }
        }
    }

    fn add(&mut self, of: usize) {
        if self.peers.len() >= DEVICES_MAX || self.peers[of].is_removed {
            return;
        }
        let name = format!("D{}", self.peers.len());
        let mut device = self.world.second(&self.peers[of].device, &name);
        self.world.state(&mut device);
        self.peers.push(Peer::new(device));
        self.sync(self.peers.len() - 1);
    }

    /// A device removes another one of its user's. Half of the servers go on listing it.
    fn remove(&mut self, by: usize) {
        let user = self.peers[by].device.user.clone();
        let others: Vec<usize> = (0..self.peers.len())
            .filter(|at| *at != by && self.peers[*at].device.user == user)
            .filter(|at| !self.peers[*at].is_removed)
            .collect();
        if others.len() < 2 || self.peers[by].is_removed {
            return;
        }
        let gone = others[self.below(others.len())];
        self.sync(by);
        let name = self.peers[gone].device.device.clone();
        let now = self.world.now;
        let device = &mut self.peers[by].device;
        device.run(now, |machine, now| machine.remove_device(&name, now)).unwrap();
        self.world.flush(device);
        self.peers[gone].is_removed = true;
        self.peers[gone].is_listed = self.below(2) == 0;
        if !self.peers[gone].is_listed {
            self.world.server.devices.get_mut(&user).unwrap().remove(&name);
            self.world.server.tell(&user);
        }
        self.sync(by);
        for sent in self.sent.iter_mut().filter(|sent| sent.by == gone) {
            sent.must.clear();
        }
    }

    fn write(&mut self, at: usize) {
        let text = format!("message {}", self.sent.len());
        if !self.joined.contains(self.peers[at].device.user.as_str()) {
            return;
        }
        let device = &mut self.peers[at].device;
        let Ok(sealed) = self.world.seal(device, &text) else {
            assert!(self.peers[at].is_removed, "who was removed may notice");
            return;
        };
        let user = device.user.clone();
        let here = |of: &usize| self.reads(&self.peers[*of].device.user);
        let may: BTreeSet<usize> = (0..self.peers.len())
            .filter(here)
            .filter(|of| !self.peers[*of].gone_to.contains(&at) && !self.knows_removal(at, *of))
            .chain([at])
            .collect();
        let must = may.iter().copied().filter(|of| self.peers[*of].known_to.contains(&at));
        let must: BTreeSet<usize> =
            if self.peers[at].is_removed { BTreeSet::new() } else { must.collect() };
        for event in sealed.events {
            let event = self.world.server.send(&user, &event.content, self.world.now);
            let (must, may) = (must.clone(), may.clone());
            self.sent.push(Sent { event, text: text.clone(), by: at, must, may });
        }
    }

    /// Reorders, duplicates, delays and loses what waits for a device.
    fn disturb(&mut self, at: usize) {
        let device = &self.peers[at].device;
        let name = (device.user.clone(), device.device.clone());
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
        if !self.sent.is_empty() {
            let which = self.below(self.sent.len());
            self.check(at, which);
        }
    }

    /// Reads a message; whoever is not entitled must not, and nobody believes a device that they know removed.
    fn check(&mut self, at: usize, which: usize) -> bool {
        let by = self.sent[which].by;
        let distrusts = self.knows_removal(at, by);
        let (peer, sent) = (&mut self.peers[at], &self.sent[which]);
        let outcome = self.world.read(&mut peer.device, &sent.event);
        let names = || format!("{} {}: {}", peer.device.user, peer.device.device, sent.text);
        match outcome {
            Outcome::Read(read) => {
                assert!(!distrusts, "{} is believed", names());
                assert!(sent.may.contains(&at), "{} is read", names());
                let text = body(&read);
                assert!(text == sent.text || text == "org.sealpost.audience", "{text}");
                assert!(read.sender.is_proven);
                true
            }
            Outcome::MissingKey | Outcome::NotVouchedFor => false,
            Outcome::Removed => {
                assert!(distrusts || at == by, "{}", names());
                false
            }
            other => panic!("{}: {other:?}", names()),
        }
    }

    /// Nothing is lost from now on: all that can be read is, within some rounds.
    fn settle(&mut self) {
        for (name, event) in std::mem::take(&mut self.late) {
            self.world.server.inbox.entry(name).or_default().push(event);
        }
        // Whoever left or was removed gets no keys any more.
        let mut unread: BTreeSet<(usize, usize)> = (0..self.sent.len())
            .flat_map(|which| self.sent[which].must.iter().map(move |at| (*at, which)))
            .filter(|(at, _)| self.is_here(*at))
            .collect();
        for _ in 0..30 {
            self.world.now += 11 * 60 * 1_000;
            for _ in 0..3 {
                self.sync_all();
            }
            for (at, which) in unread.clone() {
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
                let (device, sent) = (&self.peers[*at].device, &self.sent[*which]);
                let by = &self.peers[sent.by].device;
                (&device.user, &device.device, &sent.text, &by.user, &by.device)
            })
            .collect();
        assert!(names.is_empty(), "never read: {names:?}");
    }

    /// What must hold when everything has settled.
    fn finish(&mut self) {
        self.settle();
        // Everybody who is here writes once more, and everybody who is here reads it.
        for _ in 0..2 {
            for at in (0..self.peers.len()).filter(|at| self.is_here(*at)).collect::<Vec<_>>() {
                self.write(at);
            }
            self.settle();
        }
        for at in 0..self.peers.len() {
            for which in 0..self.sent.len() {
                if !self.sent[which].may.contains(&at) {
                    assert!(!self.check(at, which));
                }
            }
            let Some(which) = (0..self.sent.len()).find(|which| self.check(at, *which)) else {
                continue;
            };
            let mut again = self.sent[which].event.clone();
            again["event_id"] = json!("$again");
            let outcome = self.world.read(&mut self.peers[at].device, &again);
            assert!(!matches!(outcome, Outcome::Read(_)), "read twice");
        }
        self.turn();
    }

    /// Whoever only read has said so by the next day, so that each ratchet turns.
    fn turn(&mut self) {
        for _ in 0..2 {
            self.world.now += 26 * 60 * 60 * 1_000;
            for _ in 0..4 {
                self.sync_all();
            }
        }
        for (at, peer) in self.peers.iter().enumerate().filter(|(_, peer)| !peer.is_removed) {
            for (of, other) in self.peers.iter().enumerate().filter(|(_, peer)| !peer.is_removed) {
                let device = &other.device;
                let key = [device.user.as_bytes(), device.device.as_bytes()].join(&0);
                let row = peer.device.written.get(Table::Sessions, &key);
                let sessions = row.map(|row| Sessions::from_bytes(&row).unwrap());
                let owes = sessions.is_some_and(|all| all.owes_message(self.world.now));
                assert!(!owes, "{at} owes {of} a message");
            }
        }
    }
}

impl Peer {
    fn new(device: Device) -> Self {
        Self {
            device,
            is_removed: false,
            is_listed: true,
            known_to: BTreeSet::new(),
            gone_to: BTreeSet::new(),
            copies: Vec::new(),
        }
    }
}

#[test]
fn everybody_reads_what_is_for_them_once_and_nobody_else_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let steps: u64 = number("SEALPOST_STEPS").unwrap_or(120);
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
        model.finish();
        let rows = model.peers.iter().map(|peer| peer.device.written.len()).max().unwrap();
        assert!(rows < 500 + 14 * each as usize, "{rows} rows");
    }
}
