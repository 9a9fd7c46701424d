//! `ruma::api::client::device`: the caller's devices.

use ruma::{
    MilliSecondsSinceUnixEpoch, UInt,
    api::client::device::{
        Device, delete_device::v3 as delete_device_v3, delete_devices::v3 as delete_devices_v3,
        get_device::v3 as get_device_v3, get_devices::v3 as get_devices_v3,
        update_device::v3 as update_device_v3,
    },
};

use super::uiaa::confirm;
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
    service::devices::Device as DeviceRow,
};

/// `GET /_matrix/client/v3/devices`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devices))
pub async fn get_devices(
    ctx: Ctx,
    call: Ruma<get_devices_v3::Request>,
) -> Result<get_devices_v3::Response> {
    let devices = ctx.devices.all(call.caller.user_nid).await?;
    Ok(get_devices_v3::Response::new(devices.into_iter().map(shown).collect()))
}

/// `GET /_matrix/client/v3/devices/{deviceId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devicesdeviceid))
pub async fn get_device(
    ctx: Ctx,
    call: Ruma<get_device_v3::Request>,
) -> Result<get_device_v3::Response> {
    let device = ctx.devices.device(call.caller.user_nid, call.device_id.to_string()).await?;
    Ok(get_device_v3::Response::new(shown(device)))
}

/// `PUT /_matrix/client/v3/devices/{deviceId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3devicesdeviceid))
pub async fn update_device(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<update_device_v3::Request>,
) -> Result<update_device_v3::Response> {
    let device_id = request.device_id.to_string();
    ctx.devices.set_display_name(caller.user_nid, device_id, request.display_name).await?;
    Ok(update_device_v3::Response::new())
}

/// `DELETE /_matrix/client/v3/devices/{deviceId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3devicesdeviceid))
pub async fn delete_device(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<delete_device_v3::Request>,
) -> Result<delete_device_v3::Response> {
    let what = format!("delete the device {} of", request.device_id);
    confirm(&ctx, &caller, request.auth.as_ref(), &what).await?;
    ctx.devices.delete(caller.user_nid, vec![request.device_id.to_string()]).await?;
    Ok(delete_device_v3::Response::new())
}

/// `POST /_matrix/client/v3/delete_devices`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3delete_devices))
pub async fn delete_devices(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<delete_devices_v3::Request>,
) -> Result<delete_devices_v3::Response> {
    let mut devices: Vec<String> = request.devices.iter().map(|id| id.to_string()).collect();
    devices.sort();
    // The session is good for these devices and no others.
    let what = format!("delete the devices {devices:?} of");
    confirm(&ctx, &caller, request.auth.as_ref(), &what).await?;
    ctx.devices.delete(caller.user_nid, devices).await?;
    Ok(delete_devices_v3::Response::new())
}

fn shown(device: DeviceRow) -> Device {
    let mut shown = Device::new(device.device_id.into());
    shown.display_name = device.display_name;
    shown.last_seen_ip = device.last_seen_ip;
    let last_seen = device.last_seen_at.and_then(|at| UInt::try_from(at).ok());
    shown.last_seen_ts = last_seen.map(MilliSecondsSinceUnixEpoch);
    shown
}
