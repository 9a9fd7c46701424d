//! What somebody gets who stole a state, a server's records, or holds keys that were given to them.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    Error,
    attachment::{CHUNK_LENGTH, FileKey, HEADER_LENGTH, Opener, SEALED_CHUNK_LENGTH, Segments},
    changes::Table,
    direct,
    envelope::Envelope,
    identity::OwnDevice,
    inside::Inside,
    machine::Outcome,
    prekeys::{ClaimedPrekey, Kind, Prekey},
    room_message::Context,
    session::Sessions,
    signed_json::{key_from_base64, to_base64},
    store::Store as _,
};
use serde_json::{Value, json};

use crate::world::{DIRECT, Device, ROOM, World, letter, pair, three};

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// Two devices in the middle of a conversation.
struct Talk {
    rng: ChaCha20Rng,
    alice: OwnDevice,
    bob: OwnDevice,
    of_alice: Sessions,
    of_bob: Sessions,
}

impl Talk {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut device = |user| OwnDevice::generate(user, "ONE", &mut rng);
        let (alice, bob) = (device("@alice:a.test"), device("@bob:b.test"));
        let (of_alice, of_bob) = (Sessions::default(), Sessions::default());
        let mut talk = Self { rng, alice, bob, of_alice, of_bob };
        talk.begin();
        talk
    }

    /// Alice begins a session, and Bob answers in it.
    fn begin(&mut self) {
        let (prekey, object) = Prekey::generate(&self.bob, Kind::OneTime, &mut self.rng).unwrap();
        let bob = self.bob.identity();
        let claimed = ClaimedPrekey::verify(&bob, &prekey.id.name(), &object).unwrap();
        let begun = self.of_alice.begin(&self.alice, &bob, &claimed, 0, &mut self.rng).unwrap();
        let (envelope, begun) = begun.encrypt(b"first", 0, &mut self.rng).unwrap();
        let Envelope::Prekey(header, message) = Envelope::from_bytes(&envelope).unwrap() else {
            panic!()
        };
        let (alice, first) = (self.alice.identity(), (&header, message.as_slice()));
        let (read, _) = self.of_bob.accept(&self.bob, &alice, &prekey, &[], first, 0).unwrap();
        (self.of_alice, self.of_bob) = (begun, read.sessions);
        let answer = self.bob_writes("answer");
        self.alice_reads(&answer).unwrap();
    }

    fn alice_writes(&mut self, text: &str) -> Vec<u8> {
        let (envelope, next) = self.of_alice.encrypt(text.as_bytes(), 1, &mut self.rng).unwrap();
        self.of_alice = next;
        envelope
    }

    fn bob_writes(&mut self, text: &str) -> Vec<u8> {
        let (envelope, next) = self.of_bob.encrypt(text.as_bytes(), 1, &mut self.rng).unwrap();
        self.of_bob = next;
        envelope
    }

    fn alice_reads(&mut self, envelope: &[u8]) -> Result<Vec<u8>, Error> {
        let (text, next) = read(&self.of_alice, envelope)?;
        self.of_alice = next;
        Ok(text)
    }

    fn bob_reads(&mut self, envelope: &[u8]) -> Result<Vec<u8>, Error> {
        let (text, next) = read(&self.of_bob, envelope)?;
        self.of_bob = next;
        Ok(text)
    }
}

fn read(sessions: &Sessions, envelope: &[u8]) -> Result<(Vec<u8>, Sessions), Error> {
    let read = sessions.decrypt(&Envelope::from_bytes(envelope)?, 1)?.ok_or(Error::NoKey)?;
    Ok((read.plaintext.to_vec(), read.sessions))
}

