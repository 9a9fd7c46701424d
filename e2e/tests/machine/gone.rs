//! What devices said that are gone, on a device that never saw them.

use sealpost_e2e::{backup::MAC_SECRET, machine::Outcome};
use serde_json::Value;

use crate::{
    trust::backed_up,
    world::{Device, GROUP, ROOM, THREE, World, body, master_of, pair},
};

/// A talk of three people, and the backup of one of them.
struct Told {
    world: World,
    alice: Device,
    said: Vec<(Value, String)>,
    private: Vec<u8>,
    mac: [u8; 32],
    rows: Value,
}

impl Told {
    fn new() -> Self {
        let mut world = World::new();
        let (mut alice, mut bob) = pair(&mut world);
        let mut said = Vec::new();
        let mut say = |world: &mut World, from: &mut Device, to: &mut Device, text: &str| {
            let events = world.send(from, text);
            world.settle(&mut [&mut *from, &mut *to]);
            assert_eq!(world.text(to, &events), text);
            said.push((events.last().unwrap().clone(), text.to_owned()));
        };
        say(&mut world, &mut bob, &mut alice, "by Bob to her alone");
        say(&mut world, &mut alice, &mut bob, "by Alice to him alone");
        let mut carol = world.person("@carol:c.test");
        world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol]);
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        say(&mut world, &mut carol, &mut alice, "by Carol to all");
        say(&mut world, &mut alice, &mut carol, "by Alice to all");
        let private = alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
        let mac = alice.run(world.now, |machine, now| machine.secret(MAC_SECRET, now)).unwrap();
        let rows = backed_up(&mut world, &mut alice);
        Self { world, alice, said, private: private.to_vec(), mac: *mac, rows }
    }

    /// All of them log out.
    fn end(&mut self) {
        for user in ["@alice:a.test", "@bob:b.test", "@carol:c.test"] {
            self.world.server.devices.get_mut(user).unwrap().remove("ONE").unwrap();
            self.world.server.tell(user);
        }
    }

    /// A new device of Alice's.
    fn phone(&mut self) -> Device {
        let mut phone = self.world.second(&self.alice, "PHONE");
        self.world.state(&mut phone);
        self.world.settle(&mut [&mut phone]);
        phone
    }

    fn restore(&self, phone: &mut Device, mac: Option<&[u8; 32]>) {
        let restore = phone.run(self.world.now, |machine, now| {
            machine.restore(&self.private, mac, &self.rows, now)
        });
        assert!(restore.unwrap() >= 4);
    }

    /// Who said what can be read, and what became of the rest.
    fn read(&mut self, phone: &mut Device) -> Vec<Result<String, Outcome>> {
        let world = &mut self.world;
        let read = |(event, _): &(Value, String)| match world.read(phone, event) {
            Outcome::Read(read) => {
                assert!(read.sender.is_proven);
                Ok(body(&read))
            }
            other => Err(other),
        };
        self.said.iter().map(read).collect()
    }
}

#[test]
fn what_was_vouched_for_is_read_with_the_backup_when_its_devices_are_gone() {
    let mut told = Told::new();
    told.end();
    let mut phone = told.phone();
    let (mac, before) = (told.mac, told.read(&mut phone));
    assert!(before.iter().all(|one| *one == Err(Outcome::MissingKey)), "{before:?}");
    told.restore(&mut phone, Some(&mac));
    let texts: Vec<_> = told.said.iter().map(|(_, text)| Ok(text.clone())).collect();
    assert_eq!(told.read(&mut phone), texts);
    // It writes what it has been told so to a backup of its own.
    phone.run(told.world.now, |machine, now| machine.create_backup(now)).unwrap();
    phone.restart();
    assert_eq!(told.read(&mut phone), texts);
}

/// A backup that anybody could have written, and history that another shares, vouch for nobody.
#[test]
fn nobody_but_an_own_device_says_that_a_device_was_vouched_for() {
    let mut told = Told::new();
    told.end();
    let mut phone = told.phone();
    told.restore(&mut phone, None);
    let history =
        told.alice.run(told.world.now, |machine, now| machine.history(ROOM, now)).unwrap();
    phone
        .run(told.world.now, |machine, now| {
            machine.take_history("@carol:c.test", ROOM, &history, now)
        })
        .unwrap();
    let read = told.read(&mut phone);
    assert!(read.iter().all(|one| *one == Err(Outcome::NotVouchedFor)), "{read:?}");
}

#[test]
fn what_an_identity_vouched_for_is_not_believed_once_another_is() {
    let mut told = Told::new();
    told.end();
    let mut other = told.world.device("@bob:b.test", "TWO", 4);
    other.run(told.world.now, |machine, now| machine.bootstrap(now)).unwrap();
    told.world.flush(&mut other);
    let mut phone = told.phone();
    let mac = told.mac;
    told.restore(&mut phone, Some(&mac));
    // The pin that came with the backup is the identity that said it.
    let read = told.read(&mut phone);
    assert!(read.iter().all(Result::is_ok), "{read:?}");
    let master = master_of(&phone, "@bob:b.test");
    phone
        .run(told.world.now, |machine, now| machine.accept_identity("@bob:b.test", &master, now))
        .unwrap();
    let read = told.read(&mut phone);
    assert_eq!(read[0], Err(Outcome::NotVouchedFor));
    assert!(read[1..].iter().all(Result::is_ok), "{read:?}");
}
