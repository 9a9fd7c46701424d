//! What encryption costs, here and in vodozemac: `cargo xtask bench e2e`, natively and as wasm in Node. One thread,
//! messages of 1 KiB.

#[path = "cost/machine.rs"]
mod machine;
#[path = "../../tests/machine/world.rs"]
#[expect(dead_code, reason = "of the people of the tests, a part is wanted here")]
mod world;

use std::time::{Duration, Instant};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    Error, content,
    envelope::Envelope,
    identity::OwnDevice,
    inside::Inside,
    prekeys::{ClaimedPrekey, Kind, Prekey},
    room_message::Context,
    sender_key::{HeldChain, OwnChain, Provenance, Received},
    session::Sessions,
};

const MESSAGE: [u8; 1_000] = [b'x'; 1_000];
const ROUNDS: u32 = 300;

fn main() -> Result<(), Error> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut device = |user| OwnDevice::generate(user, "DEVICE", &mut rng);
    let (alice, bob) = (device("@alice:a.test"), device("@bob:b.test"));
    let rng = &mut ChaCha20Rng::seed_from_u64(2);

    let mut chain = OwnChain::begin(&alice, "!room:a.test", 0, rng);
    let mut held = HeldChain::new(&chain.distribution(), Provenance::Owner);
    let padded = content::pad(&MESSAGE)?;
    let mut sealed = Vec::new();
    measure("group, encrypt", ROUNDS, || {
        let (message, _, next) = chain.seal(&[0; 32], &padded, rng)?;
        chain = next;
        sealed.push(message);
        Ok(())
    })?;
    println!(
        "{:<32} {:>9} bytes more than the content",
        "group, message",
        overhead(&sealed, &padded)
    );
    let context = Context {
        room_id: "!room:a.test",
        sender: "@alice:a.test",
        device_id: "DEVICE",
        audience: &[0; 32],
    };
    let mut messages = sealed.iter();
    measure("group, decrypt", ROUNDS, || {
        let Some(message) = messages.next() else { return Err(Error::NoKey) };
        held = held.open(&context, &Received::from_bytes(message)?)?.1;
        Ok(())
    })?;

    let identities = (alice.identity(), bob.identity());
    let mut prekeys = Vec::new();
    measure("prekey, make", ROUNDS, || {
        prekeys.push(Prekey::generate(&bob, Kind::OneTime, rng)?);
        Ok(())
    })?;
    let (mut begun, mut firsts) = (Vec::new(), Vec::new());
    let mut claimed = prekeys.iter();
    measure("session, begin and first message", ROUNDS, || {
        let Some((prekey, object)) = claimed.next() else { return Err(Error::NoKey) };
        let claimed = ClaimedPrekey::verify(&identities.1, &prekey.id.name(), object)?;
        let sessions = Sessions::default().begin(&alice, &identities.1, &claimed, 0, rng)?;
        let (envelope, sessions) = sessions.encrypt(&MESSAGE, 0, rng)?;
        begun.push(sessions);
        firsts.push(envelope);
        Ok(())
    })?;
    let mut accepted = Vec::new();
    let mut arrived = prekeys.iter().zip(&firsts);
    measure("session, accept", ROUNDS, || {
        let Some(((prekey, _), envelope)) = arrived.next() else { return Err(Error::NoKey) };
        let Envelope::Prekey(header, message) = Envelope::from_bytes(envelope)? else {
            return Err(Error::Encoding);
        };
        let first = (&header, message.as_slice());
        let (read, _) = Sessions::default().accept(&bob, &identities.0, prekey, &[], first, 0)?;
        accepted.push(read.sessions);
        Ok(())
    })?;
    let (Some(mut one), Some(mut two)) = (begun.pop(), accepted.pop()) else {
        return Err(Error::NoKey);
    };
    let (answer, next) = two.encrypt(b"", 0, rng)?;
    two = next;
    one = one.decrypt(&Envelope::from_bytes(&answer)?, 0)?.ok_or(Error::NoKey)?.sessions;
    let mut envelopes = Vec::new();
    measure("direct, encrypt in a chain", ROUNDS, || {
        let (envelope, next) = one.encrypt(&MESSAGE, 0, rng)?;
        one = next;
        envelopes.push(envelope);
        Ok(())
    })?;
    println!(
        "{:<32} {:>9} bytes more than the content",
        "direct, envelope",
        overhead(&envelopes, &MESSAGE)
    );
    let mut arrived = envelopes.iter();
    measure("direct, decrypt in a chain", ROUNDS, || {
        let Some(envelope) = arrived.next() else { return Err(Error::NoKey) };
        two = two.decrypt(&Envelope::from_bytes(envelope)?, 0)?.ok_or(Error::NoKey)?.sessions;
        Ok(())
    })?;
    println!("{:<32} {:>9} bytes", "session, stored", two.to_bytes().len());
    println!("{:<32} {:>9} bytes", "chain, stored", held.to_bytes()?.len());
    distribute(&alice, rng)?;
    machine::run();
    vodozemac();
    Ok(())
}