/// A direct message of a sender's, whose key a device gives to another in a letter. Answers the event's content.
pub fn wrapped(world: &World, sender: &str, from: &mut Device, to: &mut Device) -> Value {
    let audience = [5; 32];
    let context = Context { room_id: ROOM, sender, device_id: "ONE", audience: &audience };
    let padded = sealpost_e2e::content::pad(br#"{"type":"m.room.message","content":{}}"#).unwrap();
    let (message, wrap) = direct::seal(&context, &padded, &mut from.rng).unwrap();
    let inside = Inside::Wrap(wrap).to_bytes().unwrap();
    let came = letter(from, to, &inside, world.now).unwrap();
    let sync = json!({ "to_device": { "events": [came] } });
    to.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    json!({ "algorithm": DIRECT, "device_id": "ONE",
        "audience": to_base64(&audience), "ciphertext": to_base64(&message) })
}

/// Where keys of chains begin in encoded rows: behind the first iteration.
pub fn chain_keys(rows: &[u8]) -> Vec<usize> {
    let places = rows.windows(3).enumerate().filter(|(_, window)| *window == [0, 0x58, 0x20]);
    places.map(|(at, _)| at + 3).collect()
}

#[test]
fn a_stolen_state_reads_neither_what_was_before_nor_what_comes_after_healing() {
    let mut talk = Talk::new();
    let before = talk.alice_writes("before the theft");
    talk.bob_reads(&before).unwrap();
    let stolen = Sessions::from_bytes(&talk.of_bob.to_bytes()).unwrap();
    assert!(read(&stolen, &before).is_err());
    // Until Bob turns, the thief reads as Bob does: that is what healing is for.
    let now = talk.alice_writes("while the thief is in");
    assert!(read(&stolen, &now).is_ok());
    talk.bob_reads(&now).unwrap();
    let turn = talk.bob_writes("with a key that the thief has not seen");
    talk.alice_reads(&turn).unwrap();
    let healed = talk.alice_writes("after healing");
    assert!(read(&stolen, &healed).is_err());
    assert_eq!(talk.bob_reads(&healed).unwrap(), b"after healing");
}

#[test]
fn a_thief_who_sends_in_an_old_session_does_not_lead_anybody_back_to_it() {
    let mut talk = Talk::new();
    let stolen = Sessions::from_bytes(&talk.of_bob.to_bytes()).unwrap();
    talk.begin();
    let current = talk.of_alice.current_id();
    let (forged, stolen) =
        stolen.encrypt(b"come back", 2, &mut ChaCha20Rng::seed_from_u64(9)).unwrap();
    talk.alice_reads(&forged).unwrap();
    assert_eq!(talk.of_alice.current_id(), current);
    let next = talk.alice_writes("in the new session");
    assert!(read(&stolen, &next).is_err());
    assert_eq!(talk.bob_reads(&next).unwrap(), b"in the new session");
}

#[test]
fn a_wrap_of_another_person_s_session_opens_nothing_under_a_forged_sender() {
    let mut world = World::new();
    let (alice, mut bob, mut carol) = three(&mut world);
    // Carol has a session with Bob, and her server writes Alice's name on the event.
    world.send(&mut carol, "hello");
    world.settle(&mut [&mut bob, &mut carol]);
    let content = wrapped(&world, &alice.user, &mut carol, &mut bob);
    let event = world.server.send(&alice.user, &content, world.now);
    assert_eq!(world.read(&mut bob, &event), Outcome::MissingKey, "Alice is asked");
}

#[test]
fn a_server_s_records_open_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let words = "the words that nobody else reads";
    let events = world.send(&mut alice, words);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.text(&mut bob, &events), words);
    let records = format!("{:?} {:?}", world.server.events, world.server.log);
    let raw = world.server.bytes_seen();
    assert!(!records.contains(words));
    let mut count = 0;
    for (_, row) in alice.written.scan(Table::Chains, b"") {
        for at in chain_keys(&row) {
            let key = &row[at..at + 32];
            assert!(!records.contains(&to_base64(key)));
            assert!(!raw.windows(32).any(|seen| seen == key), "a chain's key is on the server");
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn a_fallback_prekey_is_rotated_and_its_private_half_forgotten() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let at = ("@bob:b.test".to_owned(), "ONE".to_owned());
    let first = world.server.fallback[&at].0.clone();
    let id = sealpost_e2e::prekeys::KeyId::parse(&first).unwrap().0;
    world.now += 8 * DAY;
    world.settle(&mut [&mut alice, &mut bob]);
    assert_ne!(world.server.fallback[&at].0, first);
    assert!(bob.written.get(Table::Prekeys, &id).is_some(), "who claimed it may still write");
    world.now += 31 * DAY;
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(bob.written.get(Table::Prekeys, &id).is_none());
}

#[test]
fn a_bogus_shared_key_takes_no_owner_s_place_here_or_in_the_backup() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.server.lose = true;
    let events = world.send(&mut alice, "hello");
    world.server.lose = false;
    // Carol got the key another way, and shares it with other bytes in it.
    world.settle(&mut [&mut carol]);
    assert_eq!(world.read(&mut carol, &events[1]), Outcome::MissingKey);
    world.settle(&mut [&mut carol, &mut alice]);
    let history = carol.run(world.now, |machine, now| machine.history(ROOM, now)).unwrap();
    let mut bogus = history.to_vec();
    let places = chain_keys(&bogus);
    places.iter().for_each(|at| bogus[*at] ^= 1);
    assert!(!places.is_empty());
    bob.run(world.now, |machine, now| machine.take_history("@carol:c.test", ROOM, &bogus, now))
        .unwrap();
    assert_eq!(world.read(&mut bob, &events[1]), Outcome::MissingKey, "it opens nothing");
    assert!(bob.written.scan(Table::Unsaved, b"c").is_empty(), "and goes into no backup");
    // The owner's own key comes, and counts; the bogus one does not replace it.
    let now = world.now;
    let proven = alice.run(now, |machine, now| machine.history(ROOM, now)).unwrap();
    bob.run(now, |machine, now| machine.take_history("@bob:b.test", ROOM, &proven, now)).unwrap();
    assert_eq!(world.text(&mut bob, &events), "hello");
    assert!(!bob.written.scan(Table::Unsaved, b"c").is_empty());
    bob.run(now, |machine, now| machine.take_history("@carol:c.test", ROOM, &bogus, now)).unwrap();
    assert_eq!(world.text(&mut bob, &events), "hello");
}

