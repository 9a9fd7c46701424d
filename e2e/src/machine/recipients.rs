//! Who reads a message that is sealed now.
//!
//! ```text
//! joined (and invited, where history is visible to them) ∩ shown when it was written
//!   └─ identity pinned and unchanged        else: left out of a group; of a direct chat, or once verified: nothing is sent
//!        └─ devices that speak our algorithms, are vouched for, listed and not removed
//! ```

use super::{
    Work,
    rows::{Device, User},
};
use crate::{
    Error,
    audience::{self, Reader},
};

/// Who reads a message.
pub struct Recipients {
    /// Every device, own ones and this one included, sorted.
    pub readers: Vec<Reader>,
    /// People who cannot read it.
    pub left_out: Vec<String>,
    /// At most two people are in the room.
    pub is_direct: bool,
    /// The hash of the readers.
    pub audience: [u8; 32],
}

impl Work<'_> {
    pub(super) fn recipients(
        &mut self,
        room_id: &str,
        shown: Option<&[String]>,
    ) -> Result<Recipients, Error> {
        let room = self.room(room_id)?;
        if !room.is_pinned {
            return Err(Error::Unencrypted);
        }
        let own = self.user(&self.account.user_id)?;
        let this = own.device(&self.account.device_id).ok_or(Error::Store)?;
        let user_id = &self.account.user_id;
        if own.has_changed()
            || !own.vouches_for(this)
            || self.is_removed(user_id, &this.ed25519.0)?
        {
            return Err(Error::Identity);
        }
        let visibility = room.history_visibility.as_str();
        let invited_read = matches!(visibility, "" | "invited" | "shared" | "world_readable");
        let members = self.members(room_id)?;
        let is_in = |membership: &str| matches!(membership, "join" | "invite");
        let count = members.iter().filter(|(_, member)| is_in(&member.membership)).count();
        let mut recipients = Recipients {
            readers: Vec::new(),
            left_out: Vec::new(),
            is_direct: count <= 2,
            audience: [0; 32],
        };
        let mut is_ready = room.is_whole;
        for (user_id, member) in members {
            let reads =
                member.membership == "join" || (member.membership == "invite" && invited_read);
            let is_shown = shown.is_none_or(|shown| shown.contains(&user_id));
            if !reads || !(is_shown || self.is_own(&user_id)) {
                continue;
            }
            let user = self.user(&user_id)?;
            if user.is_outdated && self.now >= user.ask_after {
                is_ready = false;
                continue;
            }
            if user.has_changed() {
                if recipients.is_direct || user.is_verified || self.is_own(&user_id) {
                    return Err(Error::Identity);
                }
                recipients.left_out.push(user_id);
                continue;
            }
            let before = recipients.readers.len();
            for device in &user.devices {
                if self.is_entitled(&user_id, &user, device)?
                    && let Some(master) = user.pinned
                {
                    recipients.readers.push(Reader {
                        user_id: user_id.clone(),
                        master,
                        device_id: device.device_id.clone(),
                        ed25519: device.ed25519,
                        x25519: device.x25519,
                    });
                }
            }
            if recipients.readers.len() == before {
                recipients.left_out.push(user_id);
            }
        }
        if !is_ready {
            return Err(Error::NotReady);
        }
        audience::sort(&mut recipients.readers);
        recipients.audience = audience::hash(&recipients.readers);
        Ok(recipients)
    }

    /// Whether a device gets keys.
    pub(super) fn is_entitled(
        &self,
        user_id: &str,
        user: &User,
        device: &Device,
    ) -> Result<bool, Error> {
        Ok(device.is_ours
            && device.gone_at.is_none()
            && user.vouches_for(device)
            && !user.has_changed()
            && !self.is_removed(user_id, &device.ed25519.0)?)
    }

    /// Whether this is the device that is at work.
    pub(super) fn is_this(&self, user_id: &str, device_id: &str) -> bool {
        self.is_own(user_id) && self.account.device_id == device_id
    }

    /// All devices that get keys, of users who are tracked, but this one.
    pub(super) fn all_devices(&self) -> Result<Vec<(String, String)>, Error> {
        let mut devices = Vec::new();
        for (user_id, user) in self.tx.scan::<User>(&[])? {
            let user_id = String::from_utf8(user_id).map_err(|_| Error::Store)?;
            for device in user.devices.iter().filter(|_| user.is_tracked) {
                let is_this = self.is_this(&user_id, &device.device_id);
                if !is_this && self.is_entitled(&user_id, &user, device)? {
                    devices.push((user_id.clone(), device.device_id.clone()));
                }
            }
        }
        Ok(devices)
    }

    /// Whether everything is there to write in a room; wants what is not.
    pub(super) fn prepare(&mut self, room_id: &str) -> Result<bool, Error> {
        let recipients = match self.recipients(room_id, None) {
            Err(Error::NotReady) => return Ok(false),
            recipients => recipients?,
        };
        let mut is_ready = true;
        for reader in recipients.readers {
            let (user_id, device_id) = (&reader.user_id, &reader.device_id);
            if self.is_this(user_id, device_id) || self.has_session(user_id, device_id)? {
                continue;
            }
            let user = self.user(user_id)?;
            if user.device(device_id).is_some_and(|device| !self.was_claimed(device)) {
                self.wait_for_session(user_id, device_id, None)?;
                is_ready = false;
            }
        }
        Ok(is_ready)
    }

    pub(super) fn may_send_again(
        &mut self,
        room_id: &str,
        audience: &[u8; 32],
    ) -> Result<bool, Error> {
        let recipients = self.recipients(room_id, None)?;
        if recipients.audience == *audience {
            return Ok(true);
        }
        let readers = self.readers(room_id, audience)?;
        let is_here = |reader: &Reader| audience::is_in(&recipients.readers, reader);
        let may = readers.is_some_and(|readers| readers.iter().all(is_here));
        if !may {
            self.rotate(room_id)?;
        }
        Ok(may)
    }
}