/// A chain of keys for a thousand devices, with each of which there is a session.
fn distribute(alice: &OwnDevice, rng: &mut ChaCha20Rng) -> Result<(), Error> {
    let chain = OwnChain::begin(alice, "!room:a.test", 0, rng);
    let inside = Inside::Distribution(Box::new(chain.distribution())).to_bytes()?;
    let bob = OwnDevice { user_id: "@bob:b.test".to_owned(), ..alice.clone() };
    let mut sessions = Vec::new();
    for _ in 0..1_000 {
        let (prekey, object) = Prekey::generate(&bob, Kind::OneTime, rng)?;
        let claimed = ClaimedPrekey::verify(&bob.identity(), &prekey.id.name(), &object)?;
        sessions.push(Sessions::default().begin(alice, &bob.identity(), &claimed, 0, rng)?);
    }
    let (begun, mut bytes) = (Instant::now(), 0);
    for session in &mut sessions {
        let (envelope, next) = session.encrypt(&inside, 0, rng)?;
        *session = next;
        bytes += envelope.len();
    }
    let time = begun.elapsed().as_secs_f64() * 1e3;
    println!("{:<32} {time:>9.1} ms, {bytes} bytes", "distribution to 1,000 devices");
    Ok(())
}

/// The same of vodozemac: Megolm, and Olm with its handshake, which is not post-quantum.
fn vodozemac() {
    let config = vodozemac::megolm::SessionConfig::version_1();
    let mut group = vodozemac::megolm::GroupSession::new(config);
    let mut held = vodozemac::megolm::InboundGroupSession::new(&group.session_key(), config);
    let mut messages = Vec::new();
    time("vodozemac: group, encrypt", || messages.push(group.encrypt(MESSAGE)));
    let bytes = messages.last().map_or(0, |message| message.to_bytes().len());
    println!("{:<32} {:>9} bytes more than the content", "vodozemac: group", bytes - MESSAGE.len());
    let mut arrived = messages.iter();
    time("vodozemac: group, decrypt", || {
        arrived.next().is_some_and(|message| held.decrypt(message).is_ok())
    });
    let config = vodozemac::olm::SessionConfig::version_1();
    let (alice, mut bob) = (vodozemac::olm::Account::new(), vodozemac::olm::Account::new());
    let mut begun = Vec::new();
    bob.generate_one_time_keys(50);
    let keys: Vec<_> = bob.one_time_keys().into_values().collect();
    let mut left = keys.iter().cycle();
    time("vodozemac: session, begin", || {
        let session = left
            .next()
            .and_then(|key| alice.create_outbound_session(config, bob.curve25519_key(), *key).ok());
        if let Some(mut session) = session {
            let first = session.encrypt(MESSAGE);
            begun.push((session, first));
        }
    });
    let mut accepted = Vec::new();
    let mut arrived = begun.iter();
    let mut count = 0;
    time_of("vodozemac: session, accept", 50, || {
        if let Some((_, Ok(vodozemac::olm::OlmMessage::PreKey(message)))) = arrived.next()
            && let Ok(created) = bob.create_inbound_session(config, alice.curve25519_key(), message)
        {
            accepted.push(created.session);
            count += 1;
        }
    });
    if let (Some(mut two), Some((mut one, _))) = (accepted.pop(), begun.into_iter().nth(count - 1))
    {
        if let Ok(answer) = two.encrypt("") {
            let _ = one.decrypt(&answer);
        }
        let mut envelopes = Vec::new();
        time("vodozemac: direct, encrypt", || envelopes.extend(one.encrypt(MESSAGE)));
        let mut arrived = envelopes.iter();
        time("vodozemac: direct, decrypt", || arrived.next().map(|one| two.decrypt(one).is_ok()));
        let stored = serde_json::to_string(&two.pickle()).map_or(0, |text| text.len());
        println!("{:<32} {stored:>9} bytes of JSON", "vodozemac: session, stored");
    }
}

fn time<T>(what: &str, run: impl FnMut() -> T) {
    time_of(what, ROUNDS, run);
}

fn time_of<T>(what: &str, rounds: u32, mut run: impl FnMut() -> T) {
    let done = measure(what, rounds, || {
        run();
        Ok(())
    });
    debug_assert!(done.is_ok());
}

fn overhead(messages: &[Vec<u8>], content: &[u8]) -> usize {
    messages.last().map_or(0, Vec::len).saturating_sub(content.len())
}

fn measure(
    what: &str,
    rounds: u32,
    mut run: impl FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        run()?;
        times.push(begun.elapsed());
    }
    print(what, times);
    Ok(())
}

/// The median of single runs, which a busy machine disturbs least.
fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let median = times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64);
    println!("{what:<32} {:>9.1} µs", median * 1e6);
}
