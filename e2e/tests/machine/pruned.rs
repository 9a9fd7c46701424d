//! A store does not grow for ever.

use sealpost_e2e::{
    changes::{Change, Changes, Table},
    store::Store as _,
};
use serde_json::json;

use crate::world::{Device, World, three};

const DAY: i64 = 24 * 60 * 60 * 1_000;

fn rows(device: &Device, table: Table) -> usize {
    device.machine.store().rows().0.iter().filter(|row| row.table == table).count()
}

/// How many letters want to be sent.
fn letters(device: &mut Device, now: i64) -> usize {
    let requests = device.run(now, |machine, now| machine.requests(now)).unwrap();
    requests.iter().filter(|request| request.kind == "to_device").count()
}

#[test]
fn what_is_old_is_forgotten() {
    let mut world = World::new();
    let (mut alice, bob, carol) = three(&mut world);
    world.send(&mut alice, "hello");
    assert!(rows(&alice, Table::Given) > 0);
    let where_it_is = json!({ "url": "mxc://a.test/history" });
    alice
        .run(world.now, |machine, now| machine.share_history(&bob.user, &where_it_is, now))
        .unwrap();
    assert_eq!(letters(&mut alice, world.now + 29 * DAY), 1, "the server does not answer");
    assert_eq!(letters(&mut alice, world.now + 31 * DAY), 0);
    assert!(rows(&alice, Table::Given) > 0);
    let room = crate::world::ROOM.as_bytes();
    let new = [room, b"@bob:b.test", b"ONE", &[3; 36]].join(&0);
    let part = json!({ "at": world.now + 86 * DAY }).to_string();
    for (key, part) in [([room, &[3; 36]].join(&0), "{}"), (new, part.as_str())] {
        let head: &[u8] = if part.len() < 24 { &[0x60] } else { &[0x78, 0] };
        let mut value = [&[1][..], head, part.as_bytes()].concat();
        value[head.len()] |= part.len() as u8;
        alice.written.apply(&Changes(vec![Change {
            table: Table::Parts,
            key,
            value: Some(value.into()),
        }]));
    }
    alice.open(alice.written.clone());
    assert_eq!(rows(&alice, Table::Parts), 2);
    letters(&mut alice, world.now + 91 * DAY);
    assert_eq!(rows(&alice, Table::Parts), 1, "one of an earlier version is forgotten");
    letters(&mut alice, world.now + 94 * DAY);
    assert_eq!(rows(&alice, Table::Parts), 0);
    assert_eq!(rows(&alice, Table::Given), 0);
    alice.restart();
    drop(carol);
}
