//! What a device publishes so that others can write to it: refilled, rotated, made again, forgotten, each in its time.

use sealpost_e2e::{changes::Table, machine::OutgoingRequest};
use serde_json::{Value, json};

use crate::world::{Device, ROOM, World, pair};

const DAY: i64 = 86_400_000;
const PQXDH: &str = "org.sealpost.pqxdh.v1";

/// The upload that a device wants to be sent.
fn upload(device: &mut Device, now: i64) -> Option<OutgoingRequest> {
    let requests = device.run(now, |machine, now| machine.requests(now)).unwrap();
    requests.into_iter().find(|request| request.kind == "keys_upload")
}

/// How many one-time objects and fallbacks an upload brings, and whether the device's keys.
fn brings(upload: &OutgoingRequest) -> (usize, usize, bool) {
    let count =
        |kind: &str| upload.body.get(kind).and_then(Value::as_object).map_or(0, |o| o.len());
    (count("one_time_keys"), count("fallback_keys"), upload.body.get("device_keys").is_some())
}

/// How many private halves it keeps.
fn prekeys(device: &Device) -> usize {
    let rows = device.machine.store().rows();
    rows.0.iter().filter(|row| row.table == Table::Prekeys).count()
}

fn taken(device: &mut Device, upload: &OutgoingRequest, now: i64) {
    let answer = json!({ "one_time_key_counts": { PQXDH: 50 } });
    device.run(now, |machine, now| machine.mark_sent(upload.id, &answer, now)).unwrap();
}

fn synced(device: &mut Device, counts: &Value, unused: &[&str], now: i64) {
    let sync = json!({
        "device_one_time_keys_count": counts, "device_unused_fallback_key_types": unused,
    });
    device.run(now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    // What it said is kept.
    device.restart();
}

#[test]
fn one_time_objects_are_refilled_below_twenty_five() {
    let mut world = World::new();
    let mut alice = world.device("@alice:a.test", "ONE", 7);
    let first: Value = serde_json::from_str(&world.server.log[0]).unwrap();
    assert_eq!(first["one_time_keys"].as_object().unwrap().len(), 50);
    assert_eq!(first["fallback_keys"].as_object().unwrap().len(), 1);
    let now = world.now;
    for (count, made) in [(25, None), (24, Some(26)), (49, None), (1, Some(49))] {
        synced(&mut alice, &json!({ PQXDH: count, "other": 0 }), &[PQXDH], now);
        let upload = upload(&mut alice, now);
        assert_eq!(upload.as_ref().map(brings), made.map(|made| (made, 0, false)), "{count}");
        if let Some(upload) = upload {
            taken(&mut alice, &upload, now);
        }
    }
    // Where the algorithm is left out there are none; where nothing is said, nothing is known.
    synced(&mut alice, &json!({}), &[PQXDH], now);
    let again = upload(&mut alice, now).unwrap();
    assert_eq!(brings(&again), (50, 0, false));
    taken(&mut alice, &again, now);
    synced(&mut alice, &Value::Null, &[PQXDH], now);
    assert!(upload(&mut alice, now).is_none());
}

#[test]
fn a_fallback_is_followed_after_a_week_or_when_it_was_used_after_a_day() {
    let mut world = World::new();
    let mut alice = world.device("@alice:a.test", "ONE", 7);
    let mut now = world.now;
    for (unused, after) in
        [(&[PQXDH][..], 7 * DAY), (&[], DAY), (&["other"], DAY), (&[PQXDH], 7 * DAY)]
    {
        synced(&mut alice, &Value::Null, unused, now);
        assert!(upload(&mut alice, now + after - 1).is_none(), "{unused:?}");
        now += after;
        let next = upload(&mut alice, now).unwrap();
        assert_eq!(brings(&next), (0, 1, false), "{unused:?}");
        assert!(next.body["fallback_keys"].to_string().contains("\"fallback\":true"));
        taken(&mut alice, &next, now);
        assert!(upload(&mut alice, now).is_none());
    }
}

#[test]
fn a_refused_upload_is_made_again_after_a_minute_under_other_ids() {
    let mut world = World::new();
    let mut alice = world.device("@alice:a.test", "ONE", 7);
    let now = world.now;
    synced(&mut alice, &json!({}), &[PQXDH], now);
    let before = prekeys(&alice);
    let refused = upload(&mut alice, now).unwrap();
    assert_eq!(prekeys(&alice), before + 50);
    // What may pass is sent again as it is.
    alice.run(now, |machine, now| machine.mark_refused(refused.id, 429, now)).unwrap();
    assert_eq!(upload(&mut alice, now).unwrap().body, refused.body);
    alice.run(now, |machine, now| machine.mark_refused(refused.id, 400, now)).unwrap();
    assert_eq!(prekeys(&alice), before, "what nobody got is forgotten");
    assert!(upload(&mut alice, now + 59_999).is_none());
    let again = upload(&mut alice, now + 60_000).unwrap();
    assert_eq!(brings(&again), (50, 0, false));
    let names = |upload: &OutgoingRequest| -> Vec<String> {
        upload.body["one_time_keys"].as_object().unwrap().keys().cloned().collect()
    };
    assert!(names(&again).iter().all(|name| !names(&refused).contains(name)));
}

/// Two hundred that were handed out long ago, and those that are published.
#[test]
fn of_the_private_halves_the_newest_are_kept() {
    let mut world = World::new();
    let mut alice = world.device("@alice:a.test", "ONE", 7);
    for round in 1..8 {
        let now = world.now + round;
        synced(&mut alice, &json!({}), &[PQXDH], now);
        let upload = upload(&mut alice, now).unwrap();
        taken(&mut alice, &upload, now);
    }
    // Looked at before each upload: 250, the 50 that follow, and the fallback.
    assert_eq!(prekeys(&alice), 301);
    let former = |device: &mut Device, now: i64| {
        if let Some(upload) = upload(device, now) {
            taken(device, &upload, now);
        }
        prekeys(device)
    };
    let week = world.now + 7 * DAY;
    assert_eq!(former(&mut alice, week), 252, "a fallback and its former one");
    // The next ones come before the first is thirty days gone.
    synced(&mut alice, &json!({ PQXDH: 50 }), &[PQXDH], week);
    assert_eq!(former(&mut alice, week + 30 * DAY - 1), 253);
    // They are looked through once a day, some in each call.
    former(&mut alice, week + 31 * DAY);
    former(&mut alice, week + 31 * DAY);
    assert_eq!(former(&mut alice, week + 31 * DAY), 252);
}

/// Whether uploads are answered or not.
#[test]
fn a_former_fallback_is_forgotten_after_thirty_days_or_sixty_while_something_is_to_be_fetched() {
    for (has_gap, kept) in [(false, 30), (true, 60)] {
        let mut world = World::new();
        let (mut alice, _bob) = pair(&mut world);
        let week = world.now + 7 * DAY;
        synced(&mut alice, &json!({ PQXDH: 50 }), &[PQXDH], week);
        let next = upload(&mut alice, week).unwrap();
        taken(&mut alice, &next, week);
        alice.run(week, |machine, now| machine.set_gap(ROOM, has_gap, now)).unwrap();
        let before = prekeys(&alice);
        let waits = upload(&mut alice, week + 7 * DAY).unwrap();
        // It is not answered, and is repeated.
        upload(&mut alice, week + (kept - 1) * DAY);
        assert_eq!(prekeys(&alice), before + 1);
        assert_eq!(upload(&mut alice, week + (kept + 1) * DAY).unwrap(), waits);
        assert_eq!(prekeys(&alice), before, "{has_gap}");
        alice.restart();
    }
}
