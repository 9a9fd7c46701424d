//! What the devices of one user make of them together: whoever is there with one of them is there, however long another
//! lies idle.

use std::collections::BTreeMap;

use ruma::{DeviceId, OwnedDeviceId, presence::PresenceState};

use super::{IDLE_AFTER, OFFLINE_AFTER};

/// Those of which something was heard lately.
#[derive(Default)]
pub(super) struct Devices(BTreeMap<OwnedDeviceId, Device>);

struct Device {
    state: PresenceState,
    last_active: i64,
    /// How many syncs are running, and when the last one ended.
    syncing: usize,
    last_sync: i64,
}

impl Devices {
    /// The most there that one of them is.
    pub fn state(&self) -> PresenceState {
        let states = self.0.values().map(|device| &device.state);
        states.max_by_key(|state| rank(state)).cloned().unwrap_or(PresenceState::Offline)
    }

    /// One says what its user does. Who says so need not sync to be there for a while.
    pub fn say(&mut self, id: &DeviceId, state: PresenceState, now: i64) {
        let device = self.device(id, now);
        if state == PresenceState::Online {
            device.last_active = now;
        }
        (device.state, device.last_sync) = (state, now);
    }

    /// Something was done at one that a person does. Whether that tells anything: one that is offline, perhaps because
    /// it said so, stays it.
    pub fn act(&mut self, id: &DeviceId, now: i64) -> bool {
        let Some(device) = self.0.get_mut(id) else { return false };
        if device.state == PresenceState::Offline {
            return false;
        }
        (device.last_active, device.last_sync) = (now, now);
        device.state = PresenceState::Online;
        true
    }

    /// A sync begins at one, and says what that makes of its user.
    pub fn begin(&mut self, id: &DeviceId, state: &PresenceState, now: i64) {
        let device = self.device(id, now);
        device.syncing += 1;
        if device.state == PresenceState::Offline {
            device.last_active = now;
            device.state = state.clone();
        } else if *state == PresenceState::Unavailable {
            device.state = state.clone();
        }
    }

    /// A sync that began ended.
    pub fn end(&mut self, id: &DeviceId, now: i64) {
        if let Some(device) = self.0.get_mut(id) {
            device.syncing = device.syncing.saturating_sub(1);
            device.last_sync = now;
        }
    }

    pub fn let_time_pass(&mut self, now: i64) {
        self.0.retain(|_, device| device.syncing > 0 || now - device.last_sync <= OFFLINE_AFTER);
        for device in self.0.values_mut() {
            let is_idle = now - device.last_active > IDLE_AFTER;
            if device.state == PresenceState::Online && is_idle {
                device.state = PresenceState::Unavailable;
            }
        }
    }

    fn device(&mut self, id: &DeviceId, now: i64) -> &mut Device {
        self.0.entry(id.to_owned()).or_insert(Device {
            state: PresenceState::Offline,
            last_active: now,
            syncing: 0,
            last_sync: now,
        })
    }
}

fn rank(state: &PresenceState) -> u8 {
    match state {
        PresenceState::Online => 2,
        PresenceState::Unavailable => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use PresenceState::{Offline, Online, Unavailable};
    use ruma::device_id;

    use super::*;

    #[test]
    fn who_is_there_with_one_device_is_there_whatever_another_says_last() {
        let (desk, phone) = (device_id!("DESK"), device_id!("PHONE"));
        let mut devices = Devices::default();
        assert_eq!(devices.state(), Offline);
        devices.begin(desk, &Online, 0);
        devices.begin(phone, &Unavailable, 1);
        assert_eq!(devices.state(), Online);
        devices.say(phone, Unavailable, 2);
        devices.say(phone, Offline, 3);
        assert_eq!(devices.state(), Online);
        devices.say(desk, Unavailable, 4);
        assert_eq!(devices.state(), Unavailable);
        assert!(!devices.act(phone, 5), "it said to be offline");
        assert!(devices.act(desk, 5));
        assert_eq!(devices.state(), Online);
    }

    #[test]
    fn each_device_is_idle_and_forgotten_by_itself() {
        let (desk, phone) = (device_id!("DESK"), device_id!("PHONE"));
        let mut devices = Devices::default();
        devices.begin(desk, &Online, 0);
        devices.begin(phone, &Online, IDLE_AFTER);
        devices.let_time_pass(IDLE_AFTER + 1);
        assert_eq!(devices.state(), Online);
        devices.end(phone, IDLE_AFTER + 1);
        devices.let_time_pass(IDLE_AFTER + OFFLINE_AFTER + 2);
        assert_eq!(devices.state(), Unavailable, "of the one that still syncs");
        devices.end(desk, IDLE_AFTER + OFFLINE_AFTER + 2);
        devices.let_time_pass(IDLE_AFTER + 2 * OFFLINE_AFTER + 3);
        assert_eq!(devices.state(), Offline);
        assert!(devices.0.is_empty());
    }
}
