//! No key bytes remain in memory that was given back.
//!
//! The allocator of this program looks at each block when it is freed. Two people talk twice, the same way: after the
//! first time their stores tell what is secret, and the second time no freed block may hold any of it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![expect(unsafe_code, reason = "an allocator cannot be written without")]
#![cfg(not(target_family = "wasm"))]

#[path = "machine/world.rs"]
#[expect(dead_code, reason = "of the people of the tests, a part is wanted here")]
mod world;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::{Cell, RefCell},
    sync::atomic::{AtomicUsize, Ordering},
};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sealpost_e2e::{
    backup::{MAC_SECRET, PRIVATE_SECRET},
    changes::Table,
    encoding::encode,
    identity::OwnDevice,
    sas::{self, Party, Sas},
    secret_storage::RecoveryKey,
    sender_key::{HeldChain, OwnChain, Provenance},
    store::{MemoryStore, Store as _},
};
use world::{Device, GROUP, THREE, World, pair};
use zeroize::Zeroizing;

/// The first half of each secret, so that a block is looked through in one pass for each.
type Secret = [u8; 16];
const SECRETS_MAX: usize = 512;

/// The secrets, and by the first two bytes of a place whether one may begin there.
struct Wanted {
    secrets: [Secret; SECRETS_MAX],
    count: usize,
    begins: [bool; 1 << 16],
}

thread_local! {
    static WANTED: RefCell<Wanted> = const {
        RefCell::new(Wanted { secrets: [[0; 16]; SECRETS_MAX], count: 0, begins: [false; 1 << 16] })
    };
    static LOOKS: Cell<bool> = const { Cell::new(false) };
}
static FOUND: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: AtomicUsize = AtomicUsize::new(0);

struct Watchful;

#[global_allocator]
static ALLOCATOR: Watchful = Watchful;

// SAFETY: all is the system's; a block is read, while it is still allocated, before it is given back.
unsafe impl GlobalAlloc for Watchful {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises. Zeroed, so that all of a block may be read.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKS.try_with(Cell::get).unwrap_or(false) {
            // SAFETY: the block is of this layout, and was initialised when it was allocated.
            look(unsafe { std::slice::from_raw_parts(block, layout.size()) });
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

fn look(block: &[u8]) {
    BLOCKS.fetch_add(1, Ordering::Relaxed);
    if block.len() < 16 {
        return;
    }
    LOOKS.with(|looks| looks.set(false));
    let is_here = WANTED.with_borrow(|wanted| {
        block.windows(16).any(|place| {
            wanted.begins[first_two(place)]
                && wanted.secrets[..wanted.count].iter().any(|secret| place == secret)
        })
    });
    if is_here && FOUND.fetch_add(1, Ordering::Relaxed) < 12 {
        eprintln!("a secret in a freed block of {} bytes", block.len());
        if std::env::var_os("SEALPOST_TRACE").is_some() {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
    }
    LOOKS.with(|looks| looks.set(true));
}

fn first_two(place: &[u8]) -> usize {
    usize::from(place[0]) << 8 | usize::from(place[1])
}

fn keep(secret: &[u8]) {
    WANTED.with_borrow_mut(|wanted| {
        let secret: Secret = secret[..16].try_into().unwrap();
        if !wanted.secrets[..wanted.count].contains(&secret) {
            assert!(wanted.count < SECRETS_MAX, "too many secrets");
            wanted.secrets[wanted.count] = secret;
            wanted.count += 1;
            wanted.begins[first_two(&secret)] = true;
        }
    });
}

/// Byte strings of a length in the encoding of a row that stand behind what precedes them.
fn strings<'b>(row: &'b [u8], before: &[u8], length: u8) -> Vec<&'b [u8]> {
    let head = [before, &[0x58, length]].concat();
    let places = row.windows(head.len()).enumerate().filter(|(_, window)| *window == head);
    places.map(|(at, _)| &row[at + head.len()..at + head.len() + usize::from(length)]).collect()
}

/// What is secret in a store: private keys, keys of chains and of content, secrets.
fn secrets_of(store: &MemoryStore) {
    for (_, row) in store.scan(Table::Account, b"") {
        strings(&row, &[], 32).into_iter().take(2).for_each(keep);
    }
    for (_, row) in store.scan(Table::Prekeys, b"").into_iter().take(12) {
        strings(&row, &[], 32).into_iter().take(1).for_each(keep);
        strings(&row, &[], 64).into_iter().for_each(keep);
    }
    for (_, row) in store.scan(Table::Sessions, b"") {
        // A chain is [key, number]; an open one begins with its private key.
        strings(&row, &[0x82], 32).into_iter().for_each(keep);
        strings(&row, &[0x82, 0x01, 0x81, 0x85], 32).into_iter().for_each(keep);
    }
    for table in [Table::Chains, Table::OwnChains] {
        for (_, row) in store.scan(table, b"").into_iter().take(60) {
            // A place in a chain is [iteration, key].
            (0..8).flat_map(|at| strings(&row, &[0x82, at], 32)).for_each(keep);
        }
    }
    for (_, row) in store.scan(Table::Wraps, b"") {
        strings(&row, &[], 64).into_iter().for_each(keep);
    }
    for (_, row) in store.scan(Table::Secrets, b"") {
        strings(&row, &[], 32).into_iter().for_each(keep);
    }
}

/// More than a MiB of keys from a file: what they are written to has to grow.
fn many_keys() -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let own = OwnDevice::generate("@many:a.test", "MANY", &mut rng);
    let mut keys = vec![1, 0x99, 0x15, 0xe0];
    for _ in 0..0x15e0 {
        let chain = OwnChain::begin(&own, "!many:a.test", 0, &mut rng);
        let held = HeldChain::new(&chain.distribution(), Provenance::Owner);
        keys.extend([&[0x82, 0, 0x81][..], &encode(&held)].concat());
    }
    assert!(keys.len() > 1024 * 1024);
    keys
}

