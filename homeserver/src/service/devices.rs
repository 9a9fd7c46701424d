//! The devices of a user (client-server API, "Device Management").

use std::sync::Arc;

use super::{
    device_lists::{Changed, DeviceLists},
    sessions::{DISPLAY_NAME_LENGTH, Sessions},
};
use crate::{
    error::{Error, Result},
    storage::{Store, UserNid, devices},
};

pub use crate::storage::devices::Device;

/// A request deletes no more than this.
const MOST: usize = 1_000;

pub struct Devices {
    store: Store,
    sessions: Arc<Sessions>,
    device_lists: DeviceLists,
}

impl Devices {
    pub fn new(store: Store, sessions: Arc<Sessions>, device_lists: DeviceLists) -> Self {
        Self { store, sessions, device_lists }
    }

    pub async fn all(&self, user: UserNid) -> Result<Vec<Device>> {
        self.store.read(move |conn| devices::of_user(conn, user)).await
    }

    /// One device, or 404.
    pub async fn device(&self, user: UserNid, device_id: String) -> Result<Device> {
        let read = self.store.read(move |conn| devices::find(conn, user, &device_id));
        read.await?.ok_or_else(no_such_device)
    }

    /// Names a device; 404 if there is none.
    pub async fn set_display_name(
        &self,
        user: UserNid,
        device_id: String,
        name: Option<String>,
    ) -> Result<()> {
        let Some(name) = name else { return self.device(user, device_id).await.map(drop) };
        if name.len() > DISPLAY_NAME_LENGTH || name.contains('\0') {
            return Err(Error::invalid_param("The device's name is too long, or holds NUL"));
        }
        let lists = self.device_lists.clone();
        let write = self.store.write(move |tx| {
            if !devices::set_display_name(tx, user, &device_id, &name)? {
                return Err(no_such_device());
            }
            lists.changed(tx, user, &[Changed::Device(&device_id)])
        });
        write.await
    }

    /// Removes devices with all that belongs to them. Those that are gone already are none's loss.
    pub async fn delete(&self, user: UserNid, device_ids: Vec<String>) -> Result<()> {
        if device_ids.len() > MOST {
            return Err(Error::invalid_param("These are more than 1000 devices"));
        }
        let sessions = self.sessions.clone();
        let is_named = move |device_id: &str| device_ids.iter().any(|named| named == device_id);
        self.store.write(move |tx| sessions.remove_devices_that(tx, user, &is_named)).await
    }
}

fn no_such_device() -> Error {
    Error::not_found("You have no such device")
}
