//! `ruma::api::client::to_device`: messages to devices.

use ruma::api::client::to_device::send_event_to_device;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3sendtodeviceeventtypetxnid))
pub async fn send_event_to_device(
    ctx: Ctx,
    request: Ruma<send_event_to_device::v3::Request>,
) -> Result<send_event_to_device::v3::Response> {
    let Ruma { request, caller } = request;
    let event_type = request.event_type.to_string();
    ctx.to_device.send(&caller, event_type, &request.txn_id, request.messages).await?;
    Ok(send_event_to_device::v3::Response::new())
}
