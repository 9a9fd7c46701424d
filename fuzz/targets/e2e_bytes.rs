//! Bytes of other devices, of files and of the store, as the encryption library reads them: envelopes, ratchet and
//! group messages, what is inside them, files, rows. The first byte chooses.

#![no_main]

#[expect(dead_code, reason = "each target edits something else")]
mod edited;
#[path = "../../e2e/tests/machine/world.rs"]
#[expect(dead_code, reason = "of the people of the tests, a part is wanted here")]
mod world;

use std::sync::LazyLock;

use edited::Input;
use libfuzzer_sys::fuzz_target;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    attachment::{
        CHUNK_LENGTH, FileKey, HEADER_LENGTH, Opener, SEALED_CHUNK_LENGTH, Segments, StreamOpener,
    },
    backup::{Place, PrivateKeys},
    changes::{Change, Changes, Table},
    content, direct,
    envelope::Envelope,
    export,
    identity::OwnDevice,
    inside::Inside,
    machine::Machine,
    passphrase::Cost,
    prekeys::{ClaimedPrekey, Kind, Prekey},
    primitives::kem,
    qr::{Mode, QrCode},
    ratchet::Ratchet,
    room_message::Context,
    sender_key::{Distribution, HeldChain, OwnChain, Provenance, Received},
    session::Sessions,
    store::{MemoryStore, Store as _},
};
use serde_json::{Value, json};
use world::{Device, GROUP, ROOM, THREE, World};

const NOW: i64 = 1_000_000_000_000;
const CONTEXT: Context<'static> =
    Context { room_id: ROOM, sender: "@alice:a.test", device_id: "ONE", audience: &[5; 32] };

/// What is genuine.
struct Genuine {
    envelopes: Vec<Vec<u8>>,
    /// Bob's sessions with Alice before he read the last of the envelopes.
    sessions: Sessions,
    alice: OwnDevice,
    bob: OwnDevice,
    prekey: Prekey,
    insides: Vec<Vec<u8>>,
    held: HeldChain,
    own: OwnChain,
    group: Vec<Vec<u8>>,
    direct: (Vec<u8>, direct::Wrap),
    ratchet: Vec<u8>,
    store: MemoryStore,
    event: Value,
    history: Vec<u8>,
    backup: PrivateKeys,
    file: Vec<u8>,
    exported: Vec<u8>,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let rng = &mut rng(1);
    let mut device = |user| OwnDevice::generate(user, "ONE", rng);
    let (alice, bob) = (device("@alice:a.test"), device("@bob:b.test"));
    let (prekey, object) = Prekey::generate(&bob, Kind::Fallback, rng).expect("a prekey");
    let claimed = ClaimedPrekey::verify(&bob.identity(), &prekey.id.name(), &object).expect("it");
    let begun =
        Sessions::default().begin(&alice, &bob.identity(), &claimed, 0, rng).expect("a session");
    let (first, begun) = begun.encrypt(b"first", 0, rng).expect("an envelope");
    let Ok(Envelope::Prekey(header, message)) = Envelope::from_bytes(&first) else { panic!() };
    let ratchet = message.clone();
    let (read, _) = Sessions::default()
        .accept(&bob, &alice.identity(), &prekey, &[], (&header, &message), 0)
        .expect("read");
    let (answer, sessions) = read.sessions.encrypt(b"", 0, rng).expect("an envelope");
    let answer_read = Envelope::from_bytes(&answer).expect("an envelope");
    let begun = begun.decrypt(&answer_read, 0).expect("read").expect("a session").sessions;
    let (second, _) = begun.encrypt(b"second", 0, rng).expect("an envelope");

