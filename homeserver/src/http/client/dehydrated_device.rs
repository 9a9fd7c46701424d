//! `ruma::api::client::dehydrated_device`: a device that is asleep
//! ([MSC3814](https://github.com/matrix-org/matrix-spec-proposals/pull/3814)).

use ruma::api::client::dehydrated_device::{
    delete_dehydrated_device::unstable as delete_dehydrated_device_unstable,
    get_dehydrated_device::unstable as get_dehydrated_device_unstable,
    get_events::unstable as get_events_unstable,
    put_dehydrated_device::unstable as put_dehydrated_device_unstable,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `PUT /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`
pub async fn put_dehydrated_device(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<put_dehydrated_device_unstable::Request>,
) -> Result<put_dehydrated_device_unstable::Response> {
    let device_id = request.device_id.clone();
    ctx.dehydrated_devices.put(&caller, request).await?;
    Ok(put_dehydrated_device_unstable::Response::new(device_id))
}

/// `GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`
pub async fn get_dehydrated_device(
    ctx: Ctx,
    request: Ruma<get_dehydrated_device_unstable::Request>,
) -> Result<get_dehydrated_device_unstable::Response> {
    let (device_id, device_data) = ctx.dehydrated_devices.get(&request.caller).await?;
    Ok(get_dehydrated_device_unstable::Response::new(device_id, device_data))
}

/// `DELETE /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`
pub async fn delete_dehydrated_device(
    ctx: Ctx,
    request: Ruma<delete_dehydrated_device_unstable::Request>,
) -> Result<delete_dehydrated_device_unstable::Response> {
    let device_id = ctx.dehydrated_devices.delete(&request.caller).await?;
    Ok(delete_dehydrated_device_unstable::Response::new(device_id))
}

/// `POST /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events`
pub async fn get_events(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_events_unstable::Request>,
) -> Result<get_events_unstable::Response> {
    let since = request.next_batch.as_deref();
    let messages = ctx.dehydrated_devices.events(&caller, request.device_id, since).await?;
    let mut response = get_events_unstable::Response::new(messages.events);
    response.next_batch = Some(messages.next_batch);
    Ok(response)
}