#[test]
fn files_that_are_cut_reordered_extended_or_replaced_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let key = FileKey::generate(&mut rng);
    let (mut sealer, header) = key.seal(b"!room:a.test file").unwrap();
    let mut chunks: Vec<Vec<u8>> =
        (0..3).map(|at| sealer.chunk(&[at; CHUNK_LENGTH]).unwrap()).collect();
    chunks.push(sealer.last(b"the end").unwrap());
    let open = |chunks: &[Vec<u8>], context: &[u8]| -> Result<Vec<u8>, Error> {
        let header: &[u8; HEADER_LENGTH] = &header;
        let mut opener = Opener::new(key.as_bytes(), context, header)?;
        let (last, whole) = chunks.split_last().ok_or(Error::Encoding)?;
        let mut plaintext = Vec::new();
        for chunk in whole {
            let chunk: &[u8; SEALED_CHUNK_LENGTH] =
                chunk.as_slice().try_into().map_err(|_| Error::Encoding)?;
            plaintext.extend(opener.chunk(chunk)?);
        }
        plaintext.extend(opener.last(last)?);
        Ok(plaintext)
    };
    let context = b"!room:a.test file";
    assert_eq!(open(&chunks, context).unwrap().len(), 3 * CHUNK_LENGTH + 7);
    let changed = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut chunks = chunks.clone();
        change(&mut chunks);
        open(&chunks, context).is_err()
    };
    assert!(changed(|all| all.truncate(3)), "cut off after a chunk");
    assert!(changed(|all| all.last_mut().unwrap().truncate(10)), "cut off in one");
    assert!(changed(|all| all.swap(0, 1)), "reordered");
    assert!(changed(|all| all.insert(1, all[1].clone())), "extended");
    assert!(changed(|all| all[2][5] ^= 1), "changed");
    assert!(open(&chunks, b"!other:a.test file").is_err(), "in another room");
    // A reader has the key, and makes another file that opens: the segments that the event pins differ.
    let (sealer, _) = key.seal(context).unwrap();
    let segments = |bytes: &[u8]| {
        let mut segments = Segments::default();
        segments.update(bytes);
        segments.finish().1
    };
    assert_ne!(segments(&chunks.concat()), segments(&sealer.last(b"others").unwrap()));
}

#[test]
fn a_ghost_s_own_words_are_not_shown_and_a_device_that_comes_back_is_marked() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    let events = world.send(&mut phone, "from the phone");
    world.settle(&mut [&mut alice, &mut phone]);
    assert_eq!(world.text(&mut alice, &events), "from the phone");
    // The server forgets that anybody vouches for it, hides it, and lists it again.
    let listed = world.server.devices.get_mut("@bob:b.test").unwrap().remove("PHONE").unwrap();
    world.server.tell("@bob:b.test");
    world.settle(&mut [&mut alice]);
    world.server.devices.get_mut("@bob:b.test").unwrap().insert("PHONE".to_owned(), listed);
    world.server.tell("@bob:b.test");
    world.settle(&mut [&mut alice]);
    let view = alice.machine.user("@bob:b.test").unwrap();
    assert!(view.devices.iter().any(|one| one.device_id == "PHONE" && one.came_back));
    // A device that signed itself only: what it writes is not Bob's.
    let mut ghost = world.device("@bob:b.test", "GHOST", 3);
    let key = alice.machine.user("@bob:b.test").unwrap().pinned_key.unwrap();
    let master = key_from_base64(&key).unwrap();
    world.state(&mut ghost);
    world.settle(&mut [&mut ghost, &mut alice]);
    assert_eq!(world.seal(&mut ghost, "x").unwrap_err(), Error::Identity);
    ghost
        .run(world.now, |machine, now| machine.verify_identity("@bob:b.test", &master, now))
        .unwrap();
    assert_eq!(world.seal(&mut ghost, "x").unwrap_err(), Error::Identity, "nobody vouches for it");
}