    let own = OwnChain::begin(&alice, ROOM, 0, rng);
    let held = HeldChain::new(&own.distribution(), Provenance::Owner);
    let padded = content::pad(b"a letter").expect("padded");
    let mut chain = own.clone();
    let mut group = Vec::new();
    for _ in 0..3 {
        let (message, _, next) = chain.seal(CONTEXT.audience, &padded, rng).expect("sealed");
        chain = next;
        group.push(message);
    }
    let direct = direct::seal(&CONTEXT, &padded, rng).expect("sealed");
    let insides = [
        Inside::Empty,
        Inside::Wrap(direct.1.clone()),
        Inside::Distribution(Box::new(chain.distribution())),
        Inside::Distribution(Box::new(own.distribution())),
    ]
    .map(|inside| inside.to_bytes().expect("bytes").to_vec());
    let mut insides = insides.to_vec();
    // A removal, a question, a secret and a description, in the only encoding of each.
    let mut removal = vec![3, 0x81, 0x84, 0x61, b'u', 0x61, b'd', 0x58, 32];
    removal.extend(bob.ed25519.public().as_bytes());
    removal.extend([0x58, 64]);
    removal.extend([1; 64]);
    insides.push(removal);
    insides.push([&[4, 0x82, 0x61, b'r', 0x82, 0, 0x82, 0x50][..], &[1; 16], &[3]].concat());
    insides.push([&[4, 0x82, 0x61, b'r', 0x82, 1, 0x81, 0x58, 32][..], &[1; 32]].concat());
    insides.push([&[5, 0x82, 0x61, b'n', 0x58, 32][..], &[1; 32]].concat());
    insides.push(b"\x06{}".to_vec());

    let mut world = World::new();
    let (mut one, mut two) = world::pair(&mut world);
    world.room(GROUP, &THREE, &mut [&mut one, &mut two]);
    let event = world.send(&mut one, "hello").pop().expect("an event");
    world.settle(&mut [&mut one, &mut two]);
    world.text(&mut two, std::slice::from_ref(&event));
    let now = world.now;
    let history = one.run(now, |machine, now| machine.history(ROOM, now)).expect("a history");
    let (mut sealer, header) = FileKey::generate(&mut self::rng(4)).seal(b"room").expect("a file");
    let mut file = header.to_vec();
    file.extend(sealer.chunk(&[3; CHUNK_LENGTH]).expect("a chunk"));
    file.extend(sealer.last(b"the end").expect("a chunk"));
    let cost = Cost { memory: 8, passes: 1, lanes: 1 };
    let exported = export::seal("a passphrase", cost, &history, rng).expect("a file");
    Genuine {
        envelopes: vec![first, answer, second],
        sessions,
        alice,
        bob,
        prekey,
        insides,
        held,
        own,
        group,
        direct,
        ratchet,
        store: two.written.clone(),
        event,
        history: history.to_vec(),
        backup: PrivateKeys::generate(rng),
        file,
        exported,
    }
});

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    match input.byte() % 14 {
        0 => envelope(&mut input),
        1 => inside(&mut input),
        2 => distribution(&mut input),
        3 => group(&mut input),
        4 => direct_message(&mut input),
        5 => sessions(&mut input),
        6 => chains(&mut input),
        7 => changes(&mut input),
        8 | 9 => row(&mut input),
        10 => file(&mut input),
        11 => shared_keys(&mut input),
        12 => exported(&mut input),
        _ => code(&mut input),
    }
});

/// An envelope is read in a session, or as the first of one; a state that refuses one still reads the right ones.
fn envelope(input: &mut Input<'_>) {
    let Genuine { envelopes, sessions, alice, bob, prekey, .. } = &*GENUINE;
    let bytes = input.bytes(envelopes);
    let Ok(envelope) = Envelope::from_bytes(&bytes) else { return };
    assert_eq!(envelope.to_bytes(), bytes, "it has one encoding");
    let is_genuine = envelopes.contains(&bytes);
    match (sessions.decrypt(&envelope, 1), &envelope) {
        (Ok(Some(read)), _) => {
            assert!(is_genuine, "a forged message is read");
            assert!(read.sessions.count() <= 5);
        }
        // The owner of prekeys finds them by the id.
        (Ok(None), Envelope::Prekey(header, _)) if header.prekey != prekey.id => {}
        (Ok(None), Envelope::Prekey(header, message)) => {
            let first = (header, message.as_slice());
            let read = sessions.accept(bob, &alice.identity(), prekey, &[], first, 1);
            assert!(read.is_err() || is_genuine, "a forged handshake is accepted");
        }
        (Ok(None), Envelope::Message(..)) => panic!("of an unknown session there is no key"),
        (Err(_), _) => {}
    }
}

