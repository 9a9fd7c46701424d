//! Pins on other own devices and in the backup.
//!
//! A pin that comes from there replaces one of first sight: the server may have shown a new device another identity. It
//! does not replace what this device's person looked at later. The own identity is never pinned by it.

use super::{
    Work, check_id,
    rows::{Room, User},
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
                        let user_id = name(at)?;
                        if !self.is_own(&user_id) {
                            pins.users.push(PinnedUser { user_id, master, is_verified, looked_at });
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
            self.keep_removal(removal)?;
        }
        Ok(())
    }

    fn take_pinned_user(&mut self, pin: &PinnedUser) -> Result<(), Error> {
        let mut user = self.user(&pin.user_id)?;
        if user.pinned == Some(pin.master) {
            user.is_verified |= pin.is_verified;
            user.looked_at = user.looked_at.max(pin.looked_at);
        } else {
            let by_signature = user.is_verified && user.looked_at.is_none();
            let looked_at_later = user.looked_at.is_some() && user.looked_at >= pin.looked_at;
            if by_signature || looked_at_later {
                return Ok(());
            }
            user.pinned = Some(pin.master);
            (user.is_verified, user.looked_at) = (pin.is_verified, pin.looked_at);
        }
        self.tx.put(pin.user_id.as_bytes(), &user);
        Ok(())
    }
}
