//! Devices that are asleep ([MSC3814]): a user has one that messages are kept for while no other is there to get
//! them. Whoever can decrypt what it was put to sleep with wakes it, reads its messages and puts a new one to sleep.
//!
//! It is a device like others, with keys and messages, but nobody is logged in to it.
//!
//! [MSC3814]: https://github.com/matrix-org/matrix-spec-proposals/pull/3814

use std::sync::Arc;

use ruma::{
    OwnedDeviceId,
    api::client::{
        dehydrated_device::{DehydratedDeviceData, put_dehydrated_device::unstable::Request},
        keys::upload_keys,
    },
    events::AnyToDeviceEvent,
    serde::Raw,
};
use serde::Deserialize;

use super::{
    device_lists::DeviceLists,
    keys::upload,
    sessions::{NewDevice, Session, Sessions},
    timeline::Context,
};
use crate::{
    error::{Error, Result},
    storage::{
        Position, UserNid, current_position, dehydrated_devices as rows,
        devices::{self, Device},
        to_device,
    },
};

/// The most bytes of what wakes a device.
const DATA_LENGTH: usize = 256 * 1024;
/// An answer has no more messages than this.
const AT_ONCE: i64 = 100;

pub struct DehydratedDevices {
    context: Arc<Context>,
    sessions: Arc<Sessions>,
    device_lists: DeviceLists,
}

/// Messages to a device, and what to ask with for those behind them.
pub struct Messages {
    pub events: Vec<Raw<AnyToDeviceEvent>>,
    pub next_batch: String,
}

impl DehydratedDevices {
    pub fn new(context: Arc<Context>, sessions: Arc<Sessions>, device_lists: DeviceLists) -> Self {
        Self { context, sessions, device_lists }
    }

    /// Puts a device to sleep, with its keys, in the place of the one that was.
    pub async fn put(&self, caller: &Session, request: Request) -> Result<()> {
        let Request { device_id, initial_device_display_name, device_data, .. } = request;
        let new = NewDevice {
            device_id: Some(device_id.clone()),
            display_name: initial_device_display_name.clone(),
            refresh: false,
        };
        new.check()?;
        check_data(&device_data)?;
        let mut keys = upload_keys::v3::Request::new();
        keys.device_keys = Some(request.device_keys);
        keys.one_time_keys = request.one_time_keys;
        keys.fallback_keys = request.fallback_keys;
        let mut sleeper = Session::in_name_of(caller.user_nid, caller.user_id.clone());
        sleeper.device_id = device_id.clone();
        let keys = upload::prepare(&sleeper, keys)?;
        let user = caller.user_nid;
        let device = Device {
            user_nid: user,
            device_id: device_id.to_string(),
            display_name: initial_device_display_name,
            created_at: self.context.clock.now_ms(),
            last_seen_at: None,
            last_seen_ip: None,
        };
        let data = device_data.into_json();
        let (context, sessions) = (self.context.clone(), self.sessions.clone());
        let lists = self.device_lists.clone();
        let write = self.context.store.write(move |tx| {
            if let Some((before, _)) = rows::get(tx, user)? {
                sessions.remove_devices_that(tx, user, &|id| id == before)?;
            }
            if !devices::insert_if_absent(tx, &device)? {
                return Err(Error::invalid_param("You have a device of that id"));
            }
            let device_id = device.device_id.as_str();
            rows::insert(tx, user, device_id, data.get())?;
            // Its keys are new, so the lists are told.
            upload::write(tx, &context, &lists, (user, device_id), &keys)?;
            Ok(())
        });
        write.await
    }

    /// The device that is asleep, with what wakes it; 404 if there is none.
    pub async fn get(
        &self,
        caller: &Session,
    ) -> Result<(OwnedDeviceId, Raw<DehydratedDeviceData>)> {
        let user = caller.user_nid;
        let found = self.context.store.read(move |conn| rows::get(conn, user)).await?;
        let (device_id, data) = found.ok_or_else(none)?;
        let data = Raw::from_json_string(data)
            .map_err(|error| Error::internal(format!("a dehydrated device: {error}")))?;
        Ok((device_id.into(), data))
    }

    /// Removes the device that is asleep, with its messages; 404 if there is none.
    pub async fn delete(&self, caller: &Session) -> Result<OwnedDeviceId> {
        let (user, sessions) = (caller.user_nid, self.sessions.clone());
        let write = self.context.store.write(move |tx| {
            let (device_id, _) = rows::get(tx, user)?.ok_or_else(none)?;
            sessions.remove_devices_that(tx, user, &|id| id == device_id)?;
            Ok(device_id)
        });
        Ok(write.await?.into())
    }

    /// Messages to the device that is asleep. They stay: waking it may be interrupted.
    pub async fn events(
        &self,
        caller: &Session,
        device_id: OwnedDeviceId,
        since: Option<&str>,
    ) -> Result<Messages> {
        let since = since.map_or(Ok(Position(0)), parse)?;
        let user: UserNid = caller.user_nid;
        let read = self.context.store.read(move |conn| {
            let asleep = rows::get(conn, user)?;
            if asleep.is_none_or(|(asleep, _)| asleep != device_id.as_str()) {
                return Err(Error::forbidden("That is not your dehydrated device"));
            }
            let range = (since, current_position(conn)?);
            to_device::waiting(conn, (user, device_id.as_str()), range, AT_ONCE)
        });
        let rows = read.await?;
        let last = rows.last().map_or(since, |(position, _)| *position);
        let events = rows.into_iter().map(|(_, json)| Raw::from_json_string(json));
        let events = events
            .collect::<Result<_, _>>()
            .map_err(|error| Error::internal(format!("a message to a device: {error}")))?;
        Ok(Messages { events, next_batch: format!("d{last}") })
    }
}

fn check_data(data: &Raw<DehydratedDeviceData>) -> Result<()> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "algorithm")]
        _algorithm: String,
    }
    let json = data.json().get();
    if json.len() > DATA_LENGTH {
        return Err(Error::invalid_param("device_data is too long"));
    }
    let data: Result<Data, _> = serde_json::from_str(json);
    data.map(drop).map_err(|error| Error::bad_json(format!("device_data: {error}")))
}

fn parse(token: &str) -> Result<Position> {
    let position = token.strip_prefix('d').and_then(|position| position.parse().ok());
    position.map(Position).ok_or_else(|| Error::invalid_param("next_batch is not one of ours"))
}

fn none() -> Error {
    Error::not_found("You have no dehydrated device")
}