fn inside(input: &mut Input<'_>) {
    let bytes = input.bytes(&GENUINE.insides);
    let Ok(inside) = Inside::from_bytes(&bytes) else { return };
    assert_eq!(inside.to_bytes().as_deref().map(Vec::as_slice), Ok(bytes.as_slice()));
    if let Inside::Removals(removals) = inside {
        let key = GENUINE.alice.ed25519.public();
        assert!(removals.iter().all(|removal| removal.verify(&key).is_err()));
    }
}

fn distribution(input: &mut Input<'_>) {
    let of_chains: Vec<Vec<u8>> =
        GENUINE.insides[2..4].iter().map(|one| one[1..].to_vec()).collect();
    let bytes = input.bytes(&of_chains);
    let Ok(distribution) = Distribution::from_bytes(&bytes) else { return };
    assert_eq!(distribution.to_bytes().as_deref().map(Vec::as_slice), Ok(bytes.as_slice()));
    let held = HeldChain::new(&distribution, Provenance::Owner);
    let from = distribution.iteration();
    let _ = held.distribution(from.saturating_add(u32::from(input.byte())));
    if let Ok(learnt) = GENUINE.held.learn(&distribution, Provenance::Owner) {
        assert!(
            learnt.earliest() < GENUINE.held.earliest(),
            "nothing but an earlier key is learnt"
        );
    }
    for message in &GENUINE.group {
        let received = Received::from_bytes(message).expect("a message");
        let _ = held.open(&CONTEXT, &received);
    }
}

fn group(input: &mut Input<'_>) {
    let bytes = input.bytes(&GENUINE.group);
    let Ok(received) = Received::from_bytes(&bytes) else { return };
    let opened = GENUINE.held.open(&CONTEXT, &received);
    assert!(opened.is_err() || GENUINE.group.contains(&bytes), "a forged message is read");
}

fn direct_message(input: &mut Input<'_>) {
    let (message, wrap) = &GENUINE.direct;
    let bytes = input.bytes(std::slice::from_ref(message));
    let opened = direct::open(&CONTEXT, &bytes, wrap);
    assert!(opened.is_err() || bytes == *message);
    let _ = direct::id(&CONTEXT, &bytes);
    if let Ok(content) = content::unpad(&bytes) {
        assert_eq!(content::pad(content).as_deref().map(Vec::as_slice), Ok(bytes.as_slice()));
    }
}

/// Stored sessions go on working, whatever is in them.
fn sessions(input: &mut Input<'_>) {
    let stored = GENUINE.sessions.to_bytes().to_vec();
    let bytes = input.bytes(&[stored, GENUINE.ratchet.clone()]);
    let now = 1_000 * i64::from(input.byte());
    if let Ok(sessions) = Sessions::from_bytes(&bytes) {
        assert_eq!(*sessions.to_bytes(), bytes);
        let _ = (sessions.needs_session(now), sessions.owes_message(now), sessions.current_id());
        if let Ok((_, next)) = sessions.encrypt(b"on", now, &mut rng(2)) {
            for envelope in &GENUINE.envelopes {
                let _ = next.decrypt(&Envelope::from_bytes(envelope).expect("an envelope"), now);
            }
            let _ = next.forget_before(now, now).count();
        }
    }
    if let Ok(ratchet) = Ratchet::from_bytes(&bytes) {
        let _ = ratchet.encrypt(b"on", now, &mut rng(2));
        let _ = ratchet.decrypt(&GENUINE.ratchet, now);
    }
}

