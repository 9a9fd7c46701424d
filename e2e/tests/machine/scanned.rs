//! Verification by QR code.

use sealpost_e2e::{Error, machine::VerificationView, qr::QrCode};
use serde_json::json;

use crate::world::{Device, World, agreed, pair};

fn view(device: &Device, id: &str) -> VerificationView {
    device.machine.verification(id).unwrap()
}

fn show(world: &World, device: &mut Device, id: &str) -> Vec<u8> {
    device.run(world.now, |machine, now| machine.show_qr(id, now)).unwrap()
}

fn scan(world: &World, device: &mut Device, code: &[u8]) -> Result<String, Error> {
    device.run(world.now, |machine, now| machine.scan_qr(code, now))
}

fn confirm(world: &World, device: &mut Device, id: &str) -> Result<(), Error> {
    device.run(world.now, |machine, now| machine.confirm_scanned(id, now))
}

/// A verification of two devices that are both ready; the second one has a camera.
fn ready(world: &mut World, one: &mut Device, two: &mut Device) -> String {
    two.machine.set_can_scan(true);
    let id = agreed(world, one, two);
    let (one, two) = (view(one, &id), view(two, &id));
    assert_eq!((one.state, one.may_show_qr, one.may_scan_qr), ("ready", true, false));
    assert_eq!((two.state, two.may_show_qr, two.may_scan_qr), ("ready", false, true));
    assert!(one.may_start_sas && two.may_start_sas);
    id
}

fn is_verified(device: &Device, user: &str) -> bool {
    device.machine.user(user).unwrap().is_verified
}

#[test]
fn two_people_verify_each_other_by_one_scan() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let id = ready(&mut world, &mut alice, &mut bob);
    assert_eq!(confirm(&world, &mut alice, &id), Err(Error::Order));
    let code = show(&world, &mut alice, &id);
    assert_eq!(show(&world, &mut alice, &id), code, "shown again, it is the same");
    assert_eq!(&code[..8], b"MATRIX\x02\x00");
    assert_eq!(scan(&world, &mut bob, &code).as_ref(), Ok(&id));
    assert!(is_verified(&bob, "@alice:a.test") && !is_verified(&alice, "@bob:b.test"));
    world.settle(&mut [&mut bob, &mut alice]);
    assert_eq!((view(&alice, &id).state, view(&bob, &id).state), ("scanned", "confirmed"));
    assert!(!is_verified(&alice, "@bob:b.test"), "only the person can say so");
    confirm(&world, &mut alice, &id).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!((view(&alice, &id).state, view(&bob, &id).state), ("done", "done"));
    assert!(is_verified(&alice, "@bob:b.test"));
    assert_eq!(scan(&world, &mut bob, &code), Err(Error::Unknown), "it is over");
}

#[test]
fn a_new_device_is_vouched_for_whichever_of_the_two_shows() {
    for new_shows in [true, false] {
        let mut world = World::new();
        let (mut alice, mut bob) = pair(&mut world);
        let mut phone = world.device("@alice:a.test", "PHONE", 5);
        world.state(&mut phone);
        world.settle(&mut [&mut alice, &mut bob, &mut phone]);
        let (shows, scans) =
            if new_shows { (&mut phone, &mut alice) } else { (&mut alice, &mut phone) };
        let id = ready(&mut world, shows, scans);
        let code = show(&world, shows, &id);
        assert_eq!(code[7], if new_shows { 2 } else { 1 });
        scan(&world, scans, &code).unwrap();
        world.settle(&mut [scans, shows]);
        confirm(&world, shows, &id).unwrap();
        world.settle(&mut [shows, scans]);
        assert_eq!((view(shows, &id).state, view(scans, &id).state), ("done", "done"));
        world.settle(&mut [&mut alice, &mut phone, &mut bob]);
        let events = world.send(&mut phone, "from the phone");
        for reader in [&mut alice, &mut bob] {
            assert_eq!(world.text(reader, &events), "from the phone");
        }
    }
}

#[test]
fn a_code_with_other_keys_or_secrets_verifies_nobody() {
    for (at, is_scanned) in [(0, false), (1, false), (2, true)] {
        let mut world = World::new();
        let (mut alice, mut bob) = pair(&mut world);
        let id = ready(&mut world, &mut alice, &mut bob);
        let mut code = QrCode::from_bytes(&show(&world, &mut alice, &id)).unwrap();
        match at {
            // What a server would put there: an identity of its own for either.
            0 => code.first = bob.machine.identity().ed25519.as_bytes().to_owned(),
            1 => std::mem::swap(&mut code.first, &mut code.second),
            _ => code.secret[0] ^= 1,
        }
        scan(&world, &mut bob, &code.to_bytes().unwrap()).unwrap();
        world.settle(&mut [&mut bob, &mut alice]);
        for side in [&alice, &bob] {
            let view = view(side, &id);
            assert_eq!((view.state, view.code.as_deref()), ("cancelled", Some("m.key_mismatch")));
        }
        assert_eq!(is_verified(&bob, "@alice:a.test"), is_scanned);
        assert!(!is_verified(&alice, "@bob:b.test"));
        assert_eq!(confirm(&world, &mut alice, &id), Err(Error::Unknown));
    }
}

#[test]
fn a_start_without_a_scan_is_no_confirmation() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let id = ready(&mut world, &mut alice, &mut bob);
    // Nothing was shown: there is no secret that would be right.
    let start = |secret: &str| {
        json!({ "type": "m.key.verification.start", "sender": "@bob:b.test", "content": {
            "transaction_id": id, "from_device": "ONE", "method": "m.reciprocate.v1",
            "secret": secret,
        } })
    };
    let sync = json!({ "to_device": { "events": [start("")] } });
    alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    assert_eq!(view(&alice, &id).state, "cancelled");
    let id = ready(&mut world, &mut alice, &mut bob);
    show(&world, &mut alice, &id);
    // A code for others, or the same one for a verification of another kind, is none.
    let (mut phone, other) = (world.second(&alice, "PHONE"), world.person("@eve:e.test"));
    world.settle(&mut [&mut alice, &mut phone, &mut bob]);
    let own = ready(&mut world, &mut alice, &mut phone);
    let mut code = QrCode::from_bytes(&show(&world, &mut alice, &own)).unwrap();
    code.transaction_id = id.clone();
    scan(&world, &mut bob, &code.to_bytes().unwrap()).unwrap();
    assert_eq!(view(&bob, &id).code.as_deref(), Some("m.key_mismatch"));
    assert!(!is_verified(&bob, "@alice:a.test"));
    drop(other);
}