/// Two people write to each other, alone and in a group, restart, and are backed up; one has many keys. They compare emoji
/// and scan codes, share secrets, and open what a recovery key opens. Answers what of that is secret and in no store.
fn talk(keys: &[u8]) -> ([Device; 2], [Secret; 7]) {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    for round in 0..2 {
        let events = world.send(&mut alice, "to bob");
        world.settle(&mut [&mut alice, &mut bob]);
        world.text(&mut bob, &events);
        let events = world.send(&mut bob, "to alice");
        world.settle(&mut [&mut alice, &mut bob]);
        world.text(&mut alice, &events);
        if round == 0 {
            world.room(GROUP, &THREE, &mut [&mut alice, &mut bob]);
        }
    }
    for device in [&mut alice, &mut bob] {
        device.restart();
        device.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
        device.run(world.now, |machine, now| machine.requests(now)).unwrap();
        let now = world.now;
        device.run(now, |machine, now| machine.history(world::ROOM, now)).unwrap();
    }
    alice.run(world.now, |machine, now| machine.import_keys(keys, now)).unwrap();
    alice.run(world.now, |machine, now| machine.export_keys(now)).unwrap();
    // In an array: a list of secrets would be given back, too.
    let [one, two] = compare();
    let scanned = verify(&mut world, &mut alice, &mut bob);
    let [key, x25519, kem, mac] = recover(&mut world, &mut alice);
    ([alice, bob], [one, two, scanned, key, x25519, kem, mac])
}

fn half(bytes: &[u8]) -> Secret {
    bytes[..16].try_into().unwrap()
}

/// The private keys of two sides that compare emoji: each is the next that its generator gives.
fn compare() -> [Secret; 2] {
    let party = |user: &str| Party { user_id: user.to_owned(), device_id: "ONE".to_owned() };
    let (alice, bob) = (party("@alice:a.test"), party("@bob:b.test"));
    let start = sas::start("ONE", "txn");
    let keys = [91, 92].map(|seed| {
        let mut key = Zeroizing::new([0; 32]);
        ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut *key);
        half(&*key)
    });
    let side = |own: &Party, other: &Party, started: bool, seed: u64| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        Sas::new(own.clone(), other.clone(), started, &start, &mut rng).unwrap()
    };
    let (mut one, mut two) = (side(&alice, &bob, true, 91), side(&bob, &alice, false, 92));
    one.accepted(&two.accept().unwrap()).unwrap();
    two.received(&one.key()).unwrap();
    one.received(&two.key()).unwrap();
    assert_eq!(one.short_string(), two.short_string());
    let own = [("ed25519:ONE".to_owned(), "key".to_owned())];
    two.verify_mac(&one.mac(&own).unwrap(), &own).unwrap();
    keys
}

/// One device shows a code, and the other scans it: the secret in it.
fn verify(world: &mut World, alice: &mut Device, bob: &mut Device) -> Secret {
    bob.machine.set_can_scan(true);
    let id = world::agreed(world, alice, bob);
    let code = alice.run(world.now, |machine, now| machine.show_qr(&id, now)).unwrap();
    let code = Zeroizing::new(code);
    let _ = bob.run(world.now, |machine, now| machine.scan_qr(&code, now)).unwrap();
    half(&code[code.len() - 16..])
}

/// A recovery key that opens the private keys of a backup, which opens rows; a secret for another own device.
fn recover(world: &mut World, alice: &mut Device) -> [Secret; 4] {
    let key = RecoveryKey::generate(&mut alice.rng);
    let (id, _) = key.describe(&mut alice.rng);
    let private = alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let stored = key.encrypt(&id, PRIVATE_SECRET, &*private, &mut alice.rng);
    let written = RecoveryKey::parse(&key.encode()).unwrap();
    let opened = written.decrypt(&id, PRIVATE_SECRET, &stored).unwrap();
    assert_eq!(opened.as_slice(), private.as_slice());
    let none = serde_json::json!({ "rooms": {} });
    alice.run(world.now, |machine, now| machine.restore(&opened, None, &none, now)).unwrap();
    let mut phone = world.second(alice, "PHONE");
    world.settle(&mut [alice, &mut phone]);
    alice.run(world.now, |machine, now| machine.share_secret("PHONE", MAC_SECRET, now)).unwrap();
    world.settle(&mut [alice, &mut phone]);
    let mac = phone.run(world.now, |machine, now| machine.secret(MAC_SECRET, now)).unwrap();
    [half(key.as_bytes()), half(&*private), half(&private[32..]), half(&*mac)]
}

#[test]
fn no_key_is_left_in_freed_memory() {
    let keys = many_keys();
    let (people, secrets) = talk(&keys);
    secrets.iter().for_each(|secret| keep(secret));
    people.iter().for_each(|device| secrets_of(&device.written));
    let count = WANTED.with_borrow(|wanted| wanted.count);
    assert!(count > 40, "{count}");
    drop(people);
    // The watch itself: a copy that is not erased is found.
    LOOKS.with(|looks| looks.set(true));
    let copy = WANTED.with_borrow(|wanted| wanted.secrets[0]).to_vec();
    drop(copy);
    LOOKS.with(|looks| looks.set(false));
    assert_eq!(FOUND.swap(0, Ordering::Relaxed), 1);

    LOOKS.with(|looks| looks.set(true));
    drop(talk(&keys));
    LOOKS.with(|looks| looks.set(false));
    assert!(BLOCKS.load(Ordering::Relaxed) > 10_000);
    assert_eq!(FOUND.load(Ordering::Relaxed), 0, "keys in freed memory");
}