fn chains(input: &mut Input<'_>) {
    let stored = [GENUINE.own.to_bytes(), GENUINE.held.to_bytes()];
    let bytes = input.bytes(&stored.map(|bytes| bytes.expect("bytes").to_vec()));
    if let Ok(own) = OwnChain::from_bytes(&bytes) {
        assert_eq!(own.to_bytes().as_deref().map(Vec::as_slice), Ok(bytes.as_slice()));
        let _ = (own.is_spent(0), own.distribution().to_bytes().is_ok());
        let _ = own.seal(&[5; 32], &[0; 128], &mut rng(2));
    }
    if let Ok(held) = HeldChain::from_bytes(&bytes) {
        let _ = held.distribution(held.earliest().saturating_add(u32::from(input.byte())));
        for message in &GENUINE.group {
            let _ = held.open(&CONTEXT, &Received::from_bytes(message).expect("a message"));
        }
    }
}

fn changes(input: &mut Input<'_>) {
    let few = Changes(GENUINE.store.rows().0.into_iter().take(12).collect());
    let bytes = input.bytes(&[few.to_bytes().to_vec()]);
    let Ok(changes) = Changes::from_bytes(&bytes) else { return };
    assert_eq!(*changes.to_bytes(), bytes);
    let mut store = MemoryStore::default();
    store.apply(&changes);
    use_store(store);
}

/// One row of a store that works is another.
fn row(input: &mut Input<'_>) {
    let rows = GENUINE.store.rows().0;
    let at = input.below(rows.len());
    let before = rows[at].value.as_ref().map(|value| value.to_vec()).unwrap_or_default();
    let value = input.bytes(&[before]);
    let mut store = GENUINE.store.clone();
    let key = if input.byte() % 4 == 0 { input.take(64) } else { rows[at].key.clone() };
    let change = Change { table: rows[at].table, key, value: Some(value.into()) };
    store.apply(&Changes(vec![change]));
    use_store(store);
}

/// A device on a store.
fn device(store: MemoryStore) -> Option<Device> {
    Some(Device {
        machine: Machine::open(store.clone()).ok()?,
        written: store,
        rng: rng(3),
        user: "@bob:b.test".to_owned(),
        device: "ONE".to_owned(),
        identity: None,
    })
}

/// A machine on a damaged store says so, or works.
fn use_store(store: MemoryStore) {
    let Some(mut bob) = device(store) else { return };
    let at = NOW + 3_600_000;
    let _ = bob.run(at, |machine, now| machine.decrypt(ROOM, &GENUINE.event, now));
    let sync = json!({ "device_lists": { "changed": ["@alice:a.test"] },
        "device_one_time_keys_count": { "org.sealpost.pqxdh.v1": 40 },
        "to_device": { "events": [] } });
    let _ = bob.run(at, |machine, now| machine.push_sync(&sync, now));
    let _ = bob.run(at, |machine, now| machine.requests(now));
    let _ = bob.run(at, |machine, now| machine.prepare(ROOM, now));
    let content = json!({ "body": "x" });
    let _ =
        bob.run(at, |machine, now| machine.encrypt(ROOM, "m.room.message", &content, None, now));
    let member = json!({ "type": "m.room.member", "state_key": "@alice:a.test",
        "content": { "membership": "leave" } });
    let _ = bob.run(at, |machine, now| machine.push_state(ROOM, &[member], false, now));
    let _ = (bob.machine.user("@alice:a.test").is_ok(), bob.machine.room(ROOM).is_ok());
    let _ = bob.run(at, |machine, now| machine.history(ROOM, now));
}

fn file(input: &mut Input<'_>) {
    let key = FileKey::generate(&mut rng(4));
    let (sealer, header) = key.seal(b"room").expect("a file");
    let short = [&header[..], &sealer.last(&input.take(512)).expect("short")].concat();
    let genuine = [GENUINE.file.clone(), short];
    let file = input.bytes(&genuine);
    let mut segments = Segments::default();
    file.chunks(1 + input.below(5_000)).for_each(|piece| segments.update(piece));
    let (list, hash) = segments.finish();
    assert_eq!(list.len(), 32 * file.len().div_ceil(1 << 20));
    let is_opened = streamed(input, &key, &hash, &[list, file.clone()].concat()).is_some();
    assert!(!is_opened || genuine.contains(&file), "a forged file is opened");
    let Some((header, mut rest)) = file.split_first_chunk::<HEADER_LENGTH>() else { return };
    let Ok(mut opener) = Opener::new(key.as_bytes(), b"room", header) else { return };
    if input.byte() % 4 == 0 {
        opener.seek(u64::from(input.byte()) << (input.byte() % 56));
    }
    while let Some((sealed, later)) = rest.split_first_chunk::<SEALED_CHUNK_LENGTH>() {
        if opener.chunk(sealed).is_err() {
            return;
        }
        rest = later;
    }
    let _ = opener.last(rest);
}

