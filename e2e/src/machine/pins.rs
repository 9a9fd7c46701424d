//! Pins on other own devices and in the backup.
//!
//! A pin that comes from there replaces one of first sight: the server may have shown a new device another identity. It
//! does not replace what this device's person looked at later. The own identity is never pinned by it.

use super::{
    Work, check_id,
    rows::{Room, User, remember},
};
use crate::{
    Error,
    identity::Removal,
    inside::Inside,
    pins::{PinnedUser, Pins},
};

/// Kinds of pins, in front of a user, a room or a device's key: as [`super::rows::Unsaved`] has them.
pub const USER: u8 = b'p';
pub const ROOM: u8 = b'r';
pub const REMOVAL: u8 = b'x';
/// How many pins one letter has.
const LETTER_MAX: usize = 30;

impl Work<'_> {
    /// Where all pins are.
    pub(super) fn pin_places(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut places = Vec::new();
        let mut place = |kind: u8, at: &[u8]| places.push([&[kind], at].concat());
        for (user_id, user) in self.tx.scan::<User>(&[])? {
            if user.pinned.is_some() && self.account.user_id.as_bytes() != user_id {
                place(USER, &user_id);
            }
        }
        for (room_id, room) in self.tx.scan::<Room>(&[])? {
            if room.is_pinned {
                place(ROOM, &room_id);
            }
        }
        for (key, _) in self.tx.scan::<Removal>(&[])? {
            place(REMOVAL, &key);
        }
        Ok(places)
    }

    /// The pins at some places.
    pub(super) fn pins(&self, places: &[Vec<u8>]) -> Result<Pins, Error> {
        let mut pins = Pins::default();
        let name = |at: &[u8]| String::from_utf8(at.to_vec()).map_err(|_| Error::Store);
        for place in places {
            match place.split_first() {
                Some((&USER, at)) => {
                    if let Some(user) = self.tx.get::<User>(at)?
                        && let Some(master) = user.pinned
                    {
                        let (is_verified, looked_at) = (user.is_verified, user.looked_at);
                        let (user_id, replaced) = (name(at)?, user.replaced);
                        if !self.is_own(&user_id) {
                            pins.users.push(PinnedUser {
                                user_id,
                                master,
                                is_verified,
                                looked_at,
                                replaced,
                            });
                        }
                    }
                }
                Some((&ROOM, at)) => pins.rooms.push(name(at)?),
                Some((&REMOVAL, at)) => pins.removals.extend(self.tx.get::<Removal>(at)?),
                _ => {}
            }
        }
        Ok(pins)
    }

    pub(super) fn share_pins(&mut self, device_id: &str) -> Result<(), Error> {
        let own = self.account.user_id.clone();
        self.entitled_own(device_id)?;
        for places in self.pin_places()?.chunks(LETTER_MAX) {
            let pins = self.pins(places)?;
            self.send_inside(&own, device_id, &Inside::Pins(pins))?;
        }
        Ok(())
    }

    /// Takes in pins of an own device.
    pub(super) fn take_pins(&mut self, pins: &Pins) -> Result<(), Error> {
        for pin in &pins.users {
            if check_id(&pin.user_id).is_ok() && !self.is_own(&pin.user_id) {
                self.take_pinned_user(pin)?;
            }
        }
        for room_id in &pins.rooms {
            if check_id(room_id).is_ok() {
                self.pin(room_id)?;
            }
        }
        for removal in &pins.removals {
            // What cannot be checked yet waits with its user.
            if check_id(&removal.user_id).is_ok() {
                let user = self.user(&removal.user_id)?;
                self.tx.put(removal.user_id.as_bytes(), &user);
            }
        }
        self.take_removals(&pins.removals)
    }

    fn take_pinned_user(&mut self, pin: &PinnedUser) -> Result<(), Error> {
        let mut user = self.user(&pin.user_id)?;
        // No later than now: nobody's word counts for ever.
        let looked_at = pin.looked_at.map(|at| at.min(self.now));
        let mut has_changed = false;
        let replaced = pin.replaced.as_deref().unwrap_or_default();
        if user.pinned == Some(pin.master) {
            user.is_verified |= pin.is_verified;
            user.looked_at = user.looked_at.max(looked_at);
        } else {
            let is_later = user.pinned.is_some_and(|pinned| replaced.contains(&pinned));
            let is_earlier = user.was_replaced(&pin.master);
            let by_signature = user.is_verified && user.looked_at.is_none();
            let looked_at_later = user.looked_at.is_some() && user.looked_at >= looked_at;
            // Each replaced the other's: what was looked at later counts.
            let keeps =
                if is_later == is_earlier { by_signature || looked_at_later } else { is_earlier };
            if keeps {
                return Ok(());
            }
            has_changed = user.believe(pin.master, looked_at.unwrap_or(self.now));
            (user.is_verified, user.looked_at) = (pin.is_verified, looked_at);
        }
        user.stranger_since = None;
        for one in replaced {
            if *one != pin.master {
                remember(&mut user.replaced, *one);
            }
        }
        self.tx.put(pin.user_id.as_bytes(), &user);
        if has_changed { self.outdate(&pin.user_id) } else { Ok(()) }
    }
}
