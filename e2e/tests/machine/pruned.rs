//! A store does not grow for ever.

use sealpost_e2e::changes::Table;
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
    letters(&mut alice, world.now + 91 * DAY);
    assert_eq!(rows(&alice, Table::Given), 0);
    alice.restart();
    drop(carol);
}