/// A blob that comes in pieces, as a list of segments that is right tells of it.
fn streamed(input: &mut Input<'_>, key: &FileKey, hash: &[u8; 32], blob: &[u8]) -> Option<Vec<u8>> {
    let size =
        if input.byte() % 8 == 0 { u64::from(input.byte()) << 13 } else { blob.len() as u64 };
    let mut opener = StreamOpener::new(key.as_bytes(), hash, size, b"room").ok()?;
    let mut opened = Vec::new();
    for piece in blob.chunks(1 + input.below(70_000)) {
        opened.extend(opener.push(piece).ok()?);
    }
    opened.extend(opener.finish().ok()?);
    Some(opened)
}

/// A file of exported keys opens as it was sealed or not at all.
fn exported(input: &mut Input<'_>) {
    let Genuine { exported, .. } = &*GENUINE;
    let bytes = input.bytes(std::slice::from_ref(exported));
    // What it costs stands behind the name: memory and passes. More than a little takes too long here; more than is
    // allowed is refused before anything is derived.
    let number = |at: usize| {
        let number = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u64::from(u32::from_be_bytes(number)))
    };
    let work = number(22).zip(number(26)).map_or(0, |(memory, passes)| memory * passes);
    if (1_024..=4 * 256 * 1_024).contains(&work) {
        return;
    }
    let opened = export::open("a passphrase", &bytes);
    assert!(opened.is_err() || bytes == *exported, "a forged file is opened");
}

/// What a camera saw.
fn code(input: &mut Input<'_>) {
    let code = QrCode {
        mode: Mode::User,
        transaction_id: "a transaction".to_owned(),
        first: [1; 32],
        second: [2; 32],
        secret: vec![3; 16].into(),
    };
    let bytes = input.bytes(&[code.to_bytes().expect("a code")]);
    let Ok(code) = QrCode::from_bytes(&bytes) else { return };
    assert_eq!(code.to_bytes().as_deref(), Ok(bytes.as_slice()), "it has one form");
}

/// Keys of a history or a backup, from somebody who may write both.
fn shared_keys(input: &mut Input<'_>) {
    let Genuine { store, history, backup, .. } = &*GENUINE;
    let Some(mut bob) = device(store.clone()) else { return };
    let before = bob.written.len();
    let bytes = input.bytes(std::slice::from_ref(history));
    let taken = match input.byte() % 4 {
        how @ (0 | 1) => {
            let from = if how == 0 { "@bob:b.test" } else { "@eve:e.test" };
            bob.run(NOW, |machine, now| machine.take_history(from, ROOM, &bytes, now))
        }
        how => {
            // A row holds one of what a history lists.
            let first = [&[1][..], bytes.get(2..).unwrap_or_default()].concat();
            let plaintext = if how == 2 { first } else { input.take(1_024) };
            let place = Place { room_id: ROOM, session_id: "s", first_index: 0 };
            let row = backup.public().seal(&[5; 32], &place, &plaintext, &mut rng(6));
            let Ok(row) = row else { return };
            let keys = json!({ "rooms": { ROOM: { "sessions": { "s": row } } } });
            let (private, mac) = (backup.to_bytes(), [5; 32]);
            bob.run(NOW, |machine, now| machine.restore(&*private, Some(&mac), &keys, now))
        }
    };
    let count = taken.unwrap_or(0) as usize;
    assert!(bob.written.len() <= before + 3 * count, "rows for what was not taken");
    let _ = bob.run(NOW, |machine, now| machine.decrypt(ROOM, &GENUINE.event, now));
    let _ = kem::PublicKey::from_bytes(&bytes);
    let _ = Table::from_number(input.byte());
}
